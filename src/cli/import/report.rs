//! What becomes of each entry, for people and for programs.

use super::write::Outcome;
use crate::{
    cli::{failure::Failure, output},
    domain::{
        credential::Username,
        import::{Action, Row, subject},
        server::RegistryServer,
    },
};
use comfy_table::{Cell, Color};
use serde::Serialize;
use uuid::Uuid;

/// What is written, before it is and afterwards.
pub(super) const PLANNED: [&str; 2] = ["to add", "to replace"];
pub(super) const DONE: [&str; 2] = ["added", "replaced"];

/// A row as JSON.
#[derive(Serialize)]
struct Shown<'a> {
    from: Vec<String>,
    /// The server as it is written, unless it cannot be shown.
    written: Option<&'a str>,
    server: Option<&'a str>,
    username: Option<&'a str>,
    action: &'static str,
    reason: Option<String>,
    warnings: Vec<String>,
    /// What became of it: absent where nothing was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Uuid>,
}

/// Tells what owners should know of logins that would be stored.
pub(super) fn warn(rows: &[Row]) {
    for row in rows {
        let Some(server) = &row.server else { continue };
        for warning in &row.warnings {
            output::warn(&format!("{server}: {} {}", subject(warning.pointer), warning.detail));
        }
    }
}

/// The table for people.
pub(super) fn table(rows: &[Row], inherited: &[&str]) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    let cells = rows.iter().map(|row| {
        let color = match row.action {
            Action::Add(_) | Action::Replace(..) => Color::Green,
            Action::Same(_) | Action::Skipped(_) => Color::Grey,
            Action::Conflict(..) | Action::Refused(_) => Color::Red,
        };
        let origins: Vec<_> = row.origins.iter().map(ToString::to_string).collect();
        vec![
            Cell::new(origins.join(", ")),
            output::or_dash(row.key.shown()),
            output::or_dash(row.server.as_ref().map(RegistryServer::as_str)),
            output::or_dash(row.username.as_ref().map(Username::as_str)),
            output::coloured(row.action.name(), color),
            Cell::new(reason(row, inherited).unwrap_or_default()),
        ]
    });
    output::line(&output::table(&["FROM", "WRITTEN AS", "SERVER", "USERNAME", "ACTION", "WHY"], cells))
}

/// The same for programs, with what became of each.
pub(super) fn json(rows: &[Row], inherited: &[&str], outcomes: Option<&[Outcome]>) -> Result<(), Failure> {
    let items: Vec<_> = rows
        .iter()
        .enumerate()
        .map(|(number, row)| {
            let outcome = outcomes.map(|outcomes| &outcomes[number]);
            Shown {
                from: row.origins.iter().map(ToString::to_string).collect(),
                written: row.key.shown(),
                server: row.server.as_ref().map(RegistryServer::as_str),
                username: row.username.as_ref().map(Username::as_str),
                action: row.action.name(),
                reason: reason(row, inherited),
                warnings: row
                    .warnings
                    .iter()
                    .map(|found| format!("{} {}", subject(found.pointer), found.detail))
                    .collect(),
                result: outcome.and_then(Outcome::name),
                id: outcome.and_then(Outcome::id).or(match &row.action {
                    Action::Same(id) | Action::Conflict(id, _) | Action::Replace(id, _) => Some(id.as_uuid()),
                    Action::Add(_) | Action::Refused(_) | Action::Skipped(_) => None,
                }),
            }
        })
        .collect();
    output::json(&items)
}

/// Why an entry becomes what it does, where its action does not say it all.
fn reason(row: &Row, inherited: &[&str]) -> Option<String> {
    match &row.action {
        Action::Add(_) => {
            let server = row.server.as_ref()?;
            inherited.contains(&server.as_str()).then(|| "goes before the organization's own".to_owned())
        }
        Action::Replace(..) => Some("writes over the one that is there".to_owned()),
        Action::Same(_) => Some("is there; passwords cannot be compared".to_owned()),
        Action::Conflict(_, Some(username)) => Some(format!("is there with the user name {username}")),
        Action::Conflict(_, None) => Some("is there without a user name".to_owned()),
        Action::Refused(refusal) => Some(refusal.to_string()),
        Action::Skipped(skip) => Some(skip.to_string()),
    }
}

/// How many rows are of which sort: `2 added, 1 the same`.
pub(super) fn counted(rows: &[Row], [add, replace]: [&str; 2]) -> String {
    let count = |sort: fn(&Action) -> bool| rows.iter().filter(|row| sort(&row.action)).count();
    let counts = [
        (count(|action| matches!(action, Action::Add(_))), add),
        (count(|action| matches!(action, Action::Replace(..))), replace),
        (count(|action| matches!(action, Action::Same(_))), "the same"),
        (count(Action::is_obstacle), "left out"),
        (count(|action| matches!(action, Action::Skipped(_))), "skipped"),
    ];
    let parts = counts.iter().filter(|(number, _)| *number > 0).map(|(number, words)| format!("{number} {words}"));
    parts.collect::<Vec<_>>().join(", ")
}
