//! The file that an export goes into: a new one that only its owner reads, and on the disk before anything relies on it.

use crate::cli::{exit::Exit, failure::Failure};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// A file in the making. Dropped before it was kept, it is removed.
pub(super) struct NewFile {
    path: PathBuf,
    writer: BufWriter<File>,
    kept: bool,
}

impl NewFile {
    /// Makes the file (mode 0600). What is there is left as it is: it may hold events that stand nowhere else any more.
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(file) => Ok(Self { path: path.to_owned(), writer: BufWriter::new(file), kept: false }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let message = format!("{} is there already, and an export is never written over", path.display());
                Err(Failure::new(Exit::Conflict, message)
                    .hint("name another file, such as one with the time in its name"))
            }
            Err(error) => Err(failure(path, &error)),
        }
    }

    /// Puts everything on the disk, with the name of the file, and keeps it.
    pub(super) fn keep(mut self) -> Result<(), Failure> {
        let synced = self.writer.flush().and_then(|()| self.writer.get_ref().sync_all());
        let named = synced.and_then(|()| {
            let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        });
        named.map_err(|error| failure(&self.path, &error))?;
        self.kept = true;
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing relies on it, and half an export must not pass for a whole one.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn failure(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Failure, format!("cannot write {}: {error}", path.display()))
}
