//! Which server, as whom, and how: what the database's URL says.

use crate::domain::text::Invalid;
use sqlx::{
    ConnectOptions as _,
    postgres::{PgConnectOptions, PgSslMode},
};
use std::{fmt, net::IpAddr, str::FromStr};
use url::Url;
use zeroize::Zeroizing;

/// Connections of one process at most, unless the URL says otherwise. Ten processes fit under PostgreSQL's own default of a
/// hundred.
const CONNECTIONS: u32 = 9;
/// One that reads, one that writes, one for the audit log.
const FEWEST: u32 = 4;
const MOST: u32 = 500;

/// The parameters that are libpq's, and handed on.
const PARAMETERS: [&str; 6] = ["sslrootcert", "sslcert", "sslkey", "host", "application_name", "user"];

const FORM: Invalid = Invalid(
    "must be postgres://user:password@host:port/database, with special characters in the password percent-encoded",
);

/// Which PostgreSQL to use, and how. Its text is a secret and is never shown.
#[derive(Clone)]
pub struct PostgresSettings {
    options: PgConnectOptions,
    connections: u32,
    pooled: bool,
}

impl PostgresSettings {
    /// Reads a URL: `postgres://user:password@host:port/database?parameter=value`.
    ///
    /// Unless `sslmode` says otherwise, a server elsewhere must show a certificate that is good for its name
    /// (`verify-full`), and one on this machine need not. `sslrootcert` names a file with the authorities to trust beside the public
    /// ones. `pool_max_conns` is how many connections one process may open. `pooler=transaction` is for a pooler
    /// that gives each transaction another connection, such as `PgBouncer`: then there are no prepared statements and no settings
    /// that outlive a transaction.
    ///
    /// # Errors
    /// The rule that it breaks; never the URL.
    pub fn parse(url: &Zeroizing<String>) -> Result<Self, Invalid> {
        let mut parsed = Url::parse(url).map_err(|_| FORM)?;
        if !matches!(parsed.scheme(), "postgres" | "postgresql") {
            return Err(FORM);
        }
        let (mut connections, mut pooled, mut mode) = (CONNECTIONS, false, None);
        let mut kept = Vec::new();
        for (name, value) in parsed.query_pairs() {
            match &*name {
                "pool_max_conns" => {
                    let number = value.parse().ok().filter(|number| (FEWEST..=MOST).contains(number));
                    connections = number.ok_or(Invalid("has a pool_max_conns that is not a number from 4 to 500"))?;
                }
                "pooler" if value == "transaction" => pooled = true,
                "pooler" => return Err(Invalid("has a pooler other than transaction")),
                "sslmode" => mode = Some(value.into_owned()),
                name if PARAMETERS.contains(&name) => kept.push((name.to_owned(), value.into_owned())),
                _ => {
                    return Err(Invalid(
                        "has a parameter other than sslmode, sslrootcert, sslcert, sslkey, host, user, application_name, \
                         pool_max_conns and pooler",
                    ));
                }
            }
        }
        // What the URL leaves out, the driver takes from libpq's variables; whom and what to connect to stands here.
        if parsed.username().is_empty() && kept.iter().all(|(name, _)| name != "user") {
            return Err(Invalid("names no user: put user:password@ before the host"));
        }
        if parsed.path().trim_start_matches('/').is_empty() {
            return Err(Invalid("names no database: put /regcred behind the host"));
        }
        parsed.set_query(None);
        if !kept.is_empty() {
            parsed.query_pairs_mut().extend_pairs(kept);
        }
        let options = PgConnectOptions::from_str(parsed.as_str()).map_err(|_| FORM)?;
        let mode = ssl_mode(mode.as_deref(), is_local(&options))?;
        let mut options = options.ssl_mode(mode).disable_statement_logging();
        if options.get_application_name().is_none() {
            options = options.application_name("regcred");
        }
        options = if pooled {
            // A pooler knows neither the one nor the other.
            options.statement_cache_capacity(0).extra_float_digits(None)
        } else {
            options.options([
                ("statement_timeout", "2000"),
                ("lock_timeout", "1800"),
                ("idle_in_transaction_session_timeout", "1000"),
            ])
        };
        Ok(Self { options, connections, pooled })
    }

