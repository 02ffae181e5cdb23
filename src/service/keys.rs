//! Master keys: making new ones, moving to them, and giving up old ones, while everything goes on.
//!
//! The way of a rotation is add, activate, rewrap, retire. Key material never crosses HTTP: a new key is made in this
//! process and written to its keyring file.

use super::{Error, Service, Thing, active_key};
use crate::{
    crypto::{
        binding::KeyBinding,
        keyring::{self, KeyWrapper as _},
        keyring_file::{self, KeyringFileError},
    },
    domain::{
        id::MasterKeyId,
        page::PageRequest,
        permission::{Action, Caller},
        scope::Scope,
        source::{Clock, Random},
        timestamp::Timestamp,
    },
    store::{DataKeyRecord, MasterKeyRecord, MasterKeyState, Queries, ReplicaRecord, StoreError, Tx},
};
use std::path::Path;
use zeroize::Zeroizing;

/// What a rewrapping did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rewrapped {
    /// How many data keys were wrapped anew.
    pub rewrapped: u64,
    /// How many could not be opened.
    pub unreadable: u64,
}

/// What can be told of a master key.
#[derive(Debug, Clone)]
pub struct MasterKey {
    /// Names it.
    pub id: MasterKeyId,
    /// What may be done with it.
    pub state: MasterKeyState,
    /// Whether this process holds it.
    pub loaded: bool,
    /// The machines of the live processes that do not hold it.
    pub lacking: Vec<String>,
    /// How many data keys are wrapped under it.
    pub data_keys: u64,
    /// When it was first seen.
    pub created_at: Timestamp,
}

impl Service {
    /// All master keys that were ever used, oldest first.
    ///
    /// # Errors
    /// The caller may not, or the store failed.
    pub async fn key_list(&self, caller: &Caller) -> Result<Vec<MasterKey>, Error> {
        self.permit(caller, Action::KeyList, &Scope::Deployment).await?;
        let mut queries = self.store.read().await?;
        let replicas = queries.replica_list().await?;
        self.all_described(&mut *queries, &replicas).await
    }

    pub(super) async fn all_described(
        &self,
        queries: &mut dyn Queries,
        replicas: &[ReplicaRecord],
    ) -> Result<Vec<MasterKey>, Error> {
        let mut keys = Vec::new();
        for record in queries.master_key_list().await? {
            keys.push(self.described(&mut *queries, replicas, &record).await?);
        }
        Ok(keys)
    }

    async fn described(
        &self,
        queries: &mut dyn Queries,
        replicas: &[ReplicaRecord],
        record: &MasterKeyRecord,
    ) -> Result<MasterKey, Error> {
        Ok(MasterKey {
            id: record.id,
            state: record.state,
            loaded: self.keyring.contains(record.id),
            lacking: match record.state {
                MasterKeyState::Retired => Vec::new(),
                MasterKeyState::Active | MasterKeyState::Standby => self.lacking(replicas, record.id),
            },
            data_keys: queries.data_key_count(record.id).await?,
            created_at: record.created_at,
        })
    }

