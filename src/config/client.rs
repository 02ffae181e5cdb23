//! The settings of everything but `regcred serve`: which service, on whose behalf, for which project.
//!
//! Flags win over the environment, that over the context, and that over the defaults. A context that was named by flag
//! counts as a flag: nobody who types `--context staging` wants the URL of another place from his environment.

#![expect(clippy::doc_markdown, reason = "the comments of arguments are help texts, which know no Markdown")]

mod contexts;

pub use contexts::{Context, Contexts};

use super::{ConfigError, Environment, read_secret, without_line_end};
use crate::{
    client::{BaseUrl, PlainHttp},
    domain::{scope::ProjectPath, text::Invalid, token::TokenText},
};
use clap::{Args, ValueHint};
use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};
use zeroize::Zeroizing;

const DEFAULT_URL: &str = "http://127.0.0.1:8080";
const DEFAULT_INTERNAL_URL: &str = "http://127.0.0.1:8081";

/// What was said about the service to talk to.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Connection")]
pub struct ClientOptions {
    /// URL of the public listener [env: REGCRED_URL] [default: http://127.0.0.1:8080]
    #[arg(long, global = true, value_name = "URL", value_hint = ValueHint::Url)]
    pub url: Option<BaseUrl>,
    /// URL of the internal listener, for pull secrets and keys [env: REGCRED_INTERNAL_URL] [default: http://127.0.0.1:8081]
    #[arg(long, global = true, value_name = "URL", value_hint = ValueHint::Url)]
    pub internal_url: Option<BaseUrl>,
    /// File with the token to present [env: REGCRED_TOKEN_FILE, or the token itself in REGCRED_TOKEN]
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Use this context instead of the current one [env: REGCRED_CONTEXT]
    #[arg(long, global = true, value_name = "NAME", value_hint = ValueHint::Other)]
    pub context: Option<String>,
    /// Send the token over plain http to hosts that are not this one
    #[arg(long, global = true, env = "REGCRED_INSECURE", value_parser = clap::builder::BoolishValueParser::new())]
    pub insecure: bool,
}

/// All that a client needs to know.
#[derive(Debug)]
pub struct ClientSettings {
    /// Where the public listener is.
    pub url: BaseUrl,
    /// Where the internal listener is.
    pub internal_url: BaseUrl,
    /// The token to present.
    pub token: Option<TokenText>,
    /// Where the token was found.
    pub token_origin: TokenOrigin,
    /// The project to work on unless another scope is named.
    pub project: Option<ProjectPath>,
    /// The context in use.
    pub context: Option<String>,
    /// Whether the token may travel unencrypted.
    pub plain_http: PlainHttp,
}

/// Where the token was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenOrigin {
    /// In `REGCRED_TOKEN`.
    Variable,
    /// In a file.
    File(PathBuf),
    /// Nowhere; but an operator's token lies in this file, which nobody asked to use.
    Nearby(PathBuf),
    /// Nowhere.
    Nowhere,
}

impl fmt::Display for TokenOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable => f.write_str("REGCRED_TOKEN"),
            Self::File(path) => path.display().fmt(f),
            Self::Nearby(_) | Self::Nowhere => f.write_str("none"),
        }
    }
}

impl ClientOptions {
    /// Lays these flags over environment, context and defaults.
    pub fn resolve(self) -> Result<ClientSettings, ConfigError> {
        self.resolve_in(Environment::PROCESS, Path::new(""))
    }

    fn resolve_in(self, environment: Environment<'_>, here: &Path) -> Result<ClientSettings, ConfigError> {
        let contexts = match contexts::path(environment) {
            Ok(path) => Contexts::read(&path)?,
            Err(_) => Contexts::default(),
        };
        let named = self.context.is_some();
        let chosen = match self.context {
            Some(name) => Some(name),
            None => environment.text("REGCRED_CONTEXT")?.map(|name| name.to_string()).or(contexts.current.clone()),
        };
        let context = match &chosen {
            Some(name) => contexts.get(name)?.clone(),
            None => Context::default(),
        };
        let said = Said::read(environment)?;
        let (first, second) = if named { (context.into(), said) } else { (said, context.into()) };
        let flags = Said {
            url: self.url,
            internal_url: self.internal_url,
            token: self.token_file.map(TokenOrigin::File),
            project: None,
        };
        let said: Said = flags.or(first).or(second);
        let token_origin = said.token.unwrap_or_else(|| nearby(environment, here));
        Ok(ClientSettings {
            url: said.url.unwrap_or_else(|| DEFAULT_URL.parse().expect("the default is a URL")),
            internal_url: said.internal_url.unwrap_or_else(|| DEFAULT_INTERNAL_URL.parse().expect("it is a URL")),
            token: token(environment, &token_origin)?,
            token_origin,
            project: said.project,
            context: chosen,
            plain_http: if self.insecure { PlainHttp::Anywhere } else { PlainHttp::LoopbackOnly },
        })
    }
}

