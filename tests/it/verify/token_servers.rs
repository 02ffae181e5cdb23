//! Token servers that cannot be reached, or that cannot show who they are.

use super::{Shop, told};
use crate::support::{Authority, Peer, Response, free_port, login};

/// A registry whose challenge names that token server, and that takes the token of a good one.
fn registry(server: &str) -> Peer {
    let challenge = format!("Bearer realm=\"https://{server}/token\",service=\"tests\"");
    Peer::start(move |seen| match seen.header("authorization") {
        Some("Bearer abc") => Response::welcome(),
        _ => Response::challenge(&challenge),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_server_that_cannot_be_reached_or_trusted_is_told_as_such_and_blames_no_login() {
    let (own, strange) = (Authority::new(), Authority::new());
    let tokens = |identity| Peer::with_tls(&identity, |_| Response::with(200, &[], r#"{"token":"abc"}"#));
    let bad = [
        tokens(own.identity("tokens.example.com")),
        tokens(own.expired("127.0.0.1")),
        tokens(strange.identity("127.0.0.1")),
        Peer::start(|_| Response::with(401, &[], "")),
    ];
    let good = tokens(own.identity("127.0.0.1"));
    let nobody = format!("127.0.0.1:{}", free_port());
    let servers: Vec<_> = ["tokens.invalid".to_owned(), nobody, "10.0.0.1".to_owned()]
        .into_iter()
        .chain(bad.iter().chain([&good]).map(Peer::host))
        .collect();
    let unreachable = ("unavailable", "token_server_unreachable");
    let expected = [unreachable, unreachable, ("unavailable", "token_server_not_allowed")];
    let expected = expected.into_iter().chain([("not_a_registry", "no_token"); 4]).chain([("ok", "login_accepted")]);
    let registries: Vec<_> = servers.iter().map(|server| registry(server)).collect();
    let hosts: Vec<_> = registries.iter().map(Peer::host).collect();
    let pairs: Vec<_> = hosts.iter().zip(&servers).map(|(host, server)| format!("{host}={server}")).collect();
    let [insecure, named] = [&hosts, &pairs].map(|list| list.iter().map(String::as_str).collect::<Vec<_>>());
    let shop = Shop::open(&insecure, &named).await;
    for (number, expected) in expected.enumerate() {
        let login = login(&hosts[number], "bot", "pw").vouched_by(&own.pem);
        // It is added although it was to be verified first: nothing is proven against it.
        let added = shop.editor.credential_create_verified(&shop.scope, &login.request(), None).await;
        let check = added.expect("it is added").last_check.expect("it was tried");
        assert_eq!(told(&check), expected, "{}", servers[number]);
        // Whoever reads it does not look at the registry, which has answered.
        assert!(check.result == "ok" || check.detail.contains("the registry's token server"), "{}", check.detail);
    }
    assert_eq!(bad.each_ref().map(|server| server.seen().len()), [0; 4], "nothing was said to them");
    assert_eq!(good.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_says_that_it_is_the_token_server_that_does_not_answer() {
    let server = format!("127.0.0.1:{}", free_port());
    let challenge = format!("Bearer realm=\"http://{server}/token\",service=\"tests\"");
    let peer = Peer::start(move |_| Response::challenge(&challenge));
    let (host, pair) = (peer.host(), format!("{}={server}", peer.host()));
    let shop = Shop::open(&[&host, &server], &[&pair]).await;
    let cli = shop.server.cli().env("REGCRED_PROJECT", "acme/shop");
    let why = "no connection to the registry's token server could be made";
    let added = cli.run(&["add", "-s", &host, "-u", "bot", "--password-stdin", "--verify"], b"pw");
    let warning = format!("warning: the login was added without being verified: {why}");
    assert!(added.status == 0 && added.stderr.contains(&warning), "{added:?}");
    let told = cli.run(&["verify", &host, "-o", "json"], b"");
    let told_as: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!((told.status, told_as["result"].as_str()), (6, Some("unavailable")), "{told:?}");
    assert!(told_as["detail"].as_str().is_some_and(|detail| detail.starts_with(why)), "{told:?}");
}
