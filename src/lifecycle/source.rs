//! The system's clock and randomness: the one place where they are read.

use crate::domain::{
    source::{Clock, Random},
    timestamp::Timestamp,
};
use std::{
    cell::RefCell,
    time::{SystemTime, UNIX_EPOCH},
};
use zeroize::{Zeroize as _, Zeroizing};

/// The system's clock.
pub(super) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place where the system's clock is read")]
    fn now(&self) -> Timestamp {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let microseconds = i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_microseconds(microseconds).expect("the year is below 10000")
    }
}

/// The system's source of randomness.
pub(super) struct SystemRandom;

impl Random for SystemRandom {
    #[expect(clippy::disallowed_methods, reason = "this is the one place where the system's randomness is read")]
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("a system that cannot give random bytes cannot keep secrets");
    }

    fn fill_public(&self, buffer: &mut [u8]) {
        AHEAD.with_borrow_mut(|ahead| ahead.fill(buffer, |bytes| self.fill(bytes)));
    }
}

/// As much as the system gives at once without being interrupted (getrandom(2)).
const AHEAD_LENGTH: usize = 256;

thread_local! {
    static AHEAD: RefCell<Ahead> = RefCell::new(Ahead { bytes: Zeroizing::new([0; AHEAD_LENGTH]), used: AHEAD_LENGTH });
}

/// Random bytes that a thread has fetched ahead. Each is given out once, and overwritten where it was.
struct Ahead {
    bytes: Zeroizing<[u8; AHEAD_LENGTH]>,
    used: usize,
}

impl Ahead {
    fn fill(&mut self, buffer: &mut [u8], fetch: impl FnOnce(&mut [u8])) {
        if buffer.len() > AHEAD_LENGTH {
            return fetch(buffer);
        }
        if buffer.len() > AHEAD_LENGTH - self.used {
            fetch(&mut self.bytes[..]);
            self.used = 0;
        }
        let taken = &mut self.bytes[self.used..self.used + buffer.len()];
        buffer.copy_from_slice(taken);
        taken.zeroize();
        self.used += buffer.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn bytes_that_were_fetched_ahead_are_given_out_once_and_overwritten() {
        let mut ahead = Ahead { bytes: Zeroizing::new([0; AHEAD_LENGTH]), used: AHEAD_LENGTH };
        // Bytes that count up, in 16 bits each, so that one that comes twice is seen.
        let mut next = 0_u16;
        let mut fetch = |bytes: &mut [u8]| {
            for pair in bytes.chunks_mut(2) {
                next += 1;
                pair.copy_from_slice(&next.to_be_bytes()[..pair.len()]);
            }
        };
        let mut seen = HashSet::new();
        for length in [10, 16, 2, 256, 246, 10, 2, 300, 0, 32, 256] {
            let mut buffer = vec![0; length];
            ahead.fill(&mut buffer, &mut fetch);
            for pair in buffer.chunks(2) {
                let number = u16::from_be_bytes([pair[0], pair[1]]);
                assert!(number > 0 && seen.insert(number), "{number} comes twice, or was never fetched");
            }
            assert!(ahead.bytes[..ahead.used].iter().all(|byte| *byte == 0), "what was given out is still there");
        }
    }
}
