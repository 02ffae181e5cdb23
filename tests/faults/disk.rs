//! The database's disk is full for a while.
//!
//! With its write-ahead log on another disk, as its manual advises, PostgreSQL goes on, and only the statements fail that need
//! room: then regcred lists, and hands out nothing. With both on one disk PostgreSQL itself ends when the log finds no room, and
//! somebody has to make room and start it: for regcred that is a database that is down. Both are tried.

use super::*;
use crate::support::{Binary, disk::Disk};

/// Fills the disk under load, looks what still works, and empties it again.
async fn full_disk(mut fault: Fault, disk: &Disk, servers: &mut [Server]) -> Fault {
    let mut traffic = Traffic::new(&servers[0], 4, 2).await;
    let (mut losses, mut heals, mut slowest) = (Losses::default(), Duration::ZERO, Duration::ZERO);
    let (mut unlisted, mut handed_out) = (0, 0);
    for _ in 0..fault.rounds {
        let (pull, list) = (traffic.pull(), traffic.list());
        let (good, tallies) = traffic.flow(&listeners(servers), || {
            thread::sleep(Duration::from_millis(300));
            // Room that was taken before may last for a few.
            let refuses = |server: &Server| raw::once(&server.internal, &pull).status == 503;
            time_until("pulls are refused", || {
                disk.fill();
                (0..20).all(|_| servers.iter().all(refuses))
            });
            for server in servers.iter().cycle().take(20) {
                handed_out += usize::from(!refuses(server));
                let listed = raw::once(&server.public, &list);
                unlisted += usize::from(listed.status != 200);
                assert_eq!(raw::once(&server.public, &raw::get("/livez", "")).status, 200);
            }
            disk.free();
            let good = time_until_good(servers, &pull);
            thread::sleep(Duration::from_millis(300));
            good
        });
        heals = heals.max(good);
        slowest = tallies.iter().map(|tally| tally.slowest).fold(slowest, Duration::max);
        losses.add(traffic.check(&servers[0]).await);
    }
    for server in servers {
        server.kill();
        server.restart();
        losses.add(traffic.check(server).await);
    }
    fault.figure("writes", traffic.tally.acknowledged);
    fault.none("lost", &losses.lost);
    fault.figure("hand-outs", traffic.tally.fetched);
    fault.none("unaudited", &losses.unaudited);
    fault.zero("lists refused", unlisted);
    fault.zero("pulls not refused", handed_out);
    fault.figure("503", traffic.tally.refused);
    fault.time("slowest answer", slowest);
    fault.within("good again", heals, Duration::from_secs(5));
    fault
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_below_postgres_refuses_what_cannot_be_recorded_and_heals() {
    let fault = Fault::new("disk full (PostgreSQL)", 1, 10);
    let disk = Disk::in_memory("64m");
    let cluster = Cluster::with_tables_on(&disk);
    let mut replicas = Replicas::on(&cluster.database(), 2);
    let mut fault = full_disk(fault, &disk, &mut replicas).await;
    drop(replicas);
    let log = cluster.log();
    fault.figure("crashes of PostgreSQL", log.matches("PANIC").count());
    assert!(log.contains("No space left on device"), "it was full");
    fault.report();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_ends_on_a_full_disk_is_used_again_when_it_is_back() {
    let mut fault = Fault::new("disk full with PostgreSQL's log", 1, 10);
    let disk = Disk::in_memory("160m");
    let cluster = Cluster::on(&disk);
    let database = cluster.database();
    let mut replicas = Replicas::on(&database, 2);
    let mut traffic = Traffic::new(&replicas[0], 4, 2).await;
    let (mut losses, mut heals, mut slowest, mut answered) = (Losses::default(), Duration::ZERO, Duration::ZERO, 0);
    for round in 0..fault.rounds {
        let (pull, list) = (traffic.pull(), traffic.list());
        let (good, tallies) = traffic.flow(&listeners(&replicas), || {
            thread::sleep(Duration::from_millis(300));
            time_until("PostgreSQL has ended", || {
                disk.fill();
                // What is begun needs room at once. It may be down already.
                let _ = database.attempt("select pg_switch_wal()");
                !cluster.is_running()
            });
            for server in replicas.iter() {
                let statuses =
                    [raw::once(&server.internal, &pull), raw::once(&server.public, &list)].map(|answer| answer.status);
                answered += usize::from(statuses != [503, 503]);
                assert_eq!(raw::once(&server.public, &raw::get("/livez", "")).status, 200);
            }
            assert!(!cluster.try_start(), "there is no room to start in");
            disk.free();
            cluster.start();
            let good = time_until_good(&replicas, &pull);
            thread::sleep(Duration::from_millis(300));
            good
        });
        heals = heals.max(good);
        slowest = tallies.iter().map(|tally| tally.slowest).fold(slowest, Duration::max);
        losses.add(traffic.check(&replicas[round % 2]).await);
    }
    for server in replicas.iter_mut() {
        server.kill();
        server.restart();
        losses.add(traffic.check(server).await);
    }
    fault.figure("writes", traffic.tally.acknowledged);
    fault.none("lost", &losses.lost);
    fault.figure("hand-outs", traffic.tally.fetched);
    fault.none("unaudited", &losses.unaudited);
    fault.zero("answered without a database", answered);
    fault.figure("503", traffic.tally.refused);
    fault.within("slowest answer", slowest, Duration::from_millis(2500));
    fault.within("good again", heals, Duration::from_secs(5));
    fault.report();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_below_sqlite_refuses_what_cannot_be_recorded_and_heals() {
    let fault = Fault::new("disk full (SQLite)", 1, 10);
    // There must be room for a whole write-ahead log beside the database: 4 MiB, before SQLite begins it anew.
    let disk = Disk::in_memory("16m");
    let server = Binary::new().serve(&disk.data()).unwrap_or_else(|output| panic!("it does not start: {output:?}"));
    let mut servers = [server];
    let fault = full_disk(fault, &disk, &mut servers).await;
    fault.report();
}
