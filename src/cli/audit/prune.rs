//! `regcred audit prune` and `regcred audit prunings`.

use super::{
    export::{self, Batch},
    file::NewFile,
    holes::{self, Hole},
};
use crate::{
    cli::{
        clock::to_the_second,
        confirm::ConfirmArgs,
        exit::Exit,
        failure::Failure,
        output::{self, Column, Format, Listed},
        session::Session,
    },
    client::{Client, ClientError, PageQuery},
    domain::scope::Scope,
    http::wire::{AuditPruning, PageOf as _},
};
use clap::Args;
use comfy_table::Cell;
use std::{path::PathBuf, time::Duration};

pub(super) const EXAMPLES: &str = "\
Examples:
  regcred audit prune --export audit-$(date -u +%FT%H%M%SZ).jsonl
  regcred audit prune --export /backup/audit-$(date -u +%FT%H%M%SZ).jsonl --older-than 730 --yes

It takes a token with the role operator. The service keeps events for REGCRED_AUDIT_RETENTION_DAYS (400 unless told)
whatever is asked for here. Stopped anywhere, it can be run again with another file: what was not pruned is exported anew.";

/// How often a batch is sent before it is given up.
const ATTEMPTS: u32 = 5;

#[derive(Args)]
pub(super) struct Prune {
    /// The file to make, with one event a line; it is on the disk before anything is pruned
    #[arg(long, value_name = "FILE")]
    export: PathBuf,
    /// Only what is older than so many days [default: as many as the service keeps events for]
    #[arg(long, value_name = "DAYS")]
    older_than: Option<u32>,
    /// Go on although events are missing that nobody is on record for taking
    #[arg(long)]
    despite_holes: bool,
    #[command(flatten)]
    confirm: ConfirmArgs,
}

pub(super) async fn run(args: Prune, session: &Session) -> Result<(), Failure> {
    args.confirm.possible()?;
    let (client, scope) = (&session.client, Scope::Deployment);
    let explain = session.explain(&scope);
    let retention = client.audit_retention_get().await.map_err(&explain)?;
    let days = args.older_than.unwrap_or(retention.days);
    let Some(beyond) = days.checked_sub(retention.days) else {
        let message = format!("the service keeps audit events for {} days", retention.days);
        return Err(Failure::usage(message).hint("its operator sets that with REGCRED_AUDIT_RETENTION_DAYS"));
    };
    let before = retention.prunable_before.minus_days(beyond);

    let mut file = NewFile::create(&args.export)?;
    let exported = export::write(session, &scope, Some(before), &mut file).await?;
    if exported.unreadable > 0 {
        output::warn_unreadable(exported.unreadable);
        return Err(Failure::new(Exit::Failure, "what cannot be exported whole is not pruned"));
    }
    // Only now: a pruning that was cut off may have ended while the list was read.
    let pruned = client.audit_pruning_list_all().await.map_err(&explain)?.items;
    // What was missing at an earlier pruning was accepted then, and stays on record.
    let expected = pruned.last().map_or(1, |last| last.last_sequence + 1);
    let before_all = exported.first.and_then(|first| Hole::between(expected, first));
    let missing = before_all.into_iter().chain(exported.missing);
    let holes: Vec<_> = missing.flat_map(|hole| hole.unexplained(&pruned)).map(|hole| hole.to_string()).collect();
    output::warn_of_holes(&holes);
    if !holes.is_empty() && !args.despite_holes {
        let failure = Failure::new(Exit::Failure, "the audit log has holes, so nothing is pruned");
        return Err(failure.hint("find out what became of them; --despite-holes goes on without them"));
    }
    if exported.events == 0 {
        output::note(&format!("No audit events are older than {days} days."));
        return Ok(());
    }
    file.keep()?;
    let path = args.export.display();
    output::note(&format!("Exported {} audit events to {path}.", exported.events));
    let question = format!("Delete these {} events, which are older than {days} days, for good?", exported.events);
    args.confirm.ask_with(async || Ok(question)).await?;
    for batch in &exported.batches {
        send(client, batch).await.map_err(&explain).map_err(|failure| {
            failure.hint(format!("{path} has all that is gone; run it again with another file to go on"))
        })?;
    }
    let last = exported.last.map(|last| format!(", up to number {last}")).unwrap_or_default();
    output::note(&format!("Pruned {} audit events{last}.", exported.events));
    Ok(())
}

/// Prunes a batch. Where it is not known whether that was done, it is asked for again: the service knows what it has done.
async fn send(client: &Client, batch: &Batch) -> Result<AuditPruning, ClientError> {
    let mut attempt = 1;
    loop {
        match client.audit_prune(batch.count, batch.sha256).await {
            Err(error) if attempt < ATTEMPTS && may_pass(&error) => {
                tokio::time::sleep(Duration::from_secs(attempt.into())).await;
                attempt += 1;
            }
            result => return result,
        }
    }
}

fn may_pass(error: &ClientError) -> bool {
    match error {
        ClientError::Problem(problem) => problem.status == 503 || problem.kind.ends_with(":try-again"),
        ClientError::Unreachable { .. } | ClientError::NoAnswer { .. } => true,
        ClientError::Unexpected { status, .. } => matches!(status.as_u16(), 502..=504),
        ClientError::PlainHttp { .. } | ClientError::Setup(_) => false,
    }
}

/// Lists what was pruned, and says what is missing beside.
pub(super) async fn list(format: Format, session: &Session) -> Result<(), Failure> {
    let scope = Scope::Deployment;
    let pruned = session.client.audit_pruning_list_all().await.map_err(session.explain(&scope))?;
    let first = PageQuery { limit: Some(1), cursor: None };
    let (oldest, _, _) = session.client.audit_list(&scope, first).await.map_err(session.explain(&scope))?.into_parts();
    output::warn_unreadable(pruned.unreadable);
    output::list(&pruned.items, format, "prunings of the audit log")?;
    let oldest = oldest.first().and_then(|event| event.sequence);
    output::warn_of_holes(&holes::told(&pruned.items, oldest));
    Ok(())
}

impl Listed for AuditPruning {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("ID", |item| Cell::new(item.id)),
        Column::new("TIME", |item| Cell::new(to_the_second(item.at))),
        Column::new("PRINCIPAL", |item| Cell::new(&item.principal)),
        Column::new("FIRST", |item| Cell::new(item.first_sequence)),
        Column::new("LAST", |item| Cell::new(item.last_sequence)),
        Column::new("COUNT", |item| Cell::new(item.count)),
        Column::new("OLDEST", |item| Cell::new(to_the_second(item.oldest_at))),
        Column::new("NEWEST", |item| Cell::new(to_the_second(item.newest_at))),
        Column::wide("SHA256", |item| Cell::new(item.sha256)),
    ];

    fn name(&self) -> String {
        self.id.to_string()
    }
}
