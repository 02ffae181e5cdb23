//! Why a call came to nothing. No variant holds a token, a request body or an answer's body.

use super::BaseUrl;
use crate::http::wire;
use reqwest::StatusCode;
use std::fmt;

/// One of the two listeners of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// The one without secrets.
    Public,
    /// The one that hands secrets out, and manages keys.
    Internal,
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "public",
            Self::Internal => "internal",
        })
    }
}

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The service refused.
    #[error("{}", .0.detail)]
    Problem(Box<wire::Problem>),
    /// There was no connection, so nothing was asked.
    #[error("cannot reach regcred's {listener} listener at {url}")]
    Unreachable {
        /// The listener that was called.
        listener: Listener,
        /// Where it was looked for.
        url: BaseUrl,
        /// What the network said.
        source: reqwest::Error,
    },
    /// The request went out and no whole answer came: whether it was carried out is not known.
    #[error("no answer from regcred's {listener} listener at {url}: whether the request was carried out is not known")]
    NoAnswer {
        /// The listener that was called.
        listener: Listener,
        /// Where it is.
        url: BaseUrl,
        /// What the network said.
        source: reqwest::Error,
    },
    /// Something answered that does not speak as regcred does.
    #[error("unexpected answer ({}) from {url}: {reason}", .status.as_u16())]
    Unexpected {
        /// The listener that was called.
        listener: Listener,
        /// Where it was looked for.
        url: BaseUrl,
        /// The status of the answer.
        status: StatusCode,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A token would have left readable for everybody on the way.
    #[error("not sending the token over plain http to {url}")]
    PlainHttp {
        /// The listener that would have been called.
        listener: Listener,
        /// Where it would have gone.
        url: BaseUrl,
    },
    /// The client itself could not be made: TLS roots are missing, or an argument cannot stand in a request.
    #[error("cannot set the connection up")]
    Setup(#[source] reqwest::Error),
}

impl ClientError {
    /// The status of the service's refusal, if it was one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Problem(problem) => Some(problem.status),
            Self::Unexpected { status, .. } => Some(status.as_u16()),
            Self::Unreachable { .. } | Self::NoAnswer { .. } | Self::PlainHttp { .. } | Self::Setup(_) => None,
        }
    }

    /// The service's refusal, if it was one.
    #[must_use]
    pub fn problem(&self) -> Option<&wire::Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            Self::Unexpected { .. }
            | Self::Unreachable { .. }
            | Self::NoAnswer { .. }
            | Self::PlainHttp { .. }
            | Self::Setup(_) => None,
        }
    }
}
