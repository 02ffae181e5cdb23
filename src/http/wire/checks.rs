//! What crosses the wire about trying logins.

use crate::domain::{check::PullTarget, timestamp::Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a login is to be tried for.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialVerify {
    /// An image that it should be able to pull, such as `ghcr.io/acme/shop:1.0`; without one, only whether the registry takes the login is asked.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub image: Option<PullTarget>,
}

/// What the registry said when the login was tried.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LastCheck {
    /// The first stage that failed, `dns`, `connect`, `tls`, `not_a_registry`, `unauthorized`, `no_pull_access`, `rate_limited` or
    /// `unavailable`; or `ok`.
    pub result: String,
    /// Why, by a stable name such as `certificate_not_trusted`.
    #[serde(default)]
    #[schema(required = true)]
    pub reason: String,
    /// The same for people.
    #[serde(default)]
    #[schema(required = true)]
    pub detail: String,
    /// When it was tried.
    #[schema(value_type = String, format = DateTime)]
    pub checked_at: Timestamp,
    /// What it was tried for; `null` if only the login was tried, and where the credential is inherited.
    #[serde(default)]
    #[schema(required = true)]
    pub image: Option<String>,
    /// What the registry said of its limits; `null` if nothing.
    #[serde(default)]
    #[schema(required = true)]
    pub rate_limit: Option<RateLimit>,
}

/// How many pulls a registry allows.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct RateLimit {
    /// How many.
    pub limit: u32,
    /// How many of them are left.
    pub remaining: u32,
    /// In how many seconds; `null` if it did not say.
    pub window_seconds: Option<u32>,
}

/// Why a login that was to be verified first was not added.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CheckRefusal {
    /// The stage that failed.
    pub result: String,
    /// Why, by a stable name.
    pub reason: String,
}
