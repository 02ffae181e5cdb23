//! Which migrations a database has seen, held against those that this program knows.

use super::{OpenError, dialect::Dialect};
use sqlx::migrate::{Migrate, MigrateError, Migrator};

/// Whether migrations are to be run. This only reads, so that a program without the right to make tables can start on a
/// database that is up to date.
///
/// # Errors
/// [`OpenError::Newer`] or [`OpenError::OtherSchema`] if these are not tables that this program knows, or the database said no.
pub(super) async fn is_behind<DB>(connection: &mut DB::Connection, known: &Migrator) -> Result<bool, OpenError>
where
    DB: Dialect,
    DB::Connection: Migrate,
{
    // Asking a table that is not there would fail, and so end a transaction; and whoever may not ask must not be told to
    // migrate.
    if DB::fetch_all(connection, sqlx::query(DB::FIND_MIGRATIONS)).await?.is_empty() {
        return Ok(true);
    }
    let applied = connection.list_applied_migrations(&known.table_name).await.map_err(|error| match error {
        MigrateError::Execute(error) => error.into(),
        error => OpenError::from(error),
    })?;
    let newest = known.iter().map(|migration| migration.version).max().unwrap_or_default();
    if let Some(found) = applied.iter().map(|migration| migration.version).filter(|found| *found > newest).max() {
        return Err(OpenError::Newer { found, known: newest });
    }
    let same = applied.iter().all(|applied| {
        let migration = known.iter().find(|migration| migration.version == applied.version);
        migration.is_some_and(|migration| migration.checksum == applied.checksum)
    });
    if same { Ok(applied.len() < known.iter().count()) } else { Err(OpenError::OtherSchema) }
}
