//! Where a password comes from: standard input, a file, the person at the terminal, or, with a warning, a flag.

use super::{failure::Failure, output};
use crate::{config::without_line_end, domain::secret::Password};
use clap::Args;
use std::{
    fs::File,
    io::{self, IsTerminal as _, Read},
    path::PathBuf,
};
use zeroize::Zeroizing;

/// One way to give a password. No `Debug`: one of them is the password itself.
#[derive(Args)]
#[group(id = "password-source", multiple = false)]
pub(super) struct PasswordArgs {
    /// Read the password from standard input; one line end behind it is dropped
    #[arg(long)]
    password_stdin: bool,
    /// Read the password from a file; one line end behind it is dropped
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The password itself: ends up in the shell's history and in the process list
    #[arg(long, alias = "docker-password", value_name = "PASSWORD")]
    password: Option<Zeroizing<String>>,
}

impl PasswordArgs {
    /// Whether one of the flags says where the password is.
    pub(super) fn is_given(&self) -> bool {
        self.password_stdin || self.password_file.is_some() || self.password.is_some()
    }

    /// The password from where the flags say, or from the person at the terminal.
    pub(super) fn read(&self, prompt: &str) -> Result<Password, Failure> {
        let text = if let Some(text) = &self.password {
            output::warn(
                "--password leaves the password in the shell's history; use --password-stdin or --password-file",
            );
            text.clone()
        } else if let Some(path) = &self.password_file {
            let what = path.display().to_string();
            let file = File::open(path).map_err(|error| unreadable(&what, &error))?;
            line_from(file, &what)?
        } else if self.password_stdin {
            if io::stdin().is_terminal() {
                output::note("Reading the password from standard input; end it with Ctrl-D.");
            }
            line_from(io::stdin().lock(), "standard input")?
        } else {
            ask(prompt)?
        };
        if text.ends_with(['\n', '\r']) {
            output::warn("the password ends in a line end; is that a part of it?");
        } else if text.starts_with(' ') || text.ends_with(' ') {
            output::warn("the password begins or ends with a space; is that a part of it?");
        }
        Password::new(&text).map_err(|rule| Failure::usage(format!("the password {rule}")))
    }
}

/// Whether there is somebody to ask.
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal()
}

fn ask(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    if !can_ask() {
        return Err(Failure::usage("no password is given, and there is no terminal to ask at")
            .hint("pipe it in with --password-stdin, or name a file with --password-file"));
    }
    let answer = rpassword::prompt_password(format!("{prompt}: "));
    answer.map(Zeroizing::new).map_err(|error| unreadable("the terminal", &error))
}

fn line_from(source: impl Read, what: &str) -> Result<Zeroizing<String>, Failure> {
    // Two bytes of line end, and one to tell what is too long.
    let most = Password::MAX_BYTES + 3;
    let mut bytes = Zeroizing::new(Vec::with_capacity(most));
    let limit = u64::try_from(most).unwrap_or(u64::MAX);
    source.take(limit).read_to_end(&mut bytes).map_err(|error| unreadable(what, &error))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Failure::usage(format!("{what} is not UTF-8 text")))?;
    Ok(Zeroizing::new(without_line_end(text).to_owned()))
}

fn unreadable(what: &str, error: &io::Error) -> Failure {
    Failure::new(super::exit::Exit::Failure, format!("cannot read the password from {what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_goes_and_everything_else_stays() {
        let read = |text: &str| line_from(text.as_bytes(), "x").unwrap();
        assert_eq!(*read("pw\r\n"), "pw");
        assert_eq!(*read(" {\n}\n\n"), " {\n}\n");
    }

    #[test]
    fn the_longest_password_passes_with_its_line_end_and_longer_ones_do_not() {
        let text = format!("{}\r\n", "x".repeat(Password::MAX_BYTES));
        assert!(Password::new(&line_from(text.as_bytes(), "x").unwrap()).is_ok());
        let text = format!("{}\r\n", "x".repeat(Password::MAX_BYTES + 1));
        assert!(Password::new(&line_from(text.as_bytes(), "x").unwrap()).is_err());
    }
}
