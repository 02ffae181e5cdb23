//! The docker config that deployers are given: which credentials are in it, under which keys, and its bytes.
//!
//! [`select`] decides without a secret at hand; [`render`] writes what was opened in between. Both depend on nothing
//! but their arguments, so that equal state gives equal bytes.

#[cfg(test)]
mod tests;

use super::{
    credential::{Availability, Credential, Email, Username},
    docker_hub,
    id::CredentialId,
    image::ImageReference,
    matching::{candidates, distance},
    secret::{Password, SecretDocument},
    timestamp::Timestamp,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::collections::HashMap;
use zeroize::Zeroizing;

/// A credential that goes out, and the key that it stands under.
#[derive(Debug)]
pub struct Entry<'a> {
    /// The member of `auths`.
    pub key: String,
    /// Whose login stands there.
    pub credential: &'a Credential,
}

/// What goes out and what is left out.
#[derive(Debug)]
pub struct Selection<'a> {
    /// Sorted by the bytes of their keys; no two have the same.
    pub entries: Vec<Entry<'a>>,
    /// Those that would have been chosen, were they enabled and not expired; sorted by identifier.
    pub omitted: Vec<(CredentialId, Availability)>,
}

/// A login as it is written.
#[derive(Debug)]
pub struct KeyedLogin<'a> {
    /// The member of `auths`.
    pub key: &'a str,
    /// The user name; written empty if there is none.
    pub username: Option<&'a Username>,
    /// The e-mail address; not written if there is none.
    pub email: Option<&'a Email>,
    /// The secret.
    pub password: &'a Password,
}

/// Chooses the credentials for the images, or all of them if there are no images.
///
/// Each image gets the first of its candidates that may be handed out. The only login of a host then stands under the
/// registry's own key, where consumers that know no paths find it too, as long as all of the host's images are to use it.
/// Several of one host need their paths to be told apart; and beside an image that gets no login, one keeps its path, so
/// that it is not sent for that image: a wrong login breaks the pull of an image that needs none.
#[must_use]
pub fn select<'a>(credentials: &'a [Credential], images: &[ImageReference], now: Timestamp) -> Selection<'a> {
    let mut chosen: Vec<&'a Credential> = Vec::new();
    let mut omitted = Vec::new();
    let mut choose = |credential: &'a Credential| match credential.availability(now) {
        Availability::Available => {
            chosen.push(credential);
            true
        }
        reason @ (Availability::Disabled | Availability::Expired) => {
            omitted.push((credential.id, reason));
            false
        }
    };
    if images.is_empty() {
        for credential in credentials {
            choose(credential);
        }
    }
    let mut without_login = Vec::new();
    for image in images {
        // Stops at the first that may be handed out; the ones before it were stepped over, and are reported.
        if !candidates(image, credentials).into_iter().any(&mut choose) {
            without_login.push(image.host());
        }
    }
    omitted.sort_unstable_by_key(|(id, _)| *id);
    omitted.dedup();
    let keeps_path = |host: &str| images.is_empty() || without_login.contains(&host);
    Selection { entries: entries(chosen, keeps_path), omitted }
}

/// The registries that need an empty entry beside these keys, which are sorted; sorted.
///
/// Programs that know no paths look for the registry's own key, and where there is none, take any whose host it is. With
/// several to take from, which one is chance. An empty entry ends their search with no login; those who know paths pass it,
/// or find it where nothing else fits.
#[must_use]
pub fn stops<'a>(keys: &[&'a str]) -> Vec<&'a str> {
    let mut hosts: Vec<_> = keys.iter().filter_map(|key| Some(key.split_once('/')?.0)).collect();
    hosts.sort_unstable();
    // Docker Hub's key is a URL: nobody takes another one for it.
    let by_chance = hosts.chunk_by(|a, b| a == b).filter(|equal| equal.len() > 1 && equal[0] != docker_hub::HOST);
    by_chance.map(|equal| equal[0]).filter(|host| keys.binary_search(host).is_err()).collect()
}

