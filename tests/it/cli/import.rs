//! `regcred import`: what it reads, what it says of it, and what it does with it.

mod helpers;
mod writes;

use super::{added, done, handed_out, json, refused, shop};
use crate::support::{Binary, Output};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::{path::Path, process::Stdio};

fn auth(pair: &str) -> String {
    STANDARD.encode(pair)
}

/// A docker config with these logins: server, user name, password.
fn config(logins: &[(&str, &str, &str)]) -> String {
    let entry = |(server, username, password): &(&str, &str, &str)| {
        ((*server).to_owned(), json!({"auth": auth(&format!("{username}:{password}"))}))
    };
    json!({"auths": logins.iter().map(entry).collect::<serde_json::Map<_, _>>()}).to_string()
}

/// A file in a folder, by its path.
fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a file is written");
    path.to_string_lossy().into_owned()
}

/// What would become of each entry, or has: `server user action result reason`.
fn rows(output: &Output) -> Vec<String> {
    let items: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let row = |item: &Value| {
        let words = [&item["server"], &item["username"], &item["action"], &item["result"], &item["reason"]].map(word);
        words.join(" ").trim_end_matches(" -").to_owned()
    };
    items.as_array().expect("it is a list").iter().map(row).collect()
}

/// The servers that are stored, sorted.
fn stored(cli: &Binary) -> Vec<String> {
    let items = json(cli, &["list", "-o", "json"]);
    let mut servers: Vec<_> =
        items.as_array().unwrap().iter().map(|item| item["server"].as_str().unwrap().to_owned()).collect();
    servers.sort();
    servers
}

/// As `kubectl get secrets -A -o yaml` prints them.
fn kubectl_list(secrets: &[(&str, &str, &str, &str)]) -> String {
    let mut text = "apiVersion: v1\nitems:\n".to_owned();
    for (name, sort, key, value) in secrets {
        text += &[
            "- apiVersion: v1\n  data:\n    ",
            key,
            ": ",
            &STANDARD.encode(value),
            "\n  kind: Secret\n  metadata:\n    annotations:\n      kubectl.kubernetes.io/last-applied-configuration: |\n        \
             {\"apiVersion\":\"v1\",\"kind\":\"Secret\"}\n    creationTimestamp: \"2026-11-02T08:00:00Z\"\n    name: ",
            name,
            "\n    namespace: team\n    resourceVersion: \"71\"\n    uid: 0197a000-0000-7000-8000-000000000001\n  type: ",
            sort,
            "\n",
        ]
        .concat();
    }
    text + "kind: List\nmetadata:\n  resourceVersion: \"\"\n"
}

