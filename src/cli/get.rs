//! `regcred get`.

use super::{
    credential::{self, CredentialName, list_hint},
    exit::Exit,
    failure::Failure,
    output,
    scope::ScopeArgs,
    session::Session,
};
use crate::config::client::ClientOptions;
use clap::{Args, ValueEnum, ValueHint};

pub(super) const EXAMPLES: &str = "\
Examples:
  regcred get ghcr.io --project acme/shop

  Change only what nobody else has changed meanwhile:
    etag=$(regcred get ghcr.io -p acme/shop -o etag)
    regcred update ghcr.io -p acme/shop --disable --if-match \"$etag\"";

/// Shows a credential.
#[derive(Args)]
pub(super) struct Get {
    /// The credential, by identifier or server
    #[arg(value_name = "ID|SERVER", value_hint = ValueHint::Other)]
    credential: CredentialName,
    #[command(flatten)]
    scope: ScopeArgs,
    /// How to show it
    #[arg(short, long, value_enum, default_value = "table")]
    output: GetFormat,
    #[command(flatten)]
    connection: ClientOptions,
}

/// How one credential is shown.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum GetFormat {
    /// For people
    Table,
    /// The API's JSON
    Json,
    /// Only the identifier
    Name,
    /// Only the etag, for --if-match; it changes with every change, the password version only with the password
    Etag,
}

pub(super) async fn run(args: Get) -> Result<(), Failure> {
    let session = Session::open(args.connection)?;
    let scope = session.scope(&args.scope)?;
    let id = args.credential.id(&session, &scope).await?;
    let found = session.client.credential_get(&scope, id).await;
    let found = found.map_err(|error| session.explain(&scope)(error).hint_if(Exit::NotFound, || list_hint(&scope)))?;
    match args.output {
        GetFormat::Table => output::fields(&credential::fields(&found.value, found.etag.as_deref())),
        GetFormat::Json => output::json(&found.value),
        GetFormat::Name => output::line(&found.value.id.to_string()),
        GetFormat::Etag => {
            let missing = || Failure::new(Exit::Failure, "the service sent no ETag");
            output::line(&found.etag.ok_or_else(missing)?)
        }
    }
}
