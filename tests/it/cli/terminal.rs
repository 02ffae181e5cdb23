//! What is different when a person sits there.

use super::{added, handed_out, json, line, shop};
use crate::support::Terminal;

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_asked_for_and_not_shown() {
    let (server, cli) = shop().await;
    let mut terminal = Terminal::start(&cli, &["add", "--server", "ghcr.io", "--username", "bot"]);
    terminal.wait_for("Password of bot at ghcr.io: ");
    terminal.wait_for_echo_off();
    terminal.type_line("correct horse");
    let (code, screen) = terminal.end();
    assert_eq!(code, 0, "{screen}");
    assert!(!screen.contains("correct") && !screen.contains("horse"), "{screen}");
    let id = line(&cli, &["get", "ghcr.io", "-o", "name"], "");
    assert!(screen.contains(&id), "{screen}");
    assert_eq!(handed_out(&cli, server.data())["ghcr.io"]["password"], "correct horse");

    let mut terminal = Terminal::start(&cli, &["update", "ghcr.io"]);
    terminal.wait_for("New password: ");
    terminal.wait_for_echo_off();
    terminal.type_line("battery staple");
    let (code, screen) = terminal.end();
    assert_eq!(code, 0, "{screen}");
    assert!(!screen.contains("battery"), "{screen}");
    assert_eq!(handed_out(&cli, server.data())["ghcr.io"]["password"], "battery staple");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_name_that_was_not_given_is_asked_for_and_may_be_none() {
    let (_server, cli) = shop().await;
    for (server, typed, username) in [("a.example", "robot", Some("robot")), ("b.example", "", None)] {
        let mut terminal = Terminal::start(&cli, &["add", "--server", server]);
        terminal.wait_for("Username (empty for none): ");
        terminal.type_line(typed);
        terminal.wait_for("Password ");
        terminal.wait_for_echo_off();
        terminal.type_line("hunter2");
        let (code, screen) = terminal.end();
        assert_eq!(code, 0, "{screen}");
        assert_eq!(json(&cli, &["get", server, "-o", "json"])["username"].as_str(), username);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_is_asked_about_and_only_yes_is_yes() {
    let (_server, cli) = shop().await;
    let id = added(&cli, "ghcr.io");
    for (answer, code, left) in [("n", 1, 1), ("", 1, 1), ("yes", 0, 0)] {
        let mut terminal = Terminal::start(&cli, &["delete", &id]);
        terminal.wait_for("Delete ghcr.io (bot) from acme/shop for good? [y/N]");
        terminal.type_line(answer);
        let (ended, screen) = terminal.end();
        assert_eq!(ended, code, "{screen}");
        assert_eq!(screen.contains("nothing was changed"), code == 1, "{screen}");
        assert_eq!(json(&cli, &["list", "-o", "json"]).as_array().map(Vec::len), Some(left));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_a_deletion_needs_a_word() {
    let (_server, cli) = shop().await;
    let id = added(&cli, "ghcr.io");
    let refusal = super::refused(&cli, &["delete", &id], b"y\n", 2);
    assert!(refusal.stderr.contains("hint: add --yes"), "{refusal:?}");
    assert_eq!(line(&cli, &["list", "-o", "name"], ""), id);
}

#[tokio::test(flavor = "multi_thread")]
async fn colour_is_for_terminals_that_want_it() {
    let (_server, cli) = shop().await;
    added(&cli, "ghcr.io");
    let shown = |cli| {
        let (code, screen) = Terminal::start(cli, &["list"]).end();
        assert_eq!(code, 0, "{screen}");
        assert!(screen.contains("ghcr.io"), "{screen}");
        screen
    };
    assert!(shown(&cli).contains('\x1b'), "a terminal gets colour");
    assert!(!shown(&cli.clone().env("NO_COLOR", "1")).contains('\x1b'), "but not where it is not wanted");
}
