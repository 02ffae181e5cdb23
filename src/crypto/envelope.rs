//! Envelope v1: the bytes in which a secret is stored, and the only code that makes or opens them.
//!
//! ```text
//! version 0x01 | suite 0x01 | reserved u16 0 | key_version u32 | key_id 16 | salt 32 | commitment 32 | nonce 12 | ciphertext | tag 16
//! '----------------------- header, 24 bytes ------------------------------'
//! ```
//! Numbers are big-endian. HKDF-SHA-512 makes of the key and the salt a key for AES-256-GCM (RFC 5116 section 5.2) and a
//! commitment. GCM alone does not commit: one ciphertext can be made to open under two keys. The commitment closes that,
//! and is compared in constant time before anything is decrypted.
//!
//! The plaintext is `length u32 | content | zeros`, padded to a multiple of 64 and to at least 256 bytes, so the length of
//! what is stored says nothing of a password of up to 252 bytes.

use super::{
    binding::{Place, length_prefix},
    key::{KEY_LENGTH, Key, SALT_LENGTH},
    label::{ENVELOPE_VERSION, SUITE},
};
use crate::domain::source::{Random, random_bytes};
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use std::fmt;
use subtle::ConstantTimeEq;
use uuid::Uuid;
use zeroize::Zeroizing;

const HEADER_LENGTH: usize = 24;
const NONCE_LENGTH: usize = 12;
const TAG_LENGTH: usize = 16;
const CIPHERTEXT_START: usize = HEADER_LENGTH + SALT_LENGTH + KEY_LENGTH + NONCE_LENGTH;
const LENGTH_PREFIX: usize = 4;
const PADDING_BLOCK: usize = 64;
const PADDED_LEAST: usize = 256;

/// A secret in its envelope: the only form in which one can be stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    bytes: Vec<u8>,
    key_id: Uuid,
    key_version: u32,
}

impl Sealed {
    /// Takes an envelope back from where it was stored.
    ///
    /// # Errors
    /// [`OpenError::Malformed`]: this cannot be an envelope of a version and suite that this program knows.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, OpenError> {
        let header = Parts::of(&bytes).ok_or(OpenError::Malformed)?.header;
        let [ENVELOPE_VERSION, SUITE, 0, 0, v0, v1, v2, v3, id @ ..] = *header else {
            return Err(OpenError::Malformed);
        };
        let key_id = Uuid::from_bytes(id);
        let key_version = u32::from_be_bytes([v0, v1, v2, v3]);
        Ok(Self { bytes, key_id, key_version })
    }

    /// The envelope, to be stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The key that it says it was sealed under: a data key's id for a password, a master key's id for a data key.
    #[must_use]
    pub fn key_id(&self) -> Uuid {
        self.key_id
    }

    /// The version of that key.
    #[must_use]
    pub fn key_version(&self) -> u32 {
        self.key_version
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(..)")
    }
}

/// Why an envelope did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It is not an envelope of a known version and suite, or was cut.
    #[error("is not an envelope that this version of regcred knows")]
    Malformed,
    /// It names another key or key version, or its commitment does not match: it was sealed under another key or for
    /// another place.
    #[error("was sealed under another key or for another place")]
    WrongKey,
    /// Key and place are right, but the contents are not what was sealed.
    #[error("was altered after it was sealed")]
    Altered,
}

/// Seals a secret under a key, for one place.
pub(super) fn seal(key: &Key, place: &Place<'_>, content: &[u8], random: &dyn Random) -> Sealed {
    let header = header(key);
    let associated_data = place.associated_data(&header);
    let salt = random_bytes::<SALT_LENGTH>(random);
    let nonce = random_bytes::<NONCE_LENGTH>(random);
    let keys = key.for_envelope(&salt, &associated_data);

    let padded_length = padded_length(content.len());
    // The plaintext is written where the ciphertext will stand, so there is no other copy; the capacity is exact, so the
    // buffer never moves.
    let mut bytes = Zeroizing::new(Vec::with_capacity(CIPHERTEXT_START + padded_length + TAG_LENGTH));
    for part in [&header[..], &salt, &keys.commitment[..], &nonce, &length_prefix(content), content] {
        bytes.extend_from_slice(part);
    }
    bytes.resize(CIPHERTEXT_START + padded_length, 0);
    let tag = Aes256Gcm::new((&*keys.cipher).into())
        .encrypt_inout_detached(&nonce.into(), &associated_data, (&mut bytes[CIPHERTEXT_START..]).into())
        .expect("GCM takes 64 GiB at once, and no secret comes near that");
    bytes.extend_from_slice(&tag);
    Sealed { bytes: std::mem::take(&mut *bytes), key_id: key.id, key_version: key.version }
}

