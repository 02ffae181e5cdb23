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
use std::path::{Path, PathBuf};

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
    let session = || Session::open(args.connection);
    match args.command {
        KeysCommand::Generate { add_to } => generate(add_to.as_deref()),
        KeysCommand::List { output } => list(output, &session()?).await,
        KeysCommand::Add { output } => add(output, &session()?).await,
        KeysCommand::Activate { id } => activate(id, &session()?).await,
        KeysCommand::Rewrap => rewrap(&session()?).await,
        KeysCommand::Retire { id, confirm } => retire(id, &confirm, &session()?).await,
    }
}

fn generate(add_to: Option<&Path>) -> Result<(), Failure> {
    let text = lifecycle::generate_keyring(add_to);
    let text = text.map_err(|error| Failure::new(Exit::Failure, with_cause(&error)))?;
    output::note("Back the keyring up, apart from the database: without it nothing that is stored can be opened.");
    output::data(text.as_bytes())
}

async fn list(format: Format, session: &Session) -> Result<(), Failure> {
    let found = session.client.key_list().await.map_err(session.explain_internal(None))?;
    output::warn_unreadable(found.unreadable);
    output::list(&found.items, format, "master keys")
}

async fn add(format: Format, session: &Session) -> Result<(), Failure> {
    let made = session.client.key_add().await.map_err(session.explain_internal(None))?;
    output::note("Made a standby key. Back the keyring up before you activate it.");
    output::one(&made, format)
}

async fn activate(id: MasterKeyId, session: &Session) -> Result<(), Failure> {
    session.client.key_activate(id).await.map_err(session.explain_internal(None))?;
    output::note(&format!("Activated {id}. Now wrap anew with `regcred keys rewrap`."));
    Ok(())
}

async fn rewrap(session: &Session) -> Result<(), Failure> {
    let done = session.client.key_rewrap().await.map_err(session.explain_internal(None))?;
    output::note(&format!("Wrapped {} data keys anew.", done.rewrapped));
    if done.unreadable > 0 {
        output::note(&format!("{} do not open and were passed over; the service's log names them.", done.unreadable));
    }
    Ok(())
}

async fn retire(id: MasterKeyId, confirm: &ConfirmArgs, session: &Session) -> Result<(), Failure> {
    let explain = session.explain_internal(None);
    let ask = async || {
        let found = session.client.key_list().await.map_err(&explain)?;
        let key = found.items.iter().find(|key| key.id == id.as_uuid());
        let state =
            key.map_or_else(String::new, |key| format!(" ({}, {} data keys under it)", key.state, key.data_keys));
        Ok(format!("Give up master key {id}{state} for good?"))
    };
    confirm.ask_with(ask).await?;
    session.client.key_retire(id).await.map_err(&explain)?;
    output::note(&format!("Retired {id}."));
    Ok(())
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
