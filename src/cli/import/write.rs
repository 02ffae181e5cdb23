//! Writing what was planned. There is no way to write several logins at once: so what was added is deleted again if a later one
//! fails, and whatever cannot be taken back is named.

use crate::{
    cli::{credential::title, exit::Exit, failure::Failure, output, progress::Steps, session::Session},
    client::{Change, ClientError, CredentialChange, NewCredential},
    domain::{
        id::CredentialId,
        import::{Action, Row, subject},
        scope::Scope,
    },
    http::wire::Credential,
};
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing was to be done.
    None,
    /// It was to be written, and was not.
    NotWritten,
    /// It is stored.
    Written(CredentialId),
    /// It was stored, and is deleted again.
    Undone,
    /// Whether it is stored is not known.
    Unknown,
}

impl Outcome {
    pub(super) fn name(&self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::NotWritten => Some("not_written"),
            Self::Written(_) => Some("written"),
            Self::Undone => Some("undone"),
            Self::Unknown => Some("unknown"),
        }
    }

    pub(super) fn id(&self) -> Option<Uuid> {
        match self {
            Self::Written(id) => Some(id.as_uuid()),
            Self::None | Self::NotWritten | Self::Undone | Self::Unknown => None,
        }
    }
}

/// Writes all that is to be written, or takes back what can be taken back.
pub(super) async fn write(session: &Session, scope: &Scope, rows: &[Row]) -> (Vec<Outcome>, Result<(), Failure>) {
    let mut outcomes: Vec<_> =
        rows.iter().map(|row| if row.action.is_write() { Outcome::NotWritten } else { Outcome::None }).collect();
    let etags = match etags(session, scope, rows).await {
        Ok(etags) => etags,
        Err(failure) => return (outcomes, Err(failure)),
    };
    let mut writing = Writing { session, scope, rows, etags, stops: Stops::listen(), added: Vec::new() };
    let failed = writing.all(&mut outcomes).await;
    let result = match failed {
        Ok(()) => Ok(()),
        Err(failure) => {
            writing.undo(&mut outcomes).await;
            Err(told(failure, rows, &outcomes))
        }
    };
    (outcomes, result)
}

/// The versions of those that are written over, so that nobody's change meanwhile is lost.
async fn etags(session: &Session, scope: &Scope, rows: &[Row]) -> Result<HashMap<Uuid, String>, Failure> {
    let mut etags = HashMap::new();
    for row in rows {
        if let Action::Replace(id, _) = &row.action {
            let found = session.client.credential_get(scope, *id).await.map_err(session.explain(scope))?;
            etags.extend(found.etag.map(|etag| (id.as_uuid(), etag)));
        }
    }
    Ok(etags)
}

struct Writing<'a> {
    session: &'a Session,
    scope: &'a Scope,
    rows: &'a [Row],
    etags: HashMap<Uuid, String>,
    stops: Stops,
    /// What was added in this run, with its row.
    added: Vec<(usize, Credential)>,
}

