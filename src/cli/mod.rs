//! The command line. One file a noun; what they share has a file of its own.
//!
//! A command reads its settings ([`crate::config`]), calls the service ([`crate::client`]) and shows what came back
//! ([`output`]). Data goes to standard output and talk to standard error; a [`Failure`] says what went wrong, has one
//! exit code and at most one hint. Nothing here speaks HTTP, and nothing but `serve` touches the service itself.

#![expect(clippy::doc_markdown, reason = "the comments of arguments are help texts, which know no Markdown")]

mod add;
mod audit;
mod backup;
mod clock;
mod config;
mod confirm;
mod credential;
mod delete;
mod doctor;
mod exit;
mod failure;
mod get;
mod import;
mod keys;
mod list;
mod migrate;
mod org;
mod output;
mod password;
mod progress;
mod project;
mod pull_secret;
mod resolve;
mod restore;
mod scope;
mod serve;
mod session;
mod token;
mod update;
mod verify;

pub use exit::Exit;
pub use failure::Failure;

use clap::{
    Args, CommandFactory as _, Parser, Subcommand,
    error::{ContextKind, ContextValue, ErrorKind},
};

const ABOUT: &str = "\
Keeps the container-registry credentials of a platform's projects, encrypted, and hands deployers the pull secrets \
they need.

Start a service with `regcred serve`; it says what to type next. Every other command talks to a service, at \
http://127.0.0.1:8080 unless told otherwise by --url, REGCRED_URL or a context (`regcred config`).";

/// What was typed.
#[derive(Parser)]
#[command(
    name = "regcred",
    version,
    about = "Keeps container-registry credentials, encrypted, and hands out pull secrets",
    long_about = ABOUT,
    after_help = Exit::help(),
    propagate_version = false,
    max_term_width = 110
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Add a credential to a project or organization
    #[command(after_help = add::EXAMPLES)]
    Add(Box<add::Add>),
    /// List the credentials of a project or organization
    #[command(after_help = list::EXAMPLES, visible_alias = "ls")]
    List(list::List),
    /// Show a credential, without its password
    #[command(after_help = get::EXAMPLES)]
    Get(get::Get),
    /// Change a credential, such as its password
    #[command(after_help = update::EXAMPLES)]
    Update(Box<update::Update>),
    /// Try credentials at their registries
    #[command(after_help = verify::EXAMPLES)]
    Verify(verify::Verify),
    /// Delete a credential
    #[command(after_help = delete::EXAMPLES, visible_alias = "rm")]
    Delete(delete::Delete),
    /// Bring in what docker, podman or Kubernetes has already
    #[command(after_help = import::EXAMPLES)]
    Import(Box<import::Import>),
    /// Print what a project needs to pull its images, as a docker configuration
    #[command(after_help = pull_secret::EXAMPLES)]
    PullSecret(pull_secret::PullSecretArgs),
    /// Tell which login an image gets, and why
    #[command(after_help = resolve::EXAMPLES)]
    Resolve(resolve::Resolve),
    /// Create, list, show and delete organizations
    #[command(after_help = org::EXAMPLES)]
    Org(org::Org),
    /// Create, list, show and delete projects
    #[command(after_help = project::EXAMPLES)]
    Project(project::ProjectArgs),
    /// Make, list and revoke API tokens
    #[command(after_help = token::EXAMPLES)]
    Token(token::TokenArgs),
    /// Read, export and prune the audit log
    #[command(after_help = audit::EXAMPLES)]
    Audit(audit::Audit),
    /// List and rotate the master keys
    #[command(after_help = keys::EXAMPLES)]
    Keys(keys::Keys),
    /// Keep the services that you work with under names
    #[command(after_help = config::EXAMPLES)]
    Config(config::Config),
    /// Check settings, connection and token, and say what is wrong
    #[command(after_help = doctor::EXAMPLES)]
    Doctor(doctor::Doctor),
    /// Run the service
    #[command(after_help = serve::EXAMPLES)]
    Serve(Box<serve::Serve>),
    /// Bring the database's tables up to date
    #[command(after_help = migrate::EXAMPLES)]
    Migrate(Box<migrate::Migrate>),
    /// Write everything that is stored into one file, sealed as it is
    #[command(after_help = backup::EXAMPLES)]
    Backup(Box<backup::Backup>),
    /// Put a backup into an empty database
    #[command(after_help = restore::EXAMPLES)]
    Restore(Box<restore::Restore>),
    /// Print a completion script for a shell
    #[command(after_help = COMPLETIONS)]
    Completions(Completions),
}

const COMPLETIONS: &str = "\
Examples:
  regcred completions bash > ~/.local/share/bash-completion/completions/regcred
  regcred completions zsh > \"${fpath[1]}/_regcred\"
  regcred completions fish > ~/.config/fish/completions/regcred.fish";

#[derive(Args)]
struct Completions {
    /// The shell
    shell: clap_complete::Shell,
}

impl Cli {
    /// Reads the command line. Where it asks for help or cannot be read, the process ends here.
    #[must_use]
    pub fn read() -> Self {
        Self::try_parse().unwrap_or_else(|error| without_values(error).exit())
    }
}

/// The refusal of a command line without the value that it is about, which may hold a password, as in
/// `--server https://bot:password@host` or `--password-stdin password`. Misspelt flags and words of a list stay.
fn without_values(mut error: clap::Error) -> clap::Error {
    let context = match error.kind() {
        ErrorKind::ValueValidation | ErrorKind::TooManyValues => ContextKind::InvalidValue,
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        _ => return error,
    };
    if matches!(error.get(context), Some(ContextValue::String(text)) if !text.starts_with('-')) {
        error.insert(context, ContextValue::String("...".to_owned()));
    }
    error
}

/// Does what was typed, and tells on standard error what went wrong.
pub async fn run(cli: Cli) -> Exit {
    match dispatch(cli.command).await {
        Ok(()) => Exit::Success,
        Err(failure) => failure.report(),
    }
}

async fn dispatch(command: Command) -> Result<(), Failure> {
    match command {
        Command::Add(args) => add::run(*args).await,
        Command::List(args) => list::run(args).await,
        Command::Get(args) => get::run(args).await,
        Command::Update(args) => update::run(*args).await,
        Command::Verify(args) => verify::run(args).await,
        Command::Delete(args) => delete::run(args).await,
        Command::Import(args) => import::run(*args).await,
        Command::PullSecret(args) => pull_secret::run(args).await,
        Command::Resolve(args) => resolve::run(args).await,
        Command::Org(args) => org::run(args).await,
        Command::Project(args) => project::run(args).await,
        Command::Token(args) => token::run(args).await,
        Command::Audit(args) => audit::run(args).await,
        Command::Keys(args) => keys::run(args).await,
        Command::Config(args) => config::run(args),
        Command::Doctor(args) => doctor::run(args).await,
        Command::Serve(args) => serve::run(*args).await,
        Command::Migrate(args) => migrate::run(*args).await,
        Command::Backup(args) => backup::run(*args).await,
        Command::Restore(args) => restore::run(*args).await,
        Command::Completions(args) => {
            let mut script = Vec::new();
            clap_complete::generate(args.shell, &mut Cli::command(), "regcred", &mut script);
            output::data(&script)
        }
    }
}

#[cfg(test)]
mod tests;
