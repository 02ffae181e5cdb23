//! The key material that data keys and master keys share: 32 bytes that stay where they are until they are overwritten.

use super::label;
use crate::domain::source::Random;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit};
use sha2::{Digest, Sha256, Sha512};
use uuid::Uuid;
use zeroize::{Zeroize, Zeroizing};

/// The length of every key.
pub(super) const KEY_LENGTH: usize = 32;

/// The length of the salt of an envelope.
pub(super) const SALT_LENGTH: usize = 32;

/// A key with the name and version that its envelopes carry.
pub(super) struct Key {
    pub(super) id: Uuid,
    pub(super) version: u32,
    /// Boxed, so that moving the key leaves no copy behind.
    bytes: Box<Zeroizing<[u8; KEY_LENGTH]>>,
}

impl Key {
    pub(super) fn generate(id: Uuid, version: u32, random: &dyn Random) -> Self {
        let mut key = Self::zero(id, version);
        random.fill(&mut key.bytes[..]);
        key
    }

    pub(super) fn from_bytes(id: Uuid, version: u32, bytes: &[u8; KEY_LENGTH]) -> Self {
        let mut key = Self::zero(id, version);
        key.bytes.copy_from_slice(bytes);
        key
    }

    fn zero(id: Uuid, version: u32) -> Self {
        Self { id, version, bytes: Box::new(Zeroizing::new([0; KEY_LENGTH])) }
    }

    /// The raw key: to be wrapped, or written to the keyring file, and for nothing else.
    pub(super) fn bytes(&self) -> &[u8; KEY_LENGTH] {
        &self.bytes
    }

    /// The AES-256-GCM key of one envelope, and its commitment (RFC 5869: one extract, two expands).
    ///
    /// Both depend on the key, the salt, the suite and the associated data. The random salt gives every envelope its own
    /// AES key, so the limit on random nonces under one key (NIST SP 800-38D section 8.3) is never near.
    pub(super) fn for_envelope(&self, salt: &[u8; SALT_LENGTH], associated_data: &[u8]) -> EnvelopeKeys {
        let place = Sha256::digest(associated_data);
        let expander = self.expander(Some(salt));
        EnvelopeKeys {
            cipher: expand(&expander, &[label::ENVELOPE_KEY, &[label::SUITE], &place]),
            commitment: expand(&expander, &[label::ENVELOPE_COMMITMENT, &[label::SUITE], &place]),
        }
    }

    /// HMAC-SHA-256 under a key that is derived from this one for one use.
    pub(super) fn mac(&self, label: &[u8]) -> Hmac<Sha256> {
        let key = expand(&self.expander(None), &[label]);
        Hmac::new_from_slice(&key[..]).expect("HMAC takes keys of every length")
    }

    fn expander(&self, salt: Option<&[u8]>) -> Hkdf<Sha512> {
        let (mut extracted, expander) = Hkdf::extract(salt, self.bytes());
        extracted.as_mut_slice().zeroize();
        expander
    }
}

/// What one envelope is sealed with.
pub(super) struct EnvelopeKeys {
    pub(super) cipher: Zeroizing<[u8; KEY_LENGTH]>,
    pub(super) commitment: Zeroizing<[u8; KEY_LENGTH]>,
}

fn expand(expander: &Hkdf<Sha512>, info: &[&[u8]]) -> Zeroizing<[u8; KEY_LENGTH]> {
    let mut key = Zeroizing::new([0; KEY_LENGTH]);
    expander.expand_multi_info(info, &mut key[..]).expect("32 bytes are fewer than the 16320 that HKDF-SHA-512 gives");
    key
}
