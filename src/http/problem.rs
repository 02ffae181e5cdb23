//! Problems (RFC 9457): the one table of them, and what each error of the service becomes.
//!
//! 401 means "who are you", 403 "you may know that it exists, but not do this", 404 "you may not know, or there is none".
//! No problem repeats anything that the caller sent; what went wrong inside is in the log under the request's identifier.

use super::wire::{self, FieldProblem};
use crate::{
    domain::{check::Finding, credential::Contradiction, id::RequestId},
    service::{Error, Unauthenticated},
    store::StoreError,
};
use actix_web::{HttpResponse, ResponseError, http::StatusCode};
use std::{borrow::Cow, fmt};
use uuid::Uuid;

macro_rules! kinds {
    ($($name:ident = $status:ident, $slug:literal, $title:literal;)+) => {
        /// The sorts of problems.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Kind { $($name),+ }

        impl Kind {
            /// Every sort.
            #[cfg(test)]
            pub(super) const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The status, the last part of the type's URI, and the title.
            const fn row(self) -> (StatusCode, &'static str, &'static str) {
                match self { $(Self::$name => (StatusCode::$status, $slug, $title)),+ }
            }
        }
    };
}

kinds! {
    MalformedBody = BAD_REQUEST, "malformed-body", "The body cannot be read";
    InvalidParameter = BAD_REQUEST, "invalid-parameter", "A parameter is not valid";
    BadRequest = BAD_REQUEST, "bad-request", "The request cannot be read";
    InvalidBody = UNPROCESSABLE_ENTITY, "invalid-body", "The body is not valid";
    NotVerified = UNPROCESSABLE_ENTITY, "login-not-verified", "The login does not work";
    PasswordNeeded = UNPROCESSABLE_ENTITY, "password-needed", "The password must be given again";
    Unauthenticated = UNAUTHORIZED, "unauthenticated", "A valid token is needed";
    Forbidden = FORBIDDEN, "forbidden", "The token does not allow this";
    Inherited = FORBIDDEN, "inherited-credential", "The credential belongs to the organization";
    NotFound = NOT_FOUND, "not-found", "There is none";
    NoRoute = NOT_FOUND, "no-such-path", "There is no such path on this listener";
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method-not-allowed", "The path does not know this method";
    RequestTimeout = REQUEST_TIMEOUT, "request-timeout", "The request took too long to arrive";
    CredentialExists = CONFLICT, "credential-exists", "The server has a credential already";
    ScopeFull = CONFLICT, "scope-full", "The scope has as many credentials as it may have";
    OrganizationNotEmpty = CONFLICT, "organization-not-empty", "The organization still has projects";
    KeyState = CONFLICT, "key-state", "The master key is not in a state that allows this";
    NotTheOldest = CONFLICT, "not-the-oldest-events", "The audit log does not begin with these events";
    Retained = CONFLICT, "retained", "The audit events must be kept for longer";
    TryAgain = CONFLICT, "try-again", "Another change came first";
    Stale = PRECONDITION_FAILED, "stale", "It was changed meanwhile";
    BodyTooLarge = PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large";
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The body has another media type";
    Crowded = TOO_MANY_REQUESTS, "too-many-checks", "Too many logins are being tried";
    CheckLimit = TOO_MANY_REQUESTS, "check-limit", "Too many logins were tried within a minute";
    Internal = INTERNAL_SERVER_ERROR, "internal", "Something went wrong inside";
    Unreadable = INTERNAL_SERVER_ERROR, "unreadable", "A stored row cannot be read";
    OutcomeUnknown = SERVICE_UNAVAILABLE, "outcome-unknown", "The change may have been made or not";
    Unavailable = SERVICE_UNAVAILABLE, "unavailable", "The service cannot do this now";
}

impl Kind {
    pub(super) const fn status(self) -> StatusCode {
        self.row().0
    }

    /// The stable name: `urn:regcred:problem:not-found`.
    pub(super) fn uri(self) -> String {
        format!("urn:regcred:problem:{}", self.row().1)
    }

