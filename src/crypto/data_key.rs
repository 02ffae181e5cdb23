//! Data keys: one for each scope and version, and one for the deployment itself.
//!
//! A data key does everything for which a scope needs a key: it seals and opens passwords, fingerprints them for `ETag`s,
//! and makes the MACs under which API tokens are kept. Each use has a key of its own that is derived from this one.

use super::{
    binding::{PasswordBinding, absorb, absorb_login},
    envelope::{self, OpenError, Sealed},
    key::Key,
    label,
};
use crate::domain::{id::DataKeyId, secret::Password, source::Random, token::TokenText};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::{
    fmt,
    hash::{Hash, Hasher},
};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A data key in the clear. It can be neither copied nor printed; to be stored it has to be wrapped.
pub struct DataKey(Key);

const FIRST_VERSION: u32 = 1;
const FINGERPRINT_LENGTH: usize = 16;

impl DataKey {
    /// A fresh key, version 1.
    pub fn generate(id: DataKeyId, random: &dyn Random) -> Self {
        Self(Key::generate(id.as_uuid(), FIRST_VERSION, random))
    }

    pub(super) fn from_key(key: Key) -> Self {
        Self(key)
    }

    pub(super) fn key(&self) -> &Key {
        &self.0
    }

    /// Names it.
    #[must_use]
    pub fn id(&self) -> DataKeyId {
        DataKeyId::from_uuid(self.0.id)
    }

    /// Counts the keys that its scope has had.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.0.version
    }

    /// Seals a password for the place where it will be stored.
    pub fn seal(&self, password: &Password, binding: &PasswordBinding<'_>, random: &dyn Random) -> Sealed {
        envelope::seal(&self.0, &binding.into(), password.expose().as_bytes(), random)
    }

    /// Opens a password that was sealed under this key for this place.
    ///
    /// # Errors
    /// It was sealed under another key or for another place, or was altered since.
    pub fn open(&self, sealed: &Sealed, binding: &PasswordBinding<'_>) -> Result<Password, OpenError> {
        let content = envelope::open(&self.0, &binding.into(), sealed)?;
        let text = std::str::from_utf8(&content).map_err(|_| OpenError::Altered)?;
        Password::new(&Zeroizing::new(text.to_owned())).map_err(|_| OpenError::Altered)
    }

    /// Changes exactly when what is handed out for a login would change, and tells nothing of it without this key.
    ///
    /// HMAC-SHA-256 over server, username and password, cut to 128 bits (RFC 2104 section 5). Kept beside the sealed
    /// password, it lets an `ETag` be made without a decryption, and without a plain hash that invites guessing.
    #[must_use]
    pub fn fingerprint(&self, password: &Password, server: &str, username: Option<&str>) -> [u8; FINGERPRINT_LENGTH] {
        let mut mac = self.0.mac(label::FINGERPRINT);
        absorb_login(&mut mac, server, username);
        absorb(&mut mac, password.expose().as_bytes());
        let full = mac.finalize().into_bytes();
        std::array::from_fn(|index| full[index])
    }

    /// What tells API tokens.
    #[must_use]
    pub fn token_key(&self) -> TokenKey {
        TokenKey(Box::new(self.0.mac(label::TOKEN)))
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKey").field("id", &self.id()).field("version", &self.version()).finish_non_exhaustive()
    }
}

/// What tells API tokens: a key that is derived from a data key once, since deriving takes much longer than a MAC. It can be
/// neither copied nor printed. Boxed, as the key is; what is cloned of it for a MAC is overwritten as it is.
pub struct TokenKey(Box<Hmac<Sha256>>);

impl TokenKey {
    /// What is stored of an API token: HMAC-SHA-256 of its text.
    ///
    /// A token has 256 random bits, so there is nothing to guess that a slow hash would have to slow down.
    #[must_use]
    pub fn mac(&self, token: &TokenText) -> TokenMac {
        let mac = Hmac::clone(&self.0).chain_update(token.expose());
        TokenMac(mac.finalize().into_bytes().into())
    }
}

/// An API token at rest. Two are compared in constant time.
#[derive(Clone, Eq)]
pub struct TokenMac([u8; 32]);

impl TokenMac {
    /// Takes a MAC back from where it was stored.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The MAC, to be stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for TokenMac {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Hash for TokenMac {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for TokenMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenMac(..)")
    }
}

#[cfg(test)]
mod tests;
