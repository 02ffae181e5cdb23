//! What regcred is told from outside: flags, environment variables and files, in that order of precedence.
//!
//! One struct a section, parsed whole before anything is bound or sent, so that a mistake in the last setting is known
//! before the first takes effect. This is the only module that reads environment variables (clap does it through `env`
//! attributes on the structs here); nothing below it knows where a value came from.

pub mod client;
pub mod logins;
pub mod private_file;
pub mod server;

use crate::domain::text::Invalid;
use serde::de::DeserializeOwned;
use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// What a server calls the file with its operator's token.
const OPERATOR_TOKEN: &str = "operator.token";

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file could not be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file does not have the form it should have.
    #[error("{} line {line}: {message}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Where in it, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// One thing was given in two ways.
    #[error("{first} and {second} are both set")]
    GivenTwice {
        /// One way.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// A setting breaks a rule.
    #[error("{setting} {rule}")]
    Invalid {
        /// The setting, as people write it.
        setting: String,
        /// The rule.
        rule: String,
    },
    /// Secrets would leave unprotected.
    #[error("the internal listener hands out secrets, and would do so unencrypted on an address that is not loopback")]
    InternalListenPlaintext,
    /// There is no context of that name.
    #[error("there is no context named '{0}'")]
    NoContext(String),
    /// Nobody knows where the contexts would be.
    #[error("neither XDG_CONFIG_HOME nor HOME is set, so there is no place for contexts")]
    NoHome,
}

impl ConfigError {
    /// What to do about it, if that is not plain.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Read { path, source } if is_operators(path) && source.kind() == io::ErrorKind::NotFound => {
                "if it is lost, start the service once with `regcred serve --new-operator-token`"
            }
            Self::GivenTwice { .. } => "unset one of them",
            Self::InternalListenPlaintext => {
                "listen on a loopback address, or, if that network is private, say so with \
                 REGCRED_INTERNAL_LISTEN_PLAINTEXT=true"
            }
            Self::NoContext(_) => "list them with `regcred config list-contexts`",
            Self::Read { .. } | Self::Write { .. } | Self::File { .. } | Self::Invalid { .. } | Self::NoHome => {
                return None;
            }
        };
        Some(hint.to_owned())
    }

    fn invalid(setting: impl Into<String>, rule: &Invalid) -> Self {
        Self::Invalid { setting: setting.into(), rule: rule.0.to_owned() }
    }
}

/// The environment variables of the process, or a test's.
#[derive(Clone, Copy)]
struct Environment<'a>(&'a dyn Fn(&str) -> Option<OsString>);

impl Environment<'_> {
    #[expect(clippy::disallowed_methods, reason = "this is where the environment comes in")]
    const PROCESS: Environment<'static> = Environment(&|name| std::env::var_os(name));

    /// A variable's text. An empty one counts as not set, as most tools have it.
    fn text(self, name: &str) -> Result<Option<Zeroizing<String>>, ConfigError> {
        let Some(value) = (self.0)(name).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        let text = value.into_string().map_err(|_| ConfigError::invalid(name, &Invalid("must be UTF-8 text")))?;
        Ok(Some(Zeroizing::new(text)))
    }

    /// A variable that names a file.
    fn path(self, name: &str) -> Option<PathBuf> {
        (self.0)(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }
}

/// Whether a token's file is the one that a server wrote for its operator.
#[must_use]
pub fn is_operators(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == OPERATOR_TOKEN)
}

/// Whether the person's terminal is set to show more than ASCII.
#[must_use]
pub fn speaks_utf8() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| Environment::PROCESS.path(name));
    locale.is_some_and(|locale| {
        let locale = locale.to_string_lossy().to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// The directory of this program, if its name alone would not find it there.
#[must_use]
pub fn program_directory_off_path() -> Option<PathBuf> {
    let directory = std::env::current_exe().ok()?.parent()?.to_owned();
    let path = Environment::PROCESS.path("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|known| known == directory);
    (!found).then_some(directory)
}

/// The text without the one line end that editors and `echo` put behind it. Everything else is kept as it is.
#[must_use]
pub fn without_line_end(text: &str) -> &str {
    let Some(line) = text.strip_suffix('\n') else { return text };
    line.strip_suffix('\r').unwrap_or(line)
}

/// Reads a file that holds one secret and perhaps a line end.
fn read_secret(path: &Path) -> Result<Zeroizing<String>, ConfigError> {
    let text = fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    Ok(Zeroizing::new(without_line_end(&text).to_owned()))
}

fn parse_toml<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        // Only the message: the error's own text shows the line, which may hold what nobody should see.
        ConfigError::File { path: path.to_owned(), line, message: error.message().trim_end().replace('\n', " ") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_one_line_end_goes() {
        for (text, rest) in [
            ("pw", "pw"),
            ("pw\n", "pw"),
            ("pw\r\n", "pw"),
            ("pw\n\n", "pw\n"),
            ("pw\r", "pw\r"),
            (" pw \n", " pw "),
            ("\n", ""),
            ("", ""),
        ] {
            assert_eq!(without_line_end(text), rest, "{text:?}");
        }
    }

    #[test]
    fn a_mistake_in_a_file_is_named_by_its_line_and_not_repeated() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Section {
            #[expect(dead_code, reason = "only its name counts")]
            url: String,
        }
        let error = parse_toml::<Section>(Path::new("c.toml"), "url = \"x\"\npassphrase = \"hunter2\"\n").unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("c.toml line 2: unknown field `passphrase`"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}
