//! What goes out: the bodies and parameters of requests.
//!
//! [`Password`] is not `Serialize`, on purpose. The only way it leaves is through [`wiped_json`], into a buffer that is
//! overwritten once it was sent.

use crate::domain::{
    check::CaCertificates,
    credential::{Email, Username},
    kind::RegistryKind,
    permission::Role,
    secret::Password,
    server::{ImagePrefix, RegistryServer, StatedServer},
    timestamp::Timestamp,
    token::TokenName,
};
use bytes::Bytes;
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

/// A credential to add.
#[derive(Debug, Serialize)]
pub struct NewCredential<'a> {
    /// The registry.
    pub server: &'a RegistryServer,
    /// Its kind; inferred if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<RegistryKind>,
    /// The user name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<&'a Username>,
    /// The e-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<&'a Email>,
    /// Narrows the images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_prefix: Option<&'a ImagePrefix>,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Whether it may be handed out.
    pub enabled: bool,
    /// Who may vouch for the registry, besides those whom all trust.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_certificates: Option<&'a CaCertificates>,
    /// The secret.
    #[serde(skip)]
    pub password: &'a Password,
}

/// What happens to a member that may be absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Change<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It goes.
    Clear,
    /// It becomes this.
    Set(T),
}

impl<T> Change<T> {
    /// Whether it stays as it is.
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }
}

impl<T: Serialize> Serialize for Change<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Keep | Self::Clear => serializer.serialize_none(),
            Self::Set(value) => value.serialize(serializer),
        }
    }
}

/// A change of a credential. What is not named stays.
#[derive(Debug, Default, Serialize)]
pub struct CredentialChange<'a> {
    /// Another server; needs the password again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<&'a StatedServer>,
    /// Another kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<RegistryKind>,
    /// Another user name; needs the password again.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub username: Change<&'a Username>,
    /// Another e-mail address.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub email: Change<&'a Email>,
    /// Another prefix.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub image_prefix: Change<&'a ImagePrefix>,
    /// Another end.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub expires_at: Change<Timestamp>,
    /// Switches it on or off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Other certificates; needs the password again.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub ca_certificates: Change<&'a CaCertificates>,
    /// A new password.
    #[serde(skip)]
    pub password: Option<&'a Password>,
}

/// A token to make.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct NewToken<'a> {
    /// What people will call it.
    pub name: &'a TokenName,
    /// What it is for.
    pub role: Role,
    /// How many days it is good; the service decides if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in_days: Option<u32>,
}

/// What part of a list is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct PageQuery<'a> {
    /// How many items at most; the service decides if absent.
    pub limit: Option<u32>,
    /// Where to go on: a `next_cursor` of the same list.
    pub cursor: Option<&'a str>,
}

impl PageQuery<'_> {
    pub(super) fn parameters(self) -> Vec<(&'static str, String)> {
        let limit = self.limit.map(|limit| ("limit", limit.to_string()));
        limit.into_iter().chain(self.cursor.map(|cursor| ("cursor", cursor.to_owned()))).collect()
    }
}

impl NewCredential<'_> {
    pub(super) fn body(&self) -> Bytes {
        wiped_json(self, Some(self.password))
    }
}

impl CredentialChange<'_> {
    /// Whether nothing would change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { server, kind, username, email, image_prefix, expires_at, enabled, ca_certificates, password } = self;
        server.is_none()
            && kind.is_none()
            && username.is_keep()
            && email.is_keep()
            && image_prefix.is_keep()
            && expires_at.is_keep()
            && enabled.is_none()
            && ca_certificates.is_keep()
            && password.is_none()
    }

    pub(super) fn body(&self) -> Bytes {
        wiped_json(self, self.password)
    }
}

/// The longest body: a password and certificates. Inside of these only `"`, `\`, tabs and line ends are escaped, each with one byte
/// more.
const BODY: usize = 2 * (Password::MAX_BYTES + CaCertificates::MAX_BYTES) + 8 * 1024;

/// The body in a buffer that never moves while it is filled, and is overwritten when the last reference to it goes.
fn wiped_json(members: &impl Serialize, password: Option<&Password>) -> Bytes {
    #[derive(Serialize)]
    struct Body<'a, T> {
        #[serde(flatten)]
        members: &'a T,
        #[serde(skip_serializing_if = "Option::is_none")]
        password: Option<Exposed<'a>>,
    }
    let mut buffer = Zeroizing::new(Vec::with_capacity(BODY));
    serde_json::to_writer(&mut *buffer, &Body { members, password: password.map(Exposed) })
        .expect("strings, numbers and booleans become JSON, and memory takes any writing");
    Bytes::from_owner(buffer)
}

/// A password on its way into a body: the one place where the client reads it.
struct Exposed<'a>(&'a Password);

impl Serialize for Exposed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(body: &Bytes) -> serde_json::Value {
        serde_json::from_slice(body).unwrap()
    }

    #[test]
    fn a_password_goes_out_byte_for_byte() {
        let text = "{\n\t\"type\": \"service_account\\n\"\r\n}\n";
        let password = Password::new(&Zeroizing::new(text.to_owned())).unwrap();
        let server = "ghcr.io".parse().unwrap();
        let new = NewCredential {
            server: &server,
            kind: None,
            username: None,
            email: None,
            image_prefix: None,
            expires_at: None,
            enabled: true,
            ca_certificates: None,
            password: &password,
        };
        assert_eq!(json(&new.body()), serde_json::json!({"server": "ghcr.io", "enabled": true, "password": text}));
    }

    #[test]
    fn the_longest_password_fits_the_first_buffer() {
        let text = Zeroizing::new("\"".repeat(Password::MAX_BYTES));
        let password = Password::new(&text).unwrap();
        let change = CredentialChange { password: Some(&password), ..CredentialChange::default() };
        assert!(change.body().len() < BODY);
    }

    #[test]
    fn a_change_tells_keeping_from_clearing() {
        let email = "ops@acme.example".parse().unwrap();
        let change =
            CredentialChange { email: Change::Set(&email), expires_at: Change::Clear, ..CredentialChange::default() };
        assert!(!change.is_empty());
        assert_eq!(json(&change.body()), serde_json::json!({"email": "ops@acme.example", "expires_at": null}));
        assert!(CredentialChange::default().is_empty());
    }
}
