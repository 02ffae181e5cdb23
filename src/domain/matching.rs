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
use std::cmp::Reverse;

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
    candidates.sort_by(|a, b| {
        let order = |credential: &Credential| {
            (Reverse(credential.server.path().map_or(0, str::len)), distance(&credential.scope))
        };
        order(a).cmp(&order(b)).then_with(|| a.server.cmp(&b.server)).then_with(|| a.id.cmp(&b.id))
    });
    candidates
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
