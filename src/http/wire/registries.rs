//! What is said of kinds of registries, of logins by their kinds, and of which login an image gets.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Something about a login that its owner should know. It never repeats a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Warning {
    /// The member that it is about, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What is to be known.
    pub detail: String,
}

/// Whose key a password is: the part of a Google key file that is no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Identity {
    /// The service account's address.
    pub client_email: String,
    /// The key's name.
    pub key_id: String,
}

/// All kinds of registries.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RegistryKinds {
    /// The kinds, the most common first.
    pub items: Vec<RegistryKind>,
}

/// A kind of registry, and what a form must ask for it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RegistryKind {
    /// Its name, as the `kind` of a credential.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// The hosts that it is told by; `*` stands for some characters. None for a kind that only its owners run.
    pub hosts: Vec<String>,
    /// Whether the server is asked for: `no`, `optional` or `required`.
    pub server: String,
    /// The server that is meant if none is given.
    pub default_server: Option<String>,
    /// A server as an example.
    pub server_example: String,
    /// The ways to log in, the best first.
    pub logins: Vec<LoginForm>,
    /// What people should know before they save.
    pub warnings: Vec<String>,
    /// The page that tells how to get a login, from the root of the documentation.
    pub guide: String,
}

/// A way to log in.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LoginForm {
    /// What it is called.
    pub title: String,
    /// The user name, if it is always the same.
    pub username: Option<String>,
    /// What the user name is, if it is the owner's own.
    pub username_hint: Option<String>,
    /// What the password is called.
    pub password: String,
    /// How long it lasts, if that is fixed.
    pub lifetime: Option<String>,
}

/// Which credential an image gets, and why.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Resolution {
    /// The repository that the image names, in full: `docker.io/library/nginx` for `nginx`.
    pub repository: String,
    /// The credential that is handed out for the image; `null` if none is.
    pub credential_id: Option<Uuid>,
    /// Every credential of the scope: those that the image could use in the order in which they are tried, then the others,
    /// the near misses first.
    pub candidates: Vec<Candidate>,
    /// What programs do with the docker config of the whole scope, each by its own rules.
    pub consumers: Vec<Consumer>,
    /// How many credentials could not be read; the service's log names them. Absent if none.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schema(required = false)]
    pub unreadable: u64,
}

/// A credential, and what speaks for or against it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Candidate {
    /// The credential.
    pub credential_id: Uuid,
    /// The scope that it belongs to.
    pub scope: String,
    /// Whether it comes from the organization of the project that was asked about.
    pub inherited: bool,
    /// The registry.
    pub server: String,
    /// The images that it is offered for, if it is narrowed.
    pub image_prefix: Option<String>,
    /// `chosen`, `overridden`, `disabled`, `expired`, `image_prefix_differs`, `path_is_not_a_prefix`, `port_differs` or
    /// `host_differs`.
    pub reason: String,
    /// With `overridden`: the credential that goes first.
    pub overridden_by: Option<Uuid>,
}

/// What a program does with the docker config of the whole scope.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Consumer {
    /// `docker`, `podman` (also skopeo and CRI-O), `containerd` (below the kubelet) or `kubelet`.
    pub name: String,
    /// The credentials that it tries, one after another until one works. None: it pulls without a login.
    pub credential_ids: Vec<Uuid>,
    /// Why it does otherwise than what is handed out for the image alone; `null` if it does the same.
    pub difference: Option<String>,
}
