//! What can go wrong, in words of the domain. What HTTP makes of it stands in `http::problem`.

use super::turns::NoTurn;
use crate::{
    crypto::keyring::KeyError,
    domain::{
        check::Finding, credential::Contradiction, id::CredentialId, permission::Action, pruning::Retention,
        scope::Scope, text::Invalid,
    },
    store::{Corrupt, StoreError},
};
use std::{borrow::Cow, time::Duration};

/// Why a use case was not carried out. In every case nothing was changed and no secret was given out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller did not show who he is.
    #[error("not authenticated: {0}")]
    Unauthenticated(Unauthenticated),
    /// The caller's role does not allow it.
    #[error("the token's role does not allow {}", .0.name())]
    Forbidden(Action),
    /// The caller may not give out this role, nor take it away.
    #[error("the token may not make or revoke a token of that role here")]
    RoleNotAppointable,
    /// The credential is the organization's; here it can only be seen.
    #[error("the credential belongs to the organization")]
    Inherited,
    /// There is none, or the caller may not know of it.
    #[error("there is no such {}", .0.name())]
    NotFound(Thing),
    /// A parameter is malformed in a way that only its use shows.
    #[error("{parameter}: {rule}")]
    Parameter {
        /// Which one.
        parameter: &'static str,
        /// The rule that it breaks.
        rule: Invalid,
    },
    /// The parts of a credential do not fit together.
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
    /// The login was to be added only if it works, and it does not.
    #[error("the login does not work: {}", .0.detail())]
    NotVerified(Finding),
    /// As many of the organization's logins are being tried as may be at once.
    #[error("too many logins are being tried")]
    Crowded,
    /// As many of the organization's logins were tried as may be in a minute.
    #[error("too many logins were tried within a minute")]
    TooManyChecks {
        /// When the next one may be.
        wait: Duration,
    },
    /// The scope already has a credential for this server.
    #[error("the server has a credential already")]
    CredentialExists(CredentialId),
    /// The scope has as many credentials as it may have.
    #[error("the scope has {most} credentials already")]
    ScopeFull {
        /// How many that are.
        most: u32,
    },
    /// Somebody changed it since the caller last saw it.
    #[error("it was changed meanwhile")]
    Stale,
    /// The organization still has projects.
    #[error("the organization still has projects")]
    OrganizationNotEmpty,
    /// The master key is not in a state that allows it.
    #[error("{0}")]
    KeyState(Cow<'static, str>),
    /// What is to be pruned is not what the log begins with.
    #[error("the audit log does not begin with these events")]
    NotTheOldest,
    /// What is to be pruned must be kept for longer.
    #[error("audit events are kept for {} days", .0.days())]
    Retained(Retention),
    /// Two changes got in each other's way.
    #[error("another change came first")]
    TryAgain,
    /// The audit log is not taking events, so nothing may be done that needs one.
    #[error("the audit log is not available")]
    AuditUnavailable,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key could not be used.
    #[error("a key could not be used")]
    Key(#[from] KeyError),
    /// The key file could not be written.
    #[error("the keyring file could not be changed")]
    KeyringFile(#[from] crate::crypto::keyring_file::KeyringFileError),
}

impl From<NoTurn> for Error {
    fn from(none: NoTurn) -> Self {
        match none {
            NoTurn::Crowded => Self::Crowded,
            NoTurn::TooMany(wait) => Self::TooManyChecks { wait },
        }
    }
}

impl From<Corrupt> for Error {
    fn from(corrupt: Corrupt) -> Self {
        Self::Store(corrupt.into())
    }
}

impl Error {
    /// The error of an envelope that did not open where it was found. The reason goes to the log with the row's name.
    pub(super) fn unopened(
        table: &'static str,
        column: &'static str,
        id: &impl ToString,
        reason: &impl std::fmt::Display,
    ) -> Self {
        let id = id.to_string();
        tracing::error!(table, column, id, %reason, "a sealed value does not open");
        Corrupt::sealed(table, column, &id).into()
    }
}

/// How a caller failed to show who he is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unauthenticated {
    /// There was no token.
    #[error("no token was given")]
    Missing,
    /// The text cannot be a token.
    #[error("the text given is not a token, or was mistyped")]
    Malformed,
    /// No such token is known: it never was, or it was revoked.
    #[error("the token is not known, or was revoked")]
    Unknown,
    /// The token's time is over.
    #[error("the token has expired")]
    Expired,
}

/// What was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// An organization.
    Organization,
    /// A project.
    Project,
    /// A credential.
    Credential,
    /// A token.
    Token,
    /// A master key.
    MasterKey,
}

impl Thing {
    /// What people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Project => "project",
            Self::Credential => "credential",
            Self::Token => "token",
            Self::MasterKey => "master key",
        }
    }

    /// What a scope is. The deployment is always there, and so is never missing.
    pub(super) const fn of(scope: &Scope) -> Self {
        match scope {
            Scope::Deployment | Scope::Organization(_) => Self::Organization,
            Scope::Project(_) => Self::Project,
        }
    }
}
