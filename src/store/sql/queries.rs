//! The questions, as SQL.

use super::{
    dialect::{Dialect, sql},
    rows::{
        CountRow, CredentialRow, DataKeyRow, DatabaseStatusRow, DeploymentRow, FoundTokenRow, IdRow, MasterKeyRow,
        ReplicaRow, ScopeRow, SealedCredentialRow, StampRow, TokenRow,
    },
    session::Session,
};
use crate::{
    crypto::data_key::TokenMac,
    domain::{
        credential::Credential,
        id::{CredentialId, DataKeyId, MasterKeyId, ScopeId, TokenId},
        page::Limit,
        scope::{Scope, ScopeName, ScopeRecord},
        server::RegistryServer,
        token::Token,
    },
    store::{
        Corrupt, CredentialFilter, DataKeyRecord, DatabaseStatus, Deployment, FoundToken, MasterKeyRecord, Premise,
        Queries, ReplicaRecord, Rows, SealedCredential, StoreError,
    },
};
use async_trait::async_trait;
use uuid::Uuid;

/// The columns of a [`ScopeRow`], of `s` with its parent `p`.
macro_rules! scope_columns {
    () => {
        "s.id, s.parent_id, s.name, p.name as parent_name, s.created_at"
    };
}

/// The columns of a [`CredentialRow`], of `c` in scope `s` with parent `p`.
macro_rules! credential_columns {
    () => {
        "c.id, s.name as scope_name, p.name as parent_name, c.server, c.kind, c.username, c.email, c.image_prefix, \
         c.expires_at, c.enabled, c.version, c.revision, c.created_at, c.updated_at, c.rotated_at, c.last_used_at, c.identity"
    };
}

/// What is shown of a credential besides: columns of `c`, and of its check `ch`.
macro_rules! shown_columns {
    () => {
        ", ch.finding, ch.checked_at, ch.image, ch.rate_limit, ch.rate_remaining, ch.rate_window"
    };
}

/// Who may vouch for the registry of the credential `c`: not for lists, since they can be long.
macro_rules! ca_column {
    () => {
        ", c.ca_certificates"
    };
}

/// The last check of the credential `c`, if it was one of its present password.
macro_rules! last_check {
    () => {
        " left join credential_checks ch on ch.credential_id = c.id and ch.version = c.version"
    };
}

/// The columns of a [`SealedCredentialRow`] besides, of `c` with its scope's data key `k`.
macro_rules! sealed_columns {
    () => {
        ", c.scope_id, c.sealed, c.fingerprint, k.id as key_id, k.version as key_version, k.wrapped as key_wrapped"
    };
}

/// The columns of a [`TokenRow`], of `t` in scope `s` with parent `p`.
macro_rules! token_columns {
    () => {
        "t.id, t.name, t.role, s.name as scope_name, p.name as parent_name, t.expires_at, t.created_at"
    };
}

/// Tokens `t` in scope `s` with parent `p`; neither for those of the deployment.
macro_rules! tokens {
    () => {
        " from tokens t left join scopes s on s.id = t.scope_id left join scopes p on p.id = s.parent_id"
    };
}

/// The credentials in force in the scope `$1` whose organization is `$2`: its own, and those it inherits and does not
/// override for the same server. `$join` may bring in one more table.
macro_rules! credentials_in_force {
    ($join:expr) => {
        concat!(
            " from credentials c join scopes s on s.id = c.scope_id left join scopes p on p.id = s.parent_id",
            $join,
            " where c.scope_id in ($1, $2) and not exists (select 1 from credentials own \
             where own.scope_id = $1 and own.server = c.server and c.scope_id <> $1)"
        )
    };
}

#[async_trait]
impl<DB: Dialect> Queries for Session<DB> {
    async fn deployment_find(&mut self) -> Result<Option<Deployment>, StoreError> {
        sql::<DB>("select id, created_at from deployment").optional::<DeploymentRow>(self).await
    }

    async fn master_key_list(&mut self) -> Result<Vec<MasterKeyRecord>, StoreError> {
        sql::<DB>("select id, state, salt, check_value, created_at from master_keys order by created_at, id")
            .all::<MasterKeyRow>(self)
            .await
    }

    async fn database_status(&mut self) -> Result<DatabaseStatus, StoreError> {
        let status = sql::<DB>(DB::STATUS).optional::<DatabaseStatusRow>(self).await?;
        Ok(status.ok_or_else(|| Corrupt::sealed("_sqlx_migrations", "version", &"?"))?)
    }

    async fn replica_list(&mut self) -> Result<Vec<ReplicaRecord>, StoreError> {
        sql::<DB>("select id, host, version, key_ids, started_at, seen_at, silent from replica_silence order by started_at, id")
            .all::<ReplicaRow>(self)
            .await
    }

