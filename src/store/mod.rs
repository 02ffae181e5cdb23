//! What regcred remembers, as traits: what a database must be able to do for the service, and how it may fail.
//!
//! A read is asked of a [`Queries`]; a change is made in a [`Tx`], which answers the same questions and ends in
//! [`Tx::commit`] or in nothing. There is no commit without an audit event. "Not found" is `Ok(None)`; what it means is for
//! the service to say. The store never sees a plaintext: passwords and keys come and go as [`Sealed`].
//! `sql` is the only place that knows what a database is.

mod log;
mod premise;
mod records;
pub mod sql;
pub mod tables;

pub use log::{AuditScope, Filed, LogQueries, LogTx, Upkeep};
pub use premise::{ConditionalEvent, Premise, Prover, Stamp};
pub use records::{
    Added, CredentialFilter, DataKeyRecord, DatabaseStatus, Deployment, DueCheck, DueChecks, FoundToken,
    MasterKeyRecord, MasterKeyState, NewSealedCredential, Replica, ReplicaRecord, SealedCredential, SealedPassword,
};

use crate::{
    crypto::{data_key::TokenMac, envelope::Sealed},
    domain::{
        audit::AuditEvent,
        check::Check,
        credential::Credential,
        id::{CredentialId, DataKeyId, MasterKeyId, ReplicaId, ScopeId, TokenId},
        page::Limit,
        scope::{Scope, ScopeName, ScopeRecord},
        server::RegistryServer,
        timestamp::Timestamp,
        token::Token,
    },
};
use async_trait::async_trait;
use tables::{Filling, Snapshot};

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be had now: busy, full, read-only, gone. Nothing was changed; trying again may help.
    #[error("the database is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A row that was needed cannot be read.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// Another change came first, so that this one broke a rule of the schema. Nothing was changed.
    #[error("another change came first")]
    Conflict(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database refused a statement: a defect of regcred or of the schema.
    #[error("the database refused a statement")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The connection was lost while a change was being made durable. It may have been made or not.
    #[error("the connection was lost during a commit, whose outcome is not known")]
    OutcomeUnknown(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A row that does not mean anything: it was altered or cut off behind regcred's back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {id} of table {table} cannot be read: {column}")]
pub struct Corrupt {
    /// The table.
    pub table: &'static str,
    /// The column, as far as one can be named.
    pub column: String,
    /// The row's identifier, or `?` if even that cannot be read.
    pub id: String,
}

impl Corrupt {
    /// A sealed column that does not open in the place where it was found.
    #[must_use]
    pub fn sealed(table: &'static str, column: &'static str, id: &impl ToString) -> Self {
        Self { table, column: column.to_owned(), id: id.to_string() }
    }
}

/// What a list holds: each row, or why it cannot be read. One bad row does not hide the others.
pub type Rows<T> = Vec<Result<T, Corrupt>>;

/// A database with all that regcred keeps in it.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// A connection to ask questions. Each question sees all that was committed before it.
    async fn read(&self) -> Result<Box<dyn Queries>, StoreError>;

    /// Begins a change.
    async fn begin(&self) -> Result<Box<dyn Tx>, StoreError>;

    /// Adds a credential and makes it durable together with the event that tells of it, unless something stands against it; then
    /// nothing changes, and there is no event. A revocation of the token waits for this, or this for it.
    ///
    /// It is a conflict if the scope is gone.
    async fn credential_add(&self, new: NewSealedCredential<'_>) -> Result<Added, StoreError>;

    /// Adds many at once, as far as nothing stands against each, and tells of each whether it is there. Rather fails than waits
    /// long for others, so that one of them does not keep all waiting. What was not added may be tried by itself.
    async fn credential_add_many(&self, new: &[NewSealedCredential<'_>]) -> Result<Vec<bool>, StoreError>;

    /// The audit log, on a connection that nothing else uses.
    fn audit_log(&self) -> Box<dyn AuditLog>;

    /// Marks credentials as used at these times, each at most once in
    /// [`LAST_USED_STEP_MINUTES`](crate::domain::credential::LAST_USED_STEP_MINUTES). Leaves no event: it changes nothing for anybody.
    /// Rather fails than waits long for others.
    async fn credential_mark_used(&self, uses: &[(CredentialId, Timestamp)]) -> Result<(), StoreError>;

    /// What is to be done beside the requests; none if the database does everything by itself.
    fn upkeep(&self) -> Option<Box<dyn Upkeep>>;

    /// What looks whether premises hold, on a connection that nothing else uses.
    fn prover(&self) -> Box<dyn Prover>;

    /// Whether other processes may be using this database too.
    fn is_shared(&self) -> bool;

    /// Writes down that a process lives and which keys it holds. Leaves no event: it changes nothing for anybody.
    async fn replica_report(&self, replica: &Replica) -> Result<(), StoreError>;

    /// Writes down that a process ends.
    async fn replica_leave(&self, id: ReplicaId) -> Result<(), StoreError>;

    /// Writes down what was found out of a login with that version of its password, unless something newer is known, or the login
    /// is gone. Leaves no event: whoever opened the password left one before.
    async fn check_put(&self, id: CredentialId, version: u32, check: &Check) -> Result<(), StoreError>;

    /// Looks at a part of all credentials, in the order of identifiers, for those that may be handed out `now` and of which nobody
    /// has begun a check `since`, but for those that are left alone after what is known of them.
    async fn check_list(
        &self,
        after: Option<CredentialId>,
        since_and_now: (Timestamp, Timestamp),
    ) -> Result<DueChecks, StoreError>;

    /// Takes one of them to be checked. `false` if somebody else was faster, or it is gone. Nobody else gets it until that time has passed for it
    /// again.
    async fn check_claim(&self, id: CredentialId, since_and_now: (Timestamp, Timestamp)) -> Result<bool, StoreError>;

    /// All that stands in the database at this moment.
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError>;

    /// Begins to fill the database; none if it holds something already.
    async fn fill(&self) -> Result<Option<Box<dyn Filling>>, StoreError>;

    /// Closes all connections, after what runs on them has ended.
    async fn close(&self);
}

/// The audit log for events that belong to no other change: the hand-outs.
#[async_trait]
pub trait AuditLog: Send {
    /// Makes all those events durable whose premises hold, or none. Tells of each whether they did, by what was committed before
    /// this was asked.
    async fn append(&mut self, events: &[ConditionalEvent]) -> Result<Vec<bool>, StoreError>;
}

/// The questions that the service asks.
#[async_trait]
pub trait Queries: LogQueries {
    /// The installation; none before the first start.
    async fn deployment_find(&mut self) -> Result<Option<Deployment>, StoreError>;
    /// Every master key that was ever seen, oldest first.
    async fn master_key_list(&mut self) -> Result<Vec<MasterKeyRecord>, StoreError>;
    /// The database itself.
    async fn database_status(&mut self) -> Result<DatabaseStatus, StoreError>;
    /// Every process that was heard of and has not said that it ends, in the order of their starts.
    async fn replica_list(&mut self) -> Result<Vec<ReplicaRecord>, StoreError>;
    /// How many data keys are wrapped under that master key.
    async fn data_key_count(&mut self, master_key: MasterKeyId) -> Result<u64, StoreError>;
    /// The key of a scope, or the deployment's own.
    async fn data_key_find(&mut self, scope: Option<ScopeId>) -> Result<Option<DataKeyRecord>, StoreError>;
    /// Data keys that are wrapped under another master key than that, in the order of their identifiers, behind one.
    async fn data_key_list_stale(
        &mut self,
        active: MasterKeyId,
        after: Option<DataKeyId>,
        limit: Limit,
    ) -> Result<Rows<DataKeyRecord>, StoreError>;
    /// An organization or a project by name. [`Scope::Deployment`] has no record.
    async fn scope_find(&mut self, scope: &Scope) -> Result<Option<ScopeRecord>, StoreError>;
    /// Organizations by name, behind one.
    async fn organization_list(
        &mut self,
        after: Option<&ScopeName>,
        limit: Limit,
    ) -> Result<Rows<ScopeRecord>, StoreError>;
    /// An organization's projects by name, behind one.
    async fn project_list(
        &mut self,
        organization: ScopeId,
        after: Option<&ScopeName>,
        limit: Limit,
    ) -> Result<Rows<ScopeRecord>, StoreError>;
    /// Credentials in the order in which they were made.
    async fn credential_list(&mut self, filter: &CredentialFilter<'_>) -> Result<Rows<Credential>, StoreError>;
    /// A credential of that scope or of its organization.
    async fn credential_find(
        &mut self,
        place: &ScopeRecord,
        id: CredentialId,
    ) -> Result<Option<Credential>, StoreError>;
    /// Which of the scope's own credentials has that server.
    async fn credential_find_id(
        &mut self,
        scope: ScopeId,
        server: &RegistryServer,
    ) -> Result<Option<CredentialId>, StoreError>;
    /// How many credentials belong to exactly that scope. None are counted beyond `most`.
    async fn credential_count(&mut self, scope: ScopeId, most: u32) -> Result<u64, StoreError>;
    /// That nothing changes with a scope and its organization. Fewer than these, if the database has not stamped them.
    async fn premise_list(&mut self, place: &ScopeRecord) -> Result<Vec<Premise>, StoreError>;
    /// A credential of that scope or of its organization, with its password.
    async fn sealed_credential_find(
        &mut self,
        place: &ScopeRecord,
        id: CredentialId,
    ) -> Result<Option<SealedCredential>, StoreError>;
    /// Everything that may be handed out in a project, with the project's own overriding what is inherited.
    async fn sealed_credential_list(&mut self, place: &ScopeRecord) -> Result<Rows<SealedCredential>, StoreError>;
    /// The token with that code.
    async fn token_find(&mut self, mac: &TokenMac) -> Result<Option<FoundToken>, StoreError>;
    /// One of the tokens that belong to exactly that scope.
    async fn token_get(&mut self, scope: Option<ScopeId>, id: TokenId) -> Result<Option<Token>, StoreError>;
    /// The tokens that belong to exactly that scope, in the order in which they were made.
    async fn token_list(
        &mut self,
        scope: Option<ScopeId>,
        after: Option<TokenId>,
        limit: Limit,
    ) -> Result<Rows<Token>, StoreError>;
    /// Whether there is an operator token that is still good.
    async fn operator_token_exists(&mut self) -> Result<bool, StoreError>;
}

/// A change under way. Dropped without [`Tx::commit`], it never happened.
#[async_trait]
pub trait Tx: Queries + LogTx {
    /// Waits for all changes to keys that others have begun, and keeps others from beginning any until this change ends. What
    /// changes a key here does this by itself; whoever first reads which key is active asks for it before.
    async fn keys_lock(&mut self) -> Result<(), StoreError>;
    /// Keeps a token from being revoked until this change ends. `false` if there is none.
    async fn token_hold(&mut self, id: TokenId) -> Result<bool, StoreError>;
    /// Writes down that a process lives and which keys it holds.
    async fn replica_put(&mut self, replica: &Replica) -> Result<(), StoreError>;
    /// Names the installation, at its first start.
    async fn deployment_insert(&mut self, deployment: &Deployment) -> Result<(), StoreError>;
    /// Records a master key.
    async fn master_key_insert(&mut self, key: &MasterKeyRecord) -> Result<(), StoreError>;
    /// Moves a master key to another state. To make one active, first move the one that is.
    async fn master_key_update(&mut self, id: MasterKeyId, state: MasterKeyState) -> Result<(), StoreError>;
    /// Keeps a data key. `false` if the master key that it is wrapped under was retired; then nothing changes.
    async fn data_key_insert(&mut self, key: &DataKeyRecord, at: Timestamp) -> Result<bool, StoreError>;
    /// Replaces a data key's wrapping. `false` if the key is gone, is no longer wrapped as it was when it was read, or the
    /// new master key was retired; then nothing changes.
    async fn data_key_update(&mut self, old: &DataKeyRecord, wrapped: &Sealed) -> Result<bool, StoreError>;
    /// Makes an organization or a project. `false` if one of that name exists; then nothing changes.
    async fn scope_insert(&mut self, record: &ScopeRecord) -> Result<bool, StoreError>;
    /// Deletes an organization or a project with its credentials, tokens and data key.
    async fn scope_delete(&mut self, id: ScopeId) -> Result<(), StoreError>;
    /// Adds a credential with its sealed password and that one's fingerprint. `false` if the scope has one for that server;
    /// then nothing changes.
    async fn credential_insert(
        &mut self,
        new: &Credential,
        scope: ScopeId,
        password: (&Sealed, &[u8; 16]),
    ) -> Result<bool, StoreError>;
    /// Replaces a credential that still has the given revision, and its password if there is a new one. `false` if it is
    /// gone or has another revision; then nothing changes.
    async fn credential_update(
        &mut self,
        new: &Credential,
        old_revision: u32,
        password: Option<(&Sealed, &[u8; 16])>,
    ) -> Result<bool, StoreError>;
    /// Deletes a credential that still has the given revision. `false` if it is gone or has another; then nothing changes.
    async fn credential_delete(&mut self, id: CredentialId, revision: u32) -> Result<bool, StoreError>;
    /// Keeps a token under the code of its text.
    async fn token_insert(&mut self, token: &Token, scope: Option<ScopeId>, mac: &TokenMac) -> Result<(), StoreError>;
    /// Revokes a token of exactly that scope. `false` if there is none.
    async fn token_delete(&mut self, scope: Option<ScopeId>, id: TokenId) -> Result<bool, StoreError>;
    /// Makes the change durable together with the event that tells of it.
    async fn commit(self: Box<Self>, event: AuditEvent) -> Result<(), StoreError>;
}
