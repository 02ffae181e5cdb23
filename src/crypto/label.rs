//! Every name that keeps one use of a key from another. They are part of the stored format: none may ever change.
//!
//! RFC 5869 section 3.2 gives the reason: keys that are derived from one key for several uses are independent of each
//! other if each derivation carries its own `info`.

/// The first byte of an envelope: which layout the rest has.
pub(super) const ENVELOPE_VERSION: u8 = 0x01;

/// The second byte of an envelope: HKDF-SHA-512 (RFC 5869) with AES-256-GCM (NIST SP 800-38D), key-committing.
pub(super) const SUITE: u8 = 0x01;

/// Derives the AES-256-GCM key of one envelope.
pub(super) const ENVELOPE_KEY: &[u8] = b"regcred/v1/envelope/key";

/// Derives the commitment of one envelope: proof of which key it was sealed under, which GCM alone does not give.
pub(super) const ENVELOPE_COMMITMENT: &[u8] = b"regcred/v1/envelope/commitment";

/// Derives the HMAC key for fingerprints of passwords.
pub(super) const FINGERPRINT: &[u8] = b"regcred/v1/fingerprint";

/// Derives the HMAC key for API tokens at rest.
pub(super) const TOKEN: &[u8] = b"regcred/v1/token";

/// Derives the HMAC key for the check value of a master key.
pub(super) const CHECK_VALUE: &[u8] = b"regcred/v1/check-value";

/// What a sealed password is for, as its associated data says it.
pub(super) const PURPOSE_CREDENTIAL: &[u8] = b"credential";

/// The field of a credential that a sealed password is.
pub(super) const FIELD_PASSWORD: &[u8] = b"password";

/// What a wrapped data key is for, as its associated data says it.
pub(super) const PURPOSE_DATA_KEY: &[u8] = b"data-key";

/// The field of a data key that a wrapped key is.
pub(super) const FIELD_KEY: &[u8] = b"key";
