//! `regcred import`: what docker, podman and Kubernetes have already.
//!
//! Everything is read ([`sources`], [`helpers`]), planned and shown ([`report`]) before anything is written ([`write`]). What
//! the files hold and how they are told apart is the domain's matter.

mod helpers;
mod report;
mod sources;
mod write;

use super::{
    clock::now,
    exit::Exit,
    failure::Failure,
    output,
    scope::ScopeArgs,
    session::{Session, called},
};
use crate::{
    config::client::ClientOptions,
    domain::{
        id::CredentialId,
        import::{self, Action, Existing, FoundEntry, Overwrite, Row},
        kind::RegistryKind,
        scope::Scope,
    },
    http::wire::Credential,
};
use clap::{Args, ValueEnum, ValueHint};
use std::{path::PathBuf, time::Duration};

pub(super) const EXAMPLES: &str = "\
Examples:
  What would become of docker's logins, and then do it:
    regcred import --from docker --project acme/shop --dry-run
    regcred import --from docker --project acme/shop

  Every pull secret of a cluster, for all projects of acme:
    kubectl get secrets -A -o yaml --field-selector type=kubernetes.io/dockerconfigjson |
      regcred import - --org acme

  Files, and what is there already gets their passwords:
    regcred import config.json team-a.yaml team-b.yaml -p acme/shop --replace

What a file is shows its content: a docker config, podman's auth.json, a Secret of type
kubernetes.io/dockerconfigjson or kubernetes.io/dockercfg, a list of them, several documents.
Entries that docker leaves to credential helpers are read through these.

Nothing is written before everything is read and compared with what is there, and nothing at
all if something is refused. Run again, it adds only what is missing.";

/// Brings logins in.
#[derive(Args)]
pub(super) struct Import {
    /// Files to read; - for standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// Read the file of this program, too
    #[arg(long, value_enum, value_name = "PROGRAM", value_delimiter = ',')]
    from: Vec<Program>,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Only show what would become of each entry
    #[arg(long)]
    dry_run: bool,
    /// Give logins that are there already the user name and password of the files
    #[arg(long)]
    replace: bool,
    /// Bring the others in if some are refused or conflict
    #[arg(long)]
    skip_refused: bool,
    /// How long a credential helper may take
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = clap::value_parser!(u64).range(1..=3600))]
    helper_timeout: u64,
    /// How to show what becomes of the entries
    #[arg(short, long, value_enum, default_value = "table")]
    output: ImportFormat,
    #[command(flatten)]
    connection: ClientOptions,
}

/// Programs that keep logins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Program {
    /// ~/.docker/config.json, or the one in DOCKER_CONFIG
    Docker,
    /// auth.json in XDG_RUNTIME_DIR/containers, or the one in REGISTRY_AUTH_FILE
    Podman,
}

/// How entries are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ImportFormat {
    /// For people
    Table,
    /// For programs, with what became of each
    Json,
}

pub(super) async fn run(args: Import) -> Result<(), Failure> {
    let session = Session::open(args.connection)?;
    let scope = session.scope(&args.scope)?;
    let entries = entries(&args.files, &args.from, Duration::from_secs(args.helper_timeout)).await?;
    let found = session.client.credential_list_all(&scope, None).await.map_err(session.explain(&scope))?;
    output::warn_unreadable(found.unreadable);
    let existing: Vec<_> = found.items.iter().filter(|item| !item.inherited).filter_map(existing).collect();
    let inherited: Vec<_> = found.items.iter().filter(|item| item.inherited).map(|item| item.server.as_str()).collect();
    let overwrite = if args.replace { Overwrite::Yes } else { Overwrite::No };
    let rows = import::plan(entries, &existing, overwrite, now());
    report::warn(&rows);

    let obstacle = if args.skip_refused { None } else { obstacle(&rows, args.dry_run) };
    if args.output == ImportFormat::Table {
        // Before anything is written, so that it is there whatever comes.
        report::table(&rows, &inherited).or_else(Failure::unless_unread)?;
    }
    if args.dry_run || obstacle.is_some() || !rows.iter().any(|row| row.action.is_write()) {
        if args.output == ImportFormat::Json {
            report::json(&rows, &inherited, None)?;
        }
        if let Some(failure) = obstacle {
            return Err(failure);
        }
        tell_of_nothing(&rows, &scope);
        return Ok(());
    }
    let (outcomes, written) = write::write(&session, &scope, &rows).await;
    let shown = match args.output {
        ImportFormat::Table => Ok(()),
        ImportFormat::Json => report::json(&rows, &inherited, Some(&outcomes)),
    };
    written?;
    shown?;
    output::note(&format!("{}: {}.", called(&scope), report::counted(&rows, report::DONE)));
    Ok(())
}

/// Everything that the sources have, read through helpers where they have it.
async fn entries(files: &[PathBuf], programs: &[Program], limit: Duration) -> Result<Vec<FoundEntry>, Failure> {
    let mut entries = Vec::new();
    let (mut requests, mut others) = (Vec::new(), 0);
    for contents in sources::read(files, programs)? {
        entries.extend(contents.entries);
        requests.extend(contents.requests);
        others += contents.others;
    }
    match others {
        0 => {}
        1 => output::note("Left out 1 Secret of another type."),
        number => output::note(&format!("Left out {number} Secrets of other types.")),
    }
    for request in &requests {
        entries.extend(helpers::ask(request, limit).await);
    }
    Ok(entries)
}

/// A login of the scope's own, as far as the plan must know it.
fn existing(item: &Credential) -> Option<Existing> {
    let server = item.server.parse().ok()?;
    Some(Existing {
        id: CredentialId::from_uuid(item.id),
        // A newer service may know kinds that this program does not.
        kind: item.kind.parse().unwrap_or_else(|_| RegistryKind::infer(&server)),
        server,
        username: item.username.as_ref().and_then(|name| name.parse().ok()),
    })
}

/// What stands in the way of writing anything.
fn obstacle(rows: &[Row], dry_run: bool) -> Option<Failure> {
    let refused = rows.iter().filter(|row| matches!(row.action, Action::Refused(_))).count();
    let conflicts = rows.iter().filter(|row| matches!(row.action, Action::Conflict(..))).count();
    let verb = if dry_run { "nothing would be written" } else { "nothing was written" };
    let logins = |number: usize| if number == 1 { "1 login".to_owned() } else { format!("{number} logins") };
    match (refused, conflicts) {
        (0, 0) => None,
        (0, _) => Some(
            Failure::new(Exit::Conflict, format!("{verb}: {} there already under another user name", are(conflicts)))
                .hint("write over them with --replace, or leave them as they are with --skip-refused"),
        ),
        (_, 0) => Some(
            Failure::new(Exit::Failure, format!("{verb}: {} refused", are(refused)))
                .hint("bring the others in with --skip-refused"),
        ),
        (..) => Some(
            Failure::new(Exit::Failure, format!("{verb}: {} refused, {} in conflict", are(refused), logins(conflicts)))
                .hint("bring the others in with --skip-refused"),
        ),
    }
}

fn are(number: usize) -> String {
    if number == 1 { "1 login is".to_owned() } else { format!("{number} logins are") }
}

/// Says what is not written, because it was not to be, or because there is nothing.
fn tell_of_nothing(rows: &[Row], scope: &Scope) {
    if rows.is_empty() {
        output::note("There are no logins in it.");
    } else {
        output::note(&format!("{}: {}.", called(scope), report::counted(rows, report::PLANNED)));
    }
}
