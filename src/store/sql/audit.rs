//! The audit log's table: how events get into it.

use super::{
    PATIENCE,
    columns::Ids,
    dialect::{Dialect, Statement, sql},
    line::{self, Line},
    many,
    own::{OwnConnection, OwnLine},
    premises::{self, Lapsed, Proofs},
    turn,
};
use crate::{
    domain::{audit::AuditEvent, timestamp::Timestamp},
    store::{AuditLog, ConditionalEvent, Corrupt, StoreError},
};
use async_trait::async_trait;
use std::sync::Arc;
use tokio::{sync::Semaphore, time::Instant};

/// The columns of an event, in the order in which [`bind_event`] gives them.
macro_rules! event_columns {
    () => {
        "(sequence, id, at, request_id, principal, token_id, scope, organization_id, project_id, operation, object_ids, \
         outcome, address)"
    };
}
pub(super) use event_columns;

/// The same of rows of values, whose first one is counted back from the last number that was taken, `p.last`.
macro_rules! event_values {
    () => {
        "p.last + column1, column2, column3, column4, column5, column6, column7, column8, column9, column10, column11, \
         column12, column13"
    };
}
pub(super) use event_values;

/// What must still be so in the moment in which events are written.
#[derive(Clone, Copy)]
pub(super) struct Guard {
    /// The version of the moment when their premises were proved.
    version: i64,
    /// The first end of one of them.
    until: Option<Timestamp>,
}

/// Writes events as the last thing of a transaction, or as one by itself if they are [`many::MOST`] at most. Their numbers are taken
/// from a row that stays taken until the commit, so that they stand in the order of commits, whichever process writes. Only a
/// database that tells moments knows guards; `false` if one let nothing through, and nothing is written.
pub(super) async fn record<DB: Dialect>(
    line: &mut impl Line<DB>,
    guard: Option<Guard>,
    events: &[&AuditEvent],
) -> Result<bool, StoreError> {
    for events in events.chunks(many::MOST) {
        let (rows, text) = DB::RECORD.at_least(events.len());
        let count = i64::try_from(events.len()).expect("events are held in memory");
        let numbered = (1 - count..).zip(events).map(|(number, event)| Some((number, *event)));
        let padded = numbered.chain(std::iter::repeat(None)).take(rows);
        let statement = sql::<DB>(text)
            .bind(count)
            .bind(guard.map(|guard| guard.version))
            .bind(guard.and_then(|guard| guard.until));
        let written = padded.fold(statement, bind_event).execute(line).await?;
        if written != events.len() as u64 {
            let nothing = written == 0 && guard.is_some();
            return if nothing { Ok(false) } else { Err(Corrupt::sealed("audit_position", "last", &"1").into()) };
        }
    }
    Ok(true)
}

/// Gives the next thirteen `$n` what an event says, from its number, counted back from the last one's, to its address. A row
/// without a number says nothing.
pub(super) fn bind_event<DB: Dialect>(statement: Statement<DB>, numbered: Option<(i64, &AuditEvent)>) -> Statement<DB> {
    let event = numbered.map(|(_, event)| event);
    statement
        .bind(numbered.map(|(number, _)| number))
        .bind(event.map(|event| event.id.as_uuid()))
        .bind(event.map(|event| event.at))
        .bind(event.map(|event| event.request_id.as_uuid()))
        .bind(event.map(|event| event.principal.clone()))
        .bind(event.and_then(|event| event.token_id).map(|id| id.as_uuid()))
        .bind(event.map(|event| event.scope.to_string()))
        .bind(event.and_then(|event| event.organization_id).map(|id| id.as_uuid()))
        .bind(event.and_then(|event| event.project_id).map(|id| id.as_uuid()))
        .bind(event.map(|event| event.operation.name().to_owned()))
        .bind(event.map(|event| Ids(event.objects.clone())))
        .bind(event.map(|event| event.outcome.name().to_owned()))
        .bind(event.and_then(|event| event.address).map(|address| address.to_string()))
}

/// The log on a connection of its own.
pub(super) struct SqlAuditLog<DB: Dialect> {
    connection: OwnConnection<DB>,
    turn: Arc<Semaphore>,
    proofs: Proofs,
}

impl<DB: Dialect> SqlAuditLog<DB> {
    pub(super) fn new(connection: OwnConnection<DB>, turn: Arc<Semaphore>) -> Self {
        Self { connection, turn, proofs: Proofs::new() }
    }
}

impl<DB: Dialect> SqlAuditLog<DB> {
    /// Writes in one message what rests on what was proved before, if that is still so when it is written. None, and nothing is
    /// written, if it is not, or if that cannot be done here.
    async fn append_at_once(
        &mut self,
        line: &mut OwnLine<DB>,
        events: &[ConditionalEvent],
    ) -> Result<Option<Vec<bool>>, StoreError> {
        let guarded = DB::MOMENT.is_some();
        if line.is_pooled() || events.len() > many::MOST || (guarded && self.proofs.version().is_none()) {
            return Ok(None);
        }
        let unproved = self.proofs.unproved(events.iter().flat_map(|event| &event.premises));
        let lapsed = self.proofs.prove::<DB>(line, unproved).await?;
        let (holds, holding) = holding(events, &lapsed);
        let until = holding.iter().flat_map(|event| &event.premises).filter_map(|premise| premise.until).min();
        let guard = self.proofs.version().map(|version| Guard { version, until });
        let holding: Vec<_> = holding.iter().map(|entry| &entry.event).collect();
        let _turn = turn(&self.turn, line.parts().1).await?;
        let written = record::<DB>(line, guard, &holding).await?;
        Ok(written.then_some(holds))
    }

    /// Proves everything anew and writes what holds, with nobody's change in between where one writes at a time.
    async fn append_in_transaction(
        &mut self,
        line: &mut OwnLine<DB>,
        events: &[ConditionalEvent],
    ) -> Result<Vec<bool>, StoreError> {
        let _turn = turn(&self.turn, line.parts().1).await?;
        line::begin(line, DB::BEGIN).await?;
        let moment = premises::moment::<DB>(line).await?;
        self.proofs.stand_at(moment.as_ref());
        let all = events.iter().flat_map(|event| event.premises.iter().copied()).collect();
        let lapsed = self.proofs.prove::<DB>(line, all).await?;
        let (holds, holding) = holding(events, &lapsed);
        let holding: Vec<_> = holding.iter().map(|entry| &entry.event).collect();
        record::<DB>(line, None, &holding).await?;
        line::commit(line).await?;
        Ok(holds)
    }
}

/// Of each event whether its premises hold, and those of which they do.
fn holding<'a>(events: &'a [ConditionalEvent], lapsed: &Lapsed) -> (Vec<bool>, Vec<&'a ConditionalEvent>) {
    let holds: Vec<_> = events.iter().map(|event| lapsed.spares(&event.premises)).collect();
    let holding = events.iter().zip(&holds).filter(|(_, holds)| **holds).map(|(event, _)| event).collect();
    (holds, holding)
}

#[async_trait]
impl<DB: Dialect> AuditLog for SqlAuditLog<DB> {
    async fn append(&mut self, events: &[ConditionalEvent]) -> Result<Vec<bool>, StoreError> {
        let mut line = self.connection.line(Instant::now() + PATIENCE).await?;
        let held = match self.append_at_once(&mut line, events).await? {
            Some(held) => held,
            None => self.append_in_transaction(&mut line, events).await?,
        };
        self.connection.keep(line);
        Ok(held)
    }
}
