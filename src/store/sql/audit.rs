//! The audit log's table: how events get into it.

use super::{
    PATIENCE,
    columns::Ids,
    dialect::{Dialect, Statement, sql},
    line::{self, Line},
    many::{self, Texts},
    own::{OwnConnection, OwnLine},
    premises::{self, Lapsed, Proofs},
    rows::RecordedRow,
    turn,
};
use crate::{
    domain::{
        audit::{AuditEvent, Outcome},
        permission::Action,
        timestamp::Timestamp,
    },
    store::{AuditLog, ConditionalEvent, Corrupt, StoreError},
};
use async_trait::async_trait;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{sync::Semaphore, time::Instant};
use uuid::Uuid;

/// How exact a credential's `last_used_at` is: one write a minute, however often it is handed out.
const LAST_USED_STEP_MICROSECONDS: i64 = 60_000_000;
/// How long marking may keep the next batch waiting.
const MARKING: Duration = Duration::from_millis(500);
/// How many credentials the log remembers to have marked, in a few megabytes.
const MARKED: usize = 200_000;

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

/// Writes events as the last thing of a transaction, with one of [`Dialect::RECORD`] and [`Dialect::RECORD_AND_COMMIT`]. Their
/// numbers are taken from a row that stays taken until the commit, so that they stand in the order of commits, whichever process
/// writes. Only a database that tells moments knows guards; `false` if one let nothing through, and nothing is written.
pub(super) async fn record<DB: Dialect>(
    line: &mut impl Line<DB>,
    texts: &'static Texts,
    guard: Option<Guard>,
    events: &[&AuditEvent],
) -> Result<bool, StoreError> {
    let mut written = true;
    for events in events.chunks(many::MOST) {
        let (rows, text) = texts.at_least(events.len());
        let count = i64::try_from(events.len()).expect("events are held in memory");
        let numbered = (1 - count..).zip(events).map(|(number, event)| Some((number, *event)));
        let padded = numbered.chain(std::iter::repeat(None)).take(rows);
        let statement = sql::<DB>(text)
            .bind(count)
            .bind(guard.map(|guard| guard.version))
            .bind(guard.and_then(|guard| guard.until));
        let recorded = padded.fold(statement, bind_event).optional::<RecordedRow>(line).await?;
        written = recorded.ok_or_else(|| Corrupt::sealed("audit_position", "last", &"1"))?;
    }
    Ok(written)
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
    /// When this log last marked credentials as used: most hand-outs need not ask the database again.
    marked: HashMap<Uuid, Timestamp>,
}

impl<DB: Dialect> SqlAuditLog<DB> {
    pub(super) fn new(connection: OwnConnection<DB>, turn: Arc<Semaphore>) -> Self {
        Self { connection, turn, proofs: Proofs::new(), marked: HashMap::new() }
    }

    async fn begin(&mut self, deadline: Instant, text: &'static str) -> Result<OwnLine<DB>, StoreError> {
        let mut line = self.connection.line(deadline).await?;
        line::begin(&mut line, text).await?;
        Ok(line)
    }

    async fn commit(&mut self, mut line: OwnLine<DB>) -> Result<(), StoreError> {
        line::commit(&mut line).await?;
        self.connection.keep(line);
        Ok(())
    }

    /// Which credentials were handed out and not marked within the minute before, and when each of them was last. Mostly there
    /// are none, and nothing is gathered.
    fn unmarked(&self, events: &[AuditEvent]) -> HashMap<Uuid, Timestamp> {
        let mut uses = HashMap::new();
        let hand_outs =
            events.iter().filter(|event| event.operation == Action::PullSecretGet && event.outcome == Outcome::Success);
        for (id, at) in hand_outs.flat_map(|event| event.objects.iter().map(|id| (*id, event.at))) {
            if self.marked.get(&id).is_none_or(|marked| step_before(at) > Some(*marked)) {
                let last = uses.entry(id).or_insert(at);
                *last = at.max(*last);
            }
        }
        uses
    }

    /// Remembers what was marked, and if that is much, nothing that is older than a minute and says nothing any more.
    fn remember(&mut self, uses: HashMap<Uuid, Timestamp>) {
        if self.marked.len() + uses.len() > MARKED {
            let newest = uses.values().max().copied();
            self.marked.retain(|_, marked| newest.and_then(step_before) <= Some(*marked));
        }
        // So many in one minute are marked again rather than looked through each time.
        if self.marked.len() + uses.len() > MARKED {
            self.marked.clear();
        }
        self.marked.extend(uses);
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
        let written = record::<DB>(line, DB::RECORD_AND_COMMIT, guard, &holding).await?;
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
        record::<DB>(line, DB::RECORD, None, &holding).await?;
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

    async fn mark_used(&mut self, events: &[AuditEvent]) -> Result<(), StoreError> {
        let uses = self.unmarked(events);
        if uses.is_empty() {
            return Ok(());
        }
        let deadline = Instant::now() + MARKING;
        let _turn = turn(&self.turn, deadline).await?;
        let mut line = self.begin(deadline, DB::BEGIN_BRIEFLY).await?;
        if let Err(error) = mark::<DB>(&mut line, &uses).await {
            // Somebody is changing one of them. The connection is good for the next batch.
            if line.roll_back().await {
                self.connection.keep(line);
            }
            return Err(error);
        }
        self.commit(line).await?;
        self.remember(uses);
        Ok(())
    }
}

async fn mark<DB: Dialect>(line: &mut impl Line<DB>, uses: &HashMap<Uuid, Timestamp>) -> Result<(), StoreError> {
    // In the order of identifiers: a transaction may take several statements.
    let mut uses: Vec<_> = uses.iter().map(|(id, at)| (*id, *at)).collect();
    uses.sort_unstable();
    for uses in uses.chunks(many::MOST) {
        let (rows, text) = DB::MARK.at_least(uses.len());
        // To mark one twice does no harm, and makes the text a prepared one.
        let padded = uses.iter().chain(std::iter::repeat(&uses[0])).take(rows);
        let statement =
            padded.fold(sql::<DB>(text), |statement, (id, at)| statement.bind(*id).bind(*at).bind(step_before(*at)));
        statement.execute(line).await?;
    }
    Ok(())
}

fn step_before(at: Timestamp) -> Option<Timestamp> {
    Timestamp::from_microseconds(at.microseconds() - LAST_USED_STEP_MICROSECONDS)
}
