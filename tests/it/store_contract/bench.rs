//! A store to try, domain values to put into it, and a back door.

use crate::support::postgres::{Cluster, Database};
use async_trait::async_trait;
use regcred::{
    crypto::{
        binding::{KeyBinding, PasswordBinding},
        data_key::{DataKey, TokenKey},
        keyring::{KeyWrapper as _, Keyring, MasterKey},
    },
    domain::{
        audit::{AuditEvent, Outcome},
        check::CaCertificates,
        credential::{Credential, Username},
        id::{CredentialId, DataKeyId, DeploymentId, EventId, MasterKeyId, RequestId, ScopeId, TokenId},
        kind::RegistryKind,
        page::Limit,
        permission::{Action, Role},
        scope::{Scope, ScopeRecord},
        source::{Clock, Random},
        timestamp::Timestamp,
        token::{Token, TokenText},
    },
    store::{
        AuditScope, ConditionalEvent, CredentialFilter, DataKeyRecord, Deployment, MasterKeyRecord, MasterKeyState,
        Queries, SealedCredential, SealedPassword, Store, Tx,
        sql::{self, PostgresSettings},
    },
};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;
use uuid::Uuid;
use zeroize::Zeroizing;

/// The events of this principal are refused by the database, once [`Bench::refuse_some_events`] was called.
pub const REFUSED: &str = "refused";

/// A way to the database beside the store, for what the store would never do.
#[async_trait]
pub trait BackDoor: Send + Sync {
    /// Runs a statement that every database understands. Whether it went well.
    async fn execute(&self, statement: &'static str) -> bool;
    /// Has the database refuse the events of [`REFUSED`].
    async fn refuse_some_events(&self);
}

/// A fresh store with a deployment and one active master key, and what it takes to fill it.
pub struct Bench {
    pub store: Arc<dyn Store>,
    pub back_door: Box<dyn BackDoor>,
    pub keyring: Keyring,
    /// The master key that wraps.
    pub active: Mutex<MasterKeyId>,
    pub deployment: DeploymentId,
    clock: Ticking,
}

/// A bench on the embedded database.
pub async fn sqlite() -> Bench {
    let folder = tempfile::tempdir().expect("there is room for a database");
    let door = SqliteBackDoor(folder);
    let store = sql::open(&sql::Database::Sqlite(door.file())).await.expect("a database is made");
    Bench::new(store, Box::new(door)).await
}

/// Removes the database when it is dropped.
struct SqliteBackDoor(TempDir);

impl SqliteBackDoor {
    fn file(&self) -> PathBuf {
        self.0.path().join("contract.db")
    }

    async fn connect(&self) -> SqliteConnection {
        SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(self.file()))
            .await
            .expect("the file is there")
    }
}

#[async_trait]
impl BackDoor for SqliteBackDoor {
    async fn execute(&self, statement: &'static str) -> bool {
        sqlx::query(statement).execute(&mut self.connect().await).await.is_ok()
    }

    async fn refuse_some_events(&self) {
        let trigger = "create trigger refusal before insert on audit_events when new.principal = 'refused' \
                       begin select raise(abort, 'refused'); end";
        assert!(self.execute(trigger).await);
    }
}

/// A bench on PostgreSQL, in a database of its own.
pub async fn postgres() -> Bench {
    postgres_on(Cluster::shared()).await
}

/// A bench on that server.
pub async fn postgres_on(cluster: &Cluster) -> Bench {
    let database = cluster.database();
    Bench::new(postgres_store(&database.url).await, Box::new(PostgresBackDoor(database))).await
}

/// A store as one process has it; there may be others on the same database.
pub async fn postgres_store(url: &str) -> Arc<dyn Store> {
    let settings = PostgresSettings::parse(&Zeroizing::new(url.to_owned())).expect("it is a good URL");
    sql::open(&sql::Database::Postgres(Box::new(settings))).await.expect("the tables are made")
}

/// The stores of two processes that share a database, the first one with its bench, and the database.
pub async fn two_on_postgres(parameters: &str) -> (Bench, Arc<dyn Store>, Database) {
    let database = Cluster::shared().database();
    let url = format!("{}&{parameters}", database.url);
    let door = database.through(&Cluster::shared().address());
    let bench = Bench::new(postgres_store(&url).await, Box::new(PostgresBackDoor(door))).await;
    (bench, postgres_store(&url).await, database)
}

struct PostgresBackDoor(Database);

#[async_trait]
impl BackDoor for PostgresBackDoor {
    async fn execute(&self, statement: &'static str) -> bool {
        self.0.attempt(statement).is_ok()
    }

    async fn refuse_some_events(&self) {
        let trigger = "create function refuse() returns trigger language plpgsql as $$ begin raise 'refused'; end $$; \
                       create trigger refusal before insert on audit_events for each row \
                       when (new.principal = 'refused') execute function refuse()";
        assert!(self.execute(trigger).await);
    }
}

