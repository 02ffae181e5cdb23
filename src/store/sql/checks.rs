//! What became of trying logins, and whose turn it is.

use super::{
    SqlStore,
    dialect::{Dialect, sql},
    rows::DueRow,
};
use crate::{
    domain::{check::Check, id::CredentialId, page::Limit, timestamp::Timestamp},
    store::{DueCheck, Rows, StoreError},
};

impl<DB: Dialect> SqlStore<DB> {
    pub(super) async fn put_check(&self, id: CredentialId, version: u32, check: &Check) -> Result<(), StoreError> {
        let rate = check.rate_limit;
        let mut session = self.write().await?;
        // Two may try one login at once, with an old password and a new one.
        sql::<DB>(
            "insert into credential_checks \
             (credential_id, attempted_at, version, finding, checked_at, image, rate_limit, rate_remaining, rate_window) \
             select c.id, $3, $2, $4, $3, $5, $6, $7, $8 from credentials c where c.id = $1 \
             on conflict (credential_id) do update set attempted_at = excluded.attempted_at, version = excluded.version, \
             finding = excluded.finding, checked_at = excluded.checked_at, image = excluded.image, \
             rate_limit = excluded.rate_limit, rate_remaining = excluded.rate_remaining, rate_window = excluded.rate_window \
             where credential_checks.version is null or credential_checks.version < excluded.version \
             or (credential_checks.version = excluded.version and credential_checks.checked_at <= excluded.checked_at)",
        )
        .bind(id.as_uuid())
        .bind(i64::from(version))
        .bind(check.checked_at)
        .bind(check.finding.name().to_owned())
        .bind(check.image.as_ref().map(ToString::to_string))
        .bind(rate.map(|rate| i64::from(rate.limit)))
        .bind(rate.map(|rate| i64::from(rate.remaining)))
        .bind(rate.and_then(|rate| rate.window_seconds).map(i64::from))
        .execute(&mut session)
        .await?;
        session.finish().await
    }

    pub(super) async fn claim_checks(
        &self,
        since: Timestamp,
        now: Timestamp,
        limit: Limit,
    ) -> Result<Rows<DueCheck>, StoreError> {
        let mut session = self.write().await?;
        let due = sql::<DB>(
            "select c.id, s.name as scope_name, p.name as parent_name from credentials c \
             join scopes s on s.id = c.scope_id left join scopes p on p.id = s.parent_id \
             left join credential_checks ch on ch.credential_id = c.id \
             where c.enabled and (c.expires_at is null or c.expires_at > $2) \
             and (ch.attempted_at is null or ch.attempted_at <= $1) \
             order by ch.attempted_at is not null, ch.attempted_at, c.id limit $3",
        )
        .bind(since)
        .bind(now)
        .bind(limit.with_one_more() - 1)
        .list::<DueRow>(&mut session)
        .await?;
        let mut claimed = Vec::with_capacity(due.len());
        for row in due {
            let Ok(due) = row else {
                claimed.push(row);
                continue;
            };
            // Another process may have looked at the same moment: the one that comes second changes nothing.
            let taken = sql::<DB>(
                "insert into credential_checks (credential_id, attempted_at) select c.id, $2 from credentials c where c.id = $1 \
                 on conflict (credential_id) do update set attempted_at = excluded.attempted_at \
                 where credential_checks.attempted_at <= $3",
            )
            .bind(due.id.as_uuid())
            .bind(now)
            .bind(since)
            .execute(&mut session)
            .await?;
            if taken == 1 {
                claimed.push(Ok(due));
            }
        }
        session.finish().await?;
        Ok(claimed)
    }
}
