use super::*;
use crate::{
    crypto::testing::{Counting, Scripted, data_key, id, password, password_binding, text},
    domain::id::{CredentialId, DeploymentId, ScopeId},
};

#[test]
fn a_fresh_key_has_its_id_the_first_version_and_all_its_bytes_from_the_source() {
    let random = Scripted::new(&[&[9; 32]]);
    let key = data_key(1, &random);
    assert_eq!((key.id().as_uuid(), key.version()), (id(1), 1));
    assert_eq!(key.key().bytes(), &[9; 32]);
    assert!(random.is_used_up());
}

#[test]
fn a_password_opens_in_its_own_place_only() {
    let random = Counting::new();
    let key = data_key(1, &random);
    let right = password_binding();
    let sealed = key.seal(&password("hunter2"), &right, &random);
    assert_eq!(text(&key.open(&sealed, &right).unwrap()), "hunter2");

    let wrong = [
        PasswordBinding { deployment: DeploymentId::from_uuid(id(0xd2)), ..right },
        PasswordBinding { scope: ScopeId::from_uuid(id(0x52)), ..right },
        PasswordBinding { credential: CredentialId::from_uuid(id(0xc2)), ..right },
        PasswordBinding { version: 2, ..right },
        PasswordBinding { server: "ghcr.io", ..right },
        PasswordBinding { server: "ghcr.io/acm", username: Some("ebot"), ..right },
        PasswordBinding { server: "ghcr.io/acmeb", username: Some("ot"), ..right },
        PasswordBinding { username: Some("Bot"), ..right },
        PasswordBinding { username: Some(""), ..right },
        PasswordBinding { username: None, ..right },
        PasswordBinding { ca_certificates: Some("theirs"), ..right },
        PasswordBinding { ca_certificates: Some(""), ..right },
        PasswordBinding { scope: ScopeId::from_uuid(id(0xc1)), credential: CredentialId::from_uuid(id(0x51)), ..right },
    ];
    for (position, binding) in wrong.iter().enumerate() {
        assert_eq!(key.open(&sealed, binding).unwrap_err(), OpenError::WrongKey, "{position}");
    }
}

#[test]
fn certificates_are_neither_changed_nor_taken_away() {
    let random = Counting::new();
    let key = data_key(1, &random);
    let right = PasswordBinding { ca_certificates: Some("ours"), ..password_binding() };
    let sealed = key.seal(&password("hunter2"), &right, &random);
    assert!(key.open(&sealed, &right).is_ok());
    for ca_certificates in [None, Some(""), Some("theirs"), Some("ours ")] {
        let wrong = PasswordBinding { ca_certificates, ..right };
        assert_eq!(key.open(&sealed, &wrong).unwrap_err(), OpenError::WrongKey, "{ca_certificates:?}");
    }
}

#[test]
fn no_username_is_not_an_empty_username() {
    let random = Counting::new();
    let key = data_key(1, &random);
    let none = PasswordBinding { username: None, ..password_binding() };
    let empty = PasswordBinding { username: Some(""), ..password_binding() };
    for (here, there) in [(none, empty), (empty, none)] {
        let sealed = key.seal(&password("hunter2"), &here, &random);
        assert!(key.open(&sealed, &here).is_ok());
        assert_eq!(key.open(&sealed, &there).unwrap_err(), OpenError::WrongKey);
    }
}

#[test]
fn what_is_no_password_is_not_opened_as_one() {
    let key = data_key(1, &Counting::new());
    let binding = password_binding();
    for content in [&b"\xff\xfe"[..], b"", b"a\0b"] {
        let sealed = envelope::seal(key.key(), &(&binding).into(), content, &Counting::new());
        assert_eq!(key.open(&sealed, &binding).unwrap_err(), OpenError::Altered);
    }
}

#[test]
fn a_fingerprint_changes_with_everything_that_is_handed_out_and_with_the_key() {
    let random = Counting::new();
    let key = data_key(1, &random);
    let other_key = data_key(1, &random);
    let of = |password_text: &str, server, username| key.fingerprint(&password(password_text), server, username);
    let all = [
        of("hunter2", "ghcr.io", Some("bot")),
        of("hunter3", "ghcr.io", Some("bot")),
        of("hunter2", "quay.io", Some("bot")),
        of("hunter2", "ghcr.io", Some("box")),
        of("hunter2", "ghcr.io", Some("")),
        of("hunter2", "ghcr.io", None),
        of("2", "ghcr.io", Some("bothunter")),
        of("thunter2", "ghcr.io", Some("bo")),
        of("hunter2", "ghcr.iob", Some("ot")),
        other_key.fingerprint(&password("hunter2"), "ghcr.io", Some("bot")),
    ];
    assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
    assert_eq!(of("hunter2", "ghcr.io", Some("bot")), all[0]);
}

#[test]
fn a_token_mac_belongs_to_one_token_and_one_key() {
    let random = Counting::new();
    let (key, other_key) = (data_key(1, &random).token_key(), data_key(1, &random).token_key());
    let (token, other_token) = (TokenText::generate(&random), TokenText::generate(&random));
    let mac = key.mac(&token);
    assert_eq!(mac, key.mac(&token));
    assert_eq!(mac, TokenMac::from_bytes(*mac.as_bytes()));
    assert_ne!(mac, key.mac(&other_token));
    assert_ne!(mac, other_key.mac(&token));
    for bit in 0..256 {
        let mut bytes = *mac.as_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(mac, TokenMac::from_bytes(bytes), "bit {bit}");
    }
}

#[test]
fn debug_output_says_nothing() {
    let key = data_key(1, &Scripted::new(&[&[0xab; 32]]));
    assert_eq!(format!("{key:?}"), "DataKey { id: DataKeyId(00000000-0000-0000-0000-000000000001), version: 1, .. }");
    assert_eq!(format!("{:?}", TokenMac::from_bytes([0xab; 32])), "TokenMac(..)");
}
