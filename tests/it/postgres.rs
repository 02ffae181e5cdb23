//! The tests' own PostgreSQL and the wire to it are what the other tests take them for.

use crate::support::{Proxy, postgres::Cluster};
use std::time::{Duration, Instant};

#[test]
fn every_database_is_a_new_one() {
    let databases = [Cluster::shared().database(), Cluster::shared().database()];
    for database in &databases {
        assert_eq!(database.psql("create table here (id int); select count(*) from here"), "0");
        assert_eq!(database.psql("show fsync"), "on");
        assert_eq!(database.psql("show server_encoding"), "UTF8");
        assert_eq!(database.psql("select 'a-2' > 'a1'"), "t", "its own order of texts is not that of bytes");
    }
}

#[test]
fn what_is_committed_outlives_an_immediate_stop() {
    let cluster = Cluster::private();
    let database = cluster.database();
    database.psql("create table kept (id int)");
    database.psql("insert into kept values (1)");
    cluster.restart_immediate();
    assert_eq!(database.count("select count(*) from kept"), 1);
    cluster.stop();
    assert!(database.attempt("select 1").is_err());
    cluster.start();
    assert_eq!(database.count("select count(*) from kept"), 1);
}

#[test]
fn a_cut_wire_is_silent_and_a_healed_one_delivers() {
    let database = Cluster::shared().database();
    let proxy = Proxy::to(&Cluster::shared().address());
    let through = database.through(&proxy.address);
    assert_eq!(through.psql("select 1"), "1");
    proxy.cut();
    let begun = Instant::now();
    std::thread::scope(|threads| {
        let asked = threads.spawn(|| through.psql("select 2"));
        std::thread::sleep(Duration::from_millis(500));
        assert!(!asked.is_finished(), "nothing came");
        proxy.heal();
        assert_eq!(asked.join().unwrap(), "2");
    });
    assert!(begun.elapsed() >= Duration::from_millis(500));
    proxy.refuse();
    std::thread::sleep(Duration::from_millis(100));
    assert!(through.attempt("select 3").unwrap_err().contains("refused"));
    proxy.heal();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(through.psql("select 4"), "4");
}
