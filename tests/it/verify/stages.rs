//! Every stage, each by a server that brings it about.

use super::{Shop, at_peer, told};
use crate::support::{Authority, Peer, Response, Seen, free_port, login, store};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

/// What becomes of a login where everything is answered so.
async fn answered(reply: Response) -> (String, String) {
    let peer = Peer::start(move |_| reply.clone());
    let check = at_peer(&peer, None).await;
    (check.result, check.reason)
}

fn is(told: &(String, String), result: &str, reason: &str) {
    assert_eq!((told.0.as_str(), told.1.as_str()), (result, reason));
}

#[tokio::test(flavor = "multi_thread")]
async fn dns_a_name_without_an_address() {
    let shop = Shop::open(&[], &[]).await;
    let check = shop.try_login(&login("registry.invalid", "bot", "pw"), None).await;
    assert_eq!(told(&check), ("dns", "name_not_found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn connect_a_port_where_nobody_listens() {
    let host = format!("127.0.0.1:{}", free_port());
    let check = Shop::open(&[], &[]).await.try_login(&login(&host, "bot", "pw"), None).await;
    assert_eq!(told(&check), ("connect", "no_connection"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_what_does_not_speak_it_or_is_somebody_else() {
    let authority = Authority::new();
    let plain = Peer::start(|_| Response::welcome());
    let closing = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = closing.local_addr().unwrap().to_string();
    std::thread::spawn(move || closing.incoming().for_each(drop));
    let named = |identity| Peer::with_tls(&identity, |_| Response::welcome());
    let other = named(authority.identity("registry.example.com"));
    let expired = named(authority.expired("127.0.0.1"));
    let good = named(authority.identity("127.0.0.1"));
    let shop = Shop::open(&[], &[]).await;
    for (host, result, reason) in [
        (plain.host(), "tls", "no_tls"),
        (closed, "tls", "no_tls"),
        (other.host(), "tls", "certificate_name"),
        (expired.host(), "tls", "certificate_time"),
        (good.host(), "ok", "no_login_needed"),
    ] {
        let check = shop.try_login(&login(&host, "bot", "pw").vouched_by(&authority.pem), None).await;
        assert_eq!(told(&check), (result, reason), "{host}");
    }
    assert_eq!([plain.seen().len(), other.seen().len(), expired.seen().len()], [0; 3], "nothing was said to them");
}

#[tokio::test(flavor = "multi_thread")]
async fn not_a_registry_whatever_else_answers() {
    let html = [("content-type", "text/html")];
    is(&answered(Response::with(200, &html, "<html>welcome</html>")).await, "not_a_registry", "no_registry_api");
    is(&answered(Response::with(200, &html, "{}")).await, "not_a_registry", "no_registry_api");
    let json = [("content-type", "application/json")];
    is(&answered(Response::with(200, &json, "[]")).await, "not_a_registry", "no_registry_api");
    is(&answered(Response::with(404, &json, "{}")).await, "not_a_registry", "no_registry_api");
    is(&answered(Response::with(401, &html, "")).await, "not_a_registry", "no_known_challenge");
    is(&answered(Response::challenge("Negotiate")).await, "not_a_registry", "no_known_challenge");
    is(&answered(Response::Whole("SSH-2.0-OpenSSH\r\n\r\n".to_owned())).await, "not_a_registry", "no_http");
}

#[tokio::test(flavor = "multi_thread")]
async fn not_a_registry_a_web_site_that_lets_the_login_in() {
    let peer = Peer::start(|seen| match seen.header("authorization") {
        Some(_) => Response::with(200, &[("content-type", "text/html")], "<html>welcome</html>"),
        None => Response::challenge("Basic realm=\"x\""),
    });
    assert_eq!(told(&at_peer(&peer, None).await), ("not_a_registry", "no_registry_api"));
}

#[tokio::test(flavor = "multi_thread")]
async fn not_a_registry_an_answer_without_end() {
    let long = "x".repeat(300 * 1024);
    let fields = [("content-type", "application/json")];
    is(&answered(Response::with(200, &fields, &format!("{{\"a\":\"{long}\"}}"))).await, "not_a_registry", "no_http");
    is(&answered(Response::with(200, &[("x", &long)], "{}")).await, "not_a_registry", "no_http");
}

#[tokio::test(flavor = "multi_thread")]
async fn rate_limited_and_unavailable_say_nothing_of_the_login() {
    is(&answered(Response::with(429, &[("retry-after", "60")], "")).await, "rate_limited", "rate_limited");
    for status in [500, 502, 503, 504] {
        is(&answered(Response::with(status, &[], "")).await, "unavailable", "registry_failed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unavailable_what_breaks_off() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n{";
    for reply in [Response::Close, Response::Whole("HTTP/1.1 200".to_owned()), Response::Whole(head.to_owned())] {
        is(&answered(reply).await, "unavailable", "broken_off");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unavailable_what_does_not_come_to_an_end() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n{";
    let (slow_body, slow_head, silent) = tokio::join!(
        answered(Response::Slow(head.to_owned())),
        answered(Response::Slow("HTTP/1.1 200 OK\r\nx:".to_owned())),
        answered(Response::Silence),
    );
    for told in [slow_body, slow_head, silent] {
        is(&told, "unavailable", "timed_out");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unavailable_what_lets_nobody_in_from_here() {
    is(&answered(Response::with(403, &[], "")).await, "unavailable", "forbidden");
    let peer = Peer::start(|seen| match seen.header("authorization") {
        Some(_) => Response::with(403, &[], ""),
        None => Response::challenge("Basic realm=\"x\""),
    });
    assert_eq!(told(&at_peer(&peer, None).await), ("unavailable", "forbidden"));
}

#[tokio::test(flavor = "multi_thread")]
async fn unavailable_an_answer_for_the_image_that_says_nothing() {
    for (manifest, tags) in [(412, 200), (405, 200), (451, 200), (302, 200), (404, 405), (404, 302)] {
        let peer = Peer::start(move |seen| match seen.header("authorization") {
            None => Response::challenge("Basic realm=\"x\""),
            Some(_) if seen.path.contains("/manifests/") => Response::with(manifest, &[], ""),
            Some(_) if seen.path.contains("/tags/") => Response::with(tags, &[], ""),
            Some(_) => Response::welcome(),
        });
        assert_eq!(told(&at_peer(&peer, Some("app")).await), ("unavailable", "unclear"), "{manifest} {tags}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_perhaps_no_registry_does_not_tell_which_passwords_it_takes() {
    let html = [("content-type", "text/html")];
    let challenge = || Response::with(401, &[("www-authenticate", "Basic realm=\"Jenkins\"")], "");
    for (reply, result, reason) in [
        (challenge(), "not_a_registry", "not_let_in"),
        (Response::with(200, &html, "<html>welcome</html>"), "not_a_registry", "not_let_in"),
        (Response::with(302, &[("location", "/")], ""), "not_a_registry", "not_let_in"),
        (Response::with(403, &html, ""), "not_a_registry", "not_let_in"),
        (Response::with(404, &html, ""), "not_a_registry", "not_let_in"),
        (Response::with(429, &html, ""), "not_a_registry", "not_let_in"),
        (Response::with(500, &html, ""), "not_a_registry", "not_let_in"),
        (Response::Close, "not_a_registry", "not_let_in"),
        (Response::welcome(), "ok", "login_accepted"),
    ] {
        let peer = Peer::start(move |seen| match seen.header("authorization") {
            Some(_) => reply.clone(),
            None => challenge(),
        });
        assert_eq!(told(&at_peer(&peer, None).await), (result, reason));
    }
}

/// A registry that lets everybody in, and nobody without this login to its image or its list of tags.
fn half_open(login: Option<&str>, manifest: u16, tags: u16) -> Peer {
    let pair = login.map(|login| format!("Basic {}", STANDARD.encode(login)));
    Peer::start(move |seen| {
        let is_known = pair.is_some() && seen.header("authorization") == pair.as_deref();
        let answer = |status| match status {
            200 => Response::welcome(),
            _ if is_known => Response::welcome(),
            401 => Response::challenge("Basic realm=\"x\""),
            status => Response::with(status, &[], ""),
        };
        match seen.path.as_str() {
            "/v2/" => Response::welcome(),
            path if path.contains("/manifests/") => answer(manifest),
            _ => answer(tags),
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_login_that_an_open_registry_did_not_ask_for_nothing_is_said() {
    let right = Some("bot:s3cret-pw");
    for (login, manifest, tags, result, reason) in [
        (right, 401, 200, "ok", "pull_allowed"),
        (right, 404, 401, "ok", "pull_allowed"),
        (None, 401, 200, "unauthorized", "login_refused"),
        (None, 404, 401, "unauthorized", "login_refused"),
        (right, 200, 200, "ok", "no_login_needed"),
        (right, 404, 200, "ok", "no_login_needed"),
        (None, 404, 404, "unavailable", "unclear"),
        (None, 403, 200, "unavailable", "forbidden"),
        (None, 404, 403, "unavailable", "forbidden"),
        (None, 405, 200, "unavailable", "unclear"),
    ] {
        let peer = half_open(login, manifest, tags);
        let check = at_peer(&peer, Some("app")).await;
        assert_eq!(told(&check), (result, reason), "{manifest} {tags}");
        let sent = peer.seen().iter().any(|seen| seen.header("authorization").is_some());
        assert_eq!(sent, manifest == 401 || tags == 401, "{manifest} {tags}");
    }
}

/// A registry with a token server of its own at the same address.
fn with_tokens(host: &str, seen: &Seen, token: impl Fn(&Seen) -> Response) -> Response {
    match seen.header("authorization") {
        _ if seen.path.starts_with("/token") => token(seen),
        Some(bearer) if bearer.starts_with("Bearer ") => Response::welcome(),
        _ => Response::challenge(&format!("Bearer realm=\"http://{host}/token?x=1\",service=\"s p\"")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stage_of_the_token_server_is_told_too() {
    let token = |body: &str| Response::with(200, &[("content-type", "application/json")], body);
    for (reply, result, reason) in [
        (token(r#"{"token": "abc"}"#), "ok", "login_accepted"),
        (token(r#"{"access_token": "abc", "expires_in": 60}"#), "ok", "login_accepted"),
        (token(r#"{"token": "", "access_token": "abc"}"#), "ok", "login_accepted"),
        (token("{}"), "not_a_registry", "no_token"),
        (token(r#"{"token": "a\r\nb: c"}"#), "not_a_registry", "no_token"),
        (token("<html>"), "not_a_registry", "no_token"),
        (Response::with(401, &[], ""), "unauthorized", "login_refused"),
        (Response::with(403, &[], ""), "unavailable", "forbidden"),
        (Response::with(302, &[("location", "https://ghcr.io/")], ""), "not_a_registry", "no_token"),
        (Response::Whole("SSH-2.0-OpenSSH\r\n\r\n".to_owned()), "not_a_registry", "no_token"),
        (Response::with(418, &[], ""), "not_a_registry", "no_token"),
        (Response::with(400, &[], r#"{"error":"invalid_scope"}"#), "not_a_registry", "no_token"),
        (Response::with(429, &[], ""), "rate_limited", "rate_limited"),
        (Response::with(503, &[], ""), "unavailable", "token_server_failed"),
        (Response::Close, "unavailable", "token_server_failed"),
        (Response::Silence, "unavailable", "token_server_failed"),
    ] {
        let host = format!("127.0.0.1:{}", free_port());
        let own = host.clone();
        let peer = Peer::at(&host, None, move |seen| with_tokens(&own, seen, |_| reply.clone()));
        let check = at_peer(&peer, None).await;
        assert_eq!(told(&check), (result, reason));
        let asked = peer.seen().into_iter().find(|seen| seen.path.starts_with("/token")).expect("it is asked");
        assert_eq!(asked.path, "/token?x=1&service=s+p&account=bot");
        assert_eq!(asked.header("authorization"), Some(&*format!("Basic {}", STANDARD.encode("bot:s3cret-pw"))));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_server_that_knows_only_forms_gets_one() {
    assert_eq!(by_form("s3cret-pw").await, ("ok".to_owned(), "login_accepted".to_owned()));
    assert_eq!(by_form("another").await, ("unauthorized".to_owned(), "login_refused".to_owned()));
}

/// What becomes of a login at a token server that takes this password, in forms alone.
async fn by_form(password: &'static str) -> (String, String) {
    let host = format!("127.0.0.1:{}", free_port());
    let own = host.clone();
    let peer = Peer::at(&host, None, move |seen| {
        with_tokens(&own, seen, |seen| match seen.method.as_str() {
            "POST"
                if seen.body.ends_with(&format!("password={password}"))
                    && seen.body.contains("grant_type=password&") =>
            {
                Response::with(200, &[], &json!({"access_token": "abc"}).to_string())
            }
            "POST" => Response::with(400, &[], r#"{"error":"invalid_grant"}"#),
            _ => Response::with(405, &[], ""),
        })
    });
    let check = at_peer(&peer, None).await;
    (check.result, check.reason)
}

/// What a registry answers the question for a manifest, with these limits.
fn limited(status: u16, limit: &str, remaining: &str) -> Response {
    Response::Whole(format!(
        "HTTP/1.1 {status} Status\r\nratelimit-limit: {limit}\r\nratelimit-remaining: {remaining}\r\n\r\n"
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_pulls_are_read_as_docker_hub_tells_them_and_shown() {
    let peer = Peer::start(|seen| match (seen.header("authorization"), seen.path.as_str()) {
        (None, _) => Response::challenge("Basic realm=\"x\""),
        (Some(_), "/v2/" | "/v2/silent/manifests/1") => Response::welcome(),
        (Some(_), "/v2/some/manifests/1") => limited(200, "100;w=21600", "76;w=21600"),
        (Some(_), "/v2/none/manifests/1") => limited(429, "100;w=21600", "0;w=21600"),
        (Some(_), "/v2/plain/manifests/1") => limited(200, " 5 ", "4"),
        (Some(_), "/v2/odd/manifests/1") => limited(200, "many", "76"),
        (Some(_), "/v2/half/manifests/1") => limited(200, "-1", "76"),
        // Other answers have limits of other things.
        _ => limited(404, "1", "1"),
    });
    let shop = Shop::open(&[&peer.host()], &[]).await;
    let stored = store(&shop.editor, &shop.scope, &login(&peer.host(), "bot", "pw")).await;
    let cli = shop.server.cli().env("REGCRED_PROJECT", "acme/shop");
    for (name, reason, expected, shown) in [
        ("some", "pull_allowed", Some((100, 76, Some(21600))), "76 of 100 in 6h"),
        ("none", "rate_limited", Some((100, 0, Some(21600))), "0 of 100 in 6h"),
        ("plain", "pull_allowed", Some((5, 4, None)), "4 of 5\n"),
        ("odd", "pull_allowed", None, ""),
        ("half", "pull_allowed", None, ""),
        ("silent", "pull_allowed", None, ""),
    ] {
        let check = shop.try_stored(&stored, Some(&format!("{}/{name}:1", peer.host()))).await;
        let rate = check.rate_limit.map(|rate| (rate.limit, rate.remaining, rate.window_seconds));
        assert_eq!((check.reason.as_str(), rate), (reason, expected), "{name}");
        let told = cli.run(&["get", &peer.host()], b"").stdout;
        assert!(told.contains(shown) && told.contains("pulls left") == expected.is_some(), "{name}: {told}");
    }
    // It is not counted as a pull.
    let asked: Vec<_> = peer.seen().into_iter().filter(|seen| seen.path.contains("/manifests/")).collect();
    assert!(asked.len() == 6 && asked.iter().all(|seen| seen.method == "HEAD"), "{asked:?}");
}
