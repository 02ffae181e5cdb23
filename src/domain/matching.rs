//! Which credentials an image could use, and in which order.
//!
//! The rule is the kubelet's, but that a path ends on a `/`: `r.io/foo` is no login for `r.io/foobar/app`, which may
//! be somebody else's. Hosts and ports are equal as strings.

#[cfg(test)]
pub(super) mod tests;

use super::{
    credential::Credential,
    image::ImageReference,
    scope::Scope,
    server::{RegistryServer, is_within},
};
use std::cmp::{Ordering, Reverse};

/// Whether the image is one of the server's: on the same host, and below the server's path.
#[must_use]
pub fn matches(server: &RegistryServer, image: &ImageReference) -> bool {
    is_within(image.repository(), server.as_str())
}

/// The credentials that the image could use, the most specific first.
///
/// A longer path goes first; of two for one server, a project's own goes before its organization's. Whether one may be
/// handed out is not asked here.
#[must_use]
pub fn candidates<'a>(image: &ImageReference, credentials: &'a [Credential]) -> Vec<&'a Credential> {
    let mut candidates: Vec<_> = credentials.iter().filter(|credential| could_use(image, credential)).collect();
    candidates.sort_by(|a, b| in_order(a, b));
    candidates
}

/// Which of two credentials goes first.
pub(super) fn in_order(a: &Credential, b: &Credential) -> Ordering {
    let order =
        |credential: &Credential| (Reverse(credential.server.path().map_or(0, str::len)), distance(&credential.scope));
    order(a).cmp(&order(b)).then_with(|| a.server.cmp(&b.server)).then_with(|| a.id.cmp(&b.id))
}

/// Why an image could not use a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mismatch {
    /// It could, were it below the credential's own image prefix.
    ImagePrefix,
    /// The image is on the registry, and not below the server's path.
    Path,
    /// Same host, other port; that one of them has none makes them differ, too.
    Port,
    /// The image is on another registry.
    Host,
}

/// Why the image could not use the credential; none if it could.
#[must_use]
pub fn mismatch(image: &ImageReference, credential: &Credential) -> Option<Mismatch> {
    let (name, port) = split_port(credential.server.host());
    let (image_name, image_port) = split_port(image.host());
    if name != image_name {
        Some(Mismatch::Host)
    } else if port != image_port {
        Some(Mismatch::Port)
    } else if !matches(&credential.server, image) {
        Some(Mismatch::Path)
    } else {
        (!could_use(image, credential)).then_some(Mismatch::ImagePrefix)
    }
}

fn split_port(host: &str) -> (&str, &str) {
    host.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')).unwrap_or((host, ""))
}

/// How far above a project its credential's scope is: its own is the nearest.
pub(super) fn distance(scope: &Scope) -> u8 {
    match scope {
        Scope::Project(_) => 0,
        Scope::Organization(_) => 1,
        Scope::Deployment => 2,
    }
}

fn could_use(image: &ImageReference, credential: &Credential) -> bool {
    let covered = |prefix: &str| is_within(image.repository(), prefix);
    matches(&credential.server, image) && credential.image_prefix.as_ref().is_none_or(|prefix| covered(prefix.as_str()))
}
