//! `regcred token`.

use super::{
    clock::{now, span},
    exit::Exit,
    failure::Failure,
    output::{self, Format, Listed},
    scope::WideScopeArgs,
    session::{Session, called, flag},
};
use crate::{
    client::NewToken,
    config::{client::ClientOptions, private_file},
    domain::{
        id::TokenId,
        permission::Role,
        token::{TokenName, TokenText},
    },
    http::wire::{Token, Whoami},
};
use clap::{
    Args, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use comfy_table::{Cell, Color};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Works on API tokens.
#[derive(Args)]
pub(super) struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
    #[command(flatten)]
    connection: ClientOptions,
}

pub(super) const EXAMPLES: &str = "\
Examples:
  regcred token create --project acme/shop --name argo --role deployer --output-file argo.token
  regcred token list --project acme/shop
  regcred token whoami --token-file argo.token";

const CREATE_EXAMPLES: &str = "\
Examples:
  regcred token create --project acme/shop --name argo --role deployer --output-file argo.token
  regcred token create --org acme --name ci --role editor --expires-in-days 30 > ci.token

Roles:
  viewer    sees what there is, never a secret
  editor    adds, changes and deletes credentials; never reads a secret
  deployer  fetches pull secrets, and nothing else
  admin     an editor who also makes projects and tokens
  auditor   sees what there is, and reads the audit log
  operator  runs the whole deployment; cannot read secrets";

#[derive(Subcommand)]
enum TokenCommand {
    /// Make a token and print its text, which cannot be shown again
    #[command(after_help = CREATE_EXAMPLES)]
    Create(Create),
    /// List tokens, without their texts
    List {
        #[command(flatten)]
        scope: WideScopeArgs,
        /// How to show them
        #[arg(short, long, value_enum, default_value = "table")]
        output: Format,
    },
    /// End a token at once
    Revoke {
        /// Its identifier
        id: TokenId,
        #[command(flatten)]
        scope: WideScopeArgs,
    },
    /// Say whose token you present
    Whoami {
        /// How to show it
        #[arg(short, long, value_enum, default_value = "table")]
        output: Format,
    },
}

#[derive(Args)]
struct Create {
    #[command(flatten)]
    scope: WideScopeArgs,
    /// What people will call it
    #[arg(long)]
    name: TokenName,
    /// What it is for
    #[arg(long, value_parser = PossibleValuesParser::new(Role::ALL.map(Role::name)).try_map(|text| text.parse::<Role>()))]
    role: Role,
    /// How many days it is good, 1 to 3650 [default: 90]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
    expires_in_days: Option<u32>,
    /// Write the text to a file (mode 0600) instead of standard output
    #[arg(long, value_name = "FILE")]
    output_file: Option<PathBuf>,
}

pub(super) async fn run(args: TokenArgs) -> Result<(), Failure> {
    let session = Session::open(args.connection)?;
    match args.command {
        TokenCommand::Create(create) => create_token(&session, &create).await,
        TokenCommand::List { scope, output } => {
            let scope = scope.scope(&session)?;
            let found = session.client.token_list_all(&scope).await.map_err(session.explain(&scope))?;
            output::warn_unreadable(found.unreadable);
            output::list(&found.items, output, &format!("tokens of {}", called(&scope)))
        }
        TokenCommand::Revoke { id, scope } => {
            let scope = scope.scope(&session)?;
            session.client.token_revoke(&scope, id).await.map_err(|error| {
                let hint = || format!("see what there is with `regcred token list{}`", flag(&scope));
                session.explain(&scope)(error).hint_if(Exit::NotFound, hint)
            })?;
            output::note(&format!("Revoked token {id} of {}.", called(&scope)));
            Ok(())
        }
        TokenCommand::Whoami { output } => {
            let scope = crate::domain::scope::Scope::Deployment;
            output::one(&session.client.whoami().await.map_err(session.explain(&scope))?, output)
        }
    }
}

async fn create_token(session: &Session, args: &Create) -> Result<(), Failure> {
    let scope = args.scope.scope(session)?;
    let new = NewToken { name: &args.name, role: args.role, expires_in_days: args.expires_in_days };
    let made = session.client.token_create(&scope, &new).await.map_err(session.explain(&scope))?;
    // The text first: whatever happens after it must not lose the only copy.
    hand_over(&made.token, args.output_file.as_deref()).map_err(|failure| {
        failure.hint_if(Exit::Failure, || {
            format!("its text is lost; end it with `regcred token revoke {}{}`", made.id, flag(&scope))
        })
    })?;
    output::note(&format!(
        "Made token {} ({}, {} of {}), good until {}.",
        made.id,
        made.name,
        made.role,
        called(&scope),
        made.expires_at
    ));
    if let Some(path) = &args.output_file {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let path = super::session::quoted(&path.to_string_lossy());
        output::note(&format!("Its text is in {path}. Use it with: export REGCRED_TOKEN_FILE={path}"));
    }
    Ok(())
}

fn hand_over(token: &TokenText, file: Option<&Path>) -> Result<(), Failure> {
    let text = Zeroizing::new(format!("{}\n", token.expose()));
    match file {
        Some(path) => Ok(private_file::write(path, text.as_bytes())?),
        None => output::data(text.as_bytes()),
    }
}

impl Listed for Token {
    const HEADER: &'static [&'static str] = &["ID", "NAME", "ROLE", "SCOPE", "EXPIRES"];

    fn name(&self) -> String {
        self.id.to_string()
    }

    fn row(&self) -> Vec<Cell> {
        let left = self.expires_at.microseconds() - now().microseconds();
        let expires = if left > 0 { Cell::new(span(left)) } else { output::coloured("expired", Color::Yellow) };
        vec![Cell::new(self.id), Cell::new(&self.name), Cell::new(self.role), Cell::new(&self.scope), expires]
    }
}

impl Listed for Whoami {
    const HEADER: &'static [&'static str] = &["TOKEN", "NAME", "ROLE", "SCOPE"];

    fn name(&self) -> String {
        self.token_id.to_string()
    }

    fn row(&self) -> Vec<Cell> {
        vec![Cell::new(self.token_id), Cell::new(&self.name), Cell::new(self.role), Cell::new(&self.scope)]
    }
}
