//! `regcred keys`.

use super::{
    clock::{ago, now},
    confirm::ConfirmArgs,
    exit::Exit,
    failure::{Failure, with_cause},
    output::{self, Column, Format, Listed},
    session::Session,
};
use crate::{config::client::ClientOptions, domain::id::MasterKeyId, http::wire::MasterKey, lifecycle};
use clap::{Args, Subcommand, ValueHint};
use comfy_table::{Cell, Color};
use std::path::PathBuf;

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
  id=$(regcred keys add)            a standby key, in the keyring file of the process that answers
  regcred keys list                 is it loaded? Every replica must hold it before it is used: copy the file to those that
                                    do not share it, they read it again within seconds
  regcred keys activate \"$id\"       wrap with it from now on
  regcred keys rewrap               wrap anew what the old one wrapped
  regcred keys retire OLD-ID        give the old one up, once it has no data keys left

It takes a token with the role operator, and the internal listener. Keys never leave the server.

Where the keyring file cannot be written by the service, such as a Kubernetes Secret, make the standby key with
`regcred keys generate --add-to FILE` and give every replica that file.";

#[derive(Subcommand)]
enum KeysCommand {
    /// List the master keys by name and state
    #[command(after_help = "Example:\n  regcred keys list")]
    List {
        /// How to show them
        #[arg(short, long, value_enum, default_value = "table")]
        output: Format,
    },
    /// Make a keyring, without a service
    ///
    /// Prints a keyring with one new master key, for the first start of replicas; or adds a master key to a keyring file and
    /// prints its identifier, for a rotation.
    #[command(after_help = "Examples:\n  regcred keys generate > keyring\n  regcred keys generate --add-to keyring")]
    Generate {
        /// Keyring file to add the key to
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        add_to: Option<PathBuf>,
    },
    /// Make a standby master key
    #[command(after_help = "Example:\n  regcred keys add")]
    Add {
        /// What to print about it
        #[arg(short, long, value_enum, default_value = "name")]
        output: Format,
    },
    /// Wrap with a master key from now on
    #[command(after_help = "Example:\n  regcred keys activate 0197a000-0000-7000-8000-000000000001")]
    Activate {
        /// Its identifier
        id: MasterKeyId,
    },
    /// Wrap all data keys anew under the active master key
    #[command(after_help = "Example:\n  regcred keys rewrap")]
    Rewrap,
    /// Give a master key up for ever
    ///
    /// What is still wrapped under it, such as in an old backup of the database, can be read no more.
    #[command(after_help = "Example:\n  regcred keys retire 0197a000-0000-7000-8000-000000000001")]
    Retire {
        /// Its identifier
        id: MasterKeyId,
        #[command(flatten)]
        confirm: ConfirmArgs,
    },
}

pub(super) async fn run(args: Keys) -> Result<(), Failure> {
    if let KeysCommand::Generate { add_to } = &args.command {
        let text = lifecycle::generate_keyring(add_to.as_deref());
        let text = text.map_err(|error| Failure::new(Exit::Failure, with_cause(&error)))?;
        output::note("Back the keyring up, apart from the database: without it nothing that is stored can be opened.");
        return output::data(text.as_bytes());
    }
    let session = Session::open(args.connection)?;
    let client = &session.client;
    let explain = session.explain_internal(None);
    match args.command {
        KeysCommand::Generate { .. } => Ok(()),
        KeysCommand::List { output } => {
            let found = client.key_list().await.map_err(&explain)?;
            output::warn_unreadable(found.unreadable);
            output::list(&found.items, output, "master keys")
        }
        KeysCommand::Add { output } => {
            let made = client.key_add().await.map_err(&explain)?;
            output::note("Made a standby key. Back the keyring up before you activate it.");
            output::one(&made, output)
        }
        KeysCommand::Activate { id } => {
            client.key_activate(id).await.map_err(&explain)?;
            output::note(&format!("Activated {id}. Now wrap anew with `regcred keys rewrap`."));
            Ok(())
        }
        KeysCommand::Rewrap => {
            let done = client.key_rewrap().await.map_err(&explain)?;
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
            let ask = async || {
                let found = client.key_list().await.map_err(&explain)?;
                let key = found.items.iter().find(|key| key.id == id.as_uuid());
                let state = key
                    .map_or_else(String::new, |key| format!(" ({}, {} data keys under it)", key.state, key.data_keys));
                Ok(format!("Give up master key {id}{state} for good?"))
            };
            confirm.ask_with(ask).await?;
            client.key_retire(id).await.map_err(&explain)?;
            output::note(&format!("Retired {id}."));
            Ok(())
        }
    }
}

impl Listed for MasterKey {
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("ID", |item| Cell::new(item.id)),
        Column::new("STATE", |item| {
            output::coloured(&item.state, if item.state == "active" { Color::Green } else { Color::Reset })
        }),
        Column::new("LOADED", |item| {
            let missing = (!item.lacking.is_empty()).then(|| format!("not on {}", item.lacking.join(", ")));
            Cell::new(missing.unwrap_or_else(|| if item.loaded { "yes" } else { "no" }.to_owned()))
        }),
        Column::new("DATA KEYS", |item| Cell::new(item.data_keys)),
        Column::new("CREATED", |item| Cell::new(ago(item.created_at, now()))),
    ];

    fn name(&self) -> String {
        self.id.to_string()
    }
}
