//! regcred keeps the container-registry credentials of a platform's projects, encrypted, and hands deployers the pull
//! secrets they need.

pub mod cli;
pub mod client;
pub mod config;
pub mod crypto;
pub mod domain;
pub mod draft;
pub mod http;
pub mod lifecycle;
pub mod registry;
pub mod service;
pub mod store;
pub mod telemetry;
