//! SQLite, the embedded database: one file, one process, one writer at a time.

mod batches;

use super::{
    OpenError, PATIENCE, Parts,
    adding::Adding,
    audit::Guard,
    dialect::{BoundQuery, Dialect, Refusal, Statement},
    events::EventLists,
    filing::{FILE_ALL, Filing},
    schema,
};
use crate::{
    domain::{audit::AuditEvent, id::CredentialId, timestamp::Timestamp},
    store::{NewSealedCredential, Premise},
};
use futures_util::stream::BoxStream;
use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, Sqlite, SqliteConnection,
    error::{DatabaseError, ErrorKind},
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous},
};
use std::{
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Up to 3.51.2 two connections that write and checkpoint at once can corrupt a WAL database.
const OLDEST_SOUND_VERSION: [u32; 3] = [3, 51, 3];
const READERS: u32 = 4;
/// The pages that a connection keeps which writes, in KiB as a negative number.
const WRITERS_CACHE: &str = "-16384";
/// After how many pages a change has to empty the write-ahead log: 128 MiB. Under load this is done beside ([`super::filing`]).
const CHECKPOINT: &str = "32768";
pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");
const GROUP_AND_OTHERS: u32 = 0o077;

/// The primary result codes (<https://www.sqlite.org/rescode.html>) that say "not now": `SQLITE_BUSY`, `LOCKED`,
/// `NOMEM`, `READONLY`, `INTERRUPT`, `FULL`, `CANTOPEN`.
const PASSING: [u32; 7] = [5, 6, 7, 8, 9, 13, 14];
/// `SQLITE_IOERR`: what was written may be in the file or not. A connection that is opened anew reads what there is.
const IOERR: u32 = 10;

impl Dialect for Sqlite {
    // A deferred transaction that becomes a writer later fails at once when another one writes: no timeout applies.
    const BEGIN: &'static str = "begin immediate";
    // Whoever has the turn waits for nobody.
    const BEGIN_BRIEFLY: &'static str = Self::BEGIN;
    const PATIENTLY: Option<&'static str> = None;
    const BEGIN_READING: &'static str = "begin";
    const BEGIN_SNAPSHOT: &'static str = Self::BEGIN_READING;
    const BEGIN_FILLING: &'static str = Self::BEGIN;
    // Changes come one after the other: whoever would revoke it waits already.
    const HOLD_TOKEN: &'static str = "select id from tokens where id = $1";
    const CLAIM_TOKEN: &'static str = Self::HOLD_TOKEN;
    const STATUS: &'static str = "select 'SQLite' as engine, sqlite_version() as version, \
                                  (select max(version) from _sqlx_migrations) as schema_version, now from database_clock";
    const FIND_MIGRATIONS: &'static str =
        "select name from sqlite_schema where type = 'table' and name = '_sqlx_migrations'";
    const EVENT_LISTS: &'static EventLists = &EventLists::ON_FILE;
    const FILING: Option<&'static Filing> = Some(&Filing::LATER);
    const FILE_ALL: Option<&'static str> = Some(FILE_ALL);
    const ADDING: Adding = Adding::AT_ONCE;
    const MOMENT: &'static str = "select version, null as since, now from database_clock left join stamps_moment";
    const GUARDED_BY_MOMENT: bool = true;
    const LIMIT: Option<&'static str> = None;

    fn lapsed(premises: &[Premise]) -> Statement<Self> {
        batches::lapsed(premises)
    }

    fn record(guard: Option<&Guard>, events: &[&AuditEvent]) -> Statement<Self> {
        batches::record(guard, events)
    }

    fn add(new: &[NewSealedCredential<'_>]) -> Statement<Self> {
        batches::add(new)
    }

    fn mark(uses: &[(CredentialId, Timestamp)]) -> Statement<Self> {
        batches::mark(uses)
    }

    async fn run(connection: &mut SqliteConnection, text: &'static str) -> Result<(), sqlx::Error> {
        connection.execute(sqlx::raw_sql(text)).await.map(|_| ())
    }

    async fn execute(connection: &mut SqliteConnection, query: BoundQuery<Self>) -> Result<u64, sqlx::Error> {
        connection.execute(query).await.map(|done| done.rows_affected())
    }

    async fn fetch_all(
        connection: &mut SqliteConnection,
        query: BoundQuery<Self>,
    ) -> Result<Vec<SqliteRow>, sqlx::Error> {
        connection.fetch_all(query).await
    }

    fn fetch(
        connection: &mut SqliteConnection,
        query: BoundQuery<Self>,
    ) -> BoxStream<'_, Result<SqliteRow, sqlx::Error>> {
        connection.fetch(query)
    }

    fn meaning(refusal: &dyn DatabaseError) -> Refusal {
        // An extended code has the primary one in its low byte.
        match refusal.code().and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff) {
            Some(IOERR) => Refusal::Disconnected,
            Some(code) if PASSING.contains(&code) => Refusal::Passing,
            _ if matches!(refusal.kind(), ErrorKind::UniqueViolation | ErrorKind::ForeignKeyViolation) => {
                Refusal::Conflict
            }
            _ => Refusal::Defect,
        }
    }

    fn describe(refusal: &dyn DatabaseError) -> String {
        // SQLite's messages name tables and columns, never values.
        format!("SQLite {}: {}", refusal.code().unwrap_or_default(), refusal.message())
    }

    async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection, sqlx::Error> {
        options.connect().await
    }
}

