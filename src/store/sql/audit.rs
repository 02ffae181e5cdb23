//! The audit log's table: how events get into it.

use super::{
    columns::objects,
    dialect::{Dialect, refused, sql, unavailable},
};
use crate::{
    domain::{
        audit::{AuditEvent, Outcome},
        permission::Action,
        timestamp::Timestamp,
    },
    store::{AuditLog, StoreError},
};
use async_trait::async_trait;
use sqlx::Connection;
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// How exact a credential's `last_used_at` is: one write a minute, however often it is handed out.
const LAST_USED_STEP_MICROSECONDS: i64 = 60_000_000;

pub(super) async fn insert<DB: Dialect>(connection: &mut DB::Connection, event: &AuditEvent) -> Result<(), StoreError> {
    sql::<DB>(
        "insert into audit_events (id, at, request_id, principal, token_id, scope, organization_id, project_id, operation, \
         object_ids, outcome, address) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(event.id.as_uuid())
    .bind(event.at)
    .bind(event.request_id.as_uuid())
    .bind(event.principal.clone())
    .bind(event.token_id.map(|id| id.as_uuid()))
    .bind(event.scope.to_string())
    .bind(event.organization_id.map(|id| id.as_uuid()))
    .bind(event.project_id.map(|id| id.as_uuid()))
    .bind(event.operation.name().to_owned())
    .bind(objects(&event.objects))
    .bind(event.outcome.name().to_owned())
    .bind(event.address.map(|address| address.to_string()))
    .execute(connection)
    .await?;
    Ok(())
}

/// The log on a connection of its own, which no pool knows. After any failure the connection is given up.
pub(super) struct SqlAuditLog<DB: Dialect> {
    options: Arc<<DB::Connection as Connection>::Options>,
    turn: Arc<Semaphore>,
    connection: Option<DB::Connection>,
}

impl<DB: Dialect> SqlAuditLog<DB> {
    pub(super) fn new(options: Arc<<DB::Connection as Connection>::Options>, turn: Arc<Semaphore>) -> Self {
        Self { options, turn, connection: None }
    }
}

#[async_trait]
impl<DB: Dialect> AuditLog for SqlAuditLog<DB> {
    async fn append(&mut self, events: &[AuditEvent]) -> Result<(), StoreError> {
        let _turn = self.turn.acquire().await.map_err(|closed| StoreError::Unavailable(closed.into()))?;
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => DB::connect(&self.options).await.map_err(unavailable)?,
        };
        append::<DB>(&mut connection, events).await?;
        self.connection = Some(connection);
        Ok(())
    }
}

async fn append<DB: Dialect>(connection: &mut DB::Connection, events: &[AuditEvent]) -> Result<(), StoreError> {
    DB::execute(connection, sqlx::query(DB::BEGIN)).await.map_err(refused::<DB>)?;
    for event in events {
        insert::<DB>(connection, event).await?;
    }
    for (credential, at) in last_uses(events) {
        let step = Timestamp::from_microseconds(at.microseconds() - LAST_USED_STEP_MICROSECONDS);
        sql::<DB>(
            "update credentials set last_used_at = $2 where id = $1 and (last_used_at is null or last_used_at < $3)",
        )
        .bind(credential)
        .bind(at)
        .bind(step)
        .execute(connection)
        .await?;
    }
    DB::execute(connection, sqlx::query("commit")).await.map_err(refused::<DB>)?;
    Ok(())
}

/// When each credential was handed out last, in an order that all writers share.
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
