//! Rows of the installation itself: its keys and its processes.

use super::{Record, bytes, count, sealed};
use crate::{
    domain::{
        id::{DataKeyId, DeploymentId, MasterKeyId, ReplicaId, ScopeId},
        timestamp::Timestamp,
    },
    store::{
        DataKeyRecord, DatabaseStatus, Deployment, MasterKeyRecord, MasterKeyState, Replica, ReplicaRecord,
        sql::columns::Ids,
    },
};
use sqlx::FromRow;
use std::time::Duration;
use uuid::Uuid;

#[derive(FromRow)]
pub(in crate::store::sql) struct DeploymentRow {
    id: Uuid,
    created_at: Timestamp,
}

impl Record for DeploymentRow {
    type Domain = Deployment;
    const TABLE: &'static str = "deployment";

    fn into_domain(self) -> Result<Deployment, &'static str> {
        Ok(Deployment { id: DeploymentId::from_uuid(self.id), created_at: self.created_at })
    }
}

#[derive(FromRow)]
pub(in crate::store::sql) struct MasterKeyRow {
    id: Uuid,
    state: String,
    salt: Option<Vec<u8>>,
    check_value: Vec<u8>,
    created_at: Timestamp,
}

impl Record for MasterKeyRow {
    type Domain = MasterKeyRecord;
    const TABLE: &'static str = "master_keys";

    fn into_domain(self) -> Result<MasterKeyRecord, &'static str> {
        Ok(MasterKeyRecord {
            id: MasterKeyId::from_uuid(self.id),
            state: MasterKeyState::find(&self.state).ok_or("state")?,
            salt: self.salt.map(|salt| bytes(&salt, "salt")).transpose()?,
            check_value: bytes(&self.check_value, "check_value")?,
            created_at: self.created_at,
        })
    }
}

#[derive(FromRow)]
pub(in crate::store::sql) struct DatabaseStatusRow {
    engine: String,
    version: String,
    schema_version: i64,
    now: Timestamp,
}

impl Record for DatabaseStatusRow {
    type Domain = DatabaseStatus;
    const TABLE: &'static str = "_sqlx_migrations";

    fn into_domain(self) -> Result<DatabaseStatus, &'static str> {
        let schema = self.schema_version.try_into().map_err(|_| "version")?;
        Ok(DatabaseStatus { engine: self.engine, version: self.version, schema, now: self.now })
    }
}

#[derive(FromRow)]
pub(in crate::store::sql) struct ReplicaRow {
    id: Uuid,
    host: String,
    version: String,
    key_ids: Ids,
    started_at: Timestamp,
    seen_at: Timestamp,
    silent: i64,
}

impl Record for ReplicaRow {
    type Domain = ReplicaRecord;
    const TABLE: &'static str = "replicas";

    fn into_domain(self) -> Result<ReplicaRecord, &'static str> {
        Ok(ReplicaRecord {
            replica: Replica {
                id: ReplicaId::from_uuid(self.id),
                host: self.host,
                version: self.version,
                keys: self.key_ids.0.iter().copied().map(MasterKeyId::from_uuid).collect(),
            },
            started_at: self.started_at,
            seen_at: self.seen_at,
            // A clock that was set back makes nobody silent.
            silent: Duration::from_micros(self.silent.try_into().unwrap_or_default()),
        })
    }
}

#[derive(FromRow)]
pub(in crate::store::sql) struct DataKeyRow {
    id: Uuid,
    scope_id: Option<Uuid>,
    version: i64,
    wrapped: Vec<u8>,
}

impl Record for DataKeyRow {
    type Domain = DataKeyRecord;
    const TABLE: &'static str = "data_keys";

    fn into_domain(self) -> Result<DataKeyRecord, &'static str> {
        Ok(DataKeyRecord {
            id: DataKeyId::from_uuid(self.id),
            scope: self.scope_id.map(ScopeId::from_uuid),
            version: count(self.version, "version")?,
            wrapped: sealed(self.wrapped, "wrapped")?,
        })
    }
}
