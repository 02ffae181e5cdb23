//! A connection that one task has for itself and no pool knows. After any failure it is given up, and the next use makes a new
//! one.

use super::{
    dialect::Dialect,
    line::{Fault, Line, in_time, store_error},
};
use crate::store::StoreError;
use sqlx::Connection;
use std::sync::Arc;
use tokio::time::Instant;

pub(super) struct OwnConnection<DB: Dialect> {
    options: Arc<<DB::Connection as Connection>::Options>,
    pooled: bool,
    connection: Option<DB::Connection>,
    closed: bool,
}

impl<DB: Dialect> OwnConnection<DB> {
    pub(super) fn new(options: Arc<<DB::Connection as Connection>::Options>, pooled: bool) -> Self {
        Self { options, pooled, connection: None, closed: false }
    }

    /// Takes the connection in use.
    pub(super) async fn line(&mut self, deadline: Instant) -> Result<OwnLine<DB>, StoreError> {
        if self.closed {
            return Err(store_error::<DB>(&sqlx::Error::PoolClosed));
        }
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => in_time(deadline, self.connect()).await.map_err(|error| store_error::<DB>(&error))?,
        };
        Ok(OwnLine { connection, deadline, pooled: self.pooled, fault: None })
    }

    async fn connect(&mut self) -> Result<DB::Connection, sqlx::Error> {
        let mut connection = DB::connect(&self.options).await?;
        // Behind a pooler the next one on this connection would find them. There, transactions bring limits of their own.
        if let (Some(limit), false) = (DB::LIMIT, self.pooled) {
            DB::run(&mut connection, limit).await?;
        }
        Ok(connection)
    }

    /// Closes the connection for good: from now on there is none.
    pub(super) fn close(&mut self) {
        (self.connection, self.closed) = (None, true);
    }

    /// Takes the connection back, outside of any transaction.
    pub(super) fn keep(&mut self, line: OwnLine<DB>) {
        self.connection = Some(line.connection);
    }
}

/// The connection in use. Dropped instead of kept, it is closed.
pub(super) struct OwnLine<DB: Dialect> {
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
