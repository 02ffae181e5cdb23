//! The use cases. Each goes the same way: permission, then domain, then crypto, then store, then audit.
//!
//! Nothing here knows HTTP. A method is called `resource_verb`, takes the [`Caller`] first, and answers a domain type or
//! an [`Error`] that says what went wrong in words of the domain. A change is one transaction that ends with its audit
//! event; a secret leaves only after its event is durable.

mod adding;
mod audit;
mod authentication;
pub mod backup;
mod counts;
mod credentials;
mod error;
mod keys;
mod memory;
mod proof;
mod pull_secret;
mod queue;
mod registry_kinds;
mod replicas;
mod resolve;
mod retention;
mod room;
mod schedule;
mod scopes;
mod start;
mod status;
mod threads;
mod tokens;
mod turns;
mod upkeep;
mod usage;
mod verification;

pub use audit::{AuditOrder, AuditQueue};
pub use credentials::{IfMatch, TryFirst, Written};
pub use error::{Error, Thing, Unauthenticated};
pub use keys::{MasterKey, Rewrapped, keyring_generate};
pub use memory::Question;
pub use pull_secret::{Omission, OmissionReason, PullSecret, PullSecretRequest};
pub use resolve::Resolved;
pub use retention::Prunable;
pub use scopes::Put;
pub use start::{KeySources, OperatorToken, StartError, Started};
pub use status::Status;

use crate::{
    crypto::{
        binding::KeyBinding,
        data_key::{DataKey, TokenKey},
        keyring::{KeyError, KeyWrapper as _, Keyring},
    },
    domain::{
        audit::{AuditEvent, Outcome},
        id::{DataKeyId, DeploymentId, MasterKeyId, ScopeId},
        page::{Page, PageRequest},
        permission::{Action, Caller, Denial, Permit},
        pruning::Retention,
        scope::{Scope, ScopeRecord},
        source::{Clock, Random},
    },
    registry::Verifier,
    store::{Corrupt, DataKeyRecord, MasterKeyState, Queries, Rows, Store, Tx},
};
use std::{path::PathBuf, str::FromStr, sync::Arc};
use uuid::Uuid;

