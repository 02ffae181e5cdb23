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

/// A moment of the database.
pub(super) struct Moment {
    /// Another one after every change of a stamp. It does not come back on a connection. None if the database cannot tell just now.
    pub(super) version: Option<i64>,
    /// The time by the database's clock.
    pub(super) now: Timestamp,
}

/// What was proved on a connection.
pub(super) struct Proofs {
    /// The moment when it was, if the database told one.
    version: Option<i64>,
    /// Whether it was still the same when the database told it last.
    quiet: bool,
    proved: HashSet<Premise>,
}

impl Proofs {
    pub(super) fn new() -> Self {
        Self { version: None, quiet: false, proved: HashSet::new() }
    }

    /// When what is proved was.
    pub(super) fn version(&self) -> Option<i64> {
        self.version
    }

    /// Those which were not proved.
    pub(super) fn unproved<'a>(&self, premises: impl Iterator<Item = &'a Premise>) -> HashSet<Premise> {
        premises.filter(|premise| !self.proved.contains(premise)).copied().collect()
    }

    /// Takes note of the moment. If something may have changed since the last one, nothing is proved any more.
    fn stand_at(&mut self, version: Option<i64>) {
        self.quiet = version.is_some() && version == self.version;
        if !self.quiet || self.proved.len() > MOST_PROVED {
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
            let (moment, _) = told.first().ok_or_else(silent)?;
            // The first one's: what changes in between makes the next moment another one.
            if number == 0 {
                self.stand_at(moment.version);
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
}

impl<DB: Dialect> SqlProver<DB> {
    pub(super) fn new(connection: OwnConnection<DB>) -> Self {
        Self { connection, proofs: Proofs::new() }
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
        if line.is_new() || line.is_pooled() {
            self.proofs = Proofs::new();
        }
        let premises = cases.iter().flat_map(|premises| premises.iter());
        // Where something changes all the time, the proof itself tells the moment at no cost.
        let unproved = if self.proofs.quiet {
            let now = self.proofs.look::<DB>(&mut line).await?;
            let mut unproved = self.proofs.unproved(premises.clone());
            unproved.extend(premises.filter(|premise| premise.until.is_some_and(|until| until <= now)));
            unproved
        } else {
            premises.copied().collect()
        };
        let lapsed = self.proofs.prove::<DB>(&mut line, unproved).await?;
        if line.is_pooled() {
            line::commit(&mut line).await?;
        }
        self.connection.keep(line);
        Ok(cases.iter().map(|premises| lapsed.spares(premises)).collect())
    }
}
