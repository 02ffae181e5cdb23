//! The settings of `regcred serve`.
//!
//! [`ServerOptions`] is what was said: flags and environment (through clap), or a TOML file (through serde), in one
//! struct whose members may all be absent. [`ServerOptions::resolve`] lays one over the other and makes
//! [`ServerSettings`], in which every question has its answer.

#![expect(clippy::doc_markdown, reason = "the comments of arguments are help texts, which know no Markdown")]

use super::{ConfigError, Environment, parse_toml, read_secret};
use crate::{
    domain::{check::ChecksPerMinute, pruning::Retention, text::Invalid},
    registry::Rules,
    store::sql::{Database, PostgresSettings},
};
use clap::{Args, ValueEnum};
use serde::Deserialize;
use std::{
    fmt, fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};
use tracing_subscriber::EnvFilter;
use zeroize::Zeroizing;

const DATABASE_FILE: &str = "regcred.db";
const KEYRING_FILE: &str = "keyring";

/// What was said about the server, by flags and environment or by a file.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerOptions {
    /// Directory of the database, the generated key file, operator.token and the lock file [default: ./regcred-data]
    #[arg(long, env = "REGCRED_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The database [default: SQLite, in the file regcred.db of the data directory]
    ///
    /// sqlite:///absolute/path, sqlite://relative/path, or postgres://user:password@host/database. A PostgreSQL server
    /// elsewhere must show a certificate that is good for its name, unless ?sslmode= says otherwise.
    #[arg(long, env = "REGCRED_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// File with the URL of the database, which keeps its password out of the environment
    #[arg(long, env = "REGCRED_DATABASE_URL_FILE", value_name = "FILE")]
    pub database_url_file: Option<PathBuf>,
    /// Address of the public listener, which can never hand out a secret [default: 127.0.0.1:8080]
    ///
    /// Port 0 takes a free one; the ready line on stdout names it.
    #[arg(long, env = "REGCRED_PUBLIC_LISTEN", value_name = "ADDR:PORT", value_parser = listen_address)]
    pub public_listen: Option<SocketAddr>,
    /// Address of the internal listener, where pull secrets leave [default: 127.0.0.1:8081]
    #[arg(long, env = "REGCRED_INTERNAL_LISTEN", value_name = "ADDR:PORT", value_parser = listen_address)]
    pub internal_listen: Option<SocketAddr>,
    /// Allow the internal listener on an address that is not loopback, without TLS
    ///
    /// Only for a network where nobody else can listen, or behind a proxy that speaks TLS.
    #[arg(
        long,
        env = "REGCRED_INTERNAL_LISTEN_PLAINTEXT",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = clap::builder::BoolishValueParser::new()
    )]
    pub internal_listen_plaintext: Option<bool>,
    /// File with the master keys, mode 0600 [default: a generated one in the data directory]
    ///
    /// Instead of a file, REGCRED_KEYRING may hold the keyring's text itself.
    #[arg(long, env = "REGCRED_KEYRING_FILE", value_name = "FILE")]
    pub keyring_file: Option<PathBuf>,
    /// File with a passphrase that a master key is derived from
    ///
    /// Instead of a file, REGCRED_PASSPHRASE may hold the passphrase itself.
    #[arg(long, env = "REGCRED_PASSPHRASE_FILE", value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// For how many days audit events are kept: nobody can prune younger ones [default: 400]
    #[arg(long, env = "REGCRED_AUDIT_RETENTION_DAYS", value_name = "DAYS")]
    pub audit_retention_days: Option<u32>,
    /// Networks that are not public and whose registries may be verified, such as 10.0.0.0/8 (commas between several)
    ///
    /// Whoever adds a login chooses where `regcred verify` connects to: name no more than the networks of your registries.
    #[arg(long, env = "REGCRED_REGISTRY_NETWORKS", value_name = "NETWORK", value_delimiter = ',')]
    pub registry_networks: Option<Vec<String>>,
    /// Networks that no login is sent to, whatever else is said, such as 198.51.100.0/24 (commas between several)
    ///
    /// For public addresses of your own that regcred stands closer to than others do.
    #[arg(long, env = "REGCRED_REGISTRY_NETWORKS_DENY", value_name = "NETWORK", value_delimiter = ',')]
    pub registry_networks_deny: Option<Vec<String>>,
    /// Registries and token servers that are spoken to without TLS, each as HOST:PORT (commas between several)
    #[arg(long, env = "REGCRED_REGISTRY_INSECURE", value_name = "HOST:PORT", value_delimiter = ',')]
    pub registry_insecure: Option<Vec<String>>,
    /// Token servers under other names than their registries', each as REGISTRY=HOST (commas between several)
    ///
    /// A login is sent to its registry's own host alone, and to these: registry.example.com=gitlab.example.com
    #[arg(long, env = "REGCRED_REGISTRY_TOKEN_SERVERS", value_name = "REGISTRY=HOST", value_delimiter = ',')]
    pub registry_token_servers: Option<Vec<String>>,
    /// How many logins of an organization may be verified in a minute [default: 60]
    ///
    /// As many may be at once, then one after the other. Each process counts for itself; what is verified on a schedule does not count.
    #[arg(long, env = "REGCRED_VERIFY_PER_MINUTE", value_name = "NUMBER")]
    pub verify_per_minute: Option<u32>,
    /// Verify every login again about once in so many hours [default: never]
    #[arg(long, env = "REGCRED_RECHECK_HOURS", value_name = "HOURS")]
    pub recheck_hours: Option<u32>,
    /// What to log: a level, or a filter such as info,regcred::http=debug [default: info]
    #[arg(long, env = "REGCRED_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// How log lines look [default: text]
    #[arg(long, env = "REGCRED_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

