//! Times as people read and write them.

use super::output;
use crate::domain::{text::Invalid, timestamp::Timestamp};
use std::{
    str::FromStr,
    time::{SystemTime, UNIX_EPOCH},
};

const SECOND: i64 = 1_000_000;
/// Until when an end is so near that people are told of it unasked.
pub(super) const SOON: i64 = 14 * 86_400 * SECOND;

/// The time on this machine. The command line's only look at a clock.
#[expect(clippy::disallowed_methods, reason = "the command line is the outermost layer, and shows times to people")]
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let microseconds = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_microseconds(microseconds).expect("this machine's clock stands before the year 10000")
}

/// When something ends, as people say it: a time, a day, or a number of days from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// At this time.
    At(Timestamp),
    /// In so many days.
    InDays(u32),
}

impl End {
    /// Warns of an end that is over before it begins.
    pub(super) fn warn_if_past(self) {
        let now = now();
        if self.time(now) <= now {
            output::warn("--expires-at is past: the login will not be handed out");
        }
    }

    /// The time that is meant.
    pub(super) fn time(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::InDays(days) => now.plus_days(days),
        }
    }
}

impl FromStr for End {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let days = text.strip_suffix('d').filter(|days| days.bytes().all(|byte| byte.is_ascii_digit()));
        if let Some(days) = days.and_then(|days| days.parse().ok()) {
            return Ok(Self::InDays(days));
        }
        let time = text.parse().or_else(|_| format!("{text}T00:00:00Z").parse());
        time.map(Self::At).map_err(|_: Invalid| {
            Invalid(
                "must be a time such as 2027-01-01T00:00:00Z, a day such as 2027-01-01, or days from now such as 90d",
            )
        })
    }
}

/// A time without the fractions of its second.
pub(super) fn to_the_second(time: Timestamp) -> String {
    let text = time.to_string();
    match text.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => text,
    }
}

/// How long ago that was: `5m ago`.
pub(super) fn ago(then: Timestamp, now: Timestamp) -> String {
    format!("{} ago", span(now.microseconds() - then.microseconds()))
}

/// A span of time by its largest unit, as `kubectl` gives ages.
pub(super) fn span(microseconds: i64) -> String {
    match microseconds.max(0) / SECOND {
        seconds @ 0..120 => format!("{seconds}s"),
        seconds @ 120..7_200 => format!("{}m", seconds / 60),
        seconds @ 7_200..172_800 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_time_a_day_or_a_number_of_days() {
        let now: Timestamp = "2027-01-01T12:00:00Z".parse().unwrap();
        let end = |text: &str| text.parse::<End>().map(|end| end.time(now).to_string());
        assert_eq!(end("2027-02-03T04:05:06+01:00").unwrap(), "2027-02-03T03:05:06.000000Z");
        assert_eq!(end("2027-02-03").unwrap(), "2027-02-03T00:00:00.000000Z");
        assert_eq!(end("90d").unwrap(), "2027-04-01T12:00:00.000000Z");
        for text in ["", "d", "-1d", "+1d", "tomorrow", "2027", "2027-02-30", "1h"] {
            assert!(end(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_to_the_second_is_one_still() {
        let time: Timestamp = "2027-01-01T12:00:01.999999Z".parse().unwrap();
        assert_eq!(to_the_second(time), "2027-01-01T12:00:01Z");
    }

    #[test]
    fn an_age_has_one_unit() {
        let spans = [-5, 0, 119, 120, 7_199, 7_200, 172_799, 172_800].map(|seconds| span(seconds * SECOND));
        assert_eq!(spans, ["0s", "0s", "119s", "2m", "119m", "2h", "47h", "2d"]);
    }
}