    async fn data_key_count(&mut self, master_key: MasterKeyId) -> Result<u64, StoreError> {
        let count = sql::<DB>("select count(*) as count from data_keys where master_key_id = $1")
            .bind(master_key.as_uuid())
            .optional::<CountRow>(self)
            .await?;
        Ok(count.unwrap_or_default())
    }

    async fn data_key_find(&mut self, scope: Option<ScopeId>) -> Result<Option<DataKeyRecord>, StoreError> {
        let statement = match scope {
            Some(id) => {
                sql::<DB>("select id, scope_id, version, wrapped from data_keys where scope_id = $1").bind(id.as_uuid())
            }
            None => sql::<DB>("select id, scope_id, version, wrapped from data_keys where scope_id is null"),
        };
        statement.optional::<DataKeyRow>(self).await
    }

    async fn data_key_list_stale(
        &mut self,
        active: MasterKeyId,
        after: Option<DataKeyId>,
        limit: Limit,
    ) -> Result<Rows<DataKeyRecord>, StoreError> {
        sql::<DB>(
            "select id, scope_id, version, wrapped from data_keys where master_key_id <> $1 and id > $2 order by id limit $3",
        )
        .bind(active.as_uuid())
        .bind(after.map_or(Uuid::nil(), |id| id.as_uuid()))
        .bind(limit.with_one_more())
        .list::<DataKeyRow>(self)
        .await
    }

    async fn scope_find(&mut self, scope: &Scope) -> Result<Option<ScopeRecord>, StoreError> {
        let statement = match scope {
            Scope::Deployment => return Ok(None),
            Scope::Organization(name) => sql::<DB>(concat!(
                "select ",
                scope_columns!(),
                " from scopes s left join scopes p on p.id = s.parent_id where s.parent_id is null and s.name = $1"
            ))
            .bind(name.to_string()),
            Scope::Project(path) => sql::<DB>(concat!(
                "select ",
                scope_columns!(),
                " from scopes p join scopes s on s.parent_id = p.id where p.parent_id is null and p.name = $1 and s.name = $2"
            ))
            .bind(path.organization.to_string())
            .bind(path.project.to_string()),
        };
        statement.optional::<ScopeRow>(self).await
    }

    async fn organization_list(
        &mut self,
        after: Option<&ScopeName>,
        limit: Limit,
    ) -> Result<Rows<ScopeRecord>, StoreError> {
        sql::<DB>(concat!(
            "select ",
            scope_columns!(),
            " from scopes s left join scopes p on p.id = s.parent_id \
             where s.parent_id is null and s.name > $1 order by s.name limit $2"
        ))
        .bind(text_or_start(after))
        .bind(limit.with_one_more())
        .list::<ScopeRow>(self)
        .await
    }

    async fn project_list(
        &mut self,
        organization: ScopeId,
        after: Option<&ScopeName>,
        limit: Limit,
    ) -> Result<Rows<ScopeRecord>, StoreError> {
        sql::<DB>(concat!(
            "select ",
            scope_columns!(),
            " from scopes s join scopes p on p.id = s.parent_id \
             where s.parent_id = $1 and s.name > $2 order by s.name limit $3"
        ))
        .bind(organization.as_uuid())
        .bind(text_or_start(after))
        .bind(limit.with_one_more())
        .list::<ScopeRow>(self)
        .await
    }

    async fn credential_list(&mut self, filter: &CredentialFilter<'_>) -> Result<Rows<Credential>, StoreError> {
        sql::<DB>(concat!(
            "select ",
            credential_columns!(),
            shown_columns!(),
            credentials_in_force!(last_check!()),
            " and c.id > $3 and (cast($4 as text) is null or c.server = $4) order by c.id limit $5"
        ))
        .bind(filter.place.id.as_uuid())
        .bind(filter.place.parent_id.map(|id| id.as_uuid()))
        .bind(filter.after.map_or(Uuid::nil(), |id| id.as_uuid()))
        .bind(filter.server.map(ToString::to_string))
        .bind(filter.limit.with_one_more())
        .list::<CredentialRow>(self)
        .await
    }

    async fn credential_find(
        &mut self,
        place: &ScopeRecord,
        id: CredentialId,
    ) -> Result<Option<Credential>, StoreError> {
        sql::<DB>(concat!(
            "select ",
            credential_columns!(),
            ca_column!(),
            shown_columns!(),
            " from credentials c join scopes s on s.id = c.scope_id left join scopes p on p.id = s.parent_id",
            last_check!(),
            " where c.id = $3 and c.scope_id in ($1, $2)"
        ))
        .bind(place.id.as_uuid())
        .bind(place.parent_id.map(|id| id.as_uuid()))
        .bind(id.as_uuid())
        .optional::<CredentialRow>(self)
        .await
    }

    async fn credential_find_id(
        &mut self,
        scope: ScopeId,
        server: &RegistryServer,
    ) -> Result<Option<CredentialId>, StoreError> {
        let id = sql::<DB>("select id from credentials where scope_id = $1 and server = $2")
            .bind(scope.as_uuid())
            .bind(server.to_string())
            .optional::<IdRow>(self)
            .await?;
        Ok(id.map(CredentialId::from_uuid))
    }

