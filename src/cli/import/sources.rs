//! The files: where they are, and their bytes.

use super::Program;
use crate::{
    cli::{exit::Exit, failure::Failure, output},
    config::logins,
    domain::import::{self, Contents, ReadError},
};
use std::{
    fs::File,
    io::{self, IsTerminal as _, Read},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// The Secrets of a large cluster fit, if they are chosen by their type.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// What is read at first; most files are smaller.
const FIRST_BYTES: usize = 64 * 1024;

/// Reads all the sources. Nothing is done if one of them cannot be read.
pub(super) fn read(files: &[PathBuf], programs: &[Program]) -> Result<Vec<Contents>, Failure> {
    if files.is_empty() && programs.is_empty() {
        return Err(Failure::usage("nothing to read is named")
            .hint("name files, - for standard input, or --from docker or --from podman; look first with --dry-run"));
    }
    if files.iter().filter(|path| is_stdin(path)).count() > 1 {
        return Err(Failure::usage("standard input is named twice"));
    }
    let mut contents = Vec::new();
    for program in programs {
        let path = program.file()?;
        output::note(&format!("Reading {}.", path.display()));
        // A config without logins is nothing strange: it has other settings.
        contents.push(read_file(&path, |error| matches!(error, ReadError::Unknown | ReadError::Empty))?);
    }
    for path in files {
        contents.push(read_file(path, |_| false)?);
    }
    Ok(contents)
}

impl Program {
    /// The first of its files that is there.
    fn file(self) -> Result<PathBuf, Failure> {
        let (name, files) = match self {
            Self::Docker => ("docker", logins::docker_files()),
            Self::Podman => ("podman", logins::podman_files()),
        };
        let found = files.iter().find(|path| path.exists());
        found.cloned().ok_or_else(|| {
            let tried: Vec<_> = files.iter().map(|path| path.display().to_string()).collect();
            let failure = Failure::new(Exit::NotFound, format!("{name} has no logins here"));
            if tried.is_empty() {
                failure.hint("HOME is not set")
            } else {
                failure.hint(format!("looked for {}", tried.join(" and ")))
            }
        })
    }
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn read_file(path: &Path, is_empty: impl Fn(&ReadError) -> bool) -> Result<Contents, Failure> {
    let name = if is_stdin(path) { "standard input".to_owned() } else { path.display().to_string() };
    let read = if is_stdin(path) {
        if io::stdin().is_terminal() {
            output::note("Reading from standard input; end it with Ctrl-D.");
        }
        bytes(io::stdin().lock())
    } else {
        File::open(path).and_then(bytes)
    };
    let bytes = read.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::new(Exit::NotFound, format!("there is no file {name}")),
        io::ErrorKind::FileTooLarge => Failure::new(Exit::Failure, format!("{name} is larger than 64 MiB"))
            .hint("take pull secrets only: kubectl get secrets --field-selector type=kubernetes.io/dockerconfigjson"),
        _ => Failure::new(Exit::Failure, format!("cannot read {name}: {error}")),
    })?;
    match import::read(&name, &bytes) {
        Ok(contents) => Ok(contents),
        Err(error) if is_empty(&error) => Ok(Contents::default()),
        Err(error) => Err(Failure::new(Exit::Failure, format!("{name} {error}; nothing was written"))),
    }
}

/// All the bytes. A buffer that is too small is overwritten when its contents have moved on.
fn bytes(mut source: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; FIRST_BYTES]);
    let mut length = 0;
    loop {
        match source.read(&mut bytes[length..]) {
            Ok(0) => {
                bytes.truncate(length);
                return Ok(bytes);
            }
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if length == bytes.len() {
            if length > MOST_BYTES {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            let mut larger = Zeroizing::new(vec![0; bytes.len() * 2]);
            larger[..length].copy_from_slice(&bytes);
            bytes = larger;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_are_read_up_to_the_limit() {
        for length in [0, 1, FIRST_BYTES - 1, FIRST_BYTES, FIRST_BYTES + 1, 5 * FIRST_BYTES] {
            let given = vec![b'x'; length];
            assert_eq!(*bytes(&*given).unwrap(), given, "{length}");
        }
        let endless = bytes(io::repeat(b'x')).unwrap_err();
        assert_eq!(endless.kind(), io::ErrorKind::FileTooLarge);
    }
}
