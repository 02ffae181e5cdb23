//! How domain types look on the wire.

use super::wire::{self, PageOf};
use crate::{
    domain::{
        audit::RecordedEvent,
        check::Check,
        credential::Credential,
        id::{CredentialId, MasterKeyId},
        image::ImageReference,
        kind::{
            RegistryKind,
            form::{Form, LoginForm, Name},
        },
        page::{Cursor, Page},
        permission::Caller,
        pruning::Pruning,
        resolution::{Candidate, Reason},
        scope::{Scope, ScopeRecord},
        token::{Token, TokenText},
    },
    service::{MasterKey, Prunable, Resolved, Status, Written},
};
use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
};
use serde::Serialize;

/// Where a new thing of a scope is.
pub(super) fn location(scope: &Scope, collection: &str, id: &impl ToString) -> (HeaderName, HeaderValue) {
    let scope = match scope {
        Scope::Deployment => String::new(),
        Scope::Organization(_) | Scope::Project(_) => format!("/{scope}"),
    };
    let path = format!("/v1{scope}/{collection}/{}", id.to_string());
    let value = HeaderValue::from_str(&path).expect("names and identifiers are ASCII without control characters");
    (header::LOCATION, value)
}

/// A credential as it is seen from a scope, with its tag.
pub(super) fn credential(status: StatusCode, credential: &Credential, seen_from: &Scope) -> HttpResponse {
    HttpResponse::build(status).insert_header(etag(credential)).json(wire_credential(credential, seen_from))
}

pub(super) fn wire_credential(credential: &Credential, seen_from: &Scope) -> wire::Credential {
    wire::Credential {
        id: credential.id.as_uuid(),
        scope: credential.scope.to_string(),
        inherited: credential.scope != *seen_from,
        server: credential.server.to_string(),
        kind: credential.kind.to_string(),
        username: credential.username.as_ref().map(ToString::to_string),
        email: credential.email.as_ref().map(ToString::to_string),
        image_prefix: credential.image_prefix.as_ref().map(ToString::to_string),
        enabled: credential.enabled,
        version: credential.version,
        expires_at: credential.expires_at,
        created_at: credential.created_at,
        updated_at: credential.updated_at,
        rotated_at: credential.rotated_at,
        last_used_at: credential.last_used_at,
        ca_certificates: credential.ca_certificates.as_ref().map(ToString::to_string),
        last_check: credential.last_check.as_ref().map(|check| seen_check(check, credential.scope != *seen_from)),
        identity: credential.identity.as_ref().map(|identity| wire::Identity {
            client_email: identity.client_email().to_owned(),
            key_id: identity.key_id().to_owned(),
        }),
        warnings: Vec::new(),
    }
}

/// Which image a login was tried for is its owner's business: who inherits it may have no part in that project.
fn seen_check(check: &Check, inherited: bool) -> wire::LastCheck {
    let check = last_check(check);
    if inherited { wire::LastCheck { image: None, ..check } } else { check }
}

pub(super) fn last_check(check: &Check) -> wire::LastCheck {
    wire::LastCheck {
        result: check.finding.stage().name().to_owned(),
        reason: check.finding.name().to_owned(),
        detail: check.finding.detail().to_owned(),
        checked_at: check.checked_at,
        image: check.image.as_ref().map(ToString::to_string),
        rate_limit: check.rate_limit.map(|rate| wire::RateLimit {
            limit: rate.limit,
            remaining: rate.remaining,
            window_seconds: rate.window_seconds,
        }),
    }
}

/// A credential that was just written, with what its owner should know.
pub(super) fn written(status: StatusCode, written: &Written, seen_from: &Scope) -> HttpResponse {
    let warnings = written
        .warnings
        .iter()
        .map(|finding| wire::Warning { pointer: finding.pointer.to_owned(), detail: finding.detail.to_owned() });
    let credential = wire_credential(&written.credential, seen_from);
    HttpResponse::build(status)
        .insert_header(etag(&written.credential))
        .json(wire::Credential { warnings: warnings.collect(), ..credential })
}

fn etag(credential: &Credential) -> (HeaderName, String) {
    (header::ETAG, format!("\"{}\"", credential.revision))
}

/// A page of a list, each item rendered.
pub(super) fn page<P: PageOf + Serialize, T>(page: &Page<T>, render: impl Fn(&T) -> P::Item) -> HttpResponse {
    let items = page.items.iter().map(render).collect();
    HttpResponse::Ok().json(P::from_parts(items, page.next.as_ref().map(Cursor::encode), page.unreadable))
}

pub(super) fn organization(record: &ScopeRecord) -> wire::Organization {
    wire::Organization { name: last_name(record), created_at: record.created_at }
}

pub(super) fn project(record: &ScopeRecord) -> wire::Project {
    wire::Project {
        name: last_name(record),
        organization: record.scope.organization().map(ToString::to_string).unwrap_or_default(),
        created_at: record.created_at,
    }
}

fn last_name(record: &ScopeRecord) -> String {
    record.name().map(ToString::to_string).unwrap_or_default()
}

pub(super) fn token(token: &Token) -> wire::Token {
    wire::Token {
        id: token.id.as_uuid(),
        name: token.name.to_string(),
        role: token.role,
        scope: token.scope.to_string(),
        expires_at: token.expires_at,
        created_at: token.created_at,
    }
}

pub(super) fn token_created(token: &Token, text: TokenText) -> wire::TokenCreated {
    wire::TokenCreated {
        id: token.id.as_uuid(),
        token: text,
        name: token.name.to_string(),
        role: token.role,
        scope: token.scope.to_string(),
        expires_at: token.expires_at,
    }
}