impl Writing<'_> {
    /// First what can be taken back, then what cannot.
    async fn all(&mut self, outcomes: &mut [Outcome]) -> Result<(), Failure> {
        let numbers = |sort: fn(&Action) -> bool| {
            let chosen = self.rows.iter().enumerate().filter(move |(_, row)| sort(&row.action));
            chosen.map(|(number, _)| number).collect::<Vec<_>>()
        };
        let mut order = numbers(|action| matches!(action, Action::Add(_)));
        order.extend(numbers(|action| matches!(action, Action::Replace(..))));
        let steps = Steps::new("Writing", order.len());
        let mut written = Vec::new();
        let mut result = Ok(());
        for number in order {
            if self.stops.count() > 0 {
                result = Err(Failure::new(Exit::Failure, "stopped"));
                break;
            }
            match self.one(number).await {
                Ok(credential) => {
                    outcomes[number] = Outcome::Written(CredentialId::from_uuid(credential.id));
                    written.push((number, credential));
                }
                Err(error) => {
                    if is_unknown(&error) {
                        outcomes[number] = Outcome::Unknown;
                    }
                    let failure = self.session.explain(self.scope)(error);
                    let server = self.rows[number].server.as_ref().map(ToString::to_string).unwrap_or_default();
                    let message = format!("the login for {server} was not stored: {}", failure.message());
                    result = Err(failure.message_is(message));
                    break;
                }
            }
            steps.step();
        }
        steps.end();
        for (number, credential) in written {
            self.tell(number, &credential);
            if matches!(self.rows[number].action, Action::Add(_)) {
                self.added.push((number, credential));
            }
        }
        result
    }

    async fn one(&self, number: usize) -> Result<Credential, ClientError> {
        let row = &self.rows[number];
        let (client, username) = (&self.session.client, row.username.as_ref());
        let server = row.server.as_ref().expect("the plan writes no row without a server");
        match &row.action {
            Action::Add(password) => {
                let new = NewCredential {
                    server,
                    kind: None,
                    username,
                    email: row.email.as_ref(),
                    image_prefix: None,
                    expires_at: None,
                    enabled: true,
                    password,
                    ca_certificates: None,
                };
                client.credential_create(self.scope, &new).await
            }
            Action::Replace(id, password) => {
                let change = CredentialChange {
                    username: username.map_or(Change::Clear, Change::Set),
                    email: row.email.as_ref().map_or(Change::Keep, Change::Set),
                    password: Some(password),
                    ..CredentialChange::default()
                };
                let etag = self.etags.get(&id.as_uuid()).map(String::as_str);
                Ok(client.credential_update(self.scope, *id, &change, etag).await?.value)
            }
            Action::Same(_) | Action::Conflict(..) | Action::Refused(_) | Action::Skipped(_) => {
                unreachable!("only rows that are to be written come here")
            }
        }
    }

    /// Says what was written, and what the service knows of it that the plan did not.
    fn tell(&self, number: usize, credential: &Credential) {
        let row = &self.rows[number];
        let verb = if matches!(row.action, Action::Add(_)) { "Added" } else { "Replaced" };
        output::note(&format!("{verb} {}.", title(credential)));
        let known = |detail: &str| row.warnings.iter().any(|warning| warning.detail == detail);
        for warning in credential.warnings.iter().filter(|warning| !known(&warning.detail)) {
            output::warn(&format!("{}: {} {}", credential.server, subject(&warning.pointer), warning.detail));
        }
    }

    /// Deletes again what was added, the last first. What somebody has changed since stays.
    async fn undo(&mut self, outcomes: &mut [Outcome]) {
        while let Some((number, credential)) = self.added.pop() {
            if self.stops.count() > 1 {
                return;
            }
            match self.undo_one(&credential).await {
                Ok(()) => {
                    outcomes[number] = Outcome::Undone;
                    output::note(&format!("Deleted {} again.", title(&credential)));
                }
                Err(why) => output::warn(&format!("{} could not be deleted again: {why}", title(&credential))),
            }
        }
    }

    async fn undo_one(&self, credential: &Credential) -> Result<(), String> {
        let id = CredentialId::from_uuid(credential.id);
        let client = &self.session.client;
        let explain = |error| self.session.explain(self.scope)(error).message().to_owned();
        let found = client.credential_get(self.scope, id).await.map_err(explain)?;
        if found.value.updated_at != credential.updated_at {
            return Err("somebody has changed it".to_owned());
        }
        client.credential_delete(self.scope, id, found.etag.as_deref()).await.map_err(explain)
    }
}

/// Whether a call may have been carried out although nobody said so.
fn is_unknown(error: &ClientError) -> bool {
    match error {
        ClientError::NoAnswer { .. } | ClientError::Unexpected { .. } => true,
        ClientError::Problem(problem) => problem.kind.ends_with(":outcome-unknown"),
        ClientError::Unreachable { .. } | ClientError::PlainHttp { .. } | ClientError::Setup(_) => false,
    }
}

/// The failure, with what is stored now and what is not.
fn told(failure: Failure, rows: &[Row], outcomes: &[Outcome]) -> Failure {
    let servers = |wanted: fn(&Outcome) -> bool| {
        let chosen = rows.iter().zip(outcomes).filter(|(_, outcome)| wanted(outcome));
        let servers: Vec<_> = chosen.filter_map(|(row, _)| Some(row.server.as_ref()?.to_string())).collect();
        servers.join(", ")
    };
    let stored = servers(|outcome| matches!(outcome, Outcome::Written(_)));
    let unknown = servers(|outcome| matches!(outcome, Outcome::Unknown));
    let missing = servers(|outcome| matches!(outcome, Outcome::NotWritten | Outcome::Undone));
    let why = failure.message().to_owned();
    if stored.is_empty() && unknown.is_empty() {
        return failure.message_is(format!("{why}; nothing has changed"));
    }
    let parts = [("stored", stored), ("perhaps stored", unknown), ("not stored", missing)];
    let parts = parts.iter().filter(|(_, servers)| !servers.is_empty());
    let parts: Vec<_> = parts.map(|(what, servers)| format!("{what}: {servers}")).collect();
    failure.message_is(format!("{why}; {}; run again, it goes on from there", parts.join("; ")))
}

/// How often somebody has asked for an end.
struct Stops(Arc<AtomicU32>);

impl Stops {
    /// From now on the signals are counted, and end nothing by themselves.
    fn listen() -> Self {
        let count = Arc::new(AtomicU32::new(0));
        for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
            // Without it, a signal ends the program as ever.
            let Ok(mut signals) = signal(kind) else { continue };
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Self(count)
    }

    fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}
