//! `regcred verify`.

use super::{
    credential::{CredentialName, list_hint, pulls_left},
    exit::Exit,
    failure::Failure,
    output::{self, Column, Format, Listed},
    progress::Steps,
    scope::ScopeArgs,
    session::{Session, called},
};
use crate::{
    client::ClientError,
    config::client::ClientOptions,
    domain::{
        check::{Finding, PullTarget},
        id::CredentialId,
        scope::Scope,
    },
    http::wire::{Credential, LastCheck},
};
use clap::{Args, ValueHint};
use comfy_table::{Cell, Color};
use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use std::time::Duration;
use tokio::time::sleep;
use uuid::Uuid;

pub(super) const EXAMPLES: &str = "\
Examples:
  regcred verify ghcr.io --project acme/shop

  Whether it may pull that image:
    regcred verify ghcr.io -p acme/shop --image ghcr.io/acme/shop:1.0

  All of a project, for a script:
    regcred verify --all -p acme/shop -o json | jq -r '.[] | select(.result == \"unauthorized\") | .server'

It ends with 0 if all that were tried are proven to work, with 1 if one is proven to be of
no use, and else with 6: because a registry cannot be reached or trusted, has trouble, asks
for no login, or answers in a way that proves nothing.";

/// How many are tried at once: as many as a service takes of one organization.
const AT_ONCE: usize = 4;
/// How often one is sent where others of the organization take all its turns, and what lies in between unless the service says.
const TIMES: u32 = 60;
const PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_mins(2);

/// Tries credentials at their registries.
#[derive(Args)]
pub(super) struct Verify {
    /// The credential, by identifier or server
    #[arg(value_name = "ID|SERVER", required_unless_present = "all", conflicts_with = "all", value_hint = ValueHint::Other)]
    credential: Option<CredentialName>,
    /// All of the project's or organization's own that are handed out
    #[arg(long)]
    all: bool,
    /// An image that the login should be able to pull
    #[arg(long, value_name = "IMAGE", conflicts_with = "all", value_hint = ValueHint::Other)]
    image: Option<PullTarget>,
    #[command(flatten)]
    scope: ScopeArgs,
    /// How to show what became of it
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
    #[command(flatten)]
    connection: ClientOptions,
}

/// A login and what became of it.
#[derive(Debug, Serialize)]
struct Tried {
    id: Uuid,
    server: String,
    username: Option<String>,
    #[serde(flatten)]
    check: LastCheck,
}

impl Listed for Tried {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::wide("ID", |tried| Cell::new(tried.id)),
        Column::new("SERVER", |tried| Cell::new(&tried.server)),
        Column::new("USERNAME", |tried| output::or_dash(tried.username.as_deref())),
        Column::new("RESULT", |tried| {
            let color = match tried.exit() {
                Exit::Success => Color::Green,
                Exit::Unavailable => Color::Yellow,
                _ => Color::Red,
            };
            output::coloured(&tried.check.result, color)
        }),
        Column::wide("PULLS LEFT", |tried| output::or_dash(tried.check.rate_limit.map(pulls_left).as_deref())),
        Column::new("WHY", |tried| Cell::new(&tried.check.detail)),
    ];

    fn name(&self) -> String {
        self.id.to_string()
    }
}

impl Tried {
    fn exit(&self) -> Exit {
        match self.check.reason.parse::<Finding>() {
            Ok(finding) if finding.is_proof_for() => Exit::Success,
            Ok(finding) if finding.is_proof_against() => Exit::Failure,
            // What a newer service has found out may have a name that is not known here.
            Ok(_) | Err(_) => Exit::Unavailable,
        }
    }
}

