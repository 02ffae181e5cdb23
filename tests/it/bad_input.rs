//! Bad input gets a clear problem, changes nothing, and comes back in no answer and no log.
//!
//! One table in three parts: bodies, what stands around them, and tokens. Every row has [`CANARY`] in what is wrong with it.

mod bodies;
mod requests;
mod world;

use crate::plain;
use serde_json::json;
use world::{CANARY, Case, ORGANIZATION, PROJECT, STRANGERS, World, own};

/// Runs the rows and tells of all that went wrong, not only of the first.
async fn check(world: &World, cases: Vec<Case>) {
    let scopes = [ORGANIZATION, PROJECT, STRANGERS];
    let before = plain::state(&world.server, &scopes).await;
    let mut faults = Vec::new();
    for case in &cases {
        faults.extend(case.faults(world).await.into_iter().map(|fault| format!("{}: {fault}", case.name)));
    }
    assert!(faults.is_empty(), "{} of {} rows:\n{}", faults.len(), cases.len(), faults.join("\n"));
    assert_eq!(plain::state(&world.server, &scopes).await, before, "something was changed");
    let log = world.server.log();
    assert!(log.contains("TRACE"), "the log is kept at trace level");
    let told = log.lines().find(|line| line.to_lowercase().contains(&CANARY.to_lowercase()));
    assert_eq!(told, None, "the log repeats what was sent");
    let told = log.lines().find(|line| world.tokens().iter().any(|token| line.contains(token)));
    assert_eq!(told, None, "the log repeats a token");
    let metrics = world.server.operator().metrics().await.expect("there are metrics");
    assert!(!metrics.contains(CANARY), "the metrics repeat what was sent:\n{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_is_not_valid_is_refused_where_it_is_bad() {
    let world = World::new().await;
    check(&world, bodies::create(&world)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_not_valid_is_refused_where_it_is_bad() {
    let world = World::new().await;
    check(&world, bodies::patch(&world)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_valid_is_refused_where_it_is_bad() {
    let world = World::new().await;
    check(&world, bodies::token(&world)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_login_cannot_be_tried_for_is_refused() {
    let world = World::new().await;
    check(&world, bodies::verify(&world)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_json_is_refused() {
    let world = World::new().await;
    check(&world, bodies::bytes(&world)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_parameter_is_refused_by_its_name() {
    let world = World::new().await;
    check(&world, requests::parameters(&world)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_or_somebody_elses_is_not_found() {
    let world = World::new().await;
    check(&world, requests::things(&world)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_a_path_does_not_know_is_refused_with_those_that_it_knows() {
    let world = World::new().await;
    check(&world, requests::methods(&world)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_if_match_that_is_not_the_tag_changes_nothing() {
    let world = World::new().await;
    check(&world, requests::if_match(&world)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_one_good_token_is_nobodys() {
    let world = World::new().await;
    check(&world, requests::tokens(&world)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_is_taken_for_what_it_says_and_nothing_else() {
    let world = World::new().await;
    let scopes = [ORGANIZATION, PROJECT, STRANGERS];
    let before = plain::state(&world.server, &scopes).await;
    for (path, status, slug) in requests::odd_paths() {
        let text = format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
            world.editor
        );
        let reply = plain::raw(&world.server.public, text.as_bytes()).await;
        assert_eq!((reply.status, reply.slug().as_str()), (status, slug), "{path}: {reply:?}");
        assert!(!reply.text().contains(CANARY), "{path}: {reply:?}");
    }
    for (what, bytes, status) in requests::odd_heads(&world.editor) {
        let reply = plain::raw(&world.server.public, &bytes).await;
        assert_eq!(reply.status, status, "{what}: {reply:?}");
        assert!(!reply.text().contains(CANARY), "{what}: {reply:?}");
    }
    assert_eq!(plain::state(&world.server, &scopes).await, before, "something was changed");
    let log = world.server.log();
    assert_eq!(log.lines().find(|line| line.contains(CANARY)), None, "the log repeats what was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_past_the_limit_is_refused_however_it_is_sent() {
    let world = World::new().await;
    let head = format!(
        "POST /v1/{PROJECT}/credentials HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\nconnection: close\r\n",
        world.editor
    );
    let body = format!("{{\"server\":\"{}\"}}", CANARY.repeat(14_000));
    let whole = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for request in [whole, chunked] {
        let reply = plain::raw(&world.server.public, request.as_bytes()).await;
        assert_eq!((reply.status, reply.slug().as_str()), (413, "body-too-large"), "{}", reply.text());
        assert!(!reply.text().contains(CANARY));
    }
    // What is only announced need not be awaited.
    let announced = format!("{head}content-length: 999999999999\r\n\r\n{{");
    let reply = plain::raw(&world.server.public, announced.as_bytes()).await;
    assert_eq!((reply.status, reply.slug().as_str()), (413, "body-too-large"), "{}", reply.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_spelling_of_a_server_is_the_same_server() {
    let world = World::new().await;
    let spellings = [
        "GHCR.io/acme",
        "https://ghcr.io/acme",
        "http://ghcr.io/acme",
        "HTTPS://GHCR.IO/acme/",
        "ghcr.io./acme",
        "https://ghcr.io/v2/acme",
        "ghcr.io/v1/acme/",
        "ghcr.io/acme///",
        "https://ghcr.io./v2/acme/",
        "ｇｈｃｒ.io/acme",
    ];
    let cases = spellings.map(|server| {
        let body = json!({"server": server, "username": CANARY, "password": CANARY});
        let case = world.create(&body.to_string()).refused(409, "credential-exists");
        Case { existing_id: Some(world.credential.clone()), ..case }
    });
    check(&world, cases.into()).await;
    let other = json!({"server": "https://GHCR.io/acme/", "password": CANARY});
    let case = world.patch(&other.to_string()).refused(409, "credential-exists").on(&own(&world.other));
    check(&world, vec![Case { existing_id: Some(world.credential.clone()), ..case }]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_project_looks_like_one_that_is_not_there() {
    let world = World::new().await;
    let body = json!({"server": "quay.io", "password": "x"}).to_string();
    let unknown = "organizations/acme/projects/nowhere";
    for (method, path, body) in [
        ("GET", "", None),
        ("DELETE", "", None),
        ("PUT", "", None),
        ("GET", "/credentials", None),
        ("POST", "/credentials", Some(body.as_bytes())),
        ("GET", "/tokens", None),
    ] {
        let mut seen = Vec::new();
        for scope in [STRANGERS, unknown] {
            let url = format!("{}/v1/{scope}{path}", world.server.public);
            let reply =
                plain::send(&world.http, method, &url, &[plain::bearer(&world.editor), plain::json()], body).await;
            let mut problem = reply.json();
            problem["request_id"] = json!(null);
            let mut headers = reply.headers;
            headers.retain(|(name, _)| name != "date" && name != "x-request-id");
            headers.sort_unstable();
            seen.push((reply.status, problem, headers));
        }
        assert_eq!(seen[0], seen[1], "{method} {path}");
        assert_eq!(seen[0].0, 404, "{method} {path}: {:?}", seen[0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_just_within_the_rules_is_taken() {
    let world = World::new().await;
    let credentials = format!("{}/v1/{PROJECT}/credentials", world.server.public);
    let editor = |name, value: &str| vec![plain::bearer(&world.editor), (name, value.to_owned())];
    let longest = json!({"server": "longest.example", "password": "\u{7}".replace('\u{7}', "\"").repeat(16 * 1024)});
    let with_charset = editor("content-type", "Application/JSON; charset=utf-8");
    let reply =
        plain::send(&world.http, "POST", &credentials, &with_charset, Some(longest.to_string().as_bytes())).await;
    assert_eq!(reply.status, 201, "{reply:?}");

    let url = format!("{}/v1/{}", world.server.public, own(&world.credential));
    for (tag, body, status) in [
        ("*", json!({"email": "a@acme.example"}), 200),
        ("\"2\"", json!({"email": "b@acme.example"}), 200),
        ("\"7\", \"3\"", json!({"email": null}), 200),
        ("*", json!({"server": "quay.io/acme2", "password": "x"}), 200),
        ("*", json!({"username": "another", "password": "x"}), 200),
        ("*", json!({"username": null, "password": "x"}), 200),
    ] {
        let mut headers = editor("if-match", tag);
        headers.push(("content-type", "application/merge-patch+json".to_owned()));
        let reply = plain::send(&world.http, "PATCH", &url, &headers, Some(body.to_string().as_bytes())).await;
        assert_eq!(reply.status, status, "{body} with {tag}: {reply:?}");
    }
    let reply = plain::send(&world.http, "DELETE", &url, &editor("if-match", "*"), None).await;
    assert_eq!(reply.status, 204, "{reply:?}");
}
