//! A connection in use: to ask questions on, or with a change under way.
//!
//! regcred begins and ends its transactions itself. sqlx's own `begin` can lose track of one when its future is dropped
//! at the wrong moment (launchbadge/sqlx#4385), and the connection then goes back to the pool inside a transaction that
//! nobody will ever commit. Here a connection returns to its pool only when its transaction is known to have ended.

use super::dialect::{Dialect, refused, sql};
use crate::store::StoreError;
use sqlx::pool::PoolConnection;
use tokio::sync::OwnedSemaphorePermit;

pub(super) struct Session<DB: Dialect> {
    /// There until the session ends.
    connection: Option<PoolConnection<DB>>,
    /// The turn to write; none while only asking.
    turn: Option<OwnedSemaphorePermit>,
}

impl<DB: Dialect> Session<DB> {
    /// A session that only asks.
    pub(super) fn read(connection: PoolConnection<DB>) -> Self {
        Self { connection: Some(connection), turn: None }
    }

    /// A session that changes something: begins the transaction.
    pub(super) async fn write(connection: PoolConnection<DB>, turn: OwnedSemaphorePermit) -> Result<Self, StoreError> {
        let mut session = Self { connection: Some(connection), turn: Some(turn) };
        sql::<DB>(DB::BEGIN).execute(session.connection()).await?;
        Ok(session)
    }

    pub(super) fn connection(&mut self) -> &mut DB::Connection {
        self.connection.as_mut().expect("it is taken only by the functions that end the session")
    }

    /// Ends the transaction for good.
    pub(super) async fn finish(mut self) -> Result<(), StoreError> {
        sql::<DB>("commit").execute(self.connection()).await?;
        // Only now is the connection known to be clean: forget the turn, so that nothing is rolled back on drop.
        self.turn = None;
        Ok(())
    }
}

impl<DB: Dialect> Drop for Session<DB> {
    fn drop(&mut self) {
        let (Some(mut connection), Some(turn)) = (self.connection.take(), self.turn.take()) else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            drop(connection.detach());
            return;
        };
        runtime.spawn(async move {
            let rolled_back = DB::execute(&mut connection, sqlx::query("rollback")).await;
            if let Err(error) = rolled_back {
                // Some failures (a full disk) have ended the transaction already. Others leave it unknown: close.
                tracing::debug!(error = %refused::<DB>(error), "a connection is closed instead of rolled back");
                drop(connection.detach());
            }
            drop(turn);
        });
    }
}
