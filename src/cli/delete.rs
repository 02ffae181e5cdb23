//! `regcred delete`.

use super::{
    confirm::ConfirmArgs,
    credential::{CredentialName, list_hint, title},
    exit::Exit,
    failure::Failure,
    output,
    scope::ScopeArgs,
    session::{Session, called},
};
use crate::config::client::ClientOptions;
use clap::Args;

pub(super) const EXAMPLES: &str = "\
Examples:
  regcred delete ghcr.io --project acme/shop
  regcred delete 0197a000-0000-7000-8000-000000000001 -p acme/shop --yes";

/// Deletes a credential.
#[derive(Args)]
pub(super) struct Delete {
    /// The credential, by identifier or server
    #[arg(value_name = "ID|SERVER")]
    credential: CredentialName,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Delete it only if it is still this version (see `regcred get -o etag`)
    #[arg(long, value_name = "ETAG")]
    if_match: Option<String>,
    #[command(flatten)]
    confirm: ConfirmArgs,
    #[command(flatten)]
    connection: ClientOptions,
}

pub(super) async fn run(args: Delete) -> Result<(), Failure> {
    args.confirm.possible()?;
    let session = Session::open(args.connection)?;
    let scope = session.scope(&args.scope)?;
    let explain = |error| session.explain(&scope)(error).hint_if(Exit::NotFound, || list_hint(&scope));
    let id = args.credential.id(&session, &scope).await?;
    let mut if_match = args.if_match;
    if !args.confirm.is_said() {
        let found = session.client.credential_get(&scope, id).await.map_err(explain)?;
        args.confirm.ask(&format!("Delete {} from {} for good?", title(&found.value), called(&scope)))?;
        // What is deleted is what was shown.
        if_match = if_match.or(found.etag);
    }
    session.client.credential_delete(&scope, id, if_match.as_deref()).await.map_err(explain)?;
    output::note(&format!("Deleted {id} from {}.", called(&scope)));
    Ok(())
}
