//! Old audit events: exported, then pruned, on record. And a log of any length is read as fast as a short one.

use crate::support::{
    Binary, Output, Server, StopOnDrop, log, organization,
    postgres::{Cluster, Database},
    problem, pull, raw, scope, slug, store,
};
use regcred::{
    client::{Client, PageQuery},
    domain::{
        permission::Role,
        pruning::{LinesDigest, PruningCount},
        scope::Scope,
    },
    http::wire::AuditEvent,
};
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// On which database a case runs.
#[derive(Clone, Copy)]
enum On {
    Sqlite,
    Postgres,
}

macro_rules! on_both {
    ($($case:ident),+ $(,)?) => {
        on_both! { on_sqlite Sqlite: $($case),+ }
        on_both! { on_postgres Postgres: $($case),+ }
    };
    ($module:ident $on:ident: $($case:ident),+) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    super::$case(super::On::$on).await;
                }
            )+
        }
    };
}

on_both! {
    what_is_older_than_the_retention_is_exported_and_then_gone_and_on_record,
    nothing_is_pruned_that_is_young_or_unproven_or_in_the_middle_and_who_tries_is_on_record,
    no_pull_fails_while_fifty_thousand_events_are_pruned,
    a_page_of_a_long_log_takes_no_longer_than_one_of_a_short_log,
}

/// A server with `acme/shop`, `globex/quiet` and so many old events before all others.
async fn aged_on(on: On, count: u32) -> (Server, Option<Database>) {
    let database = match on {
        On::Sqlite => None,
        On::Postgres => Some(Cluster::shared().database()),
    };
    let mut server = match &database {
        None => Server::start().await,
        Some(database) => Server::on(database),
    };
    server.project("acme/shop").await;
    server.project("globex/quiet").await;
    fill(&mut server, database.as_ref(), count).await;
    (server, database)
}

async fn fill(server: &mut Server, database: Option<&Database>, count: u32) {
    if let Some(database) = database {
        log::fill_postgres(database, count);
        return;
    }
    server.stop();
    log::fill(&server.database(), count).await;
    server.restart();
}

async fn aged(count: u32) -> Server {
    aged_on(On::Sqlite, count).await.0
}

fn prune(server: &Server, file: &Path, more: &[&str]) -> Output {
    let file = file.to_string_lossy();
    server.cli().run(&[&["audit", "prune", "--export", &file, "--yes"], more].concat(), b"")
}

fn lines(file: &Path) -> Vec<String> {
    fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

fn numbers(lines: &[String]) -> Vec<i64> {
    lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()["sequence"].as_i64().unwrap()).collect()
}

async fn all(client: &Client) -> Vec<AuditEvent> {
    client.audit_list_all(&Scope::Deployment).await.unwrap().items
}

async fn what_is_older_than_the_retention_is_exported_and_then_gone_and_on_record(on: On) {
    let (server, _database) = aged_on(on, 2_345).await;
    let (operator, file) = (server.operator(), server.data().join("export.jsonl"));
    let before = all(&operator).await;
    let output = prune(&server, &file, &[]);
    assert_eq!((output.status, output.stdout.as_str()), (0, ""), "{output:?}");
    assert!(output.stderr.contains("Pruned 2345 audit events, up to number 2345."), "{output:?}");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let lines = lines(&file);
    let expected: Vec<_> = before[..2_345].iter().map(|event| serde_json::to_string(event).unwrap()).collect();
    assert!(lines == expected, "the lines are the events as the list had them");
    let prunings = operator.audit_pruning_list_all().await.unwrap().items;
    let ranges: Vec<_> = prunings.iter().map(|one| (one.first_sequence, one.last_sequence, one.count)).collect();
    assert_eq!(ranges, [(1, 1000, 1000), (1001, 2000, 1000), (2001, 2345, 345)]);
    for (one, lines) in prunings.iter().zip(lines.chunks(1000)) {
        assert_eq!(one.sha256.to_string(), log::digest(lines), "anybody can hold the record against the file");
        assert_eq!((one.principal.as_str(), one.oldest_at <= one.newest_at), ("operator", true));
    }
    let after = all(&operator).await;
    let (kept, new) = after.split_at(before.len() - 2_345);
    let ids = |events: &[AuditEvent]| events.iter().map(|event| event.id).collect::<Vec<_>>();
    assert_eq!(ids(kept), ids(&before[2_345..]));
    let named: Vec<_> = new.iter().map(|event| (event.operation.as_str(), event.object_ids[0])).collect();
    assert_eq!(named, prunings.iter().map(|one| ("audit.prune", one.id)).collect::<Vec<_>>());

    let table = server.cli().run(&["audit", "prunings"], b"");
    assert!(table.stdout.starts_with("ID ") && table.stdout.lines().count() == 4, "{table:?}");
    assert_eq!(table.stderr, "", "nothing is missing");
    let again = prune(&server, &server.data().join("again.jsonl"), &[]);
    assert_eq!((again.status, again.stderr.as_str()), (0, "No audit events are older than 400 days.\n"));
    assert!(!server.data().join("again.jsonl").exists());
}

