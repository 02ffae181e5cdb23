//! The audit log from its end, and what is taken from its beginning.

use super::bench::{Bench, Chance, at, now, unconditional};
use regcred::{
    domain::{
        audit::{AuditEvent, RecordedEvent},
        page::Limit,
        permission::Action,
        pruning::{LinesDigest, LinesHasher, Pruning, PruningCount},
        source::random_bytes,
    },
    store::{AuditScope, Rows, StoreError},
};
use uuid::Uuid;

fn limit(limit: u32) -> Limit {
    Limit::try_from(limit).unwrap()
}

fn ids(rows: Rows<RecordedEvent>) -> Vec<String> {
    rows.into_iter().map(|row| row.unwrap().event.id.to_string()).collect()
}

pub async fn oldest(bench: &Bench, count: u32) -> Vec<RecordedEvent> {
    let count = PruningCount::try_from(count).unwrap();
    bench.read().await.audit_event_list_oldest(count).await.unwrap().into_iter().map(Result::unwrap).collect()
}

/// The record of the pruning of these events, with a digest that is like no other.
pub fn pruning(events: &[RecordedEvent]) -> Pruning {
    let mut hasher = LinesHasher::default();
    hasher.line(&random_bytes::<16>(&Chance));
    Pruning {
        id: regcred::domain::id::PruningId::from_uuid(Uuid::from_bytes(random_bytes(&Chance))),
        at: at(1_234_567),
        principal: "Ünïcode \"quoted\" 'name'".to_owned(),
        token_id: None,
        first_sequence: events[0].sequence,
        last_sequence: events.last().unwrap().sequence,
        count: u32::try_from(events.len()).unwrap(),
        oldest_at: at(0),
        newest_at: at(253_402_300_799_999_999),
        sha256: hasher.finish(),
    }
}

async fn filled(bench: &Bench) -> Vec<AuditEvent> {
    let events: Vec<_> = (0..12).map(|_| bench.event(Action::PullSecretGet, None)).collect();
    bench.store.audit_log().append(&unconditional(&events)).await.unwrap();
    events
}

pub async fn the_newest_events_are_listed_backwards(bench: Bench) {
    let (acme, globex) = (bench.scope("acme", None).await, bench.scope("globex", None).await);
    let shop = bench.scope("shop", Some(&acme)).await;
    let written: Vec<_> = [Some(&acme), Some(&shop), None, Some(&globex), Some(&shop), Some(&acme)]
        .map(|place| bench.event(Action::CredentialCreate, place))
        .to_vec();
    bench.store.audit_log().append(&unconditional(&written)).await.unwrap();
    let mut queries = bench.read().await;
    for (scope, listed) in [
        (AuditScope::Deployment, vec![5, 4, 3, 2, 1, 0]),
        (AuditScope::Organization(acme.id), vec![5, 4, 1, 0]),
        (AuditScope::Organization(globex.id), vec![3]),
        (AuditScope::Project(shop.id), vec![4, 1]),
        (AuditScope::Project(acme.id), vec![]),
    ] {
        let expected: Vec<_> = listed.iter().map(|at: &usize| written[*at].id.to_string()).collect();
        let mut found = ids(queries.audit_event_list_newest(scope, None, limit(500)).await.unwrap());
        found.truncate(expected.len());
        assert_eq!(found, expected, "{scope:?}");
    }
    let all = queries.audit_event_list_newest(AuditScope::Deployment, None, limit(500)).await.unwrap();
    let place = all[1].as_ref().unwrap().sequence;
    let acme = AuditScope::Organization(acme.id);
    let page = queries.audit_event_list_newest(acme, Some(place), limit(1)).await.unwrap();
    let expected = [1, 0].map(|at: usize| written[at].id.to_string());
    assert_eq!(ids(page), expected, "one more than the page");
}

