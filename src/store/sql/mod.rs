//! The store on SQL databases: the only place that names sqlx.
//!
//! Every statement is written once, as a `&'static str` in the subset that all supported databases speak, beside the
//! code that runs it. Whatever differs between them is behind [`dialect::Dialect`]. What comes back is a row type of `rows`,
//! which becomes a domain type or says which row is unreadable.

mod adding;
mod audit;
mod checks;
mod columns;
mod copy;
mod dialect;
mod events;
mod filing;
mod line;
mod own;
mod postgres;
mod premises;
mod queries;
mod reading;
mod rows;
mod schema;
mod session;
mod sqlite;
mod tx;
mod usage;

pub use postgres::PostgresSettings;
pub use reading::open_snapshot;

use super::{
    Added, AuditLog, DueChecks, NewSealedCredential, Prover, Queries, Replica, Store, StoreError, Tx, Upkeep,
    tables::{Filling, Snapshot},
};
use crate::domain::{
    check::Check,
    id::{CredentialId, ReplicaId},
    timestamp::Timestamp,
};
use async_trait::async_trait;
use copy::{SqlFilling, SqlSnapshot};
use dialect::{Dialect, sql};
use line::{in_time, store_error};
use own::OwnConnection;
use session::Session;
use sqlx::{Pool, pool::PoolConnection};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

/// How long a caller waits for the database, all in all: for a connection, for a turn to write, for what it is asked.
const PATIENCE: Duration = Duration::from_secs(2);
/// The most rows that one statement takes. SQLite allows 32,766 values; a row here has at most 19.
const MOST_ROWS: usize = 512;

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
    /// There is none.
    #[error("there is no database {0}")]
    Missing(PathBuf),
    /// There is nothing in it.
    #[error("the database holds nothing of regcred's")]
    Empty,
    /// Its tables are those of an older version.
    #[error("the database's tables are those of an older version of regcred; run `regcred migrate` on it first")]
    Outdated,
    /// The database library is one with a known fault.
    #[error("SQLite {0} can corrupt a database that is written by two connections; 3.51.3 or newer is needed")]
    Version(String),
    /// The database said no.
    #[error("the database refused: {0}")]
    Refused(String),
    /// The database cannot be had.
    #[error("cannot open the database")]
    Database(#[source] sqlx::Error),
    /// The server does not answer.
    #[error("the database server did not let regcred in within ten seconds")]
    Silent,
    /// Another process does not come to an end with it.
    #[error(
        "another regcred process has been bringing the database's tables up to date for two minutes; look after that one"
    )]
    Migrating,
    /// A newer program has changed its tables.
    #[error(
        "the database's tables are at version {found}, and this program knows them up to {known}; run the version of \
         regcred that last used it, or a newer one"
    )]
    Newer {
        /// The newest migration that the database has seen.
        found: i64,
        /// The newest one that this program knows.
        known: i64,
    },
    /// Its tables were made by something else.
    #[error(
        "the database's tables do not fit this version of regcred; run the version that last used it, or a newer one"
    )]
    OtherSchema,
    /// Its tables could not be brought up to date.
    #[error("the database's tables cannot be brought up to date")]
    Migration(#[from] sqlx::migrate::MigrateError),
}

/// A process that was not heard of for so long is forgotten.
const FORGOTTEN: Duration = Duration::from_hours(24);

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            // At this time no value of a row is involved; the driver adds where in the server's source it comes from.
            sqlx::Error::Database(refusal) => Self::Refused(refusal.message().to_owned()),
            error => Self::Database(error),
        }
    }
}

/// Which database to use.
#[derive(Debug, Clone)]
pub enum Database {
    /// The embedded one, in this file.
    Sqlite(PathBuf),
    /// One that replicas share.
    Postgres(Box<PostgresSettings>),
}

/// Opens a database, and brings its tables up to date. The embedded one is made if it is not there.
///
/// # Errors
/// Another process has it, or the file system or the database said no, or its tables are not those of this program.
pub async fn open(database: &Database) -> Result<Arc<dyn Store>, OpenError> {
    Ok(match database {
        Database::Sqlite(file) => Arc::new(SqlStore::new(sqlite::open(file).await?)),
        Database::Postgres(settings) => Arc::new(SqlStore::new(postgres::open(settings).await?)),
    })
}

/// An opened database.
struct Parts<DB: Dialect> {
    readers: Pool<DB>,
    writers: Pool<DB>,
    /// How the audit log and the prover make connections of their own.
    options: <DB::Connection as sqlx::Connection>::Options,
    /// How many may write at once.
    turns: usize,
    /// Whether the audit log waits for one of these turns too.
    audit_shares_turns: bool,
    /// Whether each transaction may meet another connection, so that nothing is kept for the next one, and questions, too, must be
    /// asked in a transaction.
    pooled: bool,
    /// Held for as long as the database may be used, if one process has it for itself.
    lock: Option<std::fs::File>,
}

/// A [`Store`] on one kind of database.
struct SqlStore<DB: Dialect> {
    readers: Pool<DB>,
    writers: Pool<DB>,
    /// Hands out the turns to write, first come, first served.
    turns: Arc<Semaphore>,
    audit_turns: Arc<Semaphore>,
    options: Arc<<DB::Connection as sqlx::Connection>::Options>,
    /// Where credentials are added, if that is one message; used by whoever has the turn.
    adder: Mutex<OwnConnection<DB>>,
    pooled: bool,
    lock: Option<std::fs::File>,
}

