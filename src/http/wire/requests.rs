//! What callers send. Every member is a domain type, so that what is malformed ends with the reading.

use crate::domain::{
    check::CaCertificates,
    credential::{CredentialPatch, Email, NewCredential, Username},
    kind::RegistryKind,
    permission::Role,
    pruning::{LinesDigest, NewPruning, PruningCount},
    secret::Password,
    server::{ImagePrefix, StatedServer},
    timestamp::Timestamp,
    token::{Lifetime, NewToken, TokenName},
};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

/// A credential to add.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialCreate {
    /// The registry as people have it: `ghcr.io`, `https://index.docker.io/v1/`, `quay.io/acme`, `[::1]:5000`. With the kind
    /// `azure` the registry's name is enough, and with some kinds, as `docker_hub`, it may be absent.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, nullable = false, examples("ghcr.io/acme"))]
    pub server: Option<StatedServer>,
    /// The sort of registry; inferred from the server if absent.
    #[serde(default)]
    #[schema(value_type = Option<String>, examples("github"))]
    pub kind: Option<RegistryKind>,
    /// 1 to 255 bytes, without `:`.
    #[serde(default)]
    #[schema(value_type = Option<String>, examples("bot"))]
    pub username: Option<Username>,
    /// An e-mail address of at most 254 bytes.
    #[serde(default)]
    #[schema(value_type = Option<String>, examples("ops@acme.example"))]
    pub email: Option<Email>,
    /// Offers the login only for images below this repository path.
    #[serde(default)]
    #[schema(value_type = Option<String>, examples("ghcr.io/acme/shop"))]
    pub image_prefix: Option<ImagePrefix>,
    /// From then on the login is handed out no more.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime, examples("2027-01-01T00:00:00Z"))]
    pub expires_at: Option<Timestamp>,
    /// Whether it may be handed out.
    #[serde(default = "enabled_unless_told")]
    #[schema(default = true)]
    pub enabled: bool,
    /// Certificates in PEM, at most 64 KiB, that may vouch for the registry besides those that all trust: for a registry with an
    /// authority of its own. Used where regcred verifies the login.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub ca_certificates: Option<CaCertificates>,
    /// The password, token or key file: 1 to 16,384 bytes, kept as they are. Never part of an answer.
    #[schema(value_type = String, format = Password, write_only, examples("correct horse battery staple"))]
    pub password: Password,
}

fn enabled_unless_told() -> bool {
    true
}

impl From<CredentialCreate> for NewCredential {
    fn from(request: CredentialCreate) -> Self {
        let CredentialCreate {
            server,
            kind,
            username,
            email,
            image_prefix,
            expires_at,
            enabled,
            ca_certificates,
            password,
        } = request;
        Self { server, kind, username, email, image_prefix, expires_at, enabled, ca_certificates, password }
    }
}

/// A change of a credential: a JSON merge patch (RFC 7396). What is absent stays; `null` clears what may be absent.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialUpdate {
    /// Another server; needs the password again.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub server: Option<StatedServer>,
    /// Another kind.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub kind: Option<RegistryKind>,
    /// Another user name; needs the password again.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub username: Option<Option<Username>>,
    /// Another e-mail address.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub email: Option<Option<Email>>,
    /// Another prefix.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub image_prefix: Option<Option<ImagePrefix>>,
    /// Another end.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Option<Timestamp>>,
    /// Switches it on or off.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    pub enabled: Option<bool>,
    /// Other certificates; needs the password again.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub ca_certificates: Option<Option<CaCertificates>>,
    /// A new password; absent keeps the stored one.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = Password, write_only, nullable = false)]
    pub password: Option<Password>,
}

/// Tells "absent" from "null": a member that is there is read as its own type, which may or may not know `null`.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl From<CredentialUpdate> for CredentialPatch {
    fn from(request: CredentialUpdate) -> Self {
        let CredentialUpdate {
            server,
            kind,
            username,
            email,
            image_prefix,
            expires_at,
            enabled,
            ca_certificates,
            password,
        } = request;
        Self { server, kind, username, email, image_prefix, expires_at, enabled, ca_certificates, password }
    }
}

/// A token to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenCreate {
    /// What people will call it: 1 to 100 bytes.
    #[schema(value_type = String, examples("argo"))]
    pub name: TokenName,
    /// What it is for.
    #[schema(value_type = String, examples("deployer"))]
    pub role: Role,
    /// How long it is good: 1 to 3,650 days.
    #[serde(default)]
    #[schema(value_type = u32, default = 90, minimum = 1, maximum = 3650)]
    pub expires_in_days: Lifetime,
}

impl From<TokenCreate> for NewToken {
    fn from(request: TokenCreate) -> Self {
        Self { name: request.name, role: request.role, lifetime: request.expires_in_days }
    }
}

/// Audit events to prune: the oldest that there are, which the caller has exported.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditPrune {
    /// How many: 1 to 1,000.
    #[schema(value_type = u32, minimum = 1, maximum = 1000)]
    pub count: PruningCount,
    /// The proof that the caller has them: the SHA-256 over the JSON of each, byte for byte as the deployment's list gives it
    /// from `{` to `}`, followed by a line feed; 64 hexadecimal digits in lower case.
    #[schema(value_type = String)]
    pub sha256: LinesDigest,
}

impl From<AuditPrune> for NewPruning {
    fn from(request: AuditPrune) -> Self {
        Self { count: request.count, sha256: request.sha256 }
    }
}
