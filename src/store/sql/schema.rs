//! Which migrations a database has seen, held against those that this program knows.

use super::OpenError;
use sqlx::migrate::{Migrate, Migrator};

/// Whether migrations are to be run. This only reads, so that a program without the right to make tables can start on a
/// database that is up to date.
///
/// # Errors
/// [`OpenError::Newer`] or [`OpenError::OtherSchema`] if these are not tables that this program knows.
pub(super) async fn is_behind(connection: &mut impl Migrate, known: &Migrator) -> Result<bool, OpenError> {
    // Where there is no table of migrations there is everything to do; other failures will show again in doing it.
    let Ok(applied) = connection.list_applied_migrations(&known.table_name).await else { return Ok(true) };
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
