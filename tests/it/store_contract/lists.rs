//! Lists: what is in force, pages, and what comes back of each row.

use super::bench::{Bench, at, insert};
use regcred::{
    domain::{
        credential::Credential,
        page::Limit,
        scope::{ScopeName, ScopeRecord},
    },
    store::{Corrupt, CredentialFilter, SealedCredential},
};

pub async fn credentials_in_force_are_the_own_ones_and_those_not_overridden(bench: Bench) {
    let (acme, globex) = (bench.scope("acme", None).await, bench.scope("globex", None).await);
    let (shop, other) = (bench.scope("shop", Some(&acme)).await, bench.scope("other", Some(&acme)).await);
    let inherited = bench.credential(&acme, "ghcr.io").await;
    let overridden = bench.credential(&acme, "quay.io/acme").await;
    bench.credential(&globex, "docker.io").await;
    let others = bench.credential(&other, "ghcr.io").await;
    let own = bench.credential(&shop, "quay.io/acme").await;
    let disabled = Credential { enabled: false, revision: 2, ..own.clone() };
    let mut tx = bench.begin().await;
    assert!(tx.credential_update(&disabled, 1, None).await.unwrap());
    bench.commit(tx).await;

    assert_eq!(bench.credentials(&acme, None, 500).await, [inherited.id, overridden.id]);
    assert_eq!(bench.credentials(&shop, None, 500).await, [inherited.id, own.id], "disabled, and still in the way");
    assert_eq!(bench.credentials(&other, None, 500).await, [overridden.id, others.id]);
    let mut queries = bench.read().await;
    let found = queries.credential_find(&shop, overridden.id).await.unwrap();
    assert_eq!(found, Some(overridden), "it is still there to be looked at");
    assert!(queries.credential_find(&shop, others.id).await.unwrap().is_none(), "a sibling's is not");
    for (place, most, count) in [(&acme, 9, 2), (&acme, 1, 1), (&shop, 9, 1), (&globex, 9, 1)] {
        assert_eq!(queries.credential_count(place.id, most).await.unwrap(), count, "its own, and no more than that");
    }
    assert!(queries.credential_find(&globex, inherited.id).await.unwrap().is_none(), "a stranger's is not");
    // Each with the scope that it belongs to, and the key of that scope.
    let rows = queries.sealed_credential_list(&shop).await.unwrap();
    let rows: Vec<SealedCredential> = rows.into_iter().map(Result::unwrap).collect();
    let owners: Vec<_> = rows.iter().map(|row| (row.credential.clone(), row.scope_id)).collect();
    assert_eq!(owners, [(inherited, acme.id), (disabled, shop.id)]);
    for row in rows {
        let stored = row.password.as_ref().unwrap();
        assert_eq!(stored.data_key.scope, Some(row.scope_id));
        let key = bench.opened(&stored.data_key).await;
        let password = key.open(&stored.sealed, &bench.password_binding(row.scope_id, &row.credential)).unwrap();
        assert_eq!(password.expose(), "hunter2");
        assert_eq!(stored.fingerprint, key.fingerprint(&password, row.credential.server.as_str(), Some("bot")));
    }
}

pub async fn pages_of_credentials_hold_what_was_there_while_others_are_added(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let shop = bench.scope("shop", Some(&acme)).await;
    let mut made = Vec::new();
    for number in 0..7 {
        let place = if number % 2 == 0 { &acme } else { &shop };
        made.push(bench.credential(place, &format!("r{number}.example.com")).await.id);
    }
    let (mut listed, mut after, mut added) = (Vec::new(), None, 0);
    loop {
        let mut page = bench.credentials(&shop, after, 2).await;
        let more = page.len() == 3;
        page.truncate(2);
        listed.extend(page);
        if !more {
            break;
        }
        after = listed.last().copied();
        if added < 3 {
            bench.credential(if added == 1 { &acme } else { &shop }, &format!("new{added}.example.com")).await;
            added += 1;
        }
    }
    assert_eq!(listed[..7], made, "in the order in which they were made");
    assert_eq!(listed.len(), 10, "those made meanwhile come last");
    assert_eq!(listed, bench.credentials(&shop, None, 500).await);
}

