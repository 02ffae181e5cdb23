//! `regcred resolve`.

use super::{
    failure::Failure,
    output::{self, Column, Format, Listed},
    scope::ScopeArgs,
    session::{Session, called},
};
use crate::{
    config::client::ClientOptions,
    domain::{image::ImageReference, text::Invalid},
    http::wire::{Candidate, Resolution},
};
use clap::{Args, ValueHint};
use comfy_table::{Cell, Color};
use uuid::Uuid;

pub(super) const EXAMPLES: &str = "\
Examples:
  regcred resolve ghcr.io/acme/shop:1.2 --project acme/shop

  In a script: the identifier of the login, or nothing
    regcred resolve nginx -p acme/shop -o name

It shows which login the image gets and why, and what docker, podman, containerd and the
kubelet do otherwise with the docker configuration of the whole project.";

/// Tells which login an image gets, and why.
#[derive(Args)]
pub(super) struct Resolve {
    /// The image, as in a manifest
    #[arg(value_name = "IMAGE", value_hint = ValueHint::Other, value_parser = checked)]
    image: String,
    #[command(flatten)]
    scope: ScopeArgs,
    /// How to show it
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
    #[command(flatten)]
    connection: ClientOptions,
}

/// The text as it was given, if it names an image.
fn checked(text: &str) -> Result<String, Invalid> {
    text.parse::<ImageReference>().map(|_| text.to_owned())
}

pub(super) async fn run(args: Resolve) -> Result<(), Failure> {
    let session = Session::open(args.connection)?;
    let scope = session.scope(&args.scope)?;
    let found = session.client.credential_resolve(&scope, &args.image).await.map_err(session.explain(&scope))?;
    match args.output {
        Format::Json => output::json(&found)?,
        Format::Name => found.credential_id.map_or(Ok(()), |id| output::line(&id.to_string()))?,
        Format::Table | Format::Wide => {
            let rows: Vec<_> = found.candidates.iter().map(|candidate| Row::of(candidate, &found)).collect();
            output::list(&rows, args.output, "logins")?;
        }
    }
    if found.credential_id.is_none() {
        output::note(&format!("{} gives no login for {}.", called(&scope), found.repository));
    }
    for consumer in &found.consumers {
        let Some(difference) = &consumer.difference else { continue };
        let tried: Vec<_> = consumer.credential_ids.iter().map(|id| server(&found, *id)).collect();
        let tried = if tried.is_empty() { "no login".to_owned() } else { tried.join(", then ") };
        output::note(&format!("With the whole docker configuration {} takes {tried}: {difference}.", consumer.name));
    }
    output::warn_unreadable(found.unreadable);
    Ok(())
}

/// A candidate as people read it.
#[derive(serde::Serialize)]
struct Row {
    id: Uuid,
    server: String,
    scope: String,
    result: String,
}

impl Row {
    fn of(candidate: &Candidate, found: &Resolution) -> Self {
        let result = match (candidate.reason.as_str(), candidate.overridden_by) {
            ("overridden", Some(id)) if server(found, id) == candidate.server => {
                "overridden by the project's own".to_owned()
            }
            ("overridden", Some(id)) => format!("overridden by {}", server(found, id)),
            (reason, _) => reason.replace('_', " "),
        };
        Self { id: candidate.credential_id, server: candidate.server.clone(), scope: candidate.scope.clone(), result }
    }
}

/// The server of a candidate.
fn server(found: &Resolution, id: Uuid) -> String {
    let candidate = found.candidates.iter().find(|candidate| candidate.credential_id == id);
    candidate.map_or_else(|| id.to_string(), |candidate| candidate.server.clone())
}

impl Listed for Row {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("ID", |row| Cell::new(row.id)),
        Column::new("SERVER", |row| Cell::new(&row.server)),
        Column::wide("SCOPE", |row| Cell::new(&row.scope)),
        Column::new("RESULT", |row| {
            let color = if row.result == "chosen" { Color::Green } else { Color::Yellow };
            output::coloured(&row.result, color)
        }),
    ];

    fn name(&self) -> String {
        self.id.to_string()
    }
}