pub(super) async fn run(args: Verify) -> Result<(), Failure> {
    let session = Session::open(args.connection)?;
    let scope = session.scope(&args.scope)?;
    let (tried, lost) = match &args.credential {
        Some(name) => (vec![one(&session, &scope, name, args.image.as_ref()).await?], Vec::new()),
        None => all(&session, &scope).await?,
    };
    if args.credential.is_some() && args.output == Format::Json {
        tried.iter().try_for_each(output::json)?;
    } else if args.output == Format::Json || !tried.is_empty() || lost.is_empty() {
        output::list(&tried, args.output, &format!("credentials to verify in {}", called(&scope)))?;
    }
    let failed = |exit| tried.iter().filter(|tried| tried.exit() == exit).count();
    let untried = part(lost.len(), tried.len() + lost.len());
    match (failed(Exit::Failure), failed(Exit::Unavailable), lost.into_iter().next()) {
        (0, _, Some(first)) => Err(first.stands_for_many(format!("{untried} could not be tried"))),
        (0, 0, None) => Ok(()),
        (0, silent, None) => {
            Err(Failure::new(Exit::Unavailable, format!("{} could not be verified", part(silent, tried.len()))))
        }
        (broken, ..) => Err(Failure::new(Exit::Failure, format!("{} did not work", part(broken, tried.len())))),
    }
}

/// How many of how many.
fn part(some: usize, all: usize) -> String {
    if all == 1 { "the login".to_owned() } else { format!("{some} of {all} logins") }
}

async fn one(
    session: &Session,
    scope: &Scope,
    name: &CredentialName,
    image: Option<&PullTarget>,
) -> Result<Tried, Failure> {
    let id = name.id(session, scope).await?;
    let explain = |error| session.explain(scope)(error).hint_if(Exit::NotFound, || list_hint(scope));
    let found = session.client.credential_get(scope, id).await.map_err(explain)?.value;
    let check = session.client.credential_verify(scope, id, image).await.map_err(explain)?;
    Ok(Tried { id: found.id, server: found.server, username: found.username, check })
}

/// All that could be tried, and why the others could not: one that was deleted meanwhile costs the rest nothing.
async fn all(session: &Session, scope: &Scope) -> Result<(Vec<Tried>, Vec<Failure>), Failure> {
    let found = session.client.credential_list_all(scope, None).await.map_err(session.explain(scope))?;
    output::warn_unreadable(found.unreadable);
    let (own, others): (Vec<_>, Vec<_>) =
        found.items.into_iter().partition(|item| !item.inherited && is_handed_out(item));
    if !others.is_empty() {
        output::note(&format!("Left out: {} that are inherited, disabled or expired.", others.len()));
    }
    let bar = Steps::new("Verifying", own.len());
    let calls = own.into_iter().map(|item| {
        let bar = &bar;
        async move {
            let check = patiently(session, scope, CredentialId::from_uuid(item.id)).await;
            bar.step();
            match check {
                Ok(check) => Ok(Tried { id: item.id, server: item.server, username: item.username, check }),
                Err(error) => Err((item.server, session.explain(scope)(error))),
            }
        }
    });
    let tried: Vec<_> = stream::iter(calls).buffered(AT_ONCE).collect().await;
    bar.end();
    let (mut done, mut lost) = (Vec::new(), Vec::new());
    for tried in tried {
        match tried {
            Ok(tried) => done.push(tried),
            Err((server, failure)) => {
                output::warn(&format!("{server} was not tried: {}", failure.line()));
                lost.push(failure);
            }
        }
    }
    Ok((done, lost))
}

/// Has one of many tried, and tries again where the service has no turn for it, or has had too many tried for now.
async fn patiently(session: &Session, scope: &Scope, id: CredentialId) -> Result<LastCheck, ClientError> {
    for _ in 1..TIMES {
        match session.client.credential_verify(scope, id, None).await {
            Err(error) if error.status() == Some(429) => {
                let wait = error.problem().and_then(|problem| problem.retry_after).map(Duration::from_secs);
                sleep(wait.map_or(PAUSE, |wait| wait.min(LONGEST_PAUSE))).await;
            }
            told => return told,
        }
    }
    session.client.credential_verify(scope, id, None).await
}

fn is_handed_out(credential: &Credential) -> bool {
    credential.enabled && credential.expires_at.is_none_or(|end| end > super::clock::now())
}
