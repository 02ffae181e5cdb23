//! Starting on PostgreSQL: which servers are refused, that the refusal says what to change, and that nobody but the server that
//! was meant is spoken to.

use crate::support::{
    Binary, Output, keyring_file,
    postgres::{Cluster, Database},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// As it stands in a URL, and as it is.
const PASSWORD: [&str; 2] = ["Correct%2FHorse", "Correct/Horse"];

/// The URL of a database with a password, at another host and with other parameters.
fn url(database: &Database, host: &str, parameters: &str) -> String {
    let (server, rest) = database.url.rsplit_once('/').expect("the URL names a database");
    let (_, port) = server.rsplit_once(':').expect("the URL has a port");
    let (name, _) = rest.split_once('?').expect("the URL has parameters");
    format!("postgres://postgres:{}@{host}:{port}/{name}?{parameters}", PASSWORD[0])
}

fn plain(database: &Database) -> String {
    url(database, "127.0.0.1", "sslmode=disable")
}

/// What a start on this URL said, which must fail. No password may be in it.
fn refused(url: &str) -> String {
    let folder = tempfile::tempdir().expect("there is room");
    let keyring = folder.path().join("keyring");
    keyring_file(&keyring);
    let started = Binary::new().on(url, &keyring).serve(&folder.path().join("data"));
    let Err(Output { status, stderr, .. }) = started else { panic!("it starts on {url}") };
    assert!(status > 0 && !stderr.contains("panicked"), "it ended with {status}: {stderr}");
    for password in PASSWORD {
        assert!(!stderr.contains(password), "the password is shown: {stderr}");
    }
    stderr
}

fn accepted(url: &str) {
    let Output { status, stderr, .. } = Binary::new().env("REGCRED_DATABASE_URL", url).run(&["migrate"], b"");
    assert_eq!(status, 0, "{url}: {stderr}");
}

fn assert_says(text: &str, said: &str) {
    assert!(said.contains(text), "it does not say {text:?}: {said}");
}

fn assert_empty(database: &Database) {
    assert_eq!(database.count("select count(*) from pg_tables where schemaname = 'public'"), 0, "nothing was made");
}

#[test]
fn a_server_that_would_lose_confirmed_changes_is_refused() {
    let cluster = Cluster::private();
    let database = cluster.database();
    cluster.set("fsync", "off");
    assert_says("fsync=off", &refused(&plain(&database)));
    cluster.set("fsync", "on");
    for weak in ["off", "local", "remote_write"] {
        cluster.set("synchronous_commit", weak);
        let said = refused(&plain(&database));
        assert_says(&format!("synchronous_commit is '{weak}'"), &said);
        assert_says("alter role ... set synchronous_commit = on", &said);
    }
    assert_empty(&database);
    for good in ["remote_apply", "on"] {
        cluster.set("synchronous_commit", good);
        accepted(&plain(&database));
    }
    // The setting of a role or database counts, whatever the server's own is.
    database.psql("alter role postgres set synchronous_commit = off");
    assert_says("synchronous_commit is 'off'", &refused(&plain(&database)));
}

#[test]
fn a_standby_is_refused_and_the_primary_one_is_not() {
    let primary = Cluster::private();
    let database = primary.database();
    let standby = primary.standby();
    let there = database.through(&standby.address());
    assert_eq!(there.psql("select pg_is_in_recovery()"), "t");
    assert_says("the server is a standby; connect to the primary one", &refused(&plain(&there)));
    assert_empty(&database);
    accepted(&plain(&database));
}

#[test]
fn a_database_that_cannot_store_every_text_is_refused() {
    let database = Cluster::shared().database();
    let name = format!("ascii_{}", std::process::id());
    database.psql(&format!(
        "create database {name} template template0 encoding 'SQL_ASCII' locale_provider libc locale 'C'"
    ));
    let ascii = database.beside(&name);
    assert_says("the database's encoding is not UTF8", &refused(&plain(&ascii)));
    assert_empty(&ascii);
}

#[test]
fn what_a_server_says_against_a_start_is_told_without_the_password() {
    let cluster = Cluster::private();
    let database = cluster.database();
    assert_says("does not exist", &refused(&plain(&database.beside("nowhere"))));
    database.psql("alter role postgres password 'another'");
    database.psql(
        "copy (values ('host all all ::1/128 trust'), ('host all all 127.0.0.1/32 scram-sha-256')) \
         to program 'cat > \"$PGDATA/pg_hba.conf\" 2>/dev/null || cat > pg_hba.conf'",
    );
    database.psql("select pg_reload_conf()");
    let begun = std::time::Instant::now();
    while database.attempt("select 1").is_ok() {
        assert!(begun.elapsed().as_secs() < 60, "the password is not asked for");
    }
    assert_says("password authentication failed", &refused(&plain(&database)));
    cluster.stop();
    refused(&plain(&database));
}

/// Certificates of an authority of its own.
struct Authority(TempDir);

impl Authority {
    fn new() -> Self {
        let authority = Self(tempfile::tempdir().expect("there is room"));
        authority.openssl("ca", &["-subj", "/CN=an authority"]);
        authority
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Parameters that trust this authority.
    fn trusted(&self) -> String {
        format!("sslmode=verify-full&sslrootcert={}", self.path("ca.crt").display())
    }

    /// A certificate for a name, and its key.
    fn certificate(&self, host: &str) -> [PathBuf; 2] {
        let (name, authority) = (format!("subjectAltName=DNS:{host}"), [self.path("ca.crt"), self.path("ca.key")]);
        let [certificate, key] = authority.each_ref().map(|path| path.to_str().expect("it is a text"));
        let subject = format!("/CN={host}");
        let leaf = ["-CA", certificate, "-CAkey", key, "-subj", &subject, "-addext", &name];
        self.openssl(host, &[&leaf[..], &["-addext", "basicConstraints=critical,CA:FALSE"]].concat());
        [self.path(&format!("{host}.crt")), self.path(&format!("{host}.key"))]
    }

    fn openssl(&self, name: &str, arguments: &[&str]) {
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        command.args(["-days", "2"]).args(arguments);
        command.arg("-keyout").arg(self.path(&format!("{name}.key")));
        command.arg("-out").arg(self.path(&format!("{name}.crt")));
        let output = command.output().expect("tests/run installs openssl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Has the server show this certificate from now on.
fn show(cluster: &Cluster, [certificate, key]: &[PathBuf; 2]) {
    let give = |path: &Path, name: &str| {
        let file = cluster.file(name, &fs::read(path).expect("it was made"));
        file.to_str().expect("it is a text").to_owned()
    };
    let name = certificate.file_name().expect("it is a file").to_string_lossy().into_owned();
    cluster.set("ssl_cert_file", &give(certificate, &name));
    cluster.set("ssl_key_file", &give(key, &format!("{name}.key")));
}

#[test]
fn with_verify_full_only_the_server_that_was_meant_is_spoken_to() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let cluster = Cluster::private();
    let database = cluster.database();
    let to = |authority: &Authority| url(&database, "localhost", &authority.trusted());
    // Nobody said that the name is this machine's, so that what holds by default is what holds elsewhere.
    assert_says("TLS", &refused(&to(&ours)));
    show(&cluster, &ours.certificate("db.example"));
    cluster.set("ssl", "on");
    let said = refused(&to(&ours));
    assert_says("certificate", &said);
    show(&cluster, &ours.certificate("localhost"));
    assert_says("certificate", &refused(&to(&theirs)));
    assert_says("certificate", &refused(&url(&database, "localhost", "sslmode=verify-full")));
    // The name counts, not the address behind it.
    assert_says("certificate", &refused(&url(&database, "127.0.0.1", &ours.trusted())));
    assert_empty(&database);
    accepted(&to(&ours));
    for weaker in ["verify-ca", "require", "prefer", "allow"] {
        let weaker = url(&database, "localhost", &ours.trusted().replace("verify-full", weaker));
        assert_says("does not tell who the server is", &refused(&weaker));
    }
}
