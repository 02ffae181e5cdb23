//! What may be remembered: for as long as the database says so, and not for a change longer.

use super::bench::{Bench, at, insert, now};
use regcred::{
    domain::{
        audit::AuditEvent,
        id::TokenId,
        page::Limit,
        permission::{Action, Role},
        scope::ScopeRecord,
        token::Token,
    },
    store::{AuditScope, ConditionalEvent, Premise, Stamp},
};
use uuid::Uuid;

const HOUR: i64 = 3_600_000_000;

async fn of(bench: &Bench, place: &ScopeRecord) -> Vec<Premise> {
    bench.read().await.premise_list(place).await.unwrap()
}

async fn holds(bench: &Bench, premises: &[Premise]) -> bool {
    bench.store.prover().prove(&[premises.to_vec()]).await.unwrap()[0]
}

/// A token, and that nothing has changed with it.
async fn token(bench: &Bench, place: &ScopeRecord, end: i64) -> (Token, Premise) {
    let (token, text, key) = bench.token(Role::Deployer, Some(place), at(end)).await;
    let found = bench.read().await.token_find(&key.token_mac(&text)).await.unwrap().expect("it is there");
    let stamp = found.stamp.expect("every token has one");
    let premise = Premise { subject: token.id.as_uuid(), stamp, until: Some(token.expires_at) };
    (token, premise)
}

async fn revoke(bench: &Bench, place: &ScopeRecord, id: TokenId) {
    let mut tx = bench.begin().await;
    assert!(tx.token_delete(Some(place.id), id).await.unwrap());
    bench.commit(tx).await;
}

pub async fn every_change_of_a_credential_ends_what_rests_on_its_scope(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let (shop, other) = (bench.scope("shop", Some(&acme)).await, bench.scope("other", Some(&acme)).await);
    let beside = of(&bench, &other).await[..].to_vec();
    let own = |premises: &[Premise], place: &ScopeRecord| {
        premises.iter().find(|premise| premise.subject == place.id.as_uuid()).copied().expect("it is there")
    };
    for place in [&shop, &acme] {
        let before = of(&bench, &shop).await;
        assert_eq!(before.len(), 2);
        assert!(holds(&bench, &before).await);
        let credential = bench.credential(place, "quay.io").await;
        assert!(!holds(&bench, &before).await, "added");
        let others = before.iter().filter(|premise| premise.subject != place.id.as_uuid()).copied().collect::<Vec<_>>();
        assert!(holds(&bench, &others).await, "the other scope is not touched");

        let added = of(&bench, &shop).await;
        let mut tx = bench.begin().await;
        let mut changed = credential.clone();
        (changed.enabled, changed.revision) = (false, 2);
        assert!(tx.credential_update(&changed, 1, None).await.unwrap());
        assert!(holds(&bench, &added).await, "nothing is committed yet");
        bench.commit(tx).await;
        assert!(!holds(&bench, &added).await, "changed");

        let changed = of(&bench, &shop).await;
        let mut tx = bench.begin().await;
        assert!(tx.credential_delete(credential.id, 2).await.unwrap());
        bench.commit(tx).await;
        assert!(!holds(&bench, &changed).await, "deleted");
    }
    assert!(holds(&bench, &[own(&beside, &other)]).await, "a project beside it is not touched");
}

pub async fn a_change_that_is_given_up_ends_nothing(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let before = of(&bench, &acme).await;
    let sealed = bench.sealed(&acme, "quay.io").await;
    let mut tx = bench.begin().await;
    assert!(insert(&mut *tx, &sealed).await);
    drop(tx);
    // The next change waits until the last one is undone.
    bench.scope("other", None).await;
    assert!(holds(&bench, &before).await);
}

pub async fn a_change_behind_the_services_back_ends_what_rests_on_it(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let shop = bench.scope("shop", Some(&acme)).await;
    bench.credential(&shop, "quay.io").await;
    let (_, by) = token(&bench, &shop, now() + HOUR).await;
    for statement in [
        "update credentials set email = 'other@acme.example'",
        "update credentials set sealed = sealed",
        "update scopes set name = 'shops' where parent_id is not null",
        "update tokens set role = 'viewer'",
        "delete from credentials",
        "delete from data_keys where scope_id is not null",
        "delete from stamps",
    ] {
        let mut premises = of(&bench, &shop).await;
        if statement.contains("tokens") {
            premises = vec![by];
        }
        assert!(holds(&bench, &premises).await, "before: {statement}");
        assert!(bench.back_door.execute(statement).await, "{statement}");
        assert!(!holds(&bench, &premises).await, "after: {statement}");
    }
}

