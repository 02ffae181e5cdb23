//! Registry servers and image prefixes, each in the one form that it is stored, compared and matched in.
//!
//! People write a server as a URL, as an API end point, or by one of a registry's several names. All spellings of one
//! server become one text here, `host[:port][/path]`, so that nothing after this module compares spellings. It knows
//! texts only: no DNS, no requests.

mod host;

#[cfg(test)]
mod tests;

use super::{
    docker_hub,
    image::repository_path,
    kind::{RegistryKind, is_azure_label},
    text::{Invalid, text_type},
};
use std::{fmt, str::FromStr};

text_type! {
    /// A registry, or a part of one: `host[:port][/path]`, as in `ghcr.io`, `localhost:5000` or `quay.io/acme`.
    ///
    /// Scheme, API version (`/v1/`, `/v2/`), trailing slashes and the case of the host do not matter; each of Docker
    /// Hub's names becomes `docker.io`. A port does matter, even 443: consumers compare ports as strings and know no
    /// default, so only `r.io:443` serves the image `r.io:443/app`, and only `r.io` serves `r.io/app`.
    RegistryServer, registry_server
}

text_type! {
    /// Where the repositories begin that a login is offered for: `quay.io/acme`. It always begins with the registry's
    /// host, and ends on the border of a path component.
    ImagePrefix, image_prefix
}

/// More than any valid server needs, so that no rule works on a huge text.
const MAX_BYTES: usize = 1024;

/// A server as its owner states it: in full, or as the name of a registry, which is enough for some kinds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum StatedServer {
    /// In full.
    Full(RegistryServer),
    /// One label, in lower case, which may be the name of an Azure registry.
    Name(String),
}

/// Why a stated server is no server.
pub const NAME_ALONE: Invalid = Invalid(
    "must have the full host name, such as registry.example.com, or a port; the name alone is enough with kind azure",
);

impl StatedServer {
    /// The server that is meant, if it is one of that kind.
    ///
    /// # Errors
    /// It is a name, and the kind has no rule to make a host of it.
    pub fn complete(&self, kind: Option<RegistryKind>) -> Result<RegistryServer, Invalid> {
        match self {
            Self::Full(server) => Ok(server.clone()),
            Self::Name(name) if kind == Some(RegistryKind::Azure) => format!("{name}.azurecr.io").parse(),
            Self::Name(_) => Err(NAME_ALONE),
        }
    }
}

impl FromStr for StatedServer {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text.parse() {
            Ok(server) => Ok(Self::Full(server)),
            // What is no name either is refused as what it was meant to be.
            Err(rule) => {
                if is_registry_name(text) {
                    Ok(Self::Name(text.to_ascii_lowercase()))
                } else {
                    Err(rule)
                }
            }
        }
    }
}

impl TryFrom<String> for StatedServer {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<StatedServer> for String {
    fn from(stated: StatedServer) -> Self {
        stated.to_string()
    }
}

impl fmt::Display for StatedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(server) => f.write_str(server.as_str()),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl From<RegistryServer> for StatedServer {
    fn from(server: RegistryServer) -> Self {
        Self::Full(server)
    }
}

/// Azure's registries are named by 5 to 50 letters and digits; people also write the first label of the host, which may have
/// a hash behind that.
fn is_registry_name(text: &str) -> bool {
    let name = text.split_once('-').map_or(text, |(name, _)| name);
    (5..=50).contains(&name.len())
        && is_azure_label(text)
        && format!("{text}.azurecr.io").parse::<RegistryServer>().is_ok()
}

impl RegistryServer {
    /// What comes before the first `/`: `host` or `host:port`.
    #[must_use]
    pub fn host(&self) -> &str {
        split_host(&self.0).0
    }

    /// What comes after the first `/`, if it names a part of the registry.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.0.split_once('/').map(|(_, path)| path)
    }

