//! `regcred backup`, and what it has in common with `regcred restore`.

use super::{
    exit::Exit,
    failure::{Failure, with_cause},
    output,
    progress::Bar,
};
use crate::{
    config::server::ServerOptions,
    draft::Existing,
    lifecycle::offline::{self, Done, OfflineError, Place, Verification},
    service::{
        StartError,
        backup::{BackupError, Contents, Findings},
    },
};
use clap::{Args, ValueHint};
use std::{fmt::Write as _, path::PathBuf};

pub(super) const EXAMPLES: &str = "\
Examples:
  regcred backup /backups/regcred-monday
  regcred backup --data-dir /var/lib/regcred /backups/regcred-monday
  regcred backup - | ssh vault 'cat > regcred-monday'

It may run beside the service, shows one moment of the database, and holds passwords and keys as they are stored:
sealed. The master keys are not in it. Keep a copy of the keyring (or passphrase) in another place; a backup is of no use
without.";

/// Writes everything that is stored into one file.
#[derive(Args)]
pub(super) struct Backup {
    /// The file to write, which only its owner may read; - for standard output
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
    /// Do not open every envelope to see that it can be: the master keys are not on this machine
    #[arg(long)]
    no_verify: bool,
    #[command(flatten)]
    server: OfflineArgs,
}

/// Which installation it is about: the same settings as those of `regcred serve`.
#[derive(Args)]
pub(super) struct OfflineArgs {
    /// TOML file with settings; flags and environment win over it
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    #[command(flatten)]
    pub(super) options: ServerOptions,
}

pub(super) async fn run(args: Backup) -> Result<(), Failure> {
    let settings = args.server.options.resolve(args.server.config.as_deref())?;
    let place = place(args.file);
    let existing = if args.force { Existing::Replace } else { Existing::Keep };
    let verification = verification(args.no_verify);
    let done = offline::backup(settings, &place, existing, verification, &mut Bar::new())
        .await
        .map_err(|error| failure(&error))?;
    for lost in &done.left_out {
        output::warn(&format!("left out: row {} of {}, because of {}", lost.id, lost.table, lost.column));
    }
    let to = match &place {
        Place::File(path) => path.display().to_string(),
        Place::Stream => "standard output".to_owned(),
    };
    output::note(&format!("Backed up {} to {to}{}.", told(&done.contents), opened(done.findings.as_ref())));
    output::note(&keys_told(&done.contents));
    judge(&done, "the backup was written")
}

pub(super) fn place(file: PathBuf) -> Place {
    if file.as_os_str() == "-" { Place::Stream } else { Place::File(file) }
}

pub(super) fn verification(no_verify: bool) -> Verification {
    if no_verify { Verification::None } else { Verification::Full }
}

/// What is in a backup, in words.
pub(super) fn told(contents: &Contents) -> String {
    const NOUNS: [(&str, &str); 5] = [
        ("organizations", "organization"),
        ("projects", "project"),
        ("credentials", "credential"),
        ("tokens", "token"),
        ("audit_events", "audit event"),
    ];
    let counted = NOUNS.map(|(table, noun)| {
        let count = contents.count(table);
        format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
    });
    format!("{} (deployment {})", counted.join(", "), contents.header.deployment)
}

/// What became of the envelopes, to go behind a sentence.
pub(super) fn opened(findings: Option<&Findings>) -> String {
    match findings {
        None => String::new(),
        Some(Findings { opened, failed: 0, .. }) => format!("; all {opened} envelopes open"),
        Some(Findings { opened, failed, .. }) => {
            format!("; {failed} of {} envelopes do not open", opened + failed)
        }
    }
}

/// Which master keys a backup needs.
pub(super) fn keys_told(contents: &Contents) -> String {
    let mut text = "The master keys are not in it. It needs:".to_owned();
    for id in contents.needed_keys() {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {id}");
    }
    text
}

/// Names what is wrong, and fails if something is.
pub(super) fn judge(done: &Done, said: &str) -> Result<(), Failure> {
    let Some(findings) = &done.findings else {
        output::warn(
            "no envelope was opened; on a machine with the master keys, `regcred restore --dry-run` tells whether they can be",
        );
        return judge_left_out(done, said);
    };
    for fault in &findings.keys {
        output::warn(&with_cause(fault));
    }
    for unopened in &findings.unopened {
        output::warn(&format!("row {} of {} {}", unopened.id, unopened.table, unopened.reason));
    }
    if findings.failed > 0 || !findings.keys.is_empty() {
        let total = findings.opened + findings.failed;
        let message = format!("{said}, but {} of {total} envelopes do not open", findings.failed);
        let failure = Failure::new(Exit::Failure, message);
        let hint = "give the keys with --keyring-file or REGCRED_PASSPHRASE_FILE, and check it with `regcred restore --dry-run`";
        return Err(if findings.keys.is_empty() { failure } else { failure.hint(hint) });
    }
    judge_left_out(done, said)
}

fn judge_left_out(done: &Done, said: &str) -> Result<(), Failure> {
    match done.contents.left_out {
        0 => Ok(()),
        1 => Err(Failure::new(Exit::Failure, format!("{said}, without 1 row that cannot be read"))),
        number => Err(Failure::new(Exit::Failure, format!("{said}, without {number} rows that cannot be read"))),
    }
}

/// What people are told when nothing came of it.
pub(super) fn failure(error: &OfflineError) -> Failure {
    let exit = match error {
        OfflineError::Exists(_) | OfflineError::Backup(BackupError::NotEmpty) => Exit::Conflict,
        OfflineError::NoDatabase(_) => Exit::NotFound,
        _ => Exit::Failure,
    };
    let failure = Failure::new(exit, with_cause(error));
    match error {
        OfflineError::Exists(_) => failure.hint("choose another name, or replace it with --force"),
        OfflineError::Backup(BackupError::NotEmpty) => {
            failure.hint("choose another folder with --data-dir, or another database with --database-url")
        }
        OfflineError::NoKeyring(_) | OfflineError::Keys(StartError::KeyringFile(_)) => {
            failure.hint("without the master keys, add --no-verify; nothing can be opened until they are found")
        }
        _ => failure,
    }
}
