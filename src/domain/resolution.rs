//! Which credential an image gets, and why: what people ask when a pull fails.
//!
//! Two answers side by side. The first is what regcred itself chooses when it is asked for the image. The second is what programs
//! on a node do with the docker config of the whole scope, by their own rules ([`super::consumer`]); where they do otherwise, it
//! says why.

#[cfg(test)]
mod tests;

use super::{
    consumer::{Choice, ConfigEntry, Consumer, LoginParts},
    credential::{Availability, Credential},
    docker_config, docker_hub,
    id::CredentialId,
    image::ImageReference,
    matching::{Mismatch, distance, in_order, mismatch},
    server::RegistryServer,
    timestamp::Timestamp,
};
use std::collections::HashMap;

/// What became of an image's question for a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// Every credential of the scope: those that the image could use, in the order in which they are tried, then the others,
    /// the near misses first.
    pub candidates: Vec<Candidate>,
    /// What programs do with the docker config of the whole scope.
    pub consumers: Vec<Outcome>,
}

/// A credential, and what speaks for or against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The credential.
    pub credential: Credential,
    /// Why it is chosen, or why not.
    pub reason: Reason,
}

/// Why a credential is chosen, or why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It is the one.
    Chosen,
    /// Another one goes first.
    Overridden(CredentialId),
    /// Somebody switched it off.
    Disabled,
    /// Its time is over.
    Expired,
    /// It is for other images.
    Mismatch(Mismatch),
}

/// What a program does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The program.
    pub consumer: Consumer,
    /// The credentials that it tries, in turn.
    pub tried: Vec<CredentialId>,
    /// Why it does otherwise than regcred would, if it does.
    pub difference: Option<&'static str>,
}

/// The programs that people ask about.
const ASKED_ABOUT: [Consumer; 4] = [Consumer::Docker, Consumer::Podman, Consumer::Containerd, Consumer::Kubelet];

impl Reason {
    /// The reason's name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chosen => "chosen",
            Self::Overridden(_) => "overridden",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::Mismatch(Mismatch::Host) => "host_differs",
            Self::Mismatch(Mismatch::Port) => "port_differs",
            Self::Mismatch(Mismatch::Path) => "path_is_not_a_prefix",
            Self::Mismatch(Mismatch::ImagePrefix) => "image_prefix_differs",
        }
    }
}

impl Resolution {
    /// The credential that regcred gives for the image.
    #[must_use]
    pub fn chosen(&self) -> Option<&Credential> {
        self.candidates.iter().find(|candidate| candidate.reason == Reason::Chosen).map(|chosen| &chosen.credential)
    }
}

/// Finds out what an image gets of these credentials, which are all that a scope has or inherits, also those it overrides.
#[must_use]
pub fn resolve(image: &ImageReference, credentials: Vec<Credential>, now: Timestamp) -> Resolution {
    let overriding = overriding(&credentials);
    let (overridden, in_force): (Vec<_>, Vec<_>) =
        credentials.into_iter().partition(|credential| overriding.contains_key(&credential.id));
    let selection = docker_config::select(&in_force, &[], now);

    let mut sorted: Vec<&Credential> = in_force.iter().chain(&overridden).collect();
    sorted.sort_by(|a, b| mismatch(image, a).cmp(&mismatch(image, b)).then_with(|| in_order(a, b)));
    let mut chosen: Option<&Credential> = None;
    let mut found = HashMap::with_capacity(sorted.len());
    for (place, credential) in sorted.into_iter().enumerate() {
        let nearer = overriding.get(&credential.id);
        let reason = match (mismatch(image, credential), nearer, credential.availability(now)) {
            (Some(mismatch), ..) => Reason::Mismatch(mismatch),
            (None, Some(nearer), _) => Reason::Overridden(*nearer),
            (None, None, Availability::Disabled) => Reason::Disabled,
            (None, None, Availability::Expired) => Reason::Expired,
            (None, None, Availability::Available) => match chosen {
                Some(chosen) => Reason::Overridden(chosen.id),
                None => Reason::Chosen,
            },
        };
        if reason == Reason::Chosen {
            chosen = Some(credential);
        }
        found.insert(credential.id, (place, reason));
    }
    let consumers = outcomes(image, &selection, chosen);

    let mut candidates: Vec<_> = in_force
        .into_iter()
        .chain(overridden)
        .map(|credential| Candidate { reason: found[&credential.id].1, credential })
        .collect();
    candidates.sort_by_key(|candidate| found[&candidate.credential.id].0);
    Resolution { candidates, consumers }
}