    pub(in crate::store::sql) fn options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    /// How many connections may read and how many may write. One more is the audit log's, and one the prover's.
    pub(super) fn shares(&self) -> (u32, u32) {
        let shared = self.connections - 2;
        // A change takes its connection for longer than a question does.
        let writers = shared.div_ceil(2);
        (shared - writers, writers)
    }

    /// Whether a pooler stands before the server, so that only what is in one transaction meets the same server process.
    pub(super) fn is_pooled(&self) -> bool {
        self.pooled
    }
}

impl fmt::Debug for PostgresSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresSettings").field("host", &self.options.get_host()).finish_non_exhaustive()
    }
}

/// Whether what is sent stays on this machine.
fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    options.get_socket().is_some() || host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn ssl_mode(said: Option<&str>, local: bool) -> Result<PgSslMode, Invalid> {
    match said {
        None if local => Ok(PgSslMode::Disable),
        None | Some("verify-full") => Ok(PgSslMode::VerifyFull),
        Some("disable") => Ok(PgSslMode::Disable),
        // `prefer` and `allow` go on in the clear when somebody on the way says so, `require` speaks with anybody, and
        // `verify-ca` with whoever has a public certificate of any name: each would give him the password.
        Some("prefer" | "allow" | "require" | "verify-ca") => {
            Err(Invalid("has an sslmode that does not tell who the server is: say verify-full, or disable"))
        }
        Some(_) => Err(Invalid("has an sslmode other than verify-full and disable")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<PostgresSettings, Invalid> {
        PostgresSettings::parse(&Zeroizing::new(url.to_owned()))
    }

    fn mode(url: &str) -> String {
        format!("{:?}", parse(url).unwrap().options.get_ssl_mode())
    }

    #[test]
    fn another_machine_must_show_who_it_is() {
        assert_eq!(mode("postgres://u@db.example/regcred"), "VerifyFull");
        assert_eq!(mode("postgres://u@10.0.0.1/regcred"), "VerifyFull");
        for local in ["localhost", "127.0.0.1", "[::1]"] {
            assert_eq!(mode(&format!("postgres://u@{local}/regcred")), "Disable", "{local}");
        }
        assert_eq!(mode("postgres:///regcred?host=/run/postgresql&user=u"), "Disable");
        assert_eq!(mode("postgres://u@127.0.0.1/regcred?sslmode=verify-full"), "VerifyFull");
        assert_eq!(mode("postgres://u@db.example/regcred?sslmode=disable"), "Disable");
        for weak in ["prefer", "allow", "require", "verify-ca", "full", ""] {
            assert!(parse(&format!("postgres://u@db.example/regcred?sslmode={weak}")).is_err(), "{weak}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_and_never_repeated() {
        for url in [
            "postgres://u:hunter2@",
            "mysql://u:hunter2@h/d",
            "hunter2",
            "postgres://u:hunter2@h/d?sslmod=disable",
            "postgres://u:hunter2@h/d?pool_max_conns=3",
            "postgres://u:hunter2@h/d?pool_max_conns=x",
            "postgres://u:hunter2@h/d?pooler=session",
            "postgres://u:hunter2@h:99999/d",
            "postgres://u:hunter2@h",
            "postgres://hunter2/d",
        ] {
            let error = parse(url).unwrap_err().0;
            assert!(!error.contains("hunter2"), "{error}");
        }
        let settings = parse("postgres://u:hunter2@h/d").unwrap();
        assert!(!format!("{settings:?}").contains("hunter2"));
    }

    #[test]
    fn connections_are_shared_out() {
        assert_eq!(parse("postgres://u@h/d").unwrap().shares(), (3, 4));
        assert_eq!(parse("postgres://u@h/d?pool_max_conns=4").unwrap().shares(), (1, 1));
        assert_eq!(parse("postgres://u@h/d?pool_max_conns=20").unwrap().shares(), (9, 9));
    }
}
