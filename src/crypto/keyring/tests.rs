use super::*;
use crate::{
    crypto::testing::{Counting, data_key, id, key_binding},
    domain::id::{DataKeyId, ScopeId},
};

fn master_id(number: u128) -> MasterKeyId {
    MasterKeyId::from_uuid(id(number))
}

fn master(number: u128) -> MasterKey {
    MasterKey::from_bytes(master_id(number), [u8::try_from(number).unwrap(); 32])
}

#[tokio::test]
async fn a_wrapped_key_comes_back_from_its_own_place_only() {
    let random = Counting::new();
    let keyring = Keyring::new(vec![master(1)]);
    let key = data_key(7, &random);
    let right = key_binding(&key);
    let sealed = keyring.wrap(master_id(1), &key, &right, &random).await.unwrap();
    let unwrapped = keyring.unwrap(&sealed, &right).await.unwrap();
    assert_eq!((unwrapped.id(), unwrapped.version()), (key.id(), key.version()));
    assert_eq!(unwrapped.key().bytes(), key.key().bytes());

    let wrong = [
        KeyBinding { deployment: DeploymentId::from_uuid(id(0xd2)), ..right },
        KeyBinding { scope: Some(ScopeId::from_uuid(id(0x52))), ..right },
        KeyBinding { scope: None, ..right },
        KeyBinding { data_key: DataKeyId::from_uuid(id(8)), ..right },
        KeyBinding { version: 2, ..right },
    ];
    for binding in wrong {
        let error = keyring.unwrap(&sealed, &binding).await.unwrap_err();
        assert_eq!(error, KeyError::Open(OpenError::WrongKey), "{binding:?}");
    }
}

#[tokio::test]
async fn a_key_is_not_wrapped_under_the_name_of_another() {
    let random = Counting::new();
    let keyring = Keyring::new(vec![master(1)]);
    let key = data_key(7, &random);
    let right = key_binding(&key);
    for binding in [KeyBinding { data_key: DataKeyId::from_uuid(id(8)), ..right }, KeyBinding { version: 2, ..right }] {
        let error = keyring.wrap(master_id(1), &key, &binding, &random).await.unwrap_err();
        assert_eq!(error, KeyError::Open(OpenError::WrongKey));
    }
}

#[tokio::test]
async fn an_envelope_that_holds_no_key_is_not_unwrapped() {
    let random = Counting::new();
    let keyring = Keyring::new(vec![master(1)]);
    let binding = key_binding(&data_key(7, &random));
    for length in [0, 31, 33] {
        let sealed = envelope::seal(master(1).key(), &(&binding).into(), &vec![1; length], &random);
        let error = keyring.unwrap(&sealed, &binding).await.unwrap_err();
        assert_eq!(error, KeyError::Open(OpenError::Altered));
    }
}

#[tokio::test]
async fn after_a_change_of_master_keys_old_envelopes_open_until_the_old_key_is_removed() {
    let random = Counting::new();
    let keyring = Keyring::new(vec![master(1)]);
    let key = data_key(7, &random);
    let binding = key_binding(&key);
    let missing = keyring.wrap(master_id(2), &key, &binding, &random).await.unwrap_err();
    assert_eq!(missing, KeyError::Unknown(master_id(2)));

    let old = keyring.wrap(master_id(1), &key, &binding, &random).await.unwrap();
    assert_eq!((old.key_id(), old.key_version()), (id(1), 1));

    keyring.insert(master(2));
    let new = keyring.wrap(master_id(2), &key, &binding, &random).await.unwrap();
    assert_eq!(new.key_id(), id(2));
    assert!(keyring.unwrap(&old, &binding).await.is_ok());

    keyring.remove(master_id(1));
    assert_eq!(keyring.unwrap(&old, &binding).await.unwrap_err(), KeyError::Unknown(master_id(1)));
    assert!(keyring.unwrap(&new, &binding).await.is_ok());
}

#[tokio::test]
async fn a_wrong_master_key_of_the_right_name_does_not_open_and_is_told_by_its_check_value() {
    let random = Counting::new();
    let (keyring, impostor) = (Keyring::new(vec![master(1)]), Keyring::new(Vec::new()));
    impostor.insert(MasterKey::from_bytes(master_id(1), [0xee; 32]));
    let key = data_key(7, &random);
    let binding = key_binding(&key);
    let sealed = keyring.wrap(master_id(1), &key, &binding, &random).await.unwrap();
    let error = impostor.unwrap(&sealed, &binding).await.unwrap_err();
    assert_eq!(error, KeyError::Open(OpenError::WrongKey));

    let deployment = binding.deployment;
    let value = keyring.check_value(master_id(1), deployment);
    assert_eq!(value, Some(master(1).check_value(deployment)));
    assert_ne!(value, impostor.check_value(master_id(1), deployment), "another key");
    assert_ne!(value, keyring.check_value(master_id(1), DeploymentId::from_uuid(id(0xd2))), "another deployment");
    let renamed = MasterKey::from_bytes(master_id(2), [1; 32]);
    assert_ne!(value, Some(renamed.check_value(deployment)), "another name");
    assert_eq!(keyring.check_value(master_id(2), deployment), None);
}

#[test]
fn keys_are_inserted_and_removed() {
    let keyring = Keyring::new(vec![master(2), master(1)]);
    assert_eq!(keyring.ids(), [master_id(1), master_id(2)]);
    keyring.insert(master(3));
    assert!(keyring.contains(master_id(3)));
    keyring.remove(master_id(1));
    keyring.remove(master_id(3));
    keyring.remove(master_id(4));
    assert_eq!(keyring.ids(), [master_id(2)]);
    assert!(!keyring.contains(master_id(3)));
}

#[test]
fn debug_output_says_nothing() {
    let key = MasterKey::from_bytes(master_id(1), [0xab; 32]);
    let name = "MasterKeyId(00000000-0000-0000-0000-000000000001)";
    assert_eq!(format!("{key:?}"), format!("MasterKey {{ id: {name}, .. }}"));
    assert_eq!(format!("{:?}", Keyring::new(vec![key])), format!("Keyring {{ ids: [{name}] }}"));
}
