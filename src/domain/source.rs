//! Time and randomness, as things that are handed in. The system's own are made once, in `lifecycle`.

use super::timestamp::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// The present moment, UTC, to the microsecond.
    fn now(&self) -> Timestamp;
}

/// Gives bytes that nobody can guess.
pub trait Random: Send + Sync + 'static {
    /// Fills the whole buffer from a cryptographically secure source.
    fn fill(&self, buffer: &mut [u8]);

    /// The same for what anybody may see, such as an identifier: it may come from bytes that were fetched before, which for
    /// something secret would be one place more where it stood.
    fn fill_public(&self, buffer: &mut [u8]) {
        self.fill(buffer);
    }
}

/// `N` fresh random bytes.
pub fn random_bytes<const N: usize>(random: &dyn Random) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill(&mut bytes);
    bytes
}
