//! `regcred add`.

use super::{
    clock::{End, now},
    confirm::ask_line,
    credential::{ca_certificates, explain_conflict, kind_parser, show_warnings, title},
    failure::Failure,
    output::{self, Format},
    password::{PasswordArgs, can_ask},
    scope::ScopeArgs,
    session::{Session, called},
};
use crate::{
    client::NewCredential,
    config::client::ClientOptions,
    domain::{
        check::{Finding, PullTarget},
        credential::{Email, Username},
        kind::RegistryKind,
        server::{ImagePrefix, RegistryServer, StatedServer},
    },
    http::wire::LastCheck,
};
use clap::{Args, ValueHint};
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = "\
Examples:
  Ask for the password without showing it:
    regcred add --project acme/shop --server ghcr.io --username bot

  In a script:
    echo \"$PASSWORD\" | regcred add -p acme/shop -s quay.io/acme -u bot --password-stdin

  Only if it works, for that image:
    regcred add -p acme/shop -s ghcr.io/acme -u bot --verify --image ghcr.io/acme/shop:1.0

  A Google service account's key file, for all projects of acme, until it ends:
    regcred add --org acme --server europe-docker.pkg.dev --username _json_key \\
      --password-file key.json --expires-at 2027-01-01

  Docker Hub, and a registry of Azure's by its name:
    regcred add -p acme/shop --kind docker_hub -u acme --password-file token
    regcred add -p acme/shop --kind azure --server myregistry -u puller --password-file token

The flags of kubectl create secret docker-registry are understood as well:
--docker-server, --docker-username, --docker-email and --docker-password.";

/// Adds a credential.
#[derive(Args)]
pub(super) struct Add {
    #[command(flatten)]
    scope: ScopeArgs,
    /// The registry as you have it: ghcr.io, quay.io/acme, https://index.docker.io/v1/, [::1]:5000; not needed with --kind
    /// docker_hub, and its name is enough with --kind azure
    #[arg(short, long, alias = "docker-server", value_name = "SERVER", value_hint = ValueHint::Other)]
    server: Option<StatedServer>,
    /// The user name
    #[arg(short, long, alias = "docker-username", value_name = "NAME")]
    username: Option<Username>,
    #[command(flatten)]
    password: PasswordArgs,
    /// The e-mail address, for tools that want the field
    #[arg(long, alias = "docker-email", value_name = "ADDRESS")]
    email: Option<Email>,
    /// The sort of registry [default: inferred from the server]
    #[arg(long, value_parser = kind_parser())]
    kind: Option<RegistryKind>,
    /// Offer the login only for images below this repository path
    #[arg(long, value_name = "PREFIX")]
    image_prefix: Option<ImagePrefix>,
    /// From then on it is handed out no more: 2027-01-01T00:00:00Z, 2027-01-01 or 90d
    #[arg(long, value_name = "TIME")]
    expires_at: Option<End>,
    /// Add it switched off
    #[arg(long)]
    disable: bool,
    /// File with certificates in PEM that may vouch for the registry, for one with an authority of its own
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Try the login at its registry, and do not add it if that proves it useless
    ///
    /// So it is if the registry refuses it, or if what has the server's name is no registry. A registry that cannot be reached, has
    /// trouble or is not trusted from where the service stands proves nothing: then the login is added with a warning.
    #[arg(long)]
    verify: bool,
    /// With --verify: an image that the login must be able to pull
    #[arg(long, value_name = "IMAGE", requires = "verify", value_hint = ValueHint::Other)]
    image: Option<PullTarget>,
    /// What to print about what was added
    #[arg(short, long, value_enum, default_value = "name")]
    output: Format,
    #[command(flatten)]
    connection: ClientOptions,
}

pub(super) async fn run(args: Add) -> Result<(), Failure> {
    let session = Session::open(args.connection)?;
    let scope = session.scope(&args.scope)?;
    let server = server(args.server.as_ref(), args.kind)?;
    if let Some(end) = args.expires_at {
        end.warn_if_past();
    }
    // Whoever is asked for the password can be asked for the user name too; a script gets no question that it does not know.
    let username = match &args.username {
        None if can_ask() && !args.password.is_given() => ask_username()?,
        named => named.clone(),
    };
    let ca_certificates = args.ca_file.as_deref().map(ca_certificates).transpose()?;
    let prompt = match &username {
        Some(username) => format!("Password of {username} at {server}"),
        None => format!("Password for {server}"),
    };
    let password = args.password.read(&prompt)?;
    if username.is_none() && args.password.is_given() {
        output::note("This login has no user name; give one with --username.");
    }
    let new = NewCredential {
        server: &server,
        kind: args.kind,
        username: username.as_ref(),
        email: args.email.as_ref(),
        image_prefix: args.image_prefix.as_ref(),
        expires_at: args.expires_at.map(|end| end.time(now())),
        enabled: !args.disable,
        ca_certificates: ca_certificates.as_ref(),
        password: &password,
    };
    let added = if args.verify {
        session.client.credential_create_verified(&scope, &new, args.image.as_ref()).await
    } else {
        session.client.credential_create(&scope, &new).await
    };
    let added = added.map_err(|error| {
        let refused = error.problem().is_some_and(|problem| problem.check.is_some());
        let failure = explain_conflict(&session, &scope, Some(&server))(error);
        if refused { failure.hint("to add it all the same, leave --verify out") } else { failure }
    })?;
    output::note(&format!("Added {} to {}.", title(&added), called(&scope)));
    added.last_check.as_ref().into_iter().for_each(tell);
    show_warnings(&added);
    output::one(&added, args.output)
}

/// Says what became of trying a login that was then added.
fn tell(check: &LastCheck) {
    if check.reason.parse().is_ok_and(Finding::is_proof_for) {
        output::note(&format!("It works: {}.", check.detail));
    } else {
        output::warn(&format!("the login was added without being verified: {}", check.detail));
    }
}

/// The registry that is meant.
fn server(stated: Option<&StatedServer>, kind: Option<RegistryKind>) -> Result<RegistryServer, Failure> {
    let Some(stated) = stated else {
        let usual = kind.and_then(RegistryKind::default_server).and_then(|text| text.parse().ok());
        return usual.ok_or_else(|| {
            Failure::usage("no registry is named").hint("add --server SERVER, or --kind docker_hub for Docker Hub")
        });
    };
    stated.complete(kind).map_err(|rule| Failure::usage(format!("the server {rule}")))
}

fn ask_username() -> Result<Option<Username>, Failure> {
    let answer = ask_line("Username (empty for none): ")?;
    let name = answer.trim();
    if name.is_empty() {
        return Ok(None);
    }
    name.parse().map(Some).map_err(|rule| Failure::usage(format!("the user name {rule}")))
}
