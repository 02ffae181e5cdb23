//! Token servers that cannot be reached, or that cannot show who they are.

use super::{Shop, told};
use crate::support::{Authority, Peer, Response, login};

/// A registry whose challenge names that token server, and that takes the token of a good one.
fn registry(server: &str) -> Peer {
    let challenge = format!("Bearer realm=\"https://{server}/token\",service=\"tests\"");
    Peer::start(move |seen| match seen.header("authorization") {
        Some("Bearer abc") => Response::welcome(),
        _ => Response::challenge(&challenge),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_server_without_an_address_or_a_good_certificate_is_told_as_such_and_blames_no_login() {
    let (own, strange) = (Authority::new(), Authority::new());
    let tokens = |identity| Peer::with_tls(&identity, |_| Response::with(200, &[], r#"{"token":"abc"}"#));
    let bad = [
        tokens(own.identity("tokens.example.com")),
        tokens(own.expired("127.0.0.1")),
        tokens(strange.identity("127.0.0.1")),
        Peer::start(|_| Response::with(401, &[], "")),
    ];
    let good = tokens(own.identity("127.0.0.1"));
    let servers: Vec<_> =
        ["tokens.invalid".to_owned()].into_iter().chain(bad.iter().chain([&good]).map(Peer::host)).collect();
    let registries: Vec<_> = servers.iter().map(|server| registry(server)).collect();
    let hosts: Vec<_> = registries.iter().map(Peer::host).collect();
    let pairs: Vec<_> = hosts.iter().zip(&servers).map(|(host, server)| format!("{host}={server}")).collect();
    let [insecure, named] = [&hosts, &pairs].map(|list| list.iter().map(String::as_str).collect::<Vec<_>>());
    let shop = Shop::open(&insecure, &named).await;
    for (number, host) in hosts.iter().enumerate() {
        let login = login(host, "bot", "pw").vouched_by(&own.pem);
        // It is added although it was to be verified first: nothing is proven against it.
        let added = shop.editor.credential_create_verified(&shop.scope, &login.request(), None).await;
        let check = added.expect("it is added").last_check.expect("it was tried");
        if number + 1 == hosts.len() {
            assert_eq!(told(&check), ("ok", "login_accepted"), "the certificate was all that was missing");
        } else {
            assert_eq!(told(&check), ("not_a_registry", "no_token"), "{}", servers[number]);
            assert!(check.detail.contains("token server") && check.detail.contains("says nothing of the login"));
        }
    }
    assert_eq!(bad.each_ref().map(|server| server.seen().len()), [0; 4], "nothing was said to them");
    assert_eq!(good.seen().len(), 1);
}
