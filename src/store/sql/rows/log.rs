//! What was pruned, the clock by which it was old enough, and what is not on file yet.

use super::{Record, bytes, count};
use crate::domain::{
    id::{PruningId, TokenId},
    pruning::{LinesDigest, Pruning},
    timestamp::Timestamp,
};
use sqlx::FromRow;
use std::ops::RangeInclusive;
use uuid::Uuid;

/// A bare time.
#[derive(FromRow)]
pub(in crate::store::sql) struct ClockRow {
    now: Timestamp,
}

impl Record for ClockRow {
    type Domain = Timestamp;
    const TABLE: &'static str = "database_clock";

    fn into_domain(self) -> Result<Timestamp, &'static str> {
        Ok(self.now)
    }
}

#[derive(FromRow)]
pub(in crate::store::sql) struct PruningRow {
    id: Uuid,
    at: Timestamp,
    principal: String,
    token_id: Option<Uuid>,
    first_sequence: i64,
    last_sequence: i64,
    count: i64,
    oldest_at: Timestamp,
    newest_at: Timestamp,
    sha256: Vec<u8>,
}

impl Record for PruningRow {
    type Domain = Pruning;
    const TABLE: &'static str = "audit_prunings";

    fn into_domain(self) -> Result<Pruning, &'static str> {
        Ok(Pruning {
            id: PruningId::from_uuid(self.id),
            at: self.at,
            principal: self.principal,
            token_id: self.token_id.map(TokenId::from_uuid),
            first_sequence: self.first_sequence,
            last_sequence: self.last_sequence,
            count: count(self.count, "count")?,
            oldest_at: self.oldest_at,
            newest_at: self.newest_at,
            sha256: LinesDigest::from_bytes(bytes(&self.sha256, "sha256")?),
        })
    }
}

/// Which events are not on file: none if there is neither number.
#[derive(FromRow)]
pub(in crate::store::sql) struct UnfiledRow {
    places: i64,
    oldest: Option<i64>,
    newest: Option<i64>,
}

/// What is not on file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store::sql) struct Unfiled {
    /// The last row of the file.
    pub(in crate::store::sql) places: i64,
    /// The events, if there are any.
    pub(in crate::store::sql) events: Option<RangeInclusive<i64>>,
}

impl Record for UnfiledRow {
    type Domain = Unfiled;
    const TABLE: &'static str = "audit_filed";

    fn into_domain(self) -> Result<Unfiled, &'static str> {
        let Self { places, oldest, newest } = self;
        Ok(Unfiled { places, events: oldest.zip(newest).map(|(oldest, newest)| oldest..=newest) })
    }
}
