//! Master keys by name and state, and data keys in their wrappings.

use super::bench::{Bench, Chance, at};
use regcred::{
    crypto::{binding::KeyBinding, envelope::Sealed, keyring::KeyWrapper as _},
    domain::{id::MasterKeyId, page::Limit},
    store::{DataKeyRecord, MasterKeyRecord, MasterKeyState, StoreError},
};

/// A second master key, which is the active one from then on. The one before is on standby.
async fn rotate(bench: &Bench) -> (MasterKeyId, MasterKeyRecord) {
    let old = bench.active();
    let new = bench.master_key(MasterKeyState::Standby);
    let mut tx = bench.begin().await;
    tx.master_key_insert(&new).await.unwrap();
    tx.master_key_update(old, MasterKeyState::Standby).await.unwrap();
    tx.master_key_update(new.id, MasterKeyState::Active).await.unwrap();
    bench.commit(tx).await;
    *bench.active.lock().unwrap() = new.id;
    (old, new)
}

/// A data key under the master key that is active now.
async fn rewrapped(bench: &Bench, old: &DataKeyRecord) -> Sealed {
    let key = bench.opened(old).await;
    let binding = KeyBinding { deployment: bench.deployment, scope: old.scope, data_key: old.id, version: old.version };
    bench.keyring.wrap(bench.active(), &key, &binding, &Chance).await.unwrap()
}

pub async fn a_retired_master_key_takes_no_data_keys(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let globex = bench.scope_record("globex", None);
    let (retired, new) = rotate(&bench).await;
    let old = bench.read().await.data_key_find(Some(acme.id)).await.unwrap().unwrap();
    let wrapped = rewrapped(&bench, &old).await;
    // Somebody wrapped while the key was still active, and comes to store it when it is not.
    *bench.active.lock().unwrap() = retired;
    let (_, late) = bench.data_key(Some(globex.id)).await;
    let back = rewrapped(&bench, &old).await;
    let mut tx = bench.begin().await;
    assert!(tx.data_key_update(&old, &wrapped).await.unwrap());
    tx.master_key_update(retired, MasterKeyState::Retired).await.unwrap();
    bench.commit(tx).await;

    let mut tx = bench.begin().await;
    assert!(tx.scope_insert(&globex).await.unwrap());
    assert!(!tx.data_key_insert(&late, at(1)).await.unwrap());
    let now = tx.data_key_find(Some(acme.id)).await.unwrap().unwrap();
    assert!(!tx.data_key_update(&now, &back).await.unwrap());
    assert!(tx.data_key_find(Some(globex.id)).await.unwrap().is_none());
    assert_eq!(tx.data_key_count(retired).await.unwrap(), 0);
    assert_eq!(tx.data_key_count(new.id).await.unwrap(), 1);
    assert_eq!(tx.data_key_find(Some(acme.id)).await.unwrap().unwrap().wrapped, wrapped);
    let states: Vec<_> = tx.master_key_list().await.unwrap().into_iter().map(|key| (key.id, key.state)).collect();
    assert_eq!(states, [(retired, MasterKeyState::Retired), (new.id, MasterKeyState::Active)], "oldest first");
}

pub async fn one_master_key_at_most_is_active(bench: Bench) {
    let second = MasterKeyRecord { salt: Some([5; 16]), ..bench.master_key(MasterKeyState::Standby) };
    let mut tx = bench.begin().await;
    tx.master_key_insert(&second).await.unwrap();
    bench.commit(tx).await;
    let known = bench.read().await.master_key_list().await.unwrap();
    let known = known.iter().find(|key| key.id == second.id).unwrap();
    assert_eq!((known.salt, known.check_value), (second.salt, second.check_value));
    assert_eq!((known.state, known.created_at), (second.state, second.created_at));

    let mut tx = bench.begin().await;
    let refused = tx.master_key_update(second.id, MasterKeyState::Active).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    drop(tx);
    let mut tx = bench.begin().await;
    let refused = tx.master_key_insert(&bench.master_key(MasterKeyState::Active)).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
}

pub async fn stale_data_keys_are_listed_until_they_are_rewrapped(bench: Bench) {
    let mut scopes = Vec::new();
    for name in ["acme", "globex", "initech"] {
        scopes.push(bench.scope(name, None).await.id);
    }
    let (retired, new) = rotate(&bench).await;
    let fresh = bench.scope("umbrella", None).await;
    let two = Limit::try_from(2).unwrap();
    let stale = bench.read().await.data_key_list_stale(new.id, None, two).await.unwrap();
    let stale: Vec<_> = stale.into_iter().map(Result::unwrap).collect();
    let listed: Vec<_> = stale.iter().map(|key| key.scope.unwrap()).collect();
    assert_eq!(listed, scopes, "one more than the page, and not {}", fresh.id);
    let behind = bench.read().await.data_key_list_stale(new.id, Some(stale[0].id), two).await.unwrap();
    assert_eq!(behind.into_iter().map(|row| row.unwrap().id).collect::<Vec<_>>(), [stale[1].id, stale[2].id]);
    for (done, old) in stale.iter().enumerate() {
        let wrapped = rewrapped(&bench, old).await;
        let mut tx = bench.begin().await;
        assert!(tx.data_key_update(old, &wrapped).await.unwrap());
        bench.commit(tx).await;
        let mut queries = bench.read().await;
        assert_eq!(queries.data_key_list_stale(new.id, None, two).await.unwrap().len(), 2 - done);
        assert_eq!(queries.data_key_count(retired).await.unwrap(), 2 - done as u64);
        let kept = queries.data_key_find(old.scope).await.unwrap().unwrap();
        assert_eq!((kept.id, kept.version, &kept.wrapped), (old.id, old.version, &wrapped));
        bench.opened(&kept).await;
    }
}

pub async fn a_rewrapping_takes_only_what_it_was_made_from(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let read = bench.read().await.data_key_find(Some(acme.id)).await.unwrap().unwrap();
    rotate(&bench).await;
    let (first, second) = (rewrapped(&bench, &read).await, rewrapped(&bench, &read).await);
    assert_ne!(first, second);
    let mut tx = bench.begin().await;
    assert!(tx.data_key_update(&read, &first).await.unwrap());
    assert!(!tx.data_key_update(&read, &second).await.unwrap(), "another process was faster");
    assert_eq!(tx.data_key_find(Some(acme.id)).await.unwrap().unwrap().wrapped, first);
    tx.scope_delete(acme.id).await.unwrap();
    assert!(!tx.data_key_update(&read, &second).await.unwrap(), "a key that is gone does not come back");
    assert!(tx.data_key_find(Some(acme.id)).await.unwrap().is_none());
}

pub async fn every_scope_has_one_data_key_and_the_deployment_one(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let (_, own) = bench.data_key(None).await;
    let mut tx = bench.begin().await;
    assert!(tx.data_key_insert(&own, at(1)).await.unwrap());
    bench.commit(tx).await;
    let kept = bench.read().await.data_key_find(None).await.unwrap().unwrap();
    assert_eq!((kept.id, kept.scope, kept.version, kept.wrapped), (own.id, None, own.version, own.wrapped));
    for scope in [None, Some(acme.id)] {
        let (_, second) = bench.data_key(scope).await;
        let mut tx = bench.begin().await;
        let refused = tx.data_key_insert(&second, at(1)).await;
        assert!(matches!(refused, Err(StoreError::Conflict(_))), "{scope:?}: {refused:?}");
    }
    let kept = bench.read().await.deployment_find().await.unwrap().unwrap();
    assert_eq!(kept.id, bench.deployment);
}
