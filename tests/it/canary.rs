//! Two hundred logins with known passwords, a busy session at the most talkative log level, and then a search for the
//! passwords in everything that regcred writes or says where no password belongs.

mod debug;
mod needles;
mod session;

use crate::support::{Binary, Server, exchange, hex};
use needles::Needles;
use session::{Session, passwords};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).expect("the folder is read").map(|entry| entry.expect("an entry is read").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// What of the needles stands in which file of the data folder, but for those that are named.
fn found_on_disk(needles: &Needles, server: &Server, except: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for path in files(server.data()) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !except.contains(&name.as_str()) {
            let bytes = fs::read(&path).expect("the file is read");
            found.extend(needles.found_in(&bytes).into_iter().map(|what| format!("{what} in {name}")));
        }
    }
    found
}

/// What of the needles stands in logs and metrics.
fn found_in_telemetry(needles: &Needles, server: &Server) -> Vec<String> {
    let metrics = exchange(&server.internal, "GET", "/metrics", &[], b"");
    assert_eq!(metrics.status, 200);
    let mut found = needles.found_in(server.log().as_bytes());
    found.extend(needles.found_in(&metrics.body));
    found
}

/// The master keys as the keyring's file has them.
fn master_keys(server: &Server) -> Vec<String> {
    let text = fs::read_to_string(server.data().join("keyring")).expect("there is a keyring");
    let keyring: serde_json::Value = serde_json::from_str(&text).expect("a keyring is JSON");
    let keys = keyring["keys"].as_array().expect("it has keys").iter();
    keys.map(|key| key["key"].as_str().expect("a key is a text").to_owned()).collect()
}

/// The keys and tokens, which each stand in one file and nowhere else.
fn keys_and_tokens(server: &Server, deployer: &str) -> (Needles, Needles) {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let (mut keys, mut tokens) = (Needles::default(), Needles::default());
    let texts = master_keys(server);
    assert_eq!(texts.len(), 2, "one from the first start, and one from the rotation");
    for text in texts {
        keys.add("a master key's text", &text);
        let bytes = STANDARD.decode(&text).expect("a key is base64");
        keys.add_bytes("a master key", &bytes);
        keys.add("a master key's hex", &hex(&bytes));
        keys.add_bytes("a master key's list of bytes", format!("{bytes:?}").trim_start_matches('[').as_bytes());
    }
    // What comes before the secret part is the same for all of them, and documented.
    tokens.add("the operator's token", &server.operator_token().expose()["rgc_".len()..]);
    tokens.add("the deployer's token", &deployer["rgc_".len()..]);
    (keys, tokens)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_password_key_or_token_is_where_it_does_not_belong() {
    let mut server = Server::start_with(Binary::new().env("REGCRED_LOG", "trace")).await;
    server.project("acme/shop").await;
    let mut session = Session::begin(&server).await;
    session.create(&passwords("first", 200));
    session.read();
    let rotated = passwords("second", 60);
    session.rotate(&rotated);
    session.make_mistakes(&passwords("mistake", 24));
    session.deploy();
    session.turn_keys(&server).await;
    session.delete(20);

    let mut needles = Needles::default();
    for (kind, count) in [("first", 200), ("second", 60), ("mistake", 24)] {
        for (index, password) in passwords(kind, count).iter().enumerate() {
            needles.add(&format!("{kind} password {index}"), password);
        }
    }
    let (keys, tokens) = keys_and_tokens(&server, session.deployer());
    // A file of another name would be searched too: planted there, one password of the two hundred is found.
    let planted = server.data().join("planted");
    fs::write(&planted, format!("INFO created {}", passwords("first", 200)[123])).expect("a file is written");
    let found = found_on_disk(&needles, &server, &[]);
    assert!(found.contains(&"first password 123 as plain in planted".to_owned()), "{found:?}");
    fs::remove_file(&planted).expect("the file is removed");

    let search = |server: &Server, when: &str| {
        assert_eq!(found_on_disk(&needles, server, &[]), [""; 0], "passwords on disk {when}");
        assert_eq!(found_on_disk(&keys, server, &["keyring"]), [""; 0], "keys on disk {when}");
        assert_eq!(found_on_disk(&tokens, server, &["operator.token"]), [""; 0], "tokens on disk {when}");
        for secrets in [&needles, &keys, &tokens] {
            assert_eq!(found_in_telemetry(secrets, server), [""; 0], "in logs or metrics {when}");
        }
    };
    // A backup beside the database is searched with it, and what was said of it as what else was said.
    let backup = server.data().join("backup").to_string_lossy().into_owned();
    let data = server.data().to_string_lossy().into_owned();
    let backed_up = Binary::new().run(&["backup", "--data-dir", &data, &backup], b"");
    assert!(backed_up.status == 0 && backed_up.stderr.contains(" envelopes open."), "{backed_up:?}");
    let names: Vec<_> =
        files(server.data()).iter().filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect();
    for expected in
        ["regcred.db", "regcred.db-wal", "regcred.db-shm", "regcred.db.lock", "keyring", "operator.token", "backup"]
    {
        assert!(names.iter().any(|name| name == expected), "{expected} is not among {names:?}");
    }
    assert!(server.log().contains("TRACE"), "the log is as talkative as it can be");
    search(&server, "while it runs");
    server.kill();
    server.restart();
    session.reconnect(&server);
    session.read();
    session.deploy();
    search(&server, "after a crash");
    let said = session.end();
    let said = [said, backed_up.stderr.into_bytes()].concat();
    assert!(said.len() > 500_000, "the answers were kept");
    assert_eq!(needles.found_in(&said), [""; 0], "in answers");
    assert_eq!(keys.found_in(&said), [""; 0], "in answers");
    server.stop();
    assert_eq!(found_on_disk(&needles, &server, &[]), [""; 0], "passwords on disk after the end");
    assert_eq!(needles.found_in(server.log().as_bytes()), [""; 0], "in the log after the end");
}
