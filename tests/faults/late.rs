//! The database answers, but late: each of the questions that a request asks has to wait.

use super::*;
use crate::support::scope;
use regcred::domain::permission::Role;

const CREDENTIALS: &str = "/v1/organizations/acme/projects/shop/credentials";
const PULL_SECRET: &str = "/internal/v1/organizations/acme/projects/shop/pull-secret";
/// First nobody can look up a token, then nobody can record anything.
const FIRST: &str = "begin; lock table tokens; select pg_sleep(1.5); commit";
const THEN: &str = "begin; lock table audit_events; select pg_sleep(4); commit";

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_answered_in_time_however_often_it_waits() {
    let mut fault = Fault::new("the database is late, and late again", 2, 30);
    let database = Cluster::shared().database();
    let server = Server::on(&database);
    server.project("acme/shop").await;
    let shop = scope("acme/shop");
    let editor = server.token(Role::Editor, &shop).await.expose().to_owned();
    let deployer = server.token(Role::Deployer, &shop).await.expose().to_owned();
    let (mut slowest, mut done) = ([Duration::ZERO; 2], 0);
    for round in 0..fault.rounds {
        let create = raw::post(CREDENTIALS, &editor, &raw::credential(&format!("r{round}.example"), "hunter2"));
        let calls = [(&server.public, create), (&server.internal, raw::get(PULL_SECRET, &deployer))];
        thread::scope(|threads| {
            threads.spawn(|| database.psql(FIRST));
            threads.spawn(|| database.psql(THEN));
            time_until("both tables are locked", || {
                database.count(
                    "select count(*) from pg_locks where mode = 'AccessExclusiveLock' and granted and database = \
                     (select oid from pg_database where datname = current_database())",
                ) >= 2
            });
            let calling: Vec<_> = calls
                .iter()
                .map(|(url, request)| {
                    threads.spawn(move || {
                        let asked = Instant::now();
                        (raw::once(url, request).status, asked.elapsed())
                    })
                })
                .collect();
            for (at, call) in calling.into_iter().enumerate() {
                let (status, took) = call.join().expect("it is answered");
                done += usize::from(status != 503);
                slowest[at] = slowest[at].max(took);
            }
        });
    }
    let (idle, waiting) = stuck(&database);
    fault.zero("done all the same", done);
    fault.within("slowest change", slowest[0], Duration::from_millis(2500));
    fault.within("slowest pull", slowest[1], Duration::from_millis(2500));
    fault.zero("stuck", idle + waiting);
    fault.report();
}
