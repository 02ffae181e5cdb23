//! PostgreSQL, the database that replicas share.

mod batches;
pub(super) mod migrate;
mod settings;
mod vetting;

pub use settings::PostgresSettings;

use super::{
    OpenError, PATIENCE, Parts,
    adding::{Adding, holding_token},
    audit::Guard,
    dialect::{BoundQuery, Dialect, Refusal, Statement},
    events::EventLists,
    filing::Filing,
};
use crate::{
    domain::{audit::AuditEvent, id::CredentialId, timestamp::Timestamp},
    store::{NewSealedCredential, Premise},
};
use futures_util::stream::BoxStream;
use sqlx::{
    ConnectOptions as _, Executor as _, PgConnection, Postgres,
    error::DatabaseError,
    postgres::{PgConnectOptions, PgDatabaseError, PgPoolOptions, PgRow},
};
use std::time::Duration;
use tokio::time::timeout;

/// A connection that lay idle for longer is tried before it is used: the server may have been restarted meanwhile.
const TRIED_AFTER: Duration = Duration::from_secs(1);

/// How each transaction begins: with the limits of its own, which hold behind a pooler too. A statement that waits for longer
/// than callers do is given up. A transaction whose process has gone silent is given up sooner, so that those who wait for
/// the locks that it holds still get them in time.
macro_rules! begin {
    ($mode:literal, $lock:literal) => {
        concat!(
            "begin isolation level read committed ",
            $mode,
            "; set local lock_timeout = ",
            $lock,
            "; set local statement_timeout = 2000; set local idle_in_transaction_session_timeout = 1000"
        )
    };
}

impl Dialect for Postgres {
    const BEGIN: &'static str = begin!("read write", 1800);
    const BEGIN_BRIEFLY: &'static str = begin!("read write", 100);
    const PATIENTLY: Option<&'static str> = Some("set local lock_timeout = 1800");
    const BEGIN_READING: &'static str = begin!("read only", 1800);
    const BEGIN_SNAPSHOT: &'static str = "begin isolation level repeatable read read only; \
        set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 60000";
    const BEGIN_FILLING: &'static str = "begin isolation level read committed read write; \
        set local statement_timeout = 60000; set local lock_timeout = 1800; \
        set local idle_in_transaction_session_timeout = 60000";
    // Those who share a row let one another in while a revocation waits, for as long as they come. Those who share an advisory
    // lock queue behind it. The row is locked as well, for those who delete its scope.
    const HOLD_TOKEN: &'static str = concat!("with ", holding_token!(), " select id from held");
    const CLAIM_TOKEN: &'static str = "with turn as materialized (select pg_advisory_xact_lock(hashtextextended($1::text, 0))) \
                                       select t.id from turn, tokens t where t.id = $1";
    const STATUS: &'static str = "select 'PostgreSQL' as engine, current_setting('server_version') as version, \
                                  (select max(version) from _sqlx_migrations) as schema_version, now from database_clock";
    const FIND_MIGRATIONS: &'static str =
        "select '_sqlx_migrations' as name where to_regclass('_sqlx_migrations') is not null";
    const EVENT_LISTS: &'static EventLists = &EventLists::BY_ROW;
    const FILING: Option<&'static Filing> = None;
    const FILE_ALL: Option<&'static str> = None;
    const ADDING: Adding = Adding::HOLDING;
    const MOMENT: &'static str = batches::MOMENT;
    // Each commit would make it another one, so all who write would wait for one another.
    const GUARDED_BY_MOMENT: bool = false;
    const LIMIT: Option<&'static str> =
        Some("set statement_timeout = 2000; set lock_timeout = 1800; set idle_in_transaction_session_timeout = 1000");

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

    async fn run(connection: &mut PgConnection, text: &'static str) -> Result<(), sqlx::Error> {
        connection.execute(sqlx::raw_sql(text)).await.map(|_| ())
    }

    async fn execute(connection: &mut PgConnection, query: BoundQuery<Self>) -> Result<u64, sqlx::Error> {
        connection.execute(query).await.map(|done| done.rows_affected())
    }

    async fn fetch_all(connection: &mut PgConnection, query: BoundQuery<Self>) -> Result<Vec<PgRow>, sqlx::Error> {
        connection.fetch_all(query).await
    }

