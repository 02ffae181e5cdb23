//! Whether premises hold.
//!
//! The proof is a question for each premise. But a database can also tell its [`Moment`]: as long as it is the same, what was proved
//! once is proved. `SQLite` has one value that stands for all stamps. PostgreSQL tells which transactions have ended, so there
//! every change of anything is another moment.

use super::{
    MOST_ROWS, PATIENCE,
    dialect::{Dialect, sql},
    line::{self, Line},
    own::OwnConnection,
    rows::{LapsedRow, MomentRow},
};
use crate::{
    domain::timestamp::Timestamp,
    store::{Premise, Prover, StoreError},
};
use async_trait::async_trait;
use std::collections::HashSet;
use tokio::time::Instant;

/// How many proved premises are kept in mind.
const MOST_PROVED: usize = 50_000;

/// What stands for the state of all stamps. It never comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    /// Another one after every change.
    pub(super) number: i64,
    /// Since when the server runs that counts, where one does: after another start, or on another one, a count would come again.
    pub(super) since: Option<Timestamp>,
}

/// A moment of the database.
pub(super) struct Moment {
    /// None if the database cannot tell just now.
    pub(super) version: Option<Version>,
    /// The time by the database's clock.
    pub(super) now: Timestamp,
}

/// What was proved.
pub(super) struct Proofs {
    /// The moment when it was, if the database told one.
    version: Option<Version>,
    proved: HashSet<Premise>,
}

impl Proofs {
    pub(super) fn new() -> Self {
        Self { version: None, proved: HashSet::new() }
    }

    /// When what is proved was.
    pub(super) fn version(&self) -> Option<Version> {
        self.version
    }

    /// Those which were not proved.
    pub(super) fn unproved<'a>(&self, premises: impl Iterator<Item = &'a Premise>) -> HashSet<Premise> {
        premises.filter(|premise| !self.proved.contains(premise)).copied().collect()
    }

    /// Takes note of the moment. If something may have changed since the last one, nothing is proved any more.
    fn stand_at(&mut self, version: Option<Version>) {
        if version.is_none() || version != self.version || self.proved.len() > MOST_PROVED {
            self.proved.clear();
        }
        self.version = version;
    }

    /// Asks for the moment, takes note of it, and tells the time by the database's clock.
    pub(super) async fn look<DB: Dialect>(&mut self, line: &mut impl Line<DB>) -> Result<Timestamp, StoreError> {
        let moment = sql::<DB>(DB::MOMENT).optional::<MomentRow>(line).await?;
        let moment = moment.ok_or_else(silent)?;
        self.stand_at(moment.version);
        Ok(moment.now)
    }

    /// Asks which of these do not hold, takes note of the moment, and keeps the others in mind.
    pub(super) async fn prove<DB: Dialect>(
        &mut self,
        line: &mut impl Line<DB>,
        premises: HashSet<Premise>,
    ) -> Result<Lapsed, StoreError> {
        let all: Vec<_> = premises.iter().copied().collect();
        let mut lapsed = HashSet::new();
        for (number, premises) in all.chunks(MOST_ROWS).enumerate() {
            let told = DB::lapsed(premises).all::<LapsedRow>(line).await?;
            let (version, _) = told.first().ok_or_else(silent)?;
            // The first one's: what changes in between makes the next moment another one.
            if number == 0 {
                self.stand_at(*version);
            }
            lapsed.extend(told.into_iter().filter_map(|(_, premise)| premise));
        }
        if self.version.is_some() {
            self.proved.extend(premises.into_iter().filter(|premise| !lapsed.contains(premise)));
        }
        Ok(Lapsed(lapsed))
    }
}

/// A row comes in any case. If none did, nothing would have been proved.
fn silent() -> StoreError {
    StoreError::Refused("the database did not tell the moment".into())
}

/// Which premises hold no longer.
pub(super) struct Lapsed(HashSet<Premise>);

impl Lapsed {
    /// For premises that are proved in another way.
    pub(super) fn none() -> Self {
        Self(HashSet::new())
    }

    /// Whether none of these is among them.
    pub(super) fn spares(&self, premises: &[Premise]) -> bool {
        self.0.is_empty() || premises.iter().all(|premise| !self.0.contains(premise))
    }
}

/// Proves premises on a connection of its own.
pub(super) struct SqlProver<DB: Dialect> {
    connection: OwnConnection<DB>,
    proofs: Proofs,
    /// Whether the last batch met the same moment as the one before.
    quiet: bool,
}

impl<DB: Dialect> SqlProver<DB> {
    pub(super) fn new(connection: OwnConnection<DB>) -> Self {
        Self { connection, proofs: Proofs::new(), quiet: false }
    }
}

#[async_trait]
impl<DB: Dialect> Prover for SqlProver<DB> {
    async fn prove(&mut self, cases: &[&[Premise]]) -> Result<Vec<bool>, StoreError> {
        let mut line = self.connection.line(Instant::now() + PATIENCE).await?;
        // Behind a pooler a question outside of a transaction would have no limits on the server, and might be answered by a
        // standby that lags behind. One that could write is begun by the primary alone.
        if line.is_pooled() {
            line::run(&mut line, DB::BEGIN).await?;
        }
        let premises = cases.iter().flat_map(|premises| premises.iter());
        let before = self.proofs.version();
        let mut first = None;
        // Where something changes between any two batches, this would be asked in vain. The proof tells the moment, too.
        let unproved = if self.quiet {
            let now = self.proofs.look::<DB>(&mut line).await?;
            first = Some(self.proofs.version());
            let mut unproved = self.proofs.unproved(premises.clone());
            unproved.extend(premises.filter(|premise| premise.until.is_some_and(|until| until <= now)));
            unproved
        } else {
            premises.copied().collect()
        };
        let lapsed = self.proofs.prove::<DB>(&mut line, unproved).await?;
        let first = first.unwrap_or(self.proofs.version());
        self.quiet = first.is_some() && first == before;
        if line.is_pooled() {
            line::commit(&mut line).await?;
        }
        self.connection.keep(line);
        Ok(cases.iter().map(|premises| lapsed.spares(premises)).collect())
    }
}
