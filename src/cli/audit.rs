//! `regcred audit`.

use super::{
    failure::Failure,
    output::{self, Format, Listed},
    scope::WideScopeArgs,
    session::{Session, called},
};
use crate::{
    client::PageQuery,
    config::client::ClientOptions,
    http::wire::{AuditEvent, PageOf as _},
};
use clap::{Args, Subcommand};
use comfy_table::{Cell, Color};

/// Reads the audit log.
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
}

#[derive(Args)]
struct List {
    #[command(flatten)]
    scope: WideScopeArgs,
    /// Only the last so many
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["limit", "cursor"])]
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
    let AuditCommand::List(args) = args.command;
    let scope = args.scope.scope(&session)?;
    let (items, next, unreadable) = if args.limit.is_some() || args.cursor.is_some() {
        let page = PageQuery { limit: args.limit, cursor: args.cursor.as_deref() };
        session.client.audit_list(&scope, page).await.map_err(session.explain(&scope))?.into_parts()
    } else {
        let all = session.client.audit_list_all(&scope).await.map_err(session.explain(&scope))?;
        (all.items, None, all.unreadable)
    };
    output::warn_unreadable(unreadable);
    let first = args.tail.map_or(0, |tail| items.len().saturating_sub(tail));
    output::list(&items[first..], args.output, &format!("audit events in {}", called(&scope)))?;
    if let Some(next) = next {
        output::note(&format!("There are more: --cursor {next}"));
    }
    Ok(())
}

impl Listed for AuditEvent {
    const HEADER: &'static [&'static str] =
        &["TIME", "PRINCIPAL", "OPERATION", "OUTCOME", "SCOPE", "OBJECTS", "ADDRESS"];

    fn name(&self) -> String {
        self.id.to_string()
    }

    fn row(&self) -> Vec<Cell> {
        let objects: Vec<_> = self.object_ids.iter().map(ToString::to_string).collect();
        let color = if self.outcome == "success" { Color::Green } else { Color::Red };
        vec![
            Cell::new(self.at),
            Cell::new(&self.principal),
            Cell::new(&self.operation),
            output::coloured(&self.outcome, color),
            Cell::new(&self.scope),
            output::or_dash(Some(objects.join(",").as_str()).filter(|text| !text.is_empty())),
            output::or_dash(self.address.as_deref()),
        ]
    }
}
