//! The code against the published vectors. `tests/vectors/check.py` recomputes them with other people's code.

use super::{
    binding::{KeyBinding, PasswordBinding, Place},
    data_key::{DataKey, TokenMac},
    envelope::Sealed,
    key::Key,
    keyring::{KeyWrapper, Keyring, MasterKey},
    passphrase,
    testing::{Scripted, password, text},
};
use crate::domain::{
    id::{CredentialId, DataKeyId, DeploymentId, MasterKeyId, ScopeId},
    token::TokenText,
};
use serde_json::Value;
use uuid::Uuid;
use zeroize::Zeroizing;

struct Vector(Value);

impl Vector {
    fn bytes(&self, name: &str) -> Vec<u8> {
        self.optional_bytes(name).unwrap()
    }

    fn optional_bytes(&self, name: &str) -> Option<Vec<u8>> {
        let digits = self.0.get(name).unwrap_or_else(|| panic!("no {name}")).as_str()?;
        let byte = |start| u8::from_str_radix(&digits[start..start + 2], 16).unwrap();
        Some((0..digits.len()).step_by(2).map(byte).collect())
    }

    fn array<const N: usize>(&self, name: &str) -> [u8; N] {
        self.bytes(name).try_into().unwrap()
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).unwrap()
    }

    fn optional_text(&self, name: &str) -> Option<String> {
        self.optional_bytes(name).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    fn id(&self, name: &str) -> Uuid {
        Uuid::from_bytes(self.array(name))
    }

    fn number(&self, name: &str) -> u32 {
        u32::try_from(self.0[name].as_u64().unwrap()).unwrap()
    }

    fn name(&self) -> &str {
        self.0["name"].as_str().unwrap()
    }
}

fn vectors(list: &str) -> Vec<Vector> {
    let mut document: Value = serde_json::from_str(include_str!("../../tests/vectors/envelope-v1.json")).unwrap();
    let Value::Array(vectors) = document[list].take() else { panic!("no list {list}") };
    assert!(!vectors.is_empty());
    vectors.into_iter().map(Vector).collect()
}

fn data_key(id: Uuid, version: u32, vector: &Vector, name: &str) -> DataKey {
    DataKey::from_key(Key::from_bytes(id, version, &vector.array(name)))
}

#[test]
fn passwords_are_sealed_and_opened_as_published() {
    for vector in vectors("sealed_passwords") {
        let key = data_key(vector.id("key_id"), vector.number("key_version"), &vector, "key");
        let (server, username) = (vector.text("server"), vector.optional_text("username"));
        let ca_certificates = vector.optional_text("ca_certificates");
        let binding = PasswordBinding {
            deployment: DeploymentId::from_uuid(vector.id("deployment")),
            scope: ScopeId::from_uuid(vector.id("scope")),
            credential: CredentialId::from_uuid(vector.id("credential")),
            version: vector.number("password_version"),
            server: &server,
            username: username.as_deref(),
            ca_certificates: ca_certificates.as_deref(),
        };
        let plaintext = vector.text("password");
        let envelope = vector.bytes("envelope");
        let random = Scripted::new(&[&vector.bytes("salt"), &vector.bytes("nonce")]);

        let associated_data = Place::from(&binding).associated_data(&envelope[..24]);
        assert_eq!(associated_data, vector.bytes("associated_data"), "{}", vector.name());
        let sealed = key.seal(&password(&plaintext), &binding, &random);
        assert_eq!(sealed.as_bytes(), envelope, "{}", vector.name());
        assert!(random.is_used_up());

        let stored = Sealed::from_bytes(envelope).unwrap();
        assert_eq!(stored, sealed);
        assert_eq!(stored.key_id(), vector.id("key_id"));
        assert_eq!(stored.key_version(), vector.number("key_version"));
        assert_eq!(text(&key.open(&stored, &binding).unwrap()), plaintext, "{}", vector.name());
    }
}

#[tokio::test]
async fn data_keys_are_wrapped_and_unwrapped_as_published() {
    for vector in vectors("wrapped_keys") {
        let master_id = MasterKeyId::from_uuid(vector.id("master_key_id"));
        let keyring = Keyring::new(vec![MasterKey::from_bytes(master_id, vector.array("master_key"))]);
        let key = data_key(vector.id("data_key_id"), vector.number("data_key_version"), &vector, "data_key");
        let binding = KeyBinding {
            deployment: DeploymentId::from_uuid(vector.id("deployment")),
            scope: vector.optional_bytes("scope").map(|_| ScopeId::from_uuid(vector.id("scope"))),
            data_key: DataKeyId::from_uuid(vector.id("data_key_id")),
            version: vector.number("data_key_version"),
        };
        let envelope = vector.bytes("envelope");
        let random = Scripted::new(&[&vector.bytes("salt"), &vector.bytes("nonce")]);

        let associated_data = Place::from(&binding).associated_data(&envelope[..24]);
        assert_eq!(associated_data, vector.bytes("associated_data"), "{}", vector.name());
        let sealed = keyring.wrap(master_id, &key, &binding, &random).await.unwrap();
        assert_eq!(sealed.as_bytes(), envelope, "{}", vector.name());
        assert!(random.is_used_up());

        let unwrapped = keyring.unwrap(&Sealed::from_bytes(envelope).unwrap(), &binding).await.unwrap();
        assert_eq!((unwrapped.id(), unwrapped.version()), (binding.data_key, binding.version));
        assert_eq!(unwrapped.key().bytes(), key.key().bytes(), "{}", vector.name());
    }
}

#[test]
fn fingerprints_are_as_published() {
    for vector in vectors("fingerprints") {
        let key = data_key(Uuid::nil(), 1, &vector, "key");
        let username = vector.optional_text("username");
        let password = password(&vector.text("password"));
        let fingerprint = key.fingerprint(&password, &vector.text("server"), username.as_deref());
        assert_eq!(fingerprint, vector.array("fingerprint"), "{}", vector.name());
    }
}

#[test]
fn token_macs_are_as_published() {
    for vector in vectors("token_macs") {
        let key = data_key(Uuid::nil(), 1, &vector, "key").token_key();
        let token = TokenText::parse(&Zeroizing::new(vector.text("token"))).unwrap();
        assert_eq!(key.mac(&token).as_bytes(), &vector.array::<32>("mac"), "{}", vector.name());
        assert_eq!(key.mac(&token), TokenMac::from_bytes(vector.array("mac")));
    }
}

#[test]
fn check_values_are_as_published() {
    for vector in vectors("check_values") {
        let id = MasterKeyId::from_uuid(vector.id("master_key_id"));
        let deployment = DeploymentId::from_uuid(vector.id("deployment"));
        let expected = vector.array("check_value");
        let key = MasterKey::from_bytes(id, vector.array("master_key"));
        assert_eq!(key.check_value(deployment), expected, "{}", vector.name());
        assert_eq!(Keyring::new(vec![key]).check_value(id, deployment), Some(expected));
    }
}

#[test]
fn passphrases_give_the_published_keys() {
    for vector in vectors("passphrases") {
        let id = MasterKeyId::from_uuid(Uuid::nil());
        let passphrase = Zeroizing::new(vector.text("passphrase"));
        let key = passphrase::derive(&passphrase, id, &vector.array("salt")).unwrap();
        assert_eq!(key.key().bytes(), &vector.array("master_key"), "{}", vector.name());
    }
}
