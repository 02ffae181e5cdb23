//! The file that an export goes into: a new one that only its owner reads, and on the disk before anything relies on it.

use crate::{
    cli::{exit::Exit, failure::Failure},
    draft::{Draft, Existing},
};
use std::{
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

/// A file in the making. Dropped before it was kept, it is removed.
pub(super) struct NewFile {
    path: PathBuf,
    writer: BufWriter<Draft>,
}

impl NewFile {
    /// Begins the file. What is there is left as it is: it may hold events that stand nowhere else any more.
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        let draft = Draft::create(path, Existing::Keep).map_err(|error| failure(path, &error))?;
        Ok(Self { path: path.to_owned(), writer: BufWriter::new(draft) })
    }

    /// Puts everything on the disk, with the name of the file, and keeps it.
    pub(super) fn keep(self) -> Result<(), Failure> {
        let written = self.writer.into_inner().map_err(io::IntoInnerError::into_error);
        written.and_then(Draft::finish).map_err(|error| failure(&self.path, &error))
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

fn failure(path: &Path, error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::AlreadyExists {
        let message = format!("{} is there already, and an export is never written over", path.display());
        return Failure::new(Exit::Conflict, message).hint("name another file, such as one with the time in its name");
    }
    Failure::new(Exit::Failure, format!("cannot write {}: {error}", path.display()))
}
