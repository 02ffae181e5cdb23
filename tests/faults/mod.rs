//! What can go wrong around regcred, again and again, and what must not come of it. `tests/faults/run` runs them in large
//! numbers and prints what was measured; with the other tests they run in small numbers.
//!
//! What may never happen (a write lost, a secret without its audit row, a transaction left open) fails the test. How long
//! something may take is a promise to the operator: it is measured, and judged in the table, because the machine that runs the
//! tests may have other things to do.

mod cut;
mod disconnect;
mod disk;
mod kill;
mod late;
mod power;
mod report;
mod restart;
mod revoke;
mod rotation;
mod start;

use crate::support::{
    Replicas, Server,
    postgres::{Cluster, Database},
    raw::{self, Answer},
    traffic::{Listeners, Losses, Traffic},
};
use report::Fault;
use std::{
    thread,
    time::{Duration, Instant},
};

/// How long anything may take before a test gives up. No measure of speed.
const FOR_EVER: Duration = Duration::from_mins(1);

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).expect("it is below the limit")
    }

    fn milliseconds(&mut self, limit: usize) -> Duration {
        Duration::from_millis(self.below(limit) as u64)
    }
}

fn listeners(replicas: &[Server]) -> Vec<Listeners> {
    replicas.iter().map(Server::listeners).collect()
}

/// How long it takes from now until this holds.
fn time_until(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < FOR_EVER, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(5));
    }
    begun.elapsed()
}

/// How long it takes from now until every replica is ready and hands out a secret.
fn time_until_good(replicas: &[Server], pull: &[u8]) -> Duration {
    time_until("every replica answers well", || {
        replicas.iter().all(|server| {
            let ready = raw::once(&server.internal, &raw::get("/readyz", ""));
            ready.status == 200 && raw::once(&server.internal, pull).status == 200
        })
    })
}

/// How many of regcred's sessions stand in a transaction and do nothing, and how many wait for a lock, for a second and when
/// nobody calls. A second later the database would have ended them itself.
fn stuck(database: &Database) -> (usize, usize) {
    const OURS: &str = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
    thread::sleep(Duration::from_millis(1200));
    let second = "< clock_timestamp() - interval '1 second'";
    (
        database
            .count(&format!("select count(*) {OURS} and state like 'idle in transaction%' and state_change {second}")),
        database.count(&format!("select count(*) {OURS} and wait_event_type = 'Lock' and query_start {second}")),
    )
}