/// Begins now, and is a millisecond and a microsecond later each time: identifiers have an order.
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_microseconds(self.0.fetch_add(1001, Ordering::Relaxed)).expect("it is a time")
    }
}

/// The time, in microseconds.
pub fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    i64::try_from(elapsed.as_micros()).expect("it is long before the year 9999")
}

pub fn at(microseconds: i64) -> Timestamp {
    Timestamp::from_microseconds(microseconds).expect("it is a time")
}

/// The system's randomness.
pub struct Chance;

impl Random for Chance {
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("there is randomness");
    }
}

impl Bench {
    pub async fn new(store: Arc<dyn Store>, back_door: Box<dyn BackDoor>) -> Self {
        let clock = Ticking(AtomicI64::new(now()));
        let deployment = DeploymentId::new(&clock, &Chance);
        let keyring = Keyring::new(Vec::new());
        let active = Mutex::new(MasterKeyId::from_uuid(Uuid::nil()));
        let bench = Self { store, back_door, keyring, active, deployment, clock };
        let mut tx = bench.begin().await;
        tx.deployment_insert(&Deployment { id: deployment, created_at: bench.clock.now() }).await.unwrap();
        let key = bench.master_key(MasterKeyState::Active);
        tx.master_key_insert(&key).await.unwrap();
        *bench.active.lock().unwrap() = key.id;
        bench.commit(tx).await;
        bench
    }

    pub async fn read(&self) -> Box<dyn Queries> {
        self.store.read().await.expect("the store can be read")
    }

    pub async fn begin(&self) -> Box<dyn Tx> {
        self.store.begin().await.expect("the store can be changed")
    }

    pub async fn commit(&self, tx: Box<dyn Tx>) {
        tx.commit(self.event(Action::KeyAdd, None)).await.expect("the change is committed");
    }

    /// The master key that wraps.
    pub fn active(&self) -> MasterKeyId {
        *self.active.lock().unwrap()
    }

    /// A new master key, in the keyring but not yet in the store.
    pub fn master_key(&self, state: MasterKeyState) -> MasterKeyRecord {
        let key = MasterKey::generate(MasterKeyId::new(&self.clock, &Chance), &Chance);
        let (id, check_value) = (key.id(), key.check_value(self.deployment));
        self.keyring.insert(key);
        MasterKeyRecord { id, state, salt: None, check_value, created_at: self.clock.now() }
    }

    /// A new data key, wrapped under the active master key.
    pub async fn data_key(&self, scope: Option<ScopeId>) -> (DataKey, DataKeyRecord) {
        let key = DataKey::generate(DataKeyId::new(&self.clock, &Chance), &Chance);
        let binding = KeyBinding { deployment: self.deployment, scope, data_key: key.id(), version: key.version() };
        let wrapped = self.keyring.wrap(self.active(), &key, &binding, &Chance).await.unwrap();
        let record = DataKeyRecord { id: key.id(), scope, version: key.version(), wrapped };
        (key, record)
    }

    pub fn scope_record(&self, name: &str, parent: Option<&ScopeRecord>) -> ScopeRecord {
        let scope: Scope = match parent {
            None => format!("organizations/{name}"),
            Some(parent) => format!("{}/projects/{name}", parent.scope),
        }
        .parse()
        .unwrap();
        let id = ScopeId::new(&self.clock, &Chance);
        ScopeRecord { scope, id, parent_id: parent.map(|parent| parent.id), created_at: self.clock.now() }
    }

    /// A new scope in the store, with its data key.
    pub async fn scope(&self, name: &str, parent: Option<&ScopeRecord>) -> ScopeRecord {
        let record = self.scope_record(name, parent);
        let (_, key) = self.data_key(Some(record.id)).await;
        let mut tx = self.begin().await;
        assert!(tx.scope_insert(&record).await.unwrap());
        assert!(tx.data_key_insert(&key, self.clock.now()).await.unwrap());
        self.commit(tx).await;
        record
    }

    /// A new credential, not yet in the store.
    pub async fn sealed(&self, scope: &ScopeRecord, server: &str) -> SealedCredential {
        let now = self.clock.now();
        let credential = Credential {
            id: CredentialId::new(&self.clock, &Chance),
            scope: scope.scope.clone(),
            server: server.parse().unwrap(),
            kind: RegistryKind::infer(&server.parse().unwrap()),
            username: Some("bot".parse().unwrap()),
            email: Some("ops@acme.example".parse().unwrap()),
            image_prefix: None,
            expires_at: None,
            enabled: true,
            version: 1,
            revision: 1,
            created_at: now,
            updated_at: now,
            rotated_at: now,
            last_used_at: None,
            identity: None,
            ca_certificates: None,
            last_check: None,
        };
        let data_key = self.read().await.data_key_find(Some(scope.id)).await.unwrap().expect("a scope has a data key");
        let key = self.opened(&data_key).await;
        let password = crate::support::secret_password("hunter2");
        let sealed = key.seal(&password, &self.password_binding(scope.id, &credential), &Chance);
        let fingerprint = key.fingerprint(&password, server, Some("bot"));
        let password = Ok(SealedPassword { sealed, fingerprint, data_key });
        SealedCredential { credential, scope_id: scope.id, password }
    }

