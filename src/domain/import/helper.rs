//! Credential helpers: the names of their programs, and what they answer.
//!
//! `docker-credential-NAME list` prints `{SERVER: USER}`; `get` is told a server on its standard input and prints
//! `{"ServerURL", "Username", "Secret"}`. What went wrong is printed on standard output too, where passwords are: so no answer
//! is ever shown.

use super::{Content, FoundEntry, Keeper, Key, Login, Origin, Refusal, Skip, docker, lenient::Members};
use crate::domain::text::{Invalid, text_type};
use serde::Deserialize;
use zeroize::Zeroizing;

text_type! {
    /// The name of a helper: letters, digits, `.`, `_` and `-`, so that it names a program and no place.
    HelperName, helper_name
}

fn helper_name(text: &str) -> Result<String, Invalid> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if plain && (1..=64).contains(&text.len()) && !text.starts_with(['.', '-']) {
        Ok(text.to_owned())
    } else {
        Err(Invalid("must be the plain name of a helper: 1 to 64 letters, digits, '.', '_' or '-'"))
    }
}

impl HelperName {
    /// The program.
    #[must_use]
    pub fn program(&self) -> String {
        format!("docker-credential-{self}")
    }
}

/// What a file leaves to a helper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The file.
    pub file: String,
    /// The helper, if its name is one.
    pub name: Result<HelperName, Invalid>,
    /// What it is to be asked for.
    pub wanted: Wanted,
}

/// What a helper is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// All that it has.
    Everything,
    /// The login for this server.
    Server(Key),
}

/// Why a helper gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HelperFailure {
    /// The file names no program.
    #[error("the name of its helper {0}")]
    Name(Invalid),
    /// There is no such program.
    #[error("{0} is not installed: it is not in the PATH")]
    Missing(String),
    /// It cannot be run.
    #[error("{0} cannot be run")]
    Broken(String),
    /// It failed.
    #[error("{0} failed; run it by hand to see why")]
    Failed(String),
    /// It took too long.
    #[error("{0} did not answer in time")]
    Late(String),
    /// It does not speak as helpers do.
    #[error("{0} did not answer as a credential helper does")]
    Answer(String),
}

/// What every helper says where it has no login.
const NOT_FOUND: &[u8] = b"credentials not found in native keychain";

/// What a helper prints for `get`.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username", default)]
    username: String,
    #[serde(rename = "Secret", default)]
    secret: Text,
}

/// A text that is overwritten.
#[derive(Default)]
struct Text(Zeroizing<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Zeroizing::new).map(Self)
    }
}

impl Request {
    /// Who would have the login.
    #[must_use]
    pub fn keeper(&self, name: &HelperName) -> Keeper {
        match self.wanted {
            Wanted::Everything => Keeper::Store(name.clone()),
            Wanted::Server(_) => Keeper::RegistryHelper(name.clone()),
        }
    }

    /// The entry for a server that was asked for.
    #[must_use]
    pub fn entry(&self, name: &HelperName, key: Key, content: Content) -> FoundEntry {
        let origin = Origin { file: self.file.clone(), secret: None, keeper: self.keeper(name) };
        FoundEntry { origin, key, content }
    }

    /// The entry that says why nothing came of it.
    #[must_use]
    pub fn failed(&self, failure: HelperFailure) -> FoundEntry {
        let key = match &self.wanted {
            Wanted::Everything => Key::default(),
            Wanted::Server(key) => key.clone(),
        };
        let content = Content::Refused(Refusal::Helper(failure));
        match &self.name {
            Ok(name) => self.entry(name, key, content),
            Err(_) => FoundEntry { origin: docker::in_file(&self.file), key, content },
        }
    }
}

/// Reads what `list` printed: the servers that there are logins for, without docker's own session.
///
/// # Errors
/// It is not what a helper prints.
pub fn servers(name: &HelperName, answer: &[u8]) -> Result<Vec<Key>, HelperFailure> {
    let members: Members<Option<String>> =
        serde_json::from_slice(answer).map_err(|_| HelperFailure::Answer(name.program()))?;
    Ok(members.0.into_iter().map(|(key, _)| Key::from(key)).filter(|key| !key.is_session()).collect())
}

/// Reads what `get` printed and whether it ended well.
#[must_use]
pub fn login(name: &HelperName, answer: &[u8], success: bool) -> Content {
    if !success {
        return if answer.trim_ascii() == NOT_FOUND {
            Content::Skipped(Skip::Unknown(name.program()))
        } else {
            Content::Refused(Refusal::Helper(HelperFailure::Failed(name.program())))
        };
    }
    let Ok(answer) = serde_json::from_slice::<Answer>(answer) else {
        return Content::Refused(Refusal::Helper(HelperFailure::Answer(name.program())));
    };
    if answer.secret.0.is_empty() {
        return Content::Skipped(Skip::Unknown(name.program()));
    }
    if answer.username == "<token>" {
        return Content::Refused(Refusal::IdentityToken);
    }
    let login = docker::username(&answer.username)
        .and_then(|username| Ok(Login { username, password: docker::secret(&answer.secret.0)?, email: None }));
    login.map_or_else(Content::Refused, Content::Login)
}