fn listen_address(text: &str) -> Result<SocketAddr, Invalid> {
    text.parse().map_err(|_| Invalid("must be an address and a port, such as 127.0.0.1:8080, 0.0.0.0:8080 or [::1]:0"))
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// All that the server needs to know before it starts.
#[derive(Debug)]
pub struct ServerSettings {
    /// Where the service keeps its files.
    pub data_dir: PathBuf,
    /// Which database to use.
    pub database: Database,
    /// Where the public listener is to be.
    pub public_listen: SocketAddr,
    /// Where the internal listener is to be.
    pub internal_listen: SocketAddr,
    /// Where the master keys are.
    pub keyring: KeyringSource,
    /// A passphrase to derive a master key from.
    pub passphrase: Option<Zeroizing<String>>,
    /// For how long audit events are kept.
    pub audit_retention: Retention,
    /// Where registries may be.
    pub registry: Rules,
    /// How many logins of an organization may be verified in a minute.
    pub checks_per_minute: ChecksPerMinute,
    /// How often each login is verified again; never if none.
    pub recheck: Option<Duration>,
    /// What to log; a valid filter.
    pub log_filter: String,
    /// How log lines look.
    pub log_format: LogFormat,
}

/// Where the master keys are.
#[derive(Clone)]
pub enum KeyringSource {
    /// In a file.
    File {
        /// Which.
        path: PathBuf,
        /// Whether somebody named it. One that nobody named is made by the first start; a named one must be there.
        configured: bool,
    },
    /// In the environment.
    Text(Zeroizing<String>),
}

impl KeyringSource {
    /// The file that somebody named and that is not there. Only one that nobody named may be made: a wrong name would
    /// otherwise go unnoticed until the file was needed.
    #[must_use]
    pub fn missing(&self) -> Option<&Path> {
        match self {
            Self::File { path, configured: true } if !path.exists() => Some(path),
            Self::File { .. } | Self::Text(_) => None,
        }
    }
}

impl fmt::Debug for KeyringSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, configured } => {
                f.debug_struct("File").field("path", path).field("configured", configured).finish()
            }
            Self::Text(_) => f.write_str("Text(..)"),
        }
    }
}

impl ServerOptions {
    /// Lays these flags over the file, and makes settings of both.
    pub fn resolve(self, config_file: Option<&Path>) -> Result<ServerSettings, ConfigError> {
        self.resolve_in(Environment::PROCESS, config_file)
    }

