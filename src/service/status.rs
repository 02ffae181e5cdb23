//! How the installation is: its database, its processes, and the keys that they hold.

use super::{Error, MasterKey, Service, replicas::is_live};
use crate::{
    domain::{
        id::ReplicaId,
        permission::{Action, Caller},
        scope::Scope,
        timestamp::Timestamp,
    },
    store::{DatabaseStatus, ReplicaRecord},
};
use std::time::{Duration, Instant};

/// What is known of the installation now.
#[derive(Debug, Clone)]
pub struct Status {
    /// The process that answers.
    pub own: ReplicaId,
    /// The database.
    pub database: DatabaseStatus,
    /// How long one question to it took.
    pub round_trip: Duration,
    /// What time the process that answers had in the middle of that.
    pub own_time: Timestamp,
    /// How many audit events of this process wait to be made durable.
    pub audit_queue: usize,
    /// Every process that was heard of and has not said that it ends, with whether it is taken to live.
    pub replicas: Vec<(ReplicaRecord, bool)>,
    /// The master keys that were ever used, oldest first.
    pub keys: Vec<MasterKey>,
}

impl Service {
    /// How the installation is.
    ///
    /// # Errors
    /// The caller may not, or the store failed.
    pub async fn status_get(&self, caller: &Caller) -> Result<Status, Error> {
        self.permit(caller, Action::StatusGet, &Scope::Deployment).await?;
        let mut queries = self.store.read().await?;
        let (before, asked) = (self.clock.now(), Instant::now());
        let database = queries.database_status().await?;
        let round_trip = asked.elapsed();
        let middle = before.microseconds() + i64::try_from(round_trip.as_micros() / 2).unwrap_or_default();
        let replicas = queries.replica_list().await?;
        let keys = self.all_described(&mut *queries, &replicas).await?;
        Ok(Status {
            own: self.replica.id,
            database,
            round_trip,
            own_time: Timestamp::from_microseconds(middle).unwrap_or(before),
            audit_queue: self.audit_queue_length(),
            replicas: replicas
                .into_iter()
                .map(|record| {
                    let live = record.replica.id == self.replica.id || is_live(&record);
                    (record, live)
                })
                .collect(),
            keys,
        })
    }
}
