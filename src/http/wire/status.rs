//! How the installation is, on the wire.

use super::MasterKey;
use crate::domain::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// How the installation is, as the process that answers sees it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The database.
    pub database: DatabaseStatus,
    /// How many audit events of the process that answers wait to be made durable.
    pub audit_queue: u64,
    /// The processes, in the order of their starts.
    pub replicas: Vec<ReplicaStatus>,
    /// The master keys that were ever used, oldest first.
    pub keys: Vec<MasterKey>,
}

/// A database, seen from the process that answers.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DatabaseStatus {
    /// `SQLite` or `PostgreSQL`.
    pub engine: String,
    /// Its version, as it says it.
    pub version: String,
    /// The number of the newest migration that its tables have seen.
    pub schema: u64,
    /// How long one question to it took, in microseconds.
    pub round_trip_microseconds: u64,
    /// By how much its clock is ahead of that of the process that answers, in microseconds.
    pub clock_ahead_microseconds: i64,
}

/// A process of the installation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ReplicaStatus {
    /// Names it, from its start to its end.
    pub id: Uuid,
    /// The machine or pod that it runs on.
    pub host: String,
    /// The program's version.
    pub version: String,
    /// Whether it is the one that answers.
    pub answers: bool,
    /// Whether it was heard of lately.
    pub live: bool,
    /// How long ago it was last heard of, in milliseconds.
    pub silent_milliseconds: u64,
    /// When it started, by the database's clock.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// The master keys that it holds.
    pub keys: Vec<Uuid>,
}
