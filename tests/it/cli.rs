//! The command line as scripts and people use it, against a real server.

mod administration;
mod credentials;
mod import;
mod output;
mod passwords;
mod settings;
mod terminal;

use crate::support::{Binary, Output, Server};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A server with the project acme/shop, and a command line that works on it.
async fn shop() -> (Server, Binary) {
    let server = Server::start().await;
    server.project("acme/shop").await;
    let cli = server.cli().env("REGCRED_PROJECT", "acme/shop");
    (server, cli)
}

/// Runs a command that must succeed.
fn done(cli: &Binary, arguments: &[&str], input: &[u8]) -> Output {
    let output = cli.run(arguments, input);
    assert_eq!(output.status, 0, "{arguments:?}: {output:?}");
    assert_plain(&output);
    output
}

/// Runs a command that must succeed, and returns the one line that it prints.
fn line(cli: &Binary, arguments: &[&str], input: &str) -> String {
    let output = done(cli, arguments, input.as_bytes());
    let text = output.stdout.strip_suffix('\n').unwrap_or_else(|| panic!("no line: {output:?}"));
    assert!(!text.contains('\n'), "{output:?}");
    text.to_owned()
}

/// Runs a command that must succeed, and reads what it prints as JSON.
fn json(cli: &Binary, arguments: &[&str]) -> Value {
    let output = done(cli, arguments, b"");
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {output:?}"))
}

/// Runs a command that must end with this code, say one `error:` and at most one `hint:`, and print no data.
fn refused(cli: &Binary, arguments: &[&str], input: &[u8], code: i32) -> Output {
    let output = cli.run(arguments, input);
    assert_eq!(output.status, code, "{arguments:?}: {output:?}");
    let lines = |start: &str| output.stderr.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!(lines("error: "), 1, "{arguments:?}: {output:?}");
    assert!(lines("hint: ") <= 1, "{arguments:?}: {output:?}");
    assert_eq!(output.stdout, "", "{arguments:?}");
    assert_plain(&output);
    output
}

/// Nothing that only a terminal understands.
fn assert_plain(output: &Output) {
    assert!(!output.stdout.contains('\x1b') && !output.stderr.contains('\x1b'), "{output:?}");
}

/// The identifier of a login that is added on the way.
fn added(cli: &Binary, server: &str) -> String {
    line(cli, &["add", "--server", server, "--username", "bot", "--password-stdin"], "hunter2")
}

/// A deployer's token in a file of this folder.
fn deployer(cli: &Binary, folder: &Path) -> PathBuf {
    let path = folder.join("deployer.token");
    let text = path.to_string_lossy();
    done(cli, &["token", "create", "--name", "argo", "--role", "deployer", "--output-file", &text, "--force"], b"");
    path
}

/// The passwords that a deployer is handed, by registry.
fn handed_out(cli: &Binary, folder: &Path) -> Value {
    let token = deployer(cli, folder);
    json(cli, &["pull-secret", "--token-file", &token.to_string_lossy()])["auths"].clone()
}
