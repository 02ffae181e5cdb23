//! containerd, which is handed one login after another by the kubelet and decides what of it to send.

use super::{Choice, ConfigEntry, LoginParts, kubelet};
use crate::domain::image::ImageReference;

/// What containerd sends of a login that it was handed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented {
    /// Nothing.
    Nothing,
    /// User name and password.
    Password,
    /// The identity token.
    IdentityToken,
    /// What it reads in `auth`.
    Auth,
}

/// What containerd sends to that host of a login with these members; one that is empty counts as absent. The server address
/// may be a host, or a URL.
#[must_use]
pub fn presented(server: &str, username: &str, identity_token: &str, auth: &str, host: &str) -> Presented {
    let named = server.split_once("://").map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default());
    // An address without a scheme is a path to Go, and a path has no host.
    if !server.is_empty() && named != host {
        return Presented::Nothing;
    }
    match (username, identity_token, auth) {
        ("", "", "") => Presented::Nothing,
        ("", "", _) => Presented::Auth,
        ("", _, _) => Presented::IdentityToken,
        (_, _, _) => Presented::Password,
    }
}

/// The kubelet has read `auth` already and hands on what it found there, so a password without a user name is lost.
pub(super) fn choose(entries: &[ConfigEntry<'_>], image: &ImageReference) -> Choice {
    let sent = |place: &usize| {
        let username = if entries[*place].login == LoginParts::Full { "some" } else { "" };
        presented("", username, "", "", image.host()) != Presented::Nothing
    };
    match kubelet::choose(entries, image) {
        Choice::InTurn(places) => Choice::in_turn(places.into_iter().filter(sent).collect()),
        other => other,
    }
}