pub async fn a_pruning_takes_exactly_what_it_says_and_is_on_record(bench: Bench) {
    filled(&bench).await;
    let all = oldest(&bench, 1000).await;
    let (first, second) = (pruning(&all[..3]), pruning(&all[3..7]));
    for pruning in [&first, &second] {
        let mut tx = bench.begin().await;
        assert!(tx.audit_prune(pruning).await.unwrap());
        bench.commit(tx).await;
    }
    let left = oldest(&bench, 4).await;
    assert_eq!(
        left.iter().map(|event| event.sequence).collect::<Vec<_>>(),
        [8, 9, 10, 11],
        "numbers are never given again"
    );
    assert_eq!(bench.event_count().await, all.len() - 7 + 2, "and each left an event of its own");
    let mut queries = bench.read().await;
    assert_eq!(queries.audit_pruning_find(&first.sha256).await.unwrap().as_ref(), Some(&first));
    assert_eq!(queries.audit_pruning_find(&LinesDigest::from_bytes([7; 32])).await.unwrap(), None);
    let listed = async |queries: &mut Box<dyn regcred::store::Queries>, after, most| {
        let rows = queries.audit_pruning_list(after, limit(most)).await.unwrap();
        rows.into_iter().map(Result::unwrap).collect::<Vec<_>>()
    };
    assert_eq!(listed(&mut queries, None, 500).await, [first.clone(), second.clone()]);
    assert_eq!(listed(&mut queries, Some(first.last_sequence), 500).await, [second]);
}

pub async fn a_pruning_that_finds_less_than_it_says_is_told(bench: Bench) {
    filled(&bench).await;
    let before = oldest(&bench, 1000).await.len();
    let all = oldest(&bench, 5).await;
    let wrong = Pruning { count: 6, ..pruning(&all) };
    let mut tx = bench.begin().await;
    assert!(!tx.audit_prune(&wrong).await.unwrap());
    drop(tx);
    assert_eq!(oldest(&bench, 1000).await.len(), before, "dropped, it never happened");
    assert!(bench.read().await.audit_pruning_list(None, limit(1)).await.unwrap().is_empty());
}

pub async fn of_two_who_prune_the_same_events_one_fails(bench: Bench) {
    filled(&bench).await;
    let all = oldest(&bench, 5).await;
    let (one, other) = (pruning(&all), pruning(&all[..2]));
    let prune = async |pruning: &Pruning| {
        let mut tx = bench.begin().await;
        if !tx.audit_prune(pruning).await? {
            return Ok(false);
        }
        tx.commit(bench.event(Action::PullSecretGet, None)).await.map(|()| true)
    };
    let (one, other) = tokio::join!(prune(&one), prune(&other));
    let done = |result: &Result<bool, StoreError>| matches!(result, Ok(true));
    assert!(done(&one) != done(&other), "{one:?} {other:?}");
    let failed = if done(&one) { other } else { one };
    assert!(matches!(failed, Err(StoreError::Conflict(_))), "{failed:?}");
    assert_eq!(bench.read().await.audit_pruning_list(None, limit(5)).await.unwrap().len(), 1);
}

pub async fn events_are_deleted_by_pruning_alone_and_records_never(bench: Bench) {
    filled(&bench).await;
    assert!(!bench.back_door.execute("delete from audit_events").await);
    assert!(!bench.back_door.execute("delete from audit_events where sequence = 1").await);
    let all = oldest(&bench, 1000).await;
    let mut tx = bench.begin().await;
    assert!(tx.audit_prune(&pruning(&all[..4])).await.unwrap());
    bench.commit(tx).await;
    for statement in [
        "delete from audit_events where sequence > 4",
        "update audit_prunings set count = 5",
        "update audit_prunings set last_sequence = 1000",
        "delete from audit_prunings",
    ] {
        assert!(!bench.back_door.execute(statement).await, "{statement}");
    }
    assert_eq!(oldest(&bench, 1000).await.len(), all.len() - 4 + 1);
}

pub async fn the_clock_is_the_one_of_the_database(bench: Bench) {
    let before = now();
    let read = bench.read().await.clock_read().await.unwrap().microseconds();
    // Databases and tests run on one machine; a millisecond is as fine as SQLite's clock is.
    assert!((before - 1000..=now() + 1000).contains(&read), "{before} {read}");
}
