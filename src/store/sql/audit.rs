//! The audit log's table: how events get into it.

use super::{
    MOST_ROWS, PATIENCE,
    columns::{Ids, Text},
    dialect::{Dialect, Statement},
    line::{self, Line},
    own::{OwnConnection, OwnLine},
    premises::{Lapsed, Proofs, Version},
    turn,
};
use crate::{
    domain::{audit::AuditEvent, timestamp::Timestamp},
    store::{AuditLog, ConditionalEvent, Corrupt, Premise, StoreError},
};
use async_trait::async_trait;
use std::{collections::HashSet, sync::Arc};
use tokio::{sync::Semaphore, time::Instant};

/// The columns of an event, in the order in which [`bind_event`] gives them.
macro_rules! event_columns {
    () => {
        "(sequence, id, at, request_id, principal, token_id, scope, organization_id, project_id, operation, object_ids, \
         outcome, address)"
    };
}
pub(super) use event_columns;

/// What must still be so in the moment in which events are written.
pub(super) enum Guard {
    /// For a database that looks at the moment: it is still the one when their premises were proved, and none of these has ended.
    Moment {
        /// The moment's.
        version: Version,
        /// The first end of a premise.
        until: Option<Timestamp>,
    },
    /// For one that does not: all of these hold.
    Premises(Vec<Premise>),
}

/// Writes events as the last thing of a transaction, or as one by itself if they are [`MOST_ROWS`] at most. Their numbers are taken from
/// a row that stays taken until the commit, so that they stand in the order of commits, whichever process writes. `false` if the
/// guard let nothing through, and nothing is written.
pub(super) async fn record<DB: Dialect>(
    line: &mut impl Line<DB>,
    guard: Option<&Guard>,
    events: &[&AuditEvent],
) -> Result<bool, StoreError> {
    for events in events.chunks(MOST_ROWS) {
        let written = DB::record(guard, events).execute(line).await?;
        if written != events.len() as u64 {
            let nothing = written == 0 && guard.is_some();
            return if nothing { Ok(false) } else { Err(Corrupt::sealed("audit_position", "last", &"1").into()) };
        }
    }
    Ok(true)
}

/// Gives the next thirteen `?` or `$n` what an event says, behind a number that is none if there is no event.
pub(super) fn bind_event<DB: Dialect>(statement: Statement<DB>, event: Option<&AuditEvent>) -> Statement<DB> {
    statement
        .bind(event.map(|_| 1_i64))
        .bind(event.map(|event| event.id.as_uuid()))
        .bind(event.map(|event| event.at))
        .bind(event.map(|event| event.request_id.as_uuid()))
        .bind(event.map(|event| Text(Arc::clone(&event.principal))))
        .bind(event.and_then(|event| event.token_id).map(|id| id.as_uuid()))
        .bind(event.map(|event| event.scope.to_string()))
        .bind(event.and_then(|event| event.organization_id).map(|id| id.as_uuid()))
        .bind(event.and_then(|event| event.project_id).map(|id| id.as_uuid()))
        .bind(event.map(|event| Text::from(event.operation.name())))
        .bind(event.map(|event| Ids(Arc::clone(&event.objects))))
        .bind(event.map(|event| Text::from(event.outcome.name())))
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

    /// Writes in one message what rests on what was proved before, or is proved with it, if that is so when it is written. None, and
    /// nothing is written, if it is not, or if that cannot be done here.
    async fn append_at_once(
        &mut self,
        line: &mut OwnLine<DB>,
        events: &[ConditionalEvent],
    ) -> Result<Option<Vec<bool>>, StoreError> {
        if line.is_pooled() || events.len() > MOST_ROWS {
            return Ok(None);
        }
        if !DB::GUARDED_BY_MOMENT {
            return self.append_proving(line, events).await;
        }
        let Some(version) = self.proofs.version() else { return Ok(None) };
        let premises = events.iter().flat_map(|event| &event.premises);
        let unproved = self.proofs.unproved(premises.clone());
        let until = premises.filter_map(|premise| premise.until).min();
        let lapsed = self.proofs.prove::<DB>(line, unproved).await?;
        let (holds, holding) = holding(events, &lapsed);
        let _turn = turn(&self.turn, line.parts().1).await?;
        let written = record::<DB>(line, Some(&Guard::Moment { version, until }), &holding).await?;
        Ok(written.then_some(holds))
    }

    /// Writes what rests on premises that are proved by the same statement: first all, and if one has lapsed, those which do not rest on
    /// it.
    async fn append_proving(
        &mut self,
        line: &mut OwnLine<DB>,
        events: &[ConditionalEvent],
    ) -> Result<Option<Vec<bool>>, StoreError> {
        let mut lapsed = Lapsed::none();
        for _ in 0..2 {
            let (holds, holding) = holding(events, &lapsed);
            let held = events.iter().zip(&holds).filter(|(_, holds)| **holds).flat_map(|(entry, _)| &entry.premises);
            let premises: HashSet<_> = held.copied().collect();
            let guard = Guard::Premises(premises.iter().copied().collect());
            let _turn = turn(&self.turn, line.parts().1).await?;
            if record::<DB>(line, Some(&guard), &holding).await? {
                return Ok(Some(holds));
            }
            lapsed = self.proofs.prove::<DB>(line, premises).await?;
        }
        Ok(None)
    }

    /// Proves everything anew and writes what holds, with nobody's change in between where one writes at a time.
    async fn append_in_transaction(
        &mut self,
        line: &mut OwnLine<DB>,
        events: &[ConditionalEvent],
    ) -> Result<Vec<bool>, StoreError> {
        let _turn = turn(&self.turn, line.parts().1).await?;
        line::run(line, DB::BEGIN).await?;
        if DB::GUARDED_BY_MOMENT {
            // For those, too, that rest on nothing: the next ones are written at once.
            self.proofs.look::<DB>(line).await?;
        }
        let all = events.iter().flat_map(|event| event.premises.iter().copied()).collect();
        let lapsed = self.proofs.prove::<DB>(line, all).await?;
        let (holds, holding) = holding(events, &lapsed);
        record::<DB>(line, None, &holding).await?;
        line::commit(line).await?;
        Ok(holds)
    }
}

/// Of each event whether its premises hold, and those of which they do.
fn holding<'a>(events: &'a [ConditionalEvent], lapsed: &Lapsed) -> (Vec<bool>, Vec<&'a AuditEvent>) {
    let holds: Vec<_> = events.iter().map(|event| lapsed.spares(&event.premises)).collect();
    let holding = events.iter().zip(&holds).filter(|(_, holds)| **holds).map(|(entry, _)| &entry.event).collect();
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
