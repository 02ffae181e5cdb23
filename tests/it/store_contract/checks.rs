//! Checks: what is kept of them, what they change, and whose turn it is.

use super::{
    adding::Adding,
    bench::{Bench, at},
};
use regcred::{
    domain::{
        check::{Check, Finding, RateLimit},
        credential::Credential,
        id::CredentialId,
        page::Limit,
        permission::Role,
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

/// What is taken from the beginning on, in one go.
async fn claim(bench: &Bench, since: i64, now: i64, limit: usize) -> Vec<DueCheck> {
    let (due, _) = due_behind(bench, None, (since, now)).await;
    let mut claimed = Vec::new();
    for due in due {
        if claimed.len() < limit && bench.store.check_claim(due.id, (at(since), at(now))).await.unwrap() {
            claimed.push(due);
        }
    }
    claimed
}

async fn due_behind(
    bench: &Bench,
    after: Option<CredentialId>,
    (since, now): (i64, i64),
) -> (Vec<DueCheck>, Option<CredentialId>) {
    let found = bench.store.check_list(after, (at(since), at(now))).await.unwrap();
    (found.due.into_iter().map(Result::unwrap).collect(), found.next)
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
    let tried = Some(at(NOW - 2 * HOUR));
    let mut expected =
        [(&shop, &own, tried), (&acme, &inherited, None)].map(|(place, credential, attempted_at)| DueCheck {
            scope: place.scope.clone(),
            id: credential.id,
            server: credential.server.clone(),
            created_at: credential.created_at,
            attempted_at,
            is_untried: attempted_at.is_none(),
        });
    expected.sort_unstable_by_key(|due| due.id);
    assert_eq!(due, expected);
    assert_eq!(claim(&bench, NOW - HOUR, NOW, 10).await, [], "they are taken");
    assert_eq!(shown(&bench, &shop, own.id).await.map(|check| check.finding), Some(Finding::LoginAccepted));
    let id = claim(&bench, NOW, NOW + HOUR, 1).await[0].id;
    assert!(!bench.store.check_claim(id, (at(NOW), at(NOW + HOUR))).await.unwrap(), "it is taken");
    assert_eq!(claim(&bench, NOW, NOW + HOUR, 10).await.len(), 1, "the other one is not");
}

pub async fn a_login_that_was_refused_is_left_alone_until_its_password_is_another(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let credential = bench.credential(&acme, "ghcr.io").await;
    let id = credential.id;
    for (finding, number) in [(Finding::RegistryFailed, 1), (Finding::LoginAccepted, 1), (Finding::LoginRefused, 0)] {
        bench.store.check_put(id, 1, &check(finding, NOW - 2 * HOUR)).await.unwrap();
        let due = claim(&bench, NOW - HOUR, NOW - HOUR, 10).await;
        assert_eq!(due.iter().map(|due| due.is_untried).collect::<Vec<_>>(), vec![false; number], "{finding:?}");
    }
    let new = Credential { version: 2, revision: 2, ..credential };
    let mut tx = bench.begin().await;
    assert!(tx.credential_update(&new, 1, None).await.unwrap());
    bench.commit(tx).await;
    let due = claim(&bench, NOW, NOW, 10).await;
    assert_eq!(due.iter().map(|due| due.is_untried).collect::<Vec<_>>(), [true], "of this one nothing is known");
}

pub async fn all_logins_have_their_turn_in_their_order(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let mut all = Vec::new();
    for number in 0..7 {
        all.push(bench.credential(&acme, &format!("r{number}.example.com")).await.id);
    }
    all.sort_unstable();
    let (mut after, mut seen) = (None, Vec::new());
    for _ in 0..7 {
        let (due, next) = due_behind(&bench, after, (NOW - HOUR, NOW)).await;
        assert_eq!((due.len(), next), (7 - seen.len(), None), "only those behind the last one");
        seen.push(due[0].id);
        after = Some(due[0].id);
    }
    assert_eq!(seen, all);
    assert_eq!(due_behind(&bench, after, (NOW - HOUR, NOW)).await.0, []);
    assert_eq!(due_behind(&bench, None, (NOW - HOUR, NOW)).await.0.len(), 7, "to look is not to take");
}

pub async fn a_part_without_anybody_whose_turn_it_is_is_passed_over(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let (token, _, _) = bench.token(Role::Editor, Some(&acme), at(NOW * 2)).await;
    let mut new = Vec::new();
    for number in 0..505 {
        new.push(Adding::new(&bench, token.id, &acme, &format!("r{number}.example.com"), "argo").await);
    }
    new.sort_unstable_by_key(|adding| adding.as_new().credential.id);
    new.iter_mut().take(502).for_each(Adding::switch_off);
    let rows: Vec<_> = new.iter().map(Adding::as_new).collect();
    for rows in rows.chunks(500) {
        assert!(bench.store.credential_add_many(rows).await.unwrap().into_iter().all(|added| added));
    }
    let (due, next) = due_behind(&bench, None, (NOW - HOUR, NOW)).await;
    assert_eq!(due, [], "of the first five hundred none is handed out");
    let next = next.expect("there are more behind them");
    let (due, next) = due_behind(&bench, Some(next), (NOW - HOUR, NOW)).await;
    assert_eq!((due.len(), next), (3, None));
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
