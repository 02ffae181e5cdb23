//! Nothing is half done: what happens when writing fails in the middle.

use super::{config, file, rows, stored};
use crate::{
    cli::{added, done, handed_out, json, shop},
    support::{Binary, Gate, Pass, Registry, Server, exchange, scope},
};
use regcred::domain::permission::Role;
use serde_json::json;
use std::{
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

const CREDENTIALS: &str = "/v1/organizations/acme/projects/shop/credentials";
const FOUR: [(&str, &str, &str); 4] =
    [("a.example", "bot", "1"), ("b.example", "bot", "2"), ("c.example", "bot", "3"), ("d.example", "bot", "4")];

/// Somebody else, who is the operator.
struct Other {
    public: String,
    token: String,
}

impl Other {
    fn of(server: &Server) -> Self {
        Self { public: server.public.clone(), token: format!("Bearer {}", server.operator_token().expose()) }
    }

    fn send(&self, method: &str, target: &str, body: &serde_json::Value) -> serde_json::Value {
        let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let headers = [("authorization", self.token.as_str()), ("content-type", kind)];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let reply = exchange(&self.public, method, target, &headers, body.as_bytes());
        assert!(reply.status < 300, "{method} {target}: {reply:?}");
        if reply.body.is_empty() { json!(null) } else { reply.json() }
    }

    /// The identifier of a login.
    fn id(&self, server: &str) -> String {
        let found = self.send("GET", &format!("{CREDENTIALS}?server={server}"), &json!(null));
        found["items"][0]["id"].as_str().expect("it is there").to_owned()
    }
}

/// The same command line, through a gate.
fn through(cli: &Binary, server: &Server, rule: impl Fn(&str, usize) -> Pass + Send + Sync + 'static) -> Binary {
    cli.clone().env("REGCRED_URL", Gate::before(&server.public, rule).url)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_added_is_deleted_again_if_a_later_one_fails() {
    let (server, cli) = shop().await;
    let other = Other::of(&server);
    let gated = through(&cli, &server, move |method, number| {
        if (method, number) == ("POST", 3) {
            other.send("POST", CREDENTIALS, &json!({"server": "c.example", "username": "bot", "password": "theirs"}));
        }
        Pass::On
    });
    let output = gated.run(&["import", "-", "-o", "json"], config(&FOUR).as_bytes());
    assert_eq!(output.status, 5, "{output:?}");
    assert_eq!(
        rows(&output),
        [
            "a.example bot add undone",
            "b.example bot add undone",
            "c.example bot add not_written",
            "d.example bot add not_written"
        ]
    );
    let told = "Added a.example (bot).\nAdded b.example (bot).\nDeleted b.example (bot) again.\nDeleted a.example (bot) again.\n\
                error: the login for c.example was not stored: ";
    assert!(output.stderr.starts_with(told), "{output:?}");
    assert!(output.stderr.contains("; nothing has changed\n"), "{output:?}");
    assert_eq!(stored(&cli), ["c.example"], "what somebody else has added meanwhile stays");

    let again = done(&cli, &["import", "-"], config(&FOUR).as_bytes());
    assert!(again.stderr.ends_with("acme/shop: 3 added, 1 the same.\n"), "{again:?}");
    assert_eq!(handed_out(&cli, server.data())["c.example"]["password"], "theirs");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_back_is_named_and_a_second_run_completes_it() {
    let (server, cli) = shop().await;
    let editor = server.token(Role::Editor, &scope("acme/shop")).await.expose().to_owned();
    let (other, id) =
        (Other::of(&server), json(&cli, &["token", "list", "-o", "json"])[0]["id"].as_str().unwrap().to_owned());
    let gated = through(&cli, &server, move |method, number| {
        if (method, number) == ("POST", 3) {
            other.send("DELETE", &format!("/v1/organizations/acme/projects/shop/tokens/{id}"), &json!(null));
        }
        Pass::On
    });
    let gated = gated.env("REGCRED_TOKEN_FILE", "").env("REGCRED_TOKEN", editor);
    let output = gated.run(&["import", "-", "-o", "json"], config(&FOUR).as_bytes());
    assert_eq!(output.status, 4, "{output:?}");
    assert_eq!(
        rows(&output),
        [
            "a.example bot add written",
            "b.example bot add written",
            "c.example bot add not_written",
            "d.example bot add not_written"
        ]
    );
    assert_eq!(output.stderr.matches(" could not be deleted again: ").count(), 2, "{output:?}");
    let told = "; stored: a.example, b.example; not stored: c.example, d.example; run again, it goes on from there\n";
    assert!(output.stderr.contains(told), "{output:?}");
    assert_eq!(stored(&cli), ["a.example", "b.example"], "it is as it was said");

    let again = done(&cli, &["import", "-"], config(&FOUR).as_bytes());
    assert!(again.stderr.ends_with("acme/shop: 2 added, 2 the same.\n"), "{again:?}");
    assert_eq!(stored(&cli), FOUR.map(|(server, _, _)| server));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_login_whose_answer_is_lost_it_is_said_that_nobody_knows() {
    let (server, cli) = shop().await;
    let gated =
        through(&cli, &server, |method, number| if (method, number) == ("POST", 2) { Pass::Lost } else { Pass::On });
    let output = gated.run(&["import", "-", "-o", "json"], config(&FOUR).as_bytes());
    assert_eq!(output.status, 6, "{output:?}");
    assert_eq!(
        rows(&output),
        [
            "a.example bot add undone",
            "b.example bot add unknown",
            "c.example bot add not_written",
            "d.example bot add not_written"
        ]
    );
    assert!(
        output.stderr.contains("; perhaps stored: b.example; not stored: a.example, c.example, d.example; "),
        "{output:?}"
    );
    assert_eq!(stored(&cli), ["b.example"]);
    done(&cli, &["import", "-"], config(&FOUR).as_bytes());
    assert_eq!(stored(&cli).len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_has_changed_meanwhile_is_not_deleted_again() {
    let (server, cli) = shop().await;
    let other = Other::of(&server);
    let gated = through(&cli, &server, move |method, number| {
        if (method, number) != ("POST", 3) {
            return Pass::On;
        }
        other.send("PATCH", &format!("{CREDENTIALS}/{}", other.id("a.example")), &json!({"email": "ops@acme.example"}));
        Pass::Answer(503)
    });
    let output = gated.run(&["import", "-"], config(&FOUR).as_bytes());
    assert_eq!(output.status, 6, "{output:?}");
    assert!(
        output.stderr.contains("warning: a.example (bot) could not be deleted again: somebody has changed it\n"),
        "{output:?}"
    );
    assert_eq!(stored(&cli), ["a.example"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_somebody_has_changed_meanwhile_is_not_written_over() {
    let (server, cli) = shop().await;
    for name in ["a.example", "b.example"] {
        added(&cli, name);
    }
    let other = Other::of(&server);
    let gated = through(&cli, &server, move |method, number| {
        if (method, number) == ("PATCH", 2) {
            other.send("PATCH", &format!("{CREDENTIALS}/{}", other.id("b.example")), &json!({"password": "theirs"}));
        }
        Pass::On
    });
    let output = gated.run(&["import", "-", "--replace", "-o", "json"], config(&FOUR).as_bytes());
    assert_eq!(output.status, 5, "{output:?}");
    let why = "writes over the one that is there";
    assert_eq!(
        rows(&output),
        [
            format!("a.example bot replace written {why}"),
            format!("b.example bot replace not_written {why}"),
            "c.example bot add undone".to_owned(),
            "d.example bot add undone".to_owned(),
        ],
        "what can be taken back is written first"
    );
    assert!(output.stderr.contains("; stored: a.example; not stored: b.example, c.example, d.example; "), "{output:?}");
    let logins = handed_out(&cli, server.data());
    assert_eq!((&logins["a.example"]["password"], &logins["b.example"]["password"]), (&json!("1"), &json!("theirs")));
    assert_eq!(stored(&cli), ["a.example", "b.example"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_interrupted_takes_back_what_it_has_added() {
    let (server, cli) = shop().await;
    let process = Arc::new(AtomicU32::new(0));
    let pid = Arc::clone(&process);
    let gated = through(&cli, &server, move |method, number| {
        if method == "POST" && number == 2 {
            while pid.load(Ordering::SeqCst) == 0 {
                std::thread::sleep(Duration::from_millis(5));
            }
            let sent = Command::new("kill").args(["-s", "INT", &pid.load(Ordering::SeqCst).to_string()]).status();
            assert!(sent.expect("kill runs").success());
        } else if method == "POST" && number > 2 {
            // The signal is on its way.
            std::thread::sleep(Duration::from_millis(100));
        }
        Pass::On
    });
    let names: Vec<_> = (0..40).map(|number| format!("r{number}.example")).collect();
    let logins: Vec<_> = names.iter().map(|name| (name.as_str(), "bot", "pw")).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "config.json", &config(&logins));
    let mut command = gated.command();
    command.args(["import", &path]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    process.store(child.id(), Ordering::SeqCst);
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.ends_with("error: stopped; nothing has changed\n"), "{told}");
    assert_eq!(stored(&cli), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_look_gets_a_dry_run_and_nothing_else() {
    let (server, cli) = shop().await;
    let viewer = server.token(Role::Viewer, &scope("acme/shop")).await.expose().to_owned();
    let cli = cli.env("REGCRED_TOKEN_FILE", "").env("REGCRED_TOKEN", viewer);
    done(&cli, &["import", "-", "--dry-run"], config(&FOUR).as_bytes());
    let denied = cli.run(&["import", "-"], config(&FOUR).as_bytes());
    assert_eq!(denied.status, 4, "{denied:?}");
    assert!(denied.stderr.contains("; nothing has changed\n"), "{denied:?}");
    assert_eq!(stored(&cli), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_program_has_written_after_a_login_pulls_from_a_real_registry() {
    let (server, cli) = shop().await;
    let registry = Registry::start("bot", "right horse");
    let digest = registry.push("team/app:1.0");
    let folder = tempfile::tempdir().unwrap();
    let auth_file = folder.path().join("auth.json");
    registry.login(&auth_file);
    let output = done(&cli.clone().env("REGISTRY_AUTH_FILE", &auth_file), &["import", "--from", "podman"], b"");
    assert!(output.stderr.ends_with("acme/shop: 1 added.\n"), "{output:?}");
    let token = crate::cli::deployer(&cli, server.data());
    let config = folder.path().join("config.json");
    let arguments =
        ["pull-secret", "--token-file", &token.to_string_lossy(), "--output-file", &config.to_string_lossy()];
    done(&cli, &arguments, b"");
    assert_eq!(registry.pull("team/app:1.0", &config), Ok(digest));
}
