//! Opening every envelope, to know that it can be. What comes out is forgotten at once.

use super::{BackupError, Contents, MOST_NAMED};
use crate::{
    crypto::{
        binding::{KeyBinding, PasswordBinding},
        data_key::DataKey,
        envelope::{OpenError, Sealed},
        keyring::{KeyError, KeyWrapper as _, Keyring},
    },
    domain::{
        id::{CredentialId, DataKeyId, DeploymentId, ScopeId},
        source::{Clock, Random},
    },
    service::start::{self, KeySources, StartError},
    store::{
        Corrupt,
        tables::{Row, Table, Value},
    },
};
use std::collections::HashMap;

/// The master keys to open a backup with, and what is wrong with them.
#[derive(Debug)]
pub struct Keys {
    keyring: Keyring,
    /// Keys that are needed and missing, or wrong. What is wrapped under them cannot be opened.
    pub faults: Vec<StartError>,
}

impl Keys {
    /// The keys from all sources, as a server would take them.
    ///
    /// # Errors
    /// A source cannot be read.
    pub async fn load(
        sources: &KeySources,
        contents: &Contents,
        (clock, random): (&dyn Clock, &dyn Random),
    ) -> Result<Self, StartError> {
        let keyring = Keyring::new(Vec::new());
        start::load(&keyring, sources, &contents.master_keys, (clock, random)).await?;
        let mut faults = Vec::new();
        for key in contents.needed() {
            if let Some(fault) = start::misfit(&keyring, contents.header.deployment, key) {
                faults.push(fault);
                keyring.remove(key.id);
            }
        }
        Ok(Self { keyring, faults })
    }

    /// The same; no keys, with the reason as their fault, if a source cannot be read.
    pub async fn load_or_none(
        sources: &KeySources,
        contents: &Contents,
        (clock, random): (&dyn Clock, &dyn Random),
    ) -> Self {
        let loaded = Self::load(sources, contents, (clock, random)).await;
        loaded.unwrap_or_else(|fault| Self { keyring: Keyring::new(Vec::new()), faults: vec![fault] })
    }
}

/// What became of the envelopes.
#[derive(Debug)]
pub struct Findings {
    /// How many opened.
    pub opened: u64,
    /// How many did not.
    pub failed: u64,
    /// Which master keys were missing or wrong.
    pub keys: Vec<StartError>,
    /// The first of those that did not open although their master key was there.
    pub unopened: Vec<Unopened>,
}

/// An envelope that did not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unopened {
    /// The table.
    pub table: &'static str,
    /// The row.
    pub id: String,
    /// Why not.
    pub reason: String,
}

/// Why a data key cannot be used.
#[derive(Debug, Clone, Copy)]
enum Lost {
    /// Its master key is not there, which is told once for all.
    MasterKey,
    /// Something of its own.
    Itself,
}

/// Takes the rows with envelopes, each data key before what was sealed under it.
pub(super) struct Verifier {
    deployment: DeploymentId,
    keyring: Keyring,
    data_keys: HashMap<Option<ScopeId>, Result<DataKey, Lost>>,
    findings: Findings,
}

impl Verifier {
    pub(super) fn new(deployment: DeploymentId, keys: Keys) -> Self {
        let findings = Findings { opened: 0, failed: 0, keys: keys.faults, unopened: Vec::new() };
        Self { deployment, keyring: keys.keyring, data_keys: HashMap::new(), findings }
    }

    /// Whether a table has envelopes.
    pub(super) fn wants(table: &Table) -> bool {
        ["data_keys", "credentials"].contains(&table.name)
    }

    pub(super) async fn take(&mut self, row: &Row) {
        match row.table().name {
            "data_keys" => self.data_key(row).await,
            "credentials" => self.credential(row),
            _ => {}
        }
    }

    /// Takes note of a row that cannot even be read.
    pub(super) fn unreadable(&mut self, corrupt: Corrupt) {
        self.failed(Some(Unopened { table: corrupt.table, id: corrupt.id, reason: "cannot be read".to_owned() }));
    }

