//! The audit log's table: how events get into it.

use super::{
    PATIENCE,
    columns::Ids,
    dialect::{Dialect, sql},
    line::{self, Fault, Line, in_time, store_error},
    rows::CountRow,
    turn,
};
use crate::{
    domain::{
        audit::{AuditEvent, Outcome},
        permission::Action,
        timestamp::Timestamp,
    },
    store::{AuditLog, Corrupt, StoreError},
};
use async_trait::async_trait;
use sqlx::Connection;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{sync::Semaphore, time::Instant};
use uuid::Uuid;

/// How exact a credential's `last_used_at` is: one write a minute, however often it is handed out.
const LAST_USED_STEP_MICROSECONDS: i64 = 60_000_000;
/// How long marking may keep the next batch waiting.
const MARKING: Duration = Duration::from_millis(500);
/// How many credentials the log remembers to have marked.
const MARKED: usize = 10_000;

/// Writes events as the last thing of a transaction. Their numbers are taken from a row that stays taken until the commit, so
/// that they stand in the order of commits, whichever process writes.
pub(super) async fn insert<DB: Dialect>(line: &mut impl Line<DB>, events: &[AuditEvent]) -> Result<(), StoreError> {
    let count = i64::try_from(events.len()).expect("events are held in memory");
    let last = sql::<DB>("update audit_position set last = last + $1 where singleton = 1 returning last as count")
        .bind(count)
        .optional::<CountRow>(line)
        .await?;
    let last = last.and_then(|last| i64::try_from(last).ok());
    let last = last.ok_or_else(|| Corrupt::sealed("audit_position", "last", &"1"))?;
    for (event, sequence) in events.iter().zip(last - count + 1..) {
        sql::<DB>(
            "insert into audit_events (sequence, id, at, request_id, principal, token_id, scope, organization_id, \
             project_id, operation, object_ids, outcome, address) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        )
        .bind(sequence)
        .bind(event.id.as_uuid())
        .bind(event.at)
        .bind(event.request_id.as_uuid())
        .bind(event.principal.clone())
        .bind(event.token_id.map(|id| id.as_uuid()))
        .bind(event.scope.to_string())
        .bind(event.organization_id.map(|id| id.as_uuid()))
        .bind(event.project_id.map(|id| id.as_uuid()))
        .bind(event.operation.name().to_owned())
        .bind(Ids(event.objects.clone()))
        .bind(event.outcome.name().to_owned())
        .bind(event.address.map(|address| address.to_string()))
        .execute(line)
        .await?;
    }
    Ok(())
}

/// The log on a connection of its own, which no pool knows. After any failure the connection is given up.
pub(super) struct SqlAuditLog<DB: Dialect> {
    options: Arc<<DB::Connection as Connection>::Options>,
    turn: Arc<Semaphore>,
    connection: Option<DB::Connection>,
    pooled: bool,
    /// When this log last marked credentials as used: most hand-outs need not ask the database again.
    marked: BTreeMap<Uuid, Timestamp>,
}

impl<DB: Dialect> SqlAuditLog<DB> {
    pub(super) fn new(
        options: Arc<<DB::Connection as Connection>::Options>,
        turn: Arc<Semaphore>,
        pooled: bool,
    ) -> Self {
        Self { options, turn, connection: None, pooled, marked: BTreeMap::new() }
    }

    async fn begin(&mut self, deadline: Instant, text: &'static str) -> Result<OwnLine<DB>, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => in_time(deadline, DB::connect(&self.options)).await.map_err(|error| store_error::<DB>(&error))?,
        };
        let mut line = OwnLine { connection, deadline, pooled: self.pooled, fault: None };
        line::begin(&mut line, text).await?;
        Ok(line)
    }

    async fn commit(&mut self, mut line: OwnLine<DB>) -> Result<(), StoreError> {
        line::commit(&mut line).await?;
        self.connection = Some(line.connection);
        Ok(())
    }

    /// Which credentials were handed out, when, and not marked within the minute before.
    fn unmarked(&self, events: &[AuditEvent]) -> BTreeMap<Uuid, Timestamp> {
        let mut uses = last_uses(events);
        uses.retain(|id, at| self.marked.get(id).is_none_or(|marked| step_before(*at) > Some(*marked)));
        uses
    }
}

#[async_trait]
impl<DB: Dialect> AuditLog for SqlAuditLog<DB> {
    async fn append(&mut self, events: &[AuditEvent]) -> Result<(), StoreError> {
        let deadline = Instant::now() + PATIENCE;
        let _turn = turn(&self.turn, deadline).await?;
        let mut line = self.begin(deadline, DB::BEGIN).await?;
        insert::<DB>(&mut line, events).await?;
        self.commit(line).await
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
            if in_time(deadline, DB::run(&mut line.connection, "rollback")).await.is_ok() {
                self.connection = Some(line.connection);
            }
            return Err(error);
        }
        self.commit(line).await?;
        if self.marked.len() + uses.len() > MARKED {
            self.marked.clear();
        }
        self.marked.extend(uses);
        Ok(())
    }
}

async fn mark<DB: Dialect>(line: &mut impl Line<DB>, uses: &BTreeMap<Uuid, Timestamp>) -> Result<(), StoreError> {
    // In the order of identifiers, which all processes share, so that none waits for another in a circle.
    for (credential, at) in uses {
        sql::<DB>(
            "update credentials set last_used_at = $2 where id = $1 and (last_used_at is null or last_used_at < $3)",
        )
        .bind(*credential)
        .bind(*at)
        .bind(step_before(*at))
        .execute(line)
        .await?;
    }
    Ok(())
}

/// The log's connection in use. Dropped before its commit, it is closed.
struct OwnLine<DB: Dialect> {
    connection: DB::Connection,
    deadline: Instant,
    pooled: bool,
    fault: Option<Fault>,
}

impl<DB: Dialect> Line<DB> for OwnLine<DB> {
    fn parts(&mut self) -> (&mut DB::Connection, Instant) {
        (&mut self.connection, self.deadline)
    }

    fn is_pooled(&self) -> bool {
        self.pooled
    }

    fn fault(&mut self) -> &mut Option<Fault> {
        &mut self.fault
    }
}

fn step_before(at: Timestamp) -> Option<Timestamp> {
    Timestamp::from_microseconds(at.microseconds() - LAST_USED_STEP_MICROSECONDS)
}

/// When each credential was handed out last.
fn last_uses(events: &[AuditEvent]) -> BTreeMap<Uuid, Timestamp> {
    let mut uses = BTreeMap::new();
    let hand_outs =
        events.iter().filter(|event| event.operation == Action::PullSecretGet && event.outcome == Outcome::Success);
    for event in hand_outs {
        for id in &event.objects {
            let last = uses.entry(*id).or_insert(event.at);
            *last = event.at.max(*last);
        }
    }
    uses
}
