//! Many callers at once who write and read, and remember what they were told.

use super::{
    Server, StopOnDrop,
    raw::{self, Answer, Connection},
    scope,
    writer::Writer,
};
use regcred::{
    client::{Client, PageQuery},
    domain::{permission::Role, scope::Scope},
};
use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

pub(super) const ORGANIZATION: &str = "load";
/// How long a caller waits who was told to come later.
const LATER: Duration = Duration::from_millis(20);

/// What became of a request.
pub enum Outcome {
    Done(Answer),
    /// It cannot be done now.
    Refused,
    /// No whole answer came.
    Broken,
}

/// Where a server listens.
#[derive(Clone)]
pub struct Listeners {
    pub public: String,
    pub internal: String,
}

/// What callers were told.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// Writes that were acknowledged.
    pub acknowledged: usize,
    /// Pull secrets that were fetched.
    pub fetched: usize,
    /// Requests that could not be done then.
    pub refused: usize,
    /// The longest that an answer took.
    pub slowest: Duration,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        self.acknowledged += other.acknowledged;
        self.fetched += other.fetched;
        self.refused += other.refused;
        self.slowest = self.slowest.max(other.slowest);
    }
}

/// One caller's connection to one listener.
pub struct Lane {
    url: String,
    connection: Option<Connection>,
    /// How long it waits for an answer before it hangs up, if it does so at all.
    patience: Option<Duration>,
    slowest: Duration,
}

impl Lane {
    pub fn to(url: &str) -> Self {
        Self { url: url.to_owned(), connection: Connection::open(url).ok(), patience: None, slowest: Duration::ZERO }
    }

    /// A caller who hangs up when there is no answer after a while.
    pub fn hanging_up(url: &str, after: Duration) -> Self {
        Self { patience: Some(after), ..Self::to(url) }
    }

    /// Sends a request. Either it is done, or the caller is told that it cannot be done now. Nothing else.
    pub fn exchange(&mut self, request: &[u8], done: u16) -> Outcome {
        let begun = Instant::now();
        let Some(connection) = &mut self.connection else { return Outcome::Broken };
        let patience = self.patience;
        let answer = connection.send(request).ok().and_then(|()| match patience {
            Some(patience) => connection.answer_within(patience).ok(),
            None => connection.answer().ok(),
        });
        let Some(answer) = answer else {
            // Some hang up in order, and some die.
            if let (Some(connection), Some(patience)) = (self.connection.take(), patience)
                && patience.subsec_micros().is_multiple_of(2)
            {
                connection.reset();
            }
            return Outcome::Broken;
        };
        self.slowest = self.slowest.max(begun.elapsed());
        if answer.closes() {
            self.connection = Connection::open(&self.url).ok();
        }
        if answer.status == done {
            return Outcome::Done(answer);
        }
        let told = ["unavailable", "outcome-unknown"].contains(&answer.problem().as_str());
        assert!(answer.status == 503 && told, "{answer:?}");
        Outcome::Refused
    }

    /// Goes on until the connection breaks, or it is told to stop. How often it was done, and how often refused.
    fn run(&mut self, stop: &AtomicBool, mut call: impl FnMut(&mut Self) -> Outcome) -> (usize, usize) {
        let (mut done, mut refused) = (0, 0);
        while !stop.load(Ordering::Relaxed) {
            match call(self) {
                Outcome::Done(_) => done += 1,
                Outcome::Refused => {
                    refused += 1;
                    thread::sleep(LATER);
                }
                Outcome::Broken => break,
            }
        }
        (done, refused)
    }
}

/// Callers, and what they know.
pub struct Traffic {
    writers: Vec<Writer>,
    readers: usize,
    deployer: String,
    /// The requests that were answered with a pull secret since the last look.
    fetched: HashSet<String>,
    log: Log,
    /// Pull secrets that lacked something.
    incomplete: Vec<String>,
    /// All that callers were told.
    pub tally: Tally,
}

impl Traffic {
    /// Callers with a project for each who writes.
    pub async fn new(server: &Server, writers: usize, readers: usize) -> Self {
        let mut all = Vec::new();
        for number in 0..writers {
            let name = format!("w{number}");
            let path = format!("{ORGANIZATION}/{name}");
            server.project(&path).await;
            let token = server.token(Role::Editor, &scope(&path)).await.expose().to_owned();
            all.push(Writer::new(name, token));
        }
        let organization = super::organization(ORGANIZATION);
        let deployer = server.token(Role::Deployer, &organization).await.expose().to_owned();
        let (fetched, log, incomplete) = (HashSet::new(), Log::default(), Vec::new());
        Self { writers: all, readers, deployer, fetched, log, incomplete, tally: Tally::default() }
    }

    /// A request for a pull secret that is always there.
    pub fn pull(&self) -> Vec<u8> {
        raw::get(&pull_secret("w0"), &self.deployer)
    }

    /// A request for a list.
    pub fn list(&self) -> Vec<u8> {
        self.writers[0].list()
    }

