//! What was taken away through one replica is used through another one.

use super::*;
use crate::support::{raw::Connection, scope};
use regcred::domain::permission::Role;
use std::sync::atomic::{AtomicBool, Ordering};

const CREDENTIALS: &str = "/v1/organizations/acme/projects/shop/credentials";
const PULL_SECRET: &str = "/internal/v1/organizations/acme/projects/shop/pull-secret";
/// How often each of them is tried after it was taken away.
const TRIES: usize = 3;

/// One call on a connection that stays.
fn call(connection: &mut Connection, request: &[u8]) -> Answer {
    connection.send(request).expect("it is taken");
    connection.answer().expect("it is answered")
}

/// Calls without an end, and tells of each call that was begun after a moment and done all the same.
fn hammer(url: &str, request: &[u8], over: &AtomicBool, stop: &AtomicBool) -> usize {
    let mut connection = Connection::open(url).expect("it connects");
    let mut accepted = 0;
    while !stop.load(Ordering::SeqCst) {
        let late = over.load(Ordering::SeqCst);
        let answer = call(&mut connection, request);
        assert!([200, 304, 401].contains(&answer.status), "{answer:?}");
        accepted += usize::from(late && answer.status != 401);
    }
    accepted
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_revoked_through_one_replica_is_refused_by_the_other_at_once() {
    let mut fault = Fault::new("revoked on A, used on B", 500, 10_000);
    let database = Cluster::shared().database();
    let replicas = Replicas::on(&database, 2);
    let [a, b] = [&replicas[0], &replicas[1]];
    a.project("acme/shop").await;
    let operator = a.operator_token().expose().to_owned();
    let (mut accepted, mut used) = (0, 0);
    let mut on_a = Connection::open(&a.public).expect("it connects");
    let mut on_b = [&b.public, &b.internal].map(|url| Connection::open(url).expect("it connects"));
    for round in 0..fault.rounds {
        let path = "/v1/organizations/acme/projects/shop/tokens";
        let body = format!(r#"{{"name":"t","role":"{}"}}"#, if round % 2 == 0 { "deployer" } else { "viewer" });
        let made = call(&mut on_a, &raw::post(path, &operator, &body));
        let (text, id) = (made.text("token"), made.text("id"));
        let (at, mut request) =
            if round % 2 == 0 { (1, raw::get(PULL_SECRET, &text)) } else { (0, raw::get(CREDENTIALS, &text)) };
        let url = if at == 1 { &b.internal } else { &b.public };
        let good = call(&mut on_b[at], &request);
        assert_eq!(good.status, 200, "it is good");
        // Each fourth one has the pull secret already, and only asks whether it is still the same.
        if round % 4 == 2 {
            let known = format!("If-None-Match: {}\r\n", good.header("etag").expect("a pull secret has a tag"));
            request = raw::head("GET", PULL_SECRET, &text, &known).into_bytes();
            assert_eq!(call(&mut on_b[at], &request).status, 304, "it is good");
        }
        let (over, stop) = (AtomicBool::new(false), AtomicBool::new(false));
        accepted += thread::scope(|threads| {
            // Somebody uses it all the time in every tenth round, so that whatever could be kept warm is: the pull secret, and in every
            // other of those the question for it.
            let hammering = (round % 10 == 0).then(|| threads.spawn(|| hammer(url, &request, &over, &stop)));
            if hammering.is_some() {
                thread::sleep(Duration::from_millis(20));
            }
            let revoked = call(&mut on_a, raw::head("DELETE", &format!("{path}/{id}"), &operator, "").as_bytes());
            over.store(true, Ordering::SeqCst);
            assert_eq!(revoked.status, 204, "{revoked:?}");
            let tries = (0..TRIES).map(|_| call(&mut on_b[at], &request).status);
            let late = tries.filter(|status| *status != 401).count();
            used += TRIES;
            stop.store(true, Ordering::SeqCst);
            late + hammering.map_or(0, |thread| thread.join().expect("it is answered"))
        });
    }
    fault.figure("used", used);
    fault.zero("accepted", accepted);
    fault.report();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_deleted_through_one_replica_is_not_handed_out_by_the_other() {
    let mut fault = Fault::new("credential deleted on A, pulled on B", 500, 10_000);
    let database = Cluster::shared().database();
    let replicas = Replicas::on(&database, 2);
    let [a, b] = [&replicas[0], &replicas[1]];
    a.project("acme/shop").await;
    let shop = scope("acme/shop");
    let editor = a.token(Role::Editor, &shop).await.expose().to_owned();
    let deployer = a.token(Role::Deployer, &shop).await.expose().to_owned();
    let mut on_a = Connection::open(&a.public).expect("it connects");
    let mut on_b = Connection::open(&b.internal).expect("it connects");
    let (mut handed_out, mut missing) = (0, 0);
    for round in 0..fault.rounds {
        let server = format!("registry-{round}.example");
        let made = call(&mut on_a, &raw::post(CREDENTIALS, &editor, &raw::credential(&server, "hunter2")));
        assert_eq!(made.status, 201, "{made:?}");
        let there = call(&mut on_b, &raw::get(PULL_SECRET, &deployer));
        missing += usize::from(there.json()["auths"][&server]["password"] != "hunter2");
        let tag = there.header("etag").expect("a pull secret has a tag").to_owned();
        let path = format!("{CREDENTIALS}/{}", made.text("id"));
        // Each third one is rotated instead, or disabled, before it is deleted.
        let (before, body) = match round % 3 {
            0 => (Some("hunter3"), r#"{"password":"hunter3"}"#),
            1 => (None, r#"{"enabled":false}"#),
            _ => (None, ""),
        };
        if !body.is_empty() {
            let patched = call(&mut on_a, raw::with_body("PATCH", &path, &editor, body).as_bytes());
            assert_eq!(patched.status, 200, "{patched:?}");
            let known = format!("If-None-Match: {tag}\r\n");
            let now = call(&mut on_b, raw::head("GET", PULL_SECRET, &deployer, &known).as_bytes());
            let right = now.status == 200 && now.json()["auths"][&server]["password"].as_str() == before;
            handed_out += usize::from(!right);
        }
        let deleted = call(&mut on_a, raw::head("DELETE", &path, &editor, "").as_bytes());
        assert_eq!(deleted.status, 204, "{deleted:?}");
        let known = format!("If-None-Match: {tag}\r\n");
        let now = call(&mut on_b, raw::head("GET", PULL_SECRET, &deployer, &known).as_bytes());
        handed_out += usize::from(now.status != 200 || now.json()["auths"].get(&server).is_some());
        let now = call(&mut on_b, &raw::get(PULL_SECRET, &deployer));
        handed_out += usize::from(now.status != 200 || now.json()["auths"].get(&server).is_some());
    }
    fault.zero("old ones handed out", handed_out);
    fault.zero("new ones not handed out", missing);
    fault.report();
}
