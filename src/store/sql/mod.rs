//! The store on SQL databases: the only place that names sqlx.
//!
//! Every statement is written once, as a `&'static str` in the subset that all supported databases speak, beside the
//! code that runs it. Whatever differs between them is behind [`dialect::Dialect`]. What comes back is a row type of `rows`,
//! which becomes a domain type or says which row is unreadable.

mod audit;
mod columns;
mod dialect;
mod queries;
mod rows;
mod session;
mod sqlite;
mod tx;

use super::{AuditLog, Queries, Store, StoreError, Tx};
use async_trait::async_trait;
use dialect::{Dialect, unavailable};
use session::Session;
use sqlx::{Pool, Sqlite};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::Semaphore, time::timeout};

/// How long a caller waits for a connection, for a turn to write, or for another process to let go.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why a database could not be opened. The message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("another regcred process is using the database {0}; stop it first, or give this one another --data-dir")]
    InUse(PathBuf),
    /// The file system said no.
    #[error("cannot use {path}; check that it exists and that this user may write there")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// It is something else.
    #[error(
        "{0} is not a database of regcred's, and is left as it is; choose another folder with --data-dir, or another file \
         with --database-url"
    )]
    Foreign(PathBuf),
    /// The database library is one with a known fault.
    #[error("SQLite {0} can corrupt a database that is written by two connections; 3.51.3 or newer is needed")]
    Version(String),
    /// The database said no.
    #[error("cannot open the database")]
    Database(#[from] sqlx::Error),
    /// Its tables are not those of this program.
    #[error(
        "the database's tables do not fit this version of regcred; run the version that last used it, or a newer one"
    )]
    Migration(#[from] sqlx::migrate::MigrateError),
}

/// Opens the embedded database, makes it if it is not there, and brings its tables up to date.
///
/// # Errors
/// Another process has it, or the file system or the database said no.
pub async fn open_sqlite(file: &Path) -> Result<Arc<dyn Store>, OpenError> {
    let parts = sqlite::open(file).await?;
    Ok(Arc::new(SqlStore::<Sqlite> {
        readers: parts.readers,
        writers: parts.writers,
        turn: Arc::new(Semaphore::new(1)),
        options: Arc::new(parts.options),
        _lock: parts.lock,
    }))
}

/// A [`Store`] on one kind of database.
struct SqlStore<DB: Dialect> {
    readers: Pool<DB>,
    writers: Pool<DB>,
    /// Hands out the turns to write, first come, first served: as many at once as the database can have.
    turn: Arc<Semaphore>,
    options: Arc<<DB::Connection as sqlx::Connection>::Options>,
    /// Held for as long as the database may be used.
    _lock: std::fs::File,
}

#[async_trait]
impl<DB: Dialect> Store for SqlStore<DB> {
    async fn read(&self) -> Result<Box<dyn Queries>, StoreError> {
        Ok(Box::new(Session::read(self.readers.acquire().await.map_err(unavailable)?)))
    }

    async fn begin(&self) -> Result<Box<dyn Tx>, StoreError> {
        let turn = timeout(PATIENCE, Arc::clone(&self.turn).acquire_owned()).await;
        let turn = turn.map_err(|late| StoreError::Unavailable(late.into()))?;
        let turn = turn.map_err(|closed| StoreError::Unavailable(closed.into()))?;
        let connection = self.writers.acquire().await.map_err(unavailable)?;
        Ok(Box::new(Session::<DB>::write(connection, turn).await?))
    }

    fn audit_log(&self) -> Box<dyn AuditLog> {
        Box::new(audit::SqlAuditLog::<DB>::new(Arc::clone(&self.options), Arc::clone(&self.turn)))
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writers.close().await;
    }
}
