//! SIGTERM: what was begun is finished, what was not begun leaves no trace, and a second signal does not wait.

use crate::support::{
    Server,
    raw::{self, Connection, Fault},
    scope,
};
use regcred::domain::{permission::Role, scope::Scope};
use std::{
    collections::HashSet,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

const CREDENTIALS: &str = "/v1/organizations/acme/projects/shop/credentials";
const PULL_SECRET: &str = "/internal/v1/organizations/acme/projects/shop/pull-secret";
/// Longer than the process goes on taking new requests after the signal.
const INTO_THE_STOP: Duration = Duration::from_millis(1500);

/// What a client saw.
#[derive(Default)]
struct Seen {
    /// The servers whose creation was acknowledged.
    created: HashSet<String>,
    /// The requests that were answered with a pull secret.
    fetched: HashSet<String>,
    /// The servers whose creation was sent on a connection that was then closed without a word.
    unanswered: Vec<String>,
    refused: bool,
}

/// Sends requests until connections are refused.
fn client(number: usize, url: &str, token: &str, answered: &AtomicUsize) -> Seen {
    let mut seen = Seen::default();
    let mut count = 0;
    while let Ok(mut connection) = Connection::open(url) {
        loop {
            count += 1;
            let server = format!("c{number}-{count}.example");
            let creates = number.is_multiple_of(2);
            let request = if creates {
                raw::post(CREDENTIALS, token, &raw::credential(&server, "x"))
            } else {
                raw::get(PULL_SECRET, token)
            };
            // Whether it could be sent is not the question: only what comes back counts.
            let _ = connection.send(&request);
            match connection.answer() {
                Ok(answer) => {
                    answered.fetch_add(1, Ordering::Relaxed);
                    match answer.status {
                        201 if creates => drop(seen.created.insert(server)),
                        200 if !creates => drop(seen.fetched.insert(answer.request_id())),
                        _ => panic!("{answer:?}"),
                    }
                    if answer.closes() {
                        break;
                    }
                }
                Err(Fault::Closed) => {
                    if creates {
                        seen.unanswered.push(server);
                    }
                    break;
                }
                Err(fault @ (Fault::Cut(_) | Fault::Silent)) => panic!("client {number}: {fault:?}"),
            }
        }
    }
    seen.refused = true;
    seen
}

/// Asks whether the process is ready until nobody answers, and tells what it said, without repetitions.
fn readiness(url: &str) -> Vec<(u16, String)> {
    let mut said = Vec::new();
    while let Ok(mut connection) = Connection::open(url) {
        let _ = connection.send(&raw::get("/readyz", "none"));
        let Ok(answer) = connection.answer() else { continue };
        assert!(answer.status == 200 || answer.closes(), "no other request may follow: {answer:?}");
        let now = (answer.status, answer.problem());
        if said.last() != Some(&now) {
            said.push(now);
        }
        thread::sleep(Duration::from_millis(10));
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_cuts_no_request_that_was_taken_up() {
    let mut server = Server::start().await;
    server.project("acme/shop").await;
    let shop = scope("acme/shop");
    let editor = server.token(Role::Editor, &shop).await.expose().to_owned();
    let deployer = server.token(Role::Deployer, &shop).await.expose().to_owned();
    let idle: Vec<_> = (0..16).map(|_| Connection::open(&server.public).expect("it connects")).collect();
    let (public, internal) = (server.public.clone(), server.internal.clone());
    let answered = AtomicUsize::new(0);

    let (seen, readiness, status) = thread::scope(|threads| {
        let clients: Vec<_> = (0..16_usize)
            .map(|number| {
                let (url, token) = if number.is_multiple_of(2) { (&public, &editor) } else { (&internal, &deployer) };
                let answered = &answered;
                threads.spawn(move || client(number, url, token, answered))
            })
            .collect();
        let probe = threads.spawn(|| readiness(&public));
        while answered.load(Ordering::Relaxed) < 100 {
            thread::sleep(Duration::from_millis(10));
        }
        server.signal("TERM");
        let status = server.wait();
        let seen: Vec<_> = clients.into_iter().map(|client| client.join().expect("a client ends")).collect();
        (seen, probe.join().expect("the probe ends"), status)
    });
    drop(idle);
    assert_eq!(status.code(), Some(0), "{}", server.log());
    assert!(seen.iter().all(|seen| seen.refused));
    let (ready, draining) = ((200, String::new()), (503, "unavailable".to_owned()));
    assert_eq!(readiness, [ready, draining], "ready, then on the way out, then gone");

    server.restart();
    let there = server.operator().credential_list_all(&shop, None).await.expect("the credentials are listed");
    let there: HashSet<_> = there.items.into_iter().map(|credential| credential.server).collect();
    let acknowledged: HashSet<_> = seen.iter().flat_map(|seen| seen.created.iter().cloned()).collect();
    assert_eq!(there, acknowledged, "what was carried out was acknowledged, and the other way round");
    let unanswered: Vec<_> = seen.iter().flat_map(|seen| &seen.unanswered).collect();
    assert!(unanswered.iter().all(|server| !there.contains(*server)));
    let fetched: HashSet<_> = seen.iter().flat_map(|seen| seen.fetched.iter().cloned()).collect();
    assert_eq!(hand_outs(&server).await, fetched, "every secret that was taken from the vault reached its client");
    eprintln!(
        "SIGTERM under load: {} creations and {} pull secrets answered, {} requests not taken up, none cut",
        acknowledged.len(),
        fetched.len(),
        unanswered.len()
    );
}

/// The requests that the audit log says were answered with a pull secret.
async fn hand_outs(server: &Server) -> HashSet<String> {
    let log = server.operator().audit_list_all(&Scope::Deployment).await.expect("the audit log is read");
    let hand_outs = log.items.iter().filter(|event| event.operation == "pull_secret.get");
    hand_outs.map(|event| event.request_id.to_string()).collect()
}

/// A server, and a request to it whose body is half sent, with the other half.
async fn half_sent() -> (Server, Connection, String) {
    let server = Server::start().await;
    server.project("acme/shop").await;
    let editor = server.token(Role::Editor, &scope("acme/shop")).await.expose().to_owned();
    let request = raw::with_body("POST", CREDENTIALS, &editor, &raw::credential("ghcr.io", "hunter2"));
    let (first, rest) = request.split_at(request.len() - 20);
    let mut connection = Connection::open(&server.public).expect("it connects");
    connection.send(first.as_bytes()).expect("it is sent");
    // Until the head has surely been read. Were it not, the test would be stricter than its name, and fail.
    thread::sleep(Duration::from_millis(500));
    (server, connection, rest.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_body_is_half_sent_at_sigterm_is_answered() {
    let (mut server, mut connection, rest) = half_sent().await;
    server.signal("TERM");
    thread::sleep(INTO_THE_STOP);
    assert!(Connection::open(&server.public).is_err(), "nothing new is taken");
    connection.send(rest.as_bytes()).expect("the rest is taken");
    let answer = connection.answer().expect("it is answered");
    assert_eq!((answer.status, answer.closes()), (201, true), "{answer:?}");
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    server.restart();
    let listed = server.operator().credential_list_all(&scope("acme/shop"), None).await.unwrap();
    assert_eq!(listed.items.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_stops_at_once_and_with_a_failure() {
    for pause in [Duration::from_millis(100), INTO_THE_STOP] {
        let (mut server, mut connection, _) = half_sent().await;
        server.signal("TERM");
        thread::sleep(pause);
        let begun = Instant::now();
        server.signal("TERM");
        let status = server.wait();
        // The request would have been waited for until its body's ten seconds were over, and would then have its answer.
        assert!(matches!(connection.answer(), Err(Fault::Closed)), "it did not wait, {pause:?} after the first signal");
        assert_eq!(status.code(), Some(1), "{}", server.log());
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?} {pause:?} after the first signal", begun.elapsed());
        assert!(server.log().contains("second signal"), "{}", server.log());
        server.restart();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sigint_drains_as_sigterm_does() {
    let mut server = Server::start().await;
    let url = server.internal.clone();
    let said = thread::scope(|threads| {
        let probe = threads.spawn(|| readiness(&url));
        thread::sleep(Duration::from_millis(200));
        server.signal("INT");
        assert_eq!(server.wait().code(), Some(0), "{}", server.log());
        probe.join().expect("the probe ends")
    });
    assert!(said.iter().any(|(status, _)| *status == 503), "{said:?}");
}
