//! What each fuzz target does with bytes from outside: it parses them, and holds what came out to what is promised of it.

#![allow(dead_code, unused_imports, missing_docs, reason = "a fuzz target uses a part of each module")]

#[path = "../../src/crypto/mod.rs"]
mod crypto;
#[path = "../../src/domain/mod.rs"]
mod domain;

// Of `registry` what reads and decides, and not what connects.
#[path = "../../src/registry/challenge.rs"]
mod challenge;
#[path = "../../src/registry/login.rs"]
mod login;
#[path = "../../src/registry/reading.rs"]
mod reading;
#[path = "../../src/registry/realm.rs"]
mod realm;
#[path = "../../src/registry/rules.rs"]
mod rules;

use challenge::Challenge;
use crypto::{envelope::Sealed, keyring_file};
use domain::{
    check::{CaCertificates, Finding, PullTarget},
    consumer::{self, ConfigEntry, Consumer, LoginParts},
    convention,
    credential::{Email, Username},
    id::CredentialId,
    identity::Identity,
    image::ImageReference,
    import::{self, helper},
    kind::RegistryKind,
    page::Cursor,
    scope::{ProjectPath, Scope, ScopeName},
    secret::Password,
    server::{ImagePrefix, RegistryServer, StatedServer},
    timestamp::Timestamp,
    token::TokenText,
};
use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue, WWW_AUTHENTICATE},
};
use rules::{HostAndPort, Network, Rules, TokenServer};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use zeroize::Zeroizing;

fn text(data: &[u8]) -> Option<&str> {
    str::from_utf8(data).ok()
}

/// A registry server: its normal form is its own normal form, and images can lie below it.
pub fn server(data: &[u8]) {
    let Some(server) = text(data).and_then(|text| text.parse::<RegistryServer>().ok()) else { return };
    assert_eq!(server.as_str().parse(), Ok(server.clone()));
    // A repository's path has at most 255 bytes, and a server's own may take almost all of them.
    if server.path().is_some_and(|path| path.len() > 251) {
        return;
    }
    let image: ImageReference = format!("{server}/app").parse().expect("an image can lie on every server");
    assert_eq!(image.host(), server.host());
    let entry = ConfigEntry { key: server.config_key(), login: LoginParts::Full };
    // The kubelet takes an address in brackets without a port for a pattern.
    let found = !server.host().ends_with(']');
    assert_eq!(Consumer::Kubelet.choose(&[entry], &image) != consumer::Choice::Nothing, found);
    let _ = RegistryKind::infer(&server);
    let stated = StatedServer::from(server.clone());
    assert_eq!(stated.complete(None), Ok(server));
}

/// A server as its owner states it, which may be the name of an Azure registry.
pub fn stated_server(data: &[u8]) {
    let Some(stated) = text(data).and_then(|text| text.parse::<StatedServer>().ok()) else { return };
    let server = stated.complete(Some(RegistryKind::Azure)).expect("a name is one of a registry of Azure's");
    assert_eq!(server.as_str().parse(), Ok(server));
}

/// An image prefix: its normal form is its own normal form.
pub fn image_prefix(data: &[u8]) {
    let Some(prefix) = text(data).and_then(|text| text.parse::<ImagePrefix>().ok()) else { return };
    assert_eq!(prefix.as_str().parse(), Ok(prefix));
}

/// An image reference: its repository is a reference to itself.
pub fn image(data: &[u8]) {
    let Some(image) = text(data).and_then(|text| text.parse::<ImageReference>().ok()) else { return };
    assert_eq!(image.repository().parse(), Ok(image.clone()));
    assert_eq!(image.repository().split('/').next(), Some(image.host()));
}

/// Keys of a docker config, one a line, and behind the last line end an image that is looked for.
pub fn docker_config_keys(data: &[u8]) {
    let Some((keys, image)) = text(data).and_then(|text| text.rsplit_once('\n')) else { return };
    let entries: Vec<_> = keys.lines().map(|key| ConfigEntry { key, login: LoginParts::Full }).collect();
    let Ok(image) = image.parse::<ImageReference>() else { return };
    for consumer in Consumer::ALL {
        if let consumer::Choice::InTurn(places) | consumer::Choice::AnyOf(places) = consumer.choose(&entries, &image) {
            assert!(!places.is_empty() && places.iter().all(|place| *place < entries.len()));
        }
    }
}

