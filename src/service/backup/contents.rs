//! What is in a backup, gathered while it is written or read.

use super::BackupError;
use crate::{
    domain::{
        id::{DeploymentId, MasterKeyId},
        timestamp::Timestamp,
    },
    store::{
        MasterKeyRecord, MasterKeyState,
        tables::{Row, TABLES, Value},
    },
};
use std::collections::BTreeMap;

/// What a backup says of itself first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The installation that it is of.
    pub deployment: DeploymentId,
    /// The moment that it shows.
    pub created_at: Timestamp,
}

/// What is in a backup.
#[derive(Debug, Clone)]
pub struct Contents {
    /// What it says of itself.
    pub header: Header,
    /// How many rows of each table are in it.
    counts: Vec<u64>,
    /// How many rows could not be carried.
    pub left_out: u64,
    /// What is known of the master keys, which are not in it themselves.
    pub(super) master_keys: Vec<MasterKeyRecord>,
    /// How many data keys are wrapped under each master key.
    wrapped: BTreeMap<MasterKeyId, u64>,
    /// The SHA-256 of everything before itself.
    pub(super) checksum: [u8; 32],
}

impl Contents {
    pub(super) fn new(header: Header) -> Self {
        Self {
            header,
            counts: vec![0; TABLES.len()],
            left_out: 0,
            master_keys: Vec::new(),
            wrapped: BTreeMap::new(),
            checksum: [0; 32],
        }
    }

    /// Takes note of a row.
    pub(super) fn take(&mut self, row: &Row) {
        if let Some(at) = TABLES.iter().position(|table| table.name == row.table().name) {
            self.counts[at] += 1;
        }
        match row.table().name {
            "master_keys" => self.master_keys.extend(master_key(row)),
            "data_keys" => {
                if let Some(id) = row.uuid("master_key_id") {
                    *self.wrapped.entry(MasterKeyId::from_uuid(id)).or_default() += 1;
                }
            }
            _ => {}
        }
    }

    /// How many rows of each table are in it.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        TABLES.iter().map(|table| table.name).zip(self.counts.iter().copied())
    }

    /// How many rows of a table are in it.
    #[must_use]
    pub fn count(&self, table: &str) -> u64 {
        self.counts().find(|(name, _)| *name == table).map_or(0, |(_, count)| count)
    }

    /// How many rows are in it.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How many envelopes are in it.
    #[must_use]
    pub fn envelopes(&self) -> u64 {
        self.count("data_keys") + self.count("credentials")
    }

    /// The master keys without which it is of no use: the one that wraps, and those that something is wrapped under.
    #[must_use]
    pub fn needed_keys(&self) -> Vec<MasterKeyId> {
        self.needed().map(|key| key.id).collect()
    }

    pub(super) fn needed(&self) -> impl Iterator<Item = &MasterKeyRecord> {
        let known = self.master_keys.iter().filter(|key| key.state != MasterKeyState::Retired);
        known.filter(|key| key.state == MasterKeyState::Active || self.wrapped.contains_key(&key.id))
    }

    /// Whether there is one row in each table that always has one: without it no database could be used.
    pub(super) fn must_be_usable(&self) -> Result<(), BackupError> {
        let mut tables = TABLES.iter().filter(|table| table.has_one_row());
        let wrong = tables.find(|table| self.count(table.name) != 1);
        wrong.map_or(Ok(()), |table| Err(BackupError::NotOne(table.name)))
    }

    /// Whether this is the same file as before.
    pub(super) fn must_be(&self, before: &Self) -> Result<(), BackupError> {
        if self.checksum == before.checksum { Ok(()) } else { Err(BackupError::Changed) }
    }
}

/// What is known of a master key, unless the row means nothing.
fn master_key(row: &Row) -> Option<MasterKeyRecord> {
    let salt = match row.value("salt") {
        Value::Null => None,
        _ => Some(row.bytes("salt")?.try_into().ok()?),
    };
    let Value::Time(created_at) = row.value("created_at") else { return None };
    Some(MasterKeyRecord {
        id: MasterKeyId::from_uuid(row.uuid("id")?),
        state: row.text("state").and_then(MasterKeyState::find)?,
        salt,
        check_value: row.bytes("check_value")?.try_into().ok()?,
        created_at: *created_at,
    })
}
