//! Whether premises hold.
//!
//! The proof is a question for each premise. On `SQLite`, where one process writes at a time anyway, one value stands for all stamps:
//! as long as it is the same, what was proved once is proved.

use super::{
    MOST_ROWS, PATIENCE,
    dialect::{Dialect, sql},
    line::{self, Line},
    own::OwnConnection,
    rows::{MomentRow, StampRow},
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
    /// Another one after every change of a stamp; random, so that none comes back.
    pub(super) version: i64,
    /// The time by the database's clock.
    pub(super) now: Timestamp,
}

/// The moment, if the database tells one.
pub(super) async fn moment<DB: Dialect>(line: &mut impl Line<DB>) -> Result<Option<Moment>, StoreError> {
    match DB::MOMENT {
        Some(text) => sql::<DB>(text).optional::<MomentRow>(line).await,
        None => Ok(None),
    }
}

/// What was proved.
pub(super) struct Proofs {
    /// The moment when it was, if the database tells one.
    version: Option<i64>,
    proved: HashSet<Premise>,
}

impl Proofs {
    pub(super) fn new() -> Self {
        Self { version: None, proved: HashSet::new() }
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
    pub(super) fn stand_at(&mut self, moment: Option<&Moment>) {
        let version = moment.map(|moment| moment.version);
        if version.is_none() || version != self.version || self.proved.len() > MOST_PROVED {
            self.proved.clear();
        }
        self.version = version;
    }

    /// Asks which of these do not hold, and keeps the others in mind if the moment is known.
    pub(super) async fn prove<DB: Dialect>(
        &mut self,
        line: &mut impl Line<DB>,
        premises: HashSet<Premise>,
    ) -> Result<Lapsed, StoreError> {
        let lapsed = Lapsed::of::<DB>(line, premises.iter().copied().collect()).await?;
        if self.version.is_some() {
            self.proved.extend(premises.into_iter().filter(|premise| !lapsed.0.contains(premise)));
        }
        Ok(lapsed)
    }

    /// Whether all of these are proved and in time.
    pub(super) fn cover(&self, premises: &[Premise], moment: &Moment) -> bool {
        premises
            .iter()
            .all(|premise| self.proved.contains(premise) && premise.until.is_none_or(|until| moment.now < until))
    }
}

/// Which premises hold no longer.
pub(super) struct Lapsed(HashSet<Premise>);

impl Lapsed {
    /// For premises that are proved in another way.
    pub(super) fn none() -> Self {
        Self(HashSet::new())
    }

    async fn of<DB: Dialect>(line: &mut impl Line<DB>, premises: Vec<Premise>) -> Result<Self, StoreError> {
        let mut lapsed = HashSet::new();
        for premises in premises.chunks(MOST_ROWS) {
            lapsed.extend(DB::lapsed(premises).all::<StampRow>(line).await?);
        }
        Ok(Self(lapsed))
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
        // Before the proofs: what changes in between makes the next moment another one.
        let moment = moment::<DB>(&mut line).await?;
        self.proofs.stand_at(moment.as_ref());
        let unproved = self.proofs.unproved(cases.iter().flat_map(|premises| premises.iter()));
        let lapsed = self.proofs.prove::<DB>(&mut line, unproved).await?;
        if line.is_pooled() {
            line::commit(&mut line).await?;
        }
        self.connection.keep(line);
        let holds = |premises: &&[Premise]| match &moment {
            Some(moment) => self.proofs.cover(premises, moment),
            None => lapsed.spares(premises),
        };
        Ok(cases.iter().map(holds).collect())
    }
}
