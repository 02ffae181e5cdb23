//! The processes that share a database. Each says every few seconds that it lives and which master keys it holds, takes in
//! what was added to its keyring file, and lets go of keys that were retired elsewhere.
//!
//! So whoever activates a master key can be told who does not hold it yet. A process that starts writes its row first and
//! then looks, under the lock of all changes to keys, which one is active: either the activation sees its row, or it sees
//! the activation.

use super::{Error, Service, keys::in_file};
use crate::{
    crypto::{keyring::MasterKey, keyring_file},
    domain::{
        audit::AuditEvent,
        id::{MasterKeyId, ReplicaId},
        permission::Action,
    },
    store::{MasterKeyRecord, MasterKeyState, Queries, Replica, ReplicaRecord},
};
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::sleep;

/// How often a process says that it lives, and looks after its keys.
const STEP: Duration = Duration::from_secs(2);
/// After this long without a word a process is taken for dead.
const SILENCE: Duration = Duration::from_secs(15);

/// This process among the others.
pub(super) struct OwnReplica {
    pub(super) id: ReplicaId,
    pub(super) host: String,
    seen: Mutex<Seen>,
}

/// What this process found when it last looked.
#[derive(Default)]
struct Seen {
    /// The master key that wraps.
    active: Option<MasterKeyId>,
    /// The same, if this process does not hold it.
    missing: Option<MasterKeyId>,
    /// What it reported to hold.
    reported: Vec<MasterKeyId>,
    /// Whether the keyring file was ever there.
    file_was_there: bool,
    /// What went wrong last, so that it is logged once.
    trouble: Option<String>,
}

impl OwnReplica {
    pub(super) fn new(id: ReplicaId, host: String) -> Self {
        Self { id, host, seen: Mutex::default() }
    }

    pub(super) fn missing_key(&self) -> Option<MasterKeyId> {
        self.seen().missing
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs what is wrong when it changes.
    fn note(&self, trouble: Option<String>) {
        let mut seen = self.seen();
        if seen.trouble != trouble {
            if let Some(trouble) = &trouble {
                tracing::warn!(trouble, "this process is not in step with the others");
            } else {
                tracing::info!("this process is in step with the others again");
            }
            seen.trouble = trouble;
        }
    }

    /// What the others are to know.
    pub(super) fn describe(&self, keys: Vec<MasterKeyId>) -> Replica {
        Replica { id: self.id, host: self.host.clone(), version: env!("CARGO_PKG_VERSION").to_owned(), keys }
    }
}

/// Whether a process was heard of lately.
pub(super) fn is_live(replica: &ReplicaRecord) -> bool {
    replica.silent < SILENCE
}

impl Service {
    /// Does what a process owes the others, for as long as it runs.
    pub async fn keep_in_step(&self) {
        loop {
            let trouble = match self.step().await {
                Ok(trouble) => trouble,
                Err(error) => Some(error.to_string()),
            };
            self.replica.note(trouble);
            sleep(STEP).await;
        }
    }

    /// The machines of all live processes that do not hold that key.
    pub(super) async fn lacking(&self, queries: &mut dyn Queries, key: MasterKeyId) -> Result<Vec<String>, Error> {
        let lacks = |record: &ReplicaRecord| match record.replica.id {
            // What this one wrote of itself may be a moment old.
            id if id == self.replica.id => !self.keyring.contains(key),
            _ => is_live(record) && !record.replica.keys.contains(&key),
        };
        let replicas = queries.replica_list().await?;
        Ok(replicas.into_iter().filter(lacks).map(|record| record.replica.host).collect())
    }

    /// Says that this process ends, so that nobody waits for it.
    pub async fn leave(&self) {
        if let Err(error) = self.store.replica_leave(self.replica.id).await {
            tracing::debug!(%error, "the others were not told that this process ends");
        }
    }

    async fn step(&self) -> Result<Option<String>, Error> {
        let known = self.store.read().await?.master_key_list().await?;
        let mut trouble = self.reload(&known).await;
        let held = self.keyring.ids();
        if held.iter().any(|id| known.iter().all(|key| key.id != *id)) {
            self.register_new_keys().await?;
        }
        let active = known.iter().find(|key| key.state == MasterKeyState::Active).map(|key| key.id);
        let missing = active.filter(|id| !held.contains(id));
        if let Some(id) = missing {
            trouble = Some(format!("the active master key {id} is not in the keyring of this process"));
        }
        let changed = {
            let mut seen = self.replica.seen();
            (seen.active, seen.missing) = (active, missing);
            seen.reported != held
        };
        if changed || self.store.is_shared() {
            self.store.replica_report(&self.replica.describe(held.clone())).await?;
            self.replica.seen().reported = held;
        }
        Ok(trouble)
    }

    /// Takes in what was added to the keyring file, and lets go of what was retired. Answers what is wrong with the file.
    async fn reload(&self, known: &[MasterKeyRecord]) -> Option<String> {
        for retired in known.iter().filter(|key| key.state == MasterKeyState::Retired) {
            self.keyring.remove(retired.id);
        }
        let path = self.keyring_file.clone()?;
        if !path.exists() {
            let was_there = self.replica.seen().file_was_there;
            return was_there.then(|| "the keyring file is gone: the next start will lack its keys".to_owned());
        }
        self.replica.seen().file_was_there = true;
        let keys = match in_file(move || keyring_file::read(&path)).await {
            Ok(keys) => keys,
            Err(error) => return Some(format!("the keyring file cannot be read: {error}")),
        };
        let mut trouble = None;
        for key in keys {
            match known.iter().find(|known| known.id == key.id()) {
                Some(known) if known.state == MasterKeyState::Retired => {}
                Some(known) if known.check_value != key.check_value(self.deployment) => {
                    trouble = Some(format!("the keyring file holds another key under the name {}", known.id));
                }
                Some(_) | None if self.keyring.contains(key.id()) => {}
                Some(_) | None => self.take_in(key),
            }
        }
        trouble
    }

    fn take_in(&self, key: MasterKey) {
        tracing::info!(id = %key.id(), "a master key was taken in from the keyring file");
        self.keyring.insert(key);
    }

    /// Writes down the keys that this process holds and nobody has seen yet.
    async fn register_new_keys(&self) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        tx.keys_lock().await?;
        let known = tx.master_key_list().await?;
        let new: Vec<_> = self.keyring.ids().into_iter().filter(|id| known.iter().all(|key| key.id != *id)).collect();
        for id in &new {
            let Some(check_value) = self.keyring.check_value(*id, self.deployment) else { continue };
            let created_at = self.clock.now();
            let state = MasterKeyState::Standby;
            tx.master_key_insert(&MasterKeyRecord { id: *id, state, salt: None, check_value, created_at }).await?;
        }
        if !new.is_empty() {
            let objects = new.iter().map(MasterKeyId::as_uuid).collect();
            tx.commit(AuditEvent::by_regcred(&*self.clock, &*self.random, Action::KeyAdd, objects)).await?;
        }
        Ok(())
    }

    /// The active master key as this process last saw it, for whoever watches over rotations.
    #[must_use]
    pub fn active_key(&self) -> Option<MasterKeyId> {
        self.replica.seen().active
    }

    /// The master keys that this process holds.
    #[must_use]
    pub fn loaded_keys(&self) -> Vec<MasterKeyId> {
        self.keyring.ids()
    }
}
