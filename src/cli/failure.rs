//! What people are told when something did not work: one `error:`, what was wrong with which field, the request to ask
//! about, and at most one `hint:`.

use super::{exit::Exit, output};
use crate::{client::ClientError, config::ConfigError, http::wire::FieldProblem};
use anstyle::{AnsiColor, Style};
use std::{error::Error, io};
use uuid::Uuid;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    message: String,
    fields: Vec<String>,
    request: Option<Uuid>,
    hint: Option<String>,
    stale: bool,
}

impl Failure {
    /// A failure of that sort.
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), fields: Vec::new(), request: None, hint: None, stale: false }
    }

    /// A mistake on the command line.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// The same, with this advice in place of any other.
    #[must_use]
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The same in these words.
    #[must_use]
    pub(super) fn message_is(self, message: impl Into<String>) -> Self {
        Self { message: message.into(), ..self }
    }

    /// The same in these words, which are about several requests that were each named before.
    #[must_use]
    pub(super) fn stands_for_many(self, message: impl Into<String>) -> Self {
        Self { request: None, ..self.message_is(message) }
    }

    /// The same, with this advice if it is that sort of failure.
    #[must_use]
    pub(super) fn hint_if(self, exit: Exit, hint: impl FnOnce() -> String) -> Self {
        if self.exit == exit { self.hint(hint()) } else { self }
    }

    /// The failure to write data out, unless only its reader has left: then there is something to go on with.
    pub(super) fn unless_unread(self) -> Result<(), Self> {
        if self.exit == Exit::Success { Ok(()) } else { Err(self) }
    }

    /// How the run ends.
    #[cfg(test)]
    pub(super) fn exit(&self) -> Exit {
        self.exit
    }

    /// Whether what was to change is not what it was any more.
    pub(super) fn is_stale(&self) -> bool {
        self.stale
    }

    /// What is wrong, in one line.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// What is wrong, with the request to ask about, where one line is all there is room for.
    pub(super) fn line(&self) -> String {
        self.request.map_or_else(|| self.message.clone(), |request| format!("{} (request: {request})", self.message))
    }

    /// What to do about it.
    pub(super) fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Tells it on standard error. A reader who has left is told nothing.
    #[must_use]
    pub fn report(&self) -> Exit {
        if !self.message.is_empty() {
            // There is nowhere to report that reporting failed.
            let _ = output::talk(|out| self.write(out));
        }
        self.exit
    }

    fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        writeln!(out, "{ERROR}error:{ERROR:#} {}", self.message)?;
        for field in &self.fields {
            writeln!(out, "  {field}")?;
        }
        if let Some(request) = self.request {
            writeln!(out, "request: {request}")?;
        }
        match &self.hint {
            Some(hint) => writeln!(out, "{HINT}hint:{HINT:#} {hint}"),
            None => Ok(()),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match &error {
            ClientError::Problem(problem) => {
                let mut fields: Vec<_> = problem.errors.iter().map(said_of_field).collect();
                // With one mistake the service's sentence is about that one, in the words of the API.
                let said = problem.errors.first().is_some_and(|field| problem.detail.ends_with(&field.detail));
                let message = if fields.len() == 1 && said { fields.pop() } else { None };
                let other = || first_with_text(&problem.detail, &problem.title).to_owned();
                Self {
                    exit: Exit::of_status(problem.status),
                    message: message.unwrap_or_else(other),
                    fields,
                    request: problem.request_id,
                    hint: None,
                    stale: problem.status == 412,
                }
            }
            ClientError::Unreachable { .. } | ClientError::NoAnswer { .. } => {
                Self::new(Exit::Unavailable, with_cause(&error))
            }
            ClientError::Unexpected { status, .. } => Self::new(Exit::of_status(status.as_u16()), error.to_string()),
            ClientError::PlainHttp { .. } => Self::usage(error.to_string()),
            ClientError::Setup(_) => Self::new(Exit::Failure, with_cause(&error)),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let exit = match &error {
            ConfigError::Read { .. } | ConfigError::Write { .. } | ConfigError::NoHome => Exit::Failure,
            ConfigError::File { .. }
            | ConfigError::GivenTwice { .. }
            | ConfigError::Invalid { .. }
            | ConfigError::InternalListenPlaintext
            | ConfigError::NoContext(_) => Exit::Usage,
        };
        Self { hint: error.hint(), ..Self::new(exit, with_cause(&error)) }
    }
}

impl From<io::Error> for Failure {
    /// A failure to write data out. Whoever closed the pipe has what he wanted: that is no failure.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Exit::Success, ""),
            _ => Self::new(Exit::Failure, format!("cannot write the output: {error}")),
        }
    }
}

/// What is wrong with a field, by the flag that it was given with.
fn said_of_field(field: &FieldProblem) -> String {
    const FLAGS: [&str; 11] = [
        "server",
        "kind",
        "username",
        "email",
        "image_prefix",
        "expires_at",
        "password",
        "name",
        "role",
        "expires_in_days",
        "image",
    ];
    let name = field.pointer.trim_start_matches('/');
    if FLAGS.contains(&name) {
        format!("--{} {}", name.replace('_', "-"), field.detail)
    } else if name.is_empty() {
        format!("the request {}", field.detail)
    } else {
        format!("'{name}' {}", field.detail)
    }
}

fn first_with_text<'a>(one: &'a str, other: &'a str) -> &'a str {
    if one.is_empty() { other } else { one }
}

/// The error and the deepest reason for it; what lies between is plumbing.
pub(super) fn with_cause(error: &dyn Error) -> String {
    let mut cause = error.source();
    while let Some(deeper) = cause.and_then(Error::source) {
        cause = Some(deeper);
    }
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::wire::Problem;

    fn told(failure: &Failure) -> String {
        let mut out = anstream::StripStream::new(Vec::new());
        failure.write(&mut out).unwrap();
        String::from_utf8(out.into_inner()).unwrap()
    }

    fn problem(status: u16) -> Problem {
        Problem {
            kind: "urn:regcred:problem:validation".to_owned(),
            title: "Validation failed".to_owned(),
            status,
            detail: "the credential is not valid".to_owned(),
            request_id: Some(Uuid::nil()),
            errors: vec![FieldProblem { pointer: "/email".to_owned(), detail: "must be an e-mail address".to_owned() }],
            existing_id: None,
            check: None,
            retry_after: None,
        }
    }

    #[test]
    fn a_refusal_names_fields_request_and_one_hint() {
        let failure = Failure::from(ClientError::Problem(Box::new(problem(422)))).hint("one").hint("two");
        assert_eq!(
            told(&failure),
            "error: the credential is not valid\n  --email must be an e-mail address\n\
             request: 00000000-0000-0000-0000-000000000000\nhint: two\n"
        );
    }

    #[test]
    fn one_mistake_is_told_once_and_by_its_flag() {
        let mut problem = problem(422);
        problem.errors[0].pointer = "/image_prefix".to_owned();
        problem.detail = format!("'/image_prefix' {}", problem.errors[0].detail);
        let failure = Failure::from(ClientError::Problem(Box::new(problem)));
        assert_eq!(failure.message(), "--image-prefix must be an e-mail address");
        assert!(failure.fields.is_empty());
    }

    #[test]
    fn every_refusal_has_its_exit_code() {
        let code = |status| Failure::from(ClientError::Problem(Box::new(problem(status)))).exit().code();
        let codes = [422, 401, 403, 404, 409, 412, 503, 500].map(code);
        assert_eq!(codes, [1, 4, 4, 3, 5, 5, 6, 1]);
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(failure.report(), Exit::Success);
    }
}
