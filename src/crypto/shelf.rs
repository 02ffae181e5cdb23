//! Documents that are kept in memory for the next one who asks: sealed, under a key that begins and ends with this process.
//!
//! AES-256-GCM (RFC 5116 section 5.2) with a count as its nonce, which is never the same twice under one key. It is no envelope:
//! nothing of it is ever stored, so it needs neither a commitment nor a version, and opens in a microsecond. What it keeps off
//! is a plaintext that lies about for as long as the process runs; whoever can read all of the process's memory has the master
//! keys, too.

use super::envelope::OpenError;
use crate::domain::{
    secret::SecretDocument,
    source::{Random, random_bytes},
};
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};
use zeroize::Zeroizing;

const KEY_LENGTH: usize = 32;
const NONCE_LENGTH: usize = 12;
const TAG_LENGTH: usize = 16;

/// What seals and opens.
pub struct Shelf {
    /// Overwritten when it is dropped.
    cipher: Aes256Gcm,
    used: AtomicU64,
}

/// A sealed document, with its nonce. Only the shelf that sealed it opens it.
pub struct Shelved {
    nonce: [u8; NONCE_LENGTH],
    /// The ciphertext and its tag.
    bytes: Box<[u8]>,
}

impl Shelf {
    /// A shelf with a key of its own.
    #[must_use]
    pub fn new(random: &dyn Random) -> Self {
        let key = Zeroizing::new(random_bytes::<KEY_LENGTH>(random));
        Self { cipher: Aes256Gcm::new((&*key).into()), used: AtomicU64::new(0) }
    }

    /// Seals a document. It opens again only with the same `name`.
    ///
    /// # Panics
    /// Never: a document would have to be of 64 GiB.
    pub fn put(&self, name: &[u8], document: &SecretDocument) -> Shelved {
        let count = self.used.fetch_add(1, Ordering::Relaxed);
        let mut nonce = [0; NONCE_LENGTH];
        nonce[NONCE_LENGTH - 8..].copy_from_slice(&count.to_be_bytes());
        let plaintext = document.expose();
        // Large enough beforehand: a buffer that grows leaves its old copy behind.
        let mut bytes = Vec::with_capacity(plaintext.len() + TAG_LENGTH);
        bytes.extend_from_slice(plaintext);
        let tag = self
            .cipher
            .encrypt_inout_detached(&nonce.into(), name, bytes.as_mut_slice().into())
            .expect("GCM takes 64 GiB at once, and no document comes near that");
        bytes.extend_from_slice(&tag);
        Shelved { nonce, bytes: bytes.into_boxed_slice() }
    }

    /// Opens a document.
    ///
    /// # Errors
    /// Another shelf sealed it, or it has another name.
    pub fn open(&self, name: &[u8], shelved: &Shelved) -> Result<SecretDocument, OpenError> {
        let (ciphertext, tag) = shelved.bytes.split_last_chunk::<TAG_LENGTH>().ok_or(OpenError::Malformed)?;
        let mut bytes = Zeroizing::new(ciphertext.to_vec());
        self.cipher
            .decrypt_inout_detached((&shelved.nonce).into(), name, bytes.as_mut_slice().into(), tag.into())
            .map_err(|_| OpenError::Altered)?;
        Ok(SecretDocument::new(bytes))
    }
}

impl Shelved {
    /// How many bytes it takes.
    #[must_use]
    pub fn length(&self) -> usize {
        NONCE_LENGTH + self.bytes.len()
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shelf(..)")
    }
}

impl fmt::Debug for Shelved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shelved(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::Counting;

    fn document(text: &str) -> SecretDocument {
        SecretDocument::new(Zeroizing::new(text.as_bytes().to_vec()))
    }

    #[test]
    fn a_document_opens_under_its_name_on_its_shelf_alone() {
        let random = Counting::new();
        let (shelf, other) = (Shelf::new(&random), Shelf::new(&random));
        let shelved = shelf.put(b"one", &document("hunter2"));
        assert_eq!(shelf.open(b"one", &shelved).unwrap().expose(), b"hunter2");
        assert_eq!(shelf.open(b"two", &shelved).unwrap_err(), OpenError::Altered);
        assert_eq!(other.open(b"one", &shelved).unwrap_err(), OpenError::Altered);
    }

    #[test]
    fn what_is_kept_is_no_plaintext_and_never_the_same() {
        let shelf = Shelf::new(&Counting::new());
        let (first, second) = (shelf.put(b"", &document("hunter2")), shelf.put(b"", &document("hunter2")));
        assert_ne!(first.nonce, second.nonce);
        assert_ne!(first.bytes, second.bytes);
        assert!(!first.bytes.windows(7).any(|window| window == b"hunter2"));
    }
}
