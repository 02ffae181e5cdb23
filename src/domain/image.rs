//! Image references, as people write them in manifests, and the repository that a login is looked up for.
//!
//! The grammar and the way short names are completed are those of
//! <https://github.com/distribution/reference>, which docker, containerd and the kubelet share.

#[cfg(test)]
mod tests;

use super::{docker_hub, text::Invalid};
use std::str::FromStr;

/// The repository that an image reference names. Tag and digest are checked and then dropped, since no login depends on
/// them: references to one repository are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct ImageReference {
    repository: String,
    host_length: usize,
}

const INVALID: Invalid = Invalid("must be an image reference such as registry.example.com/team/app:1.0");

impl ImageReference {
    /// The repository in full, without tag and digest: `docker.io/library/nginx` for `nginx`.
    ///
    /// The case of the host stays, because the consumers compare it as it is.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The registry's `host` or `host:port`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.repository[..self.host_length]
    }
}

impl FromStr for ImageReference {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.len() == 64 && text.bytes().all(is_hex) {
            return Err(Invalid("must not be a bare image identifier"));
        }
        let name = match text.split_once('@') {
            Some((name, digest)) if is_digest(digest) => name,
            Some(_) => return Err(Invalid("must have a digest such as sha256: and 64 hexadecimal digits after '@'")),
            None => text,
        };
        let (host, rest) = match name.split_once('/') {
            Some((first, rest)) if names_a_host(first) => (first, rest),
            _ => (docker_hub::HOST, name),
        };
        let path = match rest.split_once(':') {
            Some((path, tag)) if is_tag(tag) => path,
            Some(_) => return Err(Invalid("must have a tag of at most 128 letters, digits, '_', '.' and '-'")),
            None => rest,
        };
        if !is_host(host) {
            return Err(INVALID);
        }
        let host = if host == docker_hub::INDEX { docker_hub::HOST } else { host };
        let official = if host == docker_hub::HOST && !path.contains('/') { "library/" } else { "" };
        let path = format!("{official}{path}");
        repository_path(&path)?;
        Ok(Self { repository: format!("{host}/{path}"), host_length: host.len() })
    }
}

impl TryFrom<String> for ImageReference {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

/// The rule for what comes behind the host of a repository: lower-case components with `/` between them.
pub(super) fn repository_path(path: &str) -> Result<(), Invalid> {
    if path.len() > 255 {
        return Err(Invalid("must have a repository path of at most 255 bytes"));
    }
    if !path.split('/').all(is_path_component) {
        return Err(Invalid(
            "must have a repository path of lower-case letters and digits, separated by '/', '.', '_', '__' or '-'",
        ));
    }
    Ok(())
}

fn is_path_component(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(alphanumeric)
        && text.ends_with(alphanumeric)
        && text
            .split(alphanumeric)
            .all(|between| matches!(between, "" | "." | "_" | "__") || between.bytes().all(|byte| byte == b'-'))
}

/// Whether the first component is a registry rather than a namespace of Docker Hub.
fn names_a_host(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn is_host(text: &str) -> bool {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    };
    let well_formed = match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => !address.is_empty() && address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':'),
        None => name.split('.').all(|label| {
            label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && label.starts_with(|c: char| c.is_ascii_alphanumeric())
                && label.ends_with(|c: char| c.is_ascii_alphanumeric())
        }),
    };
    well_formed && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_tag(text: &str) -> bool {
    text.len() <= 128
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

fn is_digest(text: &str) -> bool {
    let (hex, length) = match text.split_once(':') {
        Some(("sha256", hex)) => (hex, 64),
        Some(("sha384", hex)) => (hex, 96),
        Some(("sha512", hex)) => (hex, 128),
        Some(_) | None => return false,
    };
    hex.len() == length && hex.bytes().all(is_hex)
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}
