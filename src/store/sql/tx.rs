//! The changes, as SQL.

use super::{
    audit,
    columns::Ids,
    dialect::{Dialect, Statement, sql},
    rows::IdRow,
    session::Session,
};
use crate::{
    crypto::{data_key::TokenMac, envelope::Sealed},
    domain::{
        audit::AuditEvent,
        credential::Credential,
        id::{CredentialId, MasterKeyId, ScopeId, TokenId},
        identity::Identity,
        scope::ScopeRecord,
        timestamp::Timestamp,
        token::Token,
    },
    store::{Corrupt, DataKeyRecord, Deployment, MasterKeyRecord, MasterKeyState, Replica, StoreError, Tx},
};
use async_trait::async_trait;

/// The columns of a new credential, in the order in which [`bind_credential`] gives them.
macro_rules! new_credential_columns {
    () => {
        "(id, scope_id, server, kind, username, email, image_prefix, expires_at, enabled, version, revision, sealed, \
         fingerprint, created_at, updated_at, rotated_at, identity, ca_certificates)"
    };
}
pub(super) use new_credential_columns;

#[async_trait]
impl<DB: Dialect> Tx for Session<DB> {
    async fn keys_lock(&mut self) -> Result<(), StoreError> {
        if !self.keys_locked {
            // One row stands for all keys. Whoever has just made it has it.
            let locked = sql::<DB>("update deployment set created_at = created_at where singleton = 1");
            if locked.execute(self).await? != 1 {
                return Err(Corrupt::sealed("deployment", "singleton", &"1").into());
            }
            self.keys_locked = true;
        }
        Ok(())
    }

    async fn token_hold(&mut self, id: TokenId) -> Result<bool, StoreError> {
        Ok(sql::<DB>(DB::HOLD_TOKEN).bind(id.as_uuid()).optional::<IdRow>(self).await?.is_some())
    }

    async fn replica_put(&mut self, replica: &Replica) -> Result<(), StoreError> {
        let keys = replica.keys.iter().map(MasterKeyId::as_uuid).collect();
        sql::<DB>(
            "insert into replicas (id, host, version, key_ids, started_at, seen_at) \
             select $1, $2, $3, $4, clock.now, clock.now from database_clock clock where true \
             on conflict (id) do update set key_ids = excluded.key_ids, seen_at = excluded.seen_at",
        )
        .bind(replica.id.as_uuid())
        .bind(replica.host.clone())
        .bind(replica.version.clone())
        .bind(Ids(keys))
        .execute(self)
        .await?;
        Ok(())
    }

    async fn deployment_insert(&mut self, deployment: &Deployment) -> Result<(), StoreError> {
        sql::<DB>("insert into deployment (singleton, id, created_at) values (1, $1, $2)")
            .bind(deployment.id.as_uuid())
            .bind(deployment.created_at)
            .execute(self)
            .await?;
        self.keys_locked = true;
        Ok(())
    }

    async fn master_key_insert(&mut self, key: &MasterKeyRecord) -> Result<(), StoreError> {
        self.keys_lock().await?;
        sql::<DB>("insert into master_keys (id, state, salt, check_value, created_at) values ($1, $2, $3, $4, $5)")
            .bind(key.id.as_uuid())
            .bind(key.state.name().to_owned())
            .bind(key.salt.map(|salt| salt.to_vec()))
            .bind(key.check_value.to_vec())
            .bind(key.created_at)
            .execute(self)
            .await?;
        Ok(())
    }

    async fn master_key_update(&mut self, id: MasterKeyId, state: MasterKeyState) -> Result<(), StoreError> {
        self.keys_lock().await?;
        sql::<DB>("update master_keys set state = $2 where id = $1")
            .bind(id.as_uuid())
            .bind(state.name().to_owned())
            .execute(self)
            .await?;
        Ok(())
    }

    async fn data_key_insert(&mut self, key: &DataKeyRecord, at: Timestamp) -> Result<bool, StoreError> {
        self.keys_lock().await?;
        let inserted = sql::<DB>(
            "insert into data_keys (id, scope_id, version, master_key_id, wrapped, created_at) \
             select $1, $2, $3, m.id, $5, $6 from master_keys m where m.id = $4 and m.state <> 'retired'",
        )
        .bind(key.id.as_uuid())
        .bind(key.scope.map(|id| id.as_uuid()))
        .bind(i64::from(key.version))
        .bind(key.wrapped.key_id())
        .bind(key.wrapped.as_bytes().to_vec())
        .bind(at)
        .execute(self)
        .await?;
        Ok(inserted == 1)
    }

    async fn data_key_update(&mut self, old: &DataKeyRecord, wrapped: &Sealed) -> Result<bool, StoreError> {
        self.keys_lock().await?;
        let updated = sql::<DB>(
            "update data_keys set master_key_id = $3, wrapped = $4 where id = $1 and master_key_id = $2 \
             and exists (select 1 from master_keys m where m.id = $3 and m.state <> 'retired')",
        )
        .bind(old.id.as_uuid())
        .bind(old.wrapped.key_id())
        .bind(wrapped.key_id())
        .bind(wrapped.as_bytes().to_vec())
        .execute(self)
        .await?;
        Ok(updated == 1)
    }