    /// The key that consumers look for in a docker config of many logins: a path stays a part of it.
    #[must_use]
    pub fn config_key(&self) -> &str {
        if *self.0 == *docker_hub::HOST { docker_hub::CONFIG_KEY } else { &self.0 }
    }

    /// The registry's own key, for consumers that know no paths, as docker.
    #[must_use]
    pub fn registry_key(&self) -> &str {
        if self.host() == docker_hub::HOST { docker_hub::CONFIG_KEY } else { self.host() }
    }
}

impl ImagePrefix {
    /// Whether every image below the prefix is one of that server's.
    #[must_use]
    pub fn lies_on(&self, server: &RegistryServer) -> bool {
        is_within(&self.0, server.as_str())
    }
}

/// Whether a repository is the outer one or lies below it. The border is a `/`: `r.io/foobar` is not within `r.io/foo`.
pub(super) fn is_within(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn registry_server(text: &str) -> Result<String, Invalid> {
    check_characters(text)?;
    let address = match text.split_once("://") {
        Some((scheme, rest)) if ["https", "http"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) => rest,
        Some(_) => return Err(Invalid("must be a host name, or a URL that begins with https:// or http://")),
        None => text,
    };
    let (host, path) = split_host(address.trim_end_matches('/'));
    let host = registry_host(host, path)?;
    let Some(repository) = without_api_version(path) else {
        return join(host, path);
    };
    // The kubelet skips one version at the front of a key's path, so what is left after it must not look like another.
    if without_api_version(repository).is_some() {
        return Err(Invalid("must not have a path that begins with 'v1' or 'v2', which is the registry's API"));
    }
    // `docker login` leaves such keys in its config file (`https://index.docker.io/v1/access-token`).
    if host == docker_hub::HOST && !repository.is_empty() {
        return Err(Invalid("must name Docker Hub as 'docker.io' or 'docker.io/NAMESPACE', not by a part of its API"));
    }
    join(host, repository)
}

fn image_prefix(text: &str) -> Result<String, Invalid> {
    check_characters(text)?;
    if text.contains("://") {
        return Err(Invalid("must not have a scheme: an image prefix begins with the registry's host"));
    }
    let (host, path) = split_host(text.strip_suffix('/').unwrap_or(text));
    join(registry_host(host, path)?, path)
}

fn check_characters(text: &str) -> Result<(), Invalid> {
    if text.is_empty() || text.len() > MAX_BYTES {
        return Err(Invalid("must be 1 to 1024 bytes"));
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(Invalid("must not contain white space or control characters"));
    }
    if text.contains('*') {
        return Err(Invalid("must not contain wildcards"));
    }
    if text.contains('@') {
        return Err(Invalid("must not contain '@': user name and password have their own fields"));
    }
    if text.contains(['?', '#', '%', '\\']) {
        return Err(Invalid("must not contain a query, a fragment, '%' or '\\'"));
    }
    Ok(())
}

/// The host in normal form; the path only tells whether a page of Docker Hub's website was pasted.
fn registry_host(host: &str, path: &str) -> Result<String, Invalid> {
    let host = host::normalise(host)?;
    if !docker_hub::NAMES.contains(&host.as_str()) {
        return Ok(host);
    }
    if host == docker_hub::WEBSITE && !without_api_version(path).unwrap_or(path).is_empty() {
        return Err(Invalid("must not be a page of Docker Hub's website: write docker.io/NAMESPACE"));
    }
    Ok(docker_hub::HOST.to_owned())
}

fn split_host(text: &str) -> (&str, &str) {
    text.split_once('/').unwrap_or((text, ""))
}

/// The path behind the version of the registry API that it begins with, if it does.
fn without_api_version(path: &str) -> Option<&str> {
    let (version, rest) = path.split_once('/').unwrap_or((path, ""));
    matches!(version, "v1" | "v2").then_some(rest)
}

fn join(host: String, path: &str) -> Result<String, Invalid> {
    if path.is_empty() {
        return Ok(host);
    }
    repository_path(path)?;
    Ok(format!("{host}/{path}"))
}
