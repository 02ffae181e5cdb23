//! Ten replicas meet an empty database at the same moment.

use super::*;

const REPLICAS: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn ten_replicas_that_start_at_once_set_up_one_deployment() {
    let mut fault = Fault::new("ten replicas start at once", 3, 100);
    let cluster = Cluster::private();
    let (mut slowest, mut deadlocks, mut wrong) = (Duration::ZERO, 0, Vec::new());
    for round in 0..fault.rounds {
        let database = cluster.database();
        let begun = Instant::now();
        let replicas = Replicas::at_once(&database, REPLICAS);
        slowest = slowest.max(begun.elapsed());
        let mut expect = |what: &str, sql: &str, expected: usize| {
            let found = database.count(sql);
            if found != expected {
                wrong.push(format!("round {round}: {found} {what} and not {expected}"));
            }
        };
        expect("migrations twice", "select count(*) - count(distinct version) from _sqlx_migrations", 0);
        expect("migrations failed", "select count(*) from _sqlx_migrations where not success", 0);
        expect("deployments", "select count(*) from deployment", 1);
        expect("operator's tokens", "select count(*) from tokens where role = 'operator'", 1);
        expect("master keys", "select count(*) from master_keys", 1);
        expect("data keys", "select count(*) from data_keys", 1);
        for server in replicas.iter() {
            let operator = server.operator();
            operator.whoami().await.expect("the one token is good everywhere");
            assert_eq!(raw::once(&server.public, &raw::get("/readyz", "")).status, 200, "every replica is ready");
        }
        // Statistics come in late, and all of them when the sessions have ended.
        drop(replicas);
        deadlocks += database.count("select deadlocks from pg_stat_database where datname = current_database()");
    }
    deadlocks += cluster.log().matches("deadlock detected").count();
    fault.zero("deadlocks", deadlocks);
    fault.none("made more or less than once", &wrong);
    fault.time("all ready", slowest);
    fault.report();
}
