//! A point in time in whole microseconds, the finest that both databases keep.

use super::text::Invalid;
use std::{fmt, str::FromStr};
use time::{OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description};

/// Microseconds since 1970-01-01T00:00:00Z. Written and read as RFC 3339 in UTC with six decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize, serde::Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(i64);

const MICROSECONDS_A_MINUTE: i64 = 60_000_000;
const MICROSECONDS_AN_HOUR: i64 = 60 * MICROSECONDS_A_MINUTE;
const MICROSECONDS_A_DAY: i64 = 24 * MICROSECONDS_AN_HOUR;

impl Timestamp {
    /// The last moment that RFC 3339 can write: 9999-12-31T23:59:59.999999Z.
    const LAST: i64 = 253_402_300_799_999_999;

    /// A time from its microseconds since the epoch; `None` before 1970 and after the year 9999.
    #[must_use]
    pub fn from_microseconds(microseconds: i64) -> Option<Self> {
        (0..=Self::LAST).contains(&microseconds).then_some(Self(microseconds))
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub fn microseconds(self) -> i64 {
        self.0
    }

    /// The same time of day, that many days later; at most the last moment that can be written.
    #[must_use]
    pub fn plus_days(self, days: u32) -> Self {
        Self(self.0.saturating_add(i64::from(days) * MICROSECONDS_A_DAY).min(Self::LAST))
    }

    /// That many minutes earlier; at least the first moment of 1970.
    #[must_use]
    pub fn minus_minutes(self, minutes: u32) -> Self {
        Self(self.0.saturating_sub(i64::from(minutes) * MICROSECONDS_A_MINUTE).max(0))
    }

    /// That many hours later; at most the last moment that can be written.
    #[must_use]
    pub fn plus_hours(self, hours: u32) -> Self {
        Self(self.0.saturating_add(i64::from(hours) * MICROSECONDS_AN_HOUR).min(Self::LAST))
    }

    /// The same time of day, that many days earlier; at least the first moment of 1970.
    #[must_use]
    pub fn minus_days(self, days: u32) -> Self {
        Self(self.0.saturating_sub(i64::from(days) * MICROSECONDS_A_DAY).max(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
        let text = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1000)
            .ok()
            .and_then(|time| time.format(format).ok())
            .ok_or(fmt::Error)?;
        f.write_str(&text)
    }
}

impl FromStr for Timestamp {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let time = OffsetDateTime::parse(text, &Rfc3339)
            .map_err(|_| Invalid("must be an RFC 3339 time such as 2027-01-01T00:00:00Z"))?;
        // Counted from the epoch, whatever the offset: to move it to UTC first would panic past the year 9999.
        i64::try_from(time.unix_timestamp_nanos() / 1000)
            .ok()
            .and_then(Self::from_microseconds)
            .ok_or(Invalid("must lie between the years 1970 and 9999"))
    }
}

impl TryFrom<String> for Timestamp {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> Self {
        time.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_utc_with_six_decimals_and_read_back() {
        let time: Timestamp = "2027-01-01T01:00:00.1234567+01:00".parse().unwrap();
        assert_eq!(time.to_string(), "2027-01-01T00:00:00.123456Z");
        assert_eq!(time.to_string().parse::<Timestamp>().unwrap(), time);
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        for text in
            ["", "tomorrow", "2027-01-01", "1969-12-31T23:59:59Z", "2027-13-01T00:00:00Z", "9999-12-31T23:59:59-00:01"]
        {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
        assert_eq!(Timestamp(Timestamp::LAST).plus_days(1).to_string(), "9999-12-31T23:59:59.999999Z");
    }
}
