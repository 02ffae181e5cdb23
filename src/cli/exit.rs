//! How a run ended, for the shell.

use std::{fmt::Write as _, process::ExitCode};

/// How a run ended. The numbers are a promise to scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It was done.
    Success,
    /// It was refused, or failed in a way that has no number of its own.
    Failure,
    /// The command line or the settings are wrong.
    Usage,
    /// There is no such thing, or none that the caller may see.
    NotFound,
    /// The token is missing, not good, or does not allow it.
    NotPermitted,
    /// It exists already, or was changed meanwhile.
    Conflict,
    /// The service cannot be reached, or cannot answer now.
    Unavailable,
}

impl Exit {
    const ALL: [Self; 7] = [
        Self::Success,
        Self::Failure,
        Self::Usage,
        Self::NotFound,
        Self::NotPermitted,
        Self::Conflict,
        Self::Unavailable,
    ];

    /// The number that the shell sees.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::NotPermitted => 4,
            Self::Conflict => 5,
            Self::Unavailable => 6,
        }
    }

    const fn meaning(self) -> &'static str {
        match self {
            Self::Success => "done",
            Self::Failure => "refused by the service, or failed",
            Self::Usage => "wrong command line or settings",
            Self::NotFound => "not found",
            Self::NotPermitted => "not authenticated or not permitted",
            Self::Conflict => "exists already, or was changed meanwhile",
            Self::Unavailable => "service unreachable or unavailable",
        }
    }

    /// What an answer with this status, that is no success, comes to.
    #[must_use]
    pub const fn of_status(status: u16) -> Self {
        match status {
            401 | 403 => Self::NotPermitted,
            404 | 410 => Self::NotFound,
            409 | 412 | 428 => Self::Conflict,
            429 | 502..=504 => Self::Unavailable,
            _ => Self::Failure,
        }
    }

    /// The table of exit codes for the help text.
    pub(super) fn help() -> String {
        Self::ALL.into_iter().fold("Exit codes:".to_owned(), |mut text, exit| {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n  {}  {}", exit.code(), exit.meaning());
            text
        })
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}
