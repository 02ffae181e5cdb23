//! Docker configs: `{"auths": {SERVER: {...}}}` as docker and podman write them, and the bare `{SERVER: {...}}` before that.

use super::{
    Content, FoundEntry, Keeper, Key, Login, Origin, Refusal, Skip,
    helper::{Request, Wanted},
    lenient::{Field, Members, Object},
    read::ReadError,
};
use crate::domain::{consumer::auth, credential::Username, secret::Password, text::Invalid};
use serde::Deserialize;
use zeroize::Zeroizing;

/// A docker config, with the members that are about logins.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Config {
    auths: Members<Option<Member>>,
    #[serde(rename = "credsStore")]
    store: Field,
    #[serde(rename = "credHelpers")]
    helpers: Members<Field>,
}

/// An entry of a docker config.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Member {
    auth: Field,
    username: Field,
    password: Field,
    email: Field,
    #[serde(rename = "identitytoken")]
    identity_token: Field,
    #[serde(rename = "registrytoken")]
    registry_token: Field,
}

/// What stands in a docker config.
#[derive(Default)]
pub(super) struct Found {
    pub(super) entries: Vec<FoundEntry>,
    /// What helpers are to be asked for.
    pub(super) requests: Vec<Request>,
}

/// Reads `{"auths": ...}`.
pub(super) fn config(text: &str, origin: &Origin) -> Result<Found, ReadError> {
    let config: Config = serde_json::from_str(text).map_err(|error| ReadError::json(&error))?;
    let entries = config.auths.0.into_iter();
    let entries = entries.map(|(key, member)| member.unwrap_or_default().entry(key.into(), origin)).collect();
    let mut requests = Vec::new();
    if let Some(name) = named(&config.store) {
        requests.push(Request { file: origin.file.clone(), name, wanted: Wanted::Everything });
    }
    for (key, name) in config.helpers.0 {
        // An empty name takes a registry out of the store's hands.
        if let Some(name) = named(&name) {
            requests.push(Request { file: origin.file.clone(), name, wanted: Wanted::Server(key.into()) });
        }
    }
    Ok(Found { entries, requests })
}

fn named(field: &Field) -> Option<Result<super::HelperName, Invalid>> {
    match field {
        Field::Other => Some(Err(Invalid("must be a text"))),
        Field::Missing | Field::Text(_) => field.text().map(|text| text.parse()),
    }
}

/// Reads the bare `{SERVER: {...}}`.
pub(super) fn bare(text: &str, origin: &Origin) -> Result<Vec<FoundEntry>, ReadError> {
    let members: Members<Object<Member>> = serde_json::from_str(text).map_err(|error| ReadError::json(&error))?;
    Ok(members.0.into_iter().map(|(key, member)| member.0.entry(key.into(), origin)).collect())
}

/// Whether every member looks like an entry: only then an object without `auths` is one of logins.
pub(super) fn is_bare(text: &str) -> bool {
    let members = serde_json::from_str::<Members<Object<Member>>>(text).unwrap_or_default();
    !members.0.is_empty() && members.0.iter().all(|(_, member)| member.0.is_login())
}

impl Member {
    fn is_login(&self) -> bool {
        let fields = [&self.auth, &self.username, &self.password, &self.identity_token, &self.registry_token];
        fields.iter().any(|field| field.text().is_some())
    }

    fn entry(self, key: Key, origin: &Origin) -> FoundEntry {
        let content = if key.is_session() { Content::Skipped(Skip::Session) } else { self.content() };
        FoundEntry { origin: origin.clone(), key, content }
    }

    /// As the kubelet reads it: `auth` goes before user name and password, and a token counts where neither is whole.
    fn content(&self) -> Content {
        let fields = [&self.auth, &self.username, &self.password, &self.identity_token, &self.registry_token];
        if fields.iter().any(|field| field.is_other()) {
            return Content::Refused(Refusal::NotText);
        }
        let found = match self.auth.text() {
            Some(text) => pair(text),
            None => self.plain(),
        };
        let email = self.email.text().and_then(|text| text.parse().ok());
        match found {
            Ok(Some((username, password))) => Content::Login(Login { username, password, email }),
            Ok(None) if self.identity_token.text().is_some() => Content::Refused(Refusal::IdentityToken),
            Ok(None) if self.registry_token.text().is_some() => Content::Refused(Refusal::RegistryToken),
            Ok(None) if self.is_login() => Content::Refused(Refusal::NoPassword),
            Ok(None) => Content::Skipped(Skip::Empty),
            Err(refusal) => Content::Refused(refusal),
        }
    }

    fn plain(&self) -> Result<Option<(Option<Username>, Password)>, Refusal> {
        let Some(password) = self.password.text() else { return Ok(None) };
        Ok(Some((username(self.username.text().map_or("", |text| text))?, secret(password)?)))
    }
}

/// Takes an `auth` apart; nothing if its password is empty, as docker leaves it beside an identity token.
fn pair(text: &str) -> Result<Option<(Option<Username>, Password)>, Refusal> {
    const NOT_TEXT: Invalid = Invalid("must be UTF-8 text");
    let pair = auth::read(text).map_err(Refusal::Auth)?;
    let name = str::from_utf8(pair.username()).map_err(|_| Refusal::Auth(NOT_TEXT))?;
    let password = str::from_utf8(pair.password()).map_err(|_| Refusal::Auth(NOT_TEXT))?;
    // As docker does: other programs have filled what is left of base64 with them.
    let password = password.trim_matches('\0');
    if password.is_empty() {
        return Ok(None);
    }
    Ok(Some((username(name)?, secret(&Zeroizing::new(password.to_owned()))?)))
}

/// A user name, of which there may be none.
pub(super) fn username(text: &str) -> Result<Option<Username>, Refusal> {
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(Refusal::Username) }
}

/// A password.
pub(super) fn secret(text: &Zeroizing<String>) -> Result<Password, Refusal> {
    Password::new(text).map_err(Refusal::Password)
}

/// An origin in the file itself.
pub(super) fn in_file(file: &str) -> Origin {
    Origin { file: file.to_owned(), secret: None, keeper: Keeper::File }
}