    pub(super) const fn title(self) -> &'static str {
        self.row().2
    }
}

/// A refusal on its way out. [`super::request`] gives it its request's identifier, logs it and writes it.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) kind: Kind,
    pub(super) detail: Cow<'static, str>,
    pub(super) errors: Vec<FieldProblem>,
    pub(super) existing_id: Option<Uuid>,
    /// What a registry said of a login.
    pub(super) check: Option<Finding>,
    /// In how many seconds it is worth while to try again.
    pub(super) retry_after: Option<u64>,
    /// What happened inside, for the log alone.
    pub(super) cause: Option<Box<Error>>,
}

impl Problem {
    pub(super) fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
            existing_id: None,
            check: None,
            retry_after: None,
            cause: None,
        }
    }

    /// A problem with one part of the request. `pointer` and `detail` must not come from the caller.
    pub(super) fn at(kind: Kind, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let (pointer, detail) = (pointer.into(), detail.into());
        let place = if pointer.is_empty() { "the body".to_owned() } else { format!("'{pointer}'") };
        let sentence = format!("{place} {detail}");
        Self { errors: vec![FieldProblem { pointer, detail }], ..Self::new(kind, sentence) }
    }

    /// The answer's body.
    pub(super) fn wire(&self, request_id: Option<RequestId>) -> wire::Problem {
        wire::Problem {
            kind: self.kind.uri(),
            title: self.kind.title().to_owned(),
            status: self.kind.status().as_u16(),
            detail: self.detail.clone().into_owned(),
            request_id: request_id.map(|id| id.as_uuid()),
            errors: self.errors.clone(),
            existing_id: self.existing_id,
            check: self.check.map(|finding| wire::CheckRefusal {
                result: finding.stage().name().to_owned(),
                reason: finding.name().to_owned(),
            }),
            retry_after: self.retry_after,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.kind.status()
    }

    fn error_response(&self) -> HttpResponse {
        // The body follows in `request`, where the request's identifier is known.
        HttpResponse::new(self.kind.status())
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let problem = match &error {
            Error::Unauthenticated(reason) => Self::new(Kind::Unauthenticated, unauthenticated(*reason)),
            Error::Forbidden(action) => {
                Self::new(Kind::Forbidden, format!("the token's role does not allow {}", action.name()))
            }
            Error::RoleNotAppointable => {
                Self::new(Kind::Forbidden, "the token may not make or revoke a token of that role in this scope")
            }
            Error::Inherited => {
                Self::new(Kind::Inherited, "it can only be changed in the organization that it belongs to")
            }
            Error::NotFound(thing) => {
                Self::new(Kind::NotFound, format!("there is no such {}, or the token does not reach it", thing.name()))
            }
            Error::Parameter { parameter, rule } => Self::at(Kind::InvalidParameter, *parameter, rule.0),
            Error::Contradiction(contradiction) => contradicting(*contradiction),
            Error::NotVerified(finding) => Self {
                check: Some(*finding),
                ..Self::new(Kind::NotVerified, format!("{}; nothing was added", finding.detail()))
            },
            Error::Crowded => Self::new(
                Kind::Crowded,
                "as many logins are being tried as may be at once; nothing was sent to the registry, so try again in a few seconds",
            ),
            Error::TooManyChecks { wait } => Self {
                retry_after: Some(wait.as_secs() + 1),
                ..Self::new(
                    Kind::CheckLimit,
                    "as many logins of the organization were tried as may be in a minute; nothing was sent to the registry, so try \
                     again later: Retry-After says when",
                )
            },
            Error::CredentialExists(id) => Self {
                existing_id: Some(id.as_uuid()),
                ..Self::new(
                    Kind::CredentialExists,
                    format!("credential {id} of this scope is for the same server; change that one instead"),
                )
            },
            Error::ScopeFull { most } => Self::new(
                Kind::ScopeFull,
                format!(
                    "an organization or a project has at most {most} credentials; delete some, or add it in another project"
                ),
            ),
            Error::Stale => Self::new(Kind::Stale, "read it again, and send the ETag of what was read as If-Match"),
            Error::OrganizationNotEmpty => Self::new(Kind::OrganizationNotEmpty, "delete its projects first"),
            Error::KeyState(reason) => Self::new(Kind::KeyState, reason.clone()),
            Error::NotTheOldest => Self::new(
                Kind::NotTheOldest,
                "its oldest events are others, or fewer; nothing was pruned, so export them and try again with those",
            ),
            Error::Retained(retention) => Self::new(
                Kind::Retained,
                format!("events of the last {} days are kept; nothing was pruned", retention.days()),
            ),
            Error::TryAgain | Error::Store(StoreError::Conflict(_)) => {
                Self::new(Kind::TryAgain, "nothing was changed; send the request again")
            }
            Error::AuditUnavailable => Self::new(
                Kind::Unavailable,
                "the audit log cannot be written, and nothing is handed out or changed without it",
            ),
            Error::Store(StoreError::Unavailable(_)) => {
                Self::new(Kind::Unavailable, "the database cannot be reached or written; nothing was changed")
            }
            Error::Store(StoreError::OutcomeUnknown(_)) => Self::new(
                Kind::OutcomeUnknown,
                "the database was lost while the change was being made durable; read before sending it again",
            ),
            Error::Store(StoreError::Corrupt(_)) => {
                Self::new(Kind::Unreadable, "the service's log names it under this request_id")
            }
            Error::KeyringFile(_) => {
                Self::new(Kind::Unavailable, "the keyring file cannot be changed; the service's log says why")
            }
            Error::Key(_) => {
                Self::new(Kind::Unavailable, "a master key that is needed is not in this process's keyring")
            }
            Error::Store(StoreError::Refused(_)) => {
                Self::new(Kind::Internal, "the service's log says more under this request_id")
            }
        };
        Self { cause: Some(Box::new(error)), ..problem }
    }
}

