//! What may be remembered: for as long as the database says so, and not for a change longer.

use super::bench::{self, Bench, at, insert, now};
use regcred::{
    domain::{
        id::TokenId,
        page::Limit,
        permission::{Action, Role},
        scope::ScopeRecord,
        token::Token,
    },
    store::{AuditScope, ConditionalEvent, Premise, Stamp},
};
use std::time::Duration;
use uuid::Uuid;

const HOUR: i64 = 3_600_000_000;

async fn of(bench: &Bench, place: &ScopeRecord) -> Vec<Premise> {
    bench.read().await.premise_list(place).await.unwrap()
}

async fn holds(bench: &Bench, premises: &[Premise]) -> bool {
    bench.store.prover().prove(&[premises]).await.unwrap()[0]
}

/// A token, and that nothing has changed with it.
async fn token(bench: &Bench, place: &ScopeRecord, end: i64) -> (Token, Premise) {
    let (token, text, key) = bench.token(Role::Deployer, Some(place), at(end)).await;
    let found = bench.read().await.token_find(&key.mac(&text)).await.unwrap().expect("it is there");
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

    bench.store.credential_mark_used(&[(credential.id, at(now()))]).await.unwrap();
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
    let mut prover = bench.store.prover();
    loop {
        let asked = now();
        if prover.prove(&[&[ending]]).await.unwrap() == [false] {
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

pub async fn every_case_of_a_batch_is_proved_by_itself(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let good = of(&bench, &acme).await;
    let none = Premise { subject: Uuid::from_u128(1), stamp: Stamp(Uuid::from_u128(2)), until: None };
    let stale = Premise { stamp: Stamp(Uuid::from_u128(3)), ..good[0] };
    let over = Premise { until: Some(at(now() - 1_000_000)), ..good[0] };
    let later = Premise { until: Some(at(now() + HOUR)), ..good[0] };
    let cases: [(&[Premise], bool); 8] = [
        (&[], true),
        (&good, true),
        (&[none], false),
        (&[good[0], stale], false),
        (&[later], true),
        (&[over], false),
        (&[good[0], none, stale], false),
        (&[], true),
    ];
    let mut prover = bench.store.prover();
    // More than one statement takes, and more than fit its steps.
    for count in [1, 8, 13, 512, 1000] {
        let (premises, held): (Vec<_>, Vec<_>) = cases.iter().cycle().take(count).copied().unzip();
        assert_eq!(prover.prove(&premises).await.unwrap(), held);
    }
    let many: Vec<_> = (0..2000).map(|number| Premise { subject: Uuid::from_u128(number), ..none }).collect();
    let cases: Vec<_> = many.chunks(1).chain([&good[..]]).collect();
    let held = prover.prove(&cases).await.unwrap();
    assert_eq!((held.iter().filter(|held| **held).count(), held.last()), (1, Some(&true)));
}

pub async fn of_a_batch_exactly_those_events_are_written_whose_premises_hold(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let mut log = bench.store.audit_log();
    let mut before = i64::try_from(bench.event_count().await).unwrap();
    for count in [1, 8, 13, 100, 512] {
        // What was proved in the round before is so no longer.
        bench.credential(&acme, &format!("registry-{count}.example")).await;
        before += 1;
        let good = of(&bench, &acme).await;
        let stale = Premise { stamp: Stamp(Uuid::from_u128(3)), ..good[0] };
        let over = Premise { until: Some(at(now() - 1_000_000)), ..good[0] };
        let cases = [(vec![], true), (good.clone(), true), (vec![stale], false), (vec![good[0], over], false)];
        for _ in 0..3 {
            let round: Vec<_> = cases.iter().cycle().take(count).collect();
            let event = || bench.event(Action::PullSecretGet, Some(&acme));
            let entries =
                round.iter().map(|(premises, _)| ConditionalEvent { event: event(), premises: premises.clone() });
            let entries: Vec<_> = entries.collect();
            assert!(log.append(&entries).await.unwrap().iter().eq(round.iter().map(|(_, held)| held)));
            let expected = entries.iter().zip(&round).filter(|(_, (_, held))| *held).map(|(entry, _)| entry.event.id);
            let expected: Vec<_> = expected.collect();
            let most = Limit::try_from(500).unwrap();
            let rows = bench.read().await.audit_event_list(AuditScope::Deployment, Some(before), most).await.unwrap();
            let found: Vec<_> = rows.into_iter().map(|row| row.unwrap()).collect();
            assert!(found.iter().map(|recorded| recorded.event.id).eq(expected.iter().copied()));
            let after = before + i64::try_from(expected.len()).unwrap();
            assert!(found.iter().map(|recorded| recorded.sequence).eq(before + 1..=after), "without a gap");
            before = after;
        }
    }
}

pub async fn what_was_proved_before_a_change_is_not_proved_after_it(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let (mut prover, mut log) = (bench.store.prover(), bench.store.audit_log());
    for round in 0..20 {
        let before = of(&bench, &acme).await;
        let entry =
            || [ConditionalEvent { event: bench.event(Action::PullSecretGet, Some(&acme)), premises: before.clone() }];
        for _ in 0..3 {
            assert_eq!(prover.prove(&[&before]).await.unwrap(), [true]);
            assert_eq!(log.append(&entry()).await.unwrap(), [true]);
        }
        bench.credential(&acme, &format!("registry-{round}.example")).await;
        assert_eq!(prover.prove(&[&before]).await.unwrap(), [false]);
        assert_eq!(log.append(&entry()).await.unwrap(), [false]);
    }
}

pub async fn what_was_proved_again_and_again_is_not_proved_after_a_change(bench: Bench) {
    prove_again_and_again(&bench, false).await;
}

/// Where there can be several changes at a time. By itself, since all databases of a server have one moment.
pub async fn what_is_proved_while_others_are_under_way_is_not_proved_after_them(bench: Bench) {
    prove_again_and_again(&bench, true).await;
}

async fn prove_again_and_again(bench: &Bench, beside: bool) {
    let acme = bench.scope("acme", None).await;
    let mut prover = bench.store.prover();
    let mut many = async |premises: &[Premise], expected: bool| {
        for time in 0..5 {
            assert_eq!(prover.prove(&[premises]).await.unwrap(), [expected], "{time}");
        }
    };
    for round in 0..10 {
        let before = of(bench, &acme).await;
        many(&before, true).await;
        let sealed = bench.sealed(&acme, &format!("registry-{round}.example")).await;
        let mut tx = bench.begin().await;
        assert!(insert(&mut *tx, &sealed).await);
        many(&before, true).await;
        if beside {
            bench.scope(&format!("other-{round}"), None).await;
            many(&before, true).await;
        }
        bench.commit(tx).await;
        many(&before, false).await;
    }
}

pub async fn no_event_is_written_for_what_ended_after_it_was_proved(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let mut log = bench.store.audit_log();
    let entry = |premise: Premise| {
        [ConditionalEvent { event: bench.event(Action::PullSecretGet, Some(&acme)), premises: vec![premise] }]
    };
    let end = now() + 1_500_000;
    let (_, ending) = token(&bench, &acme, end).await;
    let (revoked, by_revoked) = token(&bench, &acme, now() + HOUR).await;
    for _ in 0..3 {
        assert_eq!(log.append(&entry(ending)).await.unwrap(), [true], "this machine took too long");
        assert_eq!(log.append(&entry(by_revoked)).await.unwrap(), [true]);
    }
    while now() <= end + 1000 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let before = bench.event_count().await;
    for _ in 0..3 {
        assert_eq!(log.append(&entry(ending)).await.unwrap(), [false]);
    }
    assert_eq!(bench.event_count().await, before, "events tell of what did not happen");
    revoke(&bench, &acme, revoked.id).await;
    assert_eq!(log.append(&entry(by_revoked)).await.unwrap(), [false]);
    assert_eq!(bench.event_count().await, before + 1, "the revocation alone");
    assert_eq!(log.append(&bench::unconditional(&[bench.event(Action::PullSecretGet, None)])).await.unwrap(), [true]);
}
