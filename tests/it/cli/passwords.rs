//! Where a password comes from, what is kept of it, and that no message repeats it.

use super::{done, handed_out, refused, shop};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn exactly_one_line_end_goes_from_standard_input_and_from_a_file() {
    let (server, cli) = shop().await;
    let kept = [
        ("hunter2", "hunter2"),
        ("hunter2\n", "hunter2"),
        ("hunter2\r\n", "hunter2"),
        ("hunter2\n\n", "hunter2\n"),
        (" hunter2 \n", " hunter2 "),
        ("{\n  \"type\": \"service_account\"\n}\n", "{\n  \"type\": \"service_account\"\n}"),
        ("pässwörd \"'\\ <&>\n", "pässwörd \"'\\ <&>"),
    ];
    let file = server.data().join("password");
    let path = file.to_string_lossy();
    for (index, (given, _)) in kept.iter().enumerate() {
        std::fs::write(&file, given).unwrap();
        let (piped, read) = (format!("stdin{index}.example"), format!("file{index}.example"));
        done(&cli, &["add", "--server", &piped, "--password-stdin"], given.as_bytes());
        done(&cli, &["add", "--server", &read, "--password-file", &path], b"");
    }
    let logins = handed_out(&cli, server.data());
    for (index, (given, kept)) in kept.iter().enumerate() {
        for source in ["stdin", "file"] {
            assert_eq!(
                logins[format!("{source}{index}.example")]["password"],
                Value::from(*kept),
                "{source} {given:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_on_the_command_line_works_and_warns() {
    let (server, cli) = shop().await;
    let warning = "warning: --password leaves the password in the shell's history";
    for (server, flag) in [("a.example", "--password"), ("b.example", "--docker-password")] {
        let output = done(&cli, &["add", "--server", server, flag, "correct horse"], b"");
        assert!(output.stderr.starts_with(warning), "{output:?}");
        assert!(!output.stderr.contains("correct horse") && !output.stdout.contains("correct horse"), "{output:?}");
    }
    for odd in ["correct horse\n\n", " correct horse", "correct horse \n"] {
        let warned = done(&cli, &["update", "a.example", "--password-stdin"], odd.as_bytes()).stderr;
        assert!(warned.starts_with("warning: the password ") && !warned.contains("correct"), "{odd:?}: {warned}");
    }
    let past = ["add", "--server", "past.example", "-u", "bot", "--expires-at", "2020-01-01", "--password-stdin"];
    assert!(done(&cli, &past, b"hunter2").stderr.starts_with("warning: --expires-at is past"));
    let quiet = done(&cli, &["add", "--server", "c.example", "--password-stdin"], b"correct horse");
    assert!(quiet.stderr.contains("no user name"), "{quiet:?}");
    assert!(!quiet.stderr.contains("warning"), "{quiet:?}");
    let output = done(&cli, &["update", "c.example", "--password", "battery"], b"");
    assert!(output.stderr.starts_with(warning), "{output:?}");
    let logins = handed_out(&cli, server.data());
    assert_eq!(logins["b.example"]["password"], "correct horse");
    assert_eq!(logins["c.example"]["password"], "battery");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_and_without_a_source_there_is_no_password() {
    let (_server, cli) = shop().await;
    let refusal = refused(&cli, &["add", "--server", "ghcr.io"], b"hunter2\n", 2);
    assert!(refusal.stderr.contains("hint: pipe it in with --password-stdin"), "{refusal:?}");
    refused(&cli, &["add", "--server", "ghcr.io", "--password-file", "/nonexistent/file"], b"", 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_cannot_be_one_changes_nothing_and_is_not_repeated() {
    let (_server, cli) = shop().await;
    let long = "correcthorse".repeat(1400);
    let add = ["add", "--server", "ghcr.io", "--username", "bot", "--password-stdin"];
    for password in [&b""[..], b"\n", b"correcthorse\0", b"correct\x1bhorse", b"correcthorse\xff", long.as_bytes()] {
        let refusal = refused(&cli, &add, password, 2);
        assert!(!refusal.stderr.contains("correct"), "{refusal:?}");
    }
    assert_eq!(done(&cli, &["list", "-o", "name"], b"").stdout, "");
}

/// Each is a mistake that people make, with the password in the wrong place or beside a wrong word.
#[tokio::test(flavor = "multi_thread")]
async fn no_message_repeats_a_password_wherever_it_was_typed() {
    let (server, cli) = shop().await;
    let unreachable = cli.clone().env("REGCRED_URL", "http://127.0.0.1:1");
    for (cli, arguments, code) in [
        (&cli, &["add", "--server", "ghcr.io", "--username", "bot:correcthorse"][..], 2),
        (&cli, &["add", "--server", "https://bot:correcthorse@ghcr.io", "--username", "bot"], 2),
        (&cli, &["add", "--server", "ghcr.io", "--email", "correcthorse"], 2),
        (&cli, &["add", "--server", "ghcr.io", "--password-stdin", "correcthorse"], 2),
        (&cli, &["add", "--server", "ghcr.io", "--password-stdin=correcthorse"], 2),
        (&cli, &["add", "--server", "ghcr.io", "--password", "correcthorse", "--password-stdin"], 2),
        (&cli, &["add", "--server", "ghcr.io", "--password", "correcthorse", "--colour"], 2),
        (&cli, &["add", "--server", "ghcr.io", "--password", "correcthorse\u{1b}"], 2),
        (&cli, &["add", "--server", "ghcr.io", "--pasword=correcthorse"], 2),
        (&cli, &["add", "--url", "https://bot:correcthorse@regcred.example", "--server", "ghcr.io"], 2),
        (&cli, &["update", "bot:correcthorse@ghcr.io"], 2),
        (&cli, &["update", "ghcr.io", "--image-prefix", "bot:correcthorse@ghcr.io/acme"], 2),
        (&cli, &["list", "--server=https://bot:correcthorse@ghcr.io"], 2),
        (&cli, &["resolve", "bot:correcthorse@ghcr.io/acme"], 2),
        (&cli, &["token", "revoke", "correcthorse"], 2),
        (&cli, &["add", "-p", "acme/none", "--server", "ghcr.io", "--password", "correcthorse"], 3),
        (&cli, &["add", "--kind", "gitlab", "--server", "ghcr.io", "--password", "correcthorse"], 1),
        (&cli, &["update", "ghcr.io", "--password", "correcthorse"], 3),
        (&unreachable, &["add", "--server", "ghcr.io", "--password", "correcthorse"], 6),
    ] {
        let refusal = refused(cli, arguments, b"correcthorse", code);
        assert!(!refusal.stderr.contains("correcthorse"), "{arguments:?}: {refusal:?}");
    }
    assert!(!server.log().contains("correcthorse"));
}
