//! Whether premises hold.

use super::{
    PATIENCE,
    dialect::{Dialect, sql},
    line::{self, Line},
    many::{self, Place, Texts},
    own::OwnConnection,
    rows::StampRow,
};
use crate::store::{Premise, Prover, StoreError};
use async_trait::async_trait;
use std::collections::HashSet;
use tokio::time::Instant;

/// Finds out which of these premises, `(subject, stamp, until)`, hold no longer.
pub(super) fn lapsed(place: Place) -> Texts {
    Texts::new(
        ("with premise (subject, stamp, until) as (values ", 0),
        3,
        ") select p.subject as id, p.stamp, p.until from premise p cross join database_clock clock \
         left join stamps s on s.subject = p.subject where s.stamp is null or s.stamp <> p.stamp or p.until <= clock.now",
        place,
    )
}

/// Which premises hold no longer.
pub(super) struct Lapsed(HashSet<Premise>);

impl Lapsed {
    /// Finds out which of these do not hold.
    pub(super) async fn of<DB: Dialect>(
        line: &mut impl Line<DB>,
        // Those who ask at the same time mostly rest on the same few.
        premises: HashSet<Premise>,
    ) -> Result<Self, StoreError> {
        let premises: Vec<_> = premises.into_iter().collect();
        let mut lapsed = HashSet::new();
        for premises in premises.chunks(many::MOST) {
            let (rows, text) = DB::LAPSED.at_least(premises.len());
            // To say one thing several times does no harm, and makes the text a prepared one.
            let padded = premises.iter().chain(std::iter::repeat(&premises[0])).take(rows);
            let statement = padded.fold(sql::<DB>(text), |statement, premise| {
                statement.bind(premise.subject).bind(premise.stamp.0).bind(premise.until)
            });
            lapsed.extend(statement.all::<StampRow>(line).await?);
        }
        Ok(Self(lapsed))
    }

    /// Whether all of these hold.
    pub(super) fn spares(&self, premises: &[Premise]) -> bool {
        self.0.is_empty() || premises.iter().all(|premise| !self.0.contains(premise))
    }
}

/// Proves premises on a connection of its own.
pub(super) struct SqlProver<DB: Dialect>(OwnConnection<DB>);

impl<DB: Dialect> SqlProver<DB> {
    pub(super) fn new(connection: OwnConnection<DB>) -> Self {
        Self(connection)
    }
}

#[async_trait]
impl<DB: Dialect> Prover for SqlProver<DB> {
    async fn prove(&mut self, cases: &[&[Premise]]) -> Result<Vec<bool>, StoreError> {
        let premises = cases.iter().flat_map(|premises| premises.iter().copied()).collect();
        let mut line = self.0.line(Instant::now() + PATIENCE).await?;
        // Behind a pooler a question outside of a transaction would have no limits on the server, and might be answered by a
        // standby that lags behind. One that could write is begun by the primary alone.
        if line.is_pooled() {
            line::begin(&mut line, DB::BEGIN).await?;
        }
        let lapsed = Lapsed::of::<DB>(&mut line, premises).await?;
        if line.is_pooled() {
            line::commit(&mut line).await?;
        }
        self.0.keep(line);
        Ok(cases.iter().map(|premises| lapsed.spares(premises)).collect())
    }
}
