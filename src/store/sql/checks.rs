//! What became of trying logins, and whose turn it is.

use super::{
    SqlStore,
    dialect::{Dialect, sql},
    rows::DueRow,
};
use crate::{
    domain::{check::Check, id::CredentialId, page::Limit, timestamp::Timestamp},
    store::{Corrupt, DueCheck, DueChecks, StoreError},
};
use uuid::Uuid;

/// How many credentials are looked at in one go. However many there are, that takes a moment.
const PAGE: Limit = Limit::MOST;

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

    pub(super) async fn list_checks(
        &self,
        after: Option<CredentialId>,
        (since, now): (Timestamp, Timestamp),
    ) -> Result<DueChecks, StoreError> {
        // Nobody who writes waits while it is found out who is due.
        let mut session = self.reading().await?;
        let mut page = sql::<DB>(
            "select c.id, c.server, s.name as scope_name, p.name as parent_name, c.created_at, ch.attempted_at, \
             c.enabled and (c.expires_at is null or c.expires_at > $3) \
             and (ch.attempted_at is null or ch.attempted_at <= $2) as due, \
             case when ch.version = c.version then ch.finding end as finding, \
             ch.version is null or ch.version <> c.version as untried \
             from (select id, scope_id, server, enabled, expires_at, version, created_at from credentials \
             where id > $1 order by id limit $4) c \
             join scopes s on s.id = c.scope_id left join scopes p on p.id = s.parent_id \
             left join credential_checks ch on ch.credential_id = c.id order by c.id",
        )
        .bind(after.map_or(Uuid::nil(), |id| id.as_uuid()))
        .bind(since)
        .bind(now)
        .bind(PAGE.with_one_more())
        .list::<DueRow>(&mut session)
        .await?;
        let next = if page.len() > PAGE.as_usize() {
            page.truncate(PAGE.as_usize());
            page.iter().rev().find_map(id)
        } else {
            None
        };
        let due = page.into_iter().filter_map(|row| row.map(|(due, is_due)| is_due.then_some(due)).transpose());
        Ok(DueChecks { due: due.collect(), next })
    }

    pub(super) async fn claim_check(
        &self,
        id: CredentialId,
        (since, now): (Timestamp, Timestamp),
    ) -> Result<bool, StoreError> {
        let mut session = self.write().await?;
        // Another process may have looked at the same moment: the one that comes second changes nothing.
        let taken = sql::<DB>(
            "insert into credential_checks (credential_id, attempted_at) select c.id, $2 from credentials c where c.id = $1 \
             on conflict (credential_id) do update set attempted_at = excluded.attempted_at \
             where credential_checks.attempted_at <= $3",
        )
        .bind(id.as_uuid())
        .bind(now)
        .bind(since)
        .execute(&mut session)
        .await?;
        session.finish().await?;
        Ok(taken == 1)
    }
}

/// The credential that a row is about, if at least that can be read of it.
fn id(row: &Result<(DueCheck, bool), Corrupt>) -> Option<CredentialId> {
    match row {
        Ok((due, _)) => Some(due.id),
        Err(corrupt) => corrupt.id.parse().ok(),
    }
}
