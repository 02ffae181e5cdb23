//! What the tests of this module share.

use super::{
    binding::{KeyBinding, PasswordBinding},
    data_key::DataKey,
};
use crate::domain::{
    id::{CredentialId, DataKeyId, DeploymentId, ScopeId},
    secret::Password,
    source::Random,
};
use std::sync::Mutex;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Gives the bytes that it was made with, in order, and panics when they are used up.
pub(super) struct Scripted(Mutex<Vec<u8>>);

impl Scripted {
    pub(super) fn new(parts: &[&[u8]]) -> Self {
        Self(Mutex::new(parts.concat()))
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }
}

impl Random for Scripted {
    fn fill(&self, buffer: &mut [u8]) {
        let mut bytes = self.0.lock().unwrap();
        let rest = bytes.split_off(buffer.len());
        buffer.copy_from_slice(&std::mem::replace(&mut *bytes, rest));
    }
}

/// Gives 1, 2, 3, ...: never the same twice in a small test.
pub(super) struct Counting(Mutex<u64>);

impl Counting {
    pub(super) fn new() -> Self {
        Self(Mutex::new(0))
    }
}

impl Random for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        let mut count = self.0.lock().unwrap();
        *count += 1;
        for chunk in buffer.chunks_mut(8) {
            chunk.copy_from_slice(&count.to_be_bytes()[..chunk.len()]);
            *count += 1;
        }
    }
}

pub(super) fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

pub(super) fn data_key(number: u128, random: &dyn Random) -> DataKey {
    DataKey::generate(DataKeyId::from_uuid(id(number)), random)
}

pub(super) fn password(text: &str) -> Password {
    Password::new(&Zeroizing::new(text.to_owned())).unwrap()
}

/// The one place where the tests of this module look at a password.
pub(super) fn text(password: &Password) -> &str {
    password.expose()
}

pub(super) fn password_binding() -> PasswordBinding<'static> {
    PasswordBinding {
        deployment: DeploymentId::from_uuid(id(0xd1)),
        scope: ScopeId::from_uuid(id(0x51)),
        credential: CredentialId::from_uuid(id(0xc1)),
        version: 1,
        server: "ghcr.io/acme",
        username: Some("bot"),
        ca_certificates: None,
    }
}

pub(super) fn key_binding(data_key: &DataKey) -> KeyBinding {
    KeyBinding {
        deployment: DeploymentId::from_uuid(id(0xd1)),
        scope: Some(ScopeId::from_uuid(id(0x51))),
        data_key: data_key.id(),
        version: data_key.version(),
    }
}
