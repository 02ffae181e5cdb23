//! Master keys: they are rotated while everything goes on, and nothing that is stored is ever without its key.

use crate::support::{
    Server, StopOnDrop, organization, problem,
    raw::{self, Connection},
    slug,
};
use regcred::{
    client::Client,
    domain::{id::MasterKeyId, permission::Role},
};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{
    collections::BTreeMap,
    fs,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Many enough that reading them all takes longer than giving up a key.
const IN_THE_BIG_PROJECT: usize = 150;

/// What was stored: the password of each server of each project.
type Stored = BTreeMap<String, BTreeMap<String, String>>;

fn project_path(project: &str) -> String {
    format!("/v1/organizations/acme/projects/{project}")
}

/// Makes a project with one credential through an open connection.
fn furnish(connection: &mut Connection, operator: &str, editor: &str, project: &str, stored: &mut Stored) {
    connection.send(raw::head("PUT", &project_path(project), operator, "").as_bytes()).expect("it is taken");
    let answer = connection.answer().expect("it is answered");
    assert_eq!(answer.status, 201, "{answer:?}");
    add(connection, editor, project, "ghcr.io", stored);
}

fn add(connection: &mut Connection, editor: &str, project: &str, server: &str, stored: &mut Stored) {
    let password = format!("{project}-{server}-secret");
    let request =
        raw::post(&format!("{}/credentials", project_path(project)), editor, &raw::credential(server, &password));
    connection.send(&request).expect("it is taken");
    let answer = connection.answer().expect("it is answered");
    assert_eq!(answer.status, 201, "{answer:?}");
    stored.entry(project.to_owned()).or_default().insert(server.to_owned(), password);
}

/// Fetches a project's pull secret: it must be whole.
fn fetch(connection: &mut Connection, deployer: &str, project: &str) -> BTreeMap<String, String> {
    let request = raw::get(&format!("/internal{}/pull-secret", project_path(project)), deployer);
    connection.send(&request).expect("it is taken");
    let answer = connection.answer().expect("it is answered");
    assert_eq!((answer.status, answer.header("regcred-omitted")), (200, None), "{answer:?}");
    let document: serde_json::Value = serde_json::from_slice(&answer.body).expect("the document is JSON");
    let auths = document["auths"].as_object().expect("there are logins");
    auths
        .iter()
        .map(|(server, login)| (server.clone(), login["password"].as_str().unwrap_or_default().to_owned()))
        .collect()
}

/// Everything that was stored comes out again.
fn everything_opens(server: &Server, deployer: &str, stored: &Stored) {
    let mut connection = Connection::open(&server.internal).expect("it connects");
    for (project, passwords) in stored {
        assert_eq!(fetch(&mut connection, deployer, project), *passwords, "{project}");
    }
}

async fn tokens(server: &Server) -> [String; 3] {
    server.project("acme/first").await;
    let acme = organization("acme");
    let editor = server.token(Role::Editor, &acme).await;
    let deployer = server.token(Role::Deployer, &acme).await;
    [server.operator_token(), editor, deployer].map(|token| token.expose().to_owned())
}

/// The way of a rotation, up to the new key's being the active one.
async fn new_active_key(operator: &Client) -> MasterKeyId {
    let key = MasterKeyId::from_uuid(operator.key_add().await.expect("a key is added").id);
    operator.key_activate(key).await.expect("it becomes active");
    key
}

async fn retire_all_but(operator: &Client, active: MasterKeyId) -> usize {
    let keys = operator.key_list().await.expect("the keys are listed").items;
    let old: Vec<_> = keys.iter().filter(|key| key.state == "standby").collect();
    for key in &old {
        assert_ne!(key.id, active.as_uuid());
        operator.key_retire(MasterKeyId::from_uuid(key.id)).await.expect("nothing is wrapped under it any more");
    }
    old.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn rotating_the_master_key_under_traffic_loses_nothing_and_disturbs_nobody() {
    let mut server = Server::start().await;
    let [operator_text, editor, deployer] = tokens(&server).await;
    let (public, internal) = (server.public.clone(), server.internal.clone());
    let mut stored = Stored::new();
    let mut connection = Connection::open(&public).unwrap();
    furnish(&mut connection, &operator_text, &editor, "big", &mut stored);
    for number in 0..IN_THE_BIG_PROJECT {
        add(&mut connection, &editor, "big", &format!("registry-{number}.example"), &mut stored);
    }

    let (stop, pulls) = (AtomicBool::new(false), AtomicUsize::new(0));
    let operator = server.operator();
    let created = thread::scope(|threads| {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (public, operator_text, editor, stop) = (&public, &operator_text, &editor, &stop);
                threads.spawn(move || {
                    let mut connection = Connection::open(public).unwrap();
                    let mut made = Stored::new();
                    for count in 0.. {
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        let project = format!("w{writer}-{count}");
                        furnish(&mut connection, operator_text, editor, &project, &mut made);
                        add(&mut connection, editor, &project, "quay.io", &mut made);
                    }
                    made
                })
            })
            .collect();
        for _ in 0..4 {
            threads.spawn(|| {
                let mut connection = Connection::open(&internal).unwrap();
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(fetch(&mut connection, &deployer, "big"), stored["big"]);
                    pulls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let over = StopOnDrop(&stop);
        let runtime = tokio::runtime::Handle::current();
        for _ in 0..5 {
            thread::sleep(Duration::from_millis(300));
            tokio::task::block_in_place(|| {
                runtime.block_on(async {
                    let key = new_active_key(&operator).await;
                    operator.key_rewrap().await.expect("the data keys are wrapped anew");
                    assert_eq!(retire_all_but(&operator, key).await, 1);
                });
            });
        }
        drop(over);
        writers.into_iter().map(|writer| writer.join().expect("no writer was disturbed")).collect::<Vec<_>>()
    });
    let created: usize = created
        .into_iter()
        .map(|mut made| {
            let count = made.len();
            stored.append(&mut made);
            count
        })
        .sum();
    everything_opens(&server, &deployer, &stored);
    server.stop();
    let keyring: serde_json::Value = serde_json::from_slice(&fs::read(server.data().join("keyring")).unwrap()).unwrap();
    assert_eq!(keyring["keys"].as_array().map(Vec::len), Some(1), "only the newest key is left");
    server.restart();
    everything_opens(&server, &deployer, &stored);
    eprintln!("5 rotations under traffic: {created} projects made, {pulls:?} big pull secrets fetched, none disturbed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_key_is_given_up_only_when_nothing_needs_it() {
    let mut server = Server::start().await;
    server.project("acme/shop").await;
    let operator = server.operator();
    let first = MasterKeyId::from_uuid(operator.key_list().await.unwrap().items[0].id);
    let refusal = |result| {
        let refused = problem::<()>(result);
        assert_eq!((refused.status, slug(&refused)), (409, "key-state"), "{refused:?}");
        refused.detail
    };
    assert!(refusal(operator.key_retire(first).await).contains("active"));
    let second = new_active_key(&operator).await;
    assert!(refusal(operator.key_retire(first).await).contains("still wrapped"));
    assert!(operator.key_rewrap().await.unwrap().rewrapped > 0);
    operator.key_retire(first).await.expect("nothing needs it now");
    operator.key_retire(first).await.expect("a retirement can be repeated, should the file not have been written");
    assert!(refusal(operator.key_activate(first).await).contains("retired"));
    assert!(refusal(operator.key_retire(second).await).contains("active"));
    assert_eq!(operator.key_rewrap().await.unwrap().rewrapped, 0);

    // A copy of the old file does not bring the retired key back.
    let keys = operator.key_list().await.unwrap().items;
    let states: Vec<_> = keys.iter().map(|key| (key.state.as_str(), key.loaded)).collect();
    assert_eq!(states, [("retired", false), ("active", true)]);
    server.stop();
    server.restart();
    assert_eq!(server.operator().key_list().await.unwrap().items.len(), 2);
}

/// How many data keys are wrapped under another key than this one. Asked from outside, while the server runs.
async fn stale(connection: &mut SqliteConnection, key: MasterKeyId) -> i64 {
    let count = sqlx::query_scalar("select count(*) from data_keys where master_key_id <> $1");
    count.bind(key.as_uuid()).fetch_one(connection).await.expect("the database can be read")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewrapping_that_is_killed_goes_on_where_it_was() {
    let mut server = Server::start().await;
    let [operator_text, editor, deployer] = tokens(&server).await;
    let mut stored = Stored::new();
    let mut connection = Connection::open(&server.public).unwrap();
    for number in 0..350 {
        furnish(&mut connection, &operator_text, &editor, &format!("p{number}"), &mut stored);
    }
    let options = SqliteConnectOptions::new().filename(server.database()).read_only(true);
    let mut left = Vec::new();
    for round in 0..5_u64 {
        let key = new_active_key(&server.operator()).await;
        let mut outside = SqliteConnection::connect_with(&options).await.unwrap();
        let all = stale(&mut outside, key).await;
        let operator = server.operator();
        let rewrapping = tokio::spawn(async move { operator.key_rewrap().await });
        let begun = Instant::now();
        while stale(&mut outside, key).await == all && begun.elapsed() < raw::PATIENCE {
            thread::sleep(Duration::from_millis(1));
        }
        outside.close().await.unwrap();
        thread::sleep(Duration::from_millis(round * 25));
        server.kill();
        let _ = rewrapping.await.expect("the call ends");
        server.restart();
        let mut outside = SqliteConnection::connect_with(&options).await.unwrap();
        left.push(stale(&mut outside, key).await);
        outside.close().await.unwrap();
        everything_opens(&server, &deployer, &stored);
    }
    assert!(left.iter().any(|left| *left > 0), "some were killed half way: {left:?}");
    let operator = server.operator();
    let key = new_active_key(&operator).await;
    let rewrapped = operator.key_rewrap().await.expect("it goes through").rewrapped;
    assert_eq!(rewrapped, 353, "every data key: the deployment's, the organization's, and one a project");
    assert_eq!(retire_all_but(&operator, key).await, 6);
    server.kill();
    server.restart();
    everything_opens(&server, &deployer, &stored);
    eprintln!("5 rewrappings of 353 data keys killed with {left:?} left; nothing lost");
}
