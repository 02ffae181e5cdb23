//! `regcred restore`.

use super::{
    backup::{OfflineArgs, failure, judge, keys_told, opened, place, told, verification},
    failure::Failure,
    output,
    progress::Bar,
};
use crate::lifecycle::offline::{self, Extent};
use clap::{Args, ValueHint};
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = "\
Examples:
  regcred restore --data-dir /var/lib/regcred /backups/regcred-monday
  regcred restore --dry-run --keyring-file keyring /backups/regcred-monday
  ssh vault 'cat regcred-monday' | regcred restore --data-dir /var/lib/regcred -

The database must be empty, or not there yet. Put the keyring into the data directory first, or name it: the master
keys are not in a backup. Tokens go on working; the file operator.token is not in a backup either.";

/// Puts a backup into an empty database.
#[derive(Args)]
pub(super) struct Restore {
    /// The backup; - for standard input
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Only check the file, and that every envelope in it opens; no database is touched
    #[arg(long)]
    dry_run: bool,
    /// Do not ask for the master keys, nor open every envelope to see that it can be
    #[arg(long)]
    no_verify: bool,
    #[command(flatten)]
    server: OfflineArgs,
}

pub(super) async fn run(args: Restore) -> Result<(), Failure> {
    let settings = args.server.options.resolve(args.server.config.as_deref())?;
    let extent = if args.dry_run { Extent::DryRun } else { Extent::Restore };
    let place = place(args.file);
    let done = offline::restore(settings, &place, extent, verification(args.no_verify), &mut Bar::new()).await;
    let done = done.map_err(|error| failure(&error))?;
    let (verb, said) = match extent {
        Extent::Restore => ("Restored", "the backup was restored"),
        Extent::DryRun => ("Checked", "the backup is whole"),
    };
    let taken = done.contents.header.created_at;
    output::note(&format!("{verb} {}, as of {taken}{}.", told(&done.contents), opened(done.findings.as_ref())));
    if done.findings.is_none() {
        output::note(&keys_told(&done.contents));
    }
    judge(&done, said)
}