    /// Makes a new master key, writes it to the keyring file, and holds it ready.
    ///
    /// # Errors
    /// The keys came from the environment, the file cannot be written, the caller may not, or the store failed.
    pub async fn key_add(&self, caller: &Caller) -> Result<MasterKey, Error> {
        let permit = self.permit(caller, Action::KeyAdd, &Scope::Deployment).await?;
        let file = self.keyring_file.clone().ok_or(Error::KeyState(
            "the keyring comes from the environment, where regcred cannot add to it; use a keyring file to rotate keys"
                .into(),
        ))?;
        let id = MasterKeyId::new(&*self.clock, &*self.random);
        let key = keyring::MasterKey::generate(id, &*self.random);
        let record = MasterKeyRecord {
            id,
            state: MasterKeyState::Standby,
            salt: None,
            check_value: key.check_value(self.deployment),
            created_at: self.clock.now(),
        };
        // The lock also keeps other processes from the file, which they may share.
        let mut tx = self.begin(&permit).await?;
        tx.keys_lock().await?;
        let known = tx.master_key_list().await?;
        let in_use = |key: &&MasterKeyRecord| key.salt.is_none() && self.keyring.contains(key.id);
        let others: Vec<_> = known.iter().filter(in_use).map(|key| key.id).collect();
        // The file first: a key that is only in the file harms nobody, one that is only in the database is lost.
        let added = in_file(move || keyring_file::add(&file, &key, &others).map(|()| key)).await;
        self.keyring.insert(added.map_err(|error| match error {
            Error::KeyringFile(KeyringFileError::Incomplete) => Error::KeyState(
                "the keyring file is missing or lacks keys that are in use; put it back from its backup first".into(),
            ),
            error => error,
        })?);
        tx.master_key_insert(&record).await?;
        self.reload(&known).await;
        tx.replica_put(&self.replica.describe()).await?;
        let replicas = tx.replica_list().await?;
        let described = self.described(&mut *tx, &replicas, &record).await?;
        tx.commit(self.event(&permit, None, vec![id.as_uuid()])).await?;
        Ok(described)
    }

    /// Wraps with this master key from now on. The one before stays to unwrap.
    ///
    /// # Errors
    /// There is none, it is retired or not held by every live process, the caller may not, or the store failed.
    pub async fn key_activate(&self, caller: &Caller, id: MasterKeyId) -> Result<MasterKey, Error> {
        let permit = self.permit(caller, Action::KeyActivate, &Scope::Deployment).await?;
        let mut tx = self.begin(&permit).await?;
        tx.keys_lock().await?;
        let keys = tx.master_key_list().await?;
        let record = keys.iter().find(|key| key.id == id).ok_or(Error::NotFound(Thing::MasterKey))?;
        if record.state == MasterKeyState::Retired || !self.keyring.contains(id) {
            return Err(Error::KeyState("the master key is retired or not in the keyring of this process".into()));
        }
        // A file that was put back as it was before would lose what is wrapped from now on.
        self.reload(&keys).await;
        let replicas = tx.replica_list().await?;
        let lacking = self.lacking(&replicas, id);
        if !lacking.is_empty() {
            let hosts = lacking.join(", ");
            return Err(Error::KeyState(format!("replicas that do not hold the master key yet: {hosts}").into()));
        }
        let record = MasterKeyRecord { state: MasterKeyState::Active, ..record.clone() };
        for active in keys.iter().filter(|key| key.state == MasterKeyState::Active) {
            tx.master_key_update(active.id, MasterKeyState::Standby).await?;
        }
        tx.master_key_update(id, MasterKeyState::Active).await?;
        let described = self.described(&mut *tx, &replicas, &record).await?;
        tx.commit(self.event(&permit, None, vec![id.as_uuid()])).await?;
        Ok(described)
    }

    /// Wraps every data key under the active master key that is still under another. It may be stopped anywhere and begun
    /// again. A data key that does not open is named in the log, counted and passed over.
    ///
    /// # Errors
    /// The caller may not, or the store failed; what was done until then stays done.
    pub async fn key_rewrap(&self, caller: &Caller) -> Result<Rewrapped, Error> {
        let permit = self.permit(caller, Action::KeyRewrap, &Scope::Deployment).await?;
        let mut done = Rewrapped::default();
        let mut request = PageRequest::default();
        loop {
            let mut tx = self.begin(&permit).await?;
            tx.keys_lock().await?;
            let active = active_key(&mut *tx).await?;
            let rows = tx.data_key_list_stale(active, super::after(&request)?, request.limit).await?;
            let page = super::page(rows, &request, |key| key.id, |lost| lost.id.parse().ok());
            done.unreadable += page.unreadable;
            let mut objects = Vec::new();
            for old in &page.items {
                match self.rewrap(&mut *tx, active, old).await {
                    Ok(true) => objects.push(old.id.as_uuid()),
                    // Another process was faster.
                    Ok(false) => {}
                    Err(Error::Store(StoreError::Corrupt(_))) => done.unreadable += 1,
                    Err(error) => return Err(error),
                }
            }
            if !objects.is_empty() {
                done.rewrapped += objects.len() as u64;
                tx.commit(self.event(&permit, None, objects)).await?;
            }
            match page.next {
                Some(next) => request.cursor = Some(next),
                None => return Ok(done),
            }
        }
    }

