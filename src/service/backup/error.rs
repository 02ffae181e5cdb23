//! What can go wrong with a backup. No message repeats anything that stands in one.

use crate::store::StoreError;
use std::io;

/// Why a backup was not made, or not put back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database is empty.
    #[error("there is nothing to back up: `regcred serve` was never started on this database")]
    NoDeployment,
    /// The file cannot be read.
    #[error("cannot read the backup")]
    Read(#[source] io::Error),
    /// The file cannot be written.
    #[error("cannot write the backup")]
    Write(#[source] io::Error),
    /// It is something else.
    #[error("this is no backup of regcred's: its first line is not the header of one")]
    Foreign,
    /// The form of the file is not known here.
    #[error("the backup has a format that this version of regcred does not know; use a newer one")]
    NewerFormat,
    /// The tables in the file are newer than those known here.
    #[error(
        "the backup was made by a newer regcred; use the one that made it, which its first line names, or a newer one"
    )]
    NewerSchema,
    /// The tables in the file are older than those known here.
    #[error(
        "the backup was made by an older regcred, whose tables were others; restore it with the regcred that its first line \
         names, and start this one on the database then, which brings its tables up to date"
    )]
    OlderSchema,
    /// It ends too early.
    #[error("the backup ends before its last line: it was cut off, or is still being written; take another one")]
    CutOff,
    /// A line is not what stands in a backup.
    #[error("line {line} of the backup {rule}: it was altered; take another one")]
    Line {
        /// Which, from 1.
        line: u64,
        /// What is wrong with it.
        rule: &'static str,
    },
    /// The checksum is that of something else.
    #[error("the backup is not what was written, by its checksum: it was altered or damaged; take another one")]
    Altered,
    /// A table with one row does not have it.
    #[error("a backup must have one row of {0}, and this one has not: it could not be put back")]
    NotOne(&'static str),
    /// It changed while it was read.
    #[error("the backup was changed while it was being read")]
    Changed,
    /// A check afterwards did not come upon every row.
    #[error(
        "{found} of {expected} rows of {table} were found again afterwards: do not rely on what was made, and make it anew"
    )]
    Missing {
        /// The table.
        table: &'static str,
        /// How many were found.
        found: u64,
        /// How many there are to be.
        expected: u64,
    },
    /// A check afterwards did not come upon every envelope.
    #[error("{seen} envelopes were tried, and there are {expected}: nobody knows whether the others open")]
    Untried {
        /// How many were tried.
        seen: u64,
        /// How many there are to be.
        expected: u64,
    },
    /// The database holds something.
    #[error("the database holds an installation already, and is left as it is; a backup goes into an empty one")]
    NotEmpty,
    /// The database refused a row.
    #[error("the database takes none of the backup, because of a row of {table} on lines {first} to {last}")]
    Row {
        /// The table.
        table: &'static str,
        /// The first line that it may be on.
        first: u64,
        /// The last line that it may be on.
        last: u64,
        /// What the database said.
        source: StoreError,
    },
}