    fn fetch(connection: &mut PgConnection, query: BoundQuery<Self>) -> BoxStream<'_, Result<PgRow, sqlx::Error>> {
        connection.fetch(query)
    }

    fn meaning(refusal: &dyn DatabaseError) -> Refusal {
        meaning(refusal.code().as_deref().unwrap_or_default())
    }

    fn describe(refusal: &dyn DatabaseError) -> String {
        // Messages and details repeat what stands in rows; codes and names do not.
        let mut text = format!("SQLSTATE {}", refusal.code().unwrap_or_default());
        if let Some(refusal) = refusal.try_downcast_ref::<PgDatabaseError>() {
            let names =
                [("table", refusal.table()), ("column", refusal.column()), ("constraint", refusal.constraint())];
            for (what, name) in names {
                text.extend(name.map(|name| format!(", {what} {name}")));
            }
        }
        text
    }

    async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
        let mut connection = options.connect().await?;
        vetting::vet(&mut connection).await?;
        Ok(connection)
    }
}

/// What a SQLSTATE means (PostgreSQL's manual, appendix A).
fn meaning(code: &str) -> Refusal {
    match code {
        // cannot_connect_now, too_many_connections: there is no connection to lose.
        "57P03" | "53300" => Refusal::Passing,
        // read_only_sql_transaction, and what a standby answers to a beginning that is to write: the server was the primary one, or a
        // pooler has turned to another one. What else the latter code stands for (a statement was prepared before its table
        // changed) is over on a new connection, too.
        // idle_in_transaction_session_timeout, idle_session_timeout, and every way in which a server goes down.
        "25006" | "0A000" | "25P03" | "57P01" | "57P02" | "57P04" | "57P05" => Refusal::Disconnected,
        // unique, foreign key and restrict violations; serialization failures and deadlocks.
        "23505" | "23503" | "23001" | "40001" | "40P01" => Refusal::Conflict,
        _ => match code.get(..2) {
            Some("08") => Refusal::Disconnected,
            // Credentials that were changed, resources that ran out, time-outs, locks, and errors of the system below.
            Some("28" | "3D" | "53" | "55" | "57" | "58") => Refusal::Passing,
            _ => Refusal::Defect,
        },
    }
}

/// Connects, checks that this server may be trusted with what must not be lost, and brings the tables up to date.
///
/// # Errors
/// The server cannot be had, is set up so that it loses what it has confirmed, or its tables do not fit.
pub(super) async fn open(settings: &PostgresSettings) -> Result<Parts<Postgres>, OpenError> {
    migrate::migrate(settings).await?;
    let options = settings.options();
    let pool = |most| {
        PgPoolOptions::new()
            .max_connections(most)
            .acquire_timeout(PATIENCE)
            .test_before_acquire(false)
            .after_connect(|connection, _| Box::pin(vetting::vet(connection)))
            .before_acquire(|connection, about| {
                Box::pin(async move {
                    Ok(about.idle_for < TRIED_AFTER || vetting::is_between_transactions(connection).await)
                })
            })
            .after_release(|connection, _| Box::pin(async { Ok(vetting::is_between_transactions(connection).await) }))
            .connect_lazy_with(options.clone())
    };
    let (readers, writers) = settings.shares();
    Ok(Parts {
        readers: pool(readers),
        writers: pool(writers),
        options,
        turns: writers as usize,
        audit_shares_turns: false,
        pooled: settings.is_pooled(),
        lock: None,
    })
}

/// What a server says within a second; else nothing.
async fn soon<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Option<T> {
    timeout(Duration::from_secs(1), work).await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_means_what_its_class_says_unless_it_is_named() {
        let means = |code| meaning(code);
        for code in ["25006", "0A000", "57P01", "57P02", "08006", "08003", "08P01", "25P03"] {
            assert_eq!(means(code), Refusal::Disconnected, "{code}");
        }
        for code in ["53100", "53300", "57014", "55P03", "58030", "57P03", "28P01"] {
            assert_eq!(means(code), Refusal::Passing, "{code}");
        }
        for code in ["23505", "23503", "40001", "40P01"] {
            assert_eq!(means(code), Refusal::Conflict, "{code}");
        }
        for code in ["42P01", "25P02", "22021", "23514", "", "?"] {
            assert_eq!(means(code), Refusal::Defect, "{code}");
        }
    }
}
