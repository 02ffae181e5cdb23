//! `regcred org`.

use super::{
    clock::{ago, now},
    confirm::ConfirmArgs,
    exit::Exit,
    failure::Failure,
    output::{self, Column, Format, Listed},
    session::Session,
};
use crate::{
    config::client::ClientOptions,
    domain::scope::{Scope, ScopeName},
    http::wire::Organization,
};
use clap::{Args, Subcommand};
use comfy_table::Cell;

pub(super) const EXAMPLES: &str = "\
Examples:
  regcred org create acme
  regcred org list -o json";

/// Works on organizations.
#[derive(Args)]
pub(super) struct Org {
    #[command(subcommand)]
    command: OrgCommand,
    #[command(flatten)]
    connection: ClientOptions,
}

#[derive(Subcommand)]
enum OrgCommand {
    /// Create an organization, if there is none of that name
    #[command(after_help = "Example:\n  regcred org create acme")]
    Create {
        /// Its name: lower-case letters, digits and '-'
        name: ScopeName,
        /// What to print about it
        #[arg(short, long, value_enum, default_value = "name")]
        output: Format,
    },
    /// List the organizations that your token reaches
    #[command(after_help = "Example:\n  regcred org list -o json")]
    List {
        /// How to show them
        #[arg(short, long, value_enum, default_value = "table")]
        output: Format,
    },
    /// Show an organization
    #[command(after_help = "Example:\n  regcred org get acme")]
    Get {
        /// Its name
        name: ScopeName,
        /// How to show it
        #[arg(short, long, value_enum, default_value = "table")]
        output: Format,
    },
    /// Delete an organization that has no projects, with its own credentials and tokens
    ///
    /// Its data key goes too, so nothing that was encrypted under it can be read from this database any more. A backup
    /// that was made before still holds the key, wrapped by the master key.
    #[command(after_help = "Example:\n  regcred org delete acme")]
    Delete {
        /// Its name
        name: ScopeName,
        #[command(flatten)]
        confirm: ConfirmArgs,
    },
}

pub(super) async fn run(args: Org) -> Result<(), Failure> {
    let session = Session::open(args.connection)?;
    let client = &session.client;
    match args.command {
        OrgCommand::Create { name, output } => {
            let made = client.organization_create(&name).await.map_err(session.explain(&Scope::Deployment))?;
            output::one(&made, output)
        }
        OrgCommand::List { output } => {
            let found = client.organization_list_all().await.map_err(session.explain(&Scope::Deployment))?;
            output::warn_unreadable(found.unreadable);
            output::list(&found.items, output, "organizations")
        }
        OrgCommand::Get { name, output } => {
            let scope = Scope::Organization(name.clone());
            let found = client.organization_get(&name).await.map_err(session.explain(&scope))?;
            output::one(&found, output)
        }
        OrgCommand::Delete { name, confirm } => {
            confirm.possible()?;
            let scope = Scope::Organization(name.clone());
            let projects = client.project_list_all(&name).await.map_err(session.explain(&scope))?.items.len();
            if projects > 0 {
                let projects = if projects == 1 { "1 project".to_owned() } else { format!("{projects} projects") };
                return Err(Failure::new(Exit::Conflict, format!("{name} still has {projects}"))
                    .hint(format!("delete them first; see them with `regcred project list {name}`")));
            }
            let ask = async || {
                let own = client.credential_list_all(&scope, None).await.map_err(session.explain(&scope))?.items.len();
                let own = if own == 1 { "1 credential".to_owned() } else { format!("{own} credentials") };
                Ok(format!("Delete organization {name} with {own} for good?"))
            };
            confirm.ask_with(ask).await?;
            client.organization_delete(&name).await.map_err(session.explain(&scope))?;
            output::note(&format!("Deleted organization {name}."));
            Ok(())
        }
    }
}

impl Listed for Organization {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("NAME", |item| Cell::new(&item.name)),
        Column::new("CREATED", |item| Cell::new(ago(item.created_at, now()))),
    ];

    fn name(&self) -> String {
        self.name.clone()
    }
}
