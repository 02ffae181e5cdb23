//! `regcred token`.

use super::{
    clock::{now, span},
    exit::Exit,
    failure::Failure,
    output::{self, Column, Format, Listed},
    scope::{WideScopeArgs, short},
    session::{Session, called, flag},
};
use crate::{
    client::NewToken,
    config::{client::ClientOptions, private_file},
    domain::{
        id::TokenId,
        permission::Role,
        scope::Scope,
        timestamp::Timestamp,
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
    #[command(after_help = "Example:\n  regcred token list --project acme/shop")]
    List {
        #[command(flatten)]
        scope: WideScopeArgs,
        /// How to show them
        #[arg(short, long, value_enum, default_value = "table")]
        output: Format,
    },
    /// End a token at once
    #[command(after_help = "Example:\n  regcred token revoke 0197a000-0000-7000-8000-000000000001 --project acme/shop")]
    Revoke {
        /// Its identifier
        id: TokenId,
        #[command(flatten)]
        scope: WideScopeArgs,
    },
    /// Say whose token you present
    #[command(after_help = "Example:\n  regcred token whoami --token-file argo.token")]
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
    /// Overwrite that file if it is there
    #[arg(long, requires = "output_file")]
    force: bool,
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
            let whoami = session.client.whoami().await.map_err(session.explain(&Scope::Deployment))?;
            output::one(&whoami, output)
        }
    }
}

async fn create_token(session: &Session, args: &Create) -> Result<(), Failure> {
    let scope = args.scope.scope(session)?;
    // Before the token is made: one whose text lies nowhere would have to be revoked.
    if let Some(path) = args.output_file.as_deref().filter(|path| !args.force && path.symlink_metadata().is_ok()) {
        return Err(Failure::new(Exit::Conflict, format!("{} is there already, perhaps with a token", path.display()))
            .hint("name another file, or overwrite it with --force"));
    }
    let new = NewToken { name: &args.name, role: args.role, expires_in_days: args.expires_in_days };
    let made = session.client.token_create(&scope, &new).await.map_err(|error| {
        let failure = session.explain(&scope)(error);
        if args.role == Role::Operator && scope != Scope::Deployment {
            failure
                .hint_if(Exit::NotPermitted, || "an operator is one of the whole deployment: --deployment".to_owned())
        } else {
            failure
        }
    })?;
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

fn left(end: Timestamp) -> Cell {
    let left = end.microseconds() - now().microseconds();
    if left > 0 { Cell::new(span(left)) } else { output::coloured("expired", Color::Yellow) }
}

impl Listed for Token {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("ID", |token| Cell::new(token.id)),
        Column::new("NAME", |token| Cell::new(&token.name)),
        Column::new("ROLE", |token| Cell::new(token.role)),
        Column::narrow("SCOPE", |token| Cell::new(short(&token.scope))),
        Column::wide("SCOPE", |token| Cell::new(&token.scope)),
        Column::narrow("EXPIRES", |token| left(token.expires_at)),
        Column::wide("EXPIRES", |token| Cell::new(token.expires_at)),
        Column::wide("CREATED", |token| Cell::new(token.created_at)),
    ];

    fn name(&self) -> String {
        self.id.to_string()
    }
}

impl Listed for Whoami {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("TOKEN", |caller| Cell::new(caller.token_id)),
        Column::new("NAME", |caller| Cell::new(&caller.name)),
        Column::new("ROLE", |caller| Cell::new(caller.role)),
        Column::narrow("SCOPE", |caller| Cell::new(short(&caller.scope))),
        Column::wide("SCOPE", |caller| Cell::new(&caller.scope)),
        Column::narrow("EXPIRES", |caller| left(caller.expires_at)),
        Column::wide("EXPIRES", |caller| Cell::new(caller.expires_at)),
    ];

    fn name(&self) -> String {
        self.token_id.to_string()
    }
}
