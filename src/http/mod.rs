//! The REST API. Being built.

pub mod wire;
