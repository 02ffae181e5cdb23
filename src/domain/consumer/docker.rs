//! Programs with docker's rules: docker itself, and go-containerregistry.

use super::{Choice, ConfigEntry, LoginParts, find, find_all, location};
use crate::domain::{docker_hub, image::ImageReference};

/// docker asks for the registry, and never for a part of it.
pub(super) fn docker(entries: &[ConfigEntry<'_>], image: &ImageReference) -> Choice {
    lookup(entries, address(image))
}

/// crane asks for the repository first, in full, and then for the registry.
pub(super) fn crane(entries: &[ConfigEntry<'_>], image: &ImageReference) -> Choice {
    let mut repository = image.repository().to_owned();
    if image.host() == docker_hub::HOST {
        repository.replace_range(..docker_hub::HOST.len(), docker_hub::INDEX);
    }
    let has_login = |place: &usize| entries[*place].login != LoginParts::Empty;
    for address in [&repository, address(image)] {
        match lookup(entries, address) {
            // What is empty counts as not found.
            Choice::InTurn(places) if !places.iter().any(has_login) => {}
            Choice::Nothing => {}
            found => return found,
        }
    }
    Choice::Nothing
}

fn address(image: &ImageReference) -> &str {
    if image.host() == docker_hub::HOST { docker_hub::CONFIG_KEY } else { image.host() }
}

/// The entry under the very address, or one whose key has that host. Which one, if there are several, is chance: docker walks
/// over a map.
fn lookup(entries: &[ConfigEntry<'_>], address: &str) -> Choice {
    match find(entries, address) {
        Some(place) => Choice::first_of(Some(place)),
        None => Choice::any_of(find_all(entries, |key| host_name(key) == address)),
    }
}

/// What docker takes for the host name in a key.
fn host_name(key: &str) -> String {
    if let Some((_, rest)) = key.split_once("://")
        && let Some(found) = location::parse(rest).filter(|found| !found.host.is_empty())
    {
        return found.host;
    }
    key.split('/').next().unwrap_or_default().to_owned()
}
