//! The shapes that cross the wire: JSON in `snake_case`, times in RFC 3339 UTC with microseconds.
//!
//! Requests refuse members they do not know, so that a misspelt `expires_at` is not silently lost; answers are read
//! with tolerance, so that an older client lives with a newer server. The typed client reads the same answer types that
//! the server writes, and neither can drift from the other. Requests hold domain types: what is malformed ends here.

mod audit;
mod checks;
mod registries;
mod requests;
mod status;

pub use audit::{AuditEvent, AuditPruning, AuditRetention};
pub use checks::{CheckRefusal, CredentialVerify, LastCheck, RateLimit};
pub use registries::{Candidate, Consumer, Identity, LoginForm, RegistryKind, RegistryKinds, Resolution, Warning};
pub use requests::{AuditPrune, CredentialCreate, CredentialUpdate, TokenCreate};
pub use status::{DatabaseStatus, ReplicaStatus, Status};

use crate::domain::{permission::Role, timestamp::Timestamp, token::TokenText};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;
use uuid::Uuid;
use zeroize::Zeroizing;

/// An organization.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Organization {
    /// Its name.
    pub name: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// A project.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Project {
    /// Its own name.
    pub name: String,
    /// The organization that it belongs to.
    pub organization: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// A credential, without its password.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Credential {
    /// Stays the same over every change.
    pub id: Uuid,
    /// The scope that it belongs to: `organizations/acme` or `organizations/acme/projects/shop`.
    pub scope: String,
    /// Whether it comes from the organization of the project that was asked about; then it is read-only here.
    pub inherited: bool,
    /// The registry in normal form: `host[:port][/path]`.
    pub server: String,
    /// The sort of registry.
    pub kind: String,
    /// The user name.
    pub username: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// Offers the login only for images below this repository path.
    pub image_prefix: Option<String>,
    /// Whether it may be handed out.
    pub enabled: bool,
    /// Counts passwords, from 1.
    pub version: u32,
    /// From then on the login is handed out no more.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// When it was added.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When anything about it was changed last.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// When its password was set last.
    #[schema(value_type = String, format = DateTime)]
    pub rotated_at: Timestamp,
    /// When it was handed out last, to within a minute; `null` if never.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<Timestamp>,
    /// Certificates in PEM that may vouch for the registry, besides those that all trust. Absent if there are none, and in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_certificates: Option<String>,
    /// The result of the last verification of the present password; `null` if there was none.
    pub last_check: Option<LastCheck>,
    /// Whose key the password is, if it is a key that says so itself. Absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// What the caller should know of what he has just written. Absent if there is nothing, and in every other answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub warnings: Vec<Warning>,
}

/// A token, without its text.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// Names it.
    pub id: Uuid,
    /// What people call it.
    pub name: String,
    /// What it is for.
    #[schema(value_type = String, examples("deployer"))]
    pub role: Role,
    /// Where it is good: `deployment`, `organizations/acme` or `organizations/acme/projects/shop`.
    pub scope: String,
    /// Until when it is good.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// A token that was just made: the only answer that holds a token's text.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TokenCreated {
    /// Names it.
    pub id: Uuid,
    /// The text to present as `Authorization: Bearer`. It cannot be shown again.
    #[serde(serialize_with = "expose_once", deserialize_with = "take_over")]
    #[schema(value_type = String, examples("rgc_4mZ..."))]
    pub token: TokenText,
    /// What people call it.
    pub name: String,
    /// What it is for.
    #[schema(value_type = String, examples("deployer"))]
    pub role: Role,
    /// Where it is good.
    pub scope: String,
    /// Until when it is good.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

fn expose_once<S: Serializer>(token: &TokenText, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(token.expose())
}

fn take_over<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TokenText, D::Error> {
    let text = Zeroizing::new(String::deserialize(deserializer)?);
    TokenText::parse(&text).map_err(serde::de::Error::custom)
}

/// Why a request was refused (RFC 9457). No member ever repeats what the caller sent.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A stable name of the sort of problem: `urn:regcred:problem:not-found`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same for people.
    pub title: String,
    /// The status of the answer.
    pub status: u16,
    /// What was wrong this time, and what to do.
    pub detail: String,
    /// The request, as the service's log and audit events name it.
    pub request_id: Option<Uuid>,
    /// What was wrong with which part of the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldProblem>,
    /// With `credential-exists`: the credential that the server already has in this scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub existing_id: Option<Uuid>,
    /// With `login-not-verified`: what the registry said of the login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckRefusal>,
    /// With `check-limit`: in how many seconds to try again, as `Retry-After` says, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

