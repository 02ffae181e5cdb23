//! A file that is written bit by bit, and is there whole or not at all.

use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};
use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// What to do with a file that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and nothing is written.
    Keep,
    /// It is replaced, once the new one is whole.
    Replace,
}

/// A file in the making (mode 0600), beside its place. Dropped without [`Draft::finish`], it is removed.
#[derive(Debug)]
pub struct Draft {
    file: File,
    beside: PathBuf,
    path: PathBuf,
    existing: Existing,
    finished: bool,
}

impl Draft {
    /// Begins a file that is to stand at that path.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] if there is a file that is to stay; none can be there, or the system said no.
    pub fn create(path: &Path, existing: Existing) -> io::Result<Self> {
        check_place(path, existing)?;
        let name = path.file_name().ok_or_else(|| io::Error::other("it has no file name"))?;
        let mut draft = OsString::from(".");
        draft.push(name);
        // In containers that share a folder every process has the same number.
        let host = rustix::system::uname().nodename().to_string_lossy().replace('/', "-");
        draft.push(format!(".{host}-{}.tmp", std::process::id()));
        let draft = directory(path).join(draft);
        // What lies there was left by a process of our number that died.
        let _ = fs::remove_file(&draft);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        Ok(Self { file, beside: draft, path: path.to_owned(), existing, finished: false })
    }

    /// Puts the file in its place, for good.
    ///
    /// # Errors
    /// As those of [`Draft::create`].
    pub fn finish(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        self.put()?;
        self.finished = true;
        File::open(directory(&self.path))?.sync_all()
    }

    fn put(&self) -> io::Result<()> {
        if self.existing == Existing::Keep {
            // Also of what came there since one looked.
            match renameat_with(CWD, &self.beside, CWD, &self.path, RenameFlags::NOREPLACE) {
                // A file system that does not know how, such as one over a network. One can only look again.
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
                done => return Ok(done?),
            }
        }
        check_place(&self.path, self.existing)?;
        fs::rename(&self.beside, &self.path)
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.finished {
            let _ = fs::remove_file(&self.beside);
        }
    }
}

/// Whether a file may be put there. Moving one onto a device, or a link to one such as /dev/stdout, would replace the device or
/// the link.
fn check_place(path: &Path, existing: Existing) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => Err(io::Error::other("it is there, and is a link or no regular file")),
        Ok(_) if existing == Existing::Keep => Err(io::ErrorKind::AlreadyExists.into()),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn names(directory: &Path) -> Vec<String> {
        let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_file_is_there_whole_and_private_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("backup");
        let mut draft = Draft::create(&path, Existing::Keep).unwrap();
        draft.write_all(b"half of it").unwrap();
        assert!(!path.exists());
        drop(draft);
        assert_eq!(names(directory.path()), [""; 0]);

        let mut draft = Draft::create(&path, Existing::Keep).unwrap();
        draft.write_all(b"all of it").unwrap();
        draft.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"all of it");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(directory.path()), ["backup"]);
    }

    #[test]
    fn a_file_that_is_there_is_replaced_only_if_that_was_said() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("backup");
        let draft = Draft::create(&path, Existing::Keep).unwrap();
        fs::write(&path, "another's").unwrap();
        assert!(Draft::create(&path, Existing::Keep).is_err());
        assert!(draft.finish().is_err(), "it came meanwhile");
        assert_eq!(fs::read(&path).unwrap(), b"another's");
        Draft::create(&path, Existing::Replace).unwrap().finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
        assert!(Draft::create(directory.path(), Existing::Replace).is_err(), "a folder is no file");
    }
}
