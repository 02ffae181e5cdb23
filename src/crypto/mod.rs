//! Sealing and opening: how a password becomes bytes that may be stored, and how it comes back.
//!
//! Two kinds of keys stand above each other. A [`keyring::MasterKey`] never leaves the process and wraps data keys; a
//! [`data_key::DataKey`] belongs to one scope and seals that scope's passwords. Changing the master key therefore
//! rewraps a few data keys, and destroying a data key makes everything that was sealed under it unreadable for good.
//!
//! How data passes through:
//! 1. At the start, [`keyring_file`] or [`passphrase`] gives master keys, and a [`keyring::Keyring`] holds them. The
//!    rest of the program knows it as a [`keyring::KeyWrapper`], so that a key service can take its place.
//! 2. `KeyWrapper::unwrap` turns a stored [`envelope::Sealed`] into a [`data_key::DataKey`].
//! 3. `DataKey::seal` turns a [`crate::domain::secret::Password`] into a [`envelope::Sealed`], and `DataKey::open` turns
//!    it back. Both are told by a [`binding::PasswordBinding`] where the bytes belong; anywhere else they do not open.
//!
//! Sealed and opened are different types, and only the sealed one has bytes to store.
//!
//! This module must not know SQL, HTTP, the clock or the system's randomness, which is passed in as
//! [`crate::domain::source::Random`]. Only [`keyring_file`] touches the file system. Every buffer that holds a key or a
//! plaintext is overwritten when it is dropped.

pub mod binding;
pub mod data_key;
pub mod envelope;
mod key;
pub mod keyring;
pub mod keyring_file;
mod label;
pub mod passphrase;
pub mod shelf;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod vectors;
