//! What is done beside the service or without one: backups, and putting them back.
//!
//! Here settings, files and the system's clock become what [`backup`] works on.

use super::{Signals, SystemClock, SystemRandom, key_sources};
use crate::{
    config::server::ServerSettings,
    draft::{Draft, Existing},
    service::{
        KeySources, StartError,
        backup::{self, BackupError, Contents, Findings, Keys, Progress, Written},
    },
    store::{
        Corrupt, StoreError,
        sql::{self, OpenError},
    },
};
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    future::Future,
    io::{self, BufReader, BufWriter, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// Enough that a file is read and written in large pieces.
const BUFFER: usize = 256 * 1024;

/// Where a backup is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a file.
    File(PathBuf),
    /// On standard output, or standard input.
    Stream,
}

/// Whether every envelope is opened afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// Each one.
    Full,
    /// None: the keys are not here.
    None,
}

/// How far to go with a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Put it back.
    Restore,
    /// Only see that it could be put back, without a database.
    DryRun,
}

/// What came of it.
#[derive(Debug)]
pub struct Done {
    /// What is in the backup.
    pub contents: Contents,
    /// The first of the rows that could not be carried.
    pub left_out: Vec<Corrupt>,
    /// What became of the envelopes, if they were opened.
    pub findings: Option<Findings>,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// The file cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write {}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is a file already.
    #[error("{} is there already, and is left as it is", .0.display())]
    Exists(PathBuf),
    /// What comes on standard input cannot be kept until it was checked.
    #[error("cannot keep the backup in {} until it is checked", .path.display())]
    Spool {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The keyring file that somebody named is not there.
    #[error("there is no keyring file {}", .0.display())]
    NoKeyring(PathBuf),
    /// The database cannot be used.
    #[error(transparent)]
    Open(OpenError),
    /// There is no database.
    #[error("there is no database {}; name its folder with --data-dir, or itself with --database-url", .0.display())]
    NoDatabase(PathBuf),
    /// The keys cannot be used, or do not fit.
    #[error(transparent)]
    Keys(#[from] StartError),
    /// The backup cannot be made or used.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// A signal came before there was a backup.
    #[error("stopped by a signal; nothing was changed")]
    Interrupted,
    /// A signal came when there was one.
    #[error("stopped by a signal; the backup is written, but was not checked")]
    Unchecked,
    /// The system gives no signals.
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
}

impl From<OpenError> for OfflineError {
    fn from(error: OpenError) -> Self {
        if let OpenError::Missing(path) = error { Self::NoDatabase(path) } else { Self::Open(error) }
    }
}

impl From<StoreError> for OfflineError {
    fn from(error: StoreError) -> Self {
        Self::Backup(error.into())
    }
}

/// Backs up the database, beside a running server or without one. The database is only read.
///
/// # Errors
/// The database, the file or the keys cannot be used. What did not open is no error, but among the findings.
pub async fn backup(
    settings: ServerSettings,
    place: &Place,
    existing: Existing,
    verification: Verification,
    progress: &mut dyn Progress,
) -> Result<Done, OfflineError> {
    let sources = sources(&settings, verification)?;
    match place {
        Place::File(path) => {
            let mut signals = Signals::listen().map_err(OfflineError::Signals)?;
            // What was begun is dropped with the work, and with it the half of the file.
            let work = write_file(&settings, path, existing, progress);
            let written = until(&mut signals, OfflineError::Interrupted, work).await?;
            until(&mut signals, OfflineError::Unchecked, check_file(written, path, sources, progress)).await
        }
        // There is nothing to clean up, and whoever reads may keep this from noticing: the signal ends it by itself.
        Place::Stream => write_stream(&settings, sources, progress).await,
    }
}

async fn write_file(
    settings: &ServerSettings,
    path: &Path,
    existing: Existing,
    progress: &mut dyn Progress,
) -> Result<Written, OfflineError> {
    let unwritten = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => OfflineError::Exists(path.to_owned()),
        _ => OfflineError::Write { path: path.to_owned(), source },
    };
    let mut snapshot = sql::open_snapshot(&settings.database).await?;
    let mut draft = BufWriter::with_capacity(BUFFER, Draft::create(path, existing).map_err(unwritten)?);
    let written = backup::write(&mut *snapshot, &mut draft, &SystemClock, progress).await?;
    snapshot.close().await;
    let draft = draft.into_inner().map_err(|error| BackupError::Write(error.into_error()))?;
    // Nothing is waited for any more: from here on there is a backup, and the caller gets to know.
    draft.finish().map_err(unwritten)?;
    Ok(written)
}

/// Opens every envelope from the file and not from the database: what counts is what can be read back.
async fn check_file(
    Written { contents, left_out }: Written,
    path: &Path,
    sources: Option<KeySources>,
    progress: &mut dyn Progress,
) -> Result<Done, OfflineError> {
    let Some(sources) = sources else { return Ok(Done { contents, left_out, findings: None }) };
    let keys = Keys::load_or_none(&sources, &contents, (&SystemClock, &SystemRandom)).await;
    let file = File::open(path).map_err(BackupError::Read)?;
    let file = BufReader::with_capacity(BUFFER, file);
    let findings = backup::verify_file(file, &contents, keys, progress).await?;
    Ok(Done { contents, left_out, findings: Some(findings) })
}

async fn write_stream(
    settings: &ServerSettings,
    sources: Option<KeySources>,
    progress: &mut dyn Progress,
) -> Result<Done, OfflineError> {
    let mut snapshot = sql::open_snapshot(&settings.database).await?;
    let mut out = BufWriter::with_capacity(BUFFER, io::stdout());
    let Written { contents, left_out } = backup::write(&mut *snapshot, &mut out, &SystemClock, progress).await?;
    out.flush().map_err(BackupError::Write)?;
    let findings = match sources {
        None => None,
        Some(sources) => {
            let keys = Keys::load_or_none(&sources, &contents, (&SystemClock, &SystemRandom)).await;
            Some(backup::verify_snapshot(&mut *snapshot, &contents, keys, progress).await?)
        }
    };
    snapshot.close().await;
    Ok(Done { contents, left_out, findings })
}

/// Puts a backup into an empty database, which is made if it is not there.
///
/// # Errors
/// The backup, the keys or the database cannot be used; then the database is as empty as before. What did not open afterwards
/// is no error, but among the findings.
pub async fn restore(
    settings: ServerSettings,
    place: &Place,
    extent: Extent,
    verification: Verification,
    progress: &mut dyn Progress,
) -> Result<Done, OfflineError> {
    let sources = sources(&settings, verification)?;
    let mut file = match place {
        Place::File(path) => File::open(path).map_err(|source| OfflineError::Read { path: path.clone(), source })?,
        Place::Stream => spool(&settings.data_dir)?,
    };
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let contents = backup::check(from_start(&mut file)?, length, progress).await?;
    let keys = match sources {
        None => None,
        Some(sources) => Some(Keys::load(&sources, &contents, (&SystemClock, &SystemRandom)).await?),
    };
    if extent == Extent::DryRun {
        let findings = match keys {
            None => None,
            Some(keys) => Some(backup::verify_file(from_start(&mut file)?, &contents, keys, progress).await?),
        };
        return Ok(Done { contents, left_out: Vec::new(), findings });
    }
    let keys = keys.map(|mut keys| if keys.faults.is_empty() { Ok(keys) } else { Err(keys.faults.remove(0)) });
    let keys = keys.transpose()?;

    let store = sql::open(&settings.database).await?;
    let filling = store.fill().await?.ok_or(BackupError::NotEmpty)?;
    backup::restore(filling, from_start(&mut file)?, &contents, (&SystemClock, &SystemRandom), progress).await?;
    let findings = match keys {
        None => None,
        Some(keys) => {
            let mut snapshot = store.snapshot().await?;
            let findings = backup::verify_snapshot(&mut *snapshot, &contents, keys, progress).await?;
            snapshot.close().await;
            Some(findings)
        }
    };
    store.close().await;
    Ok(Done { contents, left_out: Vec::new(), findings })
}

/// Does it, unless a signal comes first, which has that to say.
async fn until<T>(
    signals: &mut Signals,
    interrupted: OfflineError,
    work: impl Future<Output = Result<T, OfflineError>>,
) -> Result<T, OfflineError> {
    tokio::select! {
        done = work => done,
        () = signals.next() => Err(interrupted),
    }
}

/// Where the keys are; none if they are not to be used.
fn sources(settings: &ServerSettings, verification: Verification) -> Result<Option<KeySources>, OfflineError> {
    if verification == Verification::None {
        return Ok(None);
    }
    if let Some(path) = settings.keyring.missing() {
        return Err(OfflineError::NoKeyring(path.to_owned()));
    }
    Ok(Some(key_sources(settings.keyring.clone(), settings.passphrase.clone())))
}

fn from_start(file: &mut File) -> Result<BufReader<&mut File>, OfflineError> {
    file.seek(SeekFrom::Start(0)).map_err(BackupError::Read)?;
    Ok(BufReader::with_capacity(BUFFER, file))
}

/// Keeps what comes on standard input, in a file without a name: it is read twice, and checked before it is used.
fn spool(folder: &Path) -> Result<File, OfflineError> {
    let kept = || {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let path = folder.join(format!(".restore.{}.tmp", std::process::id()));
        let _ = fs::remove_file(&path);
        let mut file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        fs::remove_file(&path)?;
        io::copy(&mut io::stdin().lock(), &mut file)?;
        Ok(file)
    };
    kept().map_err(|source| OfflineError::Spool { path: folder.to_owned(), source })
}