pub async fn what_changes_nothing_that_is_handed_out_ends_nothing(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let shop = bench.scope("shop", Some(&acme)).await;
    let credential = bench.credential(&shop, "quay.io").await;
    let (_, by) = token(&bench, &shop, now() + HOUR).await;
    let before = [of(&bench, &shop).await, vec![by]].concat();

    bench
        .store
        .audit_log()
        .mark_used(&[bench.hand_out(&shop, vec![credential.id.as_uuid()], at(now()))])
        .await
        .unwrap();
    token(&bench, &shop, now() + HOUR).await;
    bench.scope("other", Some(&acme)).await;
    let old = bench.read().await.data_key_find(Some(shop.id)).await.unwrap().unwrap();
    let (_, other) = bench.data_key(Some(shop.id)).await;
    let mut tx = bench.begin().await;
    assert!(tx.data_key_update(&old, &other.wrapped).await.unwrap());
    bench.commit(tx).await;
    assert!(holds(&bench, &before).await);
}

pub async fn a_token_that_is_revoked_or_ends_is_no_premise(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let (revoked, by_revoked) = token(&bench, &acme, now() + HOUR).await;
    assert!(holds(&bench, &[by_revoked]).await);
    revoke(&bench, &acme, revoked.id).await;
    assert!(!holds(&bench, &[by_revoked]).await);

    // By the clock of the database, between one question and the next.
    let end = now() + 300_000;
    let (_, ending) = token(&bench, &acme, end).await;
    loop {
        let asked = now();
        if !holds(&bench, &[ending]).await {
            assert!(now() >= end, "it ended before its time");
            break;
        }
        assert!(asked < end + 1000, "it goes on after its time");
    }
}

pub async fn a_scope_that_is_made_anew_is_another_one(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let shop = bench.scope("shop", Some(&acme)).await;
    bench.credential(&shop, "quay.io").await;
    let (_, by) = token(&bench, &shop, now() + HOUR).await;
    let before = of(&bench, &shop).await;
    let mut tx = bench.begin().await;
    tx.scope_delete(shop.id).await.unwrap();
    bench.commit(tx).await;
    assert!(!holds(&bench, &before).await);
    assert!(!holds(&bench, &[by]).await, "its tokens went with it");
    bench.scope("shop", Some(&acme)).await;
    assert!(!holds(&bench, &before).await);
    assert!(of(&bench, &shop).await.len() < 2, "what is gone has no stamp");
}

pub async fn of_a_batch_exactly_those_events_are_written_whose_premises_hold(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let good = of(&bench, &acme).await;
    let none = Premise { subject: Uuid::from_u128(1), stamp: Stamp(Uuid::from_u128(2)), until: None };
    let stale = Premise { stamp: Stamp(Uuid::from_u128(3)), ..good[0] };
    let over = Premise { until: Some(at(now() - 1_000_000)), ..good[0] };
    let later = Premise { until: Some(at(now() + HOUR)), ..good[0] };
    let cases = [
        (vec![], true),
        (good.clone(), true),
        (vec![none], false),
        (vec![good[0], stale], false),
        (vec![later], true),
        (vec![over], false),
        (vec![good[0], none, stale], false),
        (vec![], true),
    ];
    // More than one statement takes, and more than fit its steps.
    for times in [1, 9, 100] {
        let before = bench.event_count().await;
        let events: Vec<ConditionalEvent> = cases
            .iter()
            .cycle()
            .take(cases.len() * times)
            .map(|(premises, _)| ConditionalEvent {
                event: bench.event(Action::PullSecretGet, Some(&acme)),
                premises: premises.clone(),
            })
            .collect();
        let written = bench.store.audit_log().append(&events).await.unwrap();
        let held: Vec<bool> = cases.iter().cycle().take(events.len()).map(|(_, holds)| *holds).collect();
        assert_eq!(written, held);
        let expected: Vec<&AuditEvent> =
            events.iter().zip(&held).filter(|(_, held)| **held).map(|(it, _)| &it.event).collect();
        let most = Limit::try_from(500).unwrap();
        let mut log = Vec::new();
        let after = i64::try_from(before).unwrap();
        while log.len() < expected.len() {
            let after = after + i64::try_from(log.len()).unwrap();
            let rows = bench.read().await.audit_event_list(AuditScope::Deployment, Some(after), most).await.unwrap();
            assert!(!rows.is_empty(), "{} of {} were written", log.len(), expected.len());
            log.extend(rows.into_iter().take(500).map(|row| row.unwrap()));
        }
        assert!(log.iter().map(|recorded| recorded.event.id).eq(expected.iter().map(|event| event.id)));
        assert!(
            log.iter().map(|recorded| recorded.sequence).eq(after + 1..=after + i64::try_from(expected.len()).unwrap())
        );
    }
    assert_eq!(
        bench.store.prover().prove(&cases.each_ref().map(|(premises, _)| premises.clone())).await.unwrap(),
        cases.each_ref().map(|(_, holds)| *holds)
    );
}
