//! `regcred keys`.

use super::{
    clock::{ago, now},
    confirm::ConfirmArgs,
    failure::Failure,
    output::{self, Format, Listed},
    session::{Session, wrong_listener},
};
use crate::{
    client::ClientError,
    config::client::ClientOptions,
    domain::{id::MasterKeyId, scope::Scope},
    http::wire::MasterKey,
};
use clap::{Args, Subcommand};
use comfy_table::{Cell, Color};

/// Works on the master keys.
#[derive(Args)]
pub(super) struct Keys {
    #[command(subcommand)]
    command: KeysCommand,
    #[command(flatten)]
    connection: ClientOptions,
}

pub(super) const EXAMPLES: &str = "\
Rotate the master key:
  id=$(regcred keys add)            a standby key; every process must have it before it is used
  regcred keys list                 is it loaded?
  regcred keys activate \"$id\"       wrap with it from now on
  regcred keys rewrap               wrap anew what the old one wrapped
  regcred keys retire OLD-ID        give the old one up, once it has no data keys left

It takes a token with the role operator, and the internal listener. Keys never leave the server.";

#[derive(Subcommand)]
enum KeysCommand {
    /// List the master keys by name and state
    List {
        /// How to show them
        #[arg(short, long, value_enum, default_value = "table")]
        output: Format,
    },
    /// Make a standby master key
    Add {
        /// What to print about it
        #[arg(short, long, value_enum, default_value = "name")]
        output: Format,
    },
    /// Wrap with a master key from now on
    Activate {
        /// Its identifier
        id: MasterKeyId,
    },
    /// Wrap all data keys anew under the active master key
    Rewrap,
    /// Give a master key up for ever
    ///
    /// What is still wrapped under it, such as in an old backup of the database, can be read no more.
    Retire {
        /// Its identifier
        id: MasterKeyId,
        #[command(flatten)]
        confirm: ConfirmArgs,
    },
}

pub(super) async fn run(args: Keys) -> Result<(), Failure> {
    let session = Session::open(args.connection)?;
    let client = &session.client;
    let explain = |error: ClientError| wrong_listener(session.explain(&Scope::Deployment)(error));
    let explain_one = |error: ClientError| {
        session.explain(&Scope::Deployment)(error)
            .hint_if(super::exit::Exit::NotFound, || "see what there is with `regcred keys list`".to_owned())
    };
    match args.command {
        KeysCommand::List { output } => {
            let found = client.key_list().await.map_err(explain)?;
            output::warn_unreadable(found.unreadable);
            output::list(&found.items, output, "master keys")
        }
        KeysCommand::Add { output } => {
            let made = client.key_add().await.map_err(explain)?;
            output::note("Made a standby key. Back the keyring up before you activate it.");
            output::one(&made, output)
        }
        KeysCommand::Activate { id } => {
            client.key_activate(id).await.map_err(explain_one)?;
            output::note(&format!("Activated {id}. Now wrap anew with `regcred keys rewrap`."));
            Ok(())
        }
        KeysCommand::Rewrap => {
            let done = client.key_rewrap().await.map_err(explain)?;
            output::note(&format!("Wrapped {} data keys anew.", done.rewrapped));
            if done.unreadable > 0 {
                output::note(&format!(
                    "{} do not open and were passed over; the service's log names them.",
                    done.unreadable
                ));
            }
            Ok(())
        }
        KeysCommand::Retire { id, confirm } => {
            confirm.possible()?;
            if !confirm.is_said() {
                let found = client.key_list().await.map_err(explain)?;
                let key = found.items.iter().find(|key| key.id == id.as_uuid());
                let state = key
                    .map_or_else(String::new, |key| format!(" ({}, {} data keys under it)", key.state, key.data_keys));
                confirm.ask(&format!("Give up master key {id}{state} for good?"))?;
            }
            client.key_retire(id).await.map_err(explain_one)?;
            output::note(&format!("Retired {id}."));
            Ok(())
        }
    }
}

impl Listed for MasterKey {
    const HEADER: &'static [&'static str] = &["ID", "STATE", "LOADED", "DATA KEYS", "CREATED"];

    fn name(&self) -> String {
        self.id.to_string()
    }

    fn row(&self) -> Vec<Cell> {
        let color = if self.state == "active" { Color::Green } else { Color::Reset };
        vec![
            Cell::new(self.id),
            output::coloured(&self.state, color),
            Cell::new(if self.loaded { "yes" } else { "no" }),
            Cell::new(self.data_keys),
            Cell::new(ago(self.created_at, now())),
        ]
    }
}
