//! `regcred doctor`: goes the way that every other command goes, and says where it ends.

mod installation;

use super::{
    clock::{SOON, now, span},
    exit::Exit,
    failure::Failure,
    output,
    session::{Session, quoted},
};
use crate::{
    client::{ClientError, Listener},
    config::{
        self,
        client::{ClientOptions, ClientSettings, Contexts, TokenOrigin, data_dir_nearby},
    },
    domain::{
        permission::Role,
        scope::{ProjectPath, Scope},
        timestamp::Timestamp,
    },
    http::wire::Whoami,
};
use anstyle::{AnsiColor, Style};
use clap::{Args, ValueHint};
use std::{
    fs,
    io::{self, IsTerminal as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

const SECOND: i64 = 1_000_000;

pub(super) const EXAMPLES: &str = "\
Examples:
  regcred doctor
  regcred doctor --context staging --project acme/shop";

/// Checks settings, connection and token.
#[derive(Args)]
pub(super) struct Doctor {
    /// The project to look for [env: REGCRED_PROJECT, or the context's]
    #[arg(short, long, value_name = "ORG/PROJECT", value_hint = ValueHint::Other)]
    project: Option<ProjectPath>,
    #[command(flatten)]
    connection: ClientOptions,
}

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

impl Verdict {
    fn mark(self, symbols: bool) -> &'static str {
        match (self, symbols) {
            (Self::Ok, true) => "✓",
            (Self::Warn, true) => "!",
            (Self::Fail, true) => "✗",
            (Self::Ok, false) => "ok  ",
            (Self::Warn, false) => "warn",
            (Self::Fail, false) => "fail",
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Ok => AnsiColor::Green.on_default(),
            Self::Warn => AnsiColor::Yellow.on_default(),
            Self::Fail => AnsiColor::Red.on_default(),
        }
    }
}

/// The checks so far.
struct Report {
    symbols: bool,
    failed: usize,
}

impl Report {
    fn say(&mut self, verdict: Verdict, text: &str, hint: Option<&str>) -> Result<(), Failure> {
        self.failed += usize::from(verdict == Verdict::Fail);
        let style = verdict.style();
        output::line(&format!("{style}{}{style:#} {text}", verdict.mark(self.symbols)))?;
        match hint {
            Some(hint) => output::line(&format!("{}hint: {hint}", if self.symbols { "  " } else { "     " })),
            None => Ok(()),
        }
    }

    fn ok(&mut self, text: &str) -> Result<(), Failure> {
        self.say(Verdict::Ok, text, None)
    }

    fn failed(&mut self, verdict: Verdict, what: &str, failure: &Failure) -> Result<(), Failure> {
        self.say(verdict, &format!("{what}: {}", failure.message()), failure.advice())
    }
}

pub(super) async fn run(args: Doctor) -> Result<(), Failure> {
    let symbols = io::stdout().is_terminal() && config::speaks_utf8();
    let mut report = Report { symbols, failed: 0 };
    match args.connection.clone().resolve() {
        Ok(settings) => {
            settings_check(&mut report, &settings)?;
            let session = Session::open(args.connection)?;
            if public_check(&mut report, &session, &settings).await? {
                let caller = token_check(&mut report, &session, &settings).await?;
                if let (Some(_), Ok(project)) = (&caller, session.project(args.project.as_ref())) {
                    project_check(&mut report, &session, project).await?;
                }
                internal_check(&mut report, &session, &settings, caller.as_ref()).await?;
            }
        }
        Err(error) => report.failed(Verdict::Fail, "settings", &error.into())?,
    }
    if let Some(directory) = data_dir_nearby() {
        folder_check(&mut report, &directory)?;
    }
    match report.failed {
        0 => Ok(()),
        1 => Err(Failure::new(Exit::Failure, "1 check failed")),
        number => Err(Failure::new(Exit::Failure, format!("{number} checks failed"))),
    }
}

fn settings_check(report: &mut Report, settings: &ClientSettings) -> Result<(), Failure> {
    match (&settings.context, Contexts::default_path()) {
        (Some(name), Ok(path)) => report.ok(&format!("context {name} from {}", path.display())),
        (Some(_), Err(_)) | (None, _) => report.ok("no context; flags, environment and defaults count"),
    }
}

/// Whether the service answers, so that there is more to ask.
async fn public_check(report: &mut Report, session: &Session, settings: &ClientSettings) -> Result<bool, Failure> {
    let explain = session.explain(&Scope::Deployment);
    let url = &settings.url;
    let asked = now();
    match session.client.livez(Listener::Public).await {
        Ok(date) => {
            report.ok(&format!("regcred answers at {url}"))?;
            if let Some(date) = date {
                clock_check(report, asked, now(), date)?;
            }
        }
        Err(error) => {
            report.failed(Verdict::Fail, "public listener", &explain(error))?;
            return Ok(false);
        }
    }
    match session.client.readyz(Listener::Public).await {
        Ok(()) => report.ok("it is ready")?,
        Err(error) => report.failed(Verdict::Fail, "it is not ready", &explain(error))?,
    }
    Ok(true)
}

/// Compares the service's clock, which tells whole seconds, with the time before and after the call.
fn clock_check(report: &mut Report, before: Timestamp, after: Timestamp, there: Timestamp) -> Result<(), Failure> {
    let skew = skew(before, after, there);
    if skew <= 30 * SECOND {
        return report.ok("its clock agrees with this machine's");
    }
    report.say(
        Verdict::Warn,
        &format!("its clock and this machine's differ by {}", span(skew)),
        Some("expiries go by the service's clock; check that both keep time by NTP"),
    )
}

fn skew(before: Timestamp, after: Timestamp, there: Timestamp) -> i64 {
    let there = there.microseconds();
    (before.microseconds() - there - SECOND).max(there - after.microseconds()).max(0)
}

async fn token_check(
    report: &mut Report,
    session: &Session,
    settings: &ClientSettings,
) -> Result<Option<Whoami>, Failure> {
    if let TokenOrigin::File(path) = &settings.token_origin {
        private_check(report, path, Verdict::Warn)?;
    }
    let caller = match session.client.whoami().await {
        Ok(caller) => caller,
        Err(error) => {
            report.failed(Verdict::Fail, "token", &session.explain(&Scope::Deployment)(error))?;
            return Ok(None);
        }
    };
    let (origin, scope) = (&settings.token_origin, &caller.scope);
    report.ok(&format!("the token from {origin} is '{}', {} of {scope}", caller.name, caller.role))?;
    let left = caller.expires_at.microseconds() - now().microseconds();
    if left > SOON {
        report.ok(&format!("it is good for {}", span(left)))?;
    } else {
        let hint = "make another in time with `regcred token create`";
        report.say(Verdict::Warn, &format!("it is good for {} only", span(left)), Some(hint))?;
    }
    Ok(Some(caller))
}

async fn project_check(report: &mut Report, session: &Session, project: ProjectPath) -> Result<(), Failure> {
    match session.client.project_get(&project).await {
        Ok(_) => report.ok(&format!("project {project} is there")),
        // A deployer may not look, which says nothing about the project.
        Err(error) if error.status() == Some(403) => Ok(()),
        Err(error) => {
            let what = format!("project {project}");
            report.failed(Verdict::Fail, &what, &session.explain(&Scope::Project(project))(error))
        }
    }
}

/// Looks at the data of a server that keeps it on this machine, which need not be the one that answers.
fn folder_check(report: &mut Report, directory: &Path) -> Result<(), Failure> {
    let shown = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    report.ok(&format!("this machine's own data folder is {}", shown.display()))?;
    for name in ["keyring", "operator.token"] {
        private_check(report, &directory.join(name), Verdict::Fail)?;
    }
    if directory.join("regcred.db").exists() && !directory.join("keyring").exists() {
        let hint = "unless the service is given another one, put it back from its backup before you start it";
        report.say(Verdict::Warn, "there is a database in it, and no keyring", Some(hint))?;
    }
    Ok(())
}

async fn internal_check(
    report: &mut Report,
    session: &Session,
    settings: &ClientSettings,
    caller: Option<&Whoami>,
) -> Result<(), Failure> {
    let url = &settings.internal_url;
    // Who neither deploys nor operates has nothing to do there.
    let needed = caller.is_some_and(|caller| matches!(caller.role, Role::Deployer | Role::Operator));
    let verdict = if needed { Verdict::Fail } else { Verdict::Warn };
    match session.client.metrics().await {
        Ok(_) => {
            report.ok(&format!("the internal listener answers at {url}"))?;
            if caller.is_some_and(|caller| caller.role == Role::Operator) {
                match session.client.status().await {
                    Ok(status) => installation::check(report, &status)?,
                    Err(error) => {
                        report.failed(Verdict::Fail, "status", &session.explain(&Scope::Deployment)(error))?;
                    }
                }
            }
            Ok(())
        }
        Err(ClientError::Problem(_) | ClientError::Unexpected { .. }) => report.say(
            Verdict::Fail,
            &format!("what answers at {url} is not the internal listener"),
            Some("name it with --internal-url or REGCRED_INTERNAL_URL; `regcred serve` prints where it is"),
        ),
        Err(error) => report.failed(verdict, "internal listener", &session.explain(&Scope::Deployment)(error)),
    }
}

fn private_check(report: &mut Report, path: &Path, verdict: Verdict) -> Result<(), Failure> {
    let Ok(found) = fs::metadata(path) else { return Ok(()) };
    let shown = path.display();
    let others = found.permissions().mode() & 0o077;
    if others == 0 {
        return report.ok(&format!("{shown} is private"));
    }
    let hint = format!("chmod 600 {}", quoted(&path.to_string_lossy()));
    report.say(verdict, &format!("{shown} can be read by others"), Some(&hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_seconds_and_a_slow_answer_are_no_skew() {
        let time = |text: &str| format!("2027-01-01T00:{text}Z").parse::<Timestamp>().unwrap();
        assert_eq!(skew(time("00:10.9"), time("00:10.95"), time("00:10")), 0);
        assert_eq!(skew(time("00:10"), time("00:25"), time("00:20")), 0);
        assert_eq!(skew(time("00:10"), time("00:10"), time("01:10")), 60 * SECOND);
        assert_eq!(skew(time("01:11"), time("01:11"), time("00:10")), 60 * SECOND);
    }

    #[test]
    fn a_verdict_is_a_word_where_symbols_may_not_show() {
        for verdict in [Verdict::Ok, Verdict::Warn, Verdict::Fail] {
            assert!(verdict.mark(false).is_ascii());
        }
    }
}
