//! Opening a database to read it from beside: while servers run on it, and without a change to it.

use super::{
    Database, OpenError, PATIENCE, PostgresSettings, copy::SqlSnapshot, dialect::Dialect, postgres::migrate, schema,
    sqlite,
};
use crate::store::tables::Snapshot;
use sqlx::{ConnectOptions as _, Executor as _, Postgres, Row as _, Sqlite, sqlite::SqliteConnectOptions};
use std::path::Path;

/// All that stands in a database at this moment. The database is neither made nor brought up to date; servers that run on
/// it go on as if nobody looked.
///
/// # Errors
/// There is none, it is not regcred's, its tables are those of another version, or the file system or the database said no.
pub async fn open_snapshot(database: &Database) -> Result<Box<dyn Snapshot>, OpenError> {
    match database {
        Database::Sqlite(file) => open_sqlite(file).await,
        Database::Postgres(settings) => open_postgres(settings).await,
    }
}

async fn open_sqlite(file: &Path) -> Result<Box<dyn Snapshot>, OpenError> {
    match file.try_exists() {
        Ok(true) => {}
        Ok(false) => return Err(OpenError::Missing(file.to_owned())),
        Err(source) => return Err(OpenError::File { path: file.to_owned(), source }),
    }
    let options = SqliteConnectOptions::new()
        .filename(file)
        .read_only(true)
        .pragma("query_only", "on")
        .busy_timeout(PATIENCE)
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    let tables = sqlite::table_names(&mut connection, file).await?;
    if tables.is_empty() {
        return Err(OpenError::Missing(file.to_owned()));
    }
    if !sqlite::are_ours(&tables) {
        return Err(OpenError::Foreign(file.to_owned()));
    }
    if schema::is_behind::<Sqlite>(&mut connection, &sqlite::MIGRATIONS).await? {
        return Err(OpenError::Outdated);
    }
    snapshot::<Sqlite>(connection).await
}

/// The server is not vetted: what a standby shows is as good, and nothing is written that could be lost.
async fn open_postgres(settings: &PostgresSettings) -> Result<Box<dyn Snapshot>, OpenError> {
    let mut connection = migrate::connect(settings).await?;
    // In one message, because a pooler may stand between.
    let ours = sqlx::raw_sql("select (to_regclass('_sqlx_migrations') is not null)::text");
    if connection.fetch_one(ours).await?.try_get::<String, _>(0)? != "true" {
        return Err(OpenError::Empty);
    }
    if migrate::is_behind(&mut connection, settings).await? {
        return Err(OpenError::Outdated);
    }
    snapshot::<Postgres>(connection).await
}

async fn snapshot<DB: Dialect>(connection: DB::Connection) -> Result<Box<dyn Snapshot>, OpenError> {
    Ok(Box::new(SqlSnapshot::<DB>::begin(connection).await?))
}
