//! When credentials were last used.

use super::{MOST_ROWS, SqlStore, dialect::Dialect};
use crate::{
    domain::{id::CredentialId, timestamp::Timestamp},
    store::StoreError,
};
use std::time::Duration;
use tokio::time::Instant;

/// How long others may have to wait for it.
const MARKING: Duration = Duration::from_millis(500);

impl<DB: Dialect> SqlStore<DB> {
    pub(super) async fn mark_used(&self, uses: &[(CredentialId, Timestamp)]) -> Result<(), StoreError> {
        let mut session = self.write_until(Instant::now() + MARKING, DB::BEGIN_BRIEFLY).await?;
        // In the order of identifiers: a transaction may take several statements.
        let mut uses = uses.to_vec();
        uses.sort_unstable();
        for uses in uses.chunks(MOST_ROWS) {
            DB::mark(uses).execute(&mut session).await?;
        }
        session.finish().await
    }
}
