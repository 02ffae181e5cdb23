//! Having done what a database wants done beside the requests: audit events put on file, where it does not do that with every event,
//! and its log emptied before a change has to.
//!
//! Nobody waits for this, and nothing depends on it but how long some things take. So it has a task of its own, which only ever
//! tries again.

use super::Service;
use crate::store::{Filed, StoreError, Upkeep};
use std::time::Duration;
use tokio::time::sleep;

/// How long work gathers. Lists walk through events that are not on file, and many at once cost less than each by itself.
const STEP: Duration = Duration::from_secs(1);

impl Service {
    /// Has it done for as long as the process runs.
    pub async fn keep_up(&self) {
        let Some(mut upkeep) = self.store.upkeep() else { return };
        let mut failing = false;
        loop {
            match keep_up(&mut *upkeep).await {
                // After a restore there may be a whole log.
                Ok(Filed::Part) => continue,
                Ok(Filed::All) => failing = false,
                Err(error) => {
                    if !failing {
                        tracing::warn!(%error, "audit events are not put on file, so that lists of them take longer");
                    }
                    failing = true;
                }
            }
            sleep(STEP).await;
        }
    }
}

async fn keep_up(upkeep: &mut dyn Upkeep) -> Result<Filed, StoreError> {
    let filed = upkeep.file().await?;
    upkeep.checkpoint().await?;
    Ok(filed)
}
