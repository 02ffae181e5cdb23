//! A master key from a passphrase, for those who keep no key file.
//!
//! Argon2id version 1.3 (RFC 9106) with 256 MiB, three passes and one lane: slow by intent, so it runs once at the start
//! and never in the path of a request. The salt is stored beside the data, the passphrase nowhere.

use super::{key::KEY_LENGTH, keyring::MasterKey};
use crate::domain::id::MasterKeyId;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroizing;

/// The fewest characters that a passphrase may have.
pub const SHORTEST: usize = 12;

const MEMORY_KIB: u32 = 256 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 1;

/// Why a passphrase gave no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PassphraseError {
    /// It can be guessed.
    #[error("the passphrase must have at least 12 characters")]
    TooShort,
    /// The memory that makes guessing expensive is not to be had.
    #[error("256 MiB of memory are needed to derive a key from the passphrase")]
    OutOfMemory,
    /// Argon2 refused its input.
    #[error("no key can be derived from the passphrase")]
    Refused(#[source] argon2::Error),
}

/// Derives a master key. The same passphrase and salt always give the same key; the passphrase is taken byte for byte.
///
/// Takes about a second and 256 MiB: call it where blocking is allowed.
pub fn derive(passphrase: &Zeroizing<String>, id: MasterKeyId, salt: &[u8; 16]) -> Result<MasterKey, PassphraseError> {
    if passphrase.chars().count() < SHORTEST {
        return Err(PassphraseError::TooShort);
    }
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(KEY_LENGTH)).map_err(PassphraseError::Refused)?;
    // Argon2 would allocate these blocks itself, but not overwrite them.
    let mut memory = Zeroizing::new(Vec::new());
    memory.try_reserve_exact(params.block_count()).map_err(|_| PassphraseError::OutOfMemory)?;
    memory.resize(params.block_count(), Block::default());
    let mut key = Zeroizing::new([0; KEY_LENGTH]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(passphrase.as_bytes(), salt, &mut key[..], memory.as_mut_slice())
        .map_err(PassphraseError::Refused)?;
    Ok(MasterKey::from_bytes(id, *key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::id;

    fn derive(passphrase: &str) -> Result<MasterKey, PassphraseError> {
        super::derive(&Zeroizing::new(passphrase.to_owned()), MasterKeyId::from_uuid(id(1)), &[7; 16])
    }

    // That the right key comes out is tested against the published vectors.
    #[test]
    fn a_passphrase_of_eleven_characters_is_refused() {
        assert_eq!(derive("").unwrap_err(), PassphraseError::TooShort);
        assert_eq!(derive(&"x".repeat(11)).unwrap_err(), PassphraseError::TooShort);
        assert_eq!(derive(&"ä".repeat(11)).unwrap_err(), PassphraseError::TooShort, "bytes are not characters");
    }
}