#[tokio::test(flavor = "multi_thread")]
async fn what_docker_podman_and_kubernetes_have_comes_in_byte_for_byte() {
    let (server, cli) = shop().await;
    let folder = tempfile::tempdir().unwrap();
    let key = "{\n  \"type\": \"service_account\",\n  \"private_key\": \"a\\nb:c\"\n}\n";
    file(
        folder.path(),
        "config.json",
        &config(&[("https://index.docker.io/v1/", "hubber", "pa:ss wörd"), ("gcr.io", "_json_key", key)]),
    );
    let podman = file(
        folder.path(),
        "auth.json",
        &config(&[("quay.io/acme", "acme+puller", "one"), ("quay.io", "acme+all", "two")]),
    );
    let cli = cli.env("DOCKER_CONFIG", folder.path()).env("REGISTRY_AUTH_FILE", &podman);
    let bare =
        json!({"https://ghcr.io": {"username": "bot", "password": "ghp", "email": "ops@acme.example"}}).to_string();
    let secrets = kubectl_list(&[
        ("pull", "kubernetes.io/dockerconfigjson", ".dockerconfigjson", &config(&[("r.example.com:5000", "bot", "p")])),
        ("old", "kubernetes.io/dockercfg", ".dockercfg", &bare),
        ("token", "Opaque", "password", "hunter2"),
    ]);
    let arguments = ["import", "--from", "docker,podman", "-"];
    let before = done(&cli, &[&arguments[..], &["--dry-run"]].concat(), secrets.as_bytes());
    assert!(before.stderr.ends_with("acme/shop: 6 to add.\n"), "{before:?}");
    assert!(before.stderr.contains("Left out 1 Secret of another type.\n"), "{before:?}");
    assert_eq!(stored(&cli), [""; 0], "a dry run writes nothing");

    let done_ = done(&cli, &arguments, secrets.as_bytes());
    assert_eq!(done_.stdout, before.stdout, "the table is the same");
    assert!(done_.stderr.ends_with("acme/shop: 6 added.\n"), "{done_:?}");
    let logins = handed_out(&cli, server.data());
    for (key, username, password) in [
        ("https://index.docker.io/v1/", "hubber", "pa:ss wörd"),
        ("gcr.io", "_json_key", key),
        ("quay.io/acme", "acme+puller", "one"),
        ("quay.io", "acme+all", "two"),
        ("r.example.com:5000", "bot", "p"),
        ("ghcr.io", "bot", "ghp"),
    ] {
        assert_eq!((&logins[key]["username"], &logins[key]["password"]), (&json!(username), &json!(password)), "{key}");
    }
    assert_eq!(logins["ghcr.io"]["email"], "ops@acme.example");
    let again = done(&cli, &arguments, secrets.as_bytes());
    assert!(again.stderr.ends_with("acme/shop: 6 the same.\n"), "{again:?}");
    assert!(again.stdout.contains("passwords cannot be compared"), "{again:?}");
    assert_eq!(handed_out(&cli, server.data()), logins, "run again, it changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_says_of_each_entry_where_it_is_from_and_what_becomes_of_it() {
    let (_server, cli) = shop().await;
    let folder = tempfile::tempdir().unwrap();
    let one =
        file(folder.path(), "one.json", &config(&[("https://GHCR.io/acme/", "bot", "x"), ("docker.io", "hub", "y")]));
    let two = kubectl_list(&[(
        "pull",
        "kubernetes.io/dockerconfigjson",
        ".dockerconfigjson",
        &config(&[("ghcr.io/acme", "bot", "x")]),
    )]);
    let table = done(&cli, &["import", &one, "-", "--dry-run"], two.as_bytes()).stdout;
    let lines: Vec<Vec<_>> =
        table.lines().map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()).collect();
    let both = format!("{one}, standard input Secret team/pull");
    assert_eq!(
        lines,
        [
            vec!["FROM", "WRITTEN AS", "SERVER", "USERNAME", "ACTION", "WHY"],
            vec![&one, "docker.io", "docker.io", "hub", "add"],
            vec![&both, "https://GHCR.io/acme/", "ghcr.io/acme", "bot", "add"],
        ]
    );
    let arguments = ["import", &one, "-", "-o", "json"];
    let run = done(&cli, &arguments, two.as_bytes());
    assert_eq!(rows(&run), ["docker.io hub add written", "ghcr.io/acme bot add written"]);
    let items: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(items[1]["from"], json!([one, "standard input Secret team/pull"]));
    assert_eq!(items[1]["written"], "https://GHCR.io/acme/");
    let listed = json(&cli, &["list", "-o", "json"]);
    assert_eq!(
        items.as_array().unwrap().iter().map(|item| &item["id"]).collect::<Vec<_>>(),
        [&listed[0]["id"], &listed[1]["id"]]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_while_something_is_refused_and_the_rest_is_on_demand() {
    let (_server, cli) = shop().await;
    let folder = tempfile::tempdir().unwrap();
    let mut text: Value =
        serde_json::from_str(&config(&[("good.example", "bot", "pw"), ("*.example.com", "bot", "pw")])).unwrap();
    text["auths"]["token.example"] = json!({"auth": auth("nobody:"), "identitytoken": "correcthorse"});
    text["auths"]["https://bot:correcthorse@r.example"] = json!({"auth": auth("bot:pw")});
    text["auths"]["broken.example"] = json!({"auth": "correcthorse!"});
    text["auths"]["gcr.io"] = json!({"username": "_json_key", "password": "correcthorse"});
    text["auths"]["empty.example"] = json!({});
    text["auths"]["https://index.docker.io/v1/access-token"] = json!({"auth": auth("hub:correcthorse")});
    let path = file(folder.path(), "config.json", &text.to_string());
    for extra in [&[][..], &["--dry-run"]] {
        let output = cli.run(&[&["import", &path, "-o", "json"], extra].concat(), b"");
        assert_eq!(output.status, 1, "{output:?}");
        let verb = if extra.is_empty() { "was" } else { "would be" };
        let error = format!(
            "error: nothing {verb} written: 5 logins are refused\nhint: bring the others in with --skip-refused\n"
        );
        assert!(output.stderr.ends_with(&error), "{output:?}");
        assert!(!output.stdout.contains("correcthorse") && !output.stderr.contains("correcthorse"), "{output:?}");
        assert_eq!(
            rows(&output),
            [
                "- bot refused - the server must not contain wildcards",
                "broken.example - refused - its auth must be base64",
                "empty.example - skipped - holds no login",
                "gcr.io _json_key refused - the password must be the key file of a service account, a JSON object, with the user name _json_key",
                "good.example bot add",
                "- bot refused - the server must not contain '@': user name and password have their own fields",
                "- - skipped - is docker's own session and no login",
                "token.example - refused - has an identity token and no password: regcred keeps user names and passwords",
            ]
        );
    }
    assert_eq!(stored(&cli), [""; 0]);
    let skipped = done(&cli, &["import", &path, "--skip-refused"], b"");
    assert!(
        skipped.stderr.ends_with("Added good.example (bot).\nacme/shop: 1 added, 5 left out, 2 skipped.\n"),
        "{skipped:?}"
    );
    assert_eq!(stored(&cli), ["good.example"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_stays_unless_it_is_to_be_replaced() {
    let (server, cli) = shop().await;
    let folder = tempfile::tempdir().unwrap();
    let ids = ["a.example", "b.example"].map(|server| added(&cli, server));
    let path = file(
        folder.path(),
        "config.json",
        &config(&[("a.example", "other", "new"), ("b.example", "bot", "new"), ("c.example", "bot", "new")]),
    );
    let conflict = cli.run(&["import", &path, "-o", "json"], b"");
    assert_eq!(conflict.status, 5, "{conflict:?}");
    let error = "error: nothing was written: 1 login is there already under another user name\nhint: write over them with --replace, \
                 or leave them as they are with --skip-refused\n";
    assert_eq!(conflict.stderr, error);
    assert_eq!(
        rows(&conflict),
        [
            "a.example other conflict - is there with the user name bot",
            "b.example bot same - is there; passwords cannot be compared",
            "c.example bot add",
        ]
    );
    assert_eq!(stored(&cli), ["a.example", "b.example"]);

    let replaced = done(&cli, &["import", &path, "--replace", "-o", "json"], b"");
    let why = "writes over the one that is there";
    assert_eq!(
        rows(&replaced),
        [
            format!("a.example other replace written {why}"),
            format!("b.example bot replace written {why}"),
            "c.example bot add written".to_owned()
        ]
    );
    assert!(replaced.stderr.ends_with("acme/shop: 1 added, 2 replaced.\n"), "{replaced:?}");
    let logins = handed_out(&cli, server.data());
    for (name, username) in [("a.example", "other"), ("b.example", "bot"), ("c.example", "bot")] {
        assert_eq!((&logins[name]["username"], &logins[name]["password"]), (&json!(username), &json!("new")));
    }
    assert_eq!(json(&cli, &["get", "a.example", "-o", "json"])["id"], json!(ids[0]), "the identifier stays");
    let path = file(folder.path(), "config.json", &config(&[("a.example", "third", "x"), ("d.example", "bot", "new")]));
    done(&cli, &["import", &path, "--skip-refused"], b"");
    assert_eq!(
        handed_out(&cli, server.data())["a.example"]["username"],
        "other",
        "a conflict that is left out stays as it is"
    );
    assert_eq!(stored(&cli).len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_disagree_are_named_and_neither_is_believed() {
    let (_server, cli) = shop().await;
    let folder = tempfile::tempdir().unwrap();
    let one =
        file(folder.path(), "one.json", &config(&[("ghcr.io", "bot", "x"), ("quay.io", "acme+a", "correcthorse")]));
    let two = file(
        folder.path(),
        "two.json",
        &config(&[("https://ghcr.io/v2/", "else", "x"), ("quay.io", "acme+a", "battery")]),
    );
    let output = cli.run(&["import", &one, &two, "-o", "json"], b"");
    assert_eq!(output.status, 1, "{output:?}");
    assert_eq!(
        rows(&output),
        [
            format!("ghcr.io bot refused - another user name than in {two}"),
            format!("quay.io acme+a refused - another password than in {two}"),
            format!("ghcr.io else refused - another user name than in {one}"),
            format!("quay.io acme+a refused - another password than in {one}"),
        ]
    );
    assert!(!output.stderr.contains("correcthorse") && !output.stdout.contains("battery"), "{output:?}");
    assert_eq!(stored(&cli), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_s_login_is_inherited_and_a_project_s_own_goes_before_it() {
    let (_server, cli) = shop().await;
    let text = config(&[("ghcr.io", "bot", "x")]);
    let org = done(&cli, &["import", "-", "--org", "acme"], text.as_bytes());
    assert!(org.stderr.ends_with("acme: 1 added.\n"), "{org:?}");
    let own = done(&cli, &["import", "-", "-o", "json"], text.as_bytes());
    assert_eq!(rows(&own), ["ghcr.io bot add written goes before the organization's own"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn warnings_name_the_server_and_come_before_anything_is_written() {
    let (_server, cli) = shop().await;
    let text = config(&[("quay.io", "acme", "x")]);
    let warning =
        "warning: quay.io: the user name is no robot account such as namespace+robot, nor $oauthtoken or $app\n";
    for extra in [&["--dry-run"][..], &[]] {
        let output = done(&cli, &[&["import", "-"], extra].concat(), text.as_bytes());
        assert_eq!(output.stderr.matches("warning").count(), 1, "{output:?}");
        assert!(output.stderr.starts_with(warning), "{output:?}");
    }
    let same = done(&cli, &["import", "-"], text.as_bytes());
    assert!(!same.stderr.contains("warning"), "what is not written is not warned of: {same:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_who_has_left_stops_no_import_and_hides_no_failure() {
    let (_server, cli) = shop().await;
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "config.json", &config(&[("ghcr.io", "bot", "x")]));
    let conflict = file(folder.path(), "other.json", &config(&[("ghcr.io", "else", "x")]));
    for (path, format, code) in [(&path, "table", 0), (&conflict, "table", 5)] {
        let (reader, writer) = std::io::pipe().expect("a pipe is made");
        drop(reader);
        let mut command = cli.command();
        let status =
            command.args(["import", path, "-o", format]).stdout(writer).stderr(Stdio::null()).status().unwrap();
        assert_eq!(status.code(), Some(code), "{path} {format}");
        assert_eq!(stored(&cli), ["ghcr.io"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_refused_by_its_place_before_anything_is_asked_or_written() {
    let (server, cli) = shop().await;
    let folder = tempfile::tempdir().unwrap();
    let good = file(folder.path(), "good.json", &config(&[("ghcr.io", "bot", "x")]));
    for (text, why) in [
        ("", "is empty"),
        ("correcthorse", "is neither a docker config nor a Secret of Kubernetes"),
        ("{\"auths\": {\"correcthorse\"", "is not JSON: line 1, column 25"),
        ("kind: Secret\ndata: {correcthorse", "is not YAML that can be read: line 2, column 7"),
        ("{\"auths\": [\"correcthorse\"]}", "is no docker config: line 1, column 11"),
    ] {
        let refusal = refused(&cli, &["import", &good, "-", "--skip-refused"], text.as_bytes(), 1);
        assert_eq!(refusal.stderr, format!("error: standard input {why}; nothing was written\n"));
    }
    assert_eq!(stored(&cli), [""; 0]);
    let secret = kubectl_list(&[("pull", "kubernetes.io/dockerconfigjson", ".dockerconfigjson", "correcthorse")]);
    let broken = cli.run(&["import", &good, "-", "-o", "json"], secret.as_bytes());
    assert_eq!(broken.status, 1, "{broken:?}");
    assert_eq!(rows(&broken)[1], "- - refused - what the Secret holds is not JSON: line 1, column 1");
    assert!(!broken.stdout.contains("correcthorse") && !server.log().contains("correcthorse"));
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_on_the_command_line_are_told_with_what_to_do() {
    let (_server, cli) = shop().await;
    let nothing = refused(&cli, &["import"], b"", 2);
    assert!(
        nothing
            .stderr
            .starts_with("error: nothing to read is named\nhint: name files, - for standard input, or --from docker"),
        "{nothing:?}"
    );
    let twice = refused(&cli, &["import", "-", "-"], b"", 2);
    assert_eq!(twice.stderr, "error: standard input is named twice\n");
    let gone = refused(&cli, &["import", "/nonexistent/config.json"], b"", 3);
    assert_eq!(gone.stderr, "error: there is no file /nonexistent/config.json\n");
    let docker = refused(&cli, &["import", "--from", "docker"], b"", 3);
    assert_eq!(docker.stderr, "error: docker has no logins here\nhint: looked for /nonexistent/.docker/config.json\n");
    let folder = tempfile::tempdir().unwrap();
    file(folder.path(), "config.json", r#"{"currentContext": "desktop"}"#);
    let empty = done(&cli.clone().env("DOCKER_CONFIG", folder.path()), &["import", "--from", "docker"], b"");
    assert!(empty.stdout.is_empty() && empty.stderr.ends_with("There are no logins in it.\n"), "{empty:?}");
    let none = done(&cli, &["import", "-", "-o", "json"], b"kind: List\nitems: []\n");
    assert_eq!((none.stdout.as_str(), none.stderr.as_str()), ("[]\n", "There are no logins in it.\n"));
    refused(&cli.clone().env("REGCRED_PROJECT", ""), &["import", "-"], b"", 2);
    refused(&cli, &["import", "-", "--helper-timeout", "0"], b"", 2);
}
