//! `regcred list`.

use super::{
    failure::Failure,
    output::{self, Format},
    scope::ScopeArgs,
    session::{Session, called},
};
use crate::{config::client::ClientOptions, domain::server::RegistryServer};
use clap::{Args, ValueHint};

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
    #[arg(short, long, value_name = "SERVER", value_hint = ValueHint::Other)]
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
    let Some(server) = args.server.filter(|_| found.items.is_empty()) else {
        return output::list(&found.items, args.output, &format!("credentials in {}", called(&scope)));
    };
    output::list(&found.items, args.output, &format!("credentials for {server} in {}", called(&scope)))?;
    let all = session.client.credential_list_all(&scope, None).await.map_err(session.explain(&scope))?;
    let of_host = |text: &&str| text.parse().is_ok_and(|other: RegistryServer| other.host() == server.host());
    let others: Vec<_> = all.items.iter().map(|item| item.server.as_str()).filter(of_host).collect();
    if !others.is_empty() {
        output::note(&format!("There are some for {}.", others.join(", ")));
    }
    Ok(())
}
