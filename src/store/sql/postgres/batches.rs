//! Statements over many rows of values at once, as PostgreSQL takes them: an array for each column, however long.

use crate::{
    domain::{audit::AuditEvent, credential::LAST_USED_STEP_MINUTES, id::CredentialId, timestamp::Timestamp},
    store::{
        Premise,
        sql::{
            audit::{Guard, event_columns},
            dialect::{Statement, sql},
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

const LAPSED: &str = lapsed!("p.subject as id, p.stamp, p.until", "$1, $2, $3");

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
        .bind(column(events, |event| event.principal.clone()))
        .bind(column(events, |event| event.token_id.map(|id| id.as_uuid())))
        .bind(column(events, |event| event.scope.to_string()))
        .bind(column(events, |event| event.organization_id.map(|id| id.as_uuid())))
        .bind(column(events, |event| event.project_id.map(|id| id.as_uuid())))
        .bind(column(events, |event| event.operation.name()))
        .bind(column(events, |event| array(&event.objects)))
        .bind(column(events, |event| event.outcome.name()))
        .bind(column(events, |event| event.address.map(|address| address.to_string())))
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
    let ids: Vec<_> = ids.iter().map(Uuid::to_string).collect();
    format!("{{{}}}", ids.join(","))
}
