//! `regcred list`.

use super::{
    failure::Failure,
    output::{self, Format},
    scope::ScopeArgs,
    session::{Session, called},
};
use crate::{config::client::ClientOptions, domain::server::RegistryServer};
use clap::Args;

pub(super) const EXAMPLES: &str = "\
Examples:
  regcred list --project acme/shop
  regcred list --org acme -o json | jq -r '.[] | select(.expires_at != null) | .server'
  regcred list -p acme/shop --server ghcr.io -o name";

/// Lists credentials.
#[derive(Args)]
pub(super) struct List {
    #[command(flatten)]
    scope: ScopeArgs,
    /// Only those of this registry
    #[arg(short, long, value_name = "SERVER")]
    server: Option<RegistryServer>,
    /// How to show them
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
    #[command(flatten)]
    connection: ClientOptions,
}

pub(super) async fn run(args: List) -> Result<(), Failure> {
    let session = Session::open(args.connection)?;
    let scope = session.scope(&args.scope)?;
    let found = session.client.credential_list_all(&scope, args.server.as_ref()).await;
    let found = found.map_err(session.explain(&scope))?;
    output::warn_unreadable(found.unreadable);
    output::list(&found.items, args.output, &format!("credentials in {}", called(&scope)))
}