    async fn credential_count(&mut self, scope: ScopeId, most: u32) -> Result<u64, StoreError> {
        let count = sql::<DB>(
            "select count(*) as count from (select 1 as one from credentials where scope_id = $1 limit $2) as counted",
        )
        .bind(scope.as_uuid())
        .bind(i64::from(most))
        .optional::<CountRow>(self)
        .await?;
        Ok(count.unwrap_or_default())
    }

    async fn premise_list(&mut self, place: &ScopeRecord) -> Result<Vec<Premise>, StoreError> {
        sql::<DB>("select subject as id, stamp from stamps where subject in ($1, $2)")
            .bind(place.id.as_uuid())
            .bind(place.parent_id.map(|id| id.as_uuid()))
            .all::<StampRow>(self)
            .await
    }

    async fn sealed_credential_find(
        &mut self,
        place: &ScopeRecord,
        id: CredentialId,
    ) -> Result<Option<SealedCredential>, StoreError> {
        sql::<DB>(concat!(
            "select ",
            credential_columns!(),
            ca_column!(),
            shown_columns!(),
            sealed_columns!(),
            " from credentials c join scopes s on s.id = c.scope_id left join scopes p on p.id = s.parent_id",
            last_check!(),
            " left join data_keys k on k.scope_id = c.scope_id where c.id = $3 and c.scope_id in ($1, $2)"
        ))
        .bind(place.id.as_uuid())
        .bind(place.parent_id.map(|id| id.as_uuid()))
        .bind(id.as_uuid())
        .optional::<SealedCredentialRow>(self)
        .await
    }

    async fn sealed_credential_list(&mut self, place: &ScopeRecord) -> Result<Rows<SealedCredential>, StoreError> {
        sql::<DB>(concat!(
            "select ",
            credential_columns!(),
            // A part of what its password is bound to.
            ca_column!(),
            sealed_columns!(),
            credentials_in_force!(" left join data_keys k on k.scope_id = c.scope_id"),
            " order by c.id"
        ))
        .bind(place.id.as_uuid())
        .bind(place.parent_id.map(|id| id.as_uuid()))
        .list::<SealedCredentialRow>(self)
        .await
    }

    async fn token_find(&mut self, mac: &TokenMac) -> Result<Option<FoundToken>, StoreError> {
        sql::<DB>(concat!(
            "select ",
            token_columns!(),
            ", t.scope_id, t.mac, t.expires_at <= clock.now as expired, st.stamp \
             from tokens t cross join database_clock clock left join stamps st on st.subject = t.id \
             left join scopes s on s.id = t.scope_id left join scopes p on p.id = s.parent_id where t.mac = $1"
        ))
        .bind(mac.as_bytes().to_vec())
        .optional::<FoundTokenRow>(self)
        .await
    }

    async fn token_get(&mut self, scope: Option<ScopeId>, id: TokenId) -> Result<Option<Token>, StoreError> {
        let statement = match scope {
            Some(scope) => {
                sql::<DB>(concat!("select ", token_columns!(), tokens!(), " where t.id = $1 and t.scope_id = $2"))
                    .bind(id.as_uuid())
                    .bind(scope.as_uuid())
            }
            None => {
                sql::<DB>(concat!("select ", token_columns!(), tokens!(), " where t.id = $1 and t.scope_id is null"))
                    .bind(id.as_uuid())
            }
        };
        statement.optional::<TokenRow>(self).await
    }

    async fn token_list(
        &mut self,
        scope: Option<ScopeId>,
        after: Option<TokenId>,
        limit: Limit,
    ) -> Result<Rows<Token>, StoreError> {
        macro_rules! list {
            ($condition:literal) => {
                sql::<DB>(concat!(
                    "select ",
                    token_columns!(),
                    tokens!(),
                    " where t.id > $1 and ",
                    $condition,
                    " order by t.id limit $2"
                ))
                .bind(after.map_or(Uuid::nil(), |id| id.as_uuid()))
                .bind(limit.with_one_more())
            };
        }
        let statement = match scope {
            Some(scope) => list!("t.scope_id = $3").bind(scope.as_uuid()),
            None => list!("t.scope_id is null"),
        };
        statement.list::<TokenRow>(self).await
    }

    async fn operator_token_exists(&mut self) -> Result<bool, StoreError> {
        let count = sql::<DB>(
            "select count(*) as count from tokens t cross join database_clock clock \
             where t.role = 'operator' and t.expires_at > clock.now",
        )
        .optional::<CountRow>(self)
        .await?;
        Ok(count.is_some_and(|count| count > 0))
    }
}

/// What every name comes after.
fn text_or_start(after: Option<&ScopeName>) -> String {
    after.map(ToString::to_string).unwrap_or_default()
}
