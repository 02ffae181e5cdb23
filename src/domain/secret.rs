//! The secrets themselves. None of these types can be printed, copied, serialised or compared.

use super::text::Invalid;
use secrecy::{ExposeSecret, SecretBox};
use std::fmt;
use zeroize::Zeroizing;

/// The password, token or key file of a registry login, exactly as it was given.
///
/// 1 byte to 16 KiB of UTF-8. Tabs and line ends may occur (Google's key files have them); NUL and the other control
/// characters may not. The memory is overwritten when it is dropped.
pub struct Password(SecretBox<str>);

impl Password {
    /// The longest password in bytes.
    pub const MAX_BYTES: usize = 16 * 1024;

    /// Takes a password over. The text that it came in is overwritten when its owner drops it.
    ///
    /// # Errors
    /// It is empty, too long, or holds a control character.
    pub fn new(text: &Zeroizing<String>) -> Result<Self, Invalid> {
        if text.is_empty() {
            return Err(Invalid("must not be empty"));
        }
        if text.len() > Self::MAX_BYTES {
            return Err(Invalid("must be at most 16384 bytes"));
        }
        if text.bytes().any(|byte| (byte < b' ' && !b"\t\n\r".contains(&byte)) || byte == 0x7f) {
            return Err(Invalid("must not contain control characters other than tabs and line ends"));
        }
        Ok(Self(SecretBox::from(text.as_str())))
    }

    /// The plaintext. Every call is counted by a test: keep them few, and keep what is read out of logs and answers.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

impl<'de> serde::Deserialize<'de> for Password {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

/// A finished document with plaintext secrets in it, on its way to the one who may read it.
pub struct SecretDocument(Zeroizing<Vec<u8>>);

impl SecretDocument {
    /// Takes over the bytes of a rendered document.
    #[must_use]
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// The document's bytes. Counted by a test, as [`Password::expose`] is.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDocument(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Result<Password, Invalid> {
        Password::new(&Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn a_password_is_kept_byte_for_byte() {
        for text in [" ", " a b ", "{\n\t\"type\": \"service_account\"\r\n}\n", "pässwörd", "\"'\\<>&"] {
            assert_eq!(password(text).unwrap().expose(), text);
        }
        assert!(password(&"x".repeat(Password::MAX_BYTES)).is_ok());
    }

    #[test]
    fn empty_huge_and_control_characters_are_refused() {
        for text in ["", "a\0b", "a\x1bb", "a\x7f", &"x".repeat(Password::MAX_BYTES + 1)] {
            assert!(password(text).is_err());
        }
    }

    #[test]
    fn debug_output_says_nothing() {
        assert_eq!(format!("{:?}", password("hunter2").unwrap()), "Password(..)");
        let document = SecretDocument::new(Zeroizing::new(b"hunter2".to_vec()));
        assert_eq!(format!("{document:?}"), "SecretDocument(..)");
    }
}