/// Writes `{"auths":{KEY:{"username":..,"password":..,"email":..,"auth":..}}}` in the order given, without white space. Keys
/// that are looked for by chance are held up by empty entries ([`stops`]).
#[must_use]
pub fn render(logins: &[KeyedLogin<'_>]) -> SecretDocument {
    let opened = logins.iter().map(|login| (login, login.password.expose()));
    // Made large enough beforehand: a buffer that grows leaves its old copy in memory, with passwords in it.
    let capacity = opened.clone().map(|(login, password)| most_bytes(login, password)).sum::<usize>() + FRAME.len();
    let keys: Vec<_> = logins.iter().map(|login| login.key).collect();
    let mut stops = stops(&keys).into_iter().peekable();
    let capacity = capacity + stops.clone().map(|host| host.len() + STOP_FRAME.len()).sum::<usize>();
    let mut document = Zeroizing::new(Vec::with_capacity(capacity));
    document.extend_from_slice(b"{\"auths\":{");
    for (login, password) in opened {
        while let Some(host) = stops.next_if(|host| *host < login.key) {
            push_stop(&mut document, host);
        }
        push_login(&mut document, login, password);
        document.push(b',');
    }
    // No other: a host stands before all keys that it is the beginning of.
    debug_assert!(stops.next().is_none(), "a stop has no keys behind it");
    if document.ends_with(b",") {
        document.pop();
    }
    document.extend_from_slice(b"}}");
    debug_assert!(document.len() <= capacity, "the buffer grew");
    SecretDocument::new(document)
}

const FRAME: &str = r#"{"auths":{}}"#;
const STOP_FRAME: &str = r#""":{},"#;
const LOGIN_FRAME: &str = r#","":{"username":"","password":"","email":"","auth":""}"#;

fn entries(mut chosen: Vec<&Credential>, keeps_path: impl Fn(&str) -> bool) -> Vec<Entry<'_>> {
    chosen.sort_unstable_by_key(|credential| (distance(&credential.scope), credential.id));
    chosen.dedup_by_key(|credential| credential.id);
    let mut of_host: HashMap<&str, usize> = HashMap::new();
    for credential in &chosen {
        *of_host.entry(credential.server.host()).or_default() += 1;
    }
    let mut entries: Vec<_> = chosen
        .iter()
        .map(|credential| {
            let server = &credential.server;
            let alone = of_host.get(server.host()) == Some(&1);
            let key = if alone && !keeps_path(server.host()) { server.registry_key() } else { server.config_key() };
            Entry { key: key.to_owned(), credential }
        })
        .collect();
    // Stable, so that of two under one key the project's own is first, and stays.
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    entries.dedup_by(|later, first| later.key == first.key);
    entries
}

fn username<'a>(login: &KeyedLogin<'a>) -> &'a str {
    login.username.map_or("", Username::as_str)
}

/// The most that a login can take. JSON writes a byte as at most two, since of the control characters, which can take
/// six, none of these texts may have others than tabs and line ends.
fn most_bytes(login: &KeyedLogin<'_>, password: &str) -> usize {
    let texts = [login.key, username(login), login.email.map_or("", Email::as_str), password];
    let pair = username(login).len() + 1 + password.len();
    LOGIN_FRAME.len() + texts.iter().map(|text| text.len() * 2).sum::<usize>() + pair.div_ceil(3) * 4
}

fn push_login(document: &mut Vec<u8>, login: &KeyedLogin<'_>, password: &str) {
    push_string(document, login.key);
    document.extend_from_slice(b":{\"username\":");
    push_string(document, username(login));
    document.extend_from_slice(b",\"password\":");
    push_string(document, password);
    if let Some(email) = login.email {
        document.extend_from_slice(b",\"email\":");
        push_string(document, email.as_str());
    }
    document.extend_from_slice(b",\"auth\":\"");
    push_auth(document, username(login), password);
    document.extend_from_slice(b"\"}");
}

fn push_stop(document: &mut Vec<u8>, host: &str) {
    push_string(document, host);
    document.extend_from_slice(b":{},");
}

fn push_string(document: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(document, text).expect("a string is always valid JSON, and writing to memory cannot fail");
}

fn push_auth(document: &mut Vec<u8>, username: &str, password: &str) {
    let mut pair = Zeroizing::new(Vec::with_capacity(username.len() + 1 + password.len()));
    pair.extend_from_slice(username.as_bytes());
    pair.push(b':');
    pair.extend_from_slice(password.as_bytes());
    let start = document.len();
    document.resize(start + pair.len().div_ceil(3) * 4, 0);
    STANDARD.encode_slice(&*pair, &mut document[start..]).expect("padded base64 is four bytes for each three begun");
}
