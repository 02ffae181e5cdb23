//! Connections are looked at before they are used, and once more before the next one uses them.

use super::soon;
use sqlx::{Executor as _, PgConnection, Row as _};

/// The oldest server that is supported.
const OLDEST: i32 = 150_000;

/// Why a server is not to be trusted with what must not be lost. The messages say what to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum Untrusted {
    /// It is older than what regcred was tried on.
    #[error("PostgreSQL 15 or newer is needed")]
    Old,
    /// It loses what it has confirmed when the machine stops.
    #[error("the server runs with fsync=off and would lose confirmed changes; set fsync=on")]
    Fsync,
    /// It confirms before anything is on a disk.
    #[error(
        "synchronous_commit is '{0}', with which confirmed changes can be lost; set it to on or remote_apply for this user \
         or database (alter role ... set synchronous_commit = on)"
    )]
    SynchronousCommit(String),
    /// It follows another server, and may be behind it.
    #[error("the server is a standby; connect to the primary one")]
    Standby,
    /// It cannot store every text.
    #[error("the database's encoding is not UTF8")]
    Encoding,
}

impl From<Untrusted> for sqlx::Error {
    fn from(reason: Untrusted) -> Self {
        Self::Configuration(reason.into())
    }
}

/// Looks at a new connection: which server it reached may have changed since the last one.
///
/// # Errors
/// An [`Untrusted`] in a [`sqlx::Error::Configuration`], or the server said no.
pub(super) async fn vet(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let row = connection
        .fetch_one(sqlx::raw_sql(
            "select current_setting('server_version_num'), current_setting('fsync'), \
             current_setting('synchronous_commit'), pg_is_in_recovery()::text, current_setting('server_encoding')",
        ))
        .await?;
    let [version, fsync, commit, standby, encoding]: [String; 5] =
        [row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?];
    let refusal = if version.parse().unwrap_or(0) < OLDEST {
        Untrusted::Old
    } else if fsync != "on" {
        Untrusted::Fsync
    } else if !matches!(commit.as_str(), "on" | "remote_apply") {
        Untrusted::SynchronousCommit(commit)
    } else if standby != "false" {
        Untrusted::Standby
    } else if encoding != "UTF8" {
        Untrusted::Encoding
    } else {
        return Ok(());
    };
    Err(refusal.into())
}

/// Whether the server answers on this connection, and outside of any transaction: the time at which the transaction began is
/// then the time of the statement. What the driver believes is not asked; it can be wrong (launchbadge/sqlx#4385).
pub(super) async fn is_between_transactions(connection: &mut PgConnection) -> bool {
    let question = sqlx::raw_sql("select (now() = statement_timestamp())::text");
    let answer = soon(async { connection.fetch_one(question).await?.try_get::<String, _>(0) }).await;
    answer.as_deref() == Some("true")
}