/// Everything that regcred can do, for whoever carries requests to it.
pub struct Service {
    store: Arc<dyn Store>,
    keyring: Arc<Keyring>,
    /// Where new master keys are written; none if the keys came from the environment.
    keyring_file: Option<PathBuf>,
    /// What the others are to know of this process, and what it knows of them.
    replica: replicas::OwnReplica,
    deployment: DeploymentId,
    token_key: TokenKey,
    audit: AuditQueue,
    adding: adding::AddQueue,
    proof: proof::ProofQueue,
    memory: memory::Memory,
    counts: counts::Counts,
    /// What tries logins at their registries.
    verifier: Verifier,
    turns: turns::Turns,
    room: room::Room,
    /// How old audit events must be to be pruned.
    retention: Retention,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Service {
    /// Whether the database answers, the writers live, and the active master key is here.
    ///
    /// # Errors
    /// It does not.
    pub async fn check(&self) -> Result<(), Error> {
        self.store.read().await?.deployment_find().await?;
        if let Some(key) = self.replica.missing_key() {
            return Err(KeyError::Unknown(key).into());
        }
        if self.audit.is_open() && self.adding.is_open() { Ok(()) } else { Err(Error::AuditUnavailable) }
    }

    /// How many events wait to be made durable.
    #[must_use]
    pub fn audit_queue_length(&self) -> usize {
        self.audit.len()
    }

    /// Asks the policy.
    async fn permit(&self, caller: &Caller, action: Action, scope: &Scope) -> Result<Permit, Error> {
        let denial = match caller.permit(action, scope) {
            Ok(permit) => return Ok(permit),
            Err(denial) => denial,
        };
        Err(match denial {
            Denial::OutOfReach => {
                self.deny(caller, action, scope, "out_of_reach", Error::NotFound(Thing::of(scope))).await
            }
            Denial::Role => self.deny(caller, action, scope, "role", Error::Forbidden(action)).await,
        })
    }

    /// Counts a denial, and makes its event durable if the action would have had one. Answers the refusal, or why there is no
    /// event. No transaction may be open: the event waits for its turn to write.
    async fn deny(
        &self,
        caller: &Caller,
        action: Action,
        scope: &Scope,
        reason: &'static str,
        refusal: Error,
    ) -> Error {
        metrics::counter!("regcred_denials_total", "reason" => reason).increment(1);
        if !action.is_audited() {
            return refusal;
        }
        match self.denial_record(caller, action, scope).await {
            Ok(()) => refusal,
            Err(error) => error,
        }
    }

    async fn denial_record(&self, caller: &Caller, action: Action, scope: &Scope) -> Result<(), Error> {
        // What a stranger tried stands in the deployment's log, not in that of those whom he knocked at.
        let place = if caller.scope.reaches(scope) { self.store.read().await?.scope_find(scope).await? } else { None };
        let event = AuditEvent::denied(&*self.clock, &*self.random, caller, action, scope, place.as_ref());
        self.audit.record(event).await
    }

    /// Begins a permitted change, if the caller's token is still there.
    ///
    /// It was when the request's head came, but the body may have taken its time since. From here on a revocation waits
    /// for this change.
    async fn begin(&self, permit: &Permit) -> Result<Box<dyn Tx>, Error> {
        let mut tx = self.store.begin().await?;
        let held = tx.token_hold(permit.caller().token_id).await?;
        if held { Ok(tx) } else { Err(Error::Unauthenticated(Unauthenticated::Unknown)) }
    }

    /// The permitted scope as it is now.
    async fn place(&self, queries: &mut dyn Queries, permit: &Permit) -> Result<ScopeRecord, Error> {
        let found = queries.scope_find(permit.scope()).await?.filter(|found| permit.covers(found));
        found.ok_or_else(|| Error::NotFound(Thing::of(permit.scope())))
    }

    /// The permitted scope as it is now, where the deployment itself will do.
    async fn place_or_deployment(
        &self,
        queries: &mut dyn Queries,
        permit: &Permit,
    ) -> Result<Option<ScopeRecord>, Error> {
        match permit.scope() {
            Scope::Deployment => Ok(None),
            Scope::Organization(_) | Scope::Project(_) => self.place(queries, permit).await.map(Some),
        }
    }

    /// The event that tells of a permitted change.
    fn event(&self, permit: &Permit, place: Option<&ScopeRecord>, objects: impl Into<Arc<[Uuid]>>) -> AuditEvent {
        AuditEvent::of(&*self.clock, &*self.random, permit, place, objects, Outcome::Success)
    }

    /// Makes the data key of a new scope, or of the deployment, and keeps it wrapped.
    async fn data_key_create(
        tx: &mut dyn Tx,
        keyring: &Keyring,
        sources: (&dyn Clock, &dyn Random),
        deployment: DeploymentId,
        place: Option<&ScopeRecord>,
    ) -> Result<DataKey, Error> {
        let (clock, random) = sources;
        tx.keys_lock().await?;
        let active = active_key(tx).await?;
        let key = DataKey::generate(DataKeyId::new(clock, random), random);
        let scope = place.map(|place| place.id);
        let binding = KeyBinding { deployment, scope, data_key: key.id(), version: key.version() };
        let wrapped = keyring.wrap(active, &key, &binding, random).await?;
        let record = DataKeyRecord { id: key.id(), scope, version: key.version(), wrapped };
        if tx.data_key_insert(&record, clock.now()).await? { Ok(key) } else { Err(Error::TryAgain) }
    }

    async fn data_key_open(&self, record: &DataKeyRecord) -> Result<DataKey, Error> {
        unwrap(&self.keyring, self.deployment, record).await
    }

    /// The data key of a scope.
    async fn data_key(&self, queries: &mut dyn Queries, scope: ScopeId) -> Result<DataKey, Error> {
        let record = data_key_record(queries, scope).await?;
        match self.data_key_open(&record).await {
            // Since the row was read, the data key may have been wrapped anew, and its old master key given up.
            Err(Error::Key(KeyError::Unknown(_))) => self.data_key_open(&data_key_record(queries, scope).await?).await,
            opened => opened,
        }
    }
}

async fn data_key_record(queries: &mut dyn Queries, scope: ScopeId) -> Result<DataKeyRecord, Error> {
    let record = queries.data_key_find(Some(scope)).await?;
    Ok(record.ok_or_else(|| Corrupt::sealed("data_keys", "scope_id", &scope))?)
}

/// The master key that wraps, by the word of the database.
async fn active_key(queries: &mut (impl Queries + ?Sized)) -> Result<MasterKeyId, Error> {
    let keys = queries.master_key_list().await?;
    let active = keys.iter().find(|key| key.state == MasterKeyState::Active);
    Ok(active.ok_or(KeyError::NoActive)?.id)
}

/// Opens a data key in the place where it was found.
async fn unwrap(keyring: &Keyring, deployment: DeploymentId, record: &DataKeyRecord) -> Result<DataKey, Error> {
    let binding = KeyBinding { deployment, scope: record.scope, data_key: record.id, version: record.version };
    keyring.unwrap(&record.wrapped, &binding).await.map_err(|fault| match fault {
        // The row may be in order: this process lacks a master key that another one has.
        KeyError::Unknown(_) | KeyError::NoActive => Error::Key(fault),
        KeyError::Open(fault) => Error::unopened("data_keys", "wrapped", &record.id, &fault),
    })
}

/// A page of what the store answered; unreadable rows are named in the log and counted.
fn page<T, K: ToString>(
    rows: Rows<T>,
    request: &PageRequest,
    key: impl Fn(&T) -> K,
    key_of_lost: impl Fn(&Corrupt) -> Option<K>,
) -> Page<T> {
    Page::cut(rows, request.limit, key, |corrupt| {
        report(corrupt);
        key_of_lost(corrupt)
    })
}

/// Where a list goes on.
fn after<K: FromStr>(request: &PageRequest) -> Result<Option<K>, Error> {
    request.after().map_err(|rule| Error::Parameter { parameter: "cursor", rule })
}

/// Names an unreadable row in the log.
fn report(corrupt: &Corrupt) {
    metrics::counter!("regcred_unreadable_rows_total", "table" => corrupt.table).increment(1);
    tracing::error!(
        table = corrupt.table,
        column = corrupt.column,
        id = corrupt.id,
        "a row cannot be read and is left out"
    );
}
