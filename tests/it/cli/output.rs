//! What is printed where, in which form, and how a run ends.

use super::{added, done, json, line, refused, shop};
use crate::support::Binary;
use std::process::{Command, Stdio};

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_a_table_json_or_names() {
    let (_server, cli) = shop().await;
    let empty = done(&cli, &["list"], b"");
    assert_eq!((empty.stdout.as_str(), empty.stderr.as_str()), ("", "No credentials in acme/shop.\n"));
    let ids = [added(&cli, "ghcr.io"), added(&cli, "quay.io/acme")];

    let table = done(&cli, &["list"], b"");
    let lines: Vec<Vec<_>> = table.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines.len(), 3, "{table:?}");
    assert_eq!(lines[0], ["ID", "SERVER", "USERNAME", "EMAIL", "STATUS", "LAST", "USED"]);
    assert_eq!(lines[1], [ids[0].as_str(), "ghcr.io", "bot", "-", "active", "never"]);
    assert_eq!(lines[2][1], "quay.io/acme");
    // 80 columns do not hold an identifier and all that people look for in a list; little more must do.
    assert!(table.stdout.lines().all(|line| line.len() <= 90 && line == line.trim_end()), "{table:?}");
    let wide = done(&cli, &["list", "-o", "wide"], b"").stdout;
    let header = "ID SERVER USERNAME EMAIL KIND STATUS PASSWORD VERSION EXPIRES LAST CHECK LAST USED".split(' ');
    assert!(wide.lines().next().unwrap().split_whitespace().eq(header), "{wide}");
    let none = done(&cli, &["list", "--server", "quay.io"], b"");
    assert_eq!(none.stdout, "");
    assert_eq!(none.stderr, "No credentials for quay.io in acme/shop.\nThere are some for quay.io/acme.\n");
    done(&cli, &["update", "ghcr.io", "--email", "a@b.example", "--expires-at", "3d"], b"");
    let soon = done(&cli, &["list"], b"").stdout;
    assert!(soon.contains("EMAIL") && soon.contains("expires in 2d"), "{soon}");
    done(&cli, &["update", "ghcr.io", "--clear", "email,expires-at"], b"");
    assert_eq!(table.stderr, "");

    assert_eq!(done(&cli, &["list", "-o", "name"], b"").stdout, format!("{}\n{}\n", ids[0], ids[1]));
    let listed = json(&cli, &["list", "--output", "json"]);
    let listed: Vec<_> = listed.as_array().unwrap().iter().filter_map(|item| item["id"].as_str()).collect();
    assert_eq!(listed, ids);
    assert_eq!(line(&cli, &["list", "--server", "https://quay.io/acme/", "-o", "name"], ""), ids[1]);
    refused(&cli, &["list", "-o", "yaml"], b"", 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_thing_is_shown_as_lines_json_or_its_name() {
    let (_server, cli) = shop().await;
    let add = ["add", "--server", "ghcr.io", "--username", "bot", "--password-stdin", "-o", "json"];
    let made = done(&cli, &add, b"hunter2");
    let made: serde_json::Value = serde_json::from_str(&made.stdout).expect("one object");
    let id = made["id"].as_str().unwrap();
    let shown = done(&cli, &["get", "ghcr.io"], b"").stdout;
    assert!(shown.lines().any(|line| line.split_whitespace().eq(["id:", id])), "{shown}");
    assert!(shown.lines().any(|line| line.split_whitespace().eq(["last", "used:", "never"])), "{shown}");
    assert_eq!(line(&cli, &["get", "ghcr.io", "-o", "name"], ""), id);
    let updated = done(&cli, &["update", "ghcr.io", "--disable", "-o", "table"], b"").stdout;
    assert!(updated.starts_with("ID ") && updated.contains("disabled"), "{updated}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_says_how_it_ended() {
    let (mut server, cli) = shop().await;
    let id = added(&cli, "ghcr.io");
    done(&cli, &["get", &id], b"");
    refused(&cli, &["update", &id, "--image-prefix", "quay.io/x"], b"", 1);
    refused(&cli, &["list", "--project", "acme"], b"", 2);
    refused(&server.cli(), &["list"], b"", 2);
    refused(&cli, &["get", "quay.io"], b"", 3);
    refused(&cli, &["list", "-p", "acme/none"], b"", 3);
    let text = server.operator_token();
    let changed = if text.expose().ends_with('0') { '1' } else { '0' };
    let mistyped = format!("{}{changed}", &text.expose()[..text.expose().len() - 1]);
    let unknown = cli.clone().env("REGCRED_TOKEN_FILE", "").env("REGCRED_TOKEN", mistyped);
    refused(&unknown, &["list"], b"", 2);
    refused(&cli, &["pull-secret"], b"", 4);
    refused(&cli, &["add", "--server", "ghcr.io", "--password-stdin"], b"x", 5);
    server.kill();
    let down = refused(&cli, &["list"], b"", 6);
    assert!(down.stderr.contains("hint: is `regcred serve` running there?"), "{down:?}");
    let help = done(&cli, &["--help"], b"").stdout;
    for (code, meaning) in
        ["done", "refused", "wrong command line", "not found", "not authenticated", "exists", "service"]
            .into_iter()
            .enumerate()
    {
        assert!(help.contains(&format!("\n  {code}  {meaning}")), "{code}: {help}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_who_has_left_is_no_failure() {
    let (_server, cli) = shop().await;
    added(&cli, "ghcr.io");
    for arguments in
        [&["list"][..], &["list", "-o", "json"], &["get", "ghcr.io"], &["completions", "bash"], &["--help"]]
    {
        let (reader, writer) = std::io::pipe().expect("a pipe is made");
        drop(reader);
        let child = cli.command().args(arguments).stdout(writer).stderr(Stdio::piped()).spawn().expect("it starts");
        let output = child.wait_with_output().expect("it ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), stderr.as_ref()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn completions_are_scripts_that_their_shells_take() {
    for (shell, words) in [
        ("bash", ["complete -F _regcred", "pull-secret"]),
        ("zsh", ["#compdef regcred", "pull-secret"]),
        ("fish", ["complete -c regcred", "pull-secret"]),
    ] {
        let script = done(&Binary::new(), &["completions", shell], b"").stdout;
        for word in words {
            assert!(script.contains(word), "{shell}: {word}");
        }
        if shell == "bash" {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("regcred");
            std::fs::write(&file, &script).unwrap();
            let checked = Command::new("bash").arg("-n").arg(&file).output().expect("bash is a part of every Debian");
            assert!(checked.status.success() && checked.stderr.is_empty(), "{checked:?}");
        }
    }
    assert_eq!(Binary::new().run(&["completions", "cobol"], b"").status, 2);
}

#[test]
fn the_version_is_one_line() {
    let expected = format!("regcred {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(done(&Binary::new(), &["--version"], b"").stdout, expected);
    assert_eq!(done(&Binary::new(), &["-V"], b"").stdout, expected);
}

/// The subcommands that a help text lists.
fn subcommands(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = listed.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help" && !name.starts_with('[')).map(str::to_owned).collect()
}

#[test]
fn every_command_has_help_and_every_noun_an_example() {
    let help = |path: &[String]| {
        let arguments: Vec<_> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let output = done(&Binary::new(), &arguments, b"");
        assert!(output.stdout.contains("Usage: regcred") && output.stderr.is_empty(), "{arguments:?}: {output:?}");
        output.stdout
    };
    let top = subcommands(&help(&[]));
    assert!(top.len() >= 15, "{top:?}");
    let (mut waiting, mut seen): (Vec<_>, _) = (top.iter().map(|name| vec![name.clone()]).collect(), 0);
    while let Some(path) = waiting.pop() {
        let text = help(&path);
        seen += 1;
        waiting.extend(subcommands(&text).into_iter().map(|name| [&path[..], &[name]].concat()));
        let example = format!("regcred {}", path[0]);
        let given = text.lines().filter(|line| !line.starts_with("Usage:")).any(|line| line.contains(&example));
        assert!(given, "{path:?} has no example");
    }
    assert!(seen > 30, "{seen}");
}
