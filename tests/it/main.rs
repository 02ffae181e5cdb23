//! Black-box tests: each starts the real program on free ports with a fresh data folder, and talks to it through the typed
//! client, plain HTTP, or the command line. What a test promises is in its name.

#![allow(
    clippy::disallowed_methods,
    reason = "the tests stand outside the house: they wait, read the clock and set up environments for processes"
)]
#![allow(clippy::unwrap_used, reason = "a test that meets what it did not expect has failed")]
#![allow(clippy::print_stderr, reason = "a failing test shows the log of its server")]

mod support;

#[path = "../faults/mod.rs"]
mod faults;

mod altered_rows;
mod architecture;
mod audit;
mod audit_filing;
mod audit_list;
mod authorization;
mod backup;
mod bad_input;
mod canary;
mod cli;
mod crash;
mod credentials;
mod disk;
mod full;
mod guides;
mod keys;
mod openapi;
mod plain;
mod pooler;
mod postgres;
mod postgres_start;
mod pull_secret;
mod readme;
mod registry;
mod registry_kinds;
mod replicas;
mod resolve;
mod retention;
mod scopes_and_tokens;
mod shutdown;
mod slow_clients;
mod smoke;
mod start;
mod store_contract;
mod telemetry;
mod verify;
mod walk;
