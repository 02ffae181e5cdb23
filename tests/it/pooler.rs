//! A pooler before the database that gives each transaction another connection.

use crate::support::{
    Binary, Replicas, StopOnDrop, login,
    postgres::{Cluster, Database, unprivileged},
    pull, raw, scope, store,
    traffic::{Losses, Traffic},
};
use regcred::domain::{id::MasterKeyId, permission::Role};
use std::{
    os::unix::process::CommandExt as _,
    process::{Child, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

const FOR_EVER: Duration = Duration::from_mins(1);

/// Ends `PgBouncer` when its standard input ends, which it also does when the tests are killed.
const KEEPER: &str = r#"PATH=$PATH:/usr/sbin; pgbouncer -q "$0" </dev/null & read -r _; kill -INT $!; wait"#;

/// A `PgBouncer` in transaction mode.
struct Pooler {
    folder: TempDir,
    port: u16,
    keeper: Child,
}

impl Pooler {
    /// One before this server.
    fn before(cluster: &Cluster) -> Self {
        let folder = tempfile::tempdir().expect("there is room");
        let port = crate::support::free_port();
        Self::settings(&folder, port, &cluster.address());
        let mut command = unprivileged(&[folder.path(), &folder.path().join("ini"), &folder.path().join("users")]);
        command.args(["sh", "-c", KEEPER]).arg(folder.path().join("ini")).process_group(0);
        let log = std::fs::File::create(folder.path().join("said")).expect("there is room");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).current_dir("/");
        let keeper = command.spawn().expect("a shell runs");
        Self { folder, port, keeper }
    }

    /// What its users most often say besides: that it may forget what it does not know of a start.
    fn settings(folder: &TempDir, port: u16, server: &str) {
        let (host, server_port) = server.split_once(':').expect("an address has a port");
        let users = folder.path().join("users");
        let text = format!(
            "[databases]\n* = host={host} port={server_port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {}\nadmin_users = postgres\npool_mode = transaction\n\
             default_pool_size = 6\nserver_login_retry = 1\nignore_startup_parameters = options, extra_float_digits\n\
             logfile = {}\n",
            users.display(),
            folder.path().join("log").display()
        );
        std::fs::write(&users, "\"postgres\" \"\"\n").expect("there is room");
        std::fs::write(folder.path().join("ini"), text).expect("there is room");
    }

    /// The same database, by way of it.
    fn way_to(&self, database: &Database) -> Database {
        let through = database.through(&format!("127.0.0.1:{}", self.port));
        let begun = Instant::now();
        while let Err(said) = through.attempt("select 1") {
            let log = ["said", "log"].map(|name| std::fs::read_to_string(self.folder.path().join(name)));
            assert!(begun.elapsed() < FOR_EVER, "there is no PgBouncer, which tests/run installs: {said} {log:?}");
            thread::sleep(Duration::from_millis(20));
        }
        through
    }

    /// Sends everybody to another server from now on.
    fn turn_to(&self, cluster: &Cluster, database: &Database) {
        Self::settings(&self.folder, self.port, &cluster.address());
        let console = self.way_to(database).beside("pgbouncer");
        console.psql("reload");
        console.psql("reconnect");
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

fn pooled(database: &Database) -> String {
    format!("{}&pooler=transaction", database.url)
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_pooler_that_gives_each_transaction_another_connection_everything_works() {
    let database = Cluster::shared().database();
    let pooler = Pooler::before(Cluster::shared());
    let url = pooled(&pooler.way_to(&database));
    let mut replicas = Replicas::by_urls(&[url.clone(), url]);
    // What a start leaves on a connection is in the way of no later one.
    for number in 0..6 {
        replicas[number % 2].stop();
        replicas[number % 2].restart();
    }
    let shop = replicas[0].project("acme/shop").await;
    let place = scope("acme/shop");
    let editor = replicas[0].client(Role::Editor, &place).await;
    let deployer = replicas[1].client(Role::Deployer, &place).await;
    store(&editor, &place, &login("ghcr.io", "bot", "hunter2")).await;
    assert!(pull(&deployer, &shop, &[]).await.unwrap().contains(r#""password":"hunter2""#));
    assert_eq!(editor.credential_list_all(&place, None).await.unwrap().items.len(), 1);

    // Many at once, while the master key is rotated.
    let mut traffic = Traffic::new(&replicas[0], 6, 4).await;
    let servers: Vec<_> = replicas.iter().map(crate::support::Server::listeners).collect();
    let operator = replicas.operator(0);
    let before = operator.key_list().await.unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|threads| {
        let flowing = threads.spawn(|| {
            traffic.flow(&servers, || {
                while !over.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_millis(20));
                }
            })
        });
        let ending = StopOnDrop(&over);
        let rotated = threads.spawn(|| {
            let runtime = tokio::runtime::Runtime::new().expect("it can be made");
            runtime.block_on(async {
                let begun = Instant::now();
                let added = operator.key_add().await.unwrap();
                // The other one reads its keyring file every few seconds.
                while let Err(refused) = operator.key_activate(MasterKeyId::from_uuid(added.id)).await {
                    assert!(begun.elapsed() < FOR_EVER, "it is never activated: {refused}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                let rewrapped = operator.key_rewrap().await.unwrap();
                assert_eq!(rewrapped.unreadable, 0);
                assert!(rewrapped.rewrapped >= 9, "{rewrapped:?}");
                operator.key_retire(MasterKeyId::from_uuid(before.items[0].id)).await.unwrap();
            });
        });
        rotated.join().expect("the rotation goes through");
        drop(ending);
        flowing.join().expect("all are answered well");
    });
    let tally = traffic.tally.clone();
    assert!(tally.acknowledged > 20 && tally.fetched > 20, "{tally:?}");
    assert_eq!(tally.refused, 0, "nothing stood in the way");
    for server in replicas.iter() {
        assert_eq!(traffic.check(server).await, Losses::default());
    }
    assert!(pull(&deployer, &shop, &[]).await.unwrap().contains(r#""password":"hunter2""#));
    let folder = tempfile::tempdir().expect("there is room");
    let file = folder.path().join("backup").to_string_lossy().into_owned();
    let another = Cluster::shared().database();
    for (database, arguments) in [(&database, ["backup", &file]), (&another, ["restore", &file])] {
        let cli = Binary::new().on(&pooled(&pooler.way_to(database)), &replicas.keyring());
        let output = cli.env("REGCRED_DATA_DIR", folder.path()).run(&arguments, b"");
        assert_eq!(output.status, 0, "{arguments:?}: {output:?}");
    }
    // What belongs to one transaction has not stayed with a connection that others use.
    let settings = "select count(*) from pg_stat_activity where datname = current_database() \
                    and state like 'idle in transaction%'";
    assert_eq!(database.count(settings), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_pooler_turns_to_a_standby_changes_are_refused_until_it_turns_back() {
    let primary = Cluster::private();
    let database = primary.database();
    let pooler = Pooler::before(&primary);
    let through = pooler.way_to(&database);
    let replicas = Replicas::by_urls(&[pooled(&through)]);
    replicas[0].project("acme/shop").await;
    let editor = replicas[0].token(Role::Editor, &scope("acme/shop")).await.expose().to_owned();
    let path = "/v1/organizations/acme/projects/shop/credentials";
    let add = |server: &str| raw::once(&replicas[0].public, &raw::post(path, &editor, &raw::credential(server, "x")));
    assert_eq!(add("before.example").status, 201);
    let standby = primary.standby();
    let copied = "select count(*) from credentials";
    let begun = Instant::now();
    while database.through(&standby.address()).attempt(copied).as_deref() != Ok("1") {
        assert!(begun.elapsed() < FOR_EVER, "the standby does not follow");
        thread::sleep(Duration::from_millis(20));
    }
    pooler.turn_to(&standby, &database);
    assert_eq!(through.psql("select pg_is_in_recovery()"), "t");
    for number in 0..3 {
        let answer = add(&format!("r{number}.example"));
        assert_eq!((answer.status, answer.problem().as_str()), (503, "unavailable"), "{answer:?}");
    }
    pooler.turn_to(&primary, &database);
    let begun = Instant::now();
    let mut number = 0;
    while add(&format!("after{number}.example")).status != 201 {
        assert!(begun.elapsed() < FOR_EVER, "it is never taken again");
        number += 1;
        thread::sleep(Duration::from_millis(50));
    }
}
