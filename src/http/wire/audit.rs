//! The audit log on the wire. The JSON of an event of the deployment's list, as it stands there, is also its line in an export.

use crate::domain::{pruning::LinesDigest, timestamp::Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What an audit event says.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AuditEvent {
    /// Its number: 1 for the first event that there ever was, and one more for each. Only in the list of the whole
    /// deployment, which has no holes but those that prunings tell of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<i64>,
    /// Names it.
    pub id: Uuid,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The request that it happened in.
    pub request_id: Uuid,
    /// The name of the token that was used, or `regcred` for the service itself.
    pub principal: String,
    /// That token's identifier.
    pub token_id: Option<Uuid>,
    /// The scope that it happened in, by its name at the time.
    pub scope: String,
    /// What was done, such as `credential.create` or `pull_secret.get`.
    pub operation: String,
    /// The things that it was done to, or that were handed out.
    pub object_ids: Vec<Uuid>,
    /// `success` or `denied`.
    pub outcome: String,
    /// Where the request came from.
    pub address: Option<String>,
}

/// For how long audit events are kept.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AuditRetention {
    /// In days.
    pub days: u32,
    /// What happened before this time may be pruned now. By the clock of the database.
    #[schema(value_type = String, format = DateTime)]
    pub prunable_before: Timestamp,
}

/// The record of a pruning: which events went, and who took them.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AuditPruning {
    /// Names it. The event `audit.prune` tells of the same.
    pub id: Uuid,
    /// When it was.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The name of the token that was used.
    pub principal: String,
    /// That token's identifier.
    pub token_id: Option<Uuid>,
    /// The number of the first event that went. If nothing is missing, it follows the last one of the pruning before.
    pub first_sequence: i64,
    /// The number of the last event that went.
    pub last_sequence: i64,
    /// How many went.
    pub count: u32,
    /// The earliest time that one of them told.
    #[schema(value_type = String, format = DateTime)]
    pub oldest_at: Timestamp,
    /// The latest time that one of them told.
    #[schema(value_type = String, format = DateTime)]
    pub newest_at: Timestamp,
    /// The SHA-256 of their lines: the JSON of each as the deployment's list gave it, and a line feed.
    #[schema(value_type = String)]
    pub sha256: LinesDigest,
}
