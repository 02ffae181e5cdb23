//! Statements over many rows of values at once, as SQLite takes them: each value by itself.
//!
//! A statement that takes any number of rows would be another text, prepared anew, for every number. So there are texts for some
//! numbers only, and the rows that are left over say nothing. Values have their places by position: SQLite looks for a numbered
//! one among all others, each time that one is bound.

use crate::{
    domain::{audit::AuditEvent, credential::LAST_USED_STEP_MINUTES, id::CredentialId, timestamp::Timestamp},
    store::{
        NewSealedCredential, Premise,
        sql::{
            MOST_ROWS,
            adding::bind_new,
            audit::{Guard, bind_event, event_columns},
            dialect::{Statement, sql},
            tx::new_credential_columns,
        },
    },
};
use sqlx::Sqlite;
use std::{iter::repeat, sync::LazyLock};

pub(super) static LAPSED: LazyLock<Texts> = LazyLock::new(|| {
    let head = "with premise (subject, stamp, until) as (values ";
    let tail = ") select m.version, null as since, l.id, l.stamp, l.until from (select 1) left join stamps_moment m \
                left join (select p.subject as id, p.stamp, p.until from premise p cross join database_clock clock \
                left join stamps s on s.subject = p.subject \
                where s.stamp is null or s.stamp <> p.stamp or p.until <= clock.now) l";
    Texts::new(head, 3, tail)
});

/// One statement: the thread that SQLite runs on reports each by itself, and whoever waits is woken for each. SQLite takes the numbers,
/// one after the other. Nothing is joined with the values, or they would be written to a table in between. `or rollback` spares
/// a journal for taking back half a statement.
static RECORD: LazyLock<Texts> = LazyLock::new(|| {
    let head = concat!(
        "with guard (open) as (select exists (select 1 from audit_position where last >= 0) and exists (select 1 \
         from stamps_moment m cross join database_clock clock \
         where m.version = coalesce(?, m.version) and clock.now < coalesce(?, clock.now + 1))) \
         insert or rollback into audit_events ",
        event_columns!(),
        " select null, column2, column3, column4, column5, column6, column7, column8, column9, column10, column11, \
         column12, column13 from (values "
    );
    Texts::new(head, 13, ") as event where column1 is not null and (select open from guard)")
});

/// What the scope has already does nothing, also if it came a row before.
static ADD: LazyLock<Texts> = LazyLock::new(|| {
    let head = concat!(
        "insert into credentials ",
        new_credential_columns!(),
        " select column2, column3, column4, column5, column6, column7, column8, column9, column10, column11, column12, \
         column13, column14, column15, column16, column17, column18, column19 from (values "
    );
    Texts::new(
        head,
        19,
        ") as new where column1 in (select id from tokens) and column3 in (select id from scopes) \
         on conflict do nothing returning id",
    )
});

/// Whoever has the turn waits for no row.
pub(super) static MARK: LazyLock<Texts> = LazyLock::new(|| {
    let head = "with used (id, at, before) as (values ";
    // `id in` goes by the index. Joined with so many values, the table would be walked through.
    let tail = ") update credentials set last_used_at = (select at from used where used.id = credentials.id) \
                where id in (select id from used) and (last_used_at is null \
                or last_used_at < (select before from used where used.id = credentials.id))";
    Texts::new(head, 3, tail)
});

pub(super) fn lapsed(premises: &[Premise]) -> Statement<Sqlite> {
    let (rows, text) = LAPSED.at_least(premises.len());
    // To say one thing several times does no harm.
    let padded = premises.iter().chain(repeat(&premises[0])).take(rows);
    padded
        .fold(sql(text), |statement, premise| statement.bind(premise.subject).bind(premise.stamp.0).bind(premise.until))
}

pub(super) fn record(guard: Option<&Guard>, events: &[&AuditEvent]) -> Statement<Sqlite> {
    let (rows, text) = RECORD.at_least(events.len());
    let (version, until) = match guard {
        Some(Guard::Moment { version, until }) => (Some(version.number), *until),
        Some(Guard::Premises(_)) | None => (None, None),
    };
    let statement = sql(text).bind(version).bind(until);
    events.iter().copied().map(Some).chain(repeat(None)).take(rows).fold(statement, bind_event)
}

pub(super) fn add(new: &[NewSealedCredential<'_>]) -> Statement<Sqlite> {
    let (rows, text) = ADD.at_least(new.len());
    new.iter().chain(repeat(&new[0])).take(rows).fold(sql(text), |statement, new| bind_new(statement, new))
}

pub(super) fn mark(uses: &[(CredentialId, Timestamp)]) -> Statement<Sqlite> {
    let (rows, text) = MARK.at_least(uses.len());
    let padded = uses.iter().chain(repeat(&uses[0])).take(rows);
    padded.fold(sql(text), |statement, (id, at)| {
        statement.bind(id.as_uuid()).bind(*at).bind(at.minus_minutes(LAST_USED_STEP_MINUTES))
    })
}

/// A statement's text for numbers of rows: 1, 2, each fourth to 64, each 64th to [`MOST_ROWS`].
pub(super) struct Texts(Vec<(usize, String)>);

impl Texts {
    /// Of a head, rows of so many values, and what comes behind them.
    fn new(head: &str, columns: usize, tail: &str) -> Self {
        let row = format!("({})", vec!["?"; columns].join(", "));
        let text = |rows| (rows, format!("{head}{}{tail}", vec![row.as_str(); rows].join(", ")));
        Self([1, 2].into_iter().chain((4..64).step_by(4)).chain((64..=MOST_ROWS).step_by(64)).map(text).collect())
    }

    /// The text for the least number of rows that is not less than this one.
    pub(super) fn at_least(&self, rows: usize) -> (usize, &str) {
        let place = self.0.partition_point(|(most, _)| *most < rows);
        let (rows, text) = &self.0[place.min(self.0.len() - 1)];
        (*rows, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_their_places() {
        let texts = Texts::new("begin ", 2, " end");
        assert_eq!(texts.at_least(1), (1, "begin (?, ?) end"));
        assert_eq!(texts.at_least(2), (2, "begin (?, ?), (?, ?) end"));
        for (rows, taken) in
            [(0, 1), (3, 4), (4, 4), (29, 32), (61, 64), (65, 128), (MOST_ROWS, MOST_ROWS), (MOST_ROWS + 1, MOST_ROWS)]
        {
            assert_eq!(texts.at_least(rows).0, taken, "{rows}");
        }
    }
}
