//! What verification cannot be made to do: to connect to where it must not, or to send a login to anybody but its registry.

use super::{Shop, told};
use crate::support::{Binary, Peer, Response, login, problem, slug};
use std::net::TcpListener;

/// A place on this machine where nobody should come, at every address of loopback that a guard may forget.
struct Sink {
    peers: Vec<Peer>,
    port: u16,
}

impl Sink {
    fn dig() -> Self {
        loop {
            let first = Peer::sink("127.0.0.1:0");
            let port = first.address.port();
            let others = [format!("127.0.0.2:{port}"), format!("[::1]:{port}")];
            if others.iter().all(|address| TcpListener::bind(address).is_ok()) {
                let others = others.iter().map(|address| Peer::sink(address));
                return Self { peers: std::iter::once(first).chain(others).collect(), port };
            }
        }
    }

    fn hits(&self) -> usize {
        self.peers.iter().map(Peer::connections).sum()
    }

    fn logins(&self) -> usize {
        let seen = self.peers.iter().flat_map(Peer::seen);
        seen.filter(|seen| seen.header("authorization").is_some() || seen.body.contains("password")).count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_address_that_is_not_public_is_dialled_however_it_is_written() {
    let sink = Sink::dig();
    let port = sink.port;
    // All without TLS, so that nothing but the guard stands between.
    let hosts = [
        "127.0.0.1",
        "127.0.0.2",
        "0.0.0.0",
        "localhost",
        "[::1]",
        "[::]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "[::7f00:1]",
        "[2001::7f00:1]",
    ];
    let hosts = hosts.map(|host| format!("{host}:{port}"));
    let insecure: Vec<_> = hosts.iter().map(String::as_str).collect();
    let shop = Shop::with(Binary::new(), &insecure, &[]).await;
    for host in &hosts {
        let check = shop.try_login(&login(host, "bot", "pw"), None).await;
        assert_eq!(told(&check), ("connect", "address_not_allowed"), "{host}");
    }
    assert_eq!(sink.hits(), 0);

    // The guard is all that was in the way.
    let open = Shop::with(Binary::new().env("REGCRED_REGISTRY_NETWORKS", "127.0.0.1,::1"), &insecure, &[]).await;
    for host in [&hosts[0], &hosts[3], &hosts[4]] {
        let check = open.try_login(&login(host, "bot", "pw"), None).await;
        assert_eq!(told(&check), ("ok", "no_login_needed"), "{host}");
    }
    assert_eq!(sink.hits(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn spellings_that_hide_an_address_are_no_servers() {
    let shop = Shop::open(&[], &[]).await;
    for host in [
        "2130706433:80",
        "0x7f000001:80",
        "0x7f.0.0.1:80",
        "0177.0.0.1:80",
        "127.1:80",
        "127.0.1:80",
        "[::ffff:127.0.0.1]:80",
        "[::ffff:7f00:1]:80",
        "１２７.0.0.1:80",
        "127。0。0。1:80",
        "[fe80::1%25lo]:80",
        "127.0.0.1%2f:80",
    ] {
        let body = serde_json::json!({"server": host, "username": "bot", "password": "pw"}).to_string();
        let headers = [
            ("authorization", format!("Bearer {}", shop.server.operator_token().expose())),
            ("content-type", "application/json".to_owned()),
        ];
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let path = format!("/v1/{}/credentials", shop.scope);
        let added = crate::support::exchange(&shop.server.public, "POST", &path, &headers, body.as_bytes());
        // Full-width digits and dots are those of an address (UTS 46), and kept as such.
        let is_kept = host.contains(['１', '。']) && added.status == 201;
        assert!(added.status == 422 || is_kept, "{host}: {}", added.status);
    }
    let all = shop.editor.credential_list_all(&shop.scope, None).await.unwrap().items;
    assert!(all.iter().all(|item| item.server.starts_with("127.0.0.1:")), "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_followed_to_another_place() {
    let sink = Sink::dig();
    let target = format!("http://127.0.0.1:{}/v2/", sink.port);
    for status in [301, 302, 303, 307, 308] {
        let location = target.clone();
        let peer = Peer::start(move |_| Response::with(status, &[("location", &location)], ""));
        // The target may be dialled, and speaks the API; it is only not what the login is for.
        let check = super::at_peer(&peer, None).await;
        assert_eq!(told(&check), ("not_a_registry", "redirected"), "{status}");
        let location = target.clone();
        let peer = Peer::start(move |seen| match seen.header("authorization") {
            Some(_) => Response::with(status, &[("location", &location)], ""),
            None => Response::challenge("Basic realm=\"x\""),
        });
        let check = super::at_peer(&peer, Some("app")).await;
        assert_eq!(told(&check), ("not_a_registry", "redirected"), "{status}");
    }
    assert_eq!((sink.hits(), sink.logins()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_goes_to_no_token_server_but_the_registrys_own() {
    let sink = Sink::dig();
    let port = sink.port;
    let realms = [
        format!("http://127.0.0.1:{port}/token"),
        format!("http://127.0.0.2:{port}/token"),
        format!("http://localhost:{port}/token"),
        format!("http://[::1]:{port}/token"),
        format!("http://[::ffff:127.0.0.1]:{port}/token"),
        format!("http://0x7f.1:{port}/token"),
        format!("http://2130706433:{port}/token"),
        format!("http://017700000001:{port}/token"),
        format!("http://0:{port}/token"),
        format!("https://127.0.0.1:{port}/token"),
        format!("//127.0.0.1:{port}/token"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "file:///etc/passwd".to_owned(),
        "gopher://127.0.0.1/".to_owned(),
    ];
    let insecure = ["127.0.0.1", "127.0.0.2", "localhost", "[::1]"].map(|host| format!("{host}:{port}"));
    for realm in realms {
        for user in ["", "user@", "user:pw@"] {
            let realm = realm.replacen("//", &format!("//{user}"), 1);
            let challenge = format!("Bearer realm=\"{realm}\",service=\"x\"");
            let peer = Peer::start(move |_| Response::challenge(&challenge));
            let own = peer.host();
            // Neither the network nor missing TLS is in the way: only that the server is not the registry's.
            let insecure: Vec<_> = insecure.iter().map(String::as_str).chain([own.as_str()]).collect();
            let networks = Binary::new().env("REGCRED_REGISTRY_NETWORKS", "127.0.0.0/8,::1");
            let shop = Shop::with(networks, &insecure, &[]).await;
            let check = shop.try_login(&login(&own, "bot", "pw"), None).await;
            assert_eq!(told(&check), ("not_a_registry", "realm_not_allowed"), "{realm}");
            let sent = peer.seen().into_iter().filter(|seen| seen.header("authorization").is_some()).count();
            assert_eq!(sent, 0, "not even the registry gets what it asked for elsewhere");
        }
    }
    assert_eq!((sink.hits(), sink.logins()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_server_that_the_operator_has_named_is_dialled_under_the_same_guard() {
    let sink = Sink::dig();
    let server = format!("127.0.0.2:{}", sink.port);
    let challenge = format!("Bearer realm=\"http://{server}/token\"");
    let peer = Peer::start(move |seen| match seen.header("authorization") {
        Some("Bearer t") => Response::welcome(),
        _ => Response::challenge(&challenge),
    });
    let (own, pair) = (peer.host(), format!("{}={server}", peer.host()));
    let shop = Shop::open(&[&own, &server], &[&pair]).await;
    let check = shop.try_login(&login(&own, "bot", "pw"), None).await;
    assert_eq!(told(&check), ("unavailable", "token_server_not_allowed"));
    assert_eq!((sink.hits(), sink.logins()), (0, 0));

    // Named, and in a network that is allowed, it gets the login; the registry gets the token alone.
    let networks = Binary::new().env("REGCRED_REGISTRY_NETWORKS", "127.0.0.0/8");
    let shop = Shop::with(networks, &[&own, &server], &[&pair]).await;
    let check = shop.try_login(&login(&own, "bot", "pw"), None).await;
    assert_eq!(told(&check), ("ok", "login_accepted"));
    assert_eq!((sink.hits(), sink.logins()), (1, 1));
    let fields: Vec<_> =
        peer.seen().iter().filter_map(|seen| seen.header("authorization").map(str::to_owned)).collect();
    assert_eq!(fields, ["Bearer t"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_has_denied_is_not_dialled_whatever_else_he_has_said() {
    let sink = Sink::dig();
    let denied = format!("127.0.0.2:{}", sink.port);
    let challenge = format!("Bearer realm=\"http://{denied}/token\"");
    let peer = Peer::start(move |_| Response::challenge(&challenge));
    let (own, pair) = (peer.host(), format!("{}={denied}", peer.host()));
    let networks = Binary::new().env("REGCRED_REGISTRY_NETWORKS", "127.0.0.0/8,127.0.0.2");
    let networks = networks.env("REGCRED_REGISTRY_NETWORKS_DENY", "198.51.100.0/24, 127.0.0.2");
    let shop = Shop::with(networks, &[&own, &denied], &[&pair]).await;
    // By itself, and as a token server that he has named.
    for (host, expected) in
        [(&denied, ("connect", "address_not_allowed")), (&own, ("unavailable", "token_server_not_allowed"))]
    {
        let check = shop.try_login(&login(host, "bot", "pw"), None).await;
        assert_eq!(told(&check), expected, "{host}");
    }
    assert_eq!((sink.hits(), peer.connections()), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_word_of_the_operator_everything_is_tls() {
    let peer = Peer::start(|_| Response::welcome());
    let shop = Shop::open(&[], &[]).await;
    let check = shop.try_login(&login(&format!("http://{}", peer.host()), "bot", "pw"), None).await;
    assert_eq!(told(&check), ("tls", "no_tls"));
    assert!(peer.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_of_the_environment_is_not_asked() {
    let sink = Sink::dig();
    let proxy = format!("http://127.0.0.1:{}", sink.port);
    let names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let binary = names.iter().fold(Binary::new().env("NO_PROXY", ""), |binary, name| binary.env(name, &proxy));
    let peer = Peer::start(|_| Response::welcome());
    let shop = Shop::with(binary.env("REGCRED_REGISTRY_NETWORKS", "127.0.0.1"), &[&peer.host()], &[]).await;
    let check = shop.try_login(&login(&peer.host(), "bot", "pw"), None).await;
    assert_eq!(told(&check), ("ok", "no_login_needed"));
    assert_eq!((peer.connections(), sink.hits()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_not_tried_for_what_it_is_not_offered_for() {
    let peer = Peer::start(|_| Response::welcome());
    let shop = Shop::open(&[&peer.host()], &[]).await;
    let server = format!("{}/team", peer.host());
    let stored = crate::support::store(&shop.editor, &shop.scope, &login(&server, "bot", "pw")).await;
    for image in
        [format!("{}/other/app", peer.host()), format!("{}/teams/app", peer.host()), "ghcr.io/team/app".to_owned()]
    {
        let image = image.parse().unwrap();
        let refused = shop.editor.credential_verify(&shop.scope, crate::support::id(&stored), Some(&image)).await;
        let refused = problem(refused);
        assert_eq!((refused.status, slug(&refused)), (422, "invalid-body"), "{image}");
        assert_eq!(refused.errors[0].pointer, "/image");
        assert_eq!(refused.errors[0].detail, "must lie below the login's server");
        // On the way in it stands beside the body.
        let new = login(&format!("{server}/new"), "bot", "pw");
        let refused = shop.editor.credential_create_verified(&shop.scope, &new.request(), Some(&image)).await;
        let refused = problem(refused);
        assert_eq!((refused.status, slug(&refused)), (400, "invalid-parameter"), "{image}");
        assert_eq!(
            (refused.errors[0].pointer.as_str(), refused.errors[0].detail.as_str()),
            ("image", "must lie below the login's server, and below its image_prefix if it has one")
        );
    }
    let (narrow, prefix) = (login(&peer.host(), "bot", "pw"), format!("{}/team/app", peer.host()).parse().unwrap());
    let narrow = regcred::client::NewCredential { image_prefix: Some(&prefix), ..narrow.request() };
    let stored = shop.editor.credential_create(&shop.scope, &narrow).await.unwrap();
    for (image, tried) in [("team/other", false), ("team/application", false), ("team/app", true), ("team/app/x", true)]
    {
        let image = format!("{}/{image}", peer.host()).parse().unwrap();
        let checked = shop.editor.credential_verify(&shop.scope, crate::support::id(&stored), Some(&image)).await;
        assert_eq!(peer.connections() > 0, tried, "{image}");
        if tried {
            assert_eq!(told(&checked.unwrap()), ("ok", "no_login_needed"), "{image}");
            continue;
        }
        let refused = problem(checked);
        assert_eq!((refused.status, slug(&refused)), (422, "invalid-body"), "{image}");
        assert_eq!(refused.errors[0].detail, "must lie below the login's image_prefix");
        assert_eq!(refused.errors[0].pointer, "/image");
    }
}
