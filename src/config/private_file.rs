//! Files that only their owner may read, written whole or not at all.

use super::ConfigError;
use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// Writes the file (mode 0600) beside its place and moves it there, so that no reader ever sees half of it.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), ConfigError> {
    replace(path, bytes).map_err(|source| ConfigError::Write { path: path.to_owned(), source })
}

/// Makes a directory (mode 0700) and those above it, where they are missing.
pub fn create_directory(path: &Path) -> Result<(), ConfigError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| ConfigError::Write { path: path.to_owned(), source })
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Moving a file onto a device, or a link to one such as /dev/stdout, would replace the device or the link.
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(io::Error::other("it is there, and is a link or no regular file"));
    }
    let name = path.file_name().ok_or_else(|| io::Error::other("it has no file name"))?;
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let draft = draft_path(directory, name);
    // What lies there was left by a process of our number that died.
    let _ = fs::remove_file(&draft);
    let written = fill(&draft, bytes).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
        return written;
    }
    File::open(directory)?.sync_all()
}

fn draft_path(directory: &Path, name: &std::ffi::OsStr) -> PathBuf {
    let mut draft = OsString::from(".");
    draft.push(name);
    draft.push(format!(".{}.tmp", std::process::id()));
    directory.join(draft)
}

fn fill(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_file_is_replaced_whole_and_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        fs::write(&path, "an older and longer text").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_device_or_a_link_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(write(&link, b"new").is_err());
        assert_eq!(fs::read(&file).unwrap(), b"old");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(write(Path::new("/dev/null"), b"x").is_err());
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
