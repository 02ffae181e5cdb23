//! podman, skopeo, buildah and CRI-O: the repository, then what is above it, then the registry in other spellings.

use super::{Choice, ConfigEntry, find, find_all};
use crate::domain::{docker_hub, image::ImageReference};
use std::iter::successors;

pub(super) fn choose(entries: &[ConfigEntry<'_>], image: &ImageReference) -> Choice {
    let above = successors(Some(image.repository()), |key| key.rsplit_once('/').map(|(above, _)| above));
    if let Some(place) = above.into_iter().find_map(|key| find(entries, key)) {
        return Choice::first_of(Some(place));
    }
    let registry = one_name(image.host());
    Choice::any_of(find_all(entries, |key| normalised(key) == registry))
}

/// A key without its scheme; only with a scheme its path goes, too.
fn normalised(key: &str) -> &str {
    let rest = key.strip_prefix("http://").unwrap_or(key);
    let rest = rest.strip_prefix("https://").unwrap_or(rest);
    one_name(if rest == key { key } else { rest.split('/').next().unwrap_or_default() })
}

/// One name for Docker Hub.
fn one_name(registry: &str) -> &str {
    match registry {
        docker_hub::HOST | docker_hub::API => docker_hub::INDEX,
        other => other,
    }
}
