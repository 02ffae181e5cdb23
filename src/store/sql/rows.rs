//! Rows as the databases give them, and how each becomes a domain type.
//!
//! A row type never leaves this module. Where a column's content is not what regcred would have written, the conversion
//! names the column, and the row is reported as unreadable.

mod check;
mod keys;
mod log;
mod premises;

pub(super) use check::DueRow;
pub(super) use keys::{DataKeyRow, DatabaseStatusRow, DeploymentRow, MasterKeyRow, ReplicaRow};
pub(super) use log::{ClockRow, PruningRow, Unfiled, UnfiledRow};
pub(super) use premises::{LapsedRow, MomentRow, StampRow};

use check::CheckRow;

use super::columns::Ids;
use crate::{
    crypto::{data_key::TokenMac, envelope::Sealed},
    domain::{
        audit::{AuditEvent, Outcome, RecordedEvent},
        credential::Credential,
        id::{CredentialId, DataKeyId, EventId, RequestId, ScopeId, TokenId},
        permission::Action,
        scope::{ProjectPath, Scope, ScopeRecord},
        timestamp::Timestamp,
        token::Token,
    },
    store::{Corrupt, DataKeyRecord, FoundToken, SealedCredential, SealedPassword, Stamp},
};
use sqlx::FromRow;
use std::str::FromStr;
use uuid::Uuid;

/// A row that becomes a domain type, or names the column that stands in the way.
pub(super) trait Record: Sized {
    /// What it becomes.
    type Domain: Send;

    /// The table that it is reported under.
    const TABLE: &'static str;

    fn into_domain(self) -> Result<Self::Domain, &'static str>;
}

fn parse<T: FromStr>(text: &str, column: &'static str) -> Result<T, &'static str> {
    text.parse().map_err(|_| column)
}

fn parse_optional<T: FromStr>(text: Option<&String>, column: &'static str) -> Result<Option<T>, &'static str> {
    text.map(|text| parse(text, column)).transpose()
}

fn count(number: i64, column: &'static str) -> Result<u32, &'static str> {
    u32::try_from(number).map_err(|_| column)
}

fn bytes<const N: usize>(bytes: &[u8], column: &'static str) -> Result<[u8; N], &'static str> {
    bytes.try_into().map_err(|_| column)
}

fn sealed(bytes: Vec<u8>, column: &'static str) -> Result<Sealed, &'static str> {
    Sealed::from_bytes(bytes).map_err(|_| column)
}

/// The scope of a row that was joined with its scope and that scope's parent.
fn scope(name: Option<&String>, parent: Option<&String>) -> Result<Scope, &'static str> {
    match (name, parent) {
        (None, _) => Ok(Scope::Deployment),
        (Some(name), None) => Ok(Scope::Organization(parse(name, "scopes.name")?)),
        (Some(name), Some(parent)) => Ok(Scope::Project(ProjectPath {
            organization: parse(parent, "scopes.name")?,
            project: parse(name, "scopes.name")?,
        })),
    }
}

/// A bare number.
#[derive(FromRow)]
pub(super) struct CountRow {
    count: i64,
}

impl Record for CountRow {
    type Domain = u64;
    const TABLE: &'static str = "count";

    fn into_domain(self) -> Result<u64, &'static str> {
        u64::try_from(self.count).map_err(|_| "count")
    }
}

/// How many pages of the write-ahead log are still to be moved.
#[derive(FromRow)]
pub(super) struct CheckpointRow {
    busy: i64,
    log: i64,
    checkpointed: i64,
}

impl Record for CheckpointRow {
    type Domain = u64;
    const TABLE: &'static str = "wal_checkpoint";

    fn into_domain(self) -> Result<u64, &'static str> {
        // A busy one may have moved everything, and the log goes on all the same.
        u64::try_from((self.log - self.checkpointed).max(self.busy)).map_err(|_| "log")
    }
}

/// Whether a token is there, and whether what was added in its name is.
#[derive(FromRow)]
pub(super) struct AddedRow {
    held: bool,
    added: bool,
}

impl Record for AddedRow {
    type Domain = (bool, bool);
    const TABLE: &'static str = "credentials";

    fn into_domain(self) -> Result<(bool, bool), &'static str> {
        Ok((self.held, self.added))
    }
}

/// A bare identifier.
#[derive(FromRow)]
pub(super) struct IdRow {
    id: Uuid,
}

impl Record for IdRow {
    type Domain = Uuid;
    const TABLE: &'static str = "credentials";

    fn into_domain(self) -> Result<Uuid, &'static str> {
        Ok(self.id)
    }
}

