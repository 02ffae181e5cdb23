//! `regcred serve`.

use super::{
    exit::Exit,
    failure::{Failure, with_cause},
    output,
    session::quoted,
};
use crate::{
    config::{self, server::ServerOptions},
    lifecycle::{self, Ready},
    service::OperatorToken,
};
use clap::Args;
use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  regcred serve
  regcred serve --data-dir /var/lib/regcred --log-format json
  regcred serve --config /etc/regcred.toml

The file knows the same settings, in snake_case:
  data_dir = \"/var/lib/regcred\"
  public_listen = \"0.0.0.0:8080\"
Relative paths in it start at its own directory.";

/// Runs the service.
#[derive(Args)]
pub(super) struct Serve {
    /// TOML file with settings; flags and environment win over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write a new operator token to operator.token: the old one is lost
    ///
    /// Old ones stay good until `regcred token revoke --deployment` ends them.
    #[arg(long)]
    new_operator_token: bool,
    #[command(flatten)]
    options: ServerOptions,
}

pub(super) async fn run(args: Serve) -> Result<(), Failure> {
    let settings = args.options.resolve(args.config.as_deref())?;
    let token = if args.new_operator_token { OperatorToken::Always } else { OperatorToken::IfNoneIsGood };
    let served = lifecycle::serve(settings, token, |ready| {
        // The service runs on, also if nobody reads that it does.
        let _ = output::line(&ready_line(ready));
        if let Some(text) = next_steps(ready) {
            output::note(&text);
        }
    });
    served.await.map_err(|error| {
        let failure = Failure::new(Exit::Failure, with_cause(&error));
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })
}

fn ready_line(ready: &Ready) -> String {
    format!("regcred is ready: public=http://{} internal=http://{}", ready.public, ready.internal)
}

/// What to type next, where there is something new to know.
fn next_steps(ready: &Ready) -> Option<String> {
    if ready.new_operator_token.is_none() && ready.new_keyring.is_none() {
        return None;
    }
    let mut text = String::new();
    if let Some(keyring) = &ready.new_keyring {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\nA master key was made: {}\nBack it up, apart from the database: without it nothing can be decrypted.\n",
            keyring.display()
        );
    }
    if let Some(token) = &ready.new_operator_token {
        let _ = write!(text, "\nNext, in another terminal:\n{}{}", find_program(), first_commands(ready, token));
    }
    Some(text)
}

/// How a shell comes to know `regcred`, if it does not.
fn find_program() -> String {
    config::program_directory_off_path()
        .map_or_else(String::new, |directory| format!("  export PATH={}:$PATH\n", quoted(&directory.to_string_lossy())))
}

fn first_commands(ready: &Ready, token: &Path) -> String {
    let token = std::path::absolute(token).unwrap_or_else(|_| token.to_owned());
    let mut text = String::new();
    for (name, address, port) in [("REGCRED_URL", ready.public, 8080), ("REGCRED_INTERNAL_URL", ready.internal, 8081)] {
        let address = reachable(address);
        if address != SocketAddr::from((Ipv4Addr::LOCALHOST, port)) {
            let _ = writeln!(text, "  export {name}=http://{address}");
        }
    }
    let _ = write!(
        text,
        "  export REGCRED_TOKEN_FILE={}
  regcred org create acme
  regcred project create acme/shop
  regcred add --project acme/shop --server ghcr.io --username bot
  regcred token create --project acme/shop --name argo --role deployer --output-file argo.token
  regcred pull-secret --project acme/shop --token-file argo.token
",
        quoted(&token.to_string_lossy())
    );
    text
}

/// The address to call where the service listens on all of them.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    (ip, address.port()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(public: &str, token: Option<&str>) -> Ready {
        Ready {
            public: public.parse().unwrap(),
            internal: "127.0.0.1:8081".parse().unwrap(),
            data_dir: "/srv/regcred".into(),
            new_operator_token: token.map(PathBuf::from),
            new_keyring: None,
        }
    }

    #[test]
    fn the_ready_line_is_for_machines() {
        assert_eq!(
            ready_line(&ready("[::1]:8080", None)),
            "regcred is ready: public=http://[::1]:8080 internal=http://127.0.0.1:8081"
        );
    }

    #[test]
    fn a_first_start_says_what_to_type_and_a_later_one_is_silent() {
        assert!(next_steps(&ready("127.0.0.1:8080", None)).is_none());
        let text = next_steps(&ready("127.0.0.1:8080", Some("/srv/my data/operator.token"))).unwrap();
        assert!(text.contains("\n  export REGCRED_TOKEN_FILE='/srv/my data/operator.token'\n"), "{text}");
        assert!(!text.contains("REGCRED_URL"), "{text}");
        let text = next_steps(&ready("0.0.0.0:9000", Some("/t"))).unwrap();
        assert!(text.contains("export REGCRED_URL=http://127.0.0.1:9000\n"), "{text}");
    }

    #[test]
    fn what_it_says_to_type_is_understood() {
        let text = first_commands(&ready("127.0.0.1:8080", None), Path::new("/t"));
        for line in text.lines().map(str::trim).filter(|line| line.starts_with("regcred ")) {
            let parsed = <super::super::Cli as clap::Parser>::try_parse_from(line.split(' '));
            assert!(parsed.is_ok(), "{line}");
        }
    }
}
