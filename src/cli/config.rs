//! `regcred config`.

use super::{failure::Failure, output};
use crate::{
    client::{BaseUrl, PlainHttp},
    config::{
        ConfigError,
        client::{ClientOptions, Context, Contexts},
    },
    domain::scope::ProjectPath,
};
use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

/// Works on contexts.
#[derive(Args)]
pub(super) struct Config {
    #[command(subcommand)]
    command: ConfigCommand,
}

pub(super) const EXAMPLES: &str = "\
Examples:
  regcred config set-context work --url https://regcred.acme.example --project acme/shop \\
    --token-file ~/.config/regcred/work.token
  regcred config use-context work
  regcred config show

Contexts are kept in $XDG_CONFIG_HOME/regcred/config.toml, or ~/.config/regcred/config.toml.
A context holds no token, only the name of its file.";

#[derive(Subcommand)]
enum ConfigCommand {
    /// Show the settings in effect, and where the token comes from
    #[command(after_help = "Example:\n  regcred config show --context work")]
    Show {
        #[command(flatten)]
        connection: ClientOptions,
    },
    /// Make a context, or change what is named of it; the first one becomes current
    #[command(
        after_help = "Example:\n  regcred config set-context work --url https://regcred.acme.example --project acme/shop"
    )]
    SetContext {
        /// Its name
        name: String,
        /// URL of the public listener
        #[arg(long)]
        url: Option<BaseUrl>,
        /// URL of the internal listener
        #[arg(long, value_name = "URL")]
        internal_url: Option<BaseUrl>,
        /// The project to work on
        #[arg(short, long, value_name = "ORG/PROJECT", value_hint = ValueHint::Other)]
        project: Option<ProjectPath>,
        /// File with the token to present
        #[arg(long, value_name = "FILE")]
        token_file: Option<PathBuf>,
    },
    /// Make a context the current one
    #[command(after_help = "Example:\n  regcred config use-context work")]
    UseContext {
        /// Its name
        name: String,
    },
    /// List the contexts; a star marks the current one
    #[command(after_help = "Example:\n  regcred config list-contexts")]
    ListContexts,
    /// Delete a context
    #[command(after_help = "Example:\n  regcred config delete-context work")]
    DeleteContext {
        /// Its name
        name: String,
    },
}

pub(super) fn run(args: Config) -> Result<(), Failure> {
    match args.command {
        ConfigCommand::Show { connection } => show(connection),
        ConfigCommand::SetContext { name, url, internal_url, project, token_file } => {
            // The file must be found from wherever the context is used.
            let token_file = token_file
                .map(std::path::absolute)
                .transpose()
                .map_err(|error| Failure::usage(format!("the token file's path cannot be made absolute: {error}")))?;
            let changed = Context { url, internal_url, project, token_file };
            edit(|contexts| {
                set(contexts, &name, changed);
                Ok(if contexts.current.as_ref() == Some(&name) {
                    format!("Context {name} is set, and current.")
                } else {
                    format!("Context {name} is set; make it current with `regcred config use-context {name}`.")
                })
            })
        }
        ConfigCommand::UseContext { name } => edit(|contexts| {
            contexts.get(&name)?;
            contexts.current = Some(name.clone());
            Ok(format!("Context {name} is current."))
        }),
        ConfigCommand::ListContexts => list(),
        ConfigCommand::DeleteContext { name } => edit(|contexts| {
            contexts.get(&name)?;
            contexts.contexts.remove(&name);
            let was_current = contexts.current.take_if(|current| *current == name).is_some();
            Ok(format!("Context {name} is deleted{}.", if was_current { "; none is current now" } else { "" }))
        }),
    }
}

fn edit(change: impl FnOnce(&mut Contexts) -> Result<String, ConfigError>) -> Result<(), Failure> {
    let path = Contexts::default_path()?;
    let mut contexts = Contexts::read(&path)?;
    let told = change(&mut contexts)?;
    contexts.write(&path)?;
    output::note(&told);
    Ok(())
}

fn set(contexts: &mut Contexts, name: &str, changed: Context) {
    // Where there are others, whoever makes one more goes on with what is current, even if nothing is.
    if contexts.contexts.is_empty() {
        contexts.current = Some(name.to_owned());
    }
    let context = contexts.contexts.entry(name.to_owned()).or_default();
    let old = std::mem::take(context);
    *context = Context {
        url: changed.url.or(old.url),
        internal_url: changed.internal_url.or(old.internal_url),
        project: changed.project.or(old.project),
        token_file: changed.token_file.or(old.token_file),
    };
}

fn list() -> Result<(), Failure> {
    let contexts = Contexts::read(&Contexts::default_path()?)?;
    if contexts.contexts.is_empty() {
        output::note("No contexts.");
        return Ok(());
    }
    let rows = contexts.contexts.iter().map(|(name, context)| {
        let current = if contexts.current.as_ref() == Some(name) { "*" } else { "" };
        let url = context.url.as_ref().map(ToString::to_string);
        let project = context.project.as_ref().map(ToString::to_string);
        vec![
            current.into(),
            name.into(),
            output::or_dash(url.as_deref()),
            output::or_dash(project.as_deref()),
            output::or_dash(context.token_file.as_ref().map(|path| path.to_string_lossy()).as_deref()),
        ]
    });
    output::line(&output::table(&["CURRENT", "NAME", "URL", "PROJECT", "TOKEN FILE"], rows))
}

fn show(connection: ClientOptions) -> Result<(), Failure> {
    let settings = connection.resolve()?;
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
    output::fields(&[
        ("context", or_none(settings.context)),
        ("url", settings.url.to_string()),
        ("internal url", settings.internal_url.to_string()),
        ("project", or_none(settings.project.map(|project| project.to_string()))),
        ("token from", settings.token_origin.to_string()),
        (
            "plain http",
            match settings.plain_http {
                PlainHttp::LoopbackOnly => "loopback only".to_owned(),
                PlainHttp::Anywhere => "anywhere (insecure)".to_owned(),
            },
        ),
        ("contexts in", Contexts::default_path().map_or_else(|_| "none".to_owned(), |path| path.display().to_string())),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_a_context_keeps_what_is_not_named_and_the_first_is_current() {
        let mut contexts = Contexts::default();
        let url: Option<BaseUrl> = "https://work.example".parse().ok();
        set(&mut contexts, "work", Context { url: url.clone(), ..Context::default() });
        set(&mut contexts, "lab", Context::default());
        contexts.current = None;
        set(&mut contexts, "third", Context::default());
        assert_eq!(contexts.current, None, "nothing becomes current by the way");
        contexts.current = Some("work".to_owned());
        set(&mut contexts, "work", Context { project: "acme/shop".parse().ok(), ..Context::default() });
        assert_eq!(contexts.current.as_deref(), Some("work"));
        assert_eq!(contexts.contexts["work"].url, url);
        assert!(contexts.contexts["work"].project.is_some());
    }
}
