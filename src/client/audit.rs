//! The audit log: reading it from either end, exporting and pruning it.

use super::{Client, ClientError, Listing, PageQuery, below};
use crate::{
    domain::{
        pruning::{LinesDigest, PruningCount},
        scope::Scope,
        timestamp::Timestamp,
    },
    http::wire,
};
use reqwest::Method;
use serde::Deserialize;
use serde_json::value::RawValue;

const PRUNINGS: &str = "/v1/audit-prunings";

/// A part of the audit log as it came over the wire.
#[derive(Debug, Deserialize)]
pub struct AuditLines {
    /// The events, oldest first: the very bytes of each, which the service knows again when they are pruned.
    pub items: Vec<Box<RawValue>>,
    /// Where the next part begins; none behind the last one.
    pub next_cursor: Option<String>,
    /// How many more events belong here that the service could not read.
    #[serde(default)]
    pub unreadable: u64,
}

impl Client {
    /// A part of a scope's audit log, oldest first.
    pub async fn audit_list(&self, scope: &Scope, page: PageQuery<'_>) -> Result<wire::AuditEventPage, ClientError> {
        self.page(&below(scope, "audit-events"), &page.parameters()).await
    }

    /// A part of a scope's audit log, newest first.
    pub async fn audit_list_newest(
        &self,
        scope: &Scope,
        page: PageQuery<'_>,
    ) -> Result<wire::AuditEventPage, ClientError> {
        let mut parameters = page.parameters();
        parameters.push(("order", "newest".to_owned()));
        self.page(&below(scope, "audit-events"), &parameters).await
    }

    /// A scope's whole audit log.
    pub async fn audit_list_all(&self, scope: &Scope) -> Result<Listing<wire::AuditEvent>, ClientError> {
        self.all::<wire::AuditEventPage>(&below(scope, "audit-events"), &[]).await
    }

    /// A part of a scope's audit log, up to the first event that did not happen before that time, to be written to a file.
    pub async fn audit_lines(
        &self,
        scope: &Scope,
        before: Option<Timestamp>,
        cursor: Option<&str>,
    ) -> Result<AuditLines, ClientError> {
        let mut parameters = PageQuery { limit: Some(500), cursor }.parameters();
        parameters.extend(before.map(|before| ("before", before.to_string())));
        let call = self.public_call(Method::GET, &below(scope, "audit-events"))?;
        self.public.send(call.query(&parameters)).await?.json()
    }

    /// For how long audit events are kept.
    pub async fn audit_retention_get(&self) -> Result<wire::AuditRetention, ClientError> {
        self.get("/v1/audit-retention").await?.json()
    }

    /// Deletes the oldest audit events, whose lines have this digest. May be sent again when no answer came.
    pub async fn audit_prune(
        &self,
        count: PruningCount,
        sha256: LinesDigest,
    ) -> Result<wire::AuditPruning, ClientError> {
        let body = serde_json::json!({"count": count.get(), "sha256": sha256});
        self.public.send(self.public_call(Method::POST, PRUNINGS)?.json(&body)).await?.json()
    }

    /// Everything that was ever pruned from the audit log, in the order of the log.
    pub async fn audit_pruning_list_all(&self) -> Result<Listing<wire::AuditPruning>, ClientError> {
        self.all::<wire::AuditPruningPage>(PRUNINGS, &[]).await
    }
}
