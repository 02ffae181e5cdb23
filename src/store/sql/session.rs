//! A connection in use: to ask questions on, or with a change under way.
//!
//! regcred begins and ends its transactions itself. sqlx's own `begin` can lose track of one when its future is dropped
//! at the wrong moment (launchbadge/sqlx#4385), and the connection then goes back to the pool inside a transaction that
//! nobody will ever commit. Here a connection returns to its pool only when its transaction is known to have ended.

use super::{
    PATIENCE,
    dialect::Dialect,
    line::{self, Fault, Line},
};
use crate::store::StoreError;
use sqlx::pool::PoolConnection;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout},
};

pub(super) struct Session<DB: Dialect> {
    /// There until the session ends.
    connection: Option<PoolConnection<DB>>,
    /// The turn to write; none while only asking.
    turn: Option<OwnedSemaphorePermit>,
    /// Whether a transaction was begun that has not ended.
    open: bool,
    /// Whether the next transaction may meet another connection.
    pooled: bool,
    fault: Option<Fault>,
    /// Whether this transaction has the lock of all changes to keys.
    pub(super) keys_locked: bool,
    /// The whole session is over by then: a database that went silent holds up nobody for longer.
    deadline: Instant,
}

impl<DB: Dialect> Session<DB> {
    /// A session that only asks, each question for itself.
    pub(super) fn read(connection: PoolConnection<DB>, deadline: Instant) -> Self {
        Self {
            connection: Some(connection),
            turn: None,
            open: false,
            pooled: false,
            fault: None,
            keys_locked: false,
            deadline,
        }
    }

    /// A session that only asks, all in one transaction, behind a pooler.
    pub(super) async fn read_in_transaction(
        connection: PoolConnection<DB>,
        deadline: Instant,
    ) -> Result<Self, StoreError> {
        let mut session = Self::read(connection, deadline);
        (session.open, session.pooled) = (true, true);
        line::run(&mut session, DB::BEGIN_READING).await?;
        Ok(session)
    }

    /// A session that changes something: begins the transaction in one of the dialect's ways.
    pub(super) async fn write(
        connection: PoolConnection<DB>,
        turn: OwnedSemaphorePermit,
        deadline: Instant,
        pooled: bool,
        begin: &'static str,
    ) -> Result<Self, StoreError> {
        let mut session = Self::read(connection, deadline);
        session.pooled = pooled;
        (session.open, session.turn) = (true, Some(turn));
        line::run(&mut session, begin).await?;
        Ok(session)
    }

    /// Ends the transaction for good.
    pub(super) async fn finish(mut self) -> Result<(), StoreError> {
        line::commit(&mut self).await?;
        // Only now is the connection known to be clean, so that nothing is rolled back on drop.
        self.open = false;
        Ok(())
    }
}

impl<DB: Dialect> Line<DB> for Session<DB> {
    fn parts(&mut self) -> (&mut DB::Connection, Instant) {
        let connection = self.connection.as_mut().expect("it is taken only when the session is dropped");
        (connection, self.deadline)
    }

    fn is_pooled(&self) -> bool {
        self.pooled
    }

    fn fault(&mut self) -> &mut Option<Fault> {
        // Questions that are asked each for itself do not spoil one another.
        if !self.open && self.fault == Some(Fault::Statement) {
            self.fault = None;
        }
        &mut self.fault
    }
}

impl<DB: Dialect> Drop for Session<DB> {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        if self.fault == Some(Fault::Connection) {
            // Closed, it takes its transaction with it.
            drop(connection.detach());
            return;
        }
        if !self.open {
            return;
        }
        let turn = self.turn.take();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            drop(connection.detach());
            return;
        };
        runtime.spawn(async move {
            // Some failures (a full disk) have ended the transaction already. Others leave it unknown: close.
            if !matches!(timeout(PATIENCE, DB::run(&mut connection, "rollback")).await, Ok(Ok(()))) {
                tracing::debug!("a connection is closed instead of rolled back");
                drop(connection.detach());
            }
            drop(turn);
        });
    }
}