    /// How many envelopes there were so far.
    pub(super) fn seen(&self) -> u64 {
        self.findings.opened + self.findings.failed
    }

    /// What became of all envelopes of a backup with these contents.
    ///
    /// # Errors
    /// There are more than were tried.
    pub(super) fn finish(self, contents: &Contents) -> Result<Findings, BackupError> {
        let (seen, expected) = (self.seen(), contents.envelopes());
        if seen < expected { Err(BackupError::Untried { seen, expected }) } else { Ok(self.findings) }
    }

    async fn data_key(&mut self, row: &Row) {
        let scope = row.uuid("scope_id").map(ScopeId::from_uuid);
        let opened = match self.unwrap(row, scope).await {
            Ok(key) => {
                self.findings.opened += 1;
                Ok(key)
            }
            Err(KeyError::Unknown(_) | KeyError::NoActive) => {
                self.failed(None);
                Err(Lost::MasterKey)
            }
            Err(KeyError::Open(reason)) => {
                self.failed(Some(unopened(row, &reason)));
                Err(Lost::Itself)
            }
        };
        self.data_keys.insert(scope, opened);
    }

    async fn unwrap(&self, row: &Row, scope: Option<ScopeId>) -> Result<DataKey, KeyError> {
        let malformed = || KeyError::Open(OpenError::Malformed);
        let binding = KeyBinding {
            deployment: self.deployment,
            scope,
            data_key: DataKeyId::from_uuid(row.uuid("id").ok_or_else(malformed)?),
            version: row.version("version").ok_or_else(malformed)?,
        };
        let wrapped = Sealed::from_bytes(row.bytes("wrapped").unwrap_or_default().to_vec()).map_err(KeyError::Open)?;
        // Whether a master key may be given up is counted by the column.
        if row.uuid("master_key_id") != Some(wrapped.key_id()) {
            return Err(KeyError::Open(OpenError::WrongKey));
        }
        self.keyring.unwrap(&wrapped, &binding).await
    }

    fn credential(&mut self, row: &Row) {
        let scope = row.uuid("scope_id").map(ScopeId::from_uuid);
        match self.data_keys.get(&scope) {
            Some(Ok(key)) => match open(key, self.deployment, scope, row) {
                Ok(()) => self.findings.opened += 1,
                Err(reason) => self.failed(Some(unopened(row, &reason))),
            },
            Some(Err(Lost::MasterKey)) => self.failed(None),
            Some(Err(Lost::Itself)) => self.failed(Some(unopened(row, &"its data key does not open"))),
            None => self.failed(Some(unopened(row, &"its scope has no data key"))),
        }
    }

    fn failed(&mut self, unopened: Option<Unopened>) {
        self.findings.failed += 1;
        if self.findings.unopened.len() < MOST_NAMED {
            self.findings.unopened.extend(unopened);
        }
    }
}

/// Opens a password in its place, and forgets it.
fn open(key: &DataKey, deployment: DeploymentId, scope: Option<ScopeId>, row: &Row) -> Result<(), OpenError> {
    let optional = |column| match row.value(column) {
        Value::Null => Ok(None),
        _ => row.text(column).map(Some).ok_or(OpenError::Malformed),
    };
    let binding = PasswordBinding {
        deployment,
        scope: scope.ok_or(OpenError::Malformed)?,
        credential: CredentialId::from_uuid(row.uuid("id").ok_or(OpenError::Malformed)?),
        version: row.version("version").ok_or(OpenError::Malformed)?,
        server: row.text("server").ok_or(OpenError::Malformed)?,
        username: optional("username")?,
        ca_certificates: optional("ca_certificates")?,
    };
    let sealed = Sealed::from_bytes(row.bytes("sealed").unwrap_or_default().to_vec())?;
    key.open(&sealed, &binding).map(drop)
}

fn unopened(row: &Row, reason: &impl ToString) -> Unopened {
    Unopened { table: row.table().source, id: row.id(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests;