pub(super) async fn open(file: &Path) -> Result<Parts<Sqlite>, OpenError> {
    let fault = |source| OpenError::File { path: file.to_owned(), source };
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fault)?;
    }
    // SQLite gives its write-ahead log the permissions of the database, so these are right before it first sees it.
    let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(file).map_err(fault)?;
    close_to_others(&opened).map_err(fault)?;
    let file = file.canonicalize().map_err(fault)?;
    let lock = lock(&file)?;
    check_origin(&file).await?;

    let options = SqliteConnectOptions::new()
        .filename(&file)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(PATIENCE)
        // What is deleted is overwritten, above all the data keys of deleted scopes.
        .pragma("secure_delete", "on")
        .disable_statement_logging();
    let mut first = options.connect().await?;
    check_version(&mut first).await?;
    // The lock keeps others out.
    if schema::is_behind::<Sqlite>(&mut first, &MIGRATIONS).await? {
        MIGRATIONS.run(&mut first).await?;
    }
    first.close().await?;

    // Who writes touches pages all over the tables: those of each project's part of the file of audit events. They find room.
    let writing = options.clone().pragma("cache_size", WRITERS_CACHE).pragma("wal_autocheckpoint", CHECKPOINT);
    // What takes back half a statement, and what is gathered to be put on file, need no file of their own.
    let writing = writing.pragma("temp_store", "memory");
    // A connection to a file in this process is not lost while nobody looks.
    let pool =
        |most| SqlitePoolOptions::new().max_connections(most).acquire_timeout(PATIENCE).test_before_acquire(false);
    Ok(Parts {
        readers: pool(READERS).connect_lazy_with(options.clone().pragma("query_only", "on")),
        writers: pool(1).connect_lazy_with(writing.clone()),
        options: writing,
        turns: 1,
        audit_shares_turns: true,
        pooled: false,
        lock: Some(lock),
    })
}

/// A database that was put back from a backup may have come with other permissions.
fn close_to_others(database: &File) -> std::io::Result<()> {
    let mut permissions = database.metadata()?.permissions();
    if permissions.mode() & GROUP_AND_OTHERS == 0 {
        return Ok(());
    }
    tracing::warn!("the database was open to others, and is not any more");
    permissions.set_mode(0o600);
    database.set_permissions(permissions)
}

/// A file that something else made must not get our tables, nor our settings, which change its first page. This only
/// reads.
async fn check_origin(file: &Path) -> Result<(), OpenError> {
    let mut connection = SqliteConnectOptions::new().filename(file).pragma("query_only", "on").connect().await?;
    let tables = table_names(&mut connection, file).await?;
    connection.close().await?;
    if tables.is_empty() || are_ours(&tables) { Ok(()) } else { Err(OpenError::Foreign(file.to_owned())) }
}

/// Whether a database with these tables is one of regcred's.
pub(super) fn are_ours(tables: &[String]) -> bool {
    // The table in which the migrations keep their state is the first that regcred makes.
    tables.iter().any(|name| name == "_sqlx_migrations")
}

/// What is in a file, if it is a database.
pub(super) async fn table_names(connection: &mut SqliteConnection, file: &Path) -> Result<Vec<String>, OpenError> {
    const NOT_A_DATABASE: &str = "26";
    let tables = sqlx::query_scalar("select name from sqlite_schema where type = 'table'").fetch_all(connection);
    tables.await.map_err(|error| match error {
        sqlx::Error::Database(refusal) if refusal.code().as_deref() == Some(NOT_A_DATABASE) => {
            OpenError::Foreign(file.to_owned())
        }
        error => error.into(),
    })
}

/// One process a file: the lock goes with the process, however it ends.
fn lock(database: &Path) -> Result<File, OpenError> {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    let path = PathBuf::from(name);
    let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = opened.map_err(|source| OpenError::File { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(database.to_owned())),
        Err(TryLockError::Error(source)) => Err(OpenError::File { path, source }),
    }
}

async fn check_version(connection: &mut SqliteConnection) -> Result<(), OpenError> {
    let version: String = sqlx::query_scalar("select sqlite_version()").fetch_one(connection).await?;
    let parts: Vec<u32> = version.split('.').filter_map(|part| part.parse().ok()).collect();
    if parts.as_slice() >= OLDEST_SOUND_VERSION.as_slice() { Ok(()) } else { Err(OpenError::Version(version)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::Row as _;

    /// What `SQLite` does for a statement, step by step.
    #[expect(clippy::disallowed_methods, reason = "the text is one of the program's own, with two words before it")]
    async fn plan(connection: &mut SqliteConnection, text: &str) -> Vec<String> {
        let explained = sqlx::AssertSqlSafe(format!("explain query plan {text}"));
        let steps = connection.fetch_all(sqlx::query(explained)).await.unwrap();
        steps.iter().map(|step| step.get("detail")).collect()
    }

    #[tokio::test]
    async fn what_every_hand_out_asks_walks_through_no_table() {
        let folder = tempfile::tempdir().unwrap();
        let parts = open(&folder.path().join("plans.db")).await.unwrap();
        let mut connection = parts.writers.acquire().await.unwrap();
        for rows in [1, 16, 64, 128, 512] {
            for (texts, table) in [(&batches::MARK, "credentials"), (&batches::LAPSED, "s")] {
                let steps = plan(&mut connection, texts.at_least(rows).1).await;
                let scans = steps.iter().filter(|step| step.split(' ').take(2).eq(["SCAN", table])).count();
                assert_eq!(scans, 0, "{rows} rows: {steps:#?}");
            }
        }
    }
}
