//! Logins that docker leaves to its credential helpers.

use super::{auth, file, rows, stored};
use crate::{
    cli::{done, handed_out, shop},
    support::Binary,
};
use serde_json::json;
use std::{
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::{Duration, Instant},
};

/// A helper that notes what it is asked. Its passwords begin with `correcthorse`.
const FAKE: &str = r#"#!/bin/sh
here=${0%/*}
case $1 in
list)
    echo list >>"$here/asked"
    echo '{"https://index.docker.io/v1/":"hubber","https://index.docker.io/v1/access-token":"hubber","token.example":"<token>"}'
    ;;
get)
    server=$(cat)
    echo "get $server ${REGCRED_TOKEN-none}" >>"$here/asked"
    case $server in
    https://index.docker.io/v1/) echo '{"ServerURL":"x","Username":"hubber","Secret":"correcthorse hub"}' ;;
    ecr.example) echo '{"ServerURL":"x","Username":"AWS","Secret":"correcthorse ecr"}' ;;
    token.example) echo '{"ServerURL":"x","Username":"<token>","Secret":"correcthorse token"}' ;;
    none.example) echo 'credentials not found in native keychain'; exit 1 ;;
    fails.example) echo 'correcthorse error'; exit 1 ;;
    odd.example) echo 'correcthorse odd' ;;
    long.example) head -c 3000000 /dev/zero | tr '\0' ' ' ;;
    slow.example) echo $$ >"$here/slow"; exec sleep 600 ;;
    esac
    ;;
esac
"#;

/// A folder with the helper `fake` in it, and a command line that finds it.
fn with_helper(folder: &Path, cli: &Binary) -> Binary {
    let program = folder.join("docker-credential-fake");
    std::fs::write(&program, FAKE).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([folder.to_owned()].into_iter().chain(std::env::split_paths(&path))).unwrap();
    cli.clone().env("PATH", path).env("DOCKER_CONFIG", folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_docker_leaves_to_helpers_is_read_through_them() {
    let (server, cli) = shop().await;
    let folder = tempfile::tempdir().unwrap();
    let config = json!({
        "auths": {"https://index.docker.io/v1/": {}, "ecr.example": {"auth": auth("old:old")}, "plain.example": {"auth": auth("bot:pw")}},
        "credsStore": "fake",
        "credHelpers": {"ecr.example": "fake", "none.example": "fake"},
    });
    file(folder.path(), "config.json", &config.to_string());
    let token = server.operator_token().expose().to_owned();
    let cli = with_helper(folder.path(), &cli).env("REGCRED_TOKEN_FILE", "").env("REGCRED_TOKEN", token);
    let refused = cli.run(&["import", "--from", "docker", "-o", "json"], b"");
    assert_eq!(refused.status, 1, "the identity token is refused: {refused:?}");
    assert_eq!(stored(&cli), [""; 0]);
    let output = done(&cli, &["import", "--from", "docker", "--skip-refused", "-o", "json"], b"");
    assert_eq!(
        rows(&output),
        [
            "ecr.example old skipped - docker asks docker-credential-fake instead",
            "docker.io - skipped - holds no login",
            "plain.example bot add written",
            "docker.io hubber add written",
            "token.example - refused - has an identity token and no password: regcred keeps user names and passwords",
            "ecr.example AWS add written",
            "none.example - skipped - docker-credential-fake has no login for it",
        ]
    );
    let ran: Vec<_> = output.stderr.lines().filter_map(|line| line.strip_prefix("Running ")).collect();
    let asked = [
        "list.",
        "get for https://index.docker.io/v1/.",
        "get for token.example.",
        "get for ecr.example.",
        "get for none.example.",
    ];
    assert_eq!(ran, asked.map(|what| format!("docker-credential-fake {what}")), "it is said what is run");
    assert!(!output.stderr.contains("correcthorse") && !output.stdout.contains("correcthorse"), "{output:?}");
    let noted = std::fs::read_to_string(folder.path().join("asked")).unwrap();
    let gets = "get https://index.docker.io/v1/ none\nget token.example none\nget ecr.example none\n";
    assert!(noted.contains(&format!("list\n{gets}")), "regcred's own token is no helper's business: {noted}");
    let logins = handed_out(&cli, server.data());
    assert_eq!(logins["https://index.docker.io/v1/"]["password"], "correcthorse hub");
    assert_eq!(logins["ecr.example"]["password"], "correcthorse ecr");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_helper_that_fails_is_refused_without_what_it_said() {
    let (_server, cli) = shop().await;
    let folder = tempfile::tempdir().unwrap();
    let cli = with_helper(folder.path(), &cli);
    let name = "the name of its helper must be the plain name of a helper: 1 to 64 letters, digits, '.', '_' or '-'";
    for (config, expected) in [
        (
            json!({"credHelpers": {"fails.example": "fake"}}),
            "fails.example - refused - docker-credential-fake failed; run it by hand to see why",
        ),
        (
            json!({"credHelpers": {"odd.example": "fake"}}),
            "odd.example - refused - docker-credential-fake did not answer as a credential helper does",
        ),
        (
            json!({"credHelpers": {"long.example": "fake"}}),
            "long.example - refused - docker-credential-fake did not answer as a credential helper does",
        ),
        (
            json!({"credHelpers": {"slow.example": "fake"}}),
            "slow.example - refused - docker-credential-fake did not answer in time",
        ),
        (
            json!({"credHelpers": {"r.example": "absent"}}),
            "r.example - refused - docker-credential-absent is not installed: it is not in the PATH",
        ),
        (json!({"credHelpers": {"r.example": "../fake"}}), &format!("r.example - refused - {name}")),
        (json!({"credHelpers": {"r.example": "/bin/sh"}}), &format!("r.example - refused - {name}")),
        (
            json!({"credsStore": "absent", "auths": {"r.example": {}}}),
            "- - refused - docker-credential-absent is not installed: it is not in the PATH",
        ),
    ] {
        file(folder.path(), "config.json", &config.to_string());
        // Only one of them is waited for in vain.
        let limit = if expected.starts_with("slow") { "3" } else { "600" };
        let output = cli.run(&["import", "--from", "docker", "--helper-timeout", limit, "-o", "json"], b"");
        assert_eq!(output.status, 1, "{output:?}");
        assert_eq!(rows(&output).last().unwrap(), expected);
        assert!(!output.stderr.contains("correcthorse") && !output.stdout.contains("correcthorse"), "{output:?}");
    }
    let slow = std::fs::read_to_string(folder.path().join("slow")).unwrap();
    let command = format!("/proc/{}/cmdline", slow.trim());
    let begun = Instant::now();
    // One that has ended and that nobody has asked for has no command line.
    while std::fs::read(&command).is_ok_and(|words| !words.is_empty()) {
        assert!(begun.elapsed() < Duration::from_mins(1), "the helper that is late goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_a_cluster_has_no_program_run() {
    let (_server, cli) = shop().await;
    let folder = tempfile::tempdir().unwrap();
    let cli = with_helper(folder.path(), &cli);
    let config = json!({"auths": {"r.example": {"auth": auth("bot:pw")}}, "credsStore": "fake", "credHelpers": {"ecr.example": "fake"}});
    let secret =
        super::kubectl_list(&[("pull", "kubernetes.io/dockerconfigjson", ".dockerconfigjson", &config.to_string())]);
    let output = done(&cli, &["import", "-", "-o", "json"], secret.as_bytes());
    assert_eq!(rows(&output), ["r.example bot add written"]);
    assert!(!folder.path().join("asked").exists(), "nothing was run");
}