    /// Those who write.
    pub fn writers(&mut self) -> &mut [Writer] {
        &mut self.writers
    }

    /// Takes note of pull secrets that somebody else fetched.
    pub fn fetched(&mut self, answers: impl IntoIterator<Item = Answer>) {
        self.fetched.extend(answers.into_iter().map(|answer| answer.request_id()));
    }

    /// Has the callers call while something happens, each one of these servers, in turn. What happens may kill a server: then
    /// its callers go home. Returns also what each server's callers were told.
    pub fn flow<R>(&mut self, servers: &[Listeners], happens: impl FnOnce() -> R) -> (R, Vec<Tally>) {
        let stop = AtomicBool::new(false);
        let mut tallies = vec![Tally::default(); servers.len()];
        let count = self.writers.len();
        let result = thread::scope(|threads| {
            let (stop, deployer) = (&stop, &self.deployer);
            let writing: Vec<_> = (self.writers.iter_mut().zip((0..servers.len()).cycle()))
                .map(|(writer, at)| (at, threads.spawn(move || write(writer, &servers[at], stop))))
                .collect();
            let reading: Vec<_> = ((0..self.readers).zip((0..servers.len()).cycle()))
                .map(|(_, at)| (at, threads.spawn(move || read(count, &servers[at], deployer, stop))))
                .collect();
            let over = StopOnDrop(stop);
            let result = happens();
            drop(over);
            for (at, writer) in writing {
                tallies[at].add(&writer.join().expect("a writer is answered well"));
            }
            for (at, reader) in reading {
                let (fetched, incomplete, tally) = reader.join().expect("a reader is answered well");
                self.fetched.extend(fetched);
                self.incomplete.extend(incomplete);
                tallies[at].add(&tally);
            }
            result
        });
        for tally in &tallies {
            self.tally.add(tally);
        }
        (result, tallies)
    }

    /// Asks a server for everything, and holds it against what callers were told. Nobody may be calling.
    pub async fn check(&mut self, server: &Server) -> Losses {
        let mut losses = Losses { lost: std::mem::take(&mut self.incomplete), unaudited: Vec::new() };
        let operator = server.operator();
        for writer in &mut self.writers {
            let listed =
                operator.credential_list_all(&scope(&format!("{ORGANIZATION}/{}", writer.project)), None).await;
            let answer = raw::once(&server.internal, &raw::get(&pull_secret(&writer.project), &self.deployer));
            assert_eq!(answer.status, 200, "{answer:?}");
            if let Some(omitted) = answer.header("regcred-omitted") {
                losses.lost.push(format!("{}: left out: {omitted}", writer.project));
            }
            let document: serde_json::Value = serde_json::from_slice(&answer.body).expect("the document is JSON");
            losses.lost.extend(writer.check(listed.expect("the credentials are listed"), &document["auths"]));
            self.fetched.insert(answer.request_id());
        }
        self.log.read_on(&operator).await;
        losses.unaudited.extend(self.fetched.difference(&self.log.hand_outs).cloned());
        self.fetched.clear();
        self.log.hand_outs.clear();
        losses
    }
}

/// What may not be, each of it in words.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// What was acknowledged and is not there, or there otherwise.
    pub lost: Vec<String>,
    /// What was handed out and not recorded.
    pub unaudited: Vec<String>,
}

impl Losses {
    pub fn add(&mut self, other: Self) {
        self.lost.extend(other.lost);
        self.unaudited.extend(other.unaudited);
    }
}

fn pull_secret(project: &str) -> String {
    format!("/internal/v1/organizations/{ORGANIZATION}/projects/{project}/pull-secret")
}

fn write(writer: &mut Writer, server: &Listeners, stop: &AtomicBool) -> Tally {
    let mut lane = Lane::to(&server.public);
    let (acknowledged, refused) = lane.run(stop, |lane| writer.step(lane));
    Tally { acknowledged, fetched: 0, refused, slowest: lane.slowest }
}

/// Which requests were answered with a pull secret, which of them lacked something, and how many there were.
fn read(projects: usize, server: &Listeners, token: &str, stop: &AtomicBool) -> (Vec<String>, Vec<String>, Tally) {
    let mut lane = Lane::to(&server.internal);
    let (mut ids, mut incomplete, mut turn) = (Vec::new(), Vec::new(), (0..projects).cycle());
    let (fetched, refused) = lane.run(stop, |lane| {
        let project = turn.next().unwrap_or_default();
        let outcome = lane.exchange(&raw::get(&pull_secret(&format!("w{project}")), token), 200);
        if let Outcome::Done(answer) = &outcome {
            ids.push(answer.request_id());
            let omitted = answer.header("regcred-omitted");
            incomplete.extend(omitted.map(|omitted| format!("w{project} under way: left out: {omitted}")));
        }
        outcome
    });
    (ids, incomplete, Tally { acknowledged: 0, fetched, refused, slowest: lane.slowest })
}

/// The audit log, read on from where it was read to.
#[derive(Default)]
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
