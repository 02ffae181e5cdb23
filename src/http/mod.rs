//! The REST API: the only place that names actix-web and utoipa.
//!
//! A request comes in through [`watch`] (limits on slow connections) and [`request`] (its identifier, metrics and, at
//! the end, the one place where a failure is logged and becomes a [`problem::Problem`]). A handler takes a [`call::Call`],
//! which has found out who asks; it parses, calls the service, and renders. `routes` is the whole API on one page.

mod answer;
mod call;
mod counts;
mod internal;
mod json;
mod knock;
mod openapi;
mod probes;
mod problem;
mod public;
mod query;
mod request;
mod routes;
mod server;
mod shared;
mod watch;
pub mod wire;

pub use openapi::{internal as internal_openapi, public as public_openapi};
pub use server::{Stopper, serve};
pub use shared::{Listener, Shared};
