//! Clients that take their time, on purpose or not: none holds a connection for long, and none holds up others.

use crate::support::{
    Server, StopOnDrop, login, organization,
    raw::{self, Connection, Ended},
    scope, store,
};
use regcred::domain::permission::Role;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Far above every limit of the service: what is still open then is held for ever.
const FOR_EVER: Duration = Duration::from_mins(1);
const CREDENTIALS: &str = "/v1/organizations/acme/projects/shop/credentials";
const PULL_SECRET: &str = "/internal/v1/organizations/acme/projects/shop/pull-secret";

/// One way to be slow: requests to be answered first, then bytes at once, then bytes one a second.
struct Slow {
    name: &'static str,
    answered: Vec<(Vec<u8>, u16)>,
    at_once: Vec<u8>,
    drip: Vec<u8>,
}

impl Slow {
    fn new(name: &'static str) -> Self {
        Self { name, answered: Vec::new(), at_once: Vec::new(), drip: Vec::new() }
    }

    fn after(mut self, request: Vec<u8>, status: u16) -> Self {
        self.answered.push((request, status));
        self
    }

    fn at_once(mut self, bytes: &[u8]) -> Self {
        self.at_once = bytes.to_vec();
        self
    }

    fn drip(mut self, bytes: &[u8]) -> Self {
        self.drip = bytes.to_vec();
        self
    }

    fn run(&self, url: &str) -> Ended {
        let mut connection = Connection::open(url).expect("it connects");
        for (request, status) in &self.answered {
            connection.send(request).expect("it is taken");
            assert_eq!(connection.answer().expect("it is answered").status, *status, "{}", self.name);
        }
        connection.send(&self.at_once).expect("it is taken");
        connection.watch(&self.drip, FOR_EVER)
    }
}

/// Everything that has no end on this listener, with a token that is good there.
fn modes(token: &str, listener: &str) -> Vec<Slow> {
    let long_head = format!("GET /livez HTTP/1.1\r\nHost: regcred\r\nX-Long: {}", "x".repeat(100));
    let (method, path) = match listener {
        "public" => ("POST", CREDENTIALS),
        _ => ("GET", PULL_SECRET),
    };
    let announced = raw::head(method, path, token, "Content-Type: application/json\r\nContent-Length: 1000\r\n");
    let nowhere = raw::head("POST", "/nowhere", token, "Transfer-Encoding: chunked\r\n");
    let chunks = "1\r\nx\r\n".repeat(100);
    let livez = raw::get("/livez", token);
    vec![
        Slow::new("sends nothing"),
        Slow::new("trickles a head").drip(long_head.as_bytes()),
        Slow::new("stops inside a head").at_once(&long_head.as_bytes()[..40]),
        Slow::new("announces a body").at_once(announced.as_bytes()),
        Slow::new("trickles a body").at_once(announced.as_bytes()).drip(&[b' '; 100]),
        Slow::new("begins a second head").after(livez.clone(), 200).at_once(b"G"),
        Slow::new("begins a head after a 404").after(raw::get("/nowhere", token), 404).at_once(b"G"),
        Slow::new("trickles a second head").after(livez.clone(), 200).drip(long_head.as_bytes()),
        Slow::new("announces a second body").after(livez.clone(), 200).at_once(announced.as_bytes()),
        Slow::new("trickles chunks to nowhere")
            .after(livez.clone(), 200)
            .at_once(nowhere.as_bytes())
            .drip(chunks.as_bytes()),
        Slow::new("asks nothing more").after(livez, 200),
    ]
}

/// Asks for much, many times over, and reads nothing. Tells when there is nobody left to ask.
fn never_reads(url: &str, request: &[u8]) -> Connection {
    let mut connection = Connection::open(url).expect("it connects");
    let requests = request.repeat(2000);
    let mut sent = 0;
    let mut stuck = 0;
    while sent < requests.len() && stuck < 20 {
        match connection.send_what_fits(&requests[sent..]).expect("the other side is there") {
            0 => stuck += 1,
            more => (sent, stuck) = (sent + more, 0),
        }
        thread::sleep(Duration::from_millis(10));
    }
    connection
}

/// The sockets of a process, each once: the runtimes share some under several numbers.
fn sockets(pid: u32) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fd")).expect("the process is there");
    // An entry that goes away meanwhile was no open socket.
    let targets = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).collect()
}

/// Asks both listeners ordinary things until told to stop, and tells how often.
fn ordinary(server: [&str; 2], tokens: [&str; 2], over: &AtomicBool) -> usize {
    let mut answered = 0;
    while !over.load(Ordering::Relaxed) {
        for ((url, token), path) in server.into_iter().zip(tokens).zip(["/v1/whoami", PULL_SECRET]) {
            let request = raw::head("GET", path, token, "Connection: close\r\n");
            let answer = raw::once(url, request.as_bytes());
            assert_eq!(answer.status, 200, "{answer:?}");
            answered += 1;
        }
        thread::sleep(Duration::from_millis(100));
    }
    answered
}

