//! What would become of each entry: beside the others, and beside what the scope has.

#[cfg(test)]
mod tests;

use super::{Content, FoundEntry, Keeper, Key, Login, Origin, Refusal, Skip};
use crate::domain::{
    convention::{self, Remark},
    credential::{Email, Username},
    id::CredentialId,
    kind::RegistryKind,
    secret::Password,
    server::RegistryServer,
    timestamp::Timestamp,
};
use std::collections::HashSet;
use subtle::ConstantTimeEq as _;

/// Whether logins that are there already are written over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overwrite {
    /// They stay as they are.
    No,
    /// They get user name and password of the files.
    Yes,
}

/// A login that the scope has of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    /// Which.
    pub id: CredentialId,
    /// For which server.
    pub server: RegistryServer,
    /// Of which kind.
    pub kind: RegistryKind,
    /// With which user name.
    pub username: Option<Username>,
}

/// An entry, and what would become of it.
#[derive(Debug)]
pub struct Row {
    /// Where it was found; several if they all hold the same login.
    pub origins: Vec<Origin>,
    /// The server as it is written in the first of them.
    pub key: Key,
    /// The server as it is stored.
    pub server: Option<RegistryServer>,
    /// The user name.
    pub username: Option<Username>,
    /// The e-mail address.
    pub email: Option<Email>,
    /// What its owner should know before it is written.
    pub warnings: Vec<Remark>,
    /// What would become of it.
    pub action: Action,
}

/// What would become of an entry.
#[derive(Debug)]
pub enum Action {
    /// It is new.
    Add(Password),
    /// It goes over the one that is there.
    Replace(CredentialId, Password),
    /// One with this user name is there. Whether the passwords are the same nobody can tell.
    Same(CredentialId),
    /// One with another user name is there.
    Conflict(CredentialId, Option<Username>),
    /// It cannot be stored.
    Refused(Refusal),
    /// There is nothing to store.
    Skipped(Skip),
}

impl Action {
    /// Its name, in tables and in JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Add(_) => "add",
            Self::Replace(..) => "replace",
            Self::Same(_) => "same",
            Self::Conflict(..) => "conflict",
            Self::Refused(_) => "refused",
            Self::Skipped(_) => "skipped",
        }
    }

    /// Whether it stands in the way of all the others.
    #[must_use]
    pub fn is_obstacle(&self) -> bool {
        matches!(self, Self::Conflict(..) | Self::Refused(_))
    }

    /// Whether something is to be written.
    #[must_use]
    pub fn is_write(&self) -> bool {
        matches!(self, Self::Add(_) | Self::Replace(..))
    }
}

/// A login whose server is known.
struct Candidate {
    row: usize,
    origin: Origin,
    server: RegistryServer,
    login: Login,
}

/// Says what would become of each entry, in the order in which they were found.
#[must_use]
pub fn plan(entries: Vec<FoundEntry>, existing: &[Existing], overwrite: Overwrite, now: Timestamp) -> Vec<Row> {
    let mut rows = Vec::with_capacity(entries.len());
    let mut candidates: Vec<Candidate> = Vec::new();
    for FoundEntry { origin, key, content } in entries {
        let server = key.as_str().parse::<RegistryServer>();
        let mut row = Row {
            origins: vec![origin.clone()],
            key,
            server: server.as_ref().ok().cloned(),
            username: None,
            email: None,
            warnings: Vec::new(),
            action: Action::Skipped(Skip::Empty),
        };
        match (content, server) {
            (Content::Refused(refusal), _) => row.action = Action::Refused(refusal),
            (Content::Skipped(skip), _) => row.action = Action::Skipped(skip),
            (Content::Login(login), Err(rule)) => {
                row.username = login.username;
                row.action = Action::Refused(Refusal::Server(rule));
            }
            (Content::Login(login), Ok(server)) => {
                row.username.clone_from(&login.username);
                row.email.clone_from(&login.email);
                candidates.push(Candidate { row: rows.len(), origin, server, login });
            }
        }
        rows.push(row);
    }
    // Stable: of the same server, what was found first stays first.
    candidates.sort_by(|a, b| a.server.cmp(&b.server));
    let mut merged = HashSet::new();
    let mut candidates = candidates.into_iter().peekable();
    while let Some(first) = candidates.next() {
        let mut group = vec![first];
        while let Some(next) = candidates.next_if(|next| next.server == group[0].server) {
            group.push(next);
        }
        settle(group, &mut rows, &mut merged, existing, overwrite, now);
    }
    let numbered = rows.into_iter().enumerate();
    numbered.filter(|(number, _)| !merged.contains(number)).map(|(_, row)| row).collect()
}