/// The `auth` of an entry of a docker config.
pub fn docker_config_auth(data: &[u8]) {
    let Some(pair) = text(data).and_then(|text| consumer::auth::read(text).ok()) else { return };
    assert!(!pair.username().contains(&b':'));
    assert!(pair.username().len() + pair.password().len() < data.len());
}

/// A user name, a line end and a password, as each kind of registry looks at them.
pub fn login(data: &[u8]) {
    let Some((username, password)) = text(data).and_then(|text| text.split_once('\n')) else { return };
    let username = username.parse::<Username>().ok();
    let Ok(password) = Password::new(&Zeroizing::new(password.to_owned())) else { return };
    let now = Timestamp::from_microseconds(1_800_000_000_000_000).expect("it is a time");
    for kind in RegistryKind::ALL {
        let server: StatedServer = kind.form().example.parse().expect("an example is a server");
        let server = server.complete(Some(kind)).expect("an example is one of its kind");
        if let Ok(found) = convention::examine(kind, &server, username.as_ref(), Some(&password), now)
            && let Some(identity) = found.identity
        {
            assert_eq!(identity.to_text().parse::<Identity>(), Ok(identity));
        }
    }
}

/// The `WWW-Authenticate` fields of a registry, one a line: what they name gets a login only if it is known to be the registry's own.
pub fn challenge(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(20) {
        let Ok(field) = HeaderValue::from_bytes(line) else { return };
        headers.append(WWW_AUTHENTICATE, field);
    }
    let Some(Challenge::Bearer { realm: text, service, scope }) = Challenge::find(&headers) else { return };
    assert!(!text.is_empty() && service.is_none_or(|text| !text.is_empty()) && scope.is_none_or(|text| !text.is_empty()));
    for (server, own) in [("ghcr.io", "ghcr.io:443"), ("docker.io", "auth.docker.io:443"), ("[::1]:5000", "[::1]:5000")] {
        let registry = HostAndPort::of(&server.parse().expect("it is a server"), &[]);
        if let Ok(realm) = realm::realm(&Rules::default(), &registry, &text) {
            let host = realm.host.to_string();
            assert!(realm.url.scheme() == "https" && (host == own || realm.host == registry), "{host}");
            assert!(realm.url.username().is_empty() && realm.url.password().is_none());
        }
    }
}

/// A token server's answer: what it gives can stand in a header field, and is not shown.
pub fn token_answer(data: &[u8]) {
    let Some(field) = reading::token(data) else { return };
    let token = field.as_bytes().strip_prefix(b"Bearer ").expect("that is how it is shown to the registry");
    assert!(field.is_sensitive() && !token.is_empty() && token.iter().all(u8::is_ascii_graphic));
}

/// Header fields, one a line, and behind an empty line a body, as a registry may answer: its limits, and whether it is one.
pub fn registry_answer(data: &[u8]) {
    let (head, body) = match data.windows(2).position(|two| two == b"\n\n") {
        Some(end) => (&data[..end], &data[end + 2..]),
        None => (data, &[][..]),
    };
    let mut headers = HeaderMap::new();
    for line in head.split(|byte| *byte == b'\n').take(20) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return };
        let field = (HeaderName::from_bytes(&line[..colon]), HeaderValue::from_bytes(&line[colon + 1..]));
        let (Ok(name), Ok(value)) = field else { return };
        headers.append(name, value);
    }
    let _ = reading::limits(&headers);
    if reading::speaks_the_api(&headers, body) {
        assert!(headers.contains_key("docker-distribution-api-version") || headers.contains_key("content-type"));
    }
}

/// Certificates in PEM: what is kept of them is kept as it is, and nothing else is kept. What reads them later on takes them.
pub fn ca_certificates(data: &[u8]) {
    let Some(kept) = text(data).and_then(|text| text.parse::<CaCertificates>().ok()) else { return };
    assert_eq!(kept.as_str().parse(), Ok(kept.clone()));
    let blocks = kept.as_str().matches("-----BEGIN").count();
    assert_eq!(blocks, kept.as_str().matches("-----BEGIN CERTIFICATE-----\n").count());
    assert!(CertificateDer::pem_slice_iter(kept.as_str().as_bytes()).count() <= blocks);
}

