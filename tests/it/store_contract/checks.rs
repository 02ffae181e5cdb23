//! Checks: what is kept of them, what they change, and whose turn it is.

use super::bench::{Bench, at};
use regcred::{
    domain::{
        check::{Check, Finding, RateLimit},
        credential::Credential,
        id::CredentialId,
        page::Limit,
        scope::ScopeRecord,
        timestamp::Timestamp,
    },
    store::{CredentialFilter, DueCheck},
};
use std::collections::HashSet;

const HOUR: i64 = 3_600_000_000;
const NOW: i64 = 1_800_000_000_000_000;

fn check(finding: Finding, checked_at: i64) -> Check {
    Check { finding, checked_at: at(checked_at), image: None, rate_limit: None }
}

async fn shown(bench: &Bench, place: &ScopeRecord, id: CredentialId) -> Option<Check> {
    let found = bench.read().await.credential_find(place, id).await.unwrap().unwrap();
    let filter = CredentialFilter { place, server: None, after: None, limit: Limit::default() };
    let listed = bench.read().await.credential_list(&filter).await.unwrap();
    assert!(listed.contains(&Ok(found.clone())), "the list says the same");
    found.last_check
}

pub async fn a_check_is_shown_with_the_password_that_it_was_of(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let credential = bench.credential(&acme, "ghcr.io").await;
    let id = credential.id;
    assert_eq!(shown(&bench, &acme, id).await, None);
    let whole = Check {
        image: Some("ghcr.io/acme/app:1.0".parse().unwrap()),
        rate_limit: Some(RateLimit { limit: 100, remaining: 76, window_seconds: Some(21600) }),
        ..check(Finding::PullAllowed, NOW)
    };
    for kept in [whole, check(Finding::LoginRefused, NOW + 1)] {
        bench.store.check_put(id, 1, &kept).await.unwrap();
        assert_eq!(shown(&bench, &acme, id).await, Some(kept));
    }
    // Whoever was slower has nothing to say any more.
    bench.store.check_put(id, 1, &check(Finding::LoginAccepted, NOW)).await.unwrap();
    assert_eq!(shown(&bench, &acme, id).await, Some(check(Finding::LoginRefused, NOW + 1)));
    // What is known of a newer password is kept for it, and what comes late of an older one is dropped.
    bench.store.check_put(id, 2, &check(Finding::LoginAccepted, NOW)).await.unwrap();
    bench.store.check_put(id, 1, &check(Finding::LoginRefused, NOW + 9)).await.unwrap();
    assert_eq!(shown(&bench, &acme, id).await, None);
    let new = Credential { version: 2, revision: 2, ..credential };
    let mut tx = bench.begin().await;
    assert!(tx.credential_update(&new, 1, None).await.unwrap());
    bench.commit(tx).await;
    assert_eq!(shown(&bench, &acme, id).await, Some(check(Finding::LoginAccepted, NOW)));

    // What is gone is not tried, and leaves nothing.
    let mut tx = bench.begin().await;
    assert!(tx.credential_delete(id, 2).await.unwrap());
    bench.commit(tx).await;
    bench.store.check_put(id, 2, &check(Finding::LoginAccepted, NOW + 10)).await.unwrap();
    let mut queries = bench.read().await;
    assert!(queries.sealed_credential_find(&acme, id).await.unwrap().is_none());
}

pub async fn a_check_ends_nothing_that_is_remembered(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let credential = bench.credential(&acme, "ghcr.io").await;
    let before = bench.read().await.premise_list(&acme).await.unwrap();
    bench.store.check_put(credential.id, 1, &check(Finding::LoginRefused, NOW)).await.unwrap();
    claim(&bench, NOW + HOUR, NOW + HOUR, 10).await;
    assert_eq!(bench.read().await.premise_list(&acme).await.unwrap(), before);
    assert!(!before.is_empty());
}

async fn claim(bench: &Bench, since: i64, now: i64, limit: u32) -> Vec<DueCheck> {
    let limit = Limit::try_from(limit).unwrap();
    let rows = bench.store.check_claim(at(since), at(now), limit).await.unwrap();
    rows.into_iter().map(Result::unwrap).collect()
}

pub async fn each_login_that_is_handed_out_has_its_turn_once_in_a_time(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let shop = bench.scope("shop", Some(&acme)).await;
    let own = bench.credential(&shop, "ghcr.io").await;
    let inherited = bench.credential(&acme, "quay.io").await;
    let change = async |old: &Credential, enabled: bool, expires_at: Option<Timestamp>| {
        let mut tx = bench.begin().await;
        let new = Credential { enabled, expires_at, revision: 2, ..old.clone() };
        assert!(tx.credential_update(&new, 1, None).await.unwrap());
        bench.commit(tx).await;
    };
    change(&bench.credential(&shop, "disabled.example.com").await, false, None).await;
    change(&bench.credential(&shop, "expired.example.com").await, true, Some(at(NOW))).await;
    let later = bench.credential(&shop, "later.example.com").await;
    change(&later, true, Some(at(NOW + 1))).await;
    bench.store.check_put(own.id, 1, &check(Finding::LoginAccepted, NOW - 2 * HOUR)).await.unwrap();
    bench.store.check_put(later.id, 1, &check(Finding::LoginAccepted, NOW - HOUR / 2)).await.unwrap();

    let due = claim(&bench, NOW - HOUR, NOW, 10).await;
    let expected = [(&acme, inherited.id), (&shop, own.id)];
    assert_eq!(due, expected.map(|(place, id)| DueCheck { scope: place.scope.clone(), id }), "never tried goes first");
    assert_eq!(claim(&bench, NOW - HOUR, NOW, 10).await, [], "they are taken");
    assert_eq!(shown(&bench, &shop, own.id).await.map(|check| check.finding), Some(Finding::LoginAccepted));
    let again = claim(&bench, NOW, NOW + HOUR, 1).await;
    assert_eq!(again.len(), 1, "no more than was asked for");
}

pub async fn of_those_who_look_at_once_each_is_given_others(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let mut all = HashSet::new();
    for number in 0..12 {
        all.insert(bench.credential(&acme, &format!("r{number}.example.com")).await.id);
    }
    for round in 0..2 {
        let now = NOW + round * 2 * HOUR;
        let looks = (0..4).map(|_| claim(&bench, now - HOUR, now, 12));
        let given: Vec<_> =
            futures_util::future::join_all(looks).await.into_iter().flatten().map(|due| due.id).collect();
        assert_eq!(given.len(), all.len(), "round {round}");
        assert_eq!(given.into_iter().collect::<HashSet<_>>(), all);
    }
}
