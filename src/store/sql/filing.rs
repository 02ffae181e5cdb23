//! Putting audit events on file by place, after they were committed.
//!
//! An index of organizations and projects is a page to write for almost every event, while whoever asked for it waits. So `SQLite`
//! keeps the events in the order of their numbers alone. From time to time those that have gathered are sorted by place and
//! added to `audit_places` in small transactions: one row for each place, with the numbers of its events.
//! `audit_filed` says how far that has come, and is written last. What was cut off before is taken away and done again, and lists
//! do not look at it ([`super::events`]).
//!
//! The sorting is done beside all others, into a table of the connection's own, so that a turn to write is taken for the adding
//! alone.

use super::{
    PATIENCE,
    dialect::{Dialect, Statement, sql},
    line,
    own::OwnConnection,
    rows::{CheckpointRow, CountRow, Unfiled, UnfiledRow},
    turn,
};
use crate::store::{Corrupt, Filed, StoreError, Upkeep};
use async_trait::async_trait;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Semaphore, time::Instant};

/// How many events are sorted at once, so that what is gathered stays within a few megabytes.
const MOST_EVENTS: i64 = 65_536;
/// How many rows a transaction takes away that were cut off. Each may be on a few pages.
const STALE: u64 = 32;
/// After how many events the write-ahead log is emptied. Each takes a few pages of it.
const CHECKPOINT_AFTER: i64 = 1000;
/// How many pages of it are moved at most while nobody writes.
const QUICKLY_MOVED: u64 = 2000;
/// How long sorting may take. Nobody waits for it.
const SORTING: Duration = Duration::from_secs(30);

/// The statements that put events on file.
pub(super) struct Filing {
    /// Makes a connection ready; does no harm when it is.
    prepare: &'static str,
    /// Which events are not on file.
    unfiled: &'static str,
    /// Counts the rows behind the end of the file.
    stale: &'static str,
    /// Takes some of these away.
    clear: &'static str,
    /// Sorts the events behind `$1` and up to `$2`, and counts the batches that they make.
    sort: &'static str,
    /// Reads where the rows of the batch `$1` will be put.
    look: &'static str,
    /// Adds the batch `$1` to a file whose last row is `$2`.
    add: &'static str,
    /// Writes down that all events up to `$1` are on file, which had the last row `$2` before.
    note: &'static str,
    /// Moves from the write-ahead log to its place what nobody needs there.
    checkpoint: &'static str,
    /// Moves all of it, and waits a little for those who read it, so that the log begins anew.
    restart: &'static str,
}

/// The rows that events make. An event's page is found by reading one row, so that none has more than 1024 of them; within a row
/// they are in no order, whatever the migration that made the table says: lists sort what they read. The events themselves are gone
/// through once, and what their projects have makes what their organizations have.
macro_rules! rows {
    ($block:literal, $condition:literal) => {
        concat!(
            "(with found as materialized (select ",
            $block,
            " as block, organization_id, project_id, count(*) as events, max(sequence) as last, \
             group_concat(sequence) as numbers from audit_events \
             where coalesce(organization_id, project_id) is not null and ",
            $condition,
            " group by block, organization_id, project_id), \
             gathered as materialized (\
             select block, organization_id as place_id, sum(events) as events, max(last) as last, \
             '[' || group_concat(numbers) || ']' as sequences \
             from found where organization_id is not null group by block, organization_id \
             union all select block, project_id, sum(events), max(last), '[' || group_concat(numbers) || ']' \
             from found where project_id is not null group by block, project_id) \
             select block, place_id, last, sequences from gathered where events <= 1024 \
             union all select g.block, g.place_id, max(j.value), json_group_array(j.value) from gathered g \
             cross join json_each((select json_group_array(value order by value) from json_each(g.sequences))) j \
             where g.events > 1024 group by g.block, g.place_id, j.key >> 10)"
        )
    };
}

