//! Putting audit events on file by place, after they were committed.
//!
//! An index of organizations and projects is a page to write for almost every event, while whoever asked for it waits. So `SQLite`
//! keeps the events in the order of their numbers alone. From time to time those that have gathered are sorted by place and
//! added to `audit_places` in small transactions, each of which has many rows for few pages. `audit_filed` says how far that has
//! come, and is written last: whatever is cut off before is done again, and lists do not look at it ([`super::events`]).
//!
//! The sorting is done beside all others, into a table of the connection's own, so that a turn to write is taken for the adding
//! alone.

use super::{
    PATIENCE,
    dialect::{Dialect, Statement, sql},
    own::OwnConnection,
    rows::{CountRow, UnfiledRow},
    turn,
};
use crate::store::{Corrupt, Filed, StoreError, Upkeep};
use async_trait::async_trait;
use std::{ops::RangeInclusive, sync::Arc, time::Duration};
use tokio::{sync::Semaphore, time::Instant};

/// How many events are sorted at once, so that what is gathered stays within a few megabytes.
const MOST_EVENTS: i64 = 65_536;
/// How many rows a transaction adds. At the worst each is on a page of its own, and a hand-out waits for them all.
const ROWS: i64 = 512;
/// After how many events the write-ahead log is emptied. Each takes a few pages of it.
const CHECKPOINT_AFTER: i64 = 1000;
/// How long sorting may take. Nobody waits for it.
const SORTING: Duration = Duration::from_secs(30);

/// The statements that put events on file.
pub(super) struct Filing {
    /// Makes a connection ready; does no harm when it is.
    prepare: &'static str,
    /// Which events are not on file.
    unfiled: &'static str,
    /// Sorts those behind `$1` and up to `$2`, and counts the rows that they make.
    sort: &'static str,
    /// Adds the rows from the first to the second number.
    add: &'static str,
    /// Writes down that all events up to `$1` are on file.
    note: &'static str,
    /// Moves from the write-ahead log to its place what nobody needs there.
    checkpoint: &'static str,
}

impl Filing {
    /// For a database with one process and one writer.
    pub(super) const LATER: Self = Self {
        // Commits here need not wait for the disk: nobody is told of them, and the file cannot lack a commit that a later one,
        // which was waited for, stands on.
        prepare: "pragma synchronous = normal; \
                  create temp table if not exists sorted (place_id blob not null, sequence integer not null)",
        unfiled: "select (select min(sequence) from audit_events where sequence > f.last) as oldest, \
                  (select max(sequence) from audit_events where sequence > f.last) as newest from audit_filed f",
        sort: "delete from temp.sorted; \
               insert into temp.sorted (place_id, sequence) select place_id, sequence from (\
               select organization_id as place_id, sequence from audit_events \
               where sequence > $1 and sequence <= $2 and organization_id is not null \
               union all select project_id, sequence from audit_events \
               where sequence > $1 and sequence <= $2 and project_id is not null) order by place_id, sequence; \
               select count(*) as count from temp.sorted",
        // The oldest events may have been pruned since they were read.
        add: "begin immediate; \
              insert or ignore into audit_places (place_id, sequence) select place_id, sequence from temp.sorted \
              where rowid between ? and ? and sequence >= (select min(sequence) from audit_events); \
              commit",
        note: "begin immediate; update audit_filed set last = max(last, ?); commit",
        checkpoint: "pragma wal_checkpoint(passive)",
    };
}

/// Files on a connection of its own.
pub(super) struct SqlUpkeep<DB: Dialect> {
    filing: &'static Filing,
    connection: OwnConnection<DB>,
    turn: Arc<Semaphore>,
    /// How many events were put on file since the last checkpoint.
    filed: i64,
}

impl<DB: Dialect> SqlUpkeep<DB> {
    pub(super) fn new(filing: &'static Filing, connection: OwnConnection<DB>, turn: Arc<Semaphore>) -> Self {
        Self { filing, connection, turn, filed: 0 }
    }

    /// Which events are not on file.
    async fn unfiled(&mut self) -> Result<Option<RangeInclusive<i64>>, StoreError> {
        let mut line = self.connection.line(Instant::now() + PATIENCE).await?;
        line.run(self.filing.prepare).await?;
        let unfiled = sql::<DB>(self.filing.unfiled).optional::<UnfiledRow>(&mut line).await?;
        self.connection.keep(line);
        unfiled.ok_or_else(|| Corrupt::sealed("audit_filed", "last", &"1").into())
    }

    /// Sorts the events behind one number and up to another one. How many rows they make.
    async fn sort(&mut self, behind: i64, last: i64) -> Result<i64, StoreError> {
        let mut line = self.connection.line(Instant::now() + SORTING).await?;
        let rows = sql::<DB>(self.filing.sort).bind(behind).bind(last).optional::<CountRow>(&mut line).await?;
        self.connection.keep(line);
        Ok(rows.map_or(0, |rows| i64::try_from(rows).expect("they are two for an event")))
    }

    /// Runs a transaction when it is this one's turn.
    async fn write(&mut self, statement: Statement<DB>) -> Result<(), StoreError> {
        let deadline = Instant::now() + PATIENCE;
        let mut line = self.connection.line(deadline).await?;
        let _turn = turn(&self.turn, deadline).await?;
        statement.execute(&mut line).await?;
        self.connection.keep(line);
        Ok(())
    }
}

