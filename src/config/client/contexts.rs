//! The contexts file: the services that somebody works with, by name. It holds no secret, only the names of files.

use super::super::{ConfigError, Environment, parse_toml, private_file};
use crate::{
    client::BaseUrl,
    domain::{scope::ProjectPath, text::Invalid},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{
    collections::BTreeMap,
    fmt::Display,
    fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

/// All contexts, and which of them is current.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contexts {
    /// The one that is used unless another is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// The contexts by name.
    #[serde(default)]
    pub contexts: BTreeMap<String, Context>,
}

/// A service, and what one does there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// Where its public listener is.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "shown", deserialize_with = "read")]
    pub url: Option<BaseUrl>,
    /// Where its internal listener is.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "shown", deserialize_with = "read")]
    pub internal_url: Option<BaseUrl>,
    /// The project to work on.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "shown", deserialize_with = "read")]
    pub project: Option<ProjectPath>,
    /// The file with the token to present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
}

impl Contexts {
    /// Where the contexts of this user are: `$XDG_CONFIG_HOME/regcred/config.toml`, or below `~/.config`.
    pub fn default_path() -> Result<PathBuf, ConfigError> {
        path(Environment::PROCESS)
    }

    /// Reads the contexts; there are none where there is no file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        match fs::read_to_string(path) {
            Ok(text) => parse_toml(path, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(ConfigError::Read { path: path.to_owned(), source }),
        }
    }

    /// Writes the contexts, whole or not at all.
    pub fn write(&self, path: &Path) -> Result<(), ConfigError> {
        let text = toml::to_string_pretty(self)
            .map_err(|error| ConfigError::Write { path: path.to_owned(), source: io::Error::other(error) })?;
        if let Some(directory) = path.parent() {
            private_file::create_directory(directory)?;
        }
        private_file::write(path, text.as_bytes())
    }

    /// The context of that name.
    pub fn get(&self, name: &str) -> Result<&Context, ConfigError> {
        self.contexts.get(name).ok_or_else(|| ConfigError::NoContext(name.to_owned()))
    }
}

pub(super) fn path(environment: Environment<'_>) -> Result<PathBuf, ConfigError> {
    // The XDG specification has relative paths ignored.
    let xdg = environment.path("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    let home = || environment.path("HOME").map(|home| home.join(".config"));
    let directory = xdg.or_else(home).ok_or(ConfigError::NoHome)?;
    Ok(directory.join("regcred/config.toml"))
}

#[expect(clippy::ref_option, reason = "serde calls it with a reference")]
fn shown<T: Display, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

fn read<'de, T: FromStr<Err = Invalid>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}
