//! The audit log as it is put on file, read and pruned: a part of what [`super::Queries`] answer and of what a
//! [`super::Tx`] can do.

use super::{Rows, StoreError};
use crate::domain::{
    audit::RecordedEvent,
    id::ScopeId,
    page::Limit,
    pruning::{LinesDigest, Pruning, PruningCount},
    scope::ScopeRecord,
    timestamp::Timestamp,
};
use async_trait::async_trait;

/// Whose audit events to list.
#[derive(Debug, Clone, Copy)]
pub enum AuditScope {
    /// All of them.
    Deployment,
    /// Those of an organization and its projects.
    Organization(ScopeId),
    /// Those of a project.
    Project(ScopeId),
}

impl AuditScope {
    /// Those of a scope; of the deployment if there is none.
    #[must_use]
    pub fn of(place: Option<&ScopeRecord>) -> Self {
        match place {
            None => Self::Deployment,
            Some(project) if project.parent_id.is_some() => Self::Project(project.id),
            Some(organization) => Self::Organization(organization.id),
        }
    }
}

/// Questions about the audit log.
#[async_trait]
pub trait LogQueries: Send {
    /// The time by the database's clock.
    async fn clock_read(&mut self) -> Result<Timestamp, StoreError>;
    /// Audit events in the order in which they were committed, behind that sequence number.
    async fn audit_event_list(
        &mut self,
        scope: AuditScope,
        after: Option<i64>,
        limit: Limit,
    ) -> Result<Rows<RecordedEvent>, StoreError>;
    /// Audit events from the newest to the oldest, before that sequence number.
    async fn audit_event_list_newest(
        &mut self,
        scope: AuditScope,
        before: Option<i64>,
        limit: Limit,
    ) -> Result<Rows<RecordedEvent>, StoreError>;
    /// The oldest events that there are, of the whole deployment, in the order in which they were committed.
    async fn audit_event_list_oldest(&mut self, count: PruningCount) -> Result<Rows<RecordedEvent>, StoreError>;
    /// The pruning of the events with these lines.
    async fn audit_pruning_find(&mut self, sha256: &LinesDigest) -> Result<Option<Pruning>, StoreError>;
    /// Prunings in the order of what they took, behind the one that ended with that sequence number.
    async fn audit_pruning_list(&mut self, after: Option<i64>, limit: Limit) -> Result<Rows<Pruning>, StoreError>;
}

/// Changes of the audit log.
#[async_trait]
pub trait LogTx: Send {
    /// Records a pruning and deletes the events from its first to its last sequence number. `false` if these are not as many
    /// as it says; then the change must not be committed.
    async fn audit_prune(&mut self, pruning: &Pruning) -> Result<bool, StoreError>;
}

/// How much of the audit log is on file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filed {
    /// All that there was when it was asked.
    All,
    /// A part. There is more to do at once.
    Part,
}

/// What a database wants done beside the requests.
#[async_trait]
pub trait Upkeep: Send {
    /// Puts events on file by their organizations and projects: those that have gathered, or many of them. Lists are the same before
    /// and after; they only take longer while much is not on file. Nothing is lost if it fails, or is cut off.
    async fn file(&mut self) -> Result<Filed, StoreError>;

    /// Moves what was committed from the write-ahead log to its place, if that is much, so that no change has to.
    async fn checkpoint(&mut self) -> Result<(), StoreError>;
}
