//! The operator's nouns: org, project, token, audit, keys, doctor.

use super::{added, deployer, done, json, line, refused, shop};
use crate::support::Server;
use serde_json::Value;

fn names(list: &Value) -> Vec<&str> {
    let items = list.as_array().expect("a list is an array");
    items.iter().filter_map(|item| item["name"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn organizations_and_projects_are_created_shown_and_deleted() {
    let server = Server::start().await;
    let cli = server.cli();
    assert_eq!(line(&cli, &["org", "create", "acme"], ""), "acme");
    assert_eq!(line(&cli, &["org", "create", "acme"], ""), "acme", "creating twice is no failure");
    assert_eq!(line(&cli, &["project", "create", "acme/shop"], ""), "acme/shop");
    assert_eq!(json(&cli, &["project", "create", "acme/web", "-o", "json"])["name"], "web");
    assert_eq!(names(&json(&cli, &["org", "list", "-o", "json"])), ["acme"]);
    assert_eq!(names(&json(&cli, &["project", "list", "acme", "-o", "json"])), ["shop", "web"]);
    assert_eq!(json(&cli, &["org", "get", "acme", "-o", "json"])["name"], "acme");
    assert_eq!(json(&cli, &["project", "get", "acme/shop", "-o", "json"])["organization"], "acme");
    assert_eq!(done(&cli, &["project", "list", "acme", "-o", "name"], b"").stdout, "acme/shop\nacme/web\n");

    let full = refused(&cli, &["org", "delete", "acme", "--yes"], b"", 5);
    assert!(full.stderr.starts_with("error: acme still has 2 projects\n"), "{full:?}");
    assert!(full.stderr.contains("`regcred project list acme`"), "{full:?}");
    for project in ["acme/shop", "acme/web"] {
        refused(&cli, &["project", "delete", project], b"y\n", 2);
        let deleted = done(&cli, &["project", "delete", project, "--yes"], b"");
        assert_eq!((deleted.stdout.as_str(), deleted.stderr), ("", format!("Deleted project {project}.\n")));
    }
    refused(&cli, &["org", "delete", "acme"], b"y\n", 2);
    done(&cli, &["org", "delete", "acme", "--yes"], b"");
    let none = done(&cli, &["org", "list"], b"");
    assert_eq!((none.stdout.as_str(), none.stderr.as_str()), ("", "No organizations.\n"));
    let gone = refused(&cli, &["project", "get", "acme/shop"], b"", 3);
    assert!(gone.stderr.contains("`regcred project create acme/shop`"), "{gone:?}");
    refused(&cli, &["project", "create", "none/shop"], b"", 3);
    refused(&cli, &["org", "create", "Acme!"], b"", 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_shown_once_works_within_its_role_and_ends_at_once() {
    let (server, cli) = shop().await;
    let text = line(&cli, &["token", "create", "--name", "ci", "--role", "viewer", "--expires-in-days", "1"], "");
    assert!(text.starts_with("rgc_"), "a token");
    let listed = json(&cli, &["token", "list", "-o", "json"]);
    assert_eq!(names(&listed), ["ci"]);
    assert!(!listed.to_string().contains(&text), "a list has no texts");
    let id = line(&cli, &["token", "list", "-o", "name"], "");

    let viewer = cli.clone().env("REGCRED_TOKEN_FILE", "").env("REGCRED_TOKEN", &text);
    let caller = json(&viewer, &["token", "whoami", "-o", "json"]);
    assert_eq!((&caller["token_id"], &caller["role"]), (&Value::from(id.as_str()), &Value::from("viewer")));
    done(&viewer, &["list"], b"");
    done(&viewer.clone().env("REGCRED_TOKEN", format!("{text}\n")), &["list"], b"");
    let who = done(&cli, &["token", "whoami"], b"").stdout;
    assert!(who.contains("EXPIRES"), "an operator may look its own token up: {who}");
    let short = done(&cli, &["token", "list"], b"").stdout;
    assert!(short.contains(" acme/shop ") && !short.contains("organizations/"), "{short}");
    assert!(done(&cli, &["token", "list", "-o", "wide"], b"").stdout.contains("organizations/acme"));
    let role = refused(&cli, &["token", "create", "--name", "x", "--role", "operator"], b"", 4);
    assert!(role.stderr.contains("--deployment"), "{role:?}");
    let denied = refused(&viewer, &["add", "--server", "ghcr.io", "--password-stdin"], b"hunter2", 4);
    assert!(denied.stderr.contains("hint: see what your token is for"), "{denied:?}");
    refused(&viewer, &["list", "--project", "acme/other"], b"", 3);

    done(&cli, &["token", "revoke", &id], b"");
    let ended = refused(&viewer, &["list"], b"", 4);
    assert!(!ended.stderr.contains(&text), "{ended:?}");
    refused(&cli, &["token", "revoke", &id], b"", 3);
    let mistyped = refused(&viewer.clone().env("REGCRED_TOKEN", "rgc_mistyped"), &["list"], b"", 2);
    assert!(!mistyped.stderr.contains("rgc_mistyped"), "{mistyped:?}");
    let nobody = server.cli().env("REGCRED_TOKEN_FILE", "").env("REGCRED_DATA_DIR", "/nonexistent");
    let asked = refused(&nobody, &["list", "-p", "acme/shop"], b"", 4);
    assert!(asked.stderr.starts_with("error: no token was given\n"), "{asked:?}");
    assert!(asked.stderr.contains("hint: give a token with REGCRED_TOKEN_FILE"), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_s_file_is_private_and_holds_the_only_copy() {
    use std::os::unix::fs::PermissionsExt as _;
    let (server, cli) = shop().await;
    let path = deployer(&cli, server.data());
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    let whoami = json(&cli, &["token", "whoami", "-o", "json", "--token-file", &path.to_string_lossy()]);
    assert_eq!((&whoami["name"], &whoami["role"]), (&Value::from("argo"), &Value::from("deployer")));
    let into = server.data().join("second.token");
    let arguments = ["token", "create", "--name", "x", "--role", "deployer", "--output-file", &into.to_string_lossy()];
    let made = done(&cli, &arguments, b"");
    let kept = std::fs::read_to_string(&into).unwrap();
    let again = refused(&cli, &arguments, b"", 5);
    assert!(again.stderr.contains("--force"), "{again:?}");
    assert_eq!(std::fs::read_to_string(&into).unwrap(), kept);
    let named_x = || names(&json(&cli, &["token", "list", "-o", "json"])).iter().filter(|name| **name == "x").count();
    assert_eq!(named_x(), 1, "no token was made");
    done(&cli, &[&arguments[..], &["--force"]].concat(), b"");
    assert_ne!(std::fs::read_to_string(&into).unwrap(), kept);
    assert_eq!(named_x(), 2);
    assert_eq!(made.stdout, "");
    assert!(made.stderr.contains("export REGCRED_TOKEN_FILE="), "{made:?}");
    assert!(!made.stderr.contains("rgc_") && text.starts_with("rgc_"), "the text is in the file alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_is_read_whole_from_its_end_and_by_pages() {
    let (_server, cli) = shop().await;
    let id = added(&cli, "ghcr.io");
    done(&cli, &["update", &id, "--disable"], b"");
    let whole = json(&cli, &["audit", "list", "-o", "json"]);
    let operations: Vec<_> = whole.as_array().unwrap().iter().filter_map(|event| event["operation"].as_str()).collect();
    assert_eq!(operations, ["project.create", "credential.create", "credential.update"]);
    let last = json(&cli, &["audit", "list", "--tail", "1", "-o", "json"]);
    assert_eq!(last[0], whole[2]);
    assert_eq!(last[0]["object_ids"][0], Value::from(id));
    let first = done(&cli, &["audit", "list", "--limit", "2", "-o", "name"], b"");
    assert_eq!(first.stdout.lines().count(), 2);
    let cursor = first.stderr.trim_end().strip_prefix("There are more: --cursor ").expect("it says how to go on");
    assert_eq!(line(&cli, &["audit", "list", "--cursor", cursor, "-o", "name"], ""), whole[2]["id"].as_str().unwrap());
    let table = done(&cli, &["audit", "list", "--deployment"], b"").stdout;
    assert!(table.starts_with("TIME ") && table.contains("organization.create"), "{table}");
    assert!(table.contains(" acme/shop ") && !table.contains("organizations/"), "{table}");
    assert!(table.lines().all(|line| line == line.trim_end()), "nothing trails: {table:?}");
    let wide = done(&cli, &["audit", "list", "--deployment", "-o", "wide"], b"").stdout;
    assert!(wide.contains("ADDRESS") && wide.contains("organizations/acme/projects/shop"), "{wide}");
}

#[tokio::test(flavor = "multi_thread")]
async fn master_keys_are_rotated_from_the_command_line() {
    let (server, cli) = shop().await;
    added(&cli, "ghcr.io");
    let old = line(&cli, &["keys", "list", "-o", "name"], "");
    let new = line(&cli, &["keys", "add"], "");
    let state = |id: &str| {
        let keys = json(&cli, &["keys", "list", "-o", "json"]);
        let key = keys.as_array().unwrap().iter().find(|key| key["id"] == id).cloned().expect("the key is listed");
        (key["state"].as_str().unwrap_or_default().to_owned(), key["data_keys"].as_u64().unwrap())
    };
    assert_eq!(state(&new), ("standby".to_owned(), 0));
    refused(&cli, &["keys", "retire", &old, "--yes"], b"", 5);
    done(&cli, &["keys", "activate", &new], b"");
    let (_, wrapped) = state(&old);
    let rewrapped = done(&cli, &["keys", "rewrap"], b"");
    assert_eq!(rewrapped.stderr, format!("Wrapped {wrapped} data keys anew.\n"));
    assert_eq!((state(&old), state(&new)), (("standby".to_owned(), 0), ("active".to_owned(), wrapped)));
    refused(&cli, &["keys", "retire", &old], b"y\n", 2);
    done(&cli, &["keys", "retire", &old, "--yes"], b"");
    assert_eq!(state(&old).0, "retired");
    assert_eq!(super::handed_out(&cli, server.data())["ghcr.io"]["password"], "hunter2");
    refused(&cli, &["keys", "activate", "0197a000-0000-7000-8000-000000000001"], b"", 3);
    let elsewhere = refused(&cli, &["keys", "list", "--internal-url", &server.public], b"", 3);
    assert!(
        elsewhere.stderr.contains("is regcred's public listener; the internal one belongs in --internal-url"),
        "{elsewhere:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_says_what_is_well_and_what_is_not() {
    let (mut server, cli) = shop().await;
    let well = done(&cli, &["doctor"], b"");
    for line in ["ok   regcred answers at", "ok   it is ready", "ok   the internal listener answers at"] {
        assert!(well.stdout.contains(line), "{line}: {well:?}");
    }
    assert!(well.stdout.contains("operator of deployment"), "{well:?}");
    assert!(well.stdout.contains("project acme/shop is there"), "{well:?}");
    let elsewhere = cli.run(&["doctor", "--project", "acme/none"], b"");
    assert!(elsewhere.stdout.contains("fail project acme/none: "), "{elsewhere:?}");
    assert_eq!(well.stderr, "");

    let bad_token = server.data().join("bad.token");
    std::fs::write(&bad_token, server.operator_token().expose()).unwrap();
    let id = json(&cli, &["token", "whoami", "-o", "json"])["token_id"].as_str().unwrap().to_owned();
    let other = cli.run(&["doctor", "--internal-url", &server.public], b"");
    assert_eq!((other.status, other.stderr.as_str()), (1, "error: 1 check failed\n"));
    assert!(other.stdout.contains("is not the internal listener"), "{other:?}");

    let open = cli.run(&["doctor", "--token-file", &bad_token.to_string_lossy()], b"");
    assert_eq!(open.status, 0, "a warning is no failure: {open:?}");
    assert!(open.stdout.contains("hint: chmod 600 "), "{open:?}");
    done(&cli, &["token", "revoke", &id, "--deployment"], b"");
    let revoked = cli.run(&["doctor"], b"");
    assert_eq!(revoked.status, 1, "{revoked:?}");
    assert!(revoked.stdout.contains("fail token: "), "{revoked:?}");
    assert!(!revoked.stdout.contains("rgc_"), "{revoked:?}");

    server.kill();
    let down = cli.run(&["doctor"], b"");
    assert_eq!(down.status, 1, "{down:?}");
    assert!(down.stdout.contains("fail public listener: cannot reach regcred"), "{down:?}");
}
