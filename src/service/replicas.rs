//! The processes that share a database. Each says every few seconds that it lives and which master keys it holds, takes in
//! what was added to its keyring file, and lets go of keys that were retired elsewhere.
//!
//! So whoever activates a master key can be told who does not hold it yet. A process that starts writes its row first and
//! then looks, under the lock of all changes to keys, which one is active: either the activation sees its row, or it sees
//! the activation.

use super::{Error, Service, keys::in_file, start};
use crate::{
    crypto::{keyring::MasterKey, keyring_file},
    domain::id::{MasterKeyId, ReplicaId},
    store::{MasterKeyRecord, MasterKeyState, Replica, ReplicaRecord},
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
    /// The keys that do not come from the keyring file, but were given at the start.
    given: Vec<MasterKeyId>,
    /// Those that a start would find again: only they count.
    lasting: Vec<MasterKeyId>,
    /// What it reported to hold.
    reported: Vec<MasterKeyId>,
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

    /// Takes note of the keys that a start has found: those from elsewhere than the keyring file, and all.
    pub(super) fn found(&self, given: Vec<MasterKeyId>, all: Vec<MasterKeyId>) {
        let mut seen = self.seen();
        (seen.given, seen.lasting) = (given, all);
    }

    /// What the others are to know.
    pub(super) fn describe(&self) -> Replica {
        let keys = self.seen().lasting.clone();
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
            self.memory.forget_old();
            sleep(STEP).await;
        }
    }

    /// The machines of all live processes that do not hold that key: this one by what it knows, the others by what they wrote.
    pub(super) fn lacking(&self, replicas: &[ReplicaRecord], key: MasterKeyId) -> Vec<String> {
        let own = (!self.replica.seen().lasting.contains(&key)).then(|| self.replica.host.clone());
        let others = replicas.iter().filter(|record| record.replica.id != self.replica.id);
        let lacks = |record: &&ReplicaRecord| is_live(record) && !record.replica.keys.contains(&key);
        own.into_iter().chain(others.filter(lacks).map(|record| record.replica.host.clone())).collect()
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
        let report = self.replica.describe();
        let changed = {
            let mut seen = self.replica.seen();
            (seen.active, seen.missing) = (active, missing);
            seen.reported != report.keys
        };
        if changed || self.store.is_shared() {
            self.store.replica_report(&report).await?;
            self.replica.seen().reported = report.keys;
        }
        Ok(trouble)
    }

    /// Takes in what was added to the keyring file, lets go of what was retired, and takes note of what a start would find.
    /// Answers what is wrong with the file.
    pub(super) async fn reload(&self, known: &[MasterKeyRecord]) -> Option<String> {
        for retired in known.iter().filter(|key| key.state == MasterKeyState::Retired) {
            self.keyring.remove(retired.id);
        }
        let (in_file, mut trouble) = self.read_file().await;
        let mut lasting = self.replica.seen().given.clone();
        for key in in_file {
            match known.iter().find(|known| known.id == key.id()) {
                Some(known) if known.state == MasterKeyState::Retired => {}
                Some(known) if known.check_value != key.check_value(self.deployment) => {
                    trouble = Some(format!("the keyring file holds another key under the name {}", known.id));
                }
                Some(_) | None => {
                    lasting.push(key.id());
                    if !self.keyring.contains(key.id()) {
                        self.take_in(key);
                    }
                }
            }
        }
        lasting.sort_unstable();
        lasting.dedup();
        let lost = self.keyring.ids().into_iter().find(|id| !lasting.contains(id));
        self.replica.seen().lasting = lasting;
        trouble.or_else(|| {
            lost.map(|id| format!("master key {id} is not in the keyring file any more: the next start will lack it"))
        })
    }

    /// The keys in the keyring file, if there is one, and what is wrong with it.
    async fn read_file(&self) -> (Vec<MasterKey>, Option<String>) {
        let Some(path) = self.keyring_file.clone().filter(|path| path.exists()) else { return (Vec::new(), None) };
        match in_file(move || keyring_file::read(&path)).await {
            Ok(keys) => (keys, None),
            Err(error) => (Vec::new(), Some(format!("the keyring file cannot be read: {error}"))),
        }
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
        let sources = (&*self.clock, &*self.random);
        Ok(start::register_new(tx, &known, &self.keyring, self.deployment, None, sources).await?)
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
