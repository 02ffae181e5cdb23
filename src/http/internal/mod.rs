//! The internal listener's handlers: pull secrets, and the operator's hold on the master keys. Keep it off every ingress.

pub(super) mod keys;
pub(super) mod pull_secret;
pub(super) mod status;
