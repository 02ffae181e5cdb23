//! Logins that people have already: in docker's and podman's files, in Secrets of Kubernetes, and with credential helpers.
//!
//! [`read`] tells by its content what a file is and takes its entries out. What a helper has comes by way of [`helper`], whose
//! programs somebody else runs. [`plan()`] puts all entries beside each other and beside what a scope has already, and says what
//! would become of each. Passwords go through in types that are overwritten; of a text that cannot be read only the place is
//! told. What the parsers of JSON and YAML keep for themselves meanwhile is theirs.

mod docker;
pub mod helper;
mod kubernetes;
mod lenient;
pub mod plan;
pub mod read;

#[cfg(test)]
mod tests;

pub use helper::HelperName;
pub use plan::{Action, Existing, Overwrite, Row, plan};
pub use read::{Contents, ReadError, read};

use super::{
    convention::Remark,
    credential::{Email, Username},
    docker_hub,
    secret::Password,
    text::Invalid,
};
use helper::HelperFailure;
use std::fmt;

/// Where an entry was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file, as people name it.
    pub file: String,
    /// The Secret in it: `team/pull`, or its number if its name is not one.
    pub secret: Option<String>,
    /// Who had the login.
    pub keeper: Keeper,
}

/// Who has a login. Docker asks in this order, and takes what it finds first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeper {
    /// The helper that the file names for this registry.
    RegistryHelper(HelperName),
    /// The helper that the file names for everything.
    Store(HelperName),
    /// The file itself.
    File,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(secret) = &self.secret {
            write!(f, " Secret {secret}")?;
        }
        match &self.keeper {
            Keeper::RegistryHelper(name) | Keeper::Store(name) => write!(f, " {}", name.program()),
            Keeper::File => Ok(()),
        }
    }
}

/// An entry as it was found.
#[derive(Debug)]
pub struct FoundEntry {
    /// Where.
    pub origin: Origin,
    /// The server as it is written there.
    pub key: Key,
    /// What it holds.
    pub content: Content,
}

/// What an entry holds.
#[derive(Debug)]
pub enum Content {
    /// A login.
    Login(Login),
    /// Something that cannot be stored.
    Refused(Refusal),
    /// Nothing that would have to be stored.
    Skipped(Skip),
}

/// A login.
#[derive(Debug)]
pub struct Login {
    /// The user name, if there is one.
    pub username: Option<Username>,
    /// The secret.
    pub password: Password,
    /// The e-mail address, if it is one.
    pub email: Option<Email>,
}

/// Why an entry cannot be stored. No value of the entry is repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The server is none.
    #[error("the server {0}")]
    Server(Invalid),
    /// The user name is none.
    #[error("the user name {0}")]
    Username(Invalid),
    /// The password is none.
    #[error("the password {0}")]
    Password(Invalid),
    /// User name and password cannot be told.
    #[error("its auth {0}")]
    Auth(Invalid),
    /// It is the sort of token that goes with no user name and password.
    #[error("has an identity token and no password: regcred keeps user names and passwords")]
    IdentityToken,
    /// It is the sort of token that is sent as it is.
    #[error("has a registry token and no password: regcred keeps user names and passwords")]
    RegistryToken,
    /// Half of it is missing.
    #[error("has a user name and no password")]
    NoPassword,
    /// A member is not what it must be.
    #[error("has a member that is no text")]
    NotText,
    /// User name and password contradict each other.
    #[error("{} {}", subject(.0.pointer), .0.detail)]
    Contradiction(Remark),
    /// Two files do not agree.
    #[error("another user name than in {0}")]
    OtherUsername(String),
    /// Two files do not agree.
    #[error("another password than in {0}")]
    OtherPassword(String),
    /// The helper did not give it.
    #[error("{0}")]
    Helper(HelperFailure),
    /// A Secret that holds no docker config, though its type says so.
    #[error("what the Secret holds {0}")]
    Secret(ReadError),
}

/// Why there is nothing to store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Skip {
    /// It is empty, as docker leaves entries whose login a helper has.
    #[error("holds no login")]
    Empty,
    /// Docker keeps its own session under such names.
    #[error("is docker's own session and no login")]
    Session,
    /// The file names a helper for this server, which docker asks in place of the entry.
    #[error("docker asks {0} instead")]
    Overruled(String),
    /// The helper knows no login for it.
    #[error("{0} has no login for it")]
    Unknown(String),
}

/// What a finding is about, in words.
#[must_use]
pub fn subject(pointer: &str) -> &'static str {
    match pointer {
        "/username" => "the user name",
        "/password" => "the password",
        "/expires_at" => "the end",
        _ => "the login",
    }
}

/// A server as it is written somewhere. It may be anything: a URL with a password in it, or characters that move the cursor.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Key(String);

impl Key {
    /// The text, for parsing and for helpers.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, if it can be shown.
    #[must_use]
    pub fn shown(&self) -> Option<&str> {
        let plain = self.0.chars().all(|c| c.is_ascii_graphic() || (c.is_alphanumeric() && !c.is_ascii()));
        (plain && !self.0.contains('@') && (1..=255).contains(&self.0.len())).then_some(&self.0)
    }

    /// Whether docker keeps its own session there, among the logins of Docker Hub.
    #[must_use]
    pub fn is_session(&self) -> bool {
        docker_hub::SESSION_KEYS.contains(&self.as_str())
    }
}

impl From<String> for Key {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?})", self.shown().unwrap_or(".."))
    }
}