/// Those that another one for the same server overrides, each with that one.
fn overriding(credentials: &[Credential]) -> HashMap<CredentialId, CredentialId> {
    let mut nearest: HashMap<&RegistryServer, (u8, CredentialId)> = HashMap::with_capacity(credentials.len());
    for credential in credentials {
        let this = (distance(&credential.scope), credential.id);
        nearest.entry(&credential.server).and_modify(|known| *known = this.min(*known)).or_insert(this);
    }
    let overriding = credentials.iter().filter_map(|credential| {
        let (near, id) = nearest[&credential.server];
        (near < distance(&credential.scope)).then_some((credential.id, id))
    });
    overriding.collect()
}

fn outcomes(
    image: &ImageReference,
    selection: &docker_config::Selection<'_>,
    chosen: Option<&Credential>,
) -> Vec<Outcome> {
    let keys: Vec<_> = selection.entries.iter().map(|entry| entry.key.as_str()).collect();
    let logins = selection.entries.iter().map(|entry| ConfigEntry {
        key: &entry.key,
        login: if entry.credential.username.is_some() { LoginParts::Full } else { LoginParts::Nameless },
    });
    let stops = docker_config::stops(&keys).into_iter().map(|key| ConfigEntry { key, login: LoginParts::Empty });
    let entries: Vec<_> = logins.chain(stops).collect();
    let outcome = |consumer: Consumer| {
        let (Choice::InTurn(places) | Choice::AnyOf(places)) = consumer.choose(&entries, image) else {
            return Outcome { consumer, tried: Vec::new(), difference: difference(consumer, image, chosen, None) };
        };
        // What is behind the logins is a stop, which sends nothing.
        let tried: Vec<_> = places.iter().filter_map(|place| selection.entries.get(*place)).collect();
        let first = tried.first().map(|entry| entry.credential);
        Outcome {
            consumer,
            tried: tried.iter().map(|entry| entry.credential.id).collect(),
            difference: difference(consumer, image, chosen, first),
        }
    };
    ASKED_ABOUT.map(outcome).into()
}

/// Why a program uses another credential than the chosen one, or none, or one where none was chosen.
fn difference(
    consumer: Consumer,
    image: &ImageReference,
    chosen: Option<&Credential>,
    used: Option<&Credential>,
) -> Option<&'static str> {
    if chosen.map(|chosen| chosen.id) == used.map(|used| used.id) {
        return None;
    }
    let by_kubelet = matches!(consumer, Consumer::Kubelet | Consumer::Containerd);
    Some(match (chosen, used.and_then(|used| mismatch(image, used))) {
        (_, Some(Mismatch::ImagePrefix)) => "a docker config has no place for an image prefix",
        (_, Some(Mismatch::Host | Mismatch::Port)) if !by_kubelet => {
            "it takes all names of Docker Hub for one registry"
        }
        (_, Some(Mismatch::Host | Mismatch::Port)) => {
            "it takes a host without a dot and a port for a part of Docker Hub"
        }
        (_, Some(Mismatch::Path)) if by_kubelet => "it compares paths byte by byte, and not part by part",
        (_, Some(Mismatch::Path)) => {
            "it knows no paths, and takes the only login of the registry for all of its images"
        }
        (Some(_), None) if used.is_some() && !by_kubelet => {
            "it knows no paths, and takes the login of the whole registry"
        }
        (Some(chosen), None) if consumer == Consumer::Containerd && chosen.username.is_none() => {
            "it sends no password without a user name"
        }
        (Some(_), None) if by_kubelet => "it takes an address in brackets without a port for a pattern",
        (Some(_) | None, None) if image.host() == docker_hub::HOST => {
            "it knows no paths, and looks for the login of the whole of Docker Hub, which is not there"
        }
        (Some(_) | None, None) => "it knows no paths, and the registry has several logins, of which it takes none",
    })
}
