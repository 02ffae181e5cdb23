//! The process dies as in a power cut, again and again, while it is written to and read from.

use crate::support::{
    Server, StopOnDrop,
    raw::{self, Answer, Connection},
    scope,
};
use regcred::{
    client::{Client, Listing, PageQuery},
    domain::{permission::Role, scope::Scope},
    http::wire,
};
use std::{
    collections::{HashMap, HashSet},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

const ROUNDS: usize = 50;
const WRITERS: usize = 8;
const READERS: usize = 4;
/// How many credentials a writer keeps, so that reading them all stays short.
const KEPT: usize = 5;

/// What a writer knows of one credential.
struct Known {
    id: String,
    server: String,
    /// The version that was last acknowledged.
    version: u32,
    /// Whether a newer version was sent and not acknowledged.
    doubtful: bool,
    deletion: Deletion,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Deletion {
    No,
    Sent,
    Acknowledged,
}

/// A writer with a project of its own.
struct Writer {
    project: String,
    token: String,
    made: usize,
    known: Vec<Known>,
    /// Creations that were sent and not acknowledged.
    doubtful: HashSet<String>,
}

impl Writer {
    fn path(&self) -> String {
        format!("/v1/organizations/crash/projects/{}/credentials", self.project)
    }

    /// Writes until the connection breaks, and tells how many writes were acknowledged.
    fn run(&mut self, url: &str, stop: &AtomicBool) -> usize {
        let Ok(mut connection) = Connection::open(url) else { return 0 };
        let mut acknowledged = 0;
        while !stop.load(Ordering::Relaxed) && self.step(&mut connection).is_some() {
            acknowledged += 1;
        }
        acknowledged
    }

    /// One write. `None` if no answer came.
    fn step(&mut self, connection: &mut Connection) -> Option<()> {
        let live: Vec<_> = (0..self.known.len()).filter(|at| self.known[*at].deletion == Deletion::No).collect();
        if live.len() > KEPT {
            return self.delete(connection, live[0]);
        }
        match live.last() {
            Some(last) if self.made.is_multiple_of(2) && self.known[*last].version < 3 => {
                self.update(connection, live[live.len() / 2])?;
                self.update(connection, *last)
            }
            Some(_) | None => self.create(connection),
        }
    }

    fn create(&mut self, connection: &mut Connection) -> Option<()> {
        self.made += 1;
        let server = format!("{}-{}.example", self.project, self.made);
        self.doubtful.insert(server.clone());
        let body = raw::credential(&server, &password(&server, 1));
        let answer = exchange(connection, &raw::post(&self.path(), &self.token, &body))?;
        assert_eq!(answer.status, 201, "{answer:?}");
        self.doubtful.remove(&server);
        let id = answer.text("id");
        self.known.push(Known { id, server, version: 1, doubtful: false, deletion: Deletion::No });
        Some(())
    }

    fn update(&mut self, connection: &mut Connection, at: usize) -> Option<()> {
        let path = format!("{}/{}", self.path(), self.known[at].id);
        let known = &mut self.known[at];
        known.doubtful = true;
        let body = format!(r#"{{"password":"{}"}}"#, password(&known.server, known.version + 1));
        let request = raw::with_body("PATCH", &path, &self.token, &body);
        let answer = exchange(connection, request.as_bytes())?;
        assert_eq!(answer.status, 200, "{answer:?}");
        known.version += 1;
        known.doubtful = false;
        Some(())
    }

    fn delete(&mut self, connection: &mut Connection, at: usize) -> Option<()> {
        let request = raw::head("DELETE", &format!("{}/{}", self.path(), self.known[at].id), &self.token, "");
        self.known[at].deletion = Deletion::Sent;
        let answer = exchange(connection, request.as_bytes())?;
        assert_eq!(answer.status, 204, "{answer:?}");
        self.known[at].deletion = Deletion::Acknowledged;
        Some(())
    }

    /// Holds what was acknowledged against what is there, and takes over what is there.
    fn check(&mut self, listed: Listing<wire::Credential>, auths: &serde_json::Value) {
        assert_eq!(listed.unreadable, 0, "{}", self.project);
        let mut found: HashMap<_, _> = listed.items.into_iter().map(|found| (found.id.to_string(), found)).collect();
        assert_eq!(auths.as_object().map(serde_json::Map::len), Some(found.len()), "every password was handed out");
        for known in &mut self.known {
            let Some(found) = found.remove(&known.id) else {
                assert!(known.deletion != Deletion::No, "{} was acknowledged and is lost", known.server);
                known.deletion = Deletion::Acknowledged;
                continue;
            };
            assert!(known.deletion != Deletion::Acknowledged, "{} was deleted and is there", known.server);
            let newest = known.version + u32::from(known.doubtful);
            assert!((known.version..=newest).contains(&found.version), "{} at {}", known.server, found.version);
            assert_eq!(auths[&known.server]["password"], password(&known.server, found.version), "{}", known.server);
            (known.version, known.doubtful, known.deletion) = (found.version, false, Deletion::No);
        }
        for (id, found) in found {
            assert!(self.doubtful.remove(&found.server), "{} was never sent, or has another id", found.server);
            assert_eq!(auths[&found.server]["password"], password(&found.server, 1), "{}", found.server);
            let (server, version) = (found.server, found.version);
            self.known.push(Known { id, server, version, doubtful: false, deletion: Deletion::No });
        }
        self.doubtful.clear();
        self.known.retain(|known| known.deletion == Deletion::No);
    }
}

fn password(server: &str, version: u32) -> String {
    format!("{server}-secret-{version}")
}

/// `None` if the process died before the whole answer was there.
fn exchange(connection: &mut Connection, request: &[u8]) -> Option<Answer> {
    connection.send(request).ok()?;
    connection.answer().ok()
}

/// Fetches pull secrets until the connection breaks, and tells the requests that were answered with one.
fn read(url: &str, token: &str, stop: &AtomicBool) -> Vec<String> {
    let mut fetched = Vec::new();
    let Ok(mut connection) = Connection::open(url) else { return fetched };
    for writer in (0..WRITERS).cycle() {
        let path = format!("/internal/v1/organizations/crash/projects/w{writer}/pull-secret");
        let answer = exchange(&mut connection, &raw::get(&path, token));
        match answer {
            Some(answer) if answer.status == 200 => fetched.push(answer.request_id()),
            Some(answer) => panic!("{answer:?}"),
            None => break,
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    fetched
}

/// The audit log, read on from where it was read to.
struct Log {
    cursor: Option<String>,
    hand_outs: HashSet<String>,
}

impl Log {
    async fn read_on(&mut self, client: &Client) {
        loop {
            let query = PageQuery { limit: Some(500), cursor: self.cursor.as_deref() };
            let page = client.audit_list(&Scope::Deployment, query).await.expect("the audit log is read");
            assert_eq!(page.unreadable, 0);
            let hand_outs = page.items.iter().filter(|event| event.operation == "pull_secret.get");
            self.hand_outs.extend(hand_outs.map(|event| event.request_id.to_string()));
            let Some(next) = page.next_cursor else { return };
            self.cursor = Some(next);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_kills_lose_no_acknowledged_write_and_leave_no_fetched_secret_without_its_audit_row() {
    let mut server = Server::start().await;
    let mut writers = Vec::new();
    for number in 0..WRITERS {
        let name = format!("w{number}");
        server.project(&format!("crash/{name}")).await;
        let token = server.token(Role::Editor, &scope(&format!("crash/{name}"))).await.expose().to_owned();
        writers.push(Writer { project: name, token, made: 0, known: Vec::new(), doubtful: HashSet::new() });
    }
    let organization = Scope::Organization("crash".parse().unwrap());
    let deployer = server.token(Role::Deployer, &organization).await;
    let (text, mut fetched, mut acknowledged) = (deployer.expose().to_owned(), HashSet::new(), 0);
    let mut under_load = 0;
    let mut log = Log { cursor: None, hand_outs: HashSet::new() };

    for round in 0..ROUNDS {
        let stop = AtomicBool::new(false);
        let (public, internal) = (server.public.clone(), server.internal.clone());
        thread::scope(|threads| {
            let writing: Vec<_> =
                writers.iter_mut().map(|writer| threads.spawn(|| writer.run(&public, &stop))).collect();
            let reading: Vec<_> = (0..READERS).map(|_| threads.spawn(|| read(&internal, &text, &stop))).collect();
            let over = StopOnDrop(&stop);
            thread::sleep(Duration::from_millis(150 + (round as u64 * 37) % 150));
            server.kill();
            drop(over);
            acknowledged += writing.into_iter().map(|thread| thread.join().expect("a writer ends")).sum::<usize>();
            let before = fetched.len();
            fetched.extend(reading.into_iter().flat_map(|thread| thread.join().expect("a reader ends")));
            under_load += fetched.len() - before;
        });

        server.restart();
        let operator = server.operator();
        for writer in &mut writers {
            let listed = operator.credential_list_all(&scope(&format!("crash/{}", writer.project)), None).await;
            let path = format!("/internal/v1/organizations/crash/projects/{}/pull-secret", writer.project);
            let answer = raw::once(&server.internal, &raw::get(&path, &text));
            assert_eq!((answer.status, answer.header("regcred-omitted")), (200, None), "round {round}: {answer:?}");
            let document: serde_json::Value = serde_json::from_slice(&answer.body).expect("the document is JSON");
            writer.check(listed.expect("the credentials are listed"), &document["auths"]);
            fetched.insert(answer.request_id());
        }
        log.read_on(&operator).await;
        let unaudited: Vec<_> = fetched.difference(&log.hand_outs).collect();
        assert!(unaudited.is_empty(), "round {round}: handed out and not recorded: {unaudited:?}");
    }
    assert!(acknowledged > ROUNDS && under_load > ROUNDS, "{acknowledged}, {under_load}: there was nothing to lose");
    eprintln!("{ROUNDS} kills: {acknowledged} acknowledged writes, none lost; {under_load} pull secrets, all recorded");
}
