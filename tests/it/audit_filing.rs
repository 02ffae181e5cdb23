//! Lists of organizations and projects while events come, and are put on file by place behind the callers' backs.

use crate::support::{Server, StopOnDrop, log, login, organization, raw, scope, store};
use regcred::{
    client::{Client, PageQuery},
    domain::{permission::Role, scope::Scope},
};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};
use tokio::time::sleep;
use uuid::Uuid;

/// A list page by page, from one end.
async fn listed(client: &Client, scope: &Scope, newest_first: bool) -> Vec<Uuid> {
    let (mut ids, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let query = PageQuery { limit: Some(150), cursor: cursor.as_deref() };
        let page = if newest_first {
            client.audit_list_newest(scope, query).await.unwrap()
        } else {
            client.audit_list(scope, query).await.unwrap()
        };
        ids.extend(page.items.iter().map(|event| event.id));
        let Some(next) = page.next_cursor else { return ids };
        cursor = Some(next);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_event_is_missing_or_doubled_in_a_list_while_thousands_come() {
    const DEPLOYERS: usize = 4;
    const PULLS: usize = 3_200;
    let server = Server::start().await;
    for project in ["acme/shop", "acme/till", "globex/quiet"] {
        server.project(project).await;
        store(&server.operator(), &scope(project), &login("ghcr.io", "bot", "hunter2")).await;
    }
    let (acme, globex) = (
        server.token(Role::Deployer, &organization("acme")).await,
        server.token(Role::Deployer, &organization("globex")).await,
    );
    let requests = ["acme/projects/shop", "acme/projects/till", "globex/projects/quiet"].map(|path| {
        let token = if path.starts_with("acme") { &acme } else { &globex };
        raw::get(&format!("/internal/v1/organizations/{path}/pull-secret"), token.expose())
    });
    let (operator, stop, turn) = (server.operator(), AtomicBool::new(false), AtomicUsize::new(0));
    let scopes = [organization("acme"), scope("acme/shop"), scope("acme/till"), organization("globex")];
    let mut seen: Vec<(usize, bool, Vec<Uuid>)> = Vec::new();
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        thread::scope(|threads| {
            let _over = StopOnDrop(&stop);
            let deploying: Vec<_> = (0..DEPLOYERS)
                .map(|_| {
                    threads.spawn(|| {
                        let mut connection = raw::Connection::open(&server.internal).unwrap();
                        while !stop.load(Ordering::Relaxed) {
                            let number = turn.fetch_add(1, Ordering::Relaxed);
                            if number >= PULLS {
                                break;
                            }
                            connection.send(&requests[number % requests.len()]).unwrap();
                            assert_eq!(connection.answer().unwrap().status, 200);
                        }
                    })
                })
                .collect();
            while !deploying.iter().all(thread::ScopedJoinHandle::is_finished) {
                for (at, scope) in scopes.iter().enumerate() {
                    for newest_first in [false, true] {
                        seen.push((at, newest_first, runtime.block_on(listed(&operator, scope, newest_first))));
                    }
                }
            }
            for deployer in deploying {
                deployer.join().unwrap();
            }
        });
    });
    assert!(seen.len() > 20, "lists were read {} times meanwhile", seen.len());
    let mut hand_outs = 0;
    for (at, scope) in scopes.iter().enumerate() {
        let whole = listed(&operator, scope, false).await;
        assert_eq!(whole.iter().collect::<HashSet<_>>().len(), whole.len(), "{scope}: an event came twice");
        if matches!(scope, Scope::Organization(_)) {
            let events = operator.audit_list_all(scope).await.unwrap().items;
            hand_outs += events.iter().filter(|event| event.operation == "pull_secret.get").count();
        }
        for (_, newest_first, ids) in seen.iter().filter(|(of, ..)| *of == at) {
            let mut ids = ids.clone();
            if *newest_first {
                ids.reverse();
            }
            let whole = whole.iter().take(ids.len()).copied();
            assert!(whole.eq(ids), "{scope}: a list is not how the log begins (newest first: {newest_first})");
        }
    }
    assert_eq!(hand_outs, PULLS);
}

/// The database of a server, seen from beside.
struct Beside(SqliteConnection);

impl Beside {
    async fn of(server: &Server) -> Self {
        let options = SqliteConnectOptions::new().filename(server.database()).pragma("query_only", "on");
        Self(SqliteConnection::connect_with(&options).await.unwrap())
    }

    async fn number(&mut self, text: &'static str) -> i64 {
        sqlx::query_scalar(text).fetch_one(&mut self.0).await.unwrap()
    }

    /// Events by what they say themselves.
    async fn ids(&mut self, text: &'static str) -> Vec<Uuid> {
        sqlx::query_scalar(text).fetch_all(&mut self.0).await.unwrap()
    }
}

/// How long some rows more may take. No measure of speed.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longer than it takes on any machine.
const FOREVER: Duration = Duration::from_mins(2);
const ROWS: &str = "select count(*) from audit_places";
const PARTLY: &str = "select exists (select 1 from audit_places where id > (select places from audit_filed))";
const UNFILED: &str = "select count(*) from audit_events where sequence > (select last from audit_filed)";
const WRONG: &str = "select (select count(*) from audit_places p join json_each(p.sequences)) \
                     - (select count(organization_id) + count(project_id) from audit_events \
                     where sequence <= (select last from audit_filed))";

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_events_are_put_on_file_lists_are_whole_at_once_and_afterwards() {
    const EVENTS: u32 = 30_000;
    let mut server = Server::start().await;
    for project in ["acme/shop", "globex/quiet"] {
        server.project(project).await;
    }
    server.stop();
    log::fill(&server.database(), EVENTS).await;
    log::scatter(&server.database()).await;
    let scopes = [
        (organization("acme"), "select id from audit_events where scope like 'organizations/acme%' order by sequence"),
        (
            scope("acme/shop"),
            "select e.id from audit_events e join scopes s on s.id = e.project_id where s.name = 'shop' \
                              order by e.sequence",
        ),
    ];
    let mut partly = 0;
    for round in 0..6 {
        let mut beside = Beside::of(&server).await;
        server.restart();
        // Later each time, and each time with what was there before. Who vouches too early leaves the rest for ever.
        let begun = Instant::now();
        while beside.number(ROWS).await < 1 + round * 1_400 && begun.elapsed() < PATIENCE {
            sleep(Duration::from_millis(1)).await;
        }
        server.kill();
        partly += beside.number(PARTLY).await;
    }
    assert!(partly > 2, "it was killed in the midst of it {partly} times");
    server.restart();
    let operator = server.operator();
    let mut beside = Beside::of(&server).await;
    for moment in ["at once", "afterwards"] {
        for (scope, text) in &scopes {
            let expected = beside.ids(text).await;
            assert!(expected.len() > 1_000, "{scope}");
            assert!(listed(&operator, scope, false).await == expected, "{scope} {moment}");
            assert!(listed(&operator, scope, true).await.into_iter().rev().eq(expected), "{scope} {moment}");
        }
        let begun = Instant::now();
        while beside.number(UNFILED).await > 0 {
            assert!(begun.elapsed() < FOREVER, "events are not put on file {moment}");
            sleep(Duration::from_millis(20)).await;
        }
    }
    assert_eq!(beside.number(WRONG).await, 0, "the file holds what it should and nothing else");
}
