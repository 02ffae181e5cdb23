//! The audit log: only ever added to, in whole batches, in the order of commits.

use super::bench::{Bench, REFUSED, at, now, unconditional};
use regcred::{
    domain::{
        audit::{AuditEvent, Outcome, RecordedEvent},
        credential::Credential,
        id::CredentialId,
        page::Limit,
        permission::Action,
        scope::ScopeRecord,
        timestamp::Timestamp,
    },
    store::{AuditScope, StoreError},
};
use std::slice::from_ref;
use uuid::Uuid;

const MINUTE: i64 = 60_000_000;

async fn events(bench: &Bench, scope: AuditScope, after: Option<i64>, limit: u32) -> Vec<RecordedEvent> {
    let limit = Limit::try_from(limit).unwrap();
    let rows = bench.read().await.audit_event_list(scope, after, limit).await.unwrap();
    rows.into_iter().map(Result::unwrap).collect()
}

/// All that an event says, to compare two of them.
fn said(event: &AuditEvent) -> String {
    format!("{event:?}")
}

pub async fn events_come_back_as_they_were_written_and_in_the_order_of_commits(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let shop = bench.scope("shop", Some(&acme)).await;
    let before = bench.event_count().await;
    let mut written = Vec::new();
    for (operation, place) in Action::ALL.iter().zip([None, Some(&acme), Some(&shop)].into_iter().cycle()) {
        written.push(bench.event(*operation, place));
    }
    // An event is as old as its commit, whatever its own time says.
    written[1].at = at(1_234_567);
    written[2].objects = [Uuid::from_u128(2), Uuid::from_u128(1)].into();
    written[3].outcome = Outcome::Denied;
    written[4].address = Some("2001:db8::1".parse().unwrap());
    written[5] = AuditEvent { token_id: None, address: None, ..written[5].clone() };
    written[6] = AuditEvent { principal: "Ünïcode \"quoted\" 'name'".into(), ..written[6].clone() };
    let (first, rest) = written.split_at(5);
    let mut log = bench.store.audit_log();
    log.append(&unconditional(first)).await.unwrap();
    for (number, event) in rest.iter().enumerate() {
        if number % 2 == 0 {
            bench.begin().await.commit(event.clone()).await.unwrap();
        } else {
            log.append(&unconditional(from_ref(event))).await.unwrap();
        }
    }
    let read = events(&bench, AuditScope::Deployment, None, 500).await;
    let said_then: Vec<_> = written.iter().map(said).collect();
    assert_eq!(read[before..].iter().map(|recorded| said(&recorded.event)).collect::<Vec<_>>(), said_then);
    assert!(read.windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
    let behind = events(&bench, AuditScope::Deployment, Some(read[3].sequence), 2).await;
    assert_eq!(
        behind.iter().map(|event| event.sequence).collect::<Vec<_>>(),
        [4, 5, 6].map(|at: usize| read[at].sequence)
    );
}

pub async fn appending_is_all_or_nothing(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let login = bench.credential(&acme, "ghcr.io").await;
    bench.back_door.refuse_some_events().await;
    let before = bench.event_count().await;
    let good = bench.hand_out(&acme, vec![login.id.as_uuid()], at(now()));
    let bad = AuditEvent { principal: REFUSED.into(), ..good.clone() };
    let refused = bench.store.audit_log().append(&unconditional(&[good.clone(), bad, good.clone()])).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    assert_eq!(bench.event_count().await, before);
    assert_eq!(last_used(&bench, &acme, &login).await, None, "nothing was handed out");
}

pub async fn the_log_goes_on_after_a_failure(bench: Bench) {
    bench.back_door.refuse_some_events().await;
    let before = bench.event_count().await;
    let mut log = bench.store.audit_log();
    let good = bench.event(Action::PullSecretGet, None);
    let bad = AuditEvent { principal: REFUSED.into(), ..good.clone() };
    for _ in 0..3 {
        assert!(log.append(&unconditional(from_ref(&bad))).await.is_err());
        log.append(&unconditional(from_ref(&good))).await.unwrap();
        // Nobody else is held up by what failed.
        bench.begin().await.commit(good.clone()).await.unwrap();
    }
    log.append(&[]).await.unwrap();
    assert_eq!(bench.event_count().await, before + 6);
}

async fn last_used(bench: &Bench, place: &ScopeRecord, credential: &Credential) -> Option<Timestamp> {
    bench.read().await.credential_find(place, credential.id).await.unwrap().unwrap().last_used_at
}

pub async fn a_credential_is_marked_as_used_at_most_once_a_minute(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let (login, other) = (bench.credential(&acme, "ghcr.io").await, bench.credential(&acme, "quay.io").await);
    let first = now();
    // When it is handed out, and what is then remembered.
    for (used, remembered) in [
        (first, first),
        (first + 1, first),
        (first + MINUTE - 1, first),
        (first - MINUTE, first),
        (first + MINUTE + 1, first + MINUTE + 1),
        (first + MINUTE + 2, first + MINUTE + 1),
        (first + 10 * MINUTE, first + 10 * MINUTE),
    ] {
        bench.store.credential_mark_used(&[(login.id, at(used))]).await.unwrap();
        assert_eq!(last_used(&bench, &acme, &login).await, Some(at(remembered)), "{} later", used - first);
    }
    assert_eq!(last_used(&bench, &acme, &other).await, None);
    // Many at once, and one that is not there any more.
    let gone = CredentialId::from_uuid(Uuid::from_u128(1));
    let late = first + 60 * MINUTE;
    bench.store.credential_mark_used(&[(other.id, at(late)), (gone, at(late)), (login.id, at(late))]).await.unwrap();
    assert_eq!(last_used(&bench, &acme, &login).await, Some(at(late)));
    // Being used is no change.
    let found = bench.read().await.credential_find(&acme, other.id).await.unwrap().unwrap();
    assert_eq!(found, Credential { last_used_at: Some(at(late)), ..other });
}

pub async fn events_are_never_changed(bench: Bench) {
    let read = events(&bench, AuditScope::Deployment, None, 500).await;
    assert!(!read.is_empty());
    assert!(!bench.back_door.execute("update audit_events set principal = 'nobody'").await, "the database refuses");
    let again = events(&bench, AuditScope::Deployment, None, 500).await;
    assert_eq!(said(&again[0].event), said(&read[0].event));
}

pub async fn events_are_listed_by_organization_and_by_project(bench: Bench) {
    let (acme, globex) = (bench.scope("acme", None).await, bench.scope("globex", None).await);
    let (shop, strange) = (bench.scope("shop", Some(&acme)).await, bench.scope("shop", Some(&globex)).await);
    let before = bench.event_count().await;
    let written: Vec<_> = [Some(&acme), Some(&shop), None, Some(&strange), Some(&globex), Some(&shop)]
        .map(|place| bench.event(Action::CredentialCreate, place))
        .to_vec();
    bench.store.audit_log().append(&unconditional(&written)).await.unwrap();
    for (scope, listed) in [
        (AuditScope::Organization(acme.id), vec![0, 1, 5]),
        (AuditScope::Organization(globex.id), vec![3, 4]),
        (AuditScope::Project(shop.id), vec![1, 5]),
        (AuditScope::Project(strange.id), vec![3]),
        // An organization is no project, and the other way round.
        (AuditScope::Project(acme.id), vec![]),
        (AuditScope::Organization(shop.id), vec![]),
    ] {
        let read = events(&bench, scope, None, 500).await;
        let expected: Vec<_> = listed.iter().map(|at: &usize| written[*at].id).collect();
        assert_eq!(read.iter().map(|event| event.event.id).collect::<Vec<_>>(), expected, "{scope:?}");
    }
    assert_eq!(events(&bench, AuditScope::Deployment, None, 500).await.len(), before + written.len());
}
