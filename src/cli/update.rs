//! `regcred update`.

use super::{
    clock::{End, now},
    credential::{
        CredentialName, IfMatch, ca_certificates, explain_conflict, if_stale, kind_parser, list_hint, show_warnings,
        title,
    },
    exit::Exit,
    failure::Failure,
    output::{self, Format},
    password::{PasswordArgs, can_ask},
    scope::ScopeArgs,
    session::{Session, called},
};
use crate::{
    client::{Change, CredentialChange},
    config::client::ClientOptions,
    domain::{
        check::CaCertificates,
        credential::{Email, Username},
        kind::RegistryKind,
        secret::Password,
        server::{ImagePrefix, StatedServer},
    },
};
use clap::{Args, ValueEnum, ValueHint};
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = "\
Examples:
  Rotate the password, asking for it:
    regcred update ghcr.io --project acme/shop

  Rotate it in a script:
    new-password | regcred update ghcr.io -p acme/shop --password-stdin

  Switch it off, and make it never expire:
    regcred update ghcr.io -p acme/shop --disable --clear expires-at

What is not named stays as it is. Another server or user name needs the password again,
so that nobody can send a stored password to a host of his own.";

/// Changes a credential.
#[derive(Args)]
pub(super) struct Update {
    /// The credential, by identifier or server
    #[arg(value_name = "ID|SERVER", value_hint = ValueHint::Other)]
    credential: CredentialName,
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    password: PasswordArgs,
    #[command(flatten)]
    fields: Fields,
    /// Change it only if its etag is still this one (`regcred get -o etag`; not the password version)
    #[arg(long, value_name = "ETAG", value_hint = ValueHint::Other)]
    if_match: Option<IfMatch>,
    /// What to print about it as it is then
    #[arg(short, long, value_enum, default_value = "name")]
    output: Format,
    #[command(flatten)]
    connection: ClientOptions,
}

/// What is to change, other than the password.
#[derive(Debug, Clone, Default, Args)]
struct Fields {
    /// Another registry; for one of Azure's the name is enough
    #[arg(short, long, alias = "docker-server", value_name = "SERVER", value_hint = ValueHint::Other)]
    server: Option<StatedServer>,
    /// Another user name
    #[arg(short, long, alias = "docker-username", value_name = "NAME")]
    username: Option<Username>,
    /// Another e-mail address
    #[arg(long, alias = "docker-email", value_name = "ADDRESS")]
    email: Option<Email>,
    /// Another sort of registry
    #[arg(long, value_parser = kind_parser())]
    kind: Option<RegistryKind>,
    /// Offer the login only for images below this repository path
    #[arg(long, value_name = "PREFIX")]
    image_prefix: Option<ImagePrefix>,
    /// File with other certificates in PEM that may vouch for the registry
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// From then on it is handed out no more: 2027-01-01T00:00:00Z, 2027-01-01 or 90d
    #[arg(long, value_name = "TIME")]
    expires_at: Option<End>,
    /// Hand it out again
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    /// Hand it out no more
    #[arg(long)]
    disable: bool,
    /// Take a value away (may be repeated, or a list with commas)
    #[arg(long, value_enum, value_name = "FIELD", value_delimiter = ',')]
    clear: Vec<Clearable>,
}

/// What a credential can be without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Clearable {
    CaFile,
    Email,
    ExpiresAt,
    ImagePrefix,
    Username,
}

impl Fields {
    fn change<'a>(
        &'a self,
        ca: Option<&'a CaCertificates>,
        password: Option<&'a Password>,
    ) -> Result<CredentialChange<'a>, Failure> {
        Ok(CredentialChange {
            server: self.server.as_ref(),
            kind: self.kind,
            username: self.one(self.username.as_ref(), Clearable::Username)?,
            email: self.one(self.email.as_ref(), Clearable::Email)?,
            image_prefix: self.one(self.image_prefix.as_ref(), Clearable::ImagePrefix)?,
            expires_at: self.one(self.expires_at.map(|end| end.time(now())), Clearable::ExpiresAt)?,
            ca_certificates: self.one(ca, Clearable::CaFile)?,
            enabled: (self.enable || self.disable).then_some(self.enable),
            password,
        })
    }

    fn one<T>(&self, value: Option<T>, field: Clearable) -> Result<Change<T>, Failure> {
        match (value, self.clear.contains(&field)) {
            (Some(_), true) => {
                let name = field.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
                Err(Failure::usage(format!("--{name} and --clear {name} contradict each other")))
            }
            (Some(value), false) => Ok(Change::Set(value)),
            (None, true) => Ok(Change::Clear),
            (None, false) => Ok(Change::Keep),
        }
    }
}

pub(super) async fn run(args: Update) -> Result<(), Failure> {
    let session = Session::open(args.connection)?;
    let scope = session.scope(&args.scope)?;
    let ca = args.fields.ca_file.as_deref().map(ca_certificates).transpose()?;
    let asked = args.fields.change(ca.as_ref(), None)?;
    if let Some(end) = args.fields.expires_at {
        end.warn_if_past();
    }
    let moved = asked.server.is_some() || !asked.username.is_keep() || !asked.ca_certificates.is_keep();
    // To name nothing but the credential is to rotate its password.
    let password = if args.password.is_given() || ((asked.is_empty() || moved) && can_ask()) {
        Some(args.password.read("New password")?)
    } else {
        None
    };
    let change = args.fields.change(ca.as_ref(), password.as_ref())?;
    if change.is_empty() {
        return Err(Failure::usage("there is nothing to change")
            .hint("rotate the password with --password-stdin or --password-file, or see `regcred update --help`"));
    }
    let id = args.credential.id(&session, &scope).await?;
    let if_match = args.if_match.as_ref().map(IfMatch::as_str);
    let updated = match session.client.credential_update(&scope, id, &change, if_match).await {
        Ok(updated) => updated,
        Err(error) => {
            let explain = explain_conflict(&session, &scope, args.fields.server.as_ref());
            let failure = explain(error).hint_if(Exit::NotFound, || list_hint(&scope));
            let failure = if_stale(&session, &scope, id, failure).await;
            return Err(if moved && password.is_none() {
                failure.hint_if(Exit::Failure, || {
                    "another server, user name or CA needs the password again: add --password-stdin or --password-file"
                        .to_owned()
                })
            } else {
                failure
            });
        }
    };
    let rotated = if password.is_some() { ", with a new password" } else { "" };
    output::note(&format!("Updated {} in {}{rotated}.", title(&updated.value), called(&scope)));
    show_warnings(&updated.value);
    output::one(&updated.value, args.output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clearing_and_setting_one_field_contradict() {
        let email = "ops@acme.example".parse().ok();
        let fields = Fields { email, clear: vec![Clearable::Email], ..Fields::default() };
        let failure = fields.change(None, None).unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage);
        assert_eq!(failure.message(), "--email and --clear email contradict each other");
    }

    #[test]
    fn what_is_not_named_is_not_changed() {
        assert!(Fields::default().change(None, None).unwrap().is_empty());
        let fields = Fields { disable: true, clear: vec![Clearable::ExpiresAt], ..Fields::default() };
        let change = fields.change(None, None).unwrap();
        assert_eq!(change.enabled, Some(false));
        assert_eq!(change.expires_at, Change::Clear);
        assert!(change.email.is_keep() && change.username.is_keep());
    }
}
