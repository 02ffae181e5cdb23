//! `regcred audit`.

mod export;
mod file;
mod holes;
mod prune;

use super::{
    clock::to_the_second,
    failure::Failure,
    output::{self, Column, Format, Listed},
    scope::{WideScopeArgs, short},
    session::{Session, called},
};
use crate::{
    client::{Listing, PageQuery},
    config::client::ClientOptions,
    domain::scope::Scope,
    http::wire::{AuditEvent, PageOf as _},
};
use clap::{Args, Subcommand};
use comfy_table::{Cell, Color};

/// Works on the audit log.
#[derive(Args)]
pub(super) struct Audit {
    #[command(subcommand)]
    command: AuditCommand,
    #[command(flatten)]
    connection: ClientOptions,
}

pub(super) const EXAMPLES: &str = "\
Examples:
  regcred audit list --project acme/shop --tail 20
  regcred audit list --deployment -o json | jq '.[] | select(.outcome == \"denied\")'";

#[derive(Subcommand)]
enum AuditCommand {
    /// List events, oldest first
    #[command(after_help = EXAMPLES)]
    List(List),
    /// Write events to a file, one a line
    #[command(after_help = export::EXAMPLES)]
    Export(export::Export),
    /// Export the oldest events of the whole deployment, and delete them
    #[command(after_help = prune::EXAMPLES)]
    Prune(prune::Prune),
    /// List what was pruned, and what is missing beside
    #[command(after_help = "Example:\n  regcred audit prunings")]
    Prunings {
        /// How to show them
        #[arg(short, long, value_enum, default_value = "table")]
        output: Format,
    },
}

#[derive(Args)]
struct List {
    #[command(flatten)]
    scope: WideScopeArgs,
    /// Only the last so many
    #[arg(long, visible_alias = "last", value_name = "NUMBER", conflicts_with_all = ["limit", "cursor"])]
    tail: Option<usize>,
    /// Only one page, of so many at most (1 to 500)
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=500))]
    limit: Option<u32>,
    /// Go on behind an earlier page
    #[arg(long)]
    cursor: Option<String>,
    /// How to show them
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
}

pub(super) async fn run(args: Audit) -> Result<(), Failure> {
    let session = Session::open(args.connection)?;
    match args.command {
        AuditCommand::List(args) => list(args, &session).await,
        AuditCommand::Export(args) => export::run(args, &session).await,
        AuditCommand::Prune(args) => prune::run(args, &session).await,
        AuditCommand::Prunings { output } => prune::list(output, &session).await,
    }
}

async fn list(args: List, session: &Session) -> Result<(), Failure> {
    let scope = args.scope.scope(session)?;
    let (items, next, unreadable) = if args.limit.is_some() || args.cursor.is_some() {
        let page = PageQuery { limit: args.limit, cursor: args.cursor.as_deref() };
        session.client.audit_list(&scope, page).await.map_err(session.explain(&scope))?.into_parts()
    } else if let Some(number) = args.tail {
        let last = last(session, &scope, number).await?;
        (last.items, None, last.unreadable)
    } else {
        let all = session.client.audit_list_all(&scope).await.map_err(session.explain(&scope))?;
        (all.items, None, all.unreadable)
    };
    output::warn_unreadable(unreadable);
    output::list(&items, args.output, &format!("audit events in {}", called(&scope)))?;
    if let Some(next) = next {
        output::note(&format!("There are more: --cursor {next}"));
    }
    Ok(())
}

/// The last so many events, read from the end and shown in their order.
async fn last(session: &Session, scope: &Scope, number: usize) -> Result<Listing<AuditEvent>, Failure> {
    let (mut found, mut cursor) = (Listing { items: Vec::new(), unreadable: 0 }, None::<String>);
    while found.items.len() < number {
        let missing = u32::try_from(number - found.items.len()).unwrap_or(u32::MAX);
        let page = PageQuery { limit: Some(missing.min(500)), cursor: cursor.as_deref() };
        let page = session.client.audit_list_newest(scope, page).await.map_err(session.explain(scope))?;
        let (items, next, unreadable) = page.into_parts();
        found.items.extend(items);
        found.unreadable += unreadable;
        if next.is_none() || next == cursor {
            break;
        }
        cursor = next;
    }
    found.items.reverse();
    Ok(found)
}

impl Listed for AuditEvent {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::narrow("TIME", |event| Cell::new(to_the_second(event.at))),
        Column::wide("TIME", |event| Cell::new(event.at)),
        Column::new("PRINCIPAL", |event| Cell::new(&event.principal)),
        Column::new("OPERATION", |event| Cell::new(&event.operation)),
        Column::new("OUTCOME", |event| {
            let color = if event.outcome == "success" { Color::Green } else { Color::Red };
            output::coloured(&event.outcome, color)
        }),
        Column::narrow("SCOPE", |event| Cell::new(short(&event.scope))),
        Column::wide("SCOPE", |event| Cell::new(&event.scope)),
        Column::narrow("OBJECTS", |event| match event.object_ids.as_slice() {
            [] => output::or_dash(None),
            [one] => Cell::new(one),
            [first, others @ ..] => Cell::new(format!("{first} +{}", others.len())),
        }),
        Column::wide("OBJECTS", |event| {
            let objects: Vec<_> = event.object_ids.iter().map(ToString::to_string).collect();
            output::or_dash(Some(objects.join(",").as_str()).filter(|text| !text.is_empty()))
        }),
        Column::wide("ADDRESS", |event| output::or_dash(event.address.as_deref())),
    ];

    fn name(&self) -> String {
        self.id.to_string()
    }
}
