//! Master keys, and the seam behind which something else could hold them.

use super::{
    binding::KeyBinding,
    data_key::DataKey,
    envelope::{self, OpenError, Sealed},
    key::{KEY_LENGTH, Key},
    label,
};
use crate::domain::{
    id::{DeploymentId, MasterKeyId},
    source::Random,
};
use async_trait::async_trait;
use hmac::Mac;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};
use zeroize::Zeroizing;

/// Wraps and unwraps data keys. The [`Keyring`] does it in this process; a key service could do it elsewhere.
#[async_trait]
pub trait KeyWrapper: Send + Sync {
    /// Wraps a data key under that master key, for the place where it will be stored. Which one is to be used stands in the
    /// database, for all processes.
    ///
    /// # Errors
    /// The master key is not at hand, or the binding is that of another data key.
    async fn wrap(
        &self,
        under: MasterKeyId,
        key: &DataKey,
        binding: &KeyBinding,
        random: &dyn Random,
    ) -> Result<Sealed, KeyError>;

    /// Unwraps a data key that was wrapped under any master key that is at hand.
    ///
    /// # Errors
    /// The master key is not at hand, or the envelope does not open with it.
    async fn unwrap(&self, sealed: &Sealed, binding: &KeyBinding) -> Result<DataKey, KeyError>;
}

/// Why a data key could not be wrapped or unwrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The master key is not in the keyring.
    #[error("master key {0} is not in the keyring")]
    Unknown(MasterKeyId),
    /// There are no master keys, or none of them is the active one.
    #[error("no master key is active")]
    NoActive,
    /// The wrapped key did not open, or the binding does not name the key that was to be wrapped.
    #[error("the data key does not match its master key and place")]
    Open(#[source] OpenError),
}

/// A key that wraps data keys. It never leaves the process but to the keyring file.
pub struct MasterKey(Key);

/// A master key never changes: a new one gets a new id.
const ONLY_VERSION: u32 = 1;

impl MasterKey {
    /// A fresh key.
    pub fn generate(id: MasterKeyId, random: &dyn Random) -> Self {
        Self(Key::generate(id.as_uuid(), ONLY_VERSION, random))
    }

    /// A key that was made before. The array that is handed in is overwritten; other copies are the caller's to clear.
    #[must_use]
    pub fn from_bytes(id: MasterKeyId, bytes: [u8; KEY_LENGTH]) -> Self {
        let bytes = Zeroizing::new(bytes);
        Self(Key::from_bytes(id.as_uuid(), ONLY_VERSION, &bytes))
    }

    pub(super) fn key(&self) -> &Key {
        &self.0
    }

    /// Names it.
    #[must_use]
    pub fn id(&self) -> MasterKeyId {
        MasterKeyId::from_uuid(self.0.id)
    }

    /// Stored when the key is first used, it lets a later start tell a wrong key of the right name.
    ///
    /// HMAC-SHA-256 over the deployment's id and the key's, under a key derived for nothing else.
    #[must_use]
    pub fn check_value(&self, deployment: DeploymentId) -> [u8; 32] {
        let mac = self.0.mac(label::CHECK_VALUE).chain_update(deployment.as_uuid()).chain_update(self.0.id);
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// The master keys that this process has.
///
/// Keys come and go while requests are served. A lock is held only to look up or change an entry, never over an
/// encryption or an await.
pub struct Keyring(RwLock<Keys>);

type Keys = BTreeMap<MasterKeyId, Arc<MasterKey>>;

impl Keyring {
    /// A keyring of these keys.
    #[must_use]
    pub fn new(keys: Vec<MasterKey>) -> Self {
        Self(RwLock::new(keys.into_iter().map(|key| (key.id(), Arc::new(key))).collect()))
    }

    /// Adds a key, or puts it in the place of the one of the same id.
    pub fn insert(&self, key: MasterKey) {
        self.write().insert(key.id(), Arc::new(key));
    }

    /// Takes a key out.
    pub fn remove(&self, id: MasterKeyId) {
        self.write().remove(&id);
    }

    /// Whether the key is here.
    #[must_use]
    pub fn contains(&self, id: MasterKeyId) -> bool {
        self.read().contains_key(&id)
    }

    /// All keys that are here, in the order of their ids.
    #[must_use]
    pub fn ids(&self) -> Vec<MasterKeyId> {
        self.read().keys().copied().collect()
    }

    /// The [`MasterKey::check_value`] of a key, if it is here.
    #[must_use]
    pub fn check_value(&self, id: MasterKeyId, deployment: DeploymentId) -> Option<[u8; 32]> {
        Some(self.find(id)?.check_value(deployment))
    }

    fn find(&self, id: MasterKeyId) -> Option<Arc<MasterKey>> {
        self.read().get(&id).cloned()
    }

    // No change leaves the keys half done, so they are good even if a thread panicked while it held the lock.
    fn read(&self) -> RwLockReadGuard<'_, Keys> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Keys> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("ids", &self.ids()).finish()
    }
}

#[async_trait]
impl KeyWrapper for Keyring {
    async fn wrap(
        &self,
        under: MasterKeyId,
        key: &DataKey,
        binding: &KeyBinding,
        random: &dyn Random,
    ) -> Result<Sealed, KeyError> {
        if binding.data_key != key.id() || binding.version != key.version() {
            // Unwrapped by this binding, it would come back under another name, and open nothing.
            return Err(KeyError::Open(OpenError::WrongKey));
        }
        let master = self.find(under).ok_or(KeyError::Unknown(under))?;
        Ok(envelope::seal(master.key(), &binding.into(), key.key().bytes(), random))
    }

    async fn unwrap(&self, sealed: &Sealed, binding: &KeyBinding) -> Result<DataKey, KeyError> {
        let id = MasterKeyId::from_uuid(sealed.key_id());
        let master = self.find(id).ok_or(KeyError::Unknown(id))?;
        let content = envelope::open(master.key(), &binding.into(), sealed).map_err(KeyError::Open)?;
        let bytes = content.as_slice().try_into().map_err(|_| KeyError::Open(OpenError::Altered))?;
        Ok(DataKey::from_key(Key::from_bytes(binding.data_key.as_uuid(), binding.version, bytes)))
    }
}

#[cfg(test)]
mod tests;