    async fn scope_insert(&mut self, record: &ScopeRecord) -> Result<bool, StoreError> {
        let inserted = sql::<DB>(
            "insert into scopes (id, parent_id, name, created_at) values ($1, $2, $3, $4) on conflict do nothing",
        )
        .bind(record.id.as_uuid())
        .bind(record.parent_id.map(|id| id.as_uuid()))
        .bind(record.name().map(ToString::to_string))
        .bind(record.created_at)
        .execute(self)
        .await?;
        Ok(inserted == 1)
    }

    async fn scope_delete(&mut self, id: ScopeId) -> Result<(), StoreError> {
        sql::<DB>("delete from scopes where id = $1").bind(id.as_uuid()).execute(self).await?;
        Ok(())
    }

    async fn credential_insert(
        &mut self,
        new: &Credential,
        scope: ScopeId,
        password: (&Sealed, &[u8; 16]),
    ) -> Result<bool, StoreError> {
        let statement = sql::<DB>(concat!(
            "insert into credentials ",
            new_credential_columns!(),
            " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) on conflict do nothing"
        ));
        Ok(bind_credential(statement, new, scope, password).execute(self).await? == 1)
    }

    async fn credential_update(
        &mut self,
        new: &Credential,
        old_revision: u32,
        password: Option<(&Sealed, &[u8; 16])>,
    ) -> Result<bool, StoreError> {
        let statement = sql::<DB>(
            "update credentials set server = $3, kind = $4, username = $5, email = $6, image_prefix = $7, expires_at = $8, \
             enabled = $9, version = $10, revision = $11, updated_at = $12, rotated_at = $13, \
             sealed = coalesce($14, sealed), fingerprint = coalesce($15, fingerprint), identity = $16, \
             ca_certificates = $17 where id = $1 and revision = $2",
        )
        .bind(new.id.as_uuid())
        .bind(i64::from(old_revision));
        let updated = bind_described(statement, new)
            .bind(new.updated_at)
            .bind(new.rotated_at)
            .bind(password.map(|(sealed, _)| sealed.as_bytes().to_vec()))
            .bind(password.map(|(_, fingerprint)| fingerprint.to_vec()))
            .bind(identity(new))
            .bind(new.ca_certificates.as_ref().map(ToString::to_string))
            .execute(self)
            .await?;
        Ok(updated == 1)
    }

    async fn credential_delete(&mut self, id: CredentialId, revision: u32) -> Result<bool, StoreError> {
        let deleted = sql::<DB>("delete from credentials where id = $1 and revision = $2")
            .bind(id.as_uuid())
            .bind(i64::from(revision))
            .execute(self)
            .await?;
        Ok(deleted == 1)
    }

    async fn token_insert(&mut self, token: &Token, scope: Option<ScopeId>, mac: &TokenMac) -> Result<(), StoreError> {
        sql::<DB>("insert into tokens (id, scope_id, name, role, mac, expires_at, created_at) values ($1, $2, $3, $4, $5, $6, $7)")
            .bind(token.id.as_uuid())
            .bind(scope.map(|id| id.as_uuid()))
            .bind(token.name.to_string())
            .bind(token.role.name().to_owned())
            .bind(mac.as_bytes().to_vec())
            .bind(token.expires_at)
            .bind(token.created_at)
            .execute(self)
            .await?;
        Ok(())
    }

    async fn token_delete(&mut self, scope: Option<ScopeId>, id: TokenId) -> Result<bool, StoreError> {
        sql::<DB>(DB::CLAIM_TOKEN).bind(id.as_uuid()).optional::<IdRow>(self).await?;
        let statement = match scope {
            Some(scope) => {
                sql::<DB>("delete from tokens where id = $1 and scope_id = $2").bind(id.as_uuid()).bind(scope.as_uuid())
            }
            None => sql::<DB>("delete from tokens where id = $1 and scope_id is null").bind(id.as_uuid()),
        };
        Ok(statement.execute(self).await? == 1)
    }

    async fn commit(mut self: Box<Self>, event: AuditEvent) -> Result<(), StoreError> {
        audit::record::<DB>(&mut *self, None, &[&event]).await?;
        (*self).finish().await
    }
}

/// Gives the next eighteen `$n` a new credential, from its identifier to its certificates.
pub(super) fn bind_credential<DB: Dialect>(
    statement: Statement<DB>,
    new: &Credential,
    scope: ScopeId,
    (sealed, fingerprint): (&Sealed, &[u8; 16]),
) -> Statement<DB> {
    bind_described(statement.bind(new.id.as_uuid()).bind(scope.as_uuid()), new)
        .bind(sealed.as_bytes().to_vec())
        .bind(fingerprint.to_vec())
        .bind(new.created_at)
        .bind(new.updated_at)
        .bind(new.rotated_at)
        .bind(identity(new))
        .bind(new.ca_certificates.as_ref().map(ToString::to_string))
}

fn identity(credential: &Credential) -> Option<String> {
    credential.identity.as_ref().map(Identity::to_text)
}

/// Gives the next nine `$n` what is known of a credential in the clear, from its server to its revision.
fn bind_described<DB: Dialect>(statement: Statement<DB>, credential: &Credential) -> Statement<DB> {
    statement
        .bind(credential.server.to_string())
        .bind(credential.kind.to_string())
        .bind(credential.username.as_ref().map(ToString::to_string))
        .bind(credential.email.as_ref().map(ToString::to_string))
        .bind(credential.image_prefix.as_ref().map(ToString::to_string))
        .bind(credential.expires_at)
        .bind(credential.enabled)
        .bind(i64::from(credential.version))
        .bind(i64::from(credential.revision))
}
