//! What regcred is about: credentials, servers, images, scopes, tokens, permissions and audit events.
//!
//! Everything here is pure. A value that exists is valid: text from outside becomes a domain type through
//! [`std::str::FromStr`] or serde and is never checked again. This module must not know HTTP, SQL, the clock,
//! the source of randomness or the environment; the two that it needs are passed in as [`source::Clock`] and
//! [`source::Random`].

pub mod audit;
pub mod check;
pub mod consumer;
pub mod convention;
pub mod credential;
pub mod docker_config;
pub mod docker_hub;
pub mod id;
pub mod identity;
pub mod image;
pub mod import;
pub mod kind;
pub mod matching;
pub mod page;
pub mod permission;
pub mod pruning;
pub mod resolution;
pub mod scope;
pub mod secret;
pub mod server;
pub mod source;
pub mod text;
pub mod timestamp;
pub mod token;
