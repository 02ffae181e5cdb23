//! Under load: a backup shows one moment, and a restore that dies leaves nothing.

use super::{World, done, on, rewrite, text};
use crate::support::{Binary, StopOnDrop, login, raw, scope, store};
use regcred::domain::{id::CredentialId, permission::Role};
use serde_json::Value;
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};
use uuid::Uuid;

const BACKUPS: usize = 4;
/// Events of about 290 bytes: half as much again as the 16 MiB that a connection keeps which writes. What fits is
/// written at the commit, which is over before a signal comes.
const MORE_THAN_FITS: usize = 80_000;

/// Sets a password that tells the number of its turn.
fn rotate(url: &str, path: &str, token: &str, turn: u64) {
    let body = format!(r#"{{"password":"turn-{turn}"}}"#);
    let answer = raw::once(url, raw::with_body("PATCH", path, token, &body).as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn turn_of(secret: &Value, server: &str) -> u64 {
    let password = secret["auths"][server]["password"].as_str().expect("it is handed out");
    password.strip_prefix("turn-").and_then(|turn| turn.parse().ok()).expect("it was set in a turn")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_shows_one_moment() {
    shows_one_moment(World::new().await).await;
}

pub async fn shows_one_moment(world: World) {
    let shop = scope("acme/shop");
    let editor = world.server.client(Role::Editor, &shop).await;
    let mut paths = Vec::new();
    for server in ["first.example", "second.example"] {
        let stored = store(&editor, &shop, &login(server, "bot", "turn-0")).await;
        paths.push(format!("/v1/{shop}/credentials/{}", CredentialId::from_uuid(stored.id)));
    }
    let token = world.server.token(Role::Editor, &shop).await.expose().to_owned();
    let operator = world.server.operator_token().expose().to_owned();
    let url = world.server.public.clone();
    let (enough, sent, acknowledged) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let mut backups = Vec::new();
    thread::scope(|threads| {
        let _stop = StopOnDrop(&enough);
        threads.spawn(|| {
            // The first one is always as far as the second one, or a turn ahead.
            for turn in 1.. {
                if enough.load(Ordering::Relaxed) {
                    break;
                }
                sent.store(turn, Ordering::SeqCst);
                for path in &paths {
                    rotate(&url, path, &token, turn);
                }
                acknowledged.store(turn, Ordering::SeqCst);
            }
        });
        threads.spawn(|| {
            // Projects come with their keys and logins, and go with them.
            for number in 0.. {
                if enough.load(Ordering::Relaxed) {
                    break;
                }
                let path = format!("/v1/organizations/acme/projects/p{number}");
                let put = raw::once(&url, raw::head("PUT", &path, &operator, "").as_bytes());
                assert!(put.status < 300, "{put:?}");
                let body = raw::credential("r.example", "hunter2-of-a-short-life");
                assert_eq!(raw::once(&url, &raw::post(&format!("{path}/credentials"), &operator, &body)).status, 201);
                if number % 2 == 0 {
                    let gone = raw::once(&url, raw::head("DELETE", &path, &operator, "").as_bytes());
                    assert_eq!(gone.status, 204, "{gone:?}");
                }
            }
        });
        for number in 0..BACKUPS {
            thread::sleep(Duration::from_millis(200));
            let before = acknowledged.load(Ordering::SeqCst);
            let file = world.backup(&format!("backup-{number}"));
            backups.push((file, before..=sent.load(Ordering::SeqCst)));
        }
    });
    for (number, (file, turns)) in backups.into_iter().enumerate() {
        let data = world.fresh(&format!("restored-{number}"));
        let output = done(&on(&data), &["restore", &text(&file)]);
        assert!(output.stderr.contains(" envelopes open.") && output.stderr.contains("; all "), "{output:?}");
        let rows = super::rows(&file);
        let restored = Binary::new().serve(&data).unwrap();
        let secret = world.pull(&restored).await;
        let (first, second) = (turn_of(&secret, "first.example"), turn_of(&secret, "second.example"));
        assert!(turns.contains(&first) && turns.contains(&second), "{first} and {second} of {turns:?}");
        assert!(first == second || first == second + 1, "{first} and {second} are of two moments");
        let updates = rows.iter().filter(|row| row["operation"] == "credential.update").count() as u64;
        assert_eq!(updates, first + second, "each change is there with its event");
        let keys = rows.iter().filter(|row| row["table"] == "data_keys").count();
        let scopes = rows.iter().filter(|row| row["table"] == "projects" || row["table"] == "organizations").count();
        assert_eq!(keys, scopes + 1, "each project is there with its key, and the deployment with its own");
    }
    assert!(acknowledged.load(Ordering::SeqCst) > 5, "there was load");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_was_killed_leaves_an_empty_database_that_can_be_restored_again() {
    let mut world = World::new().await;
    let secret = world.pull(&world.server).await;
    world.server.stop();
    let file = world.backup("backup");
    add_events(&file, MORE_THAN_FITS);
    let data = world.fresh("restored");
    let mut command = on(&data).command();
    let mut child = command.args(["restore", &text(&file)]).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    let wal = data.join("regcred.db-wal");
    // What does not fit into SQLite's memory goes to its log before it is committed.
    while fs::metadata(&wal).map_or(0, |found| found.len()) < 1 << 20 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
        assert!(begun.elapsed() < Duration::from_mins(2), "it writes");
        thread::sleep(Duration::from_millis(1));
    }
    Command::new("kill").args(["-s", "KILL", &child.id().to_string()]).status().unwrap();
    assert!(!child.wait().unwrap().success());

    let options = SqliteConnectOptions::new().filename(data.join("regcred.db"));
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let left = "select (select count(*) from deployment) + (select count(*) from audit_events)";
    assert_eq!(sqlx::query_scalar::<_, i64>(left).fetch_one(&mut connection).await.unwrap(), 0);
    connection.close().await.unwrap();

    let events = super::rows(&file).iter().filter(|row| row["table"] == "audit_events").count();
    assert!(events > MORE_THAN_FITS);
    let output = done(&on(&data), &["restore", &text(&file)]);
    assert!(output.stderr.contains(&format!(" {events} audit events ")), "{output:?}");
    let restored = Binary::new().serve(&data).unwrap();
    assert_eq!(world.pull(&restored).await, secret);
}

/// Backs up, and sends a signal as soon as that is true. Returns what was said.
fn interrupted(cli: &Binary, file: &Path, signal: &str, now: impl Fn() -> bool) -> String {
    let mut command = cli.command();
    command.args(["backup", "--force", &text(file)]).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let begun = Instant::now();
    while !now() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before a signal could come");
        assert!(begun.elapsed() < Duration::from_mins(2), "it gets on");
        thread::sleep(Duration::from_millis(1));
    }
    Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_stopped_says_whether_there_is_one() {
    let mut world = World::new().await;
    world.server.stop();
    let (file, data) = (world.backup("backup"), world.fresh("restored"));
    add_events(&file, 20_000);
    done(&on(&data), &["restore", &text(&file)]);
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("backup");
    fs::write(&place, "an older one").unwrap();
    let begun = || fs::read_dir(folder.path()).unwrap().count() > 1;
    let told = interrupted(&on(&data), &place, "TERM", begun);
    assert!(told.contains("stopped by a signal; nothing was changed"), "{told}");
    assert_eq!(fs::read(&place).unwrap(), b"an older one");
    assert!(!begun(), "no half of a file is left");
    let written = || fs::metadata(&place).unwrap().len() > 100;
    let told = interrupted(&on(&data), &place, "INT", written);
    assert!(told.contains("stopped by a signal; the backup is written, but was not checked"), "{told}");
    done(&on(&data), &["restore", "--dry-run", &text(&place)]);
}

/// Adds so many events to a backup, behind those that are in it.
pub fn add_events(file: &Path, more_of: usize) {
    rewrite(file, |lines| {
        let at = lines.iter().rposition(|line| line["table"] == "audit_events").expect("there are events");
        let (last, first) = (lines[at].clone(), lines[at]["sequence"].as_u64().unwrap());
        let more = (first + 1..).take(more_of).map(|sequence| {
            let mut event = last.clone();
            event["sequence"] = sequence.into();
            event["id"] = Uuid::from_u128(u128::from(sequence)).to_string().into();
            event
        });
        let behind = lines.split_off(at + 1);
        lines.extend(more);
        lines.extend(behind);
        lines.last_mut().unwrap()["last"] = (first + more_of as u64).into();
    });
}
