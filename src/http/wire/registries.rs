//! What is said of kinds of registries, and of logins by their kinds.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Something about a login that its owner should know. It never repeats a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Warning {
    /// The member that it is about, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What is to be known.
    pub detail: String,
}

/// Whose key a password is: the part of a Google key file that is no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Identity {
    /// The service account's address.
    pub client_email: String,
    /// The key's name.
    pub key_id: String,
}

/// All kinds of registries.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RegistryKinds {
    /// The kinds, the most common first.
    pub items: Vec<RegistryKind>,
}

/// A kind of registry, and what a form must ask for it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RegistryKind {
    /// Its name, as the `kind` of a credential.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// The hosts that it is told by; `*` stands for some characters. None for a kind that only its owners run.
    pub hosts: Vec<String>,
    /// Whether the server is asked for: `no`, `optional` or `required`.
    pub server: String,
    /// The server that is meant if none is given.
    pub default_server: Option<String>,
    /// A server as an example.
    pub server_example: String,
    /// The ways to log in, the best first.
    pub logins: Vec<LoginForm>,
    /// What people should know before they save.
    pub warnings: Vec<String>,
    /// The page that tells how to get a login, from the root of the documentation.
    pub guide: String,
}

/// A way to log in.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LoginForm {
    /// What it is called.
    pub title: String,
    /// The user name, if it is always the same.
    pub username: Option<String>,
    /// What the user name is, if it is the owner's own.
    pub username_hint: Option<String>,
    /// What the password is called.
    pub password: String,
    /// How long it lasts, if that is fixed.
    pub lifetime: Option<String>,
}