/// Decides on all the logins of one server. The rows that go up in another one are named in `merged`.
fn settle(
    group: Vec<Candidate>,
    rows: &mut [Row],
    merged: &mut HashSet<usize>,
    existing: &[Existing],
    overwrite: Overwrite,
    now: Timestamp,
) {
    let mut kept: Vec<Candidate> = Vec::new();
    let overruled: Vec<_> = group.iter().map(|one| group.iter().find_map(|other| overrules(other, one))).collect();
    for (candidate, overruled) in group.into_iter().zip(overruled) {
        if let Some(program) = overruled {
            rows[candidate.row].action = Action::Skipped(Skip::Overruled(program));
        } else if let Some(first) = kept.iter().find(|first| is_same(first, &candidate)) {
            let row = &mut rows[first.row];
            row.origins.push(candidate.origin);
            row.email = row.email.take().or(candidate.login.email);
            merged.insert(candidate.row);
        } else {
            kept.push(candidate);
        }
    }
    if kept.len() > 1 {
        let refusals: Vec<_> = kept.iter().map(|one| disagreement(one, &kept)).collect();
        for (candidate, refusal) in kept.iter().zip(refusals) {
            rows[candidate.row].action = Action::Refused(refusal);
        }
        return;
    }
    for Candidate { row, server, login, .. } in kept {
        let there = existing.iter().find(|known| known.server == server);
        let (action, warnings) = action(&server, login, there, overwrite, now);
        rows[row].action = action;
        rows[row].warnings = warnings;
    }
}

/// The program of the one whose login docker takes in place of the other's, where one file names both.
fn overrules(one: &Candidate, other: &Candidate) -> Option<String> {
    let same_file = one.origin.file == other.origin.file && one.origin.secret == other.origin.secret;
    match &one.origin.keeper {
        Keeper::RegistryHelper(name) | Keeper::Store(name)
            if same_file && keeper_rank(&one.origin.keeper) < keeper_rank(&other.origin.keeper) =>
        {
            Some(name.program())
        }
        Keeper::RegistryHelper(_) | Keeper::Store(_) | Keeper::File => None,
    }
}

fn keeper_rank(keeper: &Keeper) -> u8 {
    match keeper {
        Keeper::RegistryHelper(_) => 0,
        Keeper::Store(_) => 1,
        Keeper::File => 2,
    }
}

fn is_same(one: &Candidate, other: &Candidate) -> bool {
    one.login.username == other.login.username && is_same_password(&one.login.password, &other.login.password)
}

fn is_same_password(one: &Password, other: &Password) -> bool {
    let [one, other] = [one, other].map(|password| password.expose().as_bytes());
    one.ct_eq(other).into()
}

/// In what a login differs from the others of its server, of which each differs in something.
fn disagreement(one: &Candidate, all: &[Candidate]) -> Refusal {
    let others = || all.iter().filter(|other| other.row != one.row);
    match others().find(|other| other.login.username != one.login.username) {
        Some(other) => Refusal::OtherUsername(other.origin.to_string()),
        None => Refusal::OtherPassword(others().map(|other| other.origin.to_string()).next().unwrap_or_default()),
    }
}

/// Decides on the one login of a server.
fn action(
    server: &RegistryServer,
    login: Login,
    there: Option<&Existing>,
    overwrite: Overwrite,
    now: Timestamp,
) -> (Action, Vec<Remark>) {
    let kind = there.map_or_else(|| RegistryKind::infer(server), |known| known.kind);
    let warnings = match convention::examine(kind, server, login.username.as_ref(), Some(&login.password), now) {
        Ok(found) => found.warnings,
        Err(finding) => return (Action::Refused(Refusal::Contradiction(finding)), Vec::new()),
    };
    match there {
        None => (Action::Add(login.password), warnings),
        Some(known) if overwrite == Overwrite::Yes => (Action::Replace(known.id, login.password), warnings),
        Some(known) if known.username == login.username => (Action::Same(known.id), Vec::new()),
        Some(known) => (Action::Conflict(known.id, known.username.clone()), Vec::new()),
    }
}
