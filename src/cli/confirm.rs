//! The question before something goes for good.

use super::{exit::Exit, failure::Failure, output};
use clap::Args;
use std::io::{self, BufRead as _, IsTerminal as _};

/// Whether to ask.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct ConfirmArgs {
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

impl ConfirmArgs {
    /// Ends here, before anything is looked up, if there is nobody to ask.
    pub(super) fn possible(self) -> Result<(), Failure> {
        if self.yes || io::stdin().is_terminal() {
            return Ok(());
        }
        Err(Failure::usage("this cannot be undone, and there is no terminal to ask at").hint("add --yes"))
    }

    /// Asks, unless that was said to be needless. What the question says is looked up only if somebody will read it.
    pub(super) async fn ask_with(self, question: impl AsyncFnOnce() -> Result<String, Failure>) -> Result<(), Failure> {
        self.possible()?;
        if self.yes {
            return Ok(());
        }
        let question = question().await?;
        let answer = ask_line(&format!("{question} [y/N] "))?;
        if is_yes(&answer) { Ok(()) } else { Err(Failure::new(Exit::Failure, "nothing was changed")) }
    }
}

/// Asks the person at the terminal something that may be seen.
pub(super) fn ask_line(prompt: &str) -> Result<String, Failure> {
    let _ = output::talk(|out| write!(out, "{prompt}"));
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Failure::new(Exit::Failure, format!("cannot read the answer: {error}")))?;
    Ok(answer)
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        assert!(is_yes("y\n") && is_yes("YES\r\n"));
        assert!(!is_yes("") && !is_yes("\n") && !is_yes("yep\n") && !is_yes("n\n"));
    }
}