    /// A data key as it comes from the store.
    pub async fn opened(&self, record: &DataKeyRecord) -> DataKey {
        let binding = KeyBinding {
            deployment: self.deployment,
            scope: record.scope,
            data_key: record.id,
            version: record.version,
        };
        self.keyring.unwrap(&record.wrapped, &binding).await.expect("it opens where it was kept")
    }

    /// What the password of a credential is bound to.
    pub fn password_binding<'a>(&self, scope: ScopeId, credential: &'a Credential) -> PasswordBinding<'a> {
        PasswordBinding {
            deployment: self.deployment,
            scope,
            credential: credential.id,
            version: credential.version,
            server: credential.server.as_str(),
            username: credential.username.as_ref().map(Username::as_str),
            ca_certificates: credential.ca_certificates.as_ref().map(CaCertificates::as_str),
        }
    }

    /// A new credential in the store.
    pub async fn credential(&self, scope: &ScopeRecord, server: &str) -> Credential {
        let sealed = self.sealed(scope, server).await;
        let mut tx = self.begin().await;
        assert!(insert(&mut *tx, &sealed).await);
        self.commit(tx).await;
        sealed.credential
    }

    /// A new token in the store, and the key that tells its code.
    pub async fn token(
        &self,
        role: Role,
        scope: Option<&ScopeRecord>,
        expires_at: Timestamp,
    ) -> (Token, TokenText, TokenKey) {
        let token = Token {
            id: TokenId::new(&self.clock, &Chance),
            name: "argo".parse().unwrap(),
            role,
            scope: scope.map_or(Scope::Deployment, |record| record.scope.clone()),
            expires_at,
            created_at: self.clock.now(),
        };
        let (text, key) = (TokenText::generate(&Chance), self.data_key(None).await.0.token_key());
        let mut tx = self.begin().await;
        tx.token_insert(&token, scope.map(|record| record.id), &key.mac(&text)).await.unwrap();
        self.commit(tx).await;
        (token, text, key)
    }

    pub fn event(&self, operation: Action, place: Option<&ScopeRecord>) -> AuditEvent {
        AuditEvent {
            id: EventId::new(&self.clock, &Chance),
            at: self.clock.now(),
            request_id: RequestId::new(&self.clock, &Chance),
            principal: "argo".into(),
            token_id: Some(TokenId::new(&self.clock, &Chance)),
            scope: place.map_or(Scope::Deployment, |place| place.scope.clone()),
            organization_id: place.map(ScopeRecord::organization_id),
            project_id: place.filter(|place| place.parent_id.is_some()).map(|place| place.id),
            operation,
            objects: Arc::default(),
            outcome: Outcome::Success,
            address: Some("192.0.2.1".parse().unwrap()),
        }
    }

    /// The hand-out of credentials at some time.
    pub fn hand_out(&self, place: &ScopeRecord, objects: Vec<Uuid>, at: Timestamp) -> AuditEvent {
        AuditEvent { objects: objects.into(), at, ..self.event(Action::PullSecretGet, Some(place)) }
    }

    /// How many events there are.
    pub async fn event_count(&self) -> usize {
        let most = Limit::try_from(500).unwrap();
        self.read().await.audit_event_list(AuditScope::Deployment, None, most).await.unwrap().len()
    }

    /// The identifiers of the credentials in force, behind one.
    pub async fn credentials(&self, place: &ScopeRecord, after: Option<CredentialId>, limit: u32) -> Vec<CredentialId> {
        let limit = Limit::try_from(limit).unwrap();
        let filter = CredentialFilter { place, server: None, after, limit };
        let rows = self.read().await.credential_list(&filter).await.unwrap();
        rows.into_iter().map(|row| row.unwrap().id).collect()
    }
}

/// Adds a credential. Whether there was room for it.
pub async fn insert(tx: &mut dyn Tx, new: &SealedCredential) -> bool {
    let password = new.password.as_ref().unwrap();
    tx.credential_insert(&new.credential, new.scope_id, (&password.sealed, &password.fingerprint)).await.unwrap()
}

/// Events that rest on nothing.
pub fn unconditional(events: &[AuditEvent]) -> Vec<ConditionalEvent> {
    events.iter().cloned().map(ConditionalEvent::from).collect()
}
