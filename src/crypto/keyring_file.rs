//! The file, or the environment variable, in which an operator keeps master keys.
//!
//! `{"version":1,"keys":[{"id":"<uuid>","key":"<base64 of 32 bytes>"}]}`. Whoever reads it can open every password, so a
//! file that others may read is refused, and no error repeats anything that stands in it.

use super::{key::KEY_LENGTH, keyring::MasterKey};
use crate::domain::id::MasterKeyId;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Deserializer};
use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use zeroize::Zeroizing;

const FORMAT_VERSION: u32 = 1;
const LARGEST_BYTES: u64 = 1024 * 1024;
const OWNER_ONLY: u32 = 0o600;
const OWNER_AND_READING_GROUP: u32 = 0o640;
const LOCK_PATIENCE: Duration = Duration::from_millis(500);
const LOCK_STEP: Duration = Duration::from_millis(5);
const GROUP_AND_OTHERS: u32 = 0o077;
const ALL_BUT_READING_BY_THE_GROUP: u32 = 0o037;
/// More than one key takes in the file, so that its text is never moved while it grows.
const KEY_TEXT_BYTES: usize = 128;

/// Why a keyring could not be read or changed. Keys are counted from 1.
#[derive(Debug, thiserror::Error)]
pub enum KeyringFileError {
    /// The operating system refused to read it.
    #[error("the keyring file cannot be read")]
    Read(#[source] io::Error),
    /// The operating system refused to write it.
    #[error("the keyring file cannot be written")]
    Write(#[source] io::Error),
    /// It is a directory, a pipe or a device.
    #[error("the keyring file must be a regular file")]
    NotAFile,
    /// The group or others may read or change it.
    #[error(
        "the keyring file is open to others: run `chmod 600` on it, and replace its keys if others may have read it (only \
         a file of root's may be read by a group)"
    )]
    OpenToOthers,
    /// It is far longer than a keyring can be.
    #[error("the keyring must be at most 1 MiB: check that this is the right file")]
    TooLarge,
    /// It is not the JSON that a keyring is.
    #[error("the keyring is not valid at line {line}, column {column}: it must be JSON of the form {FORM}")]
    Malformed {
        /// The line where reading stopped, from 1.
        line: usize,
        /// The column where reading stopped, from 1.
        column: usize,
    },
    /// A later version of regcred made it.
    #[error("the keyring has a version other than 1: use the regcred that made it, or a newer one")]
    UnknownVersion,
    /// A key is not base64 of 32 bytes.
    #[error("key {position} of the keyring is not 32 bytes in base64: restore it from your backup")]
    NotAKey {
        /// Which key of the list.
        position: usize,
    },
    /// Two keys have one id.
    #[error("key {position} of the keyring has the id of an earlier one: remove one of the two")]
    Duplicate {
        /// The second of the two in the list.
        position: usize,
    },
    /// There are no keys.
    #[error("the keyring has no keys: remove it to have one made, or restore it from your backup")]
    Empty,
    /// Keys that are in use are not in it.
    #[error("the keyring file is missing, or lacks keys that are in use: put it back from its backup")]
    Incomplete,
    /// Another process has its directory locked.
    #[error("the keyring file's directory is locked by another process: see who with `lslocks`, and try again")]
    Locked,
    /// The key that is to be removed is the only one.
    #[error("the last key cannot be removed: add another one first")]
    LastKey,
}

const FORM: &str = r#"{"version":1,"keys":[{"id":"<uuid>","key":"<base64 of 32 bytes>"}]}"#;

/// Reads the keys from a file.
pub fn read(path: &Path) -> Result<Vec<MasterKey>, KeyringFileError> {
    // What is checked is the file that was opened, not what its name means a moment later.
    let file = File::open(path).map_err(KeyringFileError::Read)?;
    let metadata = file.metadata().map_err(KeyringFileError::Read)?;
    if !metadata.is_file() {
        return Err(KeyringFileError::NotAFile);
    }
    if metadata.mode() & may_not(metadata.uid()) != 0 {
        return Err(KeyringFileError::OpenToOthers);
    }
    if metadata.len() > LARGEST_BYTES {
        return Err(KeyringFileError::TooLarge);
    }
    // The capacity is enough from the start, so no copy is left behind by growing.
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(metadata.len()).unwrap_or_default() + 1));
    file.take(metadata.len()).read_to_string(&mut text).map_err(KeyringFileError::Read)?;
    parse(&text)
}

