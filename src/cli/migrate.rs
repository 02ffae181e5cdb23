//! `regcred migrate`.

use super::{
    exit::Exit,
    failure::{Failure, with_cause},
    output,
};
use crate::{config::server::ServerOptions, lifecycle};
use clap::Args;
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = "\
Examples:
  regcred migrate --data-dir /var/lib/regcred
  REGCRED_DATABASE_URL_FILE=/run/secrets/database-url regcred migrate

`regcred serve` does the same when it starts. Done before, and by a database user who owns the tables, it lets the service itself
run as one who cannot change them.";

/// Brings the database's tables up to date.
#[derive(Args)]
pub(super) struct Migrate {
    /// TOML file with settings; flags and environment win over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    options: ServerOptions,
}

pub(super) async fn run(args: Migrate) -> Result<(), Failure> {
    let settings = args.options.resolve(args.config.as_deref())?;
    let status = lifecycle::migrate(&settings).await.map_err(|error| {
        let failure = Failure::new(Exit::Failure, with_cause(&error));
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })?;
    output::line(&format!(
        "The tables are up to date, at version {} ({} {}).",
        status.schema, status.engine, status.version
    ))
}
