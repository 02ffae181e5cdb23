//! Whose key a password is, where the key itself says so: the part of it that is no secret.

use super::{credential::Email, text::Invalid};
use std::str::FromStr;

/// A service account of Google's, and which of its keys.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    client_email: Email,
    key_id: KeyId,
}

impl Identity {
    /// An identity of what stands in a key file; none if it does not look like one, so that nothing else of the file is shown
    /// for one.
    #[must_use]
    pub fn new(client_email: &str, key_id: &str) -> Option<Self> {
        let client_email: Email = client_email.parse().ok()?;
        let name = client_email.as_str().split_once('@').filter(|(_, host)| host.ends_with(".gserviceaccount.com"));
        // Google makes these names of such characters alone; anything else may be something that was pasted.
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
        let ours = name.is_some_and(|(name, _)| name.bytes().all(plain));
        Some(Self { client_email, key_id: key_id.parse().ok()? }).filter(|_| ours)
    }

    /// The service account's address.
    #[must_use]
    pub fn client_email(&self) -> &str {
        self.client_email.as_str()
    }

    /// The key's name.
    #[must_use]
    pub fn key_id(&self) -> &str {
        self.key_id.as_str()
    }

    /// As it is stored.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::json!({"client_email": self.client_email(), "key_id": self.key_id()}).to_string()
    }
}

impl FromStr for Identity {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        serde_json::from_str(text).map_err(|_| Invalid("must be an identity"))
    }
}

super::text::text_type! {
    /// The name of a key: up to 64 hexadecimal digits.
    KeyId, key_id
}

fn key_id(text: &str) -> Result<String, Invalid> {
    let hexadecimal = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if hexadecimal && (1..=64).contains(&text.len()) {
        Ok(text.to_owned())
    } else {
        Err(Invalid("must be 1 to 64 hexadecimal digits"))
    }
}
