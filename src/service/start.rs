//! The start: from key sources and a database to a [`Service`], or a reason not to start that says what to do.
//!
//! A database without its master keys is refused rather than guessed at: a process that ran on with other keys could
//! not open what is stored, and what it stored could not be opened by others.

use super::{
    AuditQueue, Error, Service, adding::AddQueue, counts::Counts, memory::Memory, proof::ProofQueue,
    replicas::OwnReplica, room::Room, turns::Turns, usage::Usage,
};
use crate::{
    crypto::{
        data_key::DataKey,
        keyring::{Keyring, MasterKey},
        keyring_file::{self, KeyringFileError},
        passphrase,
    },
    domain::{
        audit::AuditEvent,
        check::ChecksPerMinute,
        id::{DeploymentId, MasterKeyId, ReplicaId, TokenId},
        permission::{Action, Role},
        pruning::Retention,
        scope::Scope,
        source::{Clock, Random, random_bytes},
        timestamp::Timestamp,
        token::{Lifetime, Token, TokenText},
    },
    registry::Verifier,
    store::{Corrupt, Deployment, MasterKeyRecord, MasterKeyState, Store, StoreError, Tx},
};
use std::{path::PathBuf, sync::Arc};
use zeroize::Zeroizing;

/// Where the master keys come from. Several sources may be given; all their keys are held.
#[derive(Debug)]
pub struct KeySources {
    /// A keyring file. On the very first start it is made if it is not there and nothing else is given.
    pub file: Option<PathBuf>,
    /// A keyring's text, from the environment.
    pub text: Option<Zeroizing<String>>,
    /// A passphrase, from which one key is derived.
    pub passphrase: Option<Zeroizing<String>>,
}

/// When a start makes a new operator's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorToken {
    /// When there is none that is good.
    IfNoneIsGood,
    /// In any case: the one that there was is lost. Tokens that are good stay so until they are revoked.
    Always,
}

