//! Stamps, and what a proof tells.

use super::Record;
use crate::{
    domain::timestamp::Timestamp,
    store::{
        Premise, Stamp,
        sql::premises::{Moment, Version},
    },
};
use sqlx::FromRow;
use uuid::Uuid;

#[derive(FromRow)]
struct VersionRow {
    version: Option<i64>,
    since: Option<Timestamp>,
}

impl VersionRow {
    fn into_version(self) -> Option<Version> {
        self.version.map(|number| Version { number, since: self.since })
    }
}

#[derive(FromRow)]
pub(in crate::store::sql) struct MomentRow {
    #[sqlx(flatten)]
    version: VersionRow,
    now: Timestamp,
}

impl Record for MomentRow {
    type Domain = Moment;
    const TABLE: &'static str = "database_clock";

    fn into_domain(self) -> Result<Moment, &'static str> {
        Ok(Moment { version: self.version.into_version(), now: self.now })
    }
}

/// A subject with its stamp.
#[derive(FromRow)]
pub(in crate::store::sql) struct StampRow {
    id: Uuid,
    stamp: Uuid,
}

impl Record for StampRow {
    type Domain = Premise;
    const TABLE: &'static str = "stamps";

    fn into_domain(self) -> Result<Premise, &'static str> {
        Ok(Premise { subject: self.id, stamp: Stamp(self.stamp), until: None })
    }
}

/// A premise that holds no longer, or none, and the moment's version.
#[derive(FromRow)]
pub(in crate::store::sql) struct LapsedRow {
    #[sqlx(flatten)]
    version: VersionRow,
    id: Option<Uuid>,
    stamp: Option<Uuid>,
    until: Option<Timestamp>,
}

impl Record for LapsedRow {
    type Domain = (Option<Version>, Option<Premise>);
    const TABLE: &'static str = "stamps";

    fn into_domain(self) -> Result<Self::Domain, &'static str> {
        let lapsed = match (self.id, self.stamp) {
            (Some(subject), Some(stamp)) => Some(Premise { subject, stamp: Stamp(stamp), until: self.until }),
            (None, None) => None,
            _ => return Err("stamp"),
        };
        Ok((self.version.into_version(), lapsed))
    }
}
