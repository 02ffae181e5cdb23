//! The daily five: add, list, get, update, delete.

use super::{added, done, handed_out, json, line, refused, shop};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn a_login_goes_its_way_from_add_to_delete_under_one_identifier() {
    let (_server, cli) = shop().await;
    let added = done(
        &cli,
        &["add", "-s", "https://GHCR.io/acme/", "-u", "bot", "--email", "ops@acme.example", "--password-stdin"],
        b"hunter2\n",
    );
    let id = added.stdout.trim_end();
    assert_eq!(added.stdout, format!("{id}\n"), "standard output is the identifier and nothing else");
    assert_eq!(added.stderr, "Added ghcr.io/acme (bot) to acme/shop.\n");

    let listed = json(&cli, &["list", "-o", "json"]);
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!((&listed[0]["id"], &listed[0]["email"]), (&Value::from(id), &Value::from("ops@acme.example")));
    let found = json(&cli, &["get", id, "-o", "json"]);
    assert_eq!(found, json(&cli, &["get", "ghcr.io/acme", "-o", "json"]), "by identifier and by server");
    assert_eq!((&found["version"], &found["kind"]), (&Value::from(1), &Value::from("github")));
    assert!(found.get("password").is_none(), "{found}");

    let updated = done(&cli, &["update", "ghcr.io/acme", "--password-stdin", "--expires-at", "90d"], b"other\n");
    assert_eq!(updated.stdout, format!("{id}\n"));
    assert_eq!(updated.stderr, "Updated ghcr.io/acme (bot) in acme/shop, with a new password.\n");
    let found = json(&cli, &["get", id, "-o", "json"]);
    assert_eq!(found["version"], 2);
    assert!(found["expires_at"].is_string(), "{found}");

    let deleted = done(&cli, &["delete", id, "--yes"], b"");
    assert_eq!((deleted.stdout.as_str(), deleted.stderr), ("", format!("Deleted {id} from acme/shop.\n")));
    assert_eq!(json(&cli, &["ls", "-o", "json"]), Value::Array(Vec::new()));
    refused(&cli, &["get", id], b"", 3);
    refused(&cli, &["rm", id, "--yes"], b"", 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_flags_that_people_know_from_kubectl_mean_the_same() {
    let (server, cli) = shop().await;
    let added = [
        "add",
        "--docker-server",
        "quay.io",
        "--docker-username",
        "bot",
        "--docker-email",
        "a@b.example",
        "--docker-password",
        "hunter2",
    ];
    let id = line(&cli, &added, "");
    let found = json(&cli, &["get", "quay.io", "-o", "json"]);
    assert_eq!((&found["username"], &found["email"]), (&Value::from("bot"), &Value::from("a@b.example")));
    let changed = [
        "update",
        &id,
        "--docker-server",
        "quay.io/acme",
        "--docker-username",
        "robot",
        "--docker-email",
        "c@d.example",
        "--docker-password",
        "hunter3",
    ];
    assert_eq!(line(&cli, &changed, ""), id);
    let found = json(&cli, &["get", &id, "-o", "json"]);
    assert_eq!(found["server"], "quay.io/acme");
    assert_eq!((&found["username"], &found["email"]), (&Value::from("robot"), &Value::from("c@d.example")));
    let login = &handed_out(&cli, server.data())["quay.io/acme"];
    assert_eq!((&login["username"], &login["password"]), (&Value::from("robot"), &Value::from("hunter3")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_changes_what_is_named_and_clears_what_is_to_be_cleared() {
    let (_server, cli) = shop().await;
    let id = added(&cli, "ghcr.io");
    done(
        &cli,
        &[
            "update",
            &id,
            "--email",
            "a@b.example",
            "--image-prefix",
            "ghcr.io/acme",
            "--expires-at",
            "2999-01-01",
            "--disable",
        ],
        b"",
    );
    let found = json(&cli, &["get", &id, "-o", "json"]);
    assert_eq!((&found["image_prefix"], &found["enabled"]), (&Value::from("ghcr.io/acme"), &Value::from(false)));
    assert_eq!(found["expires_at"], "2999-01-01T00:00:00.000000Z");
    assert_eq!((&found["username"], &found["version"]), (&Value::from("bot"), &Value::from(1)));
    done(&cli, &["update", &id, "--enable", "--clear", "email,expires-at", "--clear", "image-prefix"], b"");
    let found = json(&cli, &["get", &id, "-o", "json"]);
    for cleared in ["email", "expires_at", "image_prefix"] {
        assert_eq!(found[cleared], Value::Null, "{cleared}");
    }
    assert_eq!(found["enabled"], true);
    refused(&cli, &["update", &id], b"", 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_or_user_name_needs_the_password_again() {
    let (_server, cli) = shop().await;
    let id = added(&cli, "ghcr.io");
    for change in [["--server", "quay.io"], ["--username", "other"], ["--clear", "username"]] {
        let refusal = refused(&cli, &["update", &id, change[0], change[1]], b"", 1);
        assert!(
            refusal.stderr.contains("hint: another server, user name or CA needs the password again"),
            "{refusal:?}"
        );
    }
    assert_eq!(json(&cli, &["get", &id, "-o", "json"])["server"], "ghcr.io");
    done(&cli, &["update", &id, "--server", "quay.io", "--password-stdin"], b"hunter3");
    assert_eq!(json(&cli, &["get", &id, "-o", "json"])["server"], "quay.io");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_is_the_one_that_the_login_is_for_from_then_on() {
    let (_server, cli) = shop().await;
    let folder = tempfile::tempdir().unwrap();
    let (id, other) = (added(&cli, "ghcr.io/acme"), added(&cli, "registry.example.com"));
    let moving =
        ["update", "ghcr.io/acme", "--server", "https://REGISTRY.gitlab.com/v2/", "--password-stdin", "-o", "json"];
    let moved = done(&cli, &moving, b"hunter3");
    assert_eq!(moved.stderr, "Updated registry.gitlab.com (bot) in acme/shop, with a new password.\n");
    let moved: Value = serde_json::from_str(&moved.stdout).unwrap();
    assert_eq!((&moved["id"], &moved["server"]), (&id.as_str().into(), &"registry.gitlab.com".into()));
    assert_eq!((&moved["kind"], &moved["version"]), (&"gitlab".into(), &2.into()), "the kind goes with the server");
    let handed_out = handed_out(&cli, folder.path());
    let keys: Vec<_> = handed_out.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        (keys, &handed_out["registry.gitlab.com"]["password"]),
        (vec!["registry.example.com", "registry.gitlab.com"], &"hunter3".into())
    );
    refused(&cli, &["get", "ghcr.io/acme"], b"", 3);

    let onto = ["update", &id, "--server", "Registry.Example.com.", "--password-stdin"];
    let refusal = refused(&cli, &onto, b"hunter4", 5);
    assert!(
        refusal.stderr.starts_with("error: acme/shop already has a login for registry.example.com\n"),
        "{refusal:?}"
    );
    assert!(refusal.stderr.contains(&format!("`regcred update {other} --project acme/shop`")), "{refusal:?}");
    let refusal = refused(&cli, &["update", &id, "--server", "bot:hunter4@quay.io", "--password-stdin"], b"hunter4", 2);
    assert!(!refusal.stderr.contains("hunter4"), "{refusal:?}");
    assert_eq!(json(&cli, &["get", &id, "-o", "json"])["version"], 2, "nothing of it was done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_login_for_one_server_is_a_conflict_that_names_the_first() {
    let (_server, cli) = shop().await;
    let id = added(&cli, "docker.io");
    let again = ["add", "--server", "https://index.docker.io/v1/", "--username", "x", "--password-stdin"];
    let refusal = refused(&cli, &again, b"hunter2", 5);
    assert!(refusal.stderr.starts_with("error: acme/shop already has a login for docker.io\n"), "{refusal:?}");
    let hint = format!("hint: change that one with `regcred update {id} --project acme/shop`");
    assert!(refusal.stderr.contains(&hint), "{refusal:?}");
    assert_eq!(line(&cli, &["list", "-o", "name"], ""), id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_tag_stops_an_update_and_a_delete() {
    let (_server, cli) = shop().await;
    let id = added(&cli, "ghcr.io");
    let seen = line(&cli, &["get", &id, "-o", "etag"], "");
    done(&cli, &["update", &id, "--disable", "--if-match", &seen], b"");
    let refusal = refused(&cli, &["update", &id, "--enable", "--if-match", &seen], b"", 5);
    let now = line(&cli, &["get", &id, "-o", "etag"], "");
    assert!(refusal.stderr.contains(&format!("hint: its etag is {now} now: ")), "{refusal:?}");
    assert_eq!(refusal.stderr.matches("hint").count(), 1);
    refused(&cli, &["delete", &id, "--yes", "--if-match", &seen], b"", 5);
    done(&cli, &["delete", &id, "--yes", "--if-match", now.trim_matches('"')], b"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_shows_what_it_inherits_and_says_where_to_change_it() {
    let (server, cli) = shop().await;
    let org = ["add", "--org", "acme", "--server", "ghcr.io", "--username", "all", "--password-stdin"];
    let id = line(&cli, &org, "hunter2");
    let listed = json(&cli, &["list", "-o", "json"]);
    assert_eq!((&listed[0]["id"], &listed[0]["inherited"]), (&Value::from(id.as_str()), &Value::from(true)));
    assert!(done(&cli, &["list"], b"").stdout.contains("active,inherited"));
    let refusal = refused(&cli, &["delete", "ghcr.io", "--yes"], b"", 3);
    assert!(refusal.stderr.contains("hint: add --org acme to work on that one"), "{refusal:?}");
    let refusal = refused(&cli, &["update", &id, "--disable"], b"", 4);
    assert!(refusal.stderr.contains("can only be changed in the organization"), "{refusal:?}");
    done(&cli, &["update", "ghcr.io", "--org", "acme", "--disable"], b"");
    assert_eq!(handed_out(&cli, server.data()), Value::Object(serde_json::Map::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_secret_is_bytes_on_stdout_or_a_private_file_and_says_what_is_left_out() {
    use std::os::unix::fs::PermissionsExt as _;
    let (server, cli) = shop().await;
    added(&cli, "ghcr.io");
    let off = added(&cli, "quay.io");
    done(&cli, &["update", "quay.io", "--disable"], b"");
    let token = super::deployer(&cli, server.data());
    let deployer = cli.clone().env("REGCRED_TOKEN_FILE", &token);
    let expected = r#"{"auths":{"ghcr.io":{"username":"bot","password":"hunter2","auth":"Ym90Omh1bnRlcjI="}}}"#;

    let printed = done(&deployer, &["pull-secret"], b"");
    assert_eq!(printed.stdout, expected, "byte for byte, without a line end");
    assert!(printed.stderr.starts_with(&format!("warning: credential {off} is left out: disabled ")), "{printed:?}");

    let path = server.data().join("config.json");
    let written = done(&deployer, &["pull-secret", "--output-file", &path.to_string_lossy()], b"");
    assert_eq!(written.stdout, "");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let other = done(&deployer, &["pull-secret", "--image", "gcr.io/x", "-i", "r.io/y"], b"");
    assert_eq!(other.stdout, r#"{"auths":{}}"#);
    assert_eq!(other.stderr, "warning: no login of acme/shop fits gcr.io/x or r.io/y\n");
    let foreign = refused(&deployer, &["pull-secret", "--project", "acme/none"], b"", 3);
    assert!(foreign.stderr.contains("hint: see what your token reaches with"), "{foreign:?}");
    let lost = refused(&cli, &["list", "--url", &server.internal], b"", 3);
    assert!(lost.stderr.contains("is regcred's internal listener; the public one belongs in --url"), "{lost:?}");
    let image = refused(&deployer, &["pull-secret", "--image", "Not an image"], b"", 1);
    assert!(image.stderr.starts_with("error: --image "), "{image:?}");
    refused(&cli, &["pull-secret"], b"", 4);
    refused(&deployer, &["pull-secret", "--image", "Not an image"], b"", 1);
    refused(&deployer, &["pull-secret", "--internal-url", &server.public], b"", 3);
}
