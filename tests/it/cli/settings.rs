//! Contexts, and what wins over what.

use super::{done, json, line, refused, shop};
use crate::support::{Binary, Server};
use std::os::unix::fs::PermissionsExt as _;

/// A command line without settings but for this folder of contexts.
fn bare(folder: &std::path::Path) -> Binary {
    Binary::new().env("XDG_CONFIG_HOME", folder).env("REGCRED_DATA_DIR", "/nonexistent")
}

fn set_context(cli: &Binary, name: &str, server: &Server, project: &str) {
    let token = server.data().join("operator.token");
    let arguments = [
        "config",
        "set-context",
        name,
        "--url",
        &server.public,
        "--internal-url",
        &server.internal,
        "--project",
        project,
        "--token-file",
        &token.to_string_lossy(),
    ];
    done(cli, &arguments, b"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_is_all_that_a_command_needs() {
    let (server, _) = shop().await;
    let folder = tempfile::tempdir().unwrap();
    let cli = bare(folder.path());
    refused(&cli, &["list"], b"", 2);
    set_context(&cli, "work", &server, "acme/shop");
    let id = line(&cli, &["add", "--server", "ghcr.io", "--password-stdin"], "hunter2");
    assert_eq!(line(&cli, &["list", "-o", "name"], ""), id);

    let file = folder.path().join("regcred/config.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("operator.token") && !text.contains("rgc_"), "a context names the token's file: {text}");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let shown = done(&cli, &["config", "show"], b"").stdout;
    assert!(shown.contains("work") && shown.contains(&server.public) && !shown.contains("rgc_"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn contexts_are_chosen_listed_and_deleted() {
    let (server, operator) = shop().await;
    done(&operator, &["project", "create", "acme/web"], b"");
    let folder = tempfile::tempdir().unwrap();
    let cli = bare(folder.path());
    let none = done(&cli, &["config", "list-contexts"], b"");
    assert_eq!((none.stdout.as_str(), none.stderr.as_str()), ("", "No contexts.\n"));
    set_context(&cli, "shop", &server, "acme/shop");
    set_context(&cli, "web", &server, "acme/web");
    let current = || {
        let table = done(&cli, &["config", "list-contexts"], b"").stdout;
        assert_eq!(table.lines().count(), 3, "{table}");
        let starred = table.lines().find_map(|line| line.strip_prefix('*')).map(str::trim_start);
        starred.and_then(|line| line.split(' ').next()).unwrap_or_default().to_owned()
    };
    assert_eq!(current(), "shop", "the first is current");
    line(&cli, &["add", "--server", "ghcr.io", "--password-stdin"], "hunter2");
    done(&cli, &["config", "use-context", "web"], b"");
    assert_eq!(current(), "web");
    assert_eq!(done(&cli, &["list", "-o", "name"], b"").stdout, "", "the other project has none");
    assert_eq!(json(&cli, &["list", "--context", "shop", "-o", "json"]).as_array().map(Vec::len), Some(1));
    let chosen = cli.clone().env("REGCRED_CONTEXT", "shop");
    assert_eq!(json(&chosen, &["list", "-o", "json"]).as_array().map(Vec::len), Some(1));

    for arguments in
        [&["config", "use-context", "x"][..], &["config", "delete-context", "x"], &["list", "--context", "x"]]
    {
        let refusal = refused(&cli, arguments, b"", 2);
        assert!(refusal.stderr.contains("hint: list them with `regcred config list-contexts`"), "{refusal:?}");
    }
    let deleted = done(&cli, &["config", "delete-context", "web"], b"");
    assert_eq!(deleted.stderr, "Context web is deleted; none is current now.\n");
    assert!(!done(&cli, &["config", "list-contexts"], b"").stdout.contains('*'), "none is current then");
    refused(&cli, &["list"], b"", 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_win_over_the_environment_and_that_over_the_current_context() {
    let (server, _) = shop().await;
    let folder = tempfile::tempdir().unwrap();
    let cli = bare(folder.path());
    set_context(&cli, "work", &server, "acme/shop");
    let wrong = cli.clone().env("REGCRED_URL", "http://127.0.0.1:1").env("REGCRED_PROJECT", "acme/none");
    refused(&wrong, &["list"], b"", 6);
    let refusal = refused(&wrong, &["list", "--url", &server.public], b"", 3);
    assert!(refusal.stderr.contains("acme/none"), "{refusal:?}");
    done(&wrong, &["list", "--url", &server.public, "--project", "acme/shop"], b"");
    done(&wrong, &["list", "--context", "work"], b"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_does_not_travel_unencrypted_to_another_machine() {
    let (_server, cli) = shop().await;
    let refusal = refused(&cli, &["list", "--url", "http://192.0.2.1:8080"], b"", 2);
    assert!(refusal.stderr.contains("not sending the token over plain http"), "{refusal:?}");
}
