//! `regcred org`.

use super::{
    clock::{ago, now},
    confirm::ConfirmArgs,
    failure::Failure,
    output::{self, Format, Listed},
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
    Create {
        /// Its name: lower-case letters, digits and '-'
        name: ScopeName,
        /// What to print about it
        #[arg(short, long, value_enum, default_value = "name")]
        output: Format,
    },
    /// List the organizations that your token reaches
    List {
        /// How to show them
        #[arg(short, long, value_enum, default_value = "table")]
        output: Format,
    },
    /// Show an organization
    Get {
        /// Its name
        name: ScopeName,
        /// How to show it
        #[arg(short, long, value_enum, default_value = "table")]
        output: Format,
    },
    /// Delete an organization with its projects, credentials and tokens
    ///
    /// Its key is destroyed too: what was encrypted under it can be read no more, not even from a backup of the database.
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
            if !confirm.is_said() {
                let projects = client.project_list_all(&name).await.map_err(session.explain(&scope))?.items.len();
                let projects = if projects == 1 { "1 project".to_owned() } else { format!("{projects} projects") };
                confirm.ask(&format!("Delete organization {name} with {projects} and all credentials for good?"))?;
            }
            client.organization_delete(&name).await.map_err(session.explain(&scope))?;
            output::note(&format!("Deleted organization {name}."));
            Ok(())
        }
    }
}

impl Listed for Organization {
    const HEADER: &'static [&'static str] = &["NAME", "CREATED"];

    fn name(&self) -> String {
        self.name.clone()
    }

    fn row(&self) -> Vec<Cell> {
        vec![Cell::new(&self.name), Cell::new(ago(self.created_at, now()))]
    }
}