/// What an operator says of where registries may be, and what people and rows say of checks.
pub fn checks(data: &[u8]) {
    let Some(text) = text(data) else { return };
    if let Ok(host) = text.parse::<HostAndPort>() {
        assert_eq!(host.to_string().parse(), Ok(host));
    }
    let _ = (text.parse::<Network>(), text.parse::<TokenServer>());
    if let Ok(finding) = text.parse::<Finding>() {
        assert_eq!(finding.name(), text);
    }
    if let Ok(target) = text.parse::<PullTarget>() {
        assert_eq!(target.to_string(), text);
        assert!(!target.reference().is_empty() && !target.reference().contains('/'));
    }
}

/// A file with logins, and what would become of them: no server is written twice, and what is written is valid.
pub fn import_file(data: &[u8]) {
    let Ok(contents) = import::read("f", data) else { return };
    let now = Timestamp::from_microseconds(1_800_000_000_000_000).expect("it is a time");
    let count = contents.entries.len();
    let rows = import::plan(contents.entries, &[], import::Overwrite::No, now);
    assert_eq!(rows.iter().map(|row| row.origins.len()).sum::<usize>(), count, "no entry is lost");
    let mut written: Vec<_> = rows.iter().filter(|row| row.action.is_write()).collect();
    written.sort_by(|a, b| a.server.cmp(&b.server));
    assert!(written.windows(2).all(|two| two[0].server != two[1].server));
    for row in written {
        let server = row.server.as_ref().expect("what is written has a server");
        assert_eq!(row.key.as_str().parse().as_ref(), Ok(server));
    }
    assert!(rows.iter().filter_map(|row| row.key.shown()).all(|key| !key.contains(['@', '\u{1b}', '\n'])));
}

/// What a credential helper prints, for each of its verbs; the first line is its name.
pub fn import_helper(data: &[u8]) {
    let Some((name, answer)) = text(data).and_then(|text| text.split_once('\n')) else { return };
    let Ok(name) = name.parse::<import::HelperName>() else { return };
    assert!(!name.program().contains(['/', '\\', ' ']));
    let _ = helper::login(&name, answer.as_bytes(), false);
    if let import::Content::Login(login) = helper::login(&name, answer.as_bytes(), true) {
        assert!(answer.len() > login.password.expose().len());
    }
    if let Ok(servers) = helper::servers(&name, answer.as_bytes()) {
        assert!(servers.iter().all(|key| !key.is_session()));
    }
}

/// The text of an API token.
pub fn token(data: &[u8]) {
    let Some(text) = text(data) else { return };
    if let Ok(token) = TokenText::parse(&Zeroizing::new(text.to_owned())) {
        assert_eq!(token.expose(), text);
    }
}

/// The bytes of an envelope, as a database gives them.
pub fn envelope(data: &[u8]) {
    if let Ok(sealed) = Sealed::from_bytes(data.to_vec()) {
        assert_eq!(sealed.as_bytes(), data);
        let _ = (sealed.key_id(), sealed.key_version());
    }
}

/// The text of a keyring file.
pub fn keyring_file(data: &[u8]) {
    let Some(text) = text(data) else { return };
    if let Ok(keys) = keyring_file::parse(&Zeroizing::new(text.to_owned())) {
        assert!(!keys.is_empty());
    }
}

/// The cursor of a list.
pub fn cursor(data: &[u8]) {
    let Some(cursor) = text(data).and_then(|text| Cursor::try_from(text.to_owned()).ok()) else { return };
    let _ = (cursor.key::<CredentialId>(), cursor.key::<ScopeName>(), cursor.key::<i64>());
    let again = Cursor::try_from(cursor.encode()).expect("a cursor reads what it writes");
    assert_eq!(again.encode(), cursor.encode());
}

/// The small texts: names, scopes, user names, addresses, times, passwords.
pub fn small_texts(data: &[u8]) {
    let Some(text) = text(data) else { return };
    if let Ok(time) = text.parse::<Timestamp>() {
        assert_eq!(time.to_string().parse(), Ok(time));
    }
    if let Ok(scope) = text.parse::<Scope>() {
        assert_eq!(scope.to_string().parse(), Ok(scope));
    }
    if let Ok(path) = text.parse::<ProjectPath>() {
        assert_eq!(path.to_string().parse(), Ok(path));
    }
    let _ = (text.parse::<Username>(), text.parse::<Email>(), text.parse::<RegistryKind>());
    let _ = Password::new(&Zeroizing::new(text.to_owned()));
}
