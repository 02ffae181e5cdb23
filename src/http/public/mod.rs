//! The public listener's handlers, one file a resource. None of them can answer a stored secret.
//!
//! The paths in their documentation begin with `/v1/{scope}` where a resource stands under several scopes; `openapi`
//! writes each out, and `routes` serves each.

pub(super) mod audit_events;
pub(super) mod audit_prunings;
pub(super) mod credentials;
pub(super) mod organizations;
pub(super) mod projects;
pub(super) mod registry_kinds;
pub(super) mod resolve;
pub(super) mod tokens;
pub(super) mod whoami;