#[derive(FromRow)]
pub(super) struct ScopeRow {
    id: Uuid,
    parent_id: Option<Uuid>,
    name: String,
    parent_name: Option<String>,
    created_at: Timestamp,
}

impl Record for ScopeRow {
    type Domain = ScopeRecord;
    const TABLE: &'static str = "scopes";

    fn into_domain(self) -> Result<ScopeRecord, &'static str> {
        Ok(ScopeRecord {
            scope: scope(Some(&self.name), self.parent_name.as_ref())?,
            id: ScopeId::from_uuid(self.id),
            parent_id: self.parent_id.map(ScopeId::from_uuid),
            created_at: self.created_at,
        })
    }
}

#[derive(FromRow)]
pub(super) struct CredentialRow {
    id: Uuid,
    scope_name: String,
    parent_name: Option<String>,
    server: String,
    kind: String,
    username: Option<String>,
    email: Option<String>,
    image_prefix: Option<String>,
    expires_at: Option<Timestamp>,
    enabled: bool,
    version: i64,
    revision: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
    rotated_at: Timestamp,
    last_used_at: Option<Timestamp>,
    identity: Option<String>,
    #[sqlx(default)]
    ca_certificates: Option<String>,
    #[sqlx(flatten)]
    check: CheckRow,
}

impl Record for CredentialRow {
    type Domain = Credential;
    const TABLE: &'static str = "credentials";

    fn into_domain(self) -> Result<Credential, &'static str> {
        Ok(Credential {
            id: CredentialId::from_uuid(self.id),
            scope: scope(Some(&self.scope_name), self.parent_name.as_ref())?,
            server: parse(&self.server, "server")?,
            kind: parse(&self.kind, "kind")?,
            username: parse_optional(self.username.as_ref(), "username")?,
            email: parse_optional(self.email.as_ref(), "email")?,
            image_prefix: parse_optional(self.image_prefix.as_ref(), "image_prefix")?,
            expires_at: self.expires_at,
            enabled: self.enabled,
            version: count(self.version, "version")?,
            revision: count(self.revision, "revision")?,
            created_at: self.created_at,
            updated_at: self.updated_at,
            rotated_at: self.rotated_at,
            last_used_at: self.last_used_at,
            identity: parse_optional(self.identity.as_ref(), "identity")?,
            ca_certificates: parse_optional(self.ca_certificates.as_ref(), "ca_certificates")?,
            last_check: self.check.into_domain(),
        })
    }
}

#[derive(FromRow)]
pub(super) struct SealedCredentialRow {
    #[sqlx(flatten)]
    credential: CredentialRow,
    scope_id: Uuid,
    #[sqlx(flatten)]
    password: SealedPasswordRow,
}

#[derive(FromRow)]
struct SealedPasswordRow {
    sealed: Vec<u8>,
    fingerprint: Vec<u8>,
    key_id: Option<Uuid>,
    key_version: Option<i64>,
    key_wrapped: Option<Vec<u8>>,
}

impl Record for SealedCredentialRow {
    type Domain = SealedCredential;
    const TABLE: &'static str = "credentials";

    fn into_domain(self) -> Result<SealedCredential, &'static str> {
        let credential = self.credential.into_domain()?;
        let scope_id = ScopeId::from_uuid(self.scope_id);
        let password = self.password.into_domain(scope_id);
        let password = password.map_err(|column| Corrupt::sealed(Self::TABLE, column, &credential.id));
        Ok(SealedCredential { credential, scope_id, password })
    }
}