#[tokio::test(flavor = "multi_thread")]
async fn no_slow_client_holds_a_connection_and_none_holds_up_others() {
    let server = Server::start().await;
    let before = sockets(server.pid());
    server.project("acme/shop").await;
    server.project("acme/long").await;
    let (acme, shop, long) = (organization("acme"), scope("acme/shop"), scope("acme/long"));
    let client = server.client(Role::Editor, &acme).await;
    store(&client, &shop, &login("ghcr.io", "bot", "x")).await;
    for number in 0..500 {
        let server = format!("registry-{number}.example/a-path-that-makes-the-list-longer");
        store(&client, &long, &login(&server, "bot", "x")).await;
    }
    drop(client);
    let editor = server.token(Role::Editor, &acme).await;
    let deployer = server.token(Role::Deployer, &acme).await;
    let (editor, deployer) = (editor.expose(), deployer.expose());
    let (public, internal) = (server.public.as_str(), server.internal.as_str());

    let list = raw::get("/v1/organizations/acme/projects/long/credentials?limit=500", editor);
    let assets = raw::get("/docs/swagger-ui-bundle.js", editor);
    let over = AtomicBool::new(false);
    let (closed, answered) = thread::scope(|threads| {
        let ending = StopOnDrop(&over);
        let others = threads.spawn(|| ordinary([public, internal], [editor, deployer], &over));
        let deaf = [(public, &list), (public, &assets), (internal, &assets)]
            .map(|(url, request)| threads.spawn(move || never_reads(url, request)));
        let slow: Vec<_> = [("public", public, editor), ("internal", internal, deployer)]
            .into_iter()
            .flat_map(|(listener, url, token)| {
                modes(token, listener).into_iter().map(move |mode| (listener, url, mode))
            })
            .map(|(listener, url, mode)| threads.spawn(move || (listener, mode.run(url), mode.name)))
            .collect();
        let deaf = deaf.map(|client| client.join().expect("a client ends"));
        let mut closed = Vec::new();
        for client in slow {
            let (listener, ended, name) = client.join().expect("a client ends");
            assert!(ended.closed, "a client that {name} held a connection of the {listener} listener");
            closed.push(ended.after);
        }
        drop(ending);
        let answered = others.join().expect("ordinary requests are answered");
        wait_until("all sockets are closed", || sockets(server.pid()) == before);
        for mut connection in deaf {
            assert!(connection.watch(&[], FOR_EVER).closed, "a client that reads nothing held a connection");
        }
        (closed, answered)
    });
    let longest = closed.iter().max().unwrap();
    eprintln!("{} slow clients closed, the last after {longest:?}; {answered} others answered", closed.len() + 3);
    assert!(answered > 50, "ordinary requests went on: {answered}");
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < FOR_EVER, "not within {FOR_EVER:?}: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_never_comes_is_answered_408_and_the_connection_closed() {
    let server = Server::start().await;
    server.project("acme/shop").await;
    let editor = server.token(Role::Editor, &scope("acme/shop")).await;
    let announced = "Content-Type: application/json\r\nContent-Length: 1000\r\n";
    let mut connection = Connection::open(&server.public).unwrap();
    connection.send(raw::head("POST", CREDENTIALS, editor.expose(), announced).as_bytes()).unwrap();
    let answer = connection.answer().expect("it is answered");
    assert_eq!(
        (answer.status, answer.problem().as_str(), answer.closes()),
        (408, "request-timeout", true),
        "{answer:?}"
    );
    assert!(connection.watch(&[], FOR_EVER).closed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_refused_without_being_read() {
    let server = Server::start().await;
    server.project("acme/shop").await;
    let editor = server.token(Role::Editor, &scope("acme/shop")).await;
    let body = raw::credential("ghcr.io", &"x".repeat(200 * 1024));
    let answer = raw::once(&server.public, &raw::post(CREDENTIALS, editor.expose(), &body));
    assert_eq!((answer.status, answer.problem().as_str()), (413, "body-too-large"), "{answer:?}");

    // Only a little more than what is too much ever comes: the answer does not wait for the rest.
    let announced = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", 1_u64 << 40);
    let mut connection = Connection::open(&server.public).unwrap();
    connection.send(raw::head("POST", CREDENTIALS, editor.expose(), &announced).as_bytes()).unwrap();
    connection.send(&body.as_bytes()[..150 * 1024]).unwrap();
    let answer = connection.answer().expect("it is answered");
    assert_eq!(
        (answer.status, answer.problem().as_str(), answer.closes()),
        (413, "body-too-large", true),
        "{answer:?}"
    );
    assert!(connection.watch(&[], FOR_EVER).closed);
    let listed = server.operator().credential_list_all(&scope("acme/shop"), None).await.unwrap();
    assert!(listed.items.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_too_large_is_refused_and_the_connection_closed() {
    let server = Server::start().await;
    for url in [&server.public, &server.internal] {
        let mut connection = Connection::open(url).unwrap();
        let head = format!("GET /livez HTTP/1.1\r\nHost: regcred\r\nX-Long: {}", "x".repeat(1024 * 1024));
        // The other side may close before it has taken all of it.
        let _ = connection.send(head.as_bytes());
        let ended = connection.watch(&[], FOR_EVER);
        let received = String::from_utf8_lossy(&ended.received);
        assert!(ended.closed && (received.is_empty() || received.starts_with("HTTP/1.1 431 ")), "{received}");

        // So little more than the limit that nothing is lost on the way.
        let mut connection = Connection::open(url).unwrap();
        connection.send(&head.as_bytes()[..132 * 1024]).unwrap();
        let answer = connection.answer().expect("it is answered");
        assert_eq!((answer.status, answer.closes()), (431, true), "{answer:?}");
        assert!(connection.watch(&[], FOR_EVER).closed);
    }
    assert_eq!(raw::once(&server.public, &raw::get("/livez", "none")).status, 200);
    assert!(server.operator().organization_list_all().await.unwrap().items.is_empty());
}
