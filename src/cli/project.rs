//! `regcred project`.

use super::{
    clock::{ago, now},
    confirm::ConfirmArgs,
    failure::Failure,
    output::{self, Column, Format, Listed},
    session::Session,
};
use crate::{
    config::client::ClientOptions,
    domain::scope::{ProjectPath, Scope, ScopeName},
    http::wire::Project,
};
use clap::{Args, Subcommand};
use comfy_table::Cell;

pub(super) const EXAMPLES: &str = "\
Examples:
  regcred project create acme/shop
  regcred project list acme";

/// Works on projects.
#[derive(Args)]
pub(super) struct ProjectArgs {
    #[command(subcommand)]
    command: ProjectCommand,
    #[command(flatten)]
    connection: ClientOptions,
}

#[derive(Subcommand)]
enum ProjectCommand {
    /// Create a project, if there is none of that name
    #[command(after_help = "Example:\n  regcred project create acme/shop")]
    Create {
        /// Its name with its organization's, such as acme/shop
        #[arg(value_name = "ORG/PROJECT")]
        project: ProjectPath,
        /// What to print about it
        #[arg(short, long, value_enum, default_value = "name")]
        output: Format,
    },
    /// List the projects of an organization that your token reaches
    #[command(after_help = "Example:\n  regcred project list acme")]
    List {
        /// The organization
        org: ScopeName,
        /// How to show them
        #[arg(short, long, value_enum, default_value = "table")]
        output: Format,
    },
    /// Show a project
    #[command(after_help = "Example:\n  regcred project get acme/shop")]
    Get {
        /// Its name with its organization's, such as acme/shop
        #[arg(value_name = "ORG/PROJECT")]
        project: ProjectPath,
        /// How to show it
        #[arg(short, long, value_enum, default_value = "table")]
        output: Format,
    },
    /// Delete a project with its credentials and tokens
    ///
    /// Its data key goes too, so nothing that was encrypted under it can be read from this database any more. A backup
    /// that was made before still holds the key, wrapped by the master key.
    #[command(after_help = "Example:\n  regcred project delete acme/shop --yes")]
    Delete {
        /// Its name with its organization's, such as acme/shop
        #[arg(value_name = "ORG/PROJECT")]
        project: ProjectPath,
        #[command(flatten)]
        confirm: ConfirmArgs,
    },
}

pub(super) async fn run(args: ProjectArgs) -> Result<(), Failure> {
    let session = Session::open(args.connection)?;
    let client = &session.client;
    match args.command {
        ProjectCommand::Create { project, output } => {
            let organization = Scope::Organization(project.organization.clone());
            let made = client.project_create(&project).await.map_err(session.explain(&organization))?;
            output::one(&made, output)
        }
        ProjectCommand::List { org, output } => {
            let scope = Scope::Organization(org.clone());
            let found = client.project_list_all(&org).await.map_err(session.explain(&scope))?;
            output::warn_unreadable(found.unreadable);
            output::list(&found.items, output, &format!("projects in {org}"))
        }
        ProjectCommand::Get { project, output } => {
            let scope = Scope::Project(project.clone());
            let found = client.project_get(&project).await.map_err(session.explain(&scope))?;
            output::one(&found, output)
        }
        ProjectCommand::Delete { project, confirm } => {
            let scope = Scope::Project(project.clone());
            let ask = async || {
                let found = client.credential_list_all(&scope, None).await.map_err(session.explain(&scope))?;
                let own = found.items.iter().filter(|item| !item.inherited).count();
                let own = if own == 1 { "1 credential".to_owned() } else { format!("{own} credentials") };
                Ok(format!("Delete project {project} with {own} for good?"))
            };
            confirm.ask_with(ask).await?;
            client.project_delete(&project).await.map_err(session.explain(&scope))?;
            output::note(&format!("Deleted project {project}."));
            Ok(())
        }
    }
}

impl Listed for Project {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("NAME", |item| Cell::new(Listed::name(item))),
        Column::new("CREATED", |item| Cell::new(ago(item.created_at, now()))),
    ];

    fn name(&self) -> String {
        format!("{}/{}", self.organization, self.name)
    }
}
