//! What statements run on: a connection with a time limit, which remembers whether a statement failed on it.
//!
//! After a failure nothing goes on in its transaction: PostgreSQL would refuse it, and answer a later `commit` with a
//! rollback that looks like success; SQLite would go on and keep half of it.

use super::dialect::{Dialect, Refusal};
use crate::store::StoreError;
use std::{future::Future, io};
use tokio::time::{Instant, timeout_at};

/// What became of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// A statement failed. The connection can be used again once the transaction is rolled back.
    Statement,
    /// The connection broke, or nobody knows what it is doing. It is closed.
    Connection,
}

/// What statements run on.
pub(super) trait Line<DB: Dialect>: Send {
    /// The connection, and until when it may be waited for.
    fn parts(&mut self) -> (&mut DB::Connection, Instant);

    /// Whether the next transaction may meet another connection, on which a prepared statement is not known, or is another one.
    fn is_pooled(&self) -> bool;

    /// What became of it.
    fn fault(&mut self) -> &mut Option<Fault>;

    /// Whether statements still run on it.
    fn check(&mut self) -> Result<(), StoreError> {
        match self.fault() {
            None => Ok(()),
            Some(_) => Err(StoreError::Refused("a statement of this transaction failed before".into())),
        }
    }

    /// Takes note of a failure, and makes it the store's.
    fn failed(&mut self, error: &sqlx::Error) -> StoreError {
        let fault = if is_disconnected::<DB>(error) { Fault::Connection } else { Fault::Statement };
        *self.fault() = Some(fault);
        store_error::<DB>(error)
    }
}

/// Runs what has neither values nor rows, as one of the dialect's ways to begin a transaction.
pub(super) async fn run<DB: Dialect>(line: &mut impl Line<DB>, text: &'static str) -> Result<(), StoreError> {
    let (connection, deadline) = line.parts();
    let ran = in_time(deadline, DB::run(connection, text)).await;
    ran.map_err(|error| line.failed(&error))
}

/// Makes a transaction durable.
pub(super) async fn commit<DB: Dialect>(line: &mut impl Line<DB>) -> Result<(), StoreError> {
    line.check()?;
    let (connection, deadline) = line.parts();
    let Err(error) = in_time(deadline, DB::run(connection, "commit")).await else { return Ok(()) };
    let refusal = line.failed(&error);
    Err(unknown(line, refusal))
}

/// What a failure means if a commit was under way: only an answer to the commit itself says that there was none.
pub(super) fn unknown<DB: Dialect>(line: &mut impl Line<DB>, refusal: StoreError) -> StoreError {
    match (*line.fault(), refusal) {
        (Some(Fault::Connection), StoreError::Unavailable(reason)) => StoreError::OutcomeUnknown(reason),
        (_, refusal) => refusal,
    }
}

/// What the database answers until then; silence is a broken connection.
pub(super) async fn in_time<T>(
    deadline: Instant,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let late = |_| Err(io::Error::new(io::ErrorKind::TimedOut, "the database did not answer in time").into());
    timeout_at(deadline, work).await.unwrap_or_else(late)
}

fn is_disconnected<DB: Dialect>(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(refusal) => DB::meaning(refusal.as_ref()) == Refusal::Disconnected,
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        _ => false,
    }
}

/// The store's word for what sqlx says.
pub(super) fn store_error<DB: Dialect>(error: &sqlx::Error) -> StoreError {
    let reason = reason::<DB>(error).into();
    match error {
        sqlx::Error::Database(refusal) => match DB::meaning(refusal.as_ref()) {
            Refusal::Passing | Refusal::Disconnected => StoreError::Unavailable(reason),
            Refusal::Conflict => StoreError::Conflict(reason),
            Refusal::Defect => StoreError::Refused(reason),
        },
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => StoreError::Unavailable(reason),
        error if is_disconnected::<DB>(error) => StoreError::Unavailable(reason),
        _ => StoreError::Refused(reason),
    }
}

/// What may be logged of an error. Databases and decoders repeat values in their messages, so only what is known not to
/// is taken over.
fn reason<DB: Dialect>(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(refusal) => DB::describe(refusal.as_ref()),
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Tls(error) => format!("TLS: {error}"),
        sqlx::Error::PoolTimedOut => "no connection became free in time".to_owned(),
        sqlx::Error::PoolClosed => "the store is closed".to_owned(),
        sqlx::Error::WorkerCrashed => "the database's thread is gone".to_owned(),
        sqlx::Error::Protocol(_) => "the server broke the protocol".to_owned(),
        sqlx::Error::ColumnDecode { index, .. } => format!("column {index} cannot be read"),
        _ => "the driver refused the statement".to_owned(),
    }
}
