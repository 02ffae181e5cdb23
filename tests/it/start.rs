//! Starting: what a server refuses to start on, that it says what to do, and that a refused start changes nothing.

use crate::support::{Binary, Output, Server, login, project, pull, raw, store};
use regcred::{
    client::Client,
    domain::{permission::Role, scope::Scope},
};
use sqlx::{Connection as _, Executor as _, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

/// Everything in a folder but the memory that SQLite shares, which comes and goes, by name.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("it is there").path());
    let kept = entries.filter(|path| !path.to_string_lossy().ends_with("-shm"));
    kept.map(|path| (path.clone(), fs::read(&path).unwrap_or_default())).collect()
}

/// Starts where it must not, and tells what was said. Nothing in the folder may have changed.
async fn refused(binary: Binary, data: &Path) -> String {
    if data.join("regcred.db-wal").exists() {
        // What the last process left in the log is put in its place, so that every change that is seen is a new one.
        sql(&data.join("regcred.db"), "pragma wal_checkpoint(truncate)").await;
    }
    let before = contents(data);
    let Output { status, stderr, .. } = binary.serve(data).err().expect("it does not start");
    assert!(status > 0, "it ended with {status}: {stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    let after = contents(data);
    let changed: Vec<_> = after.iter().filter(|(path, bytes)| before.get(*path) != Some(*bytes)).collect();
    // An empty log is what SQLite leaves where it found nothing to write.
    let changed: Vec<_> = changed.into_iter().filter(|(_, bytes)| !bytes.is_empty()).map(|(path, _)| path).collect();
    assert!(changed.is_empty() && before.keys().all(|path| after.contains_key(path)), "it changed {changed:?}");
    stderr
}

/// A server with a stored login, and somebody who may fetch it.
async fn furnished(binary: Binary) -> (Server, Client) {
    let server = Server::start_with(binary).await;
    let shop = server.project("acme/shop").await;
    let scope = Scope::Project(shop);
    store(&server.client(Role::Editor, &scope).await, &scope, &login("ghcr.io", "bot", "hunter2")).await;
    let deployer = server.client(Role::Deployer, &scope).await;
    (server, deployer)
}

/// Whether the stored login still comes out.
async fn serves(server: &Server) {
    let shop = project("acme/shop");
    let deployer = server.client(Role::Deployer, &Scope::Project(shop.clone())).await;
    let text = pull(&deployer, &shop, &[]).await.expect("the pull secret is handed out");
    assert!(text.contains(r#""password":"hunter2""#), "it opens");
}

async fn sql(database: &Path, statement: &'static str) {
    let options = SqliteConnectOptions::new().filename(database);
    let mut connection = SqliteConnection::connect_with(&options).await.expect("nobody else has it");
    connection.execute(statement).await.expect("the statement is right");
    connection.close().await.expect("it closes");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode() & 0o7777
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_same_database_is_refused_and_the_first_goes_on() {
    let (server, _) = furnished(Binary::new()).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let (linked, other) = (elsewhere.path().join("linked"), elsewhere.path().join("other"));
    symlink(server.data(), &linked).unwrap();
    fs::create_dir(&other).unwrap();
    symlink(server.database(), other.join("regcred.db")).unwrap();
    let url = format!("sqlite://{}", other.join("regcred.db").display());
    let third = elsewhere.path().join("third");
    for (binary, data) in [
        (Binary::new(), server.data().to_owned()),
        (Binary::new(), linked),
        (Binary::new(), other),
        (Binary::new().env("REGCRED_DATABASE_URL", url), third),
    ] {
        let output = binary.serve(&data).err().unwrap_or_else(|| panic!("two processes on {}", data.display()));
        assert_eq!(output.status, 1, "{output:?}");
        let told = "another regcred process is using the database";
        assert!(output.stderr.contains(told) && output.stderr.contains("stop it first"), "{output:?}");
        let first = server.data().canonicalize().unwrap();
        let made = data.join("keyring");
        assert!(!made.exists() || made.canonicalize().unwrap().starts_with(first), "no key was made");
        serves(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_keys_a_database_is_not_opened_and_no_new_keys_are_made() {
    let (mut server, _) = furnished(Binary::new()).await;
    let keyring = server.data().join("keyring");
    let good = fs::read_to_string(&keyring).unwrap();
    server.stop();

    let other = Server::start().await;
    let of_another = fs::read_to_string(other.data().join("keyring")).unwrap();
    let at = good.find(r#""key":""#).unwrap() + 7;
    let letter = if good.as_bytes()[at] == b'A' { "B" } else { "A" };
    let altered = format!("{}{letter}{}", &good[..at], &good[at + 1..]);
    for (text, told) in [
        (None, "put the keyring file back from its backup"),
        (Some(of_another.as_str()), "put the keyring file back from its backup"),
        (Some(altered.as_str()), "put the right keyring file (or passphrase) back from its backup"),
        (Some(""), "the keyring is not valid at line 1, column 0"),
        (Some(r#"{"version":1,"keys":[]}"#), "restore it from your backup"),
        (Some(&good[..good.len() / 2]), "the keyring is not valid at line 2"),
        (Some(r#"{"version":2,"keys":[]}"#), "use the regcred that made it, or a newer one"),
    ] {
        match text {
            Some(text) => fs::write(&keyring, text).unwrap(),
            None => fs::remove_file(&keyring).unwrap(),
        }
        if text.is_some() {
            fs::set_permissions(&keyring, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let stderr = refused(Binary::new(), server.data()).await;
        assert!(stderr.contains(told), "{text:?}: {stderr}");
        assert!(!stderr.contains(&good[at..at + 20]), "no key is told");
        assert_eq!(keyring.exists(), text.is_some());
    }
    fs::write(&keyring, &good).unwrap();
    server.restart();
    serves(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyring_that_others_may_read_is_refused() {
    let (mut server, _) = furnished(Binary::new()).await;
    let keyring = server.data().join("keyring");
    server.stop();
    for open in [0o620, 0o604, 0o660] {
        fs::set_permissions(&keyring, fs::Permissions::from_mode(open)).unwrap();
        let stderr = refused(Binary::new(), server.data()).await;
        assert!(stderr.contains("run `chmod 600` on it"), "{open:o}: {stderr}");
    }
    fs::set_permissions(&keyring, fs::Permissions::from_mode(0o400)).unwrap();
    server.restart();
    serves(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyring_file_that_somebody_named_is_not_made_up() {
    let folder = tempfile::tempdir().unwrap();
    let (data, named) = (folder.path().join("data"), folder.path().join("named"));
    let output = Binary::new().env("REGCRED_KEYRING_FILE", &named).serve(&data).err().expect("it does not start");
    assert!(output.status > 0 && output.stderr.contains("put the keyring file there"), "{output:?}");
    assert!(!named.exists() && !data.exists(), "nothing was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_ours_or_is_newer_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let database = data.join("regcred.db");

    fs::write(&database, "These are notes, and no database at all. ".repeat(50)).unwrap();
    let stderr = refused(Binary::new(), &data).await;
    assert!(stderr.contains("is not a database of regcred's") && stderr.contains("--data-dir"), "{stderr}");
    fs::remove_file(&database).unwrap();

    let options = SqliteConnectOptions::new().filename(&database).create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    connection.execute("create table recipes (name text); insert into recipes values ('soup')").await.unwrap();
    connection.close().await.unwrap();
    let stderr = refused(Binary::new(), &data).await;
    assert!(stderr.contains("is not a database of regcred's") && stderr.contains("--data-dir"), "{stderr}");

    let (mut server, _) = furnished(Binary::new()).await;
    server.stop();
    let later = "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
                 values (9000, 'later', true, x'00', 1)";
    sql(&server.database(), later).await;
    let stderr = refused(Binary::new(), server.data()).await;
    assert!(stderr.contains("9000") && stderr.contains("or a newer one"), "{stderr}");
    sql(&server.database(), "delete from _sqlx_migrations where version = 9000").await;
    server.restart();
    serves(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_passphrase_only_the_right_one_opens() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("passphrase");
    fs::write(&file, "correct horse battery staple\n").unwrap();
    let (mut server, _) = furnished(Binary::new().env("REGCRED_PASSPHRASE_FILE", &file)).await;
    assert!(!server.data().join("keyring").exists(), "a key from a passphrase is in no file");
    server.stop();
    server.restart();
    serves(&server).await;
    server.stop();

    let stderr = refused(Binary::new().env("REGCRED_PASSPHRASE", "correct horse battery"), server.data()).await;
    assert!(stderr.contains("the passphrase is not the one") && stderr.contains("give the one"), "{stderr}");
    let stderr = refused(Binary::new(), server.data()).await;
    assert!(stderr.contains("REGCRED_PASSPHRASE_FILE"), "{stderr}");
    let both = Binary::new().env("REGCRED_PASSPHRASE_FILE", &file).env("REGCRED_PASSPHRASE", "x");
    let stderr = refused(both, server.data()).await;
    assert!(stderr.contains("REGCRED_PASSPHRASE and REGCRED_PASSPHRASE_FILE"), "{stderr}");

    let data = server.data().to_owned();
    let again = Binary::new().env("REGCRED_PASSPHRASE", "correct horse battery staple").serve(&data);
    serves(&again.expect("it starts, whichever way the passphrase comes")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyring_may_come_from_the_environment() {
    let (mut server, _) = furnished(Binary::new()).await;
    let text = fs::read_to_string(server.data().join("keyring")).unwrap();
    server.stop();
    fs::remove_file(server.data().join("keyring")).unwrap();
    let data = server.data().to_owned();
    let mut again = Binary::new().env("REGCRED_KEYRING", &text).serve(&data).expect("it starts");
    serves(&again).await;
    assert!(!data.join("keyring").exists(), "the key stays in the environment");
    again.stop();
    let both = Binary::new().env("REGCRED_KEYRING", &text).env("REGCRED_KEYRING_FILE", data.join("keyring"));
    assert!(refused(both, &data).await.contains("REGCRED_KEYRING_FILE"));
    assert!(refused(Binary::new().env("REGCRED_KEYRING", "{}"), &data).await.contains("the keyring is not valid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_makes_only_its_owner_can_read() {
    let (server, _) = furnished(Binary::new()).await;
    assert_eq!(mode(server.data()), 0o700);
    let mut names = Vec::new();
    for path in contents(server.data()).into_keys() {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        names.push(path.file_name().unwrap().to_string_lossy().into_owned());
    }
    assert_eq!(mode(&server.data().join("regcred.db-shm")), 0o600);
    assert_eq!(names, ["keyring", "operator.token", "regcred.db", "regcred.db-wal", "regcred.db.lock"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_operator_token_is_made_only_when_none_is_good_any_more() {
    let (mut server, _) = furnished(Binary::new()).await;
    let file = server.data().join("operator.token");
    let first = fs::read_to_string(&file).unwrap();
    server.stop();
    server.restart();
    assert_eq!(fs::read_to_string(&file).unwrap(), first, "a start is no reason");

    fs::remove_file(&file).unwrap();
    server.stop();
    server.restart();
    assert!(!file.exists(), "a lost file is no reason while its token is good: whoever found it could use it");

    server.stop();
    sql(&server.database(), "update tokens set expires_at = 1 where role = 'operator'").await;
    server.restart();
    let second = fs::read_to_string(&file).unwrap();
    assert_ne!(second, first);
    assert_eq!(mode(&file), 0o600);
    serves(&server).await;
    let whoami = raw::once(&server.public, &raw::get("/v1/whoami", first.trim_end()));
    assert_eq!((whoami.status, whoami.problem().as_str()), (401, "unauthenticated"));
    assert!(
        !server.log().contains(second.trim_end()) && !server.log().contains(first.trim_end()),
        "it is never logged"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_cannot_be_had_ends_the_start_with_a_reason() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for name in ["REGCRED_PUBLIC_LISTEN", "REGCRED_INTERNAL_LISTEN"] {
        let folder = tempfile::tempdir().unwrap();
        let output = Binary::new().env(name, &address).serve(&folder.path().join("data")).err();
        let output = output.unwrap_or_else(|| panic!("two on one port as {name}"));
        assert_eq!(output.status, 1, "{output:?}");
        assert!(output.stderr.contains(&format!("cannot listen on {address}")), "{output:?}");
        assert!(output.stderr.contains("hint: another program listens there; choose another port"), "{output:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let output = Binary::new().env("REGCRED_INTERNAL_LISTEN", "0.0.0.0:0").serve(&data).err().expect("it is refused");
    assert_eq!(output.status, 2, "{output:?}");
    assert!(output.stderr.contains("REGCRED_INTERNAL_LISTEN_PLAINTEXT") && !data.exists(), "{output:?}");
    let allowed = Binary::new()
        .env("REGCRED_INTERNAL_LISTEN", "0.0.0.0:0")
        .env("REGCRED_INTERNAL_LISTEN_PLAINTEXT", "true")
        .serve(&data)
        .expect("it starts if told so");
    assert!(allowed.internal.starts_with("http://0.0.0.0:"), "{}", allowed.internal);
}

#[tokio::test(flavor = "multi_thread")]
async fn once_the_ready_line_is_out_both_listeners_answer() {
    let mut server = Server::start().await;
    for _ in 0..20 {
        for url in [&server.public, &server.internal] {
            let answer = raw::once(url, &raw::get("/readyz", "none"));
            assert_eq!((answer.status, answer.body.as_slice()), (200, &b"ready\n"[..]), "{answer:?}");
        }
        server.kill();
        server.restart();
    }
}
