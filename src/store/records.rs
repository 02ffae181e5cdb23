//! What the store keeps and finds, as the service knows it.

use super::{Corrupt, Rows, Stamp};
use crate::{
    crypto::{data_key::TokenMac, envelope::Sealed},
    domain::{
        audit::AuditEvent,
        credential::Credential,
        id::{CredentialId, DataKeyId, DeploymentId, MasterKeyId, ReplicaId, ScopeId, TokenId},
        page::Limit,
        scope::{Scope, ScopeRecord},
        server::RegistryServer,
        timestamp::Timestamp,
        token::Token,
    },
};
use std::time::Duration;

/// The installation itself.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// Names it.
    pub id: DeploymentId,
    /// When it was first started.
    pub created_at: Timestamp,
}

/// What a database says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseStatus {
    /// `SQLite` or `PostgreSQL`.
    pub engine: String,
    /// Its version, as it says it.
    pub version: String,
    /// The number of the newest migration that its tables have seen.
    pub schema: u64,
    /// What time it has.
    pub now: Timestamp,
}

/// A running process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// Names it.
    pub id: ReplicaId,
    /// The machine or pod that it runs on.
    pub host: String,
    /// The program's version.
    pub version: String,
    /// The master keys that it holds.
    pub keys: Vec<MasterKeyId>,
}

/// What is known of a process.
#[derive(Debug, Clone)]
pub struct ReplicaRecord {
    /// What it says of itself.
    pub replica: Replica,
    /// When it started, by the database's clock.
    pub started_at: Timestamp,
    /// When it was last heard of, by the database's clock.
    pub seen_at: Timestamp,
    /// How long ago that was.
    pub silent: Duration,
}

/// What may be done with a master key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MasterKeyState {
    /// It wraps and unwraps. There is exactly one.
    Active,
    /// It unwraps only.
    Standby,
    /// It is gone for ever.
    Retired,
}

impl MasterKeyState {
    const ALL: [Self; 3] = [Self::Active, Self::Standby, Self::Retired];

    /// The state of that name, if it is one.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// The state's name on the wire and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Standby => "standby",
            Self::Retired => "retired",
        }
    }
}

/// What is known of a master key besides the key.
#[derive(Debug, Clone)]
pub struct MasterKeyRecord {
    /// Names it.
    pub id: MasterKeyId,
    /// What may be done with it.
    pub state: MasterKeyState,
    /// The salt, if it is derived from a passphrase.
    pub salt: Option<[u8; 16]>,
    /// Tells a wrong key of the right name.
    pub check_value: [u8; 32],
    /// When it was first seen.
    pub created_at: Timestamp,
}

/// A data key as it is kept: wrapped under a master key.
#[derive(Debug)]
pub struct DataKeyRecord {
    /// Names it.
    pub id: DataKeyId,
    /// The scope whose passwords it seals; none for the deployment's own key, which tells tokens.
    pub scope: Option<ScopeId>,
    /// Counts the keys of the scope, from 1.
    pub version: u32,
    /// The key itself.
    pub wrapped: Sealed,
}

/// A credential with its password as it is kept.
#[derive(Debug)]
pub struct SealedCredential {
    /// What is known of it in the clear.
    pub credential: Credential,
    /// The identifier of the scope that it belongs to.
    pub scope_id: ScopeId,
    /// The password, or why it cannot be read although the rest can.
    pub password: Result<SealedPassword, Corrupt>,
}

/// A sealed password and the wrapped key that it is sealed under.
#[derive(Debug)]
pub struct SealedPassword {
    /// The password.
    pub sealed: Sealed,
    /// Changes exactly when server, user name or password do.
    pub fingerprint: [u8; 16],
    /// The key of its scope.
    pub data_key: DataKeyRecord,
}

/// A login whose turn it is to be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueCheck {
    /// The scope that it belongs to.
    pub scope: Scope,
    /// Which one.
    pub id: CredentialId,
    /// Its registry.
    pub server: RegistryServer,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last tried; none if never.
    pub attempted_at: Option<Timestamp>,
    /// Whether nothing is known of its present password.
    pub is_untried: bool,
}

/// What a look at a part of all logins has found.
#[derive(Debug)]
pub struct DueChecks {
    /// Those whose turn it is.
    pub due: Rows<DueCheck>,
    /// Behind which one to look for more; none at the end.
    pub next: Option<CredentialId>,
}

/// A token as the store finds it by its text.
#[derive(Debug)]
pub struct FoundToken {
    /// What is known of it.
    pub token: Token,
    /// The identifier of its scope; none for the deployment.
    pub scope_id: Option<ScopeId>,
    /// The code it was found by, to compare once more in constant time.
    pub mac: TokenMac,
    /// Whether its time is over, by the database's clock.
    pub expired: bool,
    /// Its stamp, as it was read with the rest.
    pub stamp: Option<Stamp>,
}

/// Which credentials to list: those that are in force in a scope, its own and inherited.
#[derive(Debug, Clone)]
pub struct CredentialFilter<'a> {
    /// The scope.
    pub place: &'a ScopeRecord,
    /// Only those for this server.
    pub server: Option<&'a RegistryServer>,
    /// Only those behind this one.
    pub after: Option<CredentialId>,
    /// How many at most.
    pub limit: Limit,
}

/// A credential that is to be added.
#[derive(Debug, Clone, Copy)]
pub struct NewSealedCredential<'a> {
    /// The token in whose name.
    pub token: TokenId,
    /// What is known of it in the clear.
    pub credential: &'a Credential,
    /// The scope that it will belong to.
    pub scope: ScopeId,
    /// Its password, and that one's fingerprint.
    pub password: (&'a Sealed, &'a [u8; 16]),
    /// What tells of it.
    pub event: &'a AuditEvent,
}

/// What became of a credential that was to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It is there, and so is its event.
    Yes,
    /// The token is not there any more.
    TokenGone,
    /// The scope has one for that server.
    ServerTaken,
}