    async fn rewrap(&self, tx: &mut dyn Tx, active: MasterKeyId, old: &DataKeyRecord) -> Result<bool, Error> {
        let key = self.data_key_open(old).await?;
        let binding =
            KeyBinding { deployment: self.deployment, scope: old.scope, data_key: old.id, version: old.version };
        let wrapped = self.keyring.wrap(active, &key, &binding, &*self.random).await?;
        Ok(tx.data_key_update(old, &wrapped).await?)
    }

    /// Gives a master key up for ever: takes it out of the keyring and its file. Backups from before need a copy of it.
    ///
    /// # Errors
    /// There is none, it is active, data keys are still wrapped under it, the caller may not, or the store failed.
    pub async fn key_retire(&self, caller: &Caller, id: MasterKeyId) -> Result<(), Error> {
        let permit = self.permit(caller, Action::KeyRetire, &Scope::Deployment).await?;
        let mut tx = self.begin(&permit).await?;
        tx.keys_lock().await?;
        let keys = tx.master_key_list().await?;
        let record = keys.iter().find(|key| key.id == id).ok_or(Error::NotFound(Thing::MasterKey))?;
        let retired = match record.state {
            MasterKeyState::Active => {
                return Err(Error::KeyState("the master key is active; activate another one first".into()));
            }
            MasterKeyState::Standby => false,
            MasterKeyState::Retired => true,
        };
        // A key that was retired, but could not be taken out of the file, is taken out now.
        if retired {
            drop(tx);
        } else {
            // First the state, which keeps new data keys off it, then the count of those that are there.
            tx.master_key_update(id, MasterKeyState::Retired).await?;
            if tx.data_key_count(id).await? > 0 {
                return Err(Error::KeyState(
                    "data keys are still wrapped under the master key; rewrap them first".into(),
                ));
            }
            tx.commit(self.event(&permit, None, vec![id.as_uuid()])).await?;
        }
        self.keyring.remove(id);
        if let Some(file) = self.keyring_file.clone() {
            // The lock keeps other processes from the file. There is nothing to commit.
            let mut tx = self.store.begin().await?;
            tx.keys_lock().await?;
            in_file(move || keyring_file::remove(&file, id)).await?;
        }
        Ok(())
    }
}

/// The text of a keyring with one new key; or, if there is a file to add it to, that key's name alone. Needs no service.
///
/// # Errors
/// [`Error::KeyringFile`]: the file is not there, or cannot be read or written.
pub fn keyring_generate(
    clock: &dyn Clock,
    random: &dyn Random,
    add_to: Option<&Path>,
) -> Result<Zeroizing<String>, Error> {
    let key = keyring::MasterKey::generate(MasterKeyId::new(clock, random), random);
    match add_to {
        None => Ok(keyring_file::text(&key)),
        Some(path) => {
            // The file must be there: a new one with one key would be taken for the whole keyring.
            let known: Vec<_> = keyring_file::read(path)?.iter().map(keyring::MasterKey::id).collect();
            keyring_file::add(path, &key, &known)?;
            Ok(Zeroizing::new(format!("{}\n", key.id())))
        }
    }
}

/// Does something with the keyring file without holding up others.
pub(super) async fn in_file<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KeyringFileError> + Send + 'static,
) -> Result<T, Error> {
    Ok(tokio::task::spawn_blocking(work).await.expect("file work neither panics nor is cancelled")?)
}