impl SealedPasswordRow {
    fn into_domain(self, scope_id: ScopeId) -> Result<SealedPassword, &'static str> {
        Ok(SealedPassword {
            sealed: sealed(self.sealed, "sealed")?,
            fingerprint: bytes(&self.fingerprint, "fingerprint")?,
            data_key: DataKeyRecord {
                id: DataKeyId::from_uuid(self.key_id.ok_or("data_keys.id")?),
                scope: Some(scope_id),
                version: count(self.key_version.ok_or("data_keys.version")?, "data_keys.version")?,
                wrapped: sealed(self.key_wrapped.ok_or("data_keys.wrapped")?, "data_keys.wrapped")?,
            },
        })
    }
}

#[derive(FromRow)]
pub(super) struct TokenRow {
    id: Uuid,
    name: String,
    role: String,
    scope_name: Option<String>,
    parent_name: Option<String>,
    expires_at: Timestamp,
    created_at: Timestamp,
}

impl Record for TokenRow {
    type Domain = Token;
    const TABLE: &'static str = "tokens";

    fn into_domain(self) -> Result<Token, &'static str> {
        Ok(Token {
            id: TokenId::from_uuid(self.id),
            name: parse(&self.name, "name")?,
            role: parse(&self.role, "role")?,
            scope: scope(self.scope_name.as_ref(), self.parent_name.as_ref())?,
            expires_at: self.expires_at,
            created_at: self.created_at,
        })
    }
}

#[derive(FromRow)]
pub(super) struct FoundTokenRow {
    #[sqlx(flatten)]
    token: TokenRow,
    scope_id: Option<Uuid>,
    mac: Vec<u8>,
    expired: bool,
    stamp: Option<Uuid>,
}

impl Record for FoundTokenRow {
    type Domain = FoundToken;
    const TABLE: &'static str = "tokens";

    fn into_domain(self) -> Result<FoundToken, &'static str> {
        let token = self.token.into_domain()?;
        if self.scope_id.is_some() == (token.scope == Scope::Deployment) {
            return Err("scope_id");
        }
        Ok(FoundToken {
            token,
            scope_id: self.scope_id.map(ScopeId::from_uuid),
            mac: TokenMac::from_bytes(bytes(&self.mac, "mac")?),
            expired: self.expired,
            stamp: self.stamp.map(Stamp),
        })
    }
}

#[derive(FromRow)]
pub(super) struct AuditEventRow {
    sequence: i64,
    id: Uuid,
    at: Timestamp,
    request_id: Uuid,
    principal: String,
    token_id: Option<Uuid>,
    scope: String,
    organization_id: Option<Uuid>,
    project_id: Option<Uuid>,
    operation: String,
    object_ids: Ids,
    outcome: String,
    address: Option<String>,
}

impl Record for AuditEventRow {
    type Domain = RecordedEvent;
    const TABLE: &'static str = "audit_events";

    fn into_domain(self) -> Result<RecordedEvent, &'static str> {
        let outcomes = [Outcome::Success, Outcome::Denied];
        Ok(RecordedEvent {
            sequence: self.sequence,
            event: AuditEvent {
                id: EventId::from_uuid(self.id),
                at: self.at,
                request_id: RequestId::from_uuid(self.request_id),
                principal: self.principal.into(),
                token_id: self.token_id.map(TokenId::from_uuid),
                scope: parse(&self.scope, "scope")?,
                organization_id: self.organization_id.map(ScopeId::from_uuid),
                project_id: self.project_id.map(ScopeId::from_uuid),
                operation: *Action::ALL.iter().find(|action| action.name() == self.operation).ok_or("operation")?,
                objects: self.object_ids.0,
                outcome: outcomes.into_iter().find(|outcome| outcome.name() == self.outcome).ok_or("outcome")?,
                address: parse_optional(self.address.as_ref(), "address")?,
            },
        })
    }
}
