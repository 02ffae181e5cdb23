//! Changes: what they keep, what they refuse, and that they happen whole or not at all.

use super::bench::{Bench, Chance, REFUSED, insert, unconditional};
use regcred::{
    domain::{
        audit::AuditEvent,
        credential::Credential,
        id::{CredentialId, MasterKeyId, ScopeId, TokenId},
        permission::{Action, Role},
        scope::Scope,
    },
    store::{AuditScope, MasterKeyState, StoreError},
};
use std::{sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

pub async fn what_is_not_there_is_none(bench: Bench) {
    let place = bench.scope("acme", None).await;
    let nobody = Uuid::from_u128(1);
    let mut queries = bench.read().await;
    for scope in ["organizations/globex", "organizations/acme/projects/shop", "organizations/globex/projects/shop"] {
        assert!(queries.scope_find(&scope.parse().unwrap()).await.unwrap().is_none(), "{scope}");
    }
    assert!(queries.scope_find(&Scope::Deployment).await.unwrap().is_none(), "the deployment has no record");
    assert!(queries.credential_find(&place, CredentialId::from_uuid(nobody)).await.unwrap().is_none());
    assert!(queries.credential_find_id(place.id, &"ghcr.io".parse().unwrap()).await.unwrap().is_none());
    assert!(queries.token_get(Some(place.id), TokenId::from_uuid(nobody)).await.unwrap().is_none());
    assert!(queries.token_get(None, TokenId::from_uuid(nobody)).await.unwrap().is_none());
    assert!(queries.data_key_find(Some(ScopeId::from_uuid(nobody))).await.unwrap().is_none());
    assert!(queries.data_key_find(None).await.unwrap().is_none(), "the bench makes none for the deployment");
    assert_eq!(queries.data_key_count(MasterKeyId::from_uuid(nobody)).await.unwrap(), 0);
    assert!(!queries.operator_token_exists().await.unwrap());
    drop(queries);
    let mut tx = bench.begin().await;
    assert!(!tx.token_delete(None, TokenId::from_uuid(nobody)).await.unwrap());
    let missing = bench.sealed(&place, "ghcr.io").await.credential;
    assert!(!tx.credential_update(&missing, 1, None).await.unwrap());
}

pub async fn names_and_servers_are_unique_in_their_place(bench: Bench) {
    let (acme, globex) = (bench.scope("acme", None).await, bench.scope("globex", None).await);
    let shop = bench.scope("shop", Some(&acme)).await;
    // The same names elsewhere are other things.
    bench.scope("shop", Some(&globex)).await;
    bench.scope("acme", Some(&acme)).await;
    bench.scope("shop", None).await;
    for place in [&acme, &globex, &shop] {
        bench.credential(place, "ghcr.io/acme").await;
        bench.credential(place, "ghcr.io").await;
    }
    let again = [bench.scope_record("acme", None), bench.scope_record("shop", Some(&acme))];
    let login = bench.sealed(&shop, "ghcr.io").await;
    let before = bench.credentials(&shop, None, 500).await;
    let mut tx = bench.begin().await;
    for record in again {
        assert!(!tx.scope_insert(&record).await.unwrap(), "{} again", record.scope);
        let found = tx.scope_find(&record.scope).await.unwrap().unwrap();
        assert_ne!(found.id, record.id, "the first one stays");
    }
    assert!(!insert(&mut *tx, &login).await);
    assert_ne!(tx.credential_find_id(shop.id, &login.credential.server).await.unwrap(), Some(login.credential.id));
    // A refusal is an answer: the change goes on.
    assert!(tx.scope_insert(&bench.scope_record("third", None)).await.unwrap());
    bench.commit(tx).await;
    assert_eq!(bench.credentials(&shop, None, 500).await, before);
}

pub async fn an_update_takes_only_the_revision_it_was_made_from(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let other = bench.credential(&acme, "quay.io").await;
    let old = bench.credential(&acme, "ghcr.io").await;
    let new = Credential { email: None, enabled: false, revision: 2, ..old.clone() };
    let mut tx = bench.begin().await;
    assert!(!tx.credential_update(&new, 2, None).await.unwrap(), "a revision that it never had");
    assert_eq!(tx.credential_find(&acme, old.id).await.unwrap().unwrap(), old);
    assert!(tx.credential_update(&new, 1, None).await.unwrap());
    assert!(!tx.credential_update(&new, 1, None).await.unwrap(), "a revision that is over");
    bench.commit(tx).await;
    let mut queries = bench.read().await;
    assert_eq!(queries.credential_find(&acme, old.id).await.unwrap().unwrap(), new);
    assert_eq!(queries.credential_find(&acme, other.id).await.unwrap().unwrap(), other, "siblings stay as they are");
}

pub async fn an_update_without_a_password_keeps_the_stored_one(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let old = bench.credential(&acme, "ghcr.io").await;
    let mut tx = bench.begin().await;
    let quiet = Credential { email: None, revision: 2, ..old.clone() };
    assert!(tx.credential_update(&quiet, 1, None).await.unwrap());
    let kept = tx.sealed_credential_list(&acme).await.unwrap().remove(0).unwrap();
    let stored = kept.password.as_ref().unwrap();
    let key = bench.opened(&stored.data_key).await;
    let password = key.open(&stored.sealed, &bench.password_binding(kept.scope_id, &kept.credential)).unwrap();
    assert_eq!(password.expose(), "hunter2");
    let rotated = Credential { version: 2, revision: 3, ..quiet };
    let binding = bench.password_binding(acme.id, &rotated);
    let sealed = key.seal(&crate::support::secret_password("hunter3"), &binding, &Chance);
    assert!(tx.credential_update(&rotated, 2, Some((&sealed, &[7; 16]))).await.unwrap());
    bench.commit(tx).await;
    let row = bench.read().await.sealed_credential_list(&acme).await.unwrap().remove(0).unwrap();
    let stored_now = row.password.unwrap();
    assert_eq!((stored_now.sealed, stored_now.fingerprint, row.credential), (sealed, [7; 16], rotated));
    assert_ne!(stored.fingerprint, [7; 16]);
}

pub async fn deleting_a_scope_takes_everything_in_it_but_its_events(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let (shop, other) = (bench.scope("shop", Some(&acme)).await, bench.scope("other", Some(&acme)).await);
    let login = bench.credential(&shop, "ghcr.io").await;
    let (inherited, others) = (bench.credential(&acme, "quay.io").await, bench.credential(&other, "ghcr.io").await);
    let (token, text, key) = bench.token(Role::Deployer, Some(&shop), super::bench::at(super::bench::now() * 2)).await;
    let mut tx = bench.begin().await;
    tx.scope_delete(shop.id).await.unwrap();
    tx.commit(bench.event(Action::ProjectDelete, Some(&shop))).await.unwrap();

    let mut queries = bench.read().await;
    assert!(queries.scope_find(&shop.scope).await.unwrap().is_none());
    assert!(queries.data_key_find(Some(shop.id)).await.unwrap().is_none(), "what it sealed is lost for ever");
    assert!(queries.credential_find(&shop, login.id).await.unwrap().is_none());
    assert!(queries.token_find(&key.mac(&text)).await.unwrap().is_none());
    assert!(queries.token_get(Some(shop.id), token.id).await.unwrap().is_none());
    let events = queries.audit_event_list(AuditScope::Project(shop.id), None, 500.try_into().unwrap()).await.unwrap();
    assert_eq!(events.last().unwrap().as_ref().unwrap().event.operation, Action::ProjectDelete);
    drop(queries);
    assert_eq!(bench.credentials(&other, None, 500).await, [inherited.id, others.id], "its siblings stay");

    // Nothing was only out of sight: it would be seen again where the scope is.
    let mut tx = bench.begin().await;
    assert!(tx.scope_insert(&shop).await.unwrap());
    assert!(tx.data_key_find(Some(shop.id)).await.unwrap().is_none());
    assert!(tx.credential_find_id(shop.id, &login.server).await.unwrap().is_none());
    assert!(tx.token_list(Some(shop.id), None, 500.try_into().unwrap()).await.unwrap().is_empty());
}

pub async fn an_organization_with_projects_cannot_be_deleted(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    bench.scope("shop", Some(&acme)).await;
    let mut tx = bench.begin().await;
    let refused = tx.scope_delete(acme.id).await;
    // Where writers work side by side, the project may be a moment old, and whoever tries again is told so.
    assert!(matches!(refused, Err(StoreError::Refused(_) | StoreError::Conflict(_))), "{refused:?}");
    drop(tx);
    assert!(bench.read().await.scope_find(&acme.scope).await.unwrap().is_some());
}

pub async fn a_change_that_is_dropped_never_happened_and_blocks_nobody(bench: Bench) {
    let events = bench.event_count().await;
    let record = bench.scope_record("acme", None);
    for _ in 0..5 {
        let mut tx = bench.begin().await;
        assert!(tx.scope_insert(&record).await.unwrap());
        drop(tx);
    }
    assert!(bench.read().await.scope_find(&record.scope).await.unwrap().is_none());
    let mut tx = timeout(Duration::from_secs(1), bench.store.begin()).await.expect("nobody is in the way").unwrap();
    assert!(tx.scope_insert(&record).await.unwrap());
    bench.commit(tx).await;
    // Nor does one whose task ended in the middle of a statement.
    let mut tx = bench.begin().await;
    let _ = timeout(Duration::ZERO, tx.scope_insert(&bench.scope_record("globex", None))).await;
    drop(tx);
    assert!(bench.read().await.scope_find(&"organizations/globex".parse().unwrap()).await.unwrap().is_none());
    bench.scope("globex", None).await;
    assert_eq!(bench.event_count().await, events + 2);
}

pub async fn a_change_sees_itself_and_others_see_it_when_it_is_committed(bench: Bench) {
    let record = bench.scope_record("acme", None);
    let mut tx = bench.begin().await;
    assert!(tx.scope_insert(&record).await.unwrap());
    assert_eq!(tx.scope_find(&record.scope).await.unwrap().unwrap(), record);
    let mut queries = bench.read().await;
    assert!(queries.scope_find(&record.scope).await.unwrap().is_none(), "nobody else sees it yet");
    bench.commit(tx).await;
    assert_eq!(queries.scope_find(&record.scope).await.unwrap().unwrap(), record, "at once, by who asked before");
}

pub async fn a_change_whose_event_is_refused_never_happened(bench: Bench) {
    bench.back_door.refuse_some_events().await;
    let events = bench.event_count().await;
    let record = bench.scope_record("acme", None);
    let mut tx = bench.begin().await;
    assert!(tx.scope_insert(&record).await.unwrap());
    let event = AuditEvent { principal: REFUSED.into(), ..bench.event(Action::OrganizationCreate, Some(&record)) };
    let refused = tx.commit(event).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    assert!(bench.read().await.scope_find(&record.scope).await.unwrap().is_none());
    assert_eq!(bench.event_count().await, events);
    bench.scope("acme", None).await;
    assert_eq!(bench.event_count().await, events + 1);
}

pub async fn a_change_in_which_a_statement_failed_cannot_be_committed(bench: Bench) {
    let events = bench.event_count().await;
    let record = bench.scope_record("acme", None);
    let mut tx = bench.begin().await;
    assert!(tx.scope_insert(&record).await.unwrap());
    let second = tx.master_key_insert(&bench.master_key(MasterKeyState::Active)).await;
    assert!(matches!(second, Err(StoreError::Conflict(_))), "{second:?}");
    // Nobody goes on who heeds his errors. Who does not is told again.
    let refused = tx.commit(bench.event(Action::OrganizationCreate, Some(&record))).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    assert!(bench.read().await.scope_find(&record.scope).await.unwrap().is_none());
    assert_eq!(bench.event_count().await, events);
    bench.scope("acme", None).await;
}

pub async fn concurrent_writers_wait_for_their_turn_and_all_succeed(bench: Bench) {
    const WRITERS: usize = 8;
    const EACH: usize = 12;
    let bench = Arc::new(bench);
    let acme = Arc::new(bench.scope("acme", None).await);
    let before = bench.event_count().await;
    let mut work = Vec::new();
    for writer in 0..WRITERS {
        let (bench, acme) = (Arc::clone(&bench), Arc::clone(&acme));
        work.push(tokio::spawn(async move {
            for number in 0..EACH {
                bench.credential(&acme, &format!("r{writer}-{number}.example.com")).await;
            }
        }));
    }
    // The log has a connection of its own, and still has to wait for its turn.
    let (logger, place) = (Arc::clone(&bench), Arc::clone(&acme));
    work.push(tokio::spawn(async move {
        let mut log = logger.store.audit_log();
        for _ in 0..EACH {
            log.append(&unconditional(&[logger.event(Action::PullSecretGet, Some(&place))])).await.unwrap();
        }
    }));
    // One who thinks for long holds up the others, and harms none.
    let mut slow = bench.begin().await;
    assert!(slow.scope_insert(&bench.scope_record("slow", None)).await.unwrap());
    sleep(Duration::from_millis(300)).await;
    bench.commit(slow).await;
    for work in work {
        work.await.expect("every writer succeeds");
    }
    assert_eq!(bench.credentials(&acme, None, 500).await.len(), WRITERS * EACH);
    assert_eq!(bench.event_count().await, before + WRITERS * EACH + EACH + 1);
}

pub async fn a_closed_store_is_unavailable(bench: Bench) {
    bench.store.close().await;
    assert!(matches!(bench.store.read().await, Err(StoreError::Unavailable(_))));
    assert!(matches!(bench.store.begin().await, Err(StoreError::Unavailable(_))));
}