/// What others may not do with a file of that owner. One that root gave to this process by way of a group, as Kubernetes and
/// systemd hand out secrets, is read by that group; PostgreSQL has the same rule for its private key.
fn may_not(owner: u32) -> u32 {
    const ROOT: u32 = 0;
    if owner == ROOT { ALL_BUT_READING_BY_THE_GROUP } else { GROUP_AND_OTHERS }
}

/// The text of a keyring file with this key alone.
#[must_use]
pub fn text(key: &MasterKey) -> Zeroizing<String> {
    render([key].into_iter())
}

/// Reads the keys from the text of such a file, as an environment variable may carry it.
pub fn parse(text: &Zeroizing<String>) -> Result<Vec<MasterKey>, KeyringFileError> {
    if u64::try_from(text.len()).is_ok_and(|length| length > LARGEST_BYTES) {
        return Err(KeyringFileError::TooLarge);
    }
    // Only the position: the message of serde_json repeats what it stumbled over.
    let document: Document = serde_json::from_str(text)
        .map_err(|error| KeyringFileError::Malformed { line: error.line(), column: error.column() })?;
    if document.version != FORMAT_VERSION {
        return Err(KeyringFileError::UnknownVersion);
    }
    if document.keys.is_empty() {
        return Err(KeyringFileError::Empty);
    }
    let mut seen = BTreeSet::new();
    let mut keys = Vec::with_capacity(document.keys.len());
    for (entry, position) in document.keys.iter().zip(1..) {
        if !seen.insert(entry.id) {
            return Err(KeyringFileError::Duplicate { position });
        }
        let bytes = decode(&entry.key).ok_or(KeyringFileError::NotAKey { position })?;
        keys.push(MasterKey::from_bytes(entry.id, *bytes));
    }
    Ok(keys)
}

/// Adds a key to a file in which these others must be. Where there are none, the file is made if it is not there.
///
/// A file that was lost or changed meanwhile is not made anew with the new key alone: whoever then put it in the place of his
/// backup would lose everything.
pub fn add(path: &Path, key: &MasterKey, others: &[MasterKeyId]) -> Result<(), KeyringFileError> {
    let place = Place::locked(path)?;
    let keys = if place.exists()? { read(&place.path)? } else { Vec::new() };
    if !others.iter().all(|other| keys.iter().any(|known| known.id() == *other)) {
        return Err(KeyringFileError::Incomplete);
    }
    if keys.iter().any(|known| known.id() == key.id()) {
        return Err(KeyringFileError::Duplicate { position: keys.len() + 1 });
    }
    place.replace(keys.iter().chain([key]))
}

/// Removes a key from a file, if both are there. The last one stays, because a file without keys would be refused at the
/// next start.
pub fn remove(path: &Path, id: MasterKeyId) -> Result<(), KeyringFileError> {
    let place = Place::locked(path)?;
    let keys = if place.exists()? { read(&place.path)? } else { Vec::new() };
    if !keys.iter().any(|key| key.id() == id) {
        return Ok(());
    }
    if keys.len() == 1 {
        return Err(KeyringFileError::LastKey);
    }
    place.replace(keys.iter().filter(|key| key.id() != id))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    keys: Vec<KeyEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    id: MasterKeyId,
    #[serde(deserialize_with = "secret_text")]
    key: Zeroizing<String>,
}

fn secret_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(deserializer).map(Zeroizing::new)
}

fn decode(text: &str) -> Option<Zeroizing<[u8; KEY_LENGTH]>> {
    // One byte more than a key, because the decoder asks for room before it has seen the padding. Longer texts do not fit.
    let mut buffer = Zeroizing::new([0; KEY_LENGTH + 1]);
    let length = BASE64_STANDARD.decode_slice(text, &mut buffer[..]).ok()?;
    let bytes = buffer.get(..length)?.try_into().ok()?;
    Some(Zeroizing::new(bytes))
}