pub(super) fn registry_kind(kind: RegistryKind) -> wire::RegistryKind {
    let Form { title, hosts, server, example, logins, warnings, guide } = *kind.form();
    let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
    let login = |login: &LoginForm| {
        let (username, username_hint) = match login.username {
            Name::Fixed(name) => (Some(name.to_owned()), None),
            Name::Like(hint) => (None, Some(hint.to_owned())),
        };
        let lifetime = login.lifetime.map(str::to_owned);
        wire::LoginForm {
            title: login.title.into(),
            username,
            username_hint,
            password: login.password.into(),
            lifetime,
        }
    };
    wire::RegistryKind {
        name: kind.name().to_owned(),
        title: title.to_owned(),
        hosts: texts(hosts),
        server: server.name().to_owned(),
        default_server: kind.default_server().map(str::to_owned),
        server_example: example.to_owned(),
        logins: logins.iter().map(login).collect(),
        warnings: texts(warnings),
        guide: guide.to_owned(),
    }
}

/// A resolution as it is seen from a scope.
pub(super) fn resolution(image: &ImageReference, resolved: &Resolved, seen_from: &Scope) -> wire::Resolution {
    let Resolved { resolution, unreadable } = resolved;
    let candidates = resolution.candidates.iter().map(|Candidate { credential, reason }| wire::Candidate {
        credential_id: credential.id.as_uuid(),
        scope: credential.scope.to_string(),
        inherited: credential.scope != *seen_from,
        server: credential.server.to_string(),
        image_prefix: credential.image_prefix.as_ref().map(ToString::to_string),
        reason: reason.name().to_owned(),
        overridden_by: if let Reason::Overridden(id) = reason { Some(id.as_uuid()) } else { None },
    });
    let consumers = resolution.consumers.iter().map(|outcome| wire::Consumer {
        name: outcome.consumer.name().to_owned(),
        credential_ids: outcome.tried.iter().map(CredentialId::as_uuid).collect(),
        difference: outcome.difference.map(str::to_owned),
    });
    wire::Resolution {
        repository: image.repository().to_owned(),
        credential_id: resolution.chosen().map(|chosen| chosen.id.as_uuid()),
        candidates: candidates.collect(),
        consumers: consumers.collect(),
        unreadable: *unreadable,
    }
}

pub(super) fn whoami(caller: &Caller) -> wire::Whoami {
    wire::Whoami {
        token_id: caller.token_id.as_uuid(),
        name: caller.token_name.to_string(),
        role: caller.role,
        scope: caller.scope.to_string(),
        expires_at: caller.expires_at,
    }
}

/// An audit event as it is seen from a scope. Its number tells how much others do, and so is shown in the deployment alone.
pub(super) fn audit_event(recorded: &RecordedEvent, seen_from: &Scope) -> wire::AuditEvent {
    let event = &recorded.event;
    wire::AuditEvent {
        sequence: (*seen_from == Scope::Deployment).then_some(recorded.sequence),
        id: event.id.as_uuid(),
        at: event.at,
        request_id: event.request_id.as_uuid(),
        principal: event.principal.to_string(),
        token_id: event.token_id.map(|id| id.as_uuid()),
        scope: event.scope.to_string(),
        operation: event.operation.name().to_owned(),
        object_ids: event.objects.to_vec(),
        outcome: event.outcome.name().to_owned(),
        address: event.address.map(|address| address.to_string()),
    }
}

/// An audit event as a line of an export, without its line feed.
pub(super) fn audit_line(recorded: &RecordedEvent) -> Vec<u8> {
    serde_json::to_vec(&audit_event(recorded, &Scope::Deployment)).expect("texts and numbers become JSON")
}

pub(super) fn audit_retention(prunable: &Prunable) -> wire::AuditRetention {
    wire::AuditRetention { days: prunable.retention.days(), prunable_before: prunable.before }
}

pub(super) fn audit_pruning(pruning: &Pruning) -> wire::AuditPruning {
    wire::AuditPruning {
        id: pruning.id.as_uuid(),
        at: pruning.at,
        principal: pruning.principal.clone(),
        token_id: pruning.token_id.map(|id| id.as_uuid()),
        first_sequence: pruning.first_sequence,
        last_sequence: pruning.last_sequence,
        count: pruning.count,
        oldest_at: pruning.oldest_at,
        newest_at: pruning.newest_at,
        sha256: pruning.sha256,
    }
}

pub(super) fn master_key(key: &MasterKey) -> wire::MasterKey {
    wire::MasterKey {
        id: key.id.as_uuid(),
        state: key.state.name().to_owned(),
        loaded: key.loaded,
        lacking: key.lacking.clone(),
        data_keys: key.data_keys,
        created_at: key.created_at,
    }
}

pub(super) fn status(status: &Status) -> wire::Status {
    let Status { own, database, round_trip, own_time, audit_queue, replicas, keys } = status;
    let replicas = replicas.iter().map(|(record, live)| wire::ReplicaStatus {
        id: record.replica.id.as_uuid(),
        host: record.replica.host.clone(),
        version: record.replica.version.clone(),
        answers: record.replica.id == *own,
        live: *live,
        silent_milliseconds: record.silent.as_millis().try_into().unwrap_or(u64::MAX),
        started_at: record.started_at,
        keys: record.replica.keys.iter().map(MasterKeyId::as_uuid).collect(),
    });
    wire::Status {
        database: wire::DatabaseStatus {
            engine: database.engine.clone(),
            version: database.version.clone(),
            schema: database.schema,
            round_trip_microseconds: round_trip.as_micros().try_into().unwrap_or(u64::MAX),
            clock_ahead_microseconds: database.now.microseconds() - own_time.microseconds(),
        },
        audit_queue: *audit_queue as u64,
        replicas: replicas.collect(),
        keys: keys.iter().map(master_key).collect(),
    }
}
