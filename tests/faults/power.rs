//! The power goes while SQLite is written to and read from.
//!
//! A process that is killed leaves what it wrote with the system, which writes it to the disk later. A power cut does not. So
//! the server runs with a library before the C library (`power.c`) that keeps a copy of each file as it was when it was last
//! synced, and after the kill these copies take the files' place: nothing that was not synced is there any more.
//!
//! The lock file and what is written before the server is ready (keyring, token) stay as they are: only the database is put to
//! the test here. That the copies tell the truth of a disk is believed, not tried: a disk that lies about a sync is beyond this.

use super::*;
use crate::support::Binary;
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

const LIBRARY: &str = "tests/faults/power.c";
const DATABASE: &str = "regcred.db";
const LOG: &str = "regcred.db-wal";

/// Compiles the library that remembers what was synced.
fn library(folder: &Path) -> PathBuf {
    let library = folder.join("power.so");
    let mut command = Command::new("cc");
    command.args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-pthread", "-o"]).arg(&library).arg(LIBRARY);
    let compiled = command.status().expect("there is a C compiler");
    assert!(compiled.success(), "it compiles");
    library
}

/// Leaves of the database what was synced, and nothing else.
fn cut_power(data: &Path, shadow: &Path) {
    let absent = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    for name in [DATABASE, LOG, "regcred.db-shm", "regcred.db-journal"] {
        let removed = fs::remove_file(data.join(name));
        assert!(removed.is_ok() || removed.is_err_and(|error| absent(&error)), "{name} can be removed");
    }
    let synced = fs::copy(shadow.join(DATABASE), data.join(DATABASE));
    synced.expect("the database was synced at least when its tables were made, or nothing was remembered");
    let log = fs::copy(shadow.join(LOG), data.join(LOG));
    assert!(log.is_ok() || log.is_err_and(|error| absent(&error)), "the log can be copied");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_takes_nothing_that_sqlite_confirmed() {
    let mut fault = Fault::new("power cut (SQLite)", 5, 100);
    let folder = tempfile::tempdir().expect("there is room");
    let shadow = folder.path().join("synced");
    fs::create_dir(&shadow).expect("there is room");
    let binary = Binary::new().env("LD_PRELOAD", library(folder.path())).env("REGCRED_TEST_SHADOW", &shadow);
    let mut server = binary.serve(&folder.path().join("data")).unwrap_or_else(|output| panic!("no start: {output:?}"));
    let mut traffic = Traffic::new(&server, 4, 2).await;
    // What the callers stand on is in the database's own file, whatever becomes of the log.
    server.stop();
    server.restart();
    let (mut dice, mut losses) = (Dice(3), Losses::default());
    for _ in 0..fault.rounds {
        traffic.flow(&[server.listeners()], || {
            thread::sleep(Duration::from_millis(200) + dice.milliseconds(300));
            server.kill();
        });
        cut_power(server.data(), &shadow);
        server.restart();
        losses.add(traffic.check(&server).await);
    }
    let tally = &traffic.tally;
    assert!(tally.acknowledged > fault.rounds && tally.fetched > fault.rounds, "{tally:?}: there was nothing to lose");
    fault.figure("writes", tally.acknowledged);
    fault.none("lost", &losses.lost);
    fault.figure("hand-outs", tally.fetched);
    fault.none("unaudited", &losses.unaudited);
    fault.report();
}
