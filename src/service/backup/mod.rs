//! Backups: all that is kept, from a database into a file and from a file into an empty database.
//!
//! Nothing is opened on the way: passwords and keys go over sealed, as they are stored. Only afterwards is every envelope
//! opened once, in its place, to see that it can be, and forgotten ([`verify_file`], [`verify_snapshot`]). A file has one
//! form whatever database it came from, so that it also moves an installation from one kind of database to another.
//!
//! This module must not know where a file is, nor how a database is reached: it is handed readers, writers, a [`Snapshot`] and
//! a [`Filling`].

mod contents;
mod error;
mod format;
mod verify;

pub use contents::{Contents, Header};
pub use error::BackupError;
pub use verify::{Findings, Keys, Unopened};

use crate::{
    domain::{
        audit::AuditEvent,
        id::DeploymentId,
        permission::Action,
        source::{Clock, Random},
    },
    store::{
        Corrupt,
        tables::{Filling, Row, Snapshot, TABLES},
    },
};
use format::{Reader, Writer};
use futures_util::StreamExt as _;
use std::{
    collections::HashSet,
    io::{self, BufRead, Write},
};
use uuid::Uuid;
use verify::Verifier;

/// How many rows are handed to a database at once.
const BATCH: usize = 500;
/// After how many rows somebody may be told how far it is, and something else may have its turn.
const STEP: u64 = 256;
/// How many rows with faults are named.
const MOST_NAMED: usize = 20;

/// Somebody who wants to know how far it is.
pub trait Progress: Send {
    /// Something begins: so many rows, or bytes of a file.
    fn begin(&mut self, what: &'static str, total: u64, unit: Unit);
    /// So much of it is done.
    fn reach(&mut self, done: u64);
    /// It is done.
    fn end(&mut self);
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Rows.
    Rows,
    /// Bytes.
    Bytes,
}

/// A backup that was written.
#[derive(Debug)]
pub struct Written {
    /// What is in it.
    pub contents: Contents,
    /// The first of the rows that could not be carried, and of those that refer to them.
    pub left_out: Vec<Corrupt>,
}

/// Tells of progress now and then, and lets others have a turn.
struct Pace<'a> {
    progress: &'a mut dyn Progress,
    calls: u64,
}

impl<'a> Pace<'a> {
    fn begin(progress: &'a mut dyn Progress, what: &'static str, total: u64, unit: Unit) -> Self {
        progress.begin(what, total, unit);
        Self { progress, calls: 0 }
    }

