//! What replicas owe each other about master keys, and what an operator is shown of them.

use crate::support::{
    Binary, Server, StopOnDrop, keyring_file,
    postgres::{Cluster, Database},
    problem,
    raw::{self, Connection},
    slug,
};
use regcred::{
    client::{Client, ClientError, Listener, NewToken},
    domain::{
        id::{MasterKeyId, TokenId},
        permission::Role,
        scope::Scope,
    },
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long a test waits for what takes a moment. No measure of speed.
const PATIENCE: Duration = Duration::from_mins(1);

/// Two replicas on one database, each with a copy of the keyring.
struct Pair {
    servers: [Server; 2],
    keyrings: [PathBuf; 2],
    _folder: TempDir,
}

impl Pair {
    fn start(database: &Database) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keyrings = ["one", "two"].map(|name| folder.path().join(name));
        keyring_file(&keyrings[0]);
        fs::copy(&keyrings[0], &keyrings[1]).unwrap();
        let start = |number: usize| {
            let data = folder.path().join(format!("data-{number}"));
            Binary::new().on(&database.url, &keyrings[number]).serve(&data).expect("a replica starts")
        };
        let mut servers = [start(0), start(1)];
        let token = servers[0].data().join("operator.token");
        servers[1].share_operator(&token);
        Self { servers, keyrings, _folder: folder }
    }

    /// A new key in the file of the first replica alone.
    fn add_key(&self) -> MasterKeyId {
        let output = Binary::new().run(&["keys", "generate", "--add-to", self.keyrings[0].to_str().unwrap()], b"");
        assert_eq!(output.status, 0, "{output:?}");
        output.stdout.trim().parse().expect("it prints the key's name")
    }

    fn copy_keyring(&self) {
        fs::copy(&self.keyrings[0], &self.keyrings[1]).unwrap();
    }
}

