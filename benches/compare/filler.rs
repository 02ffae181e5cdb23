//! Fills a database through the library, while no server runs: the same rows as through the API, with passwords that open.
//!
//! What belongs together stands in `service::scopes` and `service::credentials`. The only difference is that one event
//! stands for everything that an organization's transaction made.

use crate::{
    arguments::CREDENTIALS_OF_A_PROJECT,
    servers::{Place, System},
    world::{self, PROJECTS_OF_AN_ORGANIZATION},
};
use anyhow::{Context as _, Result, ensure};
use regcred::{
    crypto::{
        binding::{KeyBinding, PasswordBinding},
        data_key::DataKey,
        keyring::{KeyWrapper as _, Keyring},
        keyring_file,
    },
    domain::{
        audit::AuditEvent,
        credential::{Credential, Username},
        id::{CredentialId, DataKeyId, DeploymentId, MasterKeyId, ScopeId},
        kind::RegistryKind,
        permission::Action,
        scope::{Scope, ScopeRecord},
        secret::Password,
        source::Clock as _,
    },
    store::{DataKeyRecord, MasterKeyState, Store, StoreError, Tx, sql},
};
use std::time::Duration;
use tokio::time::sleep;

const MOST_TRIES: u32 = 20;

struct Filler {
    keyring: Keyring,
    deployment: DeploymentId,
    active: MasterKeyId,
}

/// Adds this many projects with their organizations and credentials to a deployment that was started once.
pub async fn fill(place: &Place, projects: usize) -> Result<()> {
    let keyring = Keyring::new(keyring_file::read(&place.keyring())?);
    let store = sql::open(&place.database()?).await?;
    let mut queries = store.read().await?;
    let deployment = queries.deployment_find().await?.context("the deployment was started once")?.id;
    let keys = queries.master_key_list().await?;
    let active = keys.iter().find(|key| key.state == MasterKeyState::Active).context("a master key is active")?.id;
    drop(queries);
    let filler = Filler { keyring, deployment, active };
    for organization in 0..projects.div_ceil(PROJECTS_OF_AN_ORGANIZATION) {
        let mut tries = 0;
        while let Err(error) = filler.organization(&*store, organization, projects).await {
            // A transaction may last two seconds: far more than an organization takes, but for a machine that is busy.
            tries += 1;
            if tries == MOST_TRIES || error.downcast_ref::<StoreError>().is_none() {
                return Err(error);
            }
            sleep(Duration::from_secs(1)).await;
        }
    }
    store.close().await;
    Ok(())
}

impl Filler {
    /// An organization with everything in it, in one transaction, unless it is there already.
    async fn organization(&self, store: &dyn Store, number: usize, projects: usize) -> Result<()> {
        let scope = world::organization(number);
        let mut tx = store.begin().await?;
        // A commit that was not heard of in time may have been one.
        if tx.scope_find(&scope).await?.is_some() {
            return Ok(());
        }
        tx.keys_lock().await?;
        let parent = self.scope(&mut *tx, scope, None).await?.0.id;
        let first = number * PROJECTS_OF_AN_ORGANIZATION;
        for project in first..projects.min(first + PROJECTS_OF_AN_ORGANIZATION) {
            self.project(&mut *tx, project, parent).await?;
        }
        let event = AuditEvent::by_regcred(&System, &System, Action::OrganizationCreate, vec![parent.as_uuid()]);
        Ok(tx.commit(event).await?)
    }

    /// A scope with its data key.
    async fn scope(&self, tx: &mut dyn Tx, scope: Scope, parent_id: Option<ScopeId>) -> Result<(ScopeRecord, DataKey)> {
        let record = ScopeRecord { scope, id: ScopeId::new(&System, &System), parent_id, created_at: System.now() };
        ensure!(tx.scope_insert(&record).await?, "the database was empty");
        let key = DataKey::generate(DataKeyId::new(&System, &System), &System);
        let (deployment, scope, version) = (self.deployment, Some(record.id), key.version());
        let binding = KeyBinding { deployment, scope, data_key: key.id(), version };
        let wrapped = self.keyring.wrap(self.active, &key, &binding, &System).await?;
        let stored = DataKeyRecord { id: key.id(), scope, version, wrapped };
        ensure!(tx.data_key_insert(&stored, System.now()).await?, "the master key is in force");
        Ok((record, key))
    }

    async fn project(&self, tx: &mut dyn Tx, number: usize, parent: ScopeId) -> Result<()> {
        let scope = Scope::Project(world::project(number));
        let (place, key) = self.scope(tx, scope, Some(parent)).await?;
        for login in 0..CREDENTIALS_OF_A_PROJECT {
            let (credential, password) = credential(&place, login)?;
            let username = credential.username.as_ref().map(Username::as_str);
            let binding = PasswordBinding {
                deployment: self.deployment,
                scope: place.id,
                credential: credential.id,
                version: credential.version,
                server: credential.server.as_str(),
                username,
                ca_certificates: None,
            };
            let sealed = key.seal(&password, &binding, &System);
            let fingerprint = key.fingerprint(&password, credential.server.as_str(), username);
            let added = tx.credential_insert(&credential, place.id, (&sealed, &fingerprint)).await?;
            ensure!(added, "a project has each server once");
        }
        Ok(())
    }
}

fn credential(place: &ScopeRecord, login: usize) -> Result<(Credential, Password)> {
    let server = world::server(login).parse()?;
    let now = System.now();
    let credential = Credential {
        id: CredentialId::new(&System, &System),
        scope: place.scope.clone(),
        kind: RegistryKind::infer(&server),
        server,
        username: Some(world::USERNAME.parse()?),
        email: Some(world::EMAIL.parse()?),
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
    let password = Password::new(&world::password()).map_err(|invalid| anyhow::anyhow!("a password {}", invalid.0))?;
    Ok((credential, password))
}
