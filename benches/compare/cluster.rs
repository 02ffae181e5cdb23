//! The PostgreSQL of the tests, with all that it writes made durable and its own settings otherwise.

#[path = "../../tests/it/support/disk.rs"]
mod disk;
#[path = "../../tests/it/support/postgres.rs"]
mod postgres;

pub use postgres::{Cluster, Database};

use std::net::TcpListener;

/// A port that nobody listens on now.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a free port");
    listener.local_addr().expect("it is bound").port()
}