/// Puts all events on file at once: as if filed by and by, since it is pruned from its beginning.
pub(super) const FILE_ALL: &str = concat!(
    "delete from audit_places; insert into audit_places (place_id, last, sequences) select place_id, last, sequences from ",
    rows!("sequence >> 16", "true"),
    " order by block, place_id, last; \
     update audit_filed set last = coalesce((select max(sequence) from audit_events), 0), \
     places = coalesce((select max(id) from audit_places), 0)"
);

impl Filing {
    /// For a database with one process and one writer.
    pub(super) const LATER: Self = Self {
        // Commits here need not wait for the disk: nobody is told of them, and the file cannot lack a commit that a later one,
        // which was waited for, stands on.
        prepare: "pragma synchronous = normal; pragma busy_timeout = 50; \
                  create temp table if not exists sorted (batch integer not null, place_id blob not null, \
                  last integer not null, sequences text not null); \
                  create index if not exists temp.sorted_batch on sorted (batch)",
        unfiled: "select f.places, (select min(sequence) from audit_events where sequence > f.last) as oldest, \
                  (select max(sequence) from audit_events where sequence > f.last) as newest from audit_filed f",
        stale: "select count(*) as count from audit_places where id > (select places from audit_filed)",
        clear: "begin immediate; \
                delete from audit_places where id in (\
                select id from audit_places where id > (select places from audit_filed) limit 32); \
                commit",
        // A batch is at most 128 rows, or some tens of kilobytes: a hand-out waits for it all. Its rows are side by side in the index.
        sort: concat!(
            "delete from temp.sorted; insert into temp.sorted (batch, place_id, last, sequences) \
             select sum(256 + length(sequences)) over (order by place_id, last rows unbounded preceding) >> 15, \
             place_id, last, sequences from ",
            rows!("0", "sequence > $1 and sequence <= $2"),
            " order by place_id, last; select coalesce(max(batch) + 1, 0) as count from temp.sorted"
        ),
        // What the system has no room for in its memory comes from the disk: better before the turn to write than in it.
        look: "select count(*) as count from temp.sorted s cross join audit_places p \
               on p.place_id = s.place_id and p.last >= s.last where s.batch = $1",
        // The oldest events may have been pruned since they were read. If the file has another end by now, a note came through that
        // nobody waited for any more.
        add: "begin immediate; \
              insert into audit_places (id, place_id, last, sequences) \
              select f.places + s.rowid, s.place_id, s.last, s.sequences from audit_filed f cross join temp.sorted s \
              where s.batch = $1 and f.places = $2 and s.last >= (select min(sequence) from audit_events) order by s.rowid; \
              commit",
        note: "begin immediate; \
               update audit_filed set last = max(last, $1), places = $2 + coalesce((select max(rowid) from temp.sorted), 0) \
               where places = $2 and not exists (select 1 from audit_places \
               where id > $2 + coalesce((select max(rowid) from temp.sorted), 0)); \
               commit",
        checkpoint: "pragma wal_checkpoint(passive)",
        restart: "pragma wal_checkpoint(restart)",
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
    async fn unfiled(&mut self) -> Result<Unfiled, StoreError> {
        let mut line = self.connection.line(Instant::now() + PATIENCE).await?;
        line::run(&mut line, self.filing.prepare).await?;
        let unfiled = sql::<DB>(self.filing.unfiled).optional::<UnfiledRow>(&mut line).await?;
        self.connection.keep(line);
        unfiled.ok_or_else(|| Corrupt::sealed("audit_filed", "last", &"1").into())
    }

    /// Takes away what was added and never noted. It would stand there twice.
    async fn clear(&mut self) -> Result<(), StoreError> {
        let stale = self.count(sql::<DB>(self.filing.stale)).await?;
        for _ in 0..stale.div_ceil(STALE) {
            self.write(sql::<DB>(self.filing.clear)).await?;
        }
        Ok(())
    }

    /// Sorts the events behind one number and up to another one. How many batches they make.
    async fn sort(&mut self, behind: i64, last: i64) -> Result<i64, StoreError> {
        let batches = self.count(sql::<DB>(self.filing.sort).bind(behind).bind(last)).await?;
        Ok(i64::try_from(batches).expect("they are fewer than events"))
    }

    /// Runs what takes as long as it takes, and ends with a number.
    async fn count(&mut self, statement: Statement<DB>) -> Result<u64, StoreError> {
        let mut line = self.connection.line(Instant::now() + SORTING).await?;
        let count = statement.optional::<CountRow>(&mut line).await?;
        self.connection.keep(line);
        Ok(count.unwrap_or(0))
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
        let Unfiled { places, events: Some(events) } = self.unfiled().await? else { return Ok(Filed::All) };
        let (behind, newest) = (events.start() - 1, *events.end());
        let last = newest.min(behind + MOST_EVENTS);
        self.clear().await?;
        for batch in 0..self.sort(behind, last).await? {
            self.count(sql::<DB>(self.filing.look).bind(batch)).await?;
            self.write(sql::<DB>(self.filing.add).bind(batch).bind(places)).await?;
        }
        self.write(sql::<DB>(self.filing.note).bind(last).bind(places)).await?;
        self.filed += last - behind;
        Ok(if last < newest { Filed::Part } else { Filed::All })
    }

    async fn checkpoint(&mut self) -> Result<(), StoreError> {
        if self.filed < CHECKPOINT_AFTER {
            return Ok(());
        }
        let mut line = self.connection.line(Instant::now() + SORTING).await?;
        // Most of it while others write. What they have written meanwhile is little, and quickly done while nobody does.
        sql::<DB>(self.filing.checkpoint).optional::<CheckpointRow>(&mut line).await?;
        let left = sql::<DB>(self.filing.checkpoint).optional::<CheckpointRow>(&mut line).await?;
        // Somebody who reads for long keeps it where it is: then nobody is made to wait for it.
        if left.is_some_and(|left| left < QUICKLY_MOVED) {
            let _turn = turn(&self.turn, Instant::now() + PATIENCE).await?;
            let left = sql::<DB>(self.filing.restart).optional::<CheckpointRow>(&mut line).await?;
            if left == Some(0) {
                self.filed = 0;
            }
        }
        self.connection.keep(line);
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
        unhex(printf('%032x', i % 700)), case when i % 2 = 0 then unhex(printf('%032x', 700)) end, \
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

    /// All rows that the events make.
    const ROWS: i64 = 700 + 2;
    const LONGEST: &str = "select max(json_array_length(sequences)) from audit_places";
    const OUT_OF_ORDER: &str = "select count(*) from audit_places p join audit_places q on q.id > p.id \
        where q.last >> 16 < p.last >> 16 or q.place_id = p.place_id \
        and (select min(value) from json_each(q.sequences)) <= p.last";
    const LISTED: &str = "select count(*) from audit_places p join json_each(p.sequences)";

    #[tokio::test]
    async fn what_is_pruned_after_it_was_sorted_is_not_put_on_file() {
        let folder = tempfile::tempdir().unwrap();
        let (pool, mut filer) = filer(&folder.path().join("filing.db")).await;
        assert_eq!(filer.unfiled().await.unwrap(), Unfiled { places: 0, events: Some(1..=3000) });
        for (last, left) in [(600, 0), (3_000, ROWS - 1)] {
            let batches = filer.sort(0, last).await.unwrap();
            assert!(batches > 2, "{batches} batches");
            if last == 600 {
                pool.execute(PRUNING).await.unwrap();
            }
            for batch in 0..batches {
                filer.write(sql(filer.filing.add).bind(batch).bind(0_i64)).await.unwrap();
            }
            assert_eq!(count(&pool, "select count(*) from audit_places").await, left);
            filer.clear().await.unwrap();
            assert_eq!(count(&pool, "select count(*) from audit_places").await, 0);
        }
    }

    #[tokio::test]
    async fn a_note_that_comes_late_leaves_nothing_twice_or_out() {
        let folder = tempfile::tempdir().unwrap();
        let (pool, mut filer) = filer(&folder.path().join("filing.db")).await;
        assert_eq!(filer.unfiled().await.unwrap(), Unfiled { places: 0, events: Some(1..=3000) });
        for last in [1_000_i64, 3_000] {
            for batch in 0..filer.sort(0, last).await.unwrap() {
                filer.write(sql(filer.filing.add).bind(batch).bind(0_i64)).await.unwrap();
            }
            // The second time as somebody does who has not heard of the first.
            filer.write(sql(filer.filing.note).bind(last).bind(0_i64)).await.unwrap();
            assert_eq!(count(&pool, "select last from audit_filed").await, 1_000);
            assert_eq!(count(&pool, LISTED).await, 1_500);
        }
        // Nor does a row that came late become part of the file.
        pool.execute("insert into audit_places select 9999, place_id, 3000, '[1]' from audit_places limit 1")
            .await
            .unwrap();
        let places = filer.unfiled().await.unwrap().places;
        filer.write(sql(filer.filing.note).bind(3_000_i64).bind(places)).await.unwrap();
        assert_eq!(count(&pool, "select last from audit_filed").await, 1_000);
        assert_eq!(filer.file().await.unwrap(), Filed::All);
        assert_eq!(count(&pool, LISTED).await, 4_500);
    }

    #[tokio::test]
    async fn the_file_goes_no_further_than_its_rows_wherever_it_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let (pool, mut filer) = filer(&folder.path().join("filing.db")).await;
        let missing = "select count(*) from audit_events e where sequence <= (select last from audit_filed) and not exists \
                       (select 1 from audit_places p join json_each(p.sequences) j where p.place_id = e.organization_id \
                       and j.value = e.sequence and p.id <= (select places from audit_filed))";
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
        assert_eq!(filer.unfiled().await.unwrap(), Unfiled { places: ROWS, events: None });
        assert_eq!(count(&pool, LISTED).await, 4500);
        assert_eq!(count(&pool, LONGEST).await, 1024);
        assert_eq!(count(&pool, OUT_OF_ORDER).await, 0);
    }

    #[tokio::test]
    async fn what_is_filed_at_once_is_as_if_it_had_been_by_and_by() {
        let folder = tempfile::tempdir().unwrap();
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join("old.db"));
        let pool = sqlx::SqlitePool::connect_lazy_with(options.clone().create_if_missing(true));
        for migration in sqlite::MIGRATIONS.iter() {
            if migration.version == 5 {
                pool.execute(EVENTS).await.unwrap();
                let apart = "drop trigger audit_events_are_final; update audit_events set sequence = -sequence * 30; \
                             update audit_events set sequence = -sequence; update audit_position set last = 90000";
                pool.execute(apart).await.unwrap();
            }
            pool.execute(sqlx::raw_sql(migration.sql.clone())).await.unwrap();
        }
        let mut filer = SqlUpkeep::<Sqlite>::new(
            &Filing::LATER,
            OwnConnection::new(Arc::new(options), false),
            Arc::new(Semaphore::new(1)),
        );
        let more = "insert into audit_events (id, at, request_id, principal, scope, organization_id, operation, object_ids, \
                    outcome) select randomblob(16), 0, x'', 'argo', scope, organization_id, 'pull_secret.get', '[]', 'success' \
                    from audit_events where sequence < 3000";
        for (text, events) in [("select 1", 4_500), (more, 4_599), (FILE_ALL, 4_599), (more, 4_698)] {
            pool.execute(text).await.unwrap();
            assert_eq!(filer.file().await.unwrap(), Filed::All);
            assert_eq!(count(&pool, LISTED).await, events, "{text}");
            assert_eq!(count(&pool, OUT_OF_ORDER).await, 0, "{text}");
            assert!(count(&pool, LONGEST).await <= 1024, "{text}");
            let end = "select count(*) from audit_filed where last = (select max(sequence) from audit_events) \
                       and places = (select max(id) from audit_places)";
            assert_eq!(count(&pool, end).await, 1, "{text}");
        }
    }
}