pub async fn pages_of_names_go_on_behind_a_name(bench: Bench) {
    let names = |rows: Vec<Result<ScopeRecord, Corrupt>>| {
        let names = rows.into_iter().map(|row| row.unwrap().name().unwrap().to_string());
        names.collect::<Vec<_>>()
    };
    // A hyphen comes before digits and letters, whatever collation the database prefers.
    for name in ["b", "a-2", "a1", "a", "c"] {
        bench.scope(name, None).await;
    }
    let parent = bench.scope("parent", None).await;
    for name in ["z", "y-2", "y1", "y"] {
        bench.scope(name, Some(&parent)).await;
    }
    let mut queries = bench.read().await;
    let two = Limit::try_from(2).unwrap();
    assert_eq!(
        names(queries.organization_list(None, two).await.unwrap()),
        ["a", "a-2", "a1"],
        "one more than the page"
    );
    let after: ScopeName = "a-2".parse().unwrap();
    assert_eq!(names(queries.organization_list(Some(&after), two).await.unwrap()), ["a1", "b", "c"]);
    // A cursor need not be there any more.
    let gone: ScopeName = "bb".parse().unwrap();
    assert_eq!(names(queries.organization_list(Some(&gone), two).await.unwrap()), ["c", "parent"]);
    assert_eq!(names(queries.project_list(parent.id, None, two).await.unwrap()), ["y", "y-2", "y1"]);
    let after: ScopeName = "y".parse().unwrap();
    let rest = queries.project_list(parent.id, Some(&after), two).await.unwrap();
    assert!(rest.iter().all(|row| row.as_ref().is_ok_and(|record| record.parent_id == Some(parent.id))));
    assert_eq!(names(rest), ["y-2", "y1", "z"]);
}

pub async fn a_list_by_server_finds_the_one_in_force(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let shop = bench.scope("shop", Some(&acme)).await;
    bench.credential(&acme, "ghcr.io").await;
    let inherited = bench.credential(&acme, "quay.io").await;
    let own = bench.credential(&shop, "ghcr.io").await;
    let mut queries = bench.read().await;
    for (server, found) in [("ghcr.io", vec![own]), ("quay.io", vec![inherited]), ("ghcr.io/acme", vec![])] {
        let server = server.parse().unwrap();
        let filter = CredentialFilter { place: &shop, server: Some(&server), after: None, limit: Limit::default() };
        let rows = queries.credential_list(&filter).await.unwrap();
        assert_eq!(rows.into_iter().map(Result::unwrap).collect::<Vec<_>>(), found, "{server}");
    }
}

pub async fn times_are_kept_to_the_microsecond(bench: Bench) {
    let times = [0, 1, 999_999, 1_234_567_890_123_457, 253_402_300_799_999_999].map(at);
    let acme = bench.scope("acme", None).await;
    for (number, time) in times.into_iter().enumerate() {
        let mut login = bench.sealed(&acme, &format!("r{number}.example.com")).await;
        login.credential = Credential {
            created_at: time,
            updated_at: time,
            rotated_at: time,
            expires_at: Some(time),
            ..login.credential
        };
        let record = ScopeRecord { created_at: time, ..bench.scope_record(&format!("s{number}"), None) };
        let mut tx = bench.begin().await;
        assert!(insert(&mut *tx, &login).await);
        assert!(tx.scope_insert(&record).await.unwrap());
        bench.commit(tx).await;
        let mut queries = bench.read().await;
        assert_eq!(queries.credential_find(&acme, login.credential.id).await.unwrap().unwrap(), login.credential);
        assert_eq!(queries.scope_find(&record.scope).await.unwrap().unwrap(), record);
    }
}

pub async fn a_row_that_cannot_be_read_is_named_and_hides_no_other(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let good = bench.credential(&acme, "ghcr.io").await;
    let bad = bench.credential(&acme, "quay.io").await;
    let cut = bench.credential(&acme, "docker.io").await;
    assert!(bench.back_door.execute("update credentials set kind = 'nonsense' where server = 'quay.io'").await);
    let cutting = "update credentials set username = 'a:b' where server = 'docker.io'";
    assert!(bench.back_door.execute(cutting).await);
    let mut queries = bench.read().await;
    let corrupt = |credential: &Credential, column: &str| Corrupt {
        table: "credentials",
        column: column.to_owned(),
        id: credential.id.to_string(),
    };
    let filter = CredentialFilter { place: &acme, server: None, after: None, limit: Limit::default() };
    let rows = queries.credential_list(&filter).await.unwrap();
    assert_eq!(rows, [Ok(good.clone()), Err(corrupt(&bad, "kind")), Err(corrupt(&cut, "username"))]);
    let rows = queries.sealed_credential_list(&acme).await.unwrap();
    let rows: Vec<_> = rows.into_iter().map(|row| row.map(|row| row.credential)).collect();
    assert_eq!(rows, [Ok(good), Err(corrupt(&bad, "kind")), Err(corrupt(&cut, "username"))]);
    let asked = queries.credential_find(&acme, bad.id).await;
    assert!(
        matches!(&asked, Err(regcred::store::StoreError::Corrupt(named)) if *named == corrupt(&bad, "kind")),
        "{asked:?}"
    );
}
