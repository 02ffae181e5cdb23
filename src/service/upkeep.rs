//! Having done what a database wants done beside the requests: audit events put on file, where it does not do that with every event,
//! and its log emptied before a change has to.
//!
//! Nobody waits for this, and nothing depends on it but how long some things take. So it has a task of its own, which only ever
//! tries again.

use super::Service;
use crate::store::{Filed, StoreError};
use std::time::Duration;
use tokio::time::sleep;

/// How long work gathers. Lists walk through events that are not on file, and many at once cost less than each by itself.
const STEP: Duration = Duration::from_secs(1);

impl Service {
    /// Has it done for as long as the process runs.
    pub async fn keep_up(&self) {
        let Some(mut upkeep) = self.store.upkeep() else { return };
        let (mut filing, mut emptying) = (Trouble::default(), Trouble::default());
        loop {
            let filed = upkeep.file().await;
            filing.note(&filed, "audit events are not put on file, so that lists of them take longer");
            emptying
                .note(&upkeep.checkpoint().await, "the write-ahead log is not emptied, so that a change will have to");
            // After a restore there may be a whole log.
            if !matches!(filed, Ok(Filed::Part)) {
                sleep(STEP).await;
            }
        }
    }
}

/// Whether something failed the last time, so that it is told once.
#[derive(Default)]
struct Trouble(bool);

impl Trouble {
    fn note<T>(&mut self, outcome: &Result<T, StoreError>, what: &'static str) {
        if let (Err(error), false) = (outcome, self.0) {
            tracing::warn!(%error, "{what}");
        }
        self.0 = outcome.is_err();
    }
}