/// What was wrong with one part of a request.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FieldProblem {
    /// Where: a JSON pointer into the body (RFC 6901), or the name of a parameter.
    pub pointer: String,
    /// The rule that was broken.
    pub detail: String,
}

/// Who asks.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Whoami {
    /// The token's identifier.
    pub token_id: Uuid,
    /// The token's name.
    pub name: String,
    /// What it is for.
    #[schema(value_type = String)]
    pub role: Role,
    /// Where it is good.
    pub scope: String,
    /// Until when it is good.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// A master key: its name and state, never the key.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MasterKey {
    /// Names it.
    pub id: Uuid,
    /// `active` (wraps and unwraps), `standby` (unwraps only) or `retired` (gone for ever).
    pub state: String,
    /// Whether the process that answers holds it.
    pub loaded: bool,
    /// The machines of the live replicas that do not hold it. It cannot be activated before this is empty.
    #[serde(default)]
    pub lacking: Vec<String>,
    /// How many data keys are wrapped under it.
    pub data_keys: u64,
    /// When it was first seen.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// What a rewrapping did.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Rewrapped {
    /// How many data keys were wrapped anew.
    pub rewrapped: u64,
    /// How many data keys could not be opened and stay as they are; the service's log names them.
    #[serde(default)]
    pub unreadable: u64,
}

/// The form of a pull secret, for the documentation alone: the service writes its bytes itself, so that no plaintext
/// is left in memory on the way.
#[derive(ToSchema)]
pub struct DockerConfig {
    /// Logins by registry.
    pub auths: std::collections::BTreeMap<String, DockerLogin>,
}

/// A login in a docker config. It is empty for a registry with several logins for parts of it and none for the whole, so that no
/// program takes one of them by chance.
#[derive(ToSchema)]
pub struct DockerLogin {
    /// The user name; empty if there is none.
    #[schema(required = false)]
    pub username: String,
    /// The password.
    #[schema(required = false)]
    pub password: String,
    /// The e-mail address, if one was given.
    #[schema(required = false)]
    pub email: Option<String>,
    /// Base64 of `username:password`.
    #[schema(required = false)]
    pub auth: String,
}

/// What all pages have in common.
pub trait PageOf: serde::de::DeserializeOwned {
    /// What the page is a list of.
    type Item;

    /// A page of these items, with the cursor of the next one and how many items could not be read.
    fn from_parts(items: Vec<Self::Item>, next_cursor: Option<String>, unreadable: u64) -> Self;

    /// The items, the cursor of the next page, and how many items could not be read.
    fn into_parts(self) -> (Vec<Self::Item>, Option<String>, u64);
}

macro_rules! pages {
    ($($(#[$doc:meta])* $name:ident of $item:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
        pub struct $name {
            /// The items, in the list's order.
            pub items: Vec<$item>,
            /// Give it as `cursor` to get the next page; `null` behind the last item.
            pub next_cursor: Option<String>,
            /// How many items of this page could not be read; the service's log names them. Absent if none.
            #[serde(default, skip_serializing_if = "is_zero")]
            #[schema(required = false)]
            pub unreadable: u64,
        }

        impl PageOf for $name {
            type Item = $item;

            fn from_parts(items: Vec<$item>, next_cursor: Option<String>, unreadable: u64) -> Self {
                Self { items, next_cursor, unreadable }
            }

            fn into_parts(self) -> (Vec<$item>, Option<String>, u64) {
                (self.items, self.next_cursor, self.unreadable)
            }
        }
    )+};
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

pages! {
    /// A part of the list of organizations, by name.
    OrganizationPage of Organization,
    /// A part of an organization's list of projects, by name.
    ProjectPage of Project,
    /// A part of a scope's list of credentials, oldest first.
    CredentialPage of Credential,
    /// A part of a scope's list of tokens, oldest first.
    TokenPage of Token,
    /// A part of the audit log.
    AuditEventPage of AuditEvent,
    /// A part of the list of prunings of the audit log, in the order of what they took.
    AuditPruningPage of AuditPruning,
    /// The master keys, oldest first.
    MasterKeyPage of MasterKey,
}
