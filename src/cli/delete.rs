//! `regcred delete`.

use super::{
    confirm::ConfirmArgs,
    credential::{CredentialName, IfMatch, if_stale, list_hint, title},
    exit::Exit,
    failure::Failure,
    output,
    scope::ScopeArgs,
    session::{Session, called},
};
use crate::config::client::ClientOptions;
use clap::{Args, ValueHint};

pub(super) const EXAMPLES: &str = "\
Examples:
  regcred delete ghcr.io --project acme/shop
  regcred delete 0197a000-0000-7000-8000-000000000001 -p acme/shop --yes";

/// Deletes a credential.
#[derive(Args)]
pub(super) struct Delete {
    /// The credential, by identifier or server
    #[arg(value_name = "ID|SERVER", value_hint = ValueHint::Other)]
    credential: CredentialName,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Delete it only if its etag is still this one (`regcred get -o etag`; not the password version)
    #[arg(long, value_name = "ETAG", value_hint = ValueHint::Other)]
    if_match: Option<IfMatch>,
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
    let ask = async || {
        let found = session.client.credential_get(&scope, id).await.map_err(explain)?;
        let question = format!("Delete {} from {} for good?", title(&found.value), called(&scope));
        // What is deleted is what was shown.
        if_match = if_match.take().or(found.etag.map(IfMatch::from));
        Ok(question)
    };
    args.confirm.ask_with(ask).await?;
    let deleted = session.client.credential_delete(&scope, id, if_match.as_ref().map(IfMatch::as_str)).await;
    if let Err(error) = deleted {
        return Err(if_stale(&session, &scope, id, explain(error)).await);
    }
    output::note(&format!("Deleted {id} from {}.", called(&scope)));
    Ok(())
}
