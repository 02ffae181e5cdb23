//! Bringing the tables up to date, also when ten processes start at once.

use super::{PostgresSettings, vetting};
use crate::store::sql::{OpenError, schema};
use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, PgConnection, Postgres, Row as _,
    migrate::{MigrateError, Migrator},
};
use std::{sync::LazyLock, time::Duration};
use tokio::time::{Instant, sleep, timeout};

static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!("migrations/postgres");
    migrations.set_locking(false);
    migrations
});

/// How long another process may take to migrate.
const OTHERS_MIGRATE: Duration = Duration::from_mins(2);
const STEP: Duration = Duration::from_millis(100);
/// How long a server may take to let a process in.
const CONNECT: Duration = Duration::from_secs(10);

/// Takes the lock of all regcreds in this database, or not, at once. A process that waited in `pg_advisory_lock` would hold a
/// snapshot, for which an index that another one builds concurrently would wait in turn. The lock goes with the transaction, so
/// it works through a pooler too.
const TRY_LOCK: &str = "select pg_try_advisory_xact_lock(7235405411734054244)::text";

const UNHURRIED: &str = "set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0; \
                         set local lock_timeout = 1000";
/// `lock_not_available`: somebody reads or writes a table that is to change. Waiting on would keep all others from it.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// The driver's own questions about migrations are prepared under names. Behind a pooler others have left the same names on the
/// connection that this transaction meets.
const FORGET_STATEMENTS: &str = "deallocate all";

/// A connection that is not vetted.
///
/// # Errors
/// The server is not to be had.
pub(in crate::store::sql) async fn connect(settings: &PostgresSettings) -> Result<PgConnection, OpenError> {
    let connected = timeout(CONNECT, settings.options().connect()).await;
    Ok(connected.map_err(|_| OpenError::Silent)??)
}

/// Brings the tables up to date, if they are not.
///
/// # Errors
/// The server is not to be trusted or not to be had, or the tables are newer than this program.
pub(super) async fn migrate(settings: &PostgresSettings) -> Result<(), OpenError> {
    let mut connection = connect(settings).await?;
    vetting::vet(&mut connection).await?;
    let begun = Instant::now();
    while is_behind(&mut connection, settings).await? && !try_migrate(&mut connection, settings).await? {
        if begun.elapsed() > OTHERS_MIGRATE {
            return Err(OpenError::Migrating);
        }
        sleep(STEP).await;
    }
    connection.close().await?;
    Ok(())
}

/// Whether migrations are to be run.
///
/// # Errors
/// The tables are newer than this program, or not those that it knows.
pub(in crate::store::sql) async fn is_behind(
    connection: &mut PgConnection,
    settings: &PostgresSettings,
) -> Result<bool, OpenError> {
    if !settings.is_pooled() {
        return schema::is_behind::<Postgres>(connection, &MIGRATIONS).await;
    }
    connection.execute(sqlx::raw_sql("begin read only")).await?;
    connection.execute(sqlx::raw_sql(FORGET_STATEMENTS)).await?;
    let behind = schema::is_behind::<Postgres>(connection, &MIGRATIONS).await;
    connection.execute(sqlx::raw_sql("rollback")).await?;
    behind
}

/// Runs all migrations in one transaction; `false` if another process is at it, or has a table that is to change.
#[expect(clippy::disallowed_methods, reason = "sqlx runs migrations in savepoints only if it began the transaction")]
async fn try_migrate(connection: &mut PgConnection, settings: &PostgresSettings) -> Result<bool, OpenError> {
    let mut tx = connection.begin().await?;
    let locked: String = tx.fetch_one(sqlx::raw_sql(TRY_LOCK)).await?.try_get(0)?;
    if locked != "true" {
        tx.rollback().await?;
        return Ok(false);
    }
    // Requests have little time; a migration of a large table takes what it takes, but waits for nobody's lock for long.
    tx.execute(sqlx::raw_sql(UNHURRIED)).await?;
    if settings.is_pooled() {
        tx.execute(sqlx::raw_sql(FORGET_STATEMENTS)).await?;
    }
    // Another process may have finished between the look and the lock; then this finds nothing to do.
    match MIGRATIONS.run(&mut *tx).await {
        Ok(()) => {
            tx.commit().await?;
            Ok(true)
        }
        Err(MigrateError::ExecuteMigration(sqlx::Error::Database(refusal), _))
            if refusal.code().as_deref() == Some(LOCK_NOT_AVAILABLE) =>
        {
            tx.rollback().await?;
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}