/// The text is put together by hand, because a serialiser's growing buffer would leave copies of the keys behind.
fn render<'a>(keys: impl Iterator<Item = &'a MasterKey> + Clone) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity((keys.clone().count() + 1) * KEY_TEXT_BYTES));
    text.push_str("{\"version\":1,\"keys\":[");
    for (position, key) in keys.enumerate() {
        text.push_str(if position == 0 { "\n  {\"id\":\"" } else { ",\n  {\"id\":\"" });
        text.push_str(&key.id().to_string());
        text.push_str("\",\"key\":\"");
        BASE64_STANDARD.encode_string(key.key().bytes(), &mut text);
        text.push_str("\"}");
    }
    text.push_str("\n]}\n");
    text
}

/// Locks a file that another process has for a moment at most. Whoever may read a directory may lock it, also for longer: that
/// must not hold up those who wait for this one.
fn lock(file: &File) -> Result<(), KeyringFileError> {
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_PATIENCE => {}
            Err(TryLockError::WouldBlock) => return Err(KeyringFileError::Locked),
            Err(TryLockError::Error(error)) => return Err(KeyringFileError::Write(error)),
        }
        #[expect(clippy::disallowed_methods, reason = "this is file work, on a thread of its own")]
        std::thread::sleep(LOCK_STEP);
    }
}

/// A keyring file that nobody else changes meanwhile.
struct Place {
    path: PathBuf,
    temporary: PathBuf,
    /// Locked until it is dropped: two changes at once would lose one of them, and with it a key.
    directory: File,
}

impl Place {
    fn locked(path: &Path) -> Result<Self, KeyringFileError> {
        // Behind a symbolic link, the file that it names is replaced, and not the link.
        let path = match fs::canonicalize(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
            resolved => resolved.map_err(KeyringFileError::Read)?,
        };
        let name = path.file_name().ok_or(KeyringFileError::NotAFile)?;
        let mut temporary_name = OsString::from(".");
        temporary_name.push(name);
        temporary_name.push(".new");
        let temporary = path.with_file_name(temporary_name);
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let directory = File::open(parent).map_err(KeyringFileError::Read)?;
        lock(&directory)?;
        Ok(Self { path, temporary, directory })
    }

    fn exists(&self) -> Result<bool, KeyringFileError> {
        self.path.try_exists().map_err(KeyringFileError::Read)
    }

    /// Puts a new file in the place of the old one. Whenever the machine stops, one of the two is there, whole.
    fn replace<'a>(&self, keys: impl Iterator<Item = &'a MasterKey> + Clone) -> Result<(), KeyringFileError> {
        let written = self.write_temporary(&render(keys)).and_then(|()| fs::rename(&self.temporary, &self.path));
        if let Err(error) = written {
            // It may not be there, and if it cannot be removed, the next change does so.
            let _ = fs::remove_file(&self.temporary);
            return Err(KeyringFileError::Write(error));
        }
        self.directory.sync_all().map_err(KeyringFileError::Write)
    }

    fn write_temporary(&self, text: &str) -> io::Result<()> {
        // What is there was left by a crash: the directory is locked.
        match fs::remove_file(&self.temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(&self.temporary)?;
        self.keep_owner(&file)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }

    /// A key that root adds must stay readable to the account of the service, be it the owner or of the group.
    fn keep_owner(&self, file: &File) -> io::Result<()> {
        let Ok(old) = fs::metadata(&self.path) else { return Ok(()) };
        let new = file.metadata()?;
        if old.mode() & OWNER_AND_READING_GROUP != OWNER_ONLY {
            file.set_permissions(PermissionsExt::from_mode(old.mode() & OWNER_AND_READING_GROUP))?;
        }
        if (old.uid(), old.gid()) == (new.uid(), new.gid()) {
            return Ok(());
        }
        fchown(file, Some(old.uid()), Some(old.gid()))
    }
}

#[cfg(test)]
mod tests;
