//! What people are told when something did not work: one `error:`, what was wrong with which field, the request to ask
//! about, and at most one `hint:`.

use super::{exit::Exit, output};
use crate::{client::ClientError, config::ConfigError};
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
}

impl Failure {
    /// A failure of that sort.
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), fields: Vec::new(), request: None, hint: None }
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

    /// The same, with this advice if it is that sort of failure.
    #[must_use]
    pub(super) fn hint_if(self, exit: Exit, hint: impl FnOnce() -> String) -> Self {
        if self.exit == exit { self.hint(hint()) } else { self }
    }

    /// How the run ends.
    #[cfg(test)]
    pub(super) fn exit(&self) -> Exit {
        self.exit
    }

    /// What is wrong, in one line.
    pub(super) fn message(&self) -> &str {
        &self.message
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
            ClientError::Problem(problem) => Self {
                exit: Exit::of_status(problem.status),
                message: first_with_text(&problem.detail, &problem.title).to_owned(),
                fields: problem
                    .errors
                    .iter()
                    .map(|field| format!("{}: {}", field.pointer.trim_start_matches('/'), field.detail))
                    .collect(),
                request: problem.request_id,
                hint: None,
            },
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
            | ConfigError::PostgresUnsupported
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
    use crate::http::wire::{FieldProblem, Problem};

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
        }
    }

    #[test]
    fn a_refusal_names_fields_request_and_one_hint() {
        let failure = Failure::from(ClientError::Problem(Box::new(problem(422)))).hint("one").hint("two");
        assert_eq!(
            told(&failure),
            "error: the credential is not valid\n  email: must be an e-mail address\n\
             request: 00000000-0000-0000-0000-000000000000\nhint: two\n"
        );
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