const fn unauthenticated(reason: Unauthenticated) -> &'static str {
    match reason {
        Unauthenticated::Missing => "send a token as 'Authorization: Bearer rgc_...'",
        Unauthenticated::Malformed => "the token is not one of regcred's, or was mistyped",
        Unauthenticated::Unknown => "the token is not known, or was revoked",
        Unauthenticated::Expired => "the token has expired",
    }
}

fn contradicting(contradiction: Contradiction) -> Problem {
    match contradiction {
        Contradiction::ServerNeeded => Problem::at(Kind::InvalidBody, "/server", "must be given"),
        Contradiction::Server(rule) => Problem::at(Kind::InvalidBody, "/server", rule.0),
        Contradiction::Login(finding) => Problem::at(Kind::InvalidBody, finding.pointer, finding.detail),
        Contradiction::Kind => Problem::at(Kind::InvalidBody, "/kind", "must agree with the server's host"),
        Contradiction::ImagePrefix => {
            Problem::at(Kind::InvalidBody, "/image_prefix", "must lie on the server, below its path")
        }
        Contradiction::PasswordNeeded => Problem::at(
            Kind::PasswordNeeded,
            "/password",
            "must be given again when server, username or ca_certificates change: a stored password is never sent anywhere new",
        ),
        Contradiction::Image => Problem::at(Kind::InvalidBody, "/image", "must lie below the login's server"),
        Contradiction::ImageOutsidePrefix => {
            Problem::at(Kind::InvalidBody, "/image", "must lie below the login's image_prefix")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_sort_of_problem_has_a_name_of_its_own() {
        let names: HashSet<_> = Kind::ALL.iter().map(|kind| kind.uri()).collect();
        assert_eq!(names.len(), Kind::ALL.len());
        assert!(Kind::ALL.iter().all(|kind| kind.status().is_client_error() || kind.status().is_server_error()));
    }
}
