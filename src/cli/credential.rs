//! What the commands about credentials share: how one is named, and how it is shown.

use super::{
    clock::{SOON, ago, now, span, to_the_second},
    exit::Exit,
    failure::Failure,
    output::{self, Column, Listed},
    session::{Session, called, flag},
};
use crate::{
    client::ClientError,
    domain::{
        check::CaCertificates, id::CredentialId, kind::RegistryKind, scope::Scope, server::RegistryServer,
        text::Invalid, timestamp::Timestamp,
    },
    http::wire::{Credential, LastCheck, RateLimit},
};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use comfy_table::{Cell, Color};
use std::{convert::Infallible, fmt, path::Path, str::FromStr};

/// A credential as people name it: by its identifier, or by its server, of which a scope has each only once.
#[derive(Debug, Clone)]
pub(super) enum CredentialName {
    /// By identifier.
    Id(CredentialId),
    /// By server.
    Server(RegistryServer),
}

impl FromStr for CredentialName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.parse().map(Self::Id).or_else(|_| text.parse().map(Self::Server))
    }
}

impl CredentialName {
    /// The identifier of the credential that is meant.
    pub(super) async fn id(&self, session: &Session, scope: &Scope) -> Result<CredentialId, Failure> {
        let server = match self {
            Self::Id(id) => return Ok(*id),
            Self::Server(server) => server,
        };
        let found = session.client.credential_list_all(scope, Some(server)).await.map_err(session.explain(scope))?;
        let own = found.items.iter().filter(|item| !item.inherited).find(|item| item.server == server.as_str());
        match (own, found.items.iter().find(|item| item.inherited && item.server == server.as_str())) {
            (Some(own), _) => Ok(CredentialId::from_uuid(own.id)),
            (None, Some(inherited)) => Err(Failure::new(
                Exit::NotFound,
                format!("{} has no credential for {server} of its own: it inherits one", called(scope)),
            )
            .hint(match inherited.scope.parse() {
                Ok(owner) => format!("add{} to work on that one", flag(&owner)),
                Err(_) => format!("it belongs to {}", inherited.scope),
            })),
            (None, None) => {
                Err(Failure::new(Exit::NotFound, format!("{} has no credential for {server}", called(scope)))
                    .hint(list_hint(scope)))
            }
        }
    }
}

/// Advice for "not found" where a credential was named.
pub(super) fn list_hint(scope: &Scope) -> String {
    format!("see what there is with `regcred list{}`", flag(scope))
}

/// A failed call with a login for that server, in words that name the one that is in its way.
pub(super) fn explain_conflict(
    session: &Session,
    scope: &Scope,
    server: Option<&impl fmt::Display>,
) -> impl Fn(ClientError) -> Failure {
    move |error| {
        let exists = error.problem().is_some_and(|problem| problem.existing_id.is_some());
        let failure = session.explain(scope)(error);
        match server {
            Some(server) if exists => failure.message_is(format!("{} already has a login for {server}", called(scope))),
            Some(_) | None => failure,
        }
    }
}

/// The version of a login that a change is meant for: an ETag, or the number in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IfMatch(String);

impl IfMatch {
    /// As the service wants it.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for IfMatch {
    fn from(etag: String) -> Self {
        let bare = !etag.is_empty() && etag.bytes().all(|byte| byte.is_ascii_digit());
        Self(if bare { format!("\"{etag}\"") } else { etag })
    }
}

impl FromStr for IfMatch {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.to_owned().into())
    }
}

/// The failure of a change; where the login is not what it was, with the ETag that it has now.
pub(super) async fn if_stale(session: &Session, scope: &Scope, id: CredentialId, failure: Failure) -> Failure {
    if !failure.is_stale() {
        return failure;
    }
    let found = session.client.credential_get(scope, id).await.ok();
    let failure = failure.message_is("it has another etag than --if-match says: it was changed meanwhile");
    match found.and_then(|found| found.etag) {
        Some(etag) => failure.hint(format!(
            "its etag is {etag} now: see what changed with `regcred get {id}{}`, then give --if-match {}",
            flag(scope),
            etag.trim_matches('"')
        )),
        None => failure,
    }
}

/// Reads a kind, and lets the shell complete it.
pub(super) fn kind_parser() -> impl TypedValueParser<Value = RegistryKind> {
    PossibleValuesParser::new(RegistryKind::ALL.map(RegistryKind::name)).try_map(|text| text.parse::<RegistryKind>())
}

/// The certificates in a file.
pub(super) fn ca_certificates(path: &Path) -> Result<CaCertificates, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(Exit::Failure, format!("cannot read {}: {error}", path.display())))?;
    text.parse().map_err(|rule| Failure::usage(format!("what is in {} {rule}", path.display())))
}

/// A credential in a sentence: `ghcr.io (bot)`.
pub(super) fn title(credential: &Credential) -> String {
    match &credential.username {
        Some(username) => format!("{} ({username})", credential.server),
        None => credential.server.clone(),
    }
}

/// Tells what the service had to say about a login that it has taken.
pub(super) fn show_warnings(credential: &Credential) {
    for warning in &credential.warnings {
        let what = match warning.pointer.as_str() {
            "/username" => "the user name",
            "/password" => "the password",
            "/expires_at" => "the end",
            other => other,
        };
        output::warn(&format!("{what} {}", warning.detail));
    }
}