#[async_trait]
impl<DB: Dialect> Upkeep for SqlUpkeep<DB> {
    async fn file(&mut self) -> Result<Filed, StoreError> {
        let Some(unfiled) = self.unfiled().await? else { return Ok(Filed::All) };
        let (behind, newest) = (unfiled.start() - 1, *unfiled.end());
        let last = newest.min(behind + MOST_EVENTS);
        let rows = self.sort(behind, last).await?;
        let mut first = 1;
        while first <= rows {
            self.write(sql::<DB>(self.filing.add).bind(first).bind(first + ROWS - 1)).await?;
            first += ROWS;
        }
        self.write(sql::<DB>(self.filing.note).bind(last)).await?;
        self.filed += last - behind;
        Ok(if last < newest { Filed::Part } else { Filed::All })
    }

    async fn checkpoint(&mut self) -> Result<(), StoreError> {
        if self.filed < CHECKPOINT_AFTER {
            return Ok(());
        }
        let mut line = self.connection.line(Instant::now() + SORTING).await?;
        // Most of it while others write. What they have written meanwhile is little, and quickly done while nobody does: only then
        // is nothing left in the log, and it begins anew.
        line.run(self.filing.checkpoint).await?;
        line.run(self.filing.checkpoint).await?;
        let _turn = turn(&self.turn, Instant::now() + PATIENCE).await?;
        line.run(self.filing.checkpoint).await?;
        self.connection.keep(line);
        self.filed = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sql::sqlite;
    use sqlx::{Executor as _, Sqlite};
    use std::path::Path;

    const EVENTS: &str = "with recursive n (i) as (select 1 union all select i + 1 from n where i < 3000) \
        insert into audit_events (sequence, id, at, request_id, principal, scope, organization_id, project_id, operation, \
        object_ids, outcome) select i, randomblob(16), 0, x'', 'argo', 'organizations/acme', \
        unhex(printf('%032x', i % 7)), case when i % 2 = 0 then unhex(printf('%032x', i % 10 + 7)) end, \
        'pull_secret.get', '[]', 'success' from n; update audit_position set last = 3000";
    const PRUNING: &str = "insert into audit_prunings values (randomblob(16), 0, 'argo', null, 1, 1000, 1000, 0, 0, \
        randomblob(32)); delete from audit_events where sequence <= 1000";

    async fn filer(file: &Path) -> (sqlx::SqlitePool, SqlUpkeep<Sqlite>) {
        let parts = sqlite::open(file).await.unwrap();
        parts.writers.execute(EVENTS).await.unwrap();
        let connection = OwnConnection::new(Arc::new(parts.options), false);
        (parts.writers, SqlUpkeep::new(&Filing::LATER, connection, Arc::new(Semaphore::new(1))))
    }

    async fn count(pool: &sqlx::SqlitePool, text: &'static str) -> i64 {
        sqlx::query_scalar(text).fetch_one(pool).await.unwrap()
    }

    #[tokio::test]
    async fn what_is_pruned_after_it_was_sorted_is_not_put_on_file() {
        let folder = tempfile::tempdir().unwrap();
        let (pool, mut filer) = filer(&folder.path().join("filing.db")).await;
        assert_eq!(filer.unfiled().await.unwrap(), Some(1..=3000));
        let rows = filer.sort(0, 3000).await.unwrap();
        assert_eq!(rows, 3000 + 1500);
        pool.execute(PRUNING).await.unwrap();
        filer.write(sql(filer.filing.add).bind(1_i64).bind(rows)).await.unwrap();
        assert_eq!(count(&pool, "select count(*) from audit_places").await, 2000 + 1000);
        assert_eq!(count(&pool, "select min(sequence) from audit_places").await, 1001);
    }

    #[tokio::test]
    async fn the_file_goes_no_further_than_its_rows_wherever_it_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let (pool, mut filer) = filer(&folder.path().join("filing.db")).await;
        let missing = "select count(*) from audit_events e where sequence <= (select last from audit_filed) and \
                       not exists (select 1 from audit_places p where p.place_id = e.organization_id and p.sequence = e.sequence)";
        let (mut polls, mut partly) = (0, 0);
        loop {
            polls += 1;
            let mut filing = std::pin::pin!(filer.file());
            let mut left = polls;
            let done = std::future::poll_fn(|context| match filing.as_mut().poll(context) {
                std::task::Poll::Ready(done) => std::task::Poll::Ready(Some(done)),
                std::task::Poll::Pending if left == 0 => std::task::Poll::Ready(None),
                std::task::Poll::Pending => {
                    left -= 1;
                    std::task::Poll::Pending
                }
            });
            let done = done.await;
            assert_eq!(count(&pool, missing).await, 0, "cut off at {polls}");
            let (rows, last) = ("select count(*) from audit_places", "select last from audit_filed");
            partly += usize::from(count(&pool, rows).await > 0 && count(&pool, last).await == 0);
            if let Some(done) = done {
                assert_eq!(done.unwrap(), Filed::All);
                break;
            }
        }
        assert!(partly > 2, "it was cut off in the midst of it {partly} times");
        assert_eq!(filer.unfiled().await.unwrap(), None);
        assert_eq!(count(&pool, "select count(*) from audit_places").await, 4500);
    }
}
