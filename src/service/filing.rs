//! Having audit events put on file, where the database does not do that with every event.
//!
//! Nobody waits for this, and nothing depends on it but how long some lists take. So it has a task of its own, which only ever tries
//! again.

use super::Service;
use crate::store::Filed;
use std::time::Duration;
use tokio::time::sleep;

/// How long events gather. Lists walk through these, and many at once cost less than each by itself.
const STEP: Duration = Duration::from_secs(1);

impl Service {
    /// Has audit events put on file, for as long as the process runs.
    pub async fn keep_on_file(&self) {
        let Some(mut filer) = self.store.audit_filer() else { return };
        let mut failing = false;
        loop {
            match filer.file().await {
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