/// Whether it is handed out, in one word, and whose it is.
pub(super) fn status(credential: &Credential, now: Timestamp) -> String {
    let left = credential.expires_at.map(|end| end.microseconds() - now.microseconds());
    let state = match left {
        _ if !credential.enabled => "disabled".to_owned(),
        Some(..=0) => "expired".to_owned(),
        Some(left) if left <= SOON => format!("expires in {}", span(left)),
        Some(_) | None => "active".to_owned(),
    };
    if credential.inherited { format!("{state},inherited") } else { state }
}

/// What became of the last check, and when.
fn said_of(check: &LastCheck, now: Timestamp) -> String {
    let what = check.image.as_ref().map_or_else(String::new, |image| format!(" for {image}"));
    format!("{}{what}, {}: {}", check.result, ago(check.checked_at, now), check.detail)
}

/// How many certificates there are in PEM.
fn certificates(pem: &str) -> String {
    match pem.matches("-----BEGIN CERTIFICATE-----").count() {
        1 => "1 certificate".to_owned(),
        number => format!("{number} certificates"),
    }
}

/// How many pulls a registry still allows.
pub(super) fn pulls_left(rate: RateLimit) -> String {
    let window =
        rate.window_seconds.map_or_else(String::new, |seconds| format!(" in {}", span(i64::from(seconds) * 1_000_000)));
    format!("{} of {}{window}", rate.remaining, rate.limit)
}

impl Listed for Credential {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("ID", |item| Cell::new(item.id)),
        Column::new("SERVER", |item| Cell::new(&item.server)),
        Column::new("USERNAME", |item| output::or_dash(item.username.as_deref())),
        Column::new("EMAIL", |item| output::or_dash(item.email.as_deref())),
        Column::wide("KIND", |item| Cell::new(&item.kind)),
        Column::new("STATUS", |item| {
            let status = status(item, now());
            let color = if status.starts_with("active") { Color::Green } else { Color::Yellow };
            output::coloured(&status, color)
        }),
        Column::wide("PASSWORD VERSION", |item| Cell::new(item.version)),
        Column::wide("EXPIRES", |item| output::or_dash(item.expires_at.map(to_the_second).as_deref())),
        Column::wide("LAST CHECK", |item| output::or_dash(item.last_check.as_ref().map(|check| check.result.as_str()))),
        Column::new("LAST USED", |item| {
            Cell::new(item.last_used_at.map_or_else(|| "never".to_owned(), |then| ago(then, now())))
        }),
    ];

    fn name(&self) -> String {
        self.id.to_string()
    }
}

/// One credential in full, for people.
pub(super) fn fields(credential: &Credential, etag: Option<&str>) -> Vec<(&'static str, String)> {
    let now = now();
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
    let fields = [
        ("id", Some(credential.id.to_string())),
        ("scope", Some(credential.scope.clone())),
        ("server", Some(credential.server.clone())),
        ("kind", Some(credential.kind.clone())),
        ("username", credential.username.clone()),
        ("service account", credential.identity.as_ref().map(|identity| identity.client_email.clone())),
        ("key id", credential.identity.as_ref().map(|identity| identity.key_id.clone())),
        ("email", credential.email.clone()),
        ("image prefix", credential.image_prefix.clone()),
        ("status", Some(status(credential, now))),
        ("password version", Some(credential.version.to_string())),
        ("expires", time(credential.expires_at)),
        ("created", time(Some(credential.created_at))),
        ("updated", time(Some(credential.updated_at))),
        ("rotated", time(Some(credential.rotated_at))),
        ("last used", Some(credential.last_used_at.map_or_else(|| "never".to_owned(), |then| ago(then, now)))),
        ("last check", credential.last_check.as_ref().map(|check| said_of(check, now))),
        ("pulls left", credential.last_check.as_ref().and_then(|check| check.rate_limit).map(pulls_left)),
        ("own ca", credential.ca_certificates.as_deref().map(certificates)),
        ("etag", etag.map(str::to_owned)),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_status_says_why_a_login_is_not_handed_out_and_whose_it_is() {
        let time: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
        let credential = Credential {
            id: Uuid::nil(),
            scope: "organizations/acme".to_owned(),
            inherited: false,
            server: "ghcr.io".to_owned(),
            kind: "github".to_owned(),
            username: None,
            email: None,
            image_prefix: None,
            enabled: true,
            version: 1,
            expires_at: Some(time),
            created_at: time,
            updated_at: time,
            rotated_at: time,
            last_used_at: None,
            ca_certificates: None,
            last_check: None,
            identity: None,
            warnings: Vec::new(),
        };
        let before = "2026-12-31T23:59:59Z".parse().unwrap();
        assert_eq!(status(&credential, before), "expires in 1s");
        assert_eq!(status(&credential, "2026-12-29T00:00:00Z".parse().unwrap()), "expires in 3d");
        assert_eq!(status(&credential, "2026-11-30T00:00:00Z".parse().unwrap()), "active");
        assert_eq!(status(&credential, time), "expired");
        let disabled = Credential { enabled: false, inherited: true, ..credential };
        assert_eq!(status(&disabled, before), "disabled,inherited");
    }

    #[test]
    fn an_etag_may_be_given_without_its_quotes() {
        for (given, sent) in [("1", "\"1\""), ("\"1\"", "\"1\""), ("*", "*"), ("", ""), ("1a", "1a")] {
            assert_eq!(given.parse::<IfMatch>().unwrap().as_str(), sent);
        }
    }

    #[test]
    fn a_credential_is_named_by_identifier_or_server() {
        assert!(matches!("0197a000-0000-7000-8000-000000000001".parse(), Ok(CredentialName::Id(_))));
        assert!(matches!("ghcr.io".parse(), Ok(CredentialName::Server(_))));
    }
}