async fn nothing_is_pruned_that_is_young_or_unproven_or_in_the_middle_and_who_tries_is_on_record(on: On) {
    let (server, _database) = aged_on(on, 10).await;
    let operator = server.operator();
    let lines: Vec<_> = all(&operator).await.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
    let try_to = async |count: u32, lines: &[String]| {
        let digest: LinesDigest = log::digest(lines).parse().unwrap();
        operator.audit_prune(PruningCount::try_from(count).unwrap(), digest).await
    };
    let young = u32::try_from(lines.len()).unwrap();
    for (count, lines, refusal) in [
        (1, &lines[1..2], "not-the-oldest-events"),
        (2, &lines[..1], "not-the-oldest-events"),
        (1, &lines[..2], "not-the-oldest-events"),
        (1000, &lines[..10], "not-the-oldest-events"),
        (11, &lines[..11], "retained"),
        (young, &lines[..], "retained"),
    ] {
        let refused = problem(try_to(count, lines).await);
        assert_eq!((refused.status, slug(&refused)), (409, refusal), "{count}");
    }
    let left = all(&operator).await;
    assert_eq!(left.len(), lines.len() + 2);
    for event in &left[lines.len()..] {
        assert_eq!((event.operation.as_str(), event.outcome.as_str()), ("audit.prune", "denied"));
    }
    assert!(operator.audit_pruning_list_all().await.unwrap().items.is_empty());
    let done = try_to(10, &lines[..10]).await.unwrap();
    // Who heard no answer asks again, and is told the same.
    assert_eq!(try_to(10, &lines[..10]).await.unwrap().id, done.id);
    assert_eq!(operator.audit_pruning_list_all().await.unwrap().items.len(), 1);

    let short = prune(&server, &server.data().join("short.jsonl"), &["--older-than", "30"]);
    assert_eq!(short.status, 2, "{short:?}");
    assert!(short.stderr.contains("keeps audit events for 400 days") && !server.data().join("short.jsonl").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_setting_decides_how_old_is_old_enough() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let days = |days: &str| Binary::new().env("REGCRED_AUDIT_RETENTION_DAYS", days);
    let mut server = days("501").serve(&data).unwrap();
    server.stop();
    log::fill(&server.database(), 5).await;
    server.restart();
    let nothing = prune(&server, &data.join("one.jsonl"), &[]);
    assert_eq!((nothing.status, nothing.stderr.as_str()), (0, "No audit events are older than 501 days.\n"));
    server.stop();
    let server = days("499").serve(&data).unwrap();
    assert_eq!(server.operator().audit_retention_get().await.unwrap().days, 499);
    let older = prune(&server, &data.join("two.jsonl"), &["--older-than", "501"]);
    assert_eq!((older.status, older.stderr.as_str()), (0, "No audit events are older than 501 days.\n"));
    assert_eq!(prune(&server, &data.join("three.jsonl"), &[]).status, 0);
    assert_eq!(numbers(&lines(&data.join("three.jsonl"))), [1, 2, 3, 4, 5]);
    assert!(days("0").serve(&data.join("other")).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_never_written_over_and_what_is_missing_is_told() {
    let server = aged(50).await;
    let file = server.data().join("export.jsonl");
    fs::write(&file, "the only copy").unwrap();
    let refused = prune(&server, &file, &[]);
    assert_eq!(refused.status, 5, "{refused:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "the only copy");
    let unasked = server.cli().run(&["audit", "prune", "--export", "/nonexistent/x"], b"y\n");
    assert_eq!(unasked.status, 2, "nobody is there to ask: {unasked:?}");

    // Somebody takes events out behind the service's back.
    let thief = "drop trigger audit_events_go_on_record; delete from audit_events where sequence in (1, 7, 8);";
    log::run(&server.database(), thief.to_owned()).await;
    let file = server.data().join("holes.jsonl");
    let holes = prune(&server, &file, &[]);
    assert_eq!(holes.status, 1, "{holes:?}");
    for said in ["event 1 is missing", "events 7 to 8 are missing", "--despite-holes"] {
        assert!(holes.stderr.contains(said), "{holes:?}");
    }
    assert!(!file.exists());
    assert_eq!(prune(&server, &file, &["--despite-holes"]).status, 0);
    let records = server.cli().run(&["audit", "prunings"], b"");
    assert!(records.stderr.contains("event 1 is missing"), "it stays on record: {records:?}");
    assert!(records.stderr.contains("of the events 2 to 50, 47 were there"), "{records:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_a_project_is_its_list_a_line_each() {
    let server = aged(20).await;
    store(&server.operator(), &scope("acme/shop"), &crate::support::login("ghcr.io", "bot", "hunter2")).await;
    let cli = server.cli();
    let listed = server.operator().audit_list_all(&scope("acme/shop")).await.unwrap().items;
    let expected: Vec<_> = listed.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
    let output = cli.run(&["audit", "export", "--project", "acme/shop", "-"], b"");
    assert_eq!(output.stdout.lines().collect::<Vec<_>>(), expected);
    assert!(!output.stdout.contains("sequence"), "how much others do is not told here");
    let file = server.data().join("old.jsonl");
    let path = file.to_string_lossy();
    let old = cli.run(&["audit", "export", "--org", "acme", "--before", "2026-01-01T00:00:00Z", &path], b"");
    assert_eq!((old.status, lines(&file).len()), (0, 7), "{old:?}");
    assert_eq!(cli.run(&["audit", "export", "--org", "acme", &path], b"").status, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_it_loses_nothing() {
    let server = aged(12_000).await;
    let operator = server.operator();
    let pruned = async || operator.audit_pruning_list_all().await.unwrap().items.len();
    let mut files: Vec<PathBuf> = Vec::new();
    for round in 0..12_u64 {
        let (file, before) = (server.data().join(format!("export-{round}.jsonl")), pruned().await);
        let mut command = server.cli().command();
        let mut child = command.args(["audit", "prune", "--yes", "--export"]).arg(&file).spawn().unwrap();
        files.push(file);
        // First anywhere, then in the midst of the pruning.
        thread::sleep(Duration::from_millis(50 * (round % 6)));
        while round >= 6 && pruned().await == before && child.try_wait().unwrap().is_none() {
            thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(pruned().await > 2, "it was killed in the midst of it");
    // What the last one had asked for may be done while the next one exports: then that one is told, and tries again.
    let mut last = (0..3).map(|attempt| server.data().join(format!("last-{attempt}.jsonl")));
    let done = last.find(|file| {
        files.push(file.clone());
        prune(&server, file, &[]).status == 0
    });
    assert!(done.is_some(), "{}", server.log());
    let mut exported = std::collections::HashSet::new();
    for file in files.iter().filter(|file| file.exists()) {
        // A kill may have cut the last line; what was pruned had been written whole.
        let text = fs::read_to_string(file).unwrap();
        let whole: Vec<_> = text.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(str::to_owned).collect();
        exported.extend(numbers(&whole));
    }
    let prunings = server.operator().audit_pruning_list_all().await.unwrap().items;
    let mut next = 1;
    for one in &prunings {
        assert_eq!(one.first_sequence, next);
        assert!((one.first_sequence..=one.last_sequence).all(|number| exported.contains(&number)));
        next = one.last_sequence + 1;
    }
    assert_eq!(next, 12_001, "in the end all are gone");
}

/// Deployers' pulls, and how long the longest took.
fn pulls(server: &Server, token: &str, stop: &AtomicBool, done: &AtomicUsize, longest: &Mutex<Duration>) {
    let mut connection = raw::Connection::open(&server.internal).unwrap();
    let request = raw::get("/internal/v1/organizations/acme/projects/shop/pull-secret", token);
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        connection.send(&request).unwrap();
        let answer = connection.answer().unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        done.fetch_add(1, Ordering::Relaxed);
        let mut longest = longest.lock().unwrap();
        *longest = longest.max(begun.elapsed());
    }
}

async fn no_pull_fails_while_fifty_thousand_events_are_pruned(on: On) {
    let (server, _database) = aged_on(on, 50_000).await;
    store(&server.operator(), &scope("acme/shop"), &crate::support::login("ghcr.io", "bot", "hunter2")).await;
    let deployer = server.token(Role::Deployer, &organization("acme")).await;
    let (stop, done, longest) = (AtomicBool::new(false), AtomicUsize::new(0), Mutex::default());
    let file = server.data().join("export.jsonl");
    let (output, took) = thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| pulls(&server, deployer.expose(), &stop, &done, &longest));
        }
        let _over = StopOnDrop(&stop);
        let begun = Instant::now();
        (prune(&server, &file, &[]), begun.elapsed())
    });
    assert_eq!(output.status, 0, "{output:?}");
    assert_eq!(lines(&file).len(), 50_000);
    let done = done.into_inner();
    eprintln!("50,000 events in {took:?}; {done} pulls meanwhile, none failed, the longest took {longest:?}");
    assert!(done > 100, "{done} pulls");
    assert!(pull(&server.client_with(Some(deployer)), &crate::support::project("acme/shop"), &[]).await.is_ok());
}

/// The shortest times of a page of ten from the beginning, the middle and the end of the log, and of its newest events.
async fn times(client: &Client, scope: &Scope) -> [Duration; 4] {
    let all = client.audit_list_newest(scope, PageQuery { limit: Some(1), cursor: None }).await.unwrap();
    assert_eq!(all.items.len(), 1, "there are events of {scope}");
    let last = all.next_cursor.map(|cursor| log::number(&cursor)).unwrap();
    let mut times = [Duration::MAX; 4];
    for _ in 0..30 {
        for (place, time) in [Some(0), Some(last / 2), Some(last - 2), None].into_iter().zip(&mut times) {
            let cursor = place.map(log::cursor);
            let query = PageQuery { limit: Some(10), cursor: cursor.as_deref() };
            let begun = Instant::now();
            let page = match place {
                Some(_) => client.audit_list(scope, query).await.unwrap(),
                None => client.audit_list_newest(scope, query).await.unwrap(),
            };
            *time = (*time).min(begun.elapsed());
            assert!(!page.items.is_empty());
        }
    }
    times
}

async fn a_page_of_a_long_log_takes_no_longer_than_one_of_a_short_log(on: On) {
    const LONG: u32 = 200_000;
    let (mut server, database) = aged_on(on, 1_000).await;
    // The last of them was busy once, and has had few events since.
    let scopes = [Scope::Deployment, organization("acme"), scope("acme/shop"), organization("globex")];
    let mut short = Vec::new();
    for scope in &scopes {
        short.push(times(&server.operator(), scope).await);
    }
    let more = log::length().unwrap_or(LONG);
    fill(&mut server, database.as_ref(), more).await;
    for (scope, short) in scopes.iter().zip(short) {
        let long = times(&server.operator(), scope).await;
        eprintln!("{scope}: {short:?} at 1,000 events, {long:?} with {more} more");
        for (short, long) in short.iter().zip(long) {
            assert!(long < 5 * *short, "{scope}: {short:?} at 1,000 events, {long:?} with {more} more");
        }
    }
}