/// Opens an envelope that was sealed under this key, for this place.
pub(super) fn open(key: &Key, place: &Place<'_>, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    if sealed.key_id != key.id || sealed.key_version != key.version {
        return Err(OpenError::WrongKey);
    }
    let parts = Parts::of(&sealed.bytes).ok_or(OpenError::Malformed)?;
    let associated_data = place.associated_data(parts.header);
    let keys = key.for_envelope(parts.salt, &associated_data);
    if !bool::from(keys.commitment.ct_eq(parts.commitment)) {
        return Err(OpenError::WrongKey);
    }
    let mut buffer = Zeroizing::new(parts.ciphertext.to_vec());
    Aes256Gcm::new((&*keys.cipher).into())
        .decrypt_inout_detached(parts.nonce.into(), &associated_data, buffer.as_mut_slice().into(), parts.tag.into())
        .map_err(|_| OpenError::Altered)?;
    remove_padding(&mut buffer)?;
    Ok(buffer)
}

fn header(key: &Key) -> [u8; HEADER_LENGTH] {
    let mut header = [0; HEADER_LENGTH];
    header[0] = ENVELOPE_VERSION;
    header[1] = SUITE;
    header[4..8].copy_from_slice(&key.version.to_be_bytes());
    header[8..].copy_from_slice(key.id.as_bytes());
    header
}

fn padded_length(content: usize) -> usize {
    (LENGTH_PREFIX + content).next_multiple_of(PADDING_BLOCK).max(PADDED_LEAST)
}

/// Leaves the content of a plaintext. What is cut off is overwritten with the rest when the buffer is dropped.
fn remove_padding(plaintext: &mut Vec<u8>) -> Result<(), OpenError> {
    let (prefix, rest) = plaintext.split_first_chunk::<LENGTH_PREFIX>().ok_or(OpenError::Altered)?;
    let length = usize::try_from(u32::from_be_bytes(*prefix)).map_err(|_| OpenError::Altered)?;
    let (_, padding) = rest.split_at_checked(length).ok_or(OpenError::Altered)?;
    if plaintext.len() != padded_length(length) || padding.iter().any(|byte| *byte != 0) {
        return Err(OpenError::Altered);
    }
    plaintext.copy_within(LENGTH_PREFIX..LENGTH_PREFIX + length, 0);
    plaintext.truncate(length);
    Ok(())
}

/// The parts of an envelope where they stand.
struct Parts<'a> {
    header: &'a [u8; HEADER_LENGTH],
    salt: &'a [u8; SALT_LENGTH],
    commitment: &'a [u8; KEY_LENGTH],
    nonce: &'a [u8; NONCE_LENGTH],
    ciphertext: &'a [u8],
    tag: &'a [u8; TAG_LENGTH],
}

impl<'a> Parts<'a> {
    /// None if the length cannot be that of an envelope.
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk()?;
        let (salt, rest) = rest.split_first_chunk()?;
        let (commitment, rest) = rest.split_first_chunk()?;
        let (nonce, rest) = rest.split_first_chunk()?;
        let (ciphertext, tag) = rest.split_last_chunk()?;
        if ciphertext.len() < PADDED_LEAST || !ciphertext.len().is_multiple_of(PADDING_BLOCK) {
            return None;
        }
        Some(Self { header, salt, commitment, nonce, ciphertext, tag })
    }
}

#[cfg(test)]
mod tests;
