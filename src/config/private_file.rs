//! Files that only their owner may read, written whole or not at all.

use super::ConfigError;
use crate::draft::{Draft, Existing};
use std::{fs::DirBuilder, io::Write as _, os::unix::fs::DirBuilderExt as _, path::Path};

/// Writes the file (mode 0600) beside its place and moves it there, so that no reader ever sees half of it.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), ConfigError> {
    let written = Draft::create(path, Existing::Replace).and_then(|mut draft| {
        draft.write_all(bytes)?;
        draft.finish()
    });
    written.map_err(|source| ConfigError::Write { path: path.to_owned(), source })
}

/// Makes a directory (mode 0700) and those above it, where they are missing.
pub fn create_directory(path: &Path) -> Result<(), ConfigError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| ConfigError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt as _};

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