/// A running service, and what its start left behind for its operator.
pub struct Started {
    /// The service.
    pub service: Service,
    /// Ends when the service is gone and its last audit event is written.
    pub audit: tokio::task::JoinHandle<()>,
    /// The keyring file, if this start made it.
    pub new_keyring: Option<PathBuf>,
    /// A new operator's token, if there was none that is good.
    pub new_operator_token: bool,
}

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The keyring cannot be used.
    #[error("the keyring cannot be used")]
    KeyringFile(#[from] KeyringFileError),
    /// The passphrase cannot be used.
    #[error("the passphrase cannot be used")]
    Passphrase(#[from] passphrase::PassphraseError),
    /// A master key that is needed is not there.
    #[error(
        "master key {0} is needed to open what is stored, and no keyring or passphrase that was given has it; \
         put the keyring file back from its backup, or point REGCRED_KEYRING_FILE or REGCRED_PASSPHRASE_FILE at it"
    )]
    MissingKey(MasterKeyId),
    /// A master key is not the one that its name says.
    #[error(
        "master key {0} is not the key that this database was made with, though it has its name; \
         put the right keyring file (or passphrase) back from its backup"
    )]
    WrongKey(MasterKeyId),
    /// The passphrase is not the one.
    #[error(
        "the passphrase is not the one that this database was made with; give the one that it was first started with, \
         in REGCRED_PASSPHRASE_FILE or REGCRED_PASSPHRASE"
    )]
    WrongPassphrase,
    /// The operator's token could not be handed over.
    #[error("the new operator token cannot be written")]
    OperatorToken(#[source] std::io::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The deployment's own key could not be made or opened.
    #[error(transparent)]
    Service(#[from] Error),
}

impl Service {
    /// Brings a service up on a database: on the first start ever it makes keys and names the deployment, on every later one
    /// it checks that the keys are the right ones.
    ///
    /// `host` is what the others will know this process by. `keep_operator_token` writes a token's text where only the
    /// operator can read it: the way in at the first start, and back in whenever `operator_token` says so.
    ///
    /// # Errors
    /// Keys are missing or wrong, or the store failed.
    pub async fn start(
        store: Arc<dyn Store>,
        host: String,
        sources: KeySources,
        (clock, random): (Arc<dyn Clock>, Arc<dyn Random>),
        (retention, verifier, checks_per_minute): (Retention, Verifier, ChecksPerMinute),
        operator_token: OperatorToken,
        keep_operator_token: impl FnOnce(&TokenText) -> std::io::Result<()> + Send,
    ) -> Result<Started, StartError> {
        let replica = OwnReplica::new(ReplicaId::new(&*clock, &*random), host);
        let mut start = Start { store, clock, random, keyring: Arc::new(Keyring::new(Vec::new())), new_keyring: None };
        let mut tries = 0..TRIES;
        let (deployment, data_key) = loop {
            match start.attempt(&sources, &replica).await {
                // Another process made the first start at the same time: this one is a later one.
                Err(error) if is_conflict(&error) && tries.next().is_some() => {}
                Err(error) => {
                    start.undo(&replica, &error).await;
                    return Err(error);
                }
                Ok(started) => break started,
            }
        };
        let Start { store, clock, random, keyring, new_keyring } = start;
        let (audit, writer) = AuditQueue::start(store.audit_log(), Usage::start(Arc::clone(&store)));
        let service = Self {
            keyring,
            keyring_file: sources.file,
            replica,
            deployment,
            token_key: data_key.token_key(),
            audit,
            adding: AddQueue::start(Arc::clone(&store)),
            proof: ProofQueue::start(store.prover()),
            memory: Memory::new(&*random),
            counts: Counts::new(),
            verifier,
            turns: Turns::new(checks_per_minute),
            room: Room::default(),
            retention,
            clock,
            random,
            store,
        };
        let renewed = service.operator_token_renew(operator_token, keep_operator_token).await;
        let new_operator_token = match renewed {
            Ok(new) => new,
            Err(error) => {
                service.leave().await;
                return Err(error);
            }
        };
        Ok(Started { service, audit: writer, new_keyring, new_operator_token })
    }

    /// Makes an operator's token if one is wanted. The file comes first: one that only the database knows would be good for
    /// nobody, and keep the next start from making another. One that only the file knows is replaced by starting again, in
    /// the same way as this time.
    async fn operator_token_renew(
        &self,
        when: OperatorToken,
        keep: impl FnOnce(&TokenText) -> std::io::Result<()> + Send,
    ) -> Result<bool, StartError> {
        let mut tx = self.store.begin().await?;
        // Of several processes that start at once, one makes it.
        tx.keys_lock().await?;
        if when == OperatorToken::IfNoneIsGood && tx.operator_token_exists().await? {
            return Ok(false);
        }
        let text = TokenText::generate(&*self.random);
        keep(&text).map_err(StartError::OperatorToken)?;
        let now = self.clock.now();
        let token = Token {
            id: TokenId::new(&*self.clock, &*self.random),
            name: "operator".parse().expect("it is a valid name"),
            role: Role::Operator,
            scope: Scope::Deployment,
            expires_at: Lifetime::YEAR.from_now(now),
            created_at: now,
        };
        tx.token_insert(&token, None, &self.token_key.mac(&text)).await?;
        let objects = vec![token.id.as_uuid()];
        tx.commit(AuditEvent::by_regcred(&*self.clock, &*self.random, Action::TokenCreate, objects)).await?;
        Ok(true)
    }
}

/// A start under way.
struct Start {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    keyring: Arc<Keyring>,
    /// The keyring file, if this start made it.
    new_keyring: Option<PathBuf>,
}

/// How often a start gives way to another process that starts at the same time.
const TRIES: u32 = 5;

fn is_conflict(error: &StartError) -> bool {
    matches!(
        error,
        StartError::Store(StoreError::Conflict(_)) | StartError::Service(Error::Store(StoreError::Conflict(_)))
    )
}

/// The key that came from the passphrase, and the salt that was used.
pub(super) type Derived = Option<(MasterKeyId, [u8; 16])>;

/// What the sources hold.
pub(super) struct Loaded {
    derived: Derived,
    /// The keys from elsewhere than the keyring file.
    given: Vec<MasterKeyId>,
}

/// Fills a keyring from all sources, except with keys that were retired.
pub(super) async fn load(
    keyring: &Keyring,
    sources: &KeySources,
    known: &[MasterKeyRecord],
    (clock, random): (&dyn Clock, &dyn Random),
) -> Result<Loaded, StartError> {
    let mut keys = Vec::new();
    match &sources.file {
        // Where there is another source, or nothing yet, the file may be absent; missing keys are named later.
        Some(path) if path.exists() => keys.extend(keyring_file::read(path)?),
        Some(_) | None => {}
    }
    let in_file = keys.len();
    if let Some(text) = &sources.text {
        keys.extend(keyring_file::parse(text)?);
    }
    let mut derived = None;
    if let Some(text) = sources.passphrase.clone() {
        let salted = known
            .iter()
            .filter(|key| key.state != MasterKeyState::Retired)
            .find_map(|key| key.salt.map(|salt| (key.id, salt)));
        let (id, salt) = salted.unwrap_or_else(|| (MasterKeyId::new(clock, random), random_bytes(random)));
        // Takes a quarter of a gigabyte and about a second, once.
        let work = tokio::task::spawn_blocking(move || passphrase::derive(&text, id, &salt));
        keys.push(work.await.expect("the derivation neither panics nor is cancelled")?);
        derived = Some((id, salt));
    }
    let retired = |id| known.iter().any(|key| key.id == id && key.state == MasterKeyState::Retired);
    let given = keys[in_file..].iter().map(MasterKey::id).filter(|id| !retired(*id)).collect();
    keys.into_iter().filter(|key| !retired(key.id())).for_each(|key| keyring.insert(key));
    Ok(Loaded { derived, given })
}

/// What is wrong with a master key as a keyring holds it, held against what is known of it.
pub(super) fn misfit(keyring: &Keyring, deployment: DeploymentId, key: &MasterKeyRecord) -> Option<StartError> {
    match keyring.check_value(key.id, deployment) {
        Some(check) if check == key.check_value => None,
        Some(_) if key.salt.is_some() => Some(StartError::WrongPassphrase),
        Some(_) => Some(StartError::WrongKey(key.id)),
        None => Some(StartError::MissingKey(key.id)),
    }
}

impl Start {
    /// Names the deployment and opens its key.
    async fn attempt(
        &mut self,
        sources: &KeySources,
        replica: &OwnReplica,
    ) -> Result<(DeploymentId, DataKey), StartError> {
        // What an attempt that gave way has derived from a passphrase is nobody's key.
        self.keyring = Arc::new(Keyring::new(Vec::new()));
        let (deployment, known) = {
            let mut queries = self.store.read().await?;
            (queries.deployment_find().await?, queries.master_key_list().await?)
        };
        if let (None, Some(path), None, None) = (&deployment, &sources.file, &sources.text, &sources.passphrase)
            && !path.exists()
        {
            let id = MasterKeyId::new(&*self.clock, &*self.random);
            keyring_file::add(path, &MasterKey::generate(id, &*self.random), &[])?;
            self.new_keyring = Some(path.clone());
        }
        let loaded = load(&self.keyring, sources, &known, (&*self.clock, &*self.random)).await?;
        let Loaded { derived, given } = loaded;
        replica.found(given, self.keyring.ids());
        // Before the look at which key is active: see `replicas`. Where there are no others, a start that is refused changes
        // nothing.
        if self.store.is_shared() {
            self.store.replica_report(&replica.describe()).await?;
        }
        match deployment {
            None => self.first(derived).await,
            Some(deployment) => Ok((deployment.id, self.again(deployment.id, derived).await?)),
        }
    }

    /// Leaves nothing behind of a start that failed.
    async fn undo(&self, replica: &OwnReplica, error: &StartError) {
        // Another process was first, with other keys: those that were made here are nobody's, and in the way of the right ones.
        if let (Some(path), StartError::MissingKey(_)) = (&self.new_keyring, error) {
            let _ = std::fs::remove_file(path);
        }
        if self.store.is_shared() {
            let _ = self.store.replica_leave(replica.id).await;
        }
    }

    /// The very first start: names the deployment, takes the first key as active, and makes the deployment's data key.
    async fn first(&self, derived: Derived) -> Result<(DeploymentId, DataKey), StartError> {
        let (clock, random) = (&*self.clock, &*self.random);
        let deployment = Deployment { id: DeploymentId::new(clock, random), created_at: clock.now() };
        let ids = self.keyring.ids();
        let active = derived.map(|(id, _)| id).or(ids.first().copied());
        let active = active.ok_or(Error::Key(crate::crypto::keyring::KeyError::NoActive))?;
        let mut tx = self.store.begin().await?;
        tx.deployment_insert(&deployment).await?;
        for id in &ids {
            let state = if *id == active { MasterKeyState::Active } else { MasterKeyState::Standby };
            let record = record(&self.keyring, *id, state, deployment.id, derived, deployment.created_at);
            tx.master_key_insert(&record.expect("the identifier is one of the keyring's own")).await?;
        }
        let key = Service::data_key_create(&mut *tx, &self.keyring, (clock, random), deployment.id, None).await?;
        let objects: Arc<[_]> = ids.iter().map(MasterKeyId::as_uuid).collect();
        tx.commit(AuditEvent::by_regcred(clock, random, Action::KeyAdd, objects)).await?;
        Ok((deployment.id, key))
    }

    /// Every later start: checks the keys against what is known of them, and takes note of new ones.
    async fn again(&self, deployment: DeploymentId, derived: Derived) -> Result<DataKey, StartError> {
        let mut tx = self.store.begin().await?;
        tx.keys_lock().await?;
        let known = tx.master_key_list().await?;
        for key in known.iter().filter(|key| key.state != MasterKeyState::Retired) {
            match misfit(&self.keyring, deployment, key) {
                None => {}
                // What nothing is wrapped under is not missed.
                Some(StartError::MissingKey(_))
                    if key.state != MasterKeyState::Active && tx.data_key_count(key.id).await? == 0 => {}
                Some(fault) => return Err(fault),
            }
        }
        let record = tx.data_key_find(None).await?;
        let record = record.ok_or_else(|| StoreError::from(Corrupt::sealed("data_keys", "scope_id", &"deployment")))?;
        register_new(tx, &known, &self.keyring, deployment, derived, (&*self.clock, &*self.random)).await?;
        Ok(super::unwrap(&self.keyring, deployment, &record).await?)
    }
}

/// Writes down, on standby, the keys of a keyring that nobody has seen yet, and ends the change.
pub(super) async fn register_new(
    mut tx: Box<dyn Tx>,
    known: &[MasterKeyRecord],
    keyring: &Keyring,
    deployment: DeploymentId,
    derived: Derived,
    (clock, random): (&dyn Clock, &dyn Random),
) -> Result<(), StoreError> {
    let new = keyring.ids().into_iter().filter(|id| known.iter().all(|key| key.id != *id));
    let now = clock.now();
    // A key may be taken out while this looks.
    let new: Vec<_> =
        new.filter_map(|id| record(keyring, id, MasterKeyState::Standby, deployment, derived, now)).collect();
    for record in &new {
        tx.master_key_insert(record).await?;
    }
    if new.is_empty() {
        return Ok(());
    }
    let objects: Arc<[_]> = new.iter().map(|record| record.id.as_uuid()).collect();
    tx.commit(AuditEvent::by_regcred(clock, random, Action::KeyAdd, objects)).await
}

/// What is to be known of a key of a keyring; none if it is not there.
fn record(
    keyring: &Keyring,
    id: MasterKeyId,
    state: MasterKeyState,
    deployment: DeploymentId,
    derived: Derived,
    created_at: Timestamp,
) -> Option<MasterKeyRecord> {
    let salt = derived.filter(|(derived, _)| *derived == id).map(|(_, salt)| salt);
    let check_value = keyring.check_value(id, deployment)?;
    Some(MasterKeyRecord { id, state, salt, check_value, created_at })
}