/// Asks again until the answer is the one that is waited for.
async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn until_known(operator: &Client, key: MasterKeyId) {
    until("the key is taken in", async || {
        let keys = operator.key_list().await.expect("keys are listed").items;
        keys.iter().any(|known| known.id == key.as_uuid() && known.loaded).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_key_is_activated_only_when_every_replica_holds_it() {
    let pair = Pair::start(&Cluster::shared().database());
    let operators = pair.servers.each_ref().map(Server::operator);
    let key = pair.add_key();
    until_known(&operators[0], key).await;
    for operator in &operators {
        let refusal = problem(operator.key_activate(key).await);
        assert_eq!((refusal.status, slug(&refusal)), (409, "key-state"), "{refusal:?}");
    }
    let status = operators[0].status().await.expect("the status is shown");
    assert_eq!(status.database.engine, "PostgreSQL");
    assert_eq!(status.replicas.len(), 2);
    assert!(status.replicas.iter().all(|replica| replica.live && !replica.host.is_empty()));
    assert_eq!(status.replicas.iter().filter(|replica| replica.answers).count(), 1);
    let held: Vec<_> = status.replicas.iter().map(|replica| replica.keys.len()).collect();
    assert_eq!(held, [2, 1], "in the order of their starts");
    let known = status.keys.iter().find(|known| known.id == key.as_uuid()).unwrap();
    assert_eq!((known.state.as_str(), known.lacking.len()), ("standby", 1));
    let doctor = pair.servers[0].cli().run(&["doctor"], b"");
    assert!(doctor.stdout.contains("and not on every replica"), "{doctor:?}");

    pair.copy_keyring();
    until("the key becomes active", async || match operators[1].key_activate(key).await {
        Ok(()) => Some(()),
        Err(ClientError::Problem(refusal)) if refusal.status == 409 => None,
        Err(error) => panic!("{error:?}"),
    })
    .await;
    // Each of them wraps with it from now on.
    for (number, server) in pair.servers.iter().enumerate() {
        server.project(&format!("acme/after-{number}")).await;
    }
    let keys = operators[0].key_list().await.unwrap().items;
    let active = keys.iter().find(|known| known.state == "active").unwrap();
    assert_eq!((active.id, active.data_keys, active.lacking.len()), (key.as_uuid(), 3, 0), "acme and two projects");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_key_that_only_memory_holds_is_not_activated() {
    let pair = Pair::start(&Cluster::shared().database());
    let operator = pair.servers[0].operator();
    let before = fs::read(&pair.keyrings[0]).unwrap();
    let key = pair.add_key();
    pair.copy_keyring();
    until_known(&operator, key).await;
    until_known(&pair.servers[1].operator(), key).await;
    // Somebody puts the old file back, as a tool does that keeps files as they are written down elsewhere.
    for keyring in &pair.keyrings {
        fs::write(keyring, &before).unwrap();
    }
    until("the others are told", async || {
        let keys = operator.key_list().await.unwrap().items;
        keys.iter().any(|known| known.id == key.as_uuid() && known.lacking.len() == 2).then_some(())
    })
    .await;
    let refusal = problem(operator.key_activate(key).await);
    assert_eq!((refusal.status, slug(&refusal)), (409, "key-state"), "{refusal:?}");
    assert!(pair.servers[0].log().contains("is not in the keyring file any more"), "{}", pair.servers[0].log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_changes_does_not_keep_the_revocation_of_its_token_out() {
    let pair = Pair::start(&Cluster::shared().database());
    let scope = Scope::Project(pair.servers[0].project("acme/shop").await);
    let operator = pair.servers[0].operator();
    let name = "thief".parse().unwrap();
    let new = NewToken { name: &name, role: Role::Editor, expires_in_days: None };
    let made = operator.token_create(&scope, &new).await.unwrap();
    let thief = made.token.expose();
    let (stop, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    let revoked = thread::scope(|threads| {
        let _stop = StopOnDrop(&stop);
        for number in 0..16 {
            let (server, stop, done) = (&pair.servers[number % 2], &stop, &done);
            threads.spawn(move || {
                let mut connection = Connection::open(&server.public).unwrap();
                for round in 0.. {
                    let body = raw::credential(&format!("registry-{number}-{round}.example"), "hunter2");
                    let path = "/v1/organizations/acme/projects/shop/credentials";
                    connection.send(&raw::post(path, thief, &body)).unwrap();
                    let status = connection.answer().unwrap().status;
                    done.fetch_add(usize::from(status == 201), Ordering::Relaxed);
                    if stop.load(Ordering::Relaxed) || status == 401 {
                        return;
                    }
                }
            });
        }
        while done.load(Ordering::Relaxed) < 100 {
            thread::sleep(Duration::from_millis(10));
        }
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(operator.token_revoke(&scope, TokenId::from_uuid(made.id)))
        })
    });
    assert!(revoked.is_ok(), "{revoked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_slept_through_an_activation_is_not_ready_until_it_has_the_key() {
    let pair = Pair::start(&Cluster::shared().database());
    let operator = pair.servers[0].operator();
    let sleeper = pair.servers[1].operator();
    let key = pair.add_key();
    until_known(&operator, key).await;
    pair.servers[1].signal("STOP");
    until("the sleeper counts as dead", async || match operator.key_activate(key).await {
        Ok(()) => Some(()),
        Err(ClientError::Problem(refusal)) if refusal.status == 409 => None,
        Err(error) => panic!("{error:?}"),
    })
    .await;
    pair.servers[1].signal("CONT");
    until("it notices", async || sleeper.readyz(Listener::Public).await.err()).await;
    let refusal = problem(sleeper.project_create(&"acme/late".parse().unwrap()).await);
    assert_eq!(refusal.status, 404, "there is no such organization: {refusal:?}");
    let refusal = problem(sleeper.organization_create(&"late".parse().unwrap()).await);
    assert_eq!((refusal.status, slug(&refusal)), (503, "unavailable"), "it cannot wrap: {refusal:?}");

    pair.copy_keyring();
    until("it is ready again", async || sleeper.readyz(Listener::Public).await.ok()).await;
    sleeper.organization_create(&"late".parse().unwrap()).await.expect("it wraps again");
}

#[test]
fn replicas_that_start_at_once_with_a_passphrase_make_one_key_of_it() {
    let database = Cluster::shared().database();
    let folder = tempfile::tempdir().unwrap();
    let passphrase = folder.path().join("passphrase");
    fs::write(&passphrase, "correct horse battery staple\n").unwrap();
    let servers: Vec<_> = thread::scope(|threads| {
        let starts: Vec<_> = (0..3)
            .map(|number| {
                let data = folder.path().join(format!("data-{number}"));
                let binary = Binary::new()
                    .env("REGCRED_DATABASE_URL", &database.url)
                    .env("REGCRED_PASSPHRASE_FILE", &passphrase);
                threads.spawn(move || binary.serve(&data).expect("it starts"))
            })
            .collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert_eq!(database.count("select count(*) from master_keys"), 1);
    assert_eq!(database.count("select count(*) from master_keys where salt is not null and state = 'active'"), 1);
    drop(servers);
}

#[test]
fn tables_are_brought_up_to_date_by_their_owner_and_served_by_who_cannot_change_them() {
    let database = Cluster::shared().database();
    let migrate = |url: &str| Binary::new().env("REGCRED_DATABASE_URL", url).run(&["migrate"], b"");
    for _ in 0..2 {
        let output = migrate(&database.url);
        assert!(output.status == 0 && output.stdout.contains("up to date, at version"), "{output:?}");
    }
    let role = format!("served_{}", database.url.rsplit('/').next().unwrap().split('?').next().unwrap());
    database.psql(&format!(
        "create role {role} login; grant usage on schema public to {role}; \
         grant select, insert, update, delete on all tables in schema public to {role}"
    ));
    let url = database.url.replace("postgres://postgres@", &format!("postgres://{role}@"));
    let folder = tempfile::tempdir().unwrap();
    let keyring = folder.path().join("keyring");
    keyring_file(&keyring);
    let started = Binary::new().on(&url, &keyring).serve(&folder.path().join("data"));
    assert!(started.is_ok(), "{:?}", started.err());

    database.psql("insert into _sqlx_migrations values (9000, 'later', now(), true, '\\x00', 1)");
    let output = migrate(&database.url);
    assert!(output.status == 1 && output.stderr.contains("9000"), "{output:?}");
    let refused = Binary::new().on(&url, &keyring).serve(&folder.path().join("data-2"));
    assert!(refused.err().is_some_and(|output| output.stderr.contains("or a newer one")));
}

#[test]
fn a_keyring_is_made_and_added_to_without_a_service() {
    let folder = tempfile::tempdir().unwrap();
    let generate = |arguments: &[&str]| Binary::new().run(&[&["keys", "generate"], arguments].concat(), b"");
    let made = generate(&[]);
    assert_eq!(made.status, 0, "{made:?}");
    let keyring = folder.path().join("keyring");
    let missing = generate(&["--add-to", keyring.to_str().unwrap()]);
    assert!(missing.status == 1 && missing.stdout.is_empty() && !keyring.exists(), "{missing:?}");
    write_private(&keyring, &made.stdout);
    let added = generate(&["--add-to", keyring.to_str().unwrap()]);
    assert_eq!(added.status, 0, "{added:?}");
    let text = fs::read_to_string(&keyring).unwrap();
    assert!(text.contains(added.stdout.trim()) && text.matches("\"key\":").count() == 2);
    let started = Binary::new().env("REGCRED_KEYRING_FILE", &keyring).serve(&folder.path().join("data"));
    assert!(started.is_ok(), "{:?}", started.err());
}

fn write_private(path: &Path, text: &str) {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}
