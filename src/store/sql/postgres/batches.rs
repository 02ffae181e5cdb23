//! Statements over many rows of values at once, as PostgreSQL takes them: an array for each column, however long.

use crate::{
    domain::{
        audit::AuditEvent,
        credential::{Credential, LAST_USED_STEP_MINUTES},
        id::CredentialId,
        identity::Identity,
        timestamp::Timestamp,
    },
    store::{
        NewSealedCredential, Premise,
        sql::{
            adding::holding_tokens,
            audit::{Guard, event_columns},
            columns::listed,
            dialect::{Statement, sql},
            tx::new_credential_columns,
        },
    },
};
use sqlx::Postgres;
use uuid::Uuid;

/// Premises that hold no longer. `$n` are their subjects, their stamps, and until when they hold.
macro_rules! lapsed {
    ($what:literal, $premises:literal) => {
        concat!(
            "select ",
            $what,
            " from unnest(",
            $premises,
            ") as p (subject, stamp, until) cross join database_clock clock \
             left join stamps s on s.subject = p.subject \
             where s.stamp is null or s.stamp <> p.stamp or p.until <= clock.now"
        )
    };
}

/// The version of the moment, as the statement sees it: with nothing under way among the transactions that it knows of, the number
/// of those which have ended. Whatever commits to a table of PostgreSQL's own kind has a number, and makes it another one.
macro_rules! version {
    () => {
        "case when pg_snapshot_xmin(pg_current_snapshot()) = pg_snapshot_xmax(pg_current_snapshot()) \
         and (select am.amname from pg_class c join pg_am am on am.oid = c.relam where c.oid = cast('stamps' as regclass)) = 'heap' \
         then cast(cast(pg_snapshot_xmax(pg_current_snapshot()) as text) as bigint) end as version, \
         pg_postmaster_start_time() as since"
    };
}

pub(super) const MOMENT: &str = concat!("select ", version!(), ", now from database_clock");

const LAPSED: &str = concat!(
    "select m.version, m.since, l.id, l.stamp, l.until from (select ",
    version!(),
    ") m left join (",
    lapsed!("p.subject as id, p.stamp, p.until", "$1, $2, $3"),
    ") l on true"
);

/// One statement, so that nobody waits for two messages while the numbers are taken.
const RECORD: &str = concat!(
    "with lapsed as (",
    lapsed!("p.subject", "$2, $3, $4"),
    "), position as (update audit_position set last = last + $1 \
     where singleton = 1 and last >= 0 and not exists (select from lapsed) returning last) \
     insert into audit_events ",
    event_columns!(),
    " select p.last - $1 + e.number, e.id, e.at, e.request_id, e.principal, e.token_id, e.scope, e.organization_id, \
     e.project_id, e.operation, cast(e.object_ids as uuid[]), e.outcome, e.address \
     from position p cross join unnest($5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) with ordinality \
     as e (id, at, request_id, principal, token_id, scope, organization_id, project_id, operation, object_ids, outcome, \
     address, number)"
);

/// Tokens, then rows in the order of their scopes, whose stamps they change: an order that all processes share.
const ADD: &str = concat!(
    "with ",
    holding_tokens!("select distinct id from unnest($1) as t (id) order by id"),
    ", added as (insert into credentials ",
    new_credential_columns!(),
    " select n.id, n.scope_id, n.server, n.kind, n.username, n.email, n.image_prefix, n.expires_at, n.enabled, \
     n.version, n.revision, n.sealed, n.fingerprint, n.created_at, n.updated_at, n.rotated_at, n.identity, n.ca_certificates \
     from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) as n (token_id, \
     id, scope_id, server, kind, username, email, image_prefix, expires_at, enabled, version, revision, sealed, \
     fingerprint, created_at, updated_at, rotated_at, identity, ca_certificates) join held on held.id = n.token_id \
     join scopes s on s.id = n.scope_id order by n.scope_id, n.server \
     on conflict do nothing returning id) \
     select id from added"
);