    fn resolve_in(
        self,
        environment: Environment<'_>,
        config_file: Option<&Path>,
    ) -> Result<ServerSettings, ConfigError> {
        let options = match config_file {
            Some(path) => self.over(Self::read(path)?),
            None => self,
        };
        let internal_listen = options.internal_listen.unwrap_or((Ipv4Addr::LOCALHOST, 8081).into());
        let public_listen = options.public_listen.unwrap_or((Ipv4Addr::LOCALHOST, 8080).into());
        if !internal_listen.ip().is_loopback() && options.internal_listen_plaintext != Some(true) {
            return Err(ConfigError::InternalListenPlaintext);
        }
        if public_listen == internal_listen && public_listen.port() != 0 {
            return Err(ConfigError::Invalid {
                setting: "REGCRED_INTERNAL_LISTEN".to_owned(),
                rule: "must be another address or port than REGCRED_PUBLIC_LISTEN".to_owned(),
            });
        }
        let log_filter = options.log.unwrap_or_else(|| "info".to_owned());
        EnvFilter::builder().parse(&log_filter).map_err(|_| ConfigError::Invalid {
            setting: "REGCRED_LOG".to_owned(),
            rule: "must be a level or a filter such as info,regcred::http=debug".to_owned(),
        })?;
        let audit_retention = options.audit_retention_days.map(Retention::try_from).transpose();
        let audit_retention =
            audit_retention.map_err(|rule| ConfigError::invalid("REGCRED_AUDIT_RETENTION_DAYS", &rule))?;
        let registry = Rules {
            networks: parsed("REGCRED_REGISTRY_NETWORKS", options.registry_networks)?,
            denied: parsed("REGCRED_REGISTRY_NETWORKS_DENY", options.registry_networks_deny)?,
            insecure: parsed("REGCRED_REGISTRY_INSECURE", options.registry_insecure)?,
            token_servers: parsed("REGCRED_REGISTRY_TOKEN_SERVERS", options.registry_token_servers)?,
        };
        let checks_per_minute = options.verify_per_minute.map(ChecksPerMinute::try_from).transpose();
        let checks_per_minute =
            checks_per_minute.map_err(|rule| ConfigError::invalid("REGCRED_VERIFY_PER_MINUTE", &rule))?;
        let recheck = options.recheck_hours.map(recheck).transpose()?;
        let data_dir = options.data_dir.unwrap_or_else(|| PathBuf::from("regcred-data"));
        let database = database(options.database_url, options.database_url_file, &data_dir)?;
        Ok(ServerSettings {
            keyring: keyring(environment, options.keyring_file, &data_dir)?,
            passphrase: passphrase(environment, options.passphrase_file)?,
            data_dir,
            database,
            public_listen,
            internal_listen,
            audit_retention: audit_retention.unwrap_or_default(),
            registry,
            checks_per_minute: checks_per_minute.unwrap_or_default(),
            recheck,
            log_filter,
            log_format: options.log_format.unwrap_or_default(),
        })
    }

    /// What a file says. Relative paths in it start at the directory that it is in.
    fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let mut options: Self = parse_toml(path, &text)?;
        if let Some(directory) = path.parent() {
            let paths = [
                &mut options.data_dir,
                &mut options.database_url_file,
                &mut options.keyring_file,
                &mut options.passphrase_file,
            ];
            for file in paths.into_iter().flatten() {
                *file = directory.join(&file);
            }
        }
        Ok(options)
    }

    /// These options, and the others' where these say nothing.
    fn over(self, others: Self) -> Self {
        // Two ways of saying one thing: whichever is used here, the others' ways do not count.
        let (database_url, database_url_file) = if self.database_url.is_some() || self.database_url_file.is_some() {
            (self.database_url, self.database_url_file)
        } else {
            (others.database_url, others.database_url_file)
        };
        Self {
            data_dir: self.data_dir.or(others.data_dir),
            database_url,
            database_url_file,
            public_listen: self.public_listen.or(others.public_listen),
            internal_listen: self.internal_listen.or(others.internal_listen),
            internal_listen_plaintext: self.internal_listen_plaintext.or(others.internal_listen_plaintext),
            keyring_file: self.keyring_file.or(others.keyring_file),
            passphrase_file: self.passphrase_file.or(others.passphrase_file),
            audit_retention_days: self.audit_retention_days.or(others.audit_retention_days),
            registry_networks: self.registry_networks.or(others.registry_networks),
            registry_networks_deny: self.registry_networks_deny.or(others.registry_networks_deny),
            registry_insecure: self.registry_insecure.or(others.registry_insecure),
            registry_token_servers: self.registry_token_servers.or(others.registry_token_servers),
            verify_per_minute: self.verify_per_minute.or(others.verify_per_minute),
            recheck_hours: self.recheck_hours.or(others.recheck_hours),
            log: self.log.or(others.log),
            log_format: self.log_format.or(others.log_format),
        }
    }
}

