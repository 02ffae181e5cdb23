//! The kubelet: all keys that fit, the most specific first.

use super::{
    Choice, ConfigEntry, glob,
    location::{self, Location, split_port},
};
use crate::domain::{docker_hub, image::ImageReference};

/// The key that the kubelet makes of a docker config's key: without scheme, API version, user, query and fragment.
///
/// `None` if it cannot be read: the kubelet passes over such an entry without harm to the others, and so does the model. Of the
/// keys that regcred writes there is none.
pub(super) fn index_key(key: &str) -> Option<String> {
    let Location { host, path } = location::parse(without_scheme(key))?;
    let path = if path.starts_with("/v1/") || path.starts_with("/v2/") { &path[3..] } else { &path };
    Some(if path == "/" { host } else { host + path })
}

pub(super) fn choose(entries: &[ConfigEntry<'_>], image: &ImageReference) -> Choice {
    let mut index: Vec<_> =
        entries.iter().enumerate().filter_map(|(place, entry)| Some((index_key(entry.key)?, place))).collect();
    // By the bytes of the keys backwards; entries that become one key stay in their order.
    index.sort_by(|(a, _), (b, _)| b.cmp(a));
    let places = |fits: &dyn Fn(&str) -> bool| {
        index.iter().filter(|(key, _)| fits(key)).map(|(_, place)| *place).collect::<Vec<_>>()
    };
    let found = places(&|key| fits(key, image.repository()));
    if found.is_empty() && is_taken_for_hub(image.host()) {
        // This key stands in for all of Docker Hub when nothing fits.
        return Choice::in_turn(places(&|key| key == docker_hub::INDEX));
    }
    Choice::in_turn(found)
}

/// A host without a dot and a port counts as a part of a Hub repository, even `localhost`.
fn is_taken_for_hub(host: &str) -> bool {
    host == docker_hub::HOST || !host.contains(['.', ':'])
}

/// Go reads schemes in any case; the kubelet looks for these two in lower case only, and puts one before all else.
fn without_scheme(key: &str) -> &str {
    key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key)
}

/// Whether an index key fits a repository: equal ports, label by label, and the path a prefix by its bytes.
fn fits(key: &str, repository: &str) -> bool {
    let split = |text: &str| {
        let (host, path) = text.split_at(text.find('/').unwrap_or(text.len()));
        (host.to_owned(), path.to_owned())
    };
    let ((key_host, key_path), (host, path)) = (split(key), split(repository));
    let ((key_name, key_port), (name, port)) = (split_port(&key_host), split_port(&host));
    key_port == port
        && key_name.split('.').count() == name.split('.').count()
        && path.starts_with(&key_path)
        && key_name.split('.').zip(name.split('.')).all(|(pattern, label)| glob::fits(pattern, label))
}
