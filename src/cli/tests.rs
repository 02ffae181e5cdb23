use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split(' '))
}

#[test]
fn the_command_line_contradicts_itself_nowhere() {
    Cli::command().debug_assert();
}

#[test]
fn the_help_lists_every_exit_code() {
    let help = Cli::command().render_help().to_string();
    for code in 0..=6 {
        assert!(help.contains(&format!("\n  {code}  ")), "{code}");
    }
}

#[test]
fn flags_of_kubectl_are_understood() {
    let line = "regcred add -p acme/shop --docker-server ghcr.io --docker-username bot --docker-email a@b \
                --docker-password x";
    assert!(parse(line).is_ok());
}

#[test]
fn what_contradicts_is_refused() {
    for line in [
        "regcred list --project acme/shop --org acme",
        "regcred list --project acme",
        "regcred add -p acme/shop --server ghcr.io --password x --password-stdin",
        "regcred update ghcr.io --enable --disable",
        "regcred update ghcr.io --clear password",
        "regcred token list --deployment --org acme",
        "regcred token create --org acme --name x --role god",
        "regcred token create --org acme --name x --role viewer --expires-in-days 0",
        "regcred audit list --tail 3 --limit 3",
        "regcred add -p acme/shop --server ghcr.io --expires-at soon",
        "regcred serve --passphrase x",
        "regcred list --token x",
    ] {
        assert_eq!(parse(line).err().map(|error| error.exit_code()), Some(2), "{line}");
    }
}

#[test]
fn the_connection_can_be_named_before_and_after_the_verb() {
    assert!(parse("regcred org --url http://localhost:1 list").is_ok());
    assert!(parse("regcred org list --url http://localhost:1").is_ok());
}

#[test]
fn a_listener_without_tls_is_allowed_with_and_without_a_value() {
    assert!(parse("regcred serve --internal-listen-plaintext").is_ok());
    assert!(parse("regcred serve --internal-listen-plaintext=false --log debug").is_ok());
}