/// The rows are locked in their order first: an update takes them as it meets them.
const MARK: &str = "with held as (select c.id, used.at from credentials c \
     join unnest($1, $2, $3) as used (id, at, before) on used.id = c.id \
     where c.last_used_at is null or c.last_used_at < used.before order by c.id for no key update of c) \
     update credentials set last_used_at = held.at from held where credentials.id = held.id";

pub(super) fn lapsed(premises: &[Premise]) -> Statement<Postgres> {
    bind_premises(sql(LAPSED), premises)
}

pub(super) fn record(guard: Option<&Guard>, events: &[&AuditEvent]) -> Statement<Postgres> {
    let premises = match guard {
        Some(Guard::Premises(premises)) => premises.as_slice(),
        Some(Guard::Moment { .. }) | None => &[],
    };
    let count = i64::try_from(events.len()).expect("events are held in memory");
    bind_premises(sql(RECORD).bind(count), premises)
        .bind(column(events, |event| event.id.as_uuid()))
        .bind(column(events, |event| event.at))
        .bind(column(events, |event| event.request_id.as_uuid()))
        .bind(column(events, |event| event.principal.to_string()))
        .bind(column(events, |event| event.token_id.map(|id| id.as_uuid())))
        .bind(column(events, |event| event.scope.to_string()))
        .bind(column(events, |event| event.organization_id.map(|id| id.as_uuid())))
        .bind(column(events, |event| event.project_id.map(|id| id.as_uuid())))
        .bind(column(events, |event| event.operation.name()))
        .bind(column(events, |event| array(&event.objects)))
        .bind(column(events, |event| event.outcome.name()))
        .bind(column(events, |event| event.address.map(|address| address.to_string())))
}

pub(super) fn add(new: &[NewSealedCredential<'_>]) -> Statement<Postgres> {
    let text = |value: fn(&Credential) -> Option<String>| column(new, |new| value(new.credential));
    sql(ADD)
        .bind(column(new, |new| new.token.as_uuid()))
        .bind(column(new, |new| new.credential.id.as_uuid()))
        .bind(column(new, |new| new.scope.as_uuid()))
        .bind(text(|credential| Some(credential.server.to_string())))
        .bind(text(|credential| Some(credential.kind.to_string())))
        .bind(text(|credential| credential.username.as_ref().map(ToString::to_string)))
        .bind(text(|credential| credential.email.as_ref().map(ToString::to_string)))
        .bind(text(|credential| credential.image_prefix.as_ref().map(ToString::to_string)))
        .bind(column(new, |new| new.credential.expires_at))
        .bind(column(new, |new| new.credential.enabled))
        .bind(column(new, |new| i64::from(new.credential.version)))
        .bind(column(new, |new| i64::from(new.credential.revision)))
        .bind(column(new, |new| new.password.0.as_bytes().to_vec()))
        .bind(column(new, |new| new.password.1.to_vec()))
        .bind(column(new, |new| new.credential.created_at))
        .bind(column(new, |new| new.credential.updated_at))
        .bind(column(new, |new| new.credential.rotated_at))
        .bind(text(|credential| credential.identity.as_ref().map(Identity::to_text)))
        .bind(text(|credential| credential.ca_certificates.as_ref().map(ToString::to_string)))
}

pub(super) fn mark(uses: &[(CredentialId, Timestamp)]) -> Statement<Postgres> {
    sql(MARK)
        .bind(column(uses, |(id, _)| id.as_uuid()))
        .bind(column(uses, |(_, at)| *at))
        .bind(column(uses, |(_, at)| at.minus_minutes(LAST_USED_STEP_MINUTES)))
}

fn bind_premises(statement: Statement<Postgres>, premises: &[Premise]) -> Statement<Postgres> {
    statement
        .bind(column(premises, |premise| premise.subject))
        .bind(column(premises, |premise| premise.stamp.0))
        .bind(column(premises, |premise| premise.until))
}

fn column<R, T>(rows: &[R], value: impl Fn(&R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// An array as a text (PostgreSQL's manual, 8.15.2), since arrays of arrays have the same length throughout.
fn array(ids: &[Uuid]) -> String {
    listed(ids, ["{", "", "}"])
}
