//! Taking old events out of the audit log: for how long they are kept, and what tells which ones went.
//!
//! Whoever prunes has exported the events before, a line each, and proves it by the digest of those lines. What a line is,
//! is the business of whoever writes it; here it is bytes.

use super::{
    id::{PruningId, TokenId},
    text::Invalid,
    timestamp::Timestamp,
};
use sha2::{Digest as _, Sha256};
use std::{fmt, str::FromStr};

/// For how long audit events are kept at least, in days: 1 to 36,500, 400 unless told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "u32")]
pub struct Retention(u32);

impl Retention {
    /// How many days they are.
    #[must_use]
    pub fn days(self) -> u32 {
        self.0
    }

    /// What happened before this time may be pruned.
    #[must_use]
    pub fn ends_before(self, now: Timestamp) -> Timestamp {
        now.minus_days(self.0)
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self(400)
    }
}

impl TryFrom<u32> for Retention {
    type Error = Invalid;

    fn try_from(days: u32) -> Result<Self, Invalid> {
        if (1..=36_500).contains(&days) { Ok(Self(days)) } else { Err(Invalid("must be between 1 and 36500 days")) }
    }
}

/// How many events one pruning takes: few enough that nobody waits long for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "u32")]
pub struct PruningCount(u32);

impl PruningCount {
    /// The most that one pruning takes.
    pub const MOST: u32 = 1000;

    /// How many they are.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for PruningCount {
    type Error = Invalid;

    fn try_from(count: u32) -> Result<Self, Invalid> {
        if (1..=Self::MOST).contains(&count) { Ok(Self(count)) } else { Err(Invalid("must be between 1 and 1000")) }
    }
}

/// The SHA-256 of lines, each with its line feed. Its text is 64 hexadecimal digits, as `sha256sum` prints them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct LinesDigest([u8; 32]);

impl LinesDigest {
    /// A digest that was kept.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest for a column.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for LinesDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for LinesDigest {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        const INVALID: Invalid = Invalid("must be 64 hexadecimal digits in lower case");
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(INVALID),
        };
        let mut bytes = [0; 32];
        if text.len() != 2 * bytes.len() {
            return Err(INVALID);
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for LinesDigest {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<LinesDigest> for String {
    fn from(digest: LinesDigest) -> Self {
        digest.to_string()
    }
}

/// Makes a [`LinesDigest`], line by line.
#[derive(Debug, Clone, Default)]
pub struct LinesHasher(Sha256);

impl LinesHasher {
    /// Takes the next line, which comes without its line feed.
    pub fn line(&mut self, line: &[u8]) {
        self.0.update(line);
        self.0.update(b"\n");
    }

    /// The digest of all of them.
    #[must_use]
    pub fn finish(self) -> LinesDigest {
        LinesDigest(self.0.finalize().into())
    }
}

/// What somebody wants pruned: so many of the oldest events, and the proof that he has them.
#[derive(Debug, Clone, Copy)]
pub struct NewPruning {
    /// How many.
    pub count: PruningCount,
    /// Of their lines.
    pub sha256: LinesDigest,
}

/// The record of a pruning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pruning {
    /// Names it.
    pub id: PruningId,
    /// When it was.
    pub at: Timestamp,
    /// The name of the token that was used.
    pub principal: String,
    /// That token's identifier.
    pub token_id: Option<TokenId>,
    /// The sequence number of the first event that went.
    pub first_sequence: i64,
    /// That of the last one.
    pub last_sequence: i64,
    /// How many went.
    pub count: u32,
    /// The earliest time that one of them told.
    pub oldest_at: Timestamp,
    /// The latest time that one of them told.
    pub newest_at: Timestamp,
    /// Of their lines.
    pub sha256: LinesDigest,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_that_of_sha256sum() {
        let mut hasher = LinesHasher::default();
        hasher.line(b"one");
        hasher.line(b"two");
        let text = "c3f9c8c283a2b1f2f1896f27a01cbe3cddc0c9d93f752e4639035a0f5b36f6e8";
        let digest = hasher.finish();
        assert_eq!(digest.to_string(), text);
        assert_eq!(digest.to_string().parse::<LinesDigest>(), Ok(digest));
        for bad in ["", "zz", &text.to_uppercase(), &text[1..], &format!("{text}0"), &"é".repeat(32)] {
            assert!(bad.parse::<LinesDigest>().is_err(), "{bad}");
        }
    }

    #[test]
    fn days_and_batches_have_limits() {
        assert_eq!([0, 1, 36_500, 36_501].map(|days| Retention::try_from(days).is_ok()), [false, true, true, false]);
        assert_eq!([0, 1, 1000, 1001].map(|count| PruningCount::try_from(count).is_ok()), [false, true, true, false]);
        let now: Timestamp = "2027-01-02T03:04:05Z".parse().unwrap();
        assert_eq!(Retention(1).ends_before(now).to_string(), "2027-01-01T03:04:05.000000Z");
        assert_eq!(Retention(36_500).ends_before(now).microseconds(), 0, "nothing is older than 1970");
    }
}