    async fn reach(&mut self, done: u64) {
        self.calls += 1;
        if self.calls.is_multiple_of(STEP) {
            self.progress.reach(done);
            // Reading a file never waits, and a signal must find somebody who listens.
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Pace<'_> {
    fn drop(&mut self) {
        self.progress.end();
    }
}

/// Writes everything that stands in a database.
///
/// # Errors
/// The database was never used, it failed, or the file cannot be written.
pub async fn write(
    snapshot: &mut dyn Snapshot,
    out: &mut (dyn Write + Send),
    clock: &dyn Clock,
    progress: &mut dyn Progress,
) -> Result<Written, BackupError> {
    let header = Header { deployment: deployment(snapshot).await?, created_at: clock.now() };
    let (mut left_out, mut lost) = (Vec::new(), HashSet::new());
    let total = total(snapshot).await?;
    let mut pace = Pace::begin(progress, "Backing up", total, Unit::Rows);
    let mut writer = Writer::begin(out, header).map_err(BackupError::Write)?;
    let (mut done, mut faults) = (0, 0);
    for table in TABLES {
        let mut rows = snapshot.rows(table);
        while let Some(row) = rows.next().await {
            match row?.and_then(|row| if row.refers_to(&lost) { Err(left_alone(&row)) } else { Ok(row) }) {
                Ok(row) => writer.row(&row).map_err(BackupError::Write)?,
                Err(corrupt) => {
                    faults += 1;
                    lost.extend(corrupt.id.parse::<Uuid>().map(|id| (corrupt.table, id)));
                    if left_out.len() < MOST_NAMED {
                        left_out.push(corrupt);
                    }
                }
            }
            done += 1;
            pace.reach(done).await;
        }
    }
    let contents = writer.finish(faults)?;
    Ok(Written { contents, left_out })
}

async fn deployment(snapshot: &mut dyn Snapshot) -> Result<DeploymentId, BackupError> {
    let row = snapshot.rows(&TABLES[0]).next().await.ok_or(BackupError::NoDeployment)??;
    let id = row.map_err(crate::store::StoreError::from)?.uuid("id");
    id.map(DeploymentId::from_uuid).ok_or(BackupError::NoDeployment)
}

async fn total(snapshot: &mut dyn Snapshot) -> Result<u64, BackupError> {
    let mut total = 0;
    for table in TABLES {
        total += snapshot.count(table).await?;
    }
    Ok(total)
}

/// A row that could not be put back, for what it refers to is lost.
fn left_alone(row: &Row) -> Corrupt {
    Corrupt { table: row.table().source, column: "what it refers to".to_owned(), id: row.id() }
}

/// Reads a backup from beginning to end, and tells what is in it. `length` is how long it is, for those who wait.
///
/// # Errors
/// It is no backup, one of another version, was cut off or altered, or cannot be read.
pub async fn check(
    input: impl BufRead + Send,
    length: u64,
    progress: &mut dyn Progress,
) -> Result<Contents, BackupError> {
    let mut reader = Reader::open(input)?;
    let mut pace = Pace::begin(progress, "Checking", length, Unit::Bytes);
    while reader.next()?.is_some() {
        pace.reach(reader.position()).await;
    }
    reader.contents()
}

/// Opens every envelope of a backup.
///
/// # Errors
/// The file is not as it was when it was checked, or not all of it was seen.
pub async fn verify_file(
    input: impl BufRead + Send,
    contents: &Contents,
    keys: Keys,
    progress: &mut dyn Progress,
) -> Result<Findings, BackupError> {
    let mut verifier = Verifier::new(contents.header.deployment, keys);
    let mut reader = Reader::open(input)?;
    let mut pace = Pace::begin(progress, "Opening envelopes", contents.rows(), Unit::Rows);
    let mut done = 0;
    while let Some(row) = reader.next()? {
        verifier.take(&row).await;
        done += 1;
        pace.reach(done).await;
    }
    drop(pace);
    reader.contents()?.must_be(contents)?;
    verifier.finish(contents)
}

/// Opens every envelope in a database, which is to hold a backup with these contents. It may hold more: rows that could not be
/// carried, and what has happened since.
///
/// # Errors
/// The database failed, or does not hold as much.
pub async fn verify_snapshot(
    snapshot: &mut dyn Snapshot,
    contents: &Contents,
    keys: Keys,
    progress: &mut dyn Progress,
) -> Result<Findings, BackupError> {
    for (table, (name, expected)) in TABLES.iter().zip(contents.counts()) {
        let found = snapshot.count(table).await?;
        if found < expected {
            return Err(BackupError::Missing { table: name, found, expected });
        }
    }
    let mut verifier = Verifier::new(contents.header.deployment, keys);
    let mut pace = Pace::begin(progress, "Opening envelopes", contents.envelopes(), Unit::Rows);
    for table in TABLES.iter().filter(|table| Verifier::wants(table)) {
        let mut rows = snapshot.rows(table);
        while let Some(row) = rows.next().await {
            match row? {
                Ok(row) => verifier.take(&row).await,
                Err(corrupt) => verifier.unreadable(corrupt),
            }
            pace.reach(verifier.seen()).await;
        }
    }
    drop(pace);
    verifier.finish(contents)
}

/// Puts a backup into an empty database, with an event that tells of it. It is all there afterwards, or nothing is.
///
/// # Errors
/// The file is not as it was when it was checked, or the database refused a row or failed.
pub async fn restore(
    mut filling: Box<dyn Filling>,
    input: impl BufRead + Send,
    contents: &Contents,
    (clock, random): (&dyn Clock, &dyn Random),
    progress: &mut dyn Progress,
) -> Result<(), BackupError> {
    let mut reader = Reader::open(input)?;
    let mut pace = Pace::begin(progress, "Restoring", contents.rows(), Unit::Rows);
    let mut batch: Vec<Row> = Vec::with_capacity(BATCH);
    let mut done = 0;
    loop {
        let row = reader.next()?;
        let goes_on = |row: &Row| batch.first().is_none_or(|first| first.table().name == row.table().name);
        if batch.len() == BATCH || !row.as_ref().is_some_and(goes_on) {
            insert(&mut *filling, &batch, reader.line()).await?;
            batch.clear();
        }
        let Some(row) = row else { break };
        batch.push(row);
        done += 1;
        pace.reach(done).await;
    }
    reader.contents()?.must_be(contents)?;
    let objects = vec![contents.header.deployment.as_uuid()];
    filling.commit(AuditEvent::by_regcred(clock, random, Action::DeploymentRestore, objects)).await?;
    Ok(())
}

/// Inserts the rows that stand before this line of the file.
async fn insert(filling: &mut dyn Filling, batch: &[Row], line: u64) -> Result<(), BackupError> {
    let last = line.saturating_sub(1);
    filling.insert(batch).await.map_err(|source| BackupError::Row {
        table: batch.first().map_or("", |row| row.table().name),
        first: line.saturating_sub(batch.len() as u64),
        last,
        source,
    })
}

/// What a reader or writer of files says.
type IoResult<T> = Result<T, io::Error>;
