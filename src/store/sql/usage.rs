//! When credentials were last used.

use super::{
    SqlStore,
    dialect::{Dialect, sql},
    many,
};
use crate::{
    domain::{credential::LAST_USED_STEP_MINUTES, id::CredentialId, timestamp::Timestamp},
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
        for uses in uses.chunks(many::MOST) {
            let (rows, text) = DB::MARK.at_least(uses.len());
            // To mark one twice does no harm, and makes the text a prepared one.
            let padded = uses.iter().chain(std::iter::repeat(&uses[0])).take(rows);
            let statement = padded.fold(sql::<DB>(text), |statement, (id, at)| {
                statement.bind(id.as_uuid()).bind(*at).bind(at.minus_minutes(LAST_USED_STEP_MINUTES))
            });
            statement.execute(&mut session).await?;
        }
        session.finish().await
    }
}
