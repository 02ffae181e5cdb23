//! How those who pull images look for a login in a docker config: models of programs that are not ours.
//!
//! Each model is one pure function from the keys of a config and an image to what the program would use. They let
//! `resolve` say what will happen on a node, and let tests hold the configs that regcred writes against every reader of
//! them. They know keys and nothing of secrets; [`auth`] alone reads the text that a login is kept in. Where our own rule
//! ([`super::matching`]) is stricter than a program's, the model does as the program.

pub mod auth;
mod containerd;
mod containers_image;
mod docker;
mod glob;
mod kubelet;
mod location;

#[cfg(test)]
mod tests;

pub use containerd::{Presented, presented};

use super::image::ImageReference;
use std::fmt;

/// A program that pulls images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consumer {
    /// The docker command and its engine.
    Docker,
    /// podman, skopeo, buildah and CRI-O, which share the library containers/image.
    Podman,
    /// crane and whatever else uses go-containerregistry.
    Crane,
    /// Kubernetes' node agent, with a runtime that sends what it is told to.
    Kubelet,
    /// containerd below the kubelet.
    Containerd,
}

/// A key of a docker config, with what stands under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfigEntry<'a> {
    /// The member of `auths`.
    pub key: &'a str,
    /// What is there.
    pub login: LoginParts,
}

/// How much of a login an entry has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginParts {
    /// Nothing: `{}`.
    Empty,
    /// A password without a user name.
    Nameless,
    /// User name and password.
    Full,
}

/// What a program does about an image: which entries it tries, by their places in the list that it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// It sends no login.
    Nothing,
    /// It tries these, one after another, until one works.
    InTurn(Vec<usize>),
    /// It takes one of these, and nobody can say which.
    AnyOf(Vec<usize>),
}

impl Consumer {
    /// Every program.
    pub const ALL: [Self; 5] = [Self::Docker, Self::Podman, Self::Crane, Self::Kubelet, Self::Containerd];

    /// The program's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Crane => "crane",
            Self::Kubelet => "kubelet",
            Self::Containerd => "containerd",
        }
    }

    /// What the program does about an image, given the entries of its docker config.
    #[must_use]
    pub fn choose(self, entries: &[ConfigEntry<'_>], image: &ImageReference) -> Choice {
        match self {
            Self::Docker => docker::docker(entries, image),
            Self::Podman => containers_image::choose(entries, image),
            Self::Crane => docker::crane(entries, image),
            Self::Kubelet => kubelet::choose(entries, image),
            Self::Containerd => containerd::choose(entries, image),
        }
    }
}

impl fmt::Display for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Choice {
    fn first_of(found: Option<usize>) -> Self {
        found.map_or(Self::Nothing, |index| Self::InTurn(vec![index]))
    }

    fn in_turn(found: Vec<usize>) -> Self {
        if found.is_empty() { Self::Nothing } else { Self::InTurn(found) }
    }

    /// For a program that walks over a map in no order and takes the first that fits.
    fn any_of(found: Vec<usize>) -> Self {
        if found.len() > 1 { Self::AnyOf(found) } else { Self::in_turn(found) }
    }
}

/// The place of the entry with exactly that key.
fn find(entries: &[ConfigEntry<'_>], key: &str) -> Option<usize> {
    entries.iter().position(|entry| entry.key == key)
}

/// The places of all entries whose keys are like that.
fn find_all(entries: &[ConfigEntry<'_>], fits: impl Fn(&str) -> bool) -> Vec<usize> {
    entries.iter().enumerate().filter(|(_, entry)| fits(entry.key)).map(|(index, _)| index).collect()
}