impl<DB: Dialect> SqlStore<DB> {
    fn new(parts: Parts<DB>) -> Self {
        let Parts { readers, writers, options, turns, audit_shares_turns, pooled, lock } = parts;
        let turns = Arc::new(Semaphore::new(turns));
        let audit_turns = if audit_shares_turns { Arc::clone(&turns) } else { Arc::new(Semaphore::new(1)) };
        let options = Arc::new(options);
        let adder = Mutex::new(OwnConnection::new(Arc::clone(&options), pooled));
        Self { readers, writers, turns, audit_turns, options, adder, pooled, lock }
    }

    /// A connection that no pool knows.
    fn own_connection(&self) -> OwnConnection<DB> {
        OwnConnection::new(Arc::clone(&self.options), self.pooled)
    }

    /// A session that only asks.
    async fn reading(&self) -> Result<Session<DB>, StoreError> {
        let deadline = Instant::now() + PATIENCE;
        let connection = acquire(&self.readers, deadline).await?;
        if self.pooled {
            Session::read_in_transaction(connection, deadline).await
        } else {
            Ok(Session::read(connection, deadline))
        }
    }

    /// A transaction that may write.
    async fn write(&self) -> Result<Session<DB>, StoreError> {
        self.write_until(Instant::now() + PATIENCE, DB::BEGIN).await
    }

    async fn write_until(&self, deadline: Instant, begin: &'static str) -> Result<Session<DB>, StoreError> {
        let turn = turn(&self.turns, deadline).await?;
        Session::write(acquire(&self.writers, deadline).await?, turn, deadline, self.pooled, begin).await
    }
}

/// A turn to write.
async fn turn(turns: &Arc<Semaphore>, deadline: Instant) -> Result<OwnedSemaphorePermit, StoreError> {
    let turn = timeout_at(deadline, Arc::clone(turns).acquire_owned()).await;
    let turn = turn.map_err(|late| StoreError::Unavailable(late.into()))?;
    turn.map_err(|closed| StoreError::Unavailable(closed.into()))
}

async fn acquire<DB: Dialect>(pool: &Pool<DB>, deadline: Instant) -> Result<PoolConnection<DB>, StoreError> {
    in_time(deadline, pool.acquire()).await.map_err(|error| match store_error::<DB>(&error) {
        // A server that is not to be trusted, or not to be understood, may be another one next time.
        StoreError::Refused(reason) => StoreError::Unavailable(reason),
        error => error,
    })
}

#[async_trait]
impl<DB: Dialect> Store for SqlStore<DB> {
    async fn read(&self) -> Result<Box<dyn Queries>, StoreError> {
        Ok(Box::new(self.reading().await?))
    }

    async fn begin(&self) -> Result<Box<dyn Tx>, StoreError> {
        Ok(Box::new(self.write().await?))
    }

    async fn credential_add(&self, new: NewSealedCredential<'_>) -> Result<Added, StoreError> {
        self.add(new).await
    }

    async fn credential_add_many(&self, new: &[NewSealedCredential<'_>]) -> Result<Vec<bool>, StoreError> {
        self.add_many(new).await
    }

    fn audit_log(&self) -> Box<dyn AuditLog> {
        Box::new(audit::SqlAuditLog::new(self.own_connection(), Arc::clone(&self.audit_turns)))
    }

    async fn credential_mark_used(&self, uses: &[(CredentialId, Timestamp)]) -> Result<(), StoreError> {
        self.mark_used(uses).await
    }

    fn upkeep(&self) -> Option<Box<dyn Upkeep>> {
        let filing = DB::FILING?;
        Some(Box::new(filing::SqlUpkeep::new(filing, self.own_connection(), Arc::clone(&self.audit_turns))))
    }

    fn prover(&self) -> Box<dyn Prover> {
        Box::new(premises::SqlProver::new(self.own_connection()))
    }

    fn is_shared(&self) -> bool {
        self.lock.is_none()
    }

    async fn replica_report(&self, replica: &Replica) -> Result<(), StoreError> {
        let mut session = self.write().await?;
        session.replica_put(replica).await?;
        // Those that ended without a word. Where there is one process at a time, that is all others.
        let ended = if self.is_shared() { FORGOTTEN } else { Duration::ZERO };
        sql::<DB>("delete from replicas where id <> $1 and id in (select id from replica_silence where silent >= $2)")
            .bind(replica.id.as_uuid())
            .bind(i64::try_from(ended.as_micros()).expect("it is a day"))
            .execute(&mut session)
            .await?;
        session.finish().await
    }

    async fn replica_leave(&self, id: ReplicaId) -> Result<(), StoreError> {
        let mut session = self.write().await?;
        sql::<DB>("delete from replicas where id = $1").bind(id.as_uuid()).execute(&mut session).await?;
        session.finish().await
    }

    async fn check_put(&self, id: CredentialId, version: u32, check: &Check) -> Result<(), StoreError> {
        self.put_check(id, version, check).await
    }

    async fn check_list(
        &self,
        after: Option<CredentialId>,
        since_and_now: (Timestamp, Timestamp),
    ) -> Result<DueChecks, StoreError> {
        self.list_checks(after, since_and_now).await
    }

    async fn check_claim(&self, id: CredentialId, since_and_now: (Timestamp, Timestamp)) -> Result<bool, StoreError> {
        self.claim_check(id, since_and_now).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        let snapshot = async { SqlSnapshot::<DB>::begin(DB::connect(&self.options).await?).await };
        Ok(Box::new(snapshot.await.map_err(|error| store_error::<DB>(&error))?))
    }

    async fn fill(&self) -> Result<Option<Box<dyn Filling>>, StoreError> {
        let filling =
            SqlFilling::<DB>::begin(&self.options, turn(&self.turns, Instant::now() + PATIENCE).await?).await?;
        Ok(filling.map(|filling| -> Box<dyn Filling> { Box::new(filling) }))
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writers.close().await;
        self.adder.lock().await.close();
    }
}