/// What one source says.
struct Said {
    url: Option<BaseUrl>,
    internal_url: Option<BaseUrl>,
    token: Option<TokenOrigin>,
    project: Option<ProjectPath>,
}

impl Said {
    fn read(environment: Environment<'_>) -> Result<Self, ConfigError> {
        let token = match (environment.text("REGCRED_TOKEN")?, environment.path("REGCRED_TOKEN_FILE")) {
            (Some(_), Some(_)) => {
                return Err(ConfigError::GivenTwice { first: "REGCRED_TOKEN", second: "REGCRED_TOKEN_FILE" });
            }
            (Some(_), None) => Some(TokenOrigin::Variable),
            (None, file) => file.map(TokenOrigin::File),
        };
        Ok(Self {
            url: parsed(environment, "REGCRED_URL")?,
            internal_url: parsed(environment, "REGCRED_INTERNAL_URL")?,
            token,
            project: parsed(environment, "REGCRED_PROJECT")?,
        })
    }

    fn or(self, other: Self) -> Self {
        Self {
            url: self.url.or(other.url),
            internal_url: self.internal_url.or(other.internal_url),
            token: self.token.or(other.token),
            project: self.project.or(other.project),
        }
    }
}

impl From<Context> for Said {
    fn from(context: Context) -> Self {
        let Context { url, internal_url, project, token_file } = context;
        Self { url, internal_url, token: token_file.map(TokenOrigin::File), project }
    }
}

fn parsed<T: FromStr<Err = Invalid>>(environment: Environment<'_>, name: &str) -> Result<Option<T>, ConfigError> {
    let text = environment.text(name)?;
    text.map(|text| text.parse()).transpose().map_err(|rule| ConfigError::invalid(name, &rule))
}

fn token(environment: Environment<'_>, origin: &TokenOrigin) -> Result<Option<TokenText>, ConfigError> {
    let text = match origin {
        TokenOrigin::Variable => {
            let text = environment.text("REGCRED_TOKEN")?;
            text.map(|text| Zeroizing::new(without_line_end(&text).to_owned()))
        }
        TokenOrigin::File(path) => Some(read_secret(path)?),
        TokenOrigin::Nearby(_) | TokenOrigin::Nowhere => None,
    };
    let parsed = text.map(|text| TokenText::parse(&text)).transpose();
    parsed.map_err(|rule| match origin {
        TokenOrigin::File(path) => ConfigError::invalid(format!("the text in {}", path.display()), &rule),
        TokenOrigin::Variable | TokenOrigin::Nearby(_) | TokenOrigin::Nowhere => {
            ConfigError::invalid("REGCRED_TOKEN", &rule)
        }
    })
}

fn nearby(environment: Environment<'_>, here: &Path) -> TokenOrigin {
    let file = data_dir(environment, here).join(super::OPERATOR_TOKEN);
    if file.is_file() { TokenOrigin::Nearby(file) } else { TokenOrigin::Nowhere }
}

fn data_dir(environment: Environment<'_>, here: &Path) -> PathBuf {
    environment.path("REGCRED_DATA_DIR").unwrap_or_else(|| here.join("regcred-data"))
}

/// The data directory of a server on this machine, if there is one where it would be by default.
#[must_use]
pub fn data_dir_nearby() -> Option<PathBuf> {
    Some(data_dir(Environment::PROCESS, Path::new(""))).filter(|path| path.is_dir())
}

#[cfg(test)]
mod tests;
