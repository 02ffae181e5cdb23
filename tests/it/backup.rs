//! Backups: what goes into one comes out again, on this database or another, and nothing else is taken for one.

mod faulty;
mod load;
mod postgres;
mod refusals;
mod schema;
mod vouched;

use crate::support::{Binary, Output, Server, login, project, pull, raw, scope, store};
use regcred::{
    client::{Client, PageQuery},
    domain::{
        permission::Role,
        scope::{ProjectPath, Scope},
        token::TokenText,
    },
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use zeroize::Zeroizing;

/// A server with something of everything, and places for backups and other installations.
struct World {
    server: Server,
    /// The command line, on the server's database.
    cli: Binary,
    deployer: String,
    folder: TempDir,
}

impl World {
    async fn new() -> Self {
        Self::with(Binary::new()).await
    }

    /// The same with settings.
    async fn with(binary: Binary) -> Self {
        let server = Server::start_with(binary.clone()).await;
        let cli = binary.env("REGCRED_DATA_DIR", server.data());
        for (name, password) in [("acme/shop", "hunter2-of-the-shop"), ("acme/api", "hunter2-of-the-api")] {
            let scope = Scope::Project(server.project(name).await);
            let editor = server.client(Role::Editor, &scope).await;
            store(&editor, &scope, &login("ghcr.io/acme", "bot", password)).await;
            store(&editor, &scope, &login("quay.io", "bot", &format!("{password}-on-quay"))).await;
        }
        let deployer = server.token(Role::Deployer, &scope("acme/shop")).await.expose().to_owned();
        let world = Self { server, cli, deployer, folder: tempfile::tempdir().expect("there is room") };
        world.pull(&world.server).await;
        world
    }

    /// A path for a file or folder that is not there yet.
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A data folder with nothing but the master keys.
    fn fresh(&self, name: &str) -> PathBuf {
        let data = self.path(name);
        fs::create_dir(&data).expect("a folder is made");
        fs::copy(self.server.data().join("keyring"), data.join("keyring")).expect("the keyring is copied");
        data
    }

    /// A backup of the server, whether it runs or not.
    fn backup(&self, name: &str) -> PathBuf {
        let file = self.path(name);
        done(&self.cli, &["backup", &text(&file)]);
        file
    }

    /// What the deployer's first token is handed out by a server.
    async fn pull(&self, server: &Server) -> Value {
        let text = pull(&self.deployer_on(server), &project("acme/shop"), &[]).await.expect("it is handed out");
        serde_json::from_str(&text).expect("it is JSON")
    }

    fn deployer_on(&self, server: &Server) -> Client {
        server.client_with(Some(TokenText::parse(&Zeroizing::new(self.deployer.clone())).expect("it is a token")))
    }
}

/// The command line on this data folder.
fn on(data: &Path) -> Binary {
    Binary::new().env("REGCRED_DATA_DIR", data)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Runs a command that must succeed. It has no data to print but a backup.
fn done(binary: &Binary, arguments: &[&str]) -> Output {
    let output = binary.run(arguments, b"");
    assert_eq!(output.status, 0, "{arguments:?}: {output:?}");
    output
}

/// Runs a command that must fail, say what is wrong and repeat nothing of the file.
fn refused(binary: &Binary, arguments: &[&str], status: i32) -> String {
    let output = binary.run(arguments, b"");
    assert_eq!(output.status, status, "{arguments:?}: {output:?}");
    assert!(output.stderr.contains("error: ") && !output.stderr.contains("panicked"), "{output:?}");
    assert!(output.stdout.is_empty() && !output.stderr.contains("hunter2"), "{output:?}");
    output.stderr
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

fn lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).expect("the backup is text");
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

/// The lines that are rows.
fn rows(file: &Path) -> Vec<Value> {
    lines(file).into_iter().filter(|line| line["table"].is_string()).collect()
}

/// Changes the lines of a backup, and gives it a last line that fits.
fn rewrite(file: &Path, change: impl FnOnce(&mut Vec<Value>)) {
    let mut all = lines(file);
    let mut last = all.pop().expect("there is a last line");
    change(&mut all);
    let body: String = all.iter().flat_map(|line| [line.to_string(), "\n".to_owned()]).collect();
    let counts = last["rows"].as_object_mut().expect("it counts rows");
    for (table, count) in counts {
        *count = all.iter().filter(|line| line["table"] == *table).count().into();
    }
    let end = format!(r#"{{"end":"regcred-backup","rows":{},"left_out":{}"#, last["rows"], last["left_out"]);
    let hash = crate::support::hex(&Sha256::digest(format!("{body}{end}")));
    fs::write(file, format!("{body}{end},\"sha256\":\"{hash}\"}}\n")).expect("the file is written");
}

/// All events of a server.
fn events(server: &Server) -> Vec<Value> {
    let mut events = Vec::new();
    let mut query = "?limit=100".to_owned();
    loop {
        let token = server.operator_token();
        let answer = raw::once(&server.public, &raw::get(&format!("/v1/audit-events{query}"), token.expose()));
        let page: Value = serde_json::from_slice(&answer.body).expect("it is JSON");
        events.extend(page["items"].as_array().expect("it has items").iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { return events };
        query = format!("?limit=100&cursor={next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_restored_serves_as_before_and_tells_that_it_was() {
    let mut world = World::new().await;
    let (secret, before) = (world.pull(&world.server).await, events(&world.server));
    world.server.stop();
    let file = world.path("backup");
    let output = done(&world.cli, &["backup", &text(&file)]);
    let counted = "Backed up 1 organization, 2 projects, 4 credentials, 4 tokens, ";
    assert!(output.stderr.starts_with(counted), "{output:?}");
    assert!(output.stderr.contains("; all 8 envelopes open.\n") && output.stdout.is_empty(), "{output:?}");
    let keyring = fs::read_to_string(world.server.data().join("keyring")).unwrap();
    let keyring: Value = serde_json::from_str(&keyring).unwrap();
    assert!(output.stderr.contains(keyring["keys"][0]["id"].as_str().unwrap()), "it names the key that it needs");
    assert_eq!(mode(&file), 0o600);

    let data = world.fresh("restored");
    let output = done(&on(&data), &["restore", &text(&file)]);
    assert!(output.stderr.starts_with(&counted.replace("Backed up", "Restored")), "{output:?}");
    assert!(output.stderr.contains("; all 8 envelopes open.\n"), "{output:?}");
    assert_eq!(mode(&data.join("regcred.db")), 0o600);
    assert_eq!(fs::read_dir(&data).unwrap().count(), 3, "keyring, database and lock");

    let again = world.path("again");
    done(&on(&data), &["backup", &text(&again)]);
    let without_tail = |file: &Path| {
        let mut rows = rows(file);
        rows.retain(|row| row["operation"] != "deployment.restore" && row["table"] != "audit_position");
        rows
    };
    assert_eq!(without_tail(&again), without_tail(&file), "every column of every row");

    fs::copy(world.server.data().join("operator.token"), data.join("operator.token")).unwrap();
    let restored = Binary::new().serve(&data).unwrap();
    let mut after = events(&restored);
    let told = after.pop().unwrap();
    assert_eq!(after, before, "the log goes on where it was");
    assert_eq!((told["operation"].as_str(), told["principal"].as_str()), (Some("deployment.restore"), Some("regcred")));
    assert_eq!(told["object_ids"][0], lines(&file)[0]["deployment"]);
    assert_eq!(world.pull(&restored).await, secret, "with the token from before");
    assert_eq!(events(&restored).len(), before.len() + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_beside_a_running_server_leaves_it_alone() {
    let world = World::new().await;
    for number in 0..5 {
        let file = world.backup(&format!("backup-{number}"));
        done(&world.cli, &["restore", "--dry-run", &text(&file)]);
        world.pull(&world.server).await;
    }
    let shop = scope("acme/shop");
    let editor = world.server.client(Role::Editor, &shop).await;
    store(&editor, &shop, &login("docker.io", "bot", "added afterwards")).await;
    let log = world.server.log();
    assert!(!log.contains("ERROR") && !log.contains("WARN  regcred::store"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_killed_can_be_backed_up_and_is_not_changed() {
    let mut world = World::new().await;
    let secret = world.pull(&world.server).await;
    world.server.kill();
    let content = |name: &str| fs::read(world.server.data().join(name)).unwrap();
    let before = [content("regcred.db"), content("regcred.db-wal")];
    assert!(!before[1].is_empty(), "there is something in the log");
    let file = world.backup("backup");
    assert!([content("regcred.db"), content("regcred.db-wal")] == before, "it was only read");
    let data = world.fresh("restored");
    done(&on(&data), &["restore", &text(&file)]);
    assert_eq!(world.pull(&Binary::new().serve(&data).unwrap()).await, secret);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_goes_through_a_pipe() {
    let world = World::new().await;
    let output = done(&world.cli, &["backup", "-"]);
    assert!(output.stderr.contains(" to standard output; all 8 envelopes open."), "{}", output.stderr);
    let data = world.fresh("restored");
    let restored = on(&data).run(&["restore", "-"], output.stdout.as_bytes());
    assert_eq!(restored.status, 0, "{restored:?}");
    assert_eq!(fs::read_dir(&data).unwrap().count(), 3, "nothing is left of what was kept meanwhile");
    let cut = on(&world.fresh("other")).run(&["restore", "-"], &output.stdout.as_bytes()[..2000]);
    assert_eq!((cut.status, cut.stderr.contains("it was cut off")), (1, true), "{cut:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_passphrase_a_backup_opens_with_that_alone() {
    let passphrase = "correct horse battery staple";
    let server = Server::start_with(Binary::new().env("REGCRED_PASSPHRASE", passphrase)).await;
    let shop: ProjectPath = server.project("acme/shop").await;
    let shop = Scope::Project(shop);
    store(&server.client(Role::Editor, &shop).await, &shop, &login("ghcr.io", "bot", "hunter2")).await;
    let folder = tempfile::tempdir().unwrap();
    let (file, data) = (text(&folder.path().join("backup")), folder.path().join("data"));
    let given = |text: &str| on(server.data()).env("REGCRED_PASSPHRASE", text);
    let output = done(&given(passphrase), &["backup", &file]);
    assert!(output.stderr.contains("all 4 envelopes open"), "{output:?}");
    let told = refused(&given("incorrect horse battery"), &["backup", "--force", &file], 1);
    assert!(told.contains("the passphrase is not the one") && told.contains("4 of 4 envelopes do not open"), "{told}");
    let told = refused(&on(&data).env("REGCRED_PASSPHRASE", "incorrect horse battery"), &["restore", &file], 1);
    assert!(told.contains("the passphrase is not the one") && !data.exists(), "{told}");
    done(&on(&data).env("REGCRED_PASSPHRASE", passphrase), &["restore", &file]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_the_restored_log_go_on_from_an_old_cursor() {
    let mut world = World::new().await;
    let operator = world.server.operator();
    let page = PageQuery { limit: Some(3), cursor: None };
    let first = operator.audit_list(&Scope::Deployment, page).await.unwrap();
    world.server.stop();
    let file = world.backup("backup");
    let data = world.fresh("restored");
    done(&on(&data), &["restore", &text(&file)]);
    fs::copy(world.server.data().join("operator.token"), data.join("operator.token")).unwrap();
    let restored = Binary::new().serve(&data).unwrap();
    let query = format!("?limit=100&cursor={}", first.next_cursor.expect("there are more"));
    let token = restored.operator_token();
    let answer = raw::once(&restored.public, &raw::get(&format!("/v1/audit-events{query}"), token.expose()));
    let rest: Value = serde_json::from_slice(&answer.body).unwrap();
    let all = events(&restored);
    assert_eq!(rest["items"].as_array().unwrap()[..], all[3..]);
}
