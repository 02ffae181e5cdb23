//! Rows about checks of logins.

use super::{Record, parse, scope};
use crate::{
    domain::{
        check::{Check, Finding, RateLimit},
        id::CredentialId,
        scope::Scope,
        timestamp::Timestamp,
    },
    store::DueCheck,
};
use sqlx::FromRow;
use uuid::Uuid;

/// What is known of the last check of a login, where it is asked for and there was one.
#[derive(FromRow)]
pub(super) struct CheckRow {
    #[sqlx(default)]
    finding: Option<String>,
    #[sqlx(default)]
    checked_at: Option<Timestamp>,
    #[sqlx(default)]
    image: Option<String>,
    #[sqlx(default)]
    rate_limit: Option<i64>,
    #[sqlx(default)]
    rate_remaining: Option<i64>,
    #[sqlx(default)]
    rate_window: Option<i64>,
}

impl CheckRow {
    /// The check, if it means something here. What a newer program has found out may have a name that this one does not know,
    /// and is no reason to keep the login from anybody.
    pub(super) fn into_domain(self) -> Option<Check> {
        let number = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok());
        let rate_limit = number(self.rate_limit).zip(number(self.rate_remaining));
        let window_seconds = number(self.rate_window);
        Some(Check {
            finding: self.finding?.parse().ok()?,
            checked_at: self.checked_at?,
            image: self.image.and_then(|text| text.parse().ok()),
            rate_limit: rate_limit.map(|(limit, remaining)| RateLimit { limit, remaining, window_seconds }),
        })
    }
}

/// A login, and whether it is its turn to be checked.
#[derive(FromRow)]
pub(in crate::store::sql) struct DueRow {
    id: Uuid,
    server: String,
    scope_name: String,
    parent_name: Option<String>,
    created_at: Timestamp,
    attempted_at: Option<Timestamp>,
    due: bool,
    untried: bool,
    /// What is known of its present password.
    finding: Option<String>,
}

impl Record for DueRow {
    type Domain = (DueCheck, bool);
    const TABLE: &'static str = "credentials";

    fn into_domain(self) -> Result<(DueCheck, bool), &'static str> {
        let scope: Scope = scope(Some(&self.scope_name), self.parent_name.as_ref())?;
        let known = self.finding.and_then(|text| text.parse().ok());
        let due = self.due && !known.is_some_and(Finding::is_left_alone);
        let server = parse(&self.server, "server")?;
        let Self { created_at, attempted_at, untried: is_untried, .. } = self;
        let id = CredentialId::from_uuid(self.id);
        Ok((DueCheck { scope, id, server, created_at, attempted_at, is_untried }, due))
    }
}