/// A list, each item by its own rule. Empty ones count as not there: so a variable can be set to nothing.
fn parsed<T: FromStr<Err = Invalid>>(setting: &str, list: Option<Vec<String>>) -> Result<Vec<T>, ConfigError> {
    let items = list.unwrap_or_default();
    let items = items.iter().map(|item| item.trim()).filter(|item| !item.is_empty());
    items.map(|item| item.parse().map_err(|rule| ConfigError::invalid(setting, &rule))).collect()
}

fn recheck(hours: u32) -> Result<Duration, ConfigError> {
    const RULE: Invalid = Invalid("must be between 1 and 8760 hours");
    let known = (1..=8760).contains(&hours).then(|| Duration::from_hours(hours.into()));
    known.ok_or_else(|| ConfigError::invalid("REGCRED_RECHECK_HOURS", &RULE))
}

fn keyring(environment: Environment<'_>, file: Option<PathBuf>, data_dir: &Path) -> Result<KeyringSource, ConfigError> {
    match (environment.text("REGCRED_KEYRING")?, file) {
        (Some(_), Some(_)) => {
            Err(ConfigError::GivenTwice { first: "REGCRED_KEYRING", second: "REGCRED_KEYRING_FILE (--keyring-file)" })
        }
        (Some(text), None) => Ok(KeyringSource::Text(text)),
        (None, Some(path)) => Ok(KeyringSource::File { path, configured: true }),
        (None, None) => Ok(KeyringSource::File { path: data_dir.join(KEYRING_FILE), configured: false }),
    }
}

fn passphrase(environment: Environment<'_>, file: Option<PathBuf>) -> Result<Option<Zeroizing<String>>, ConfigError> {
    match (environment.text("REGCRED_PASSPHRASE")?, file) {
        (Some(_), Some(_)) => Err(ConfigError::GivenTwice {
            first: "REGCRED_PASSPHRASE",
            second: "REGCRED_PASSPHRASE_FILE (--passphrase-file)",
        }),
        (Some(text), None) => Ok(Some(text)),
        (None, None) => Ok(None),
        (None, Some(path)) => {
            let text = read_secret(&path)?;
            if text.is_empty() {
                let setting = format!("the passphrase in {}", path.display());
                return Err(ConfigError::Invalid { setting, rule: "must not be empty".to_owned() });
            }
            Ok(Some(text))
        }
    }
}

fn database(url: Option<String>, file: Option<PathBuf>, data_dir: &Path) -> Result<Database, ConfigError> {
    match (url.map(Zeroizing::new), file) {
        (Some(_), Some(_)) => Err(ConfigError::GivenTwice {
            first: "REGCRED_DATABASE_URL (--database-url)",
            second: "REGCRED_DATABASE_URL_FILE (--database-url-file)",
        }),
        (Some(url), None) => parse_database(&url),
        (None, Some(path)) => parse_database(&read_secret(&path)?),
        (None, None) => Ok(Database::Sqlite(data_dir.join(DATABASE_FILE))),
    }
}

fn parse_database(url: &Zeroizing<String>) -> Result<Database, ConfigError> {
    const SETTING: &str = "REGCRED_DATABASE_URL";
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        let settings = PostgresSettings::parse(url).map_err(|rule| ConfigError::invalid(SETTING, &rule))?;
        return Ok(Database::Postgres(Box::new(settings)));
    }
    match url.strip_prefix("sqlite://") {
        Some(path) if !path.is_empty() && !path.contains(['?', '#']) && path != ":memory:" => {
            Ok(Database::Sqlite(PathBuf::from(path)))
        }
        Some(_) | None => Err(ConfigError::invalid(
            SETTING,
            &Invalid(
                "must be sqlite:// and the path of a file, such as sqlite:///var/lib/regcred/regcred.db, or \
                 postgres://user:password@host/database",
            ),
        )),
    }
}

#[cfg(test)]
mod tests;
