//! What stands around a body and is refused: paths, methods, parameters, headers, tokens.

use super::world::{CANARY, Case, ORGANIZATION, PROJECT, STRANGERS, World, own};
use crate::plain;

const NOBODY: &str = "01970000-0000-7000-8000-000000000000";

pub fn parameters(world: &World) -> Vec<Case> {
    let mut cases = Vec::new();
    let list = |path: &str, query: &str| {
        let case = world.row("GET", &format!("{path}?{query}"));
        case.by(&world.admin).refused(400, "invalid-parameter")
    };
    // The keys of other lists. (A name may look like any of them.)
    let (name, number) = ("YWNtZQ", "Nw");
    let credentials = format!("{PROJECT}/credentials");
    for (path, others) in [
        ("organizations", vec![]),
        (&credentials, vec![name, number]),
        (&format!("{PROJECT}/tokens"), vec![name, number]),
    ] {
        for limit in ["0", "501", "-1", CANARY, "1.5", "", "4294967297", "1e1", "%31%00", "0x1", " 1"] {
            cases.push(list(path, &format!("limit={limit}")).at("limit"));
        }
        for cursor in [CANARY, "", "%", "a b", "====", "w7w", "__8"] {
            cases.push(list(path, &format!("cursor={cursor}{CANARY}!")).at("cursor"));
        }
        for cursor in others {
            cases.push(list(path, &format!("cursor={cursor}")).at("cursor"));
        }
        for query in ["limit=1&limit=2", "limit=1&limit=1", "limit=1&%6cimit=2"] {
            cases.push(list(path, query).at("limit"));
        }
        for query in [format!("{CANARY}=1"), format!("limit=1&{CANARY}"), format!("Limit={CANARY}"), "=".to_owned()] {
            cases.push(list(path, &query));
        }
    }
    for server in ["", CANARY, "https://", "r.io%00", "r.io/UPPER", "a..b", "r.io%3Fx", "r.io%0d%0ax:y", "%ff.io"] {
        cases.push(list(&credentials, &format!("server={server}")).at("server"));
    }
    cases.push(list(&credentials, "server=ghcr.io&server=quay.io").at("server"));
    let add = |query: &str| {
        let case = world.row("POST", &format!("{credentials}?{query}")).body(b"{}").with(plain::json());
        case.refused(400, "invalid-parameter")
    };
    for verify in [CANARY, "", "1", "True", "true&verify=true"] {
        cases.push(add(&format!("verify={verify}")).at("verify"));
    }
    for query in ["image=ghcr.io/acme/app".to_owned(), format!("verify=true&image={CANARY}")] {
        cases.push(add(&query).at("image"));
    }
    cases.push(add(&format!("{CANARY}=true")));
    let pull = |query: String| {
        let case = world.row("GET", "").by(&world.deployer).refused(400, "invalid-parameter");
        let path = format!("/internal/v1/{PROJECT}/pull-secret?{query}");
        Case { name: path.clone(), path, internal: true, ..case }
    };
    for format in [CANARY, "", "kubernetes", "Docker-Config"] {
        cases.push(pull(format!("format={format}")).at("format"));
    }
    cases.push(pull("format=docker-config&format=docker-config".to_owned()).at("format"));
    for image in [CANARY, "", "r.io/", "r.io/a:", "r.io/a@sha256:1", "r.io/a%00", "https://r.io/a", "r.io/a//b"] {
        cases.push(pull(format!("image={image}")).at("image"));
    }
    cases.push(pull("image=r.io/a&".repeat(101)).at("image"));
    cases.push(pull(format!("{CANARY}=1")));
    cases
}

/// Things that are not there, or are somebody else's.
pub fn things(world: &World) -> Vec<Case> {
    let mut cases = Vec::new();
    let everyone = [world.row("GET", ""), world.patch("{}"), world.row("DELETE", "")];
    for case in &everyone {
        let again = |path: String| Case {
            name: format!("{} {path}", case.method),
            headers: case.headers.clone(),
            body: case.body.clone(),
            ..world.row(case.method, &path)
        };
        for id in [CANARY, "1", "-", "ffffffff-ffff-ffff-ffff-fffffffffffg", "%7bcAnArY7f3kQ%7d"] {
            cases.push(again(own(id)).refused(400, "invalid-parameter").at("id"));
        }
        for id in [NOBODY, &world.strangers, &world.credential.replace('-', "")[..32].replace("01", "02")] {
            cases.push(again(own(id)).refused(404, "not-found"));
        }
        let elsewhere = [
            format!("{STRANGERS}/credentials/{}", world.strangers),
            format!("{STRANGERS}/credentials/{NOBODY}"),
            format!("{ORGANIZATION}/credentials/{}", world.inherited),
            format!("organizations/nobody/credentials/{NOBODY}"),
        ];
        cases.extend(elsewhere.map(|path| again(path).refused(404, "not-found")));
        if case.method != "GET" {
            cases.push(again(own(&world.inherited)).refused(403, "inherited-credential"));
        }
    }
    for (name, parameter) in [(CANARY, "organization"), ("-a", "organization"), ("a_b", "organization")] {
        for path in [format!("organizations/{name}"), format!("organizations/{name}/credentials")] {
            cases.push(world.row("GET", &path).refused(400, "invalid-parameter").at(parameter));
        }
    }
    for name in [CANARY, "a.b", "A", &"a".repeat(64), "%c3%a4", "a%20b", "a%00", "a%2fb", "a%0d%0ab"] {
        for method in ["GET", "PUT", "DELETE"] {
            let path = format!("organizations/acme/projects/{name}");
            cases.push(world.row(method, &path).refused(400, "invalid-parameter").at("project"));
        }
    }
    for path in [CANARY, "organizations/acme/cAnArY7f3kQ", "credentials", "../v1", "whoami/", "Whoami", "v1/whoami"] {
        cases.push(world.row("GET", path).refused(404, "no-such-path"));
    }
    for (path, internal) in [
        (format!("/internal/v1/{PROJECT}/pull-secret"), false),
        ("/internal/v1/keys".to_owned(), false),
        ("/metrics".to_owned(), false),
        (format!("/v1/{PROJECT}/credentials"), true),
        ("/v1/whoami".to_owned(), true),
        (format!("/{CANARY}"), true),
    ] {
        let case = world.row("GET", "").by(&world.deployer).refused(404, "no-such-path");
        cases.push(Case { name: format!("{path} on the wrong listener"), path, internal, ..case });
    }
    cases
}

pub fn methods(world: &World) -> Vec<Case> {
    let one = own(&world.credential);
    let rows = [
        ("whoami".to_owned(), "GET", vec!["POST", "PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", CANARY]),
        ("organizations".to_owned(), "GET", vec!["POST", "DELETE", CANARY]),
        (PROJECT.to_owned(), "DELETE GET PUT", vec!["POST", "PATCH", CANARY]),
        (format!("{PROJECT}/credentials"), "GET POST", vec!["PUT", "PATCH", "DELETE", CANARY]),
        (one, "DELETE GET PATCH", vec!["PUT", "POST", "get", CANARY]),
        (format!("{PROJECT}/tokens/{NOBODY}"), "DELETE GET", vec!["PUT", "PATCH", CANARY]),
    ];
    let case = |path: &str, allow, method| {
        let case = world.row(method, path).refused(405, "method-not-allowed");
        Case { allow: Some(allow), ..case }
    };
    rows.iter()
        .flat_map(|(path, allow, methods)| methods.iter().map(|method| case(path, *allow, *method)))
        .chain([Case { internal: true, path: "/metrics".to_owned(), ..case("", "GET", CANARY) }])
        .collect()
}

pub fn if_match(world: &World) -> Vec<Case> {
    let mut cases = Vec::new();
    for tag in [
        "\"0\"",
        "\"2\"",
        "\"99999999999999999999\"",
        "W/\"1\"",
        "w/\"1\"",
        "1",
        "\"1",
        "1\"",
        "\"\"",
        "",
        "\"+1\"",
        "\"01\"",
        "\" 1\"",
        "\"cAnArY7f3kQ\"",
        "cAnArY7f3kQ",
        "\"*\"",
        "'1'",
        "\"2\", \"3\"",
        "W/\"1\", \"cAnArY7f3kQ\"",
        "cAnArY7f3kQ, *",
    ] {
        let tag = || ("if-match", tag.to_owned());
        let body = format!("{{\"email\":\"{CANARY}@acme.example\"}}");
        cases.push(world.patch(&body).with(tag()).refused(412, "stale"));
        cases.push(world.row("DELETE", &own(&world.credential)).with(tag()).refused(412, "stale"));
        // Nor is it a way to find out what somebody else has.
        let strangers = format!("{STRANGERS}/credentials/{}", world.strangers);
        cases.push(world.row("DELETE", &strangers).with(tag()).refused(404, "not-found"));
    }
    cases
}

pub fn tokens(world: &World) -> Vec<Case> {
    let mut cases = Vec::new();
    let good = &world.editor;
    let base64 = "Og==";
    let mut headers: Vec<Vec<String>> = vec![vec![], vec![String::new()], vec![good.clone()]];
    for scheme in ["Basic", "Token", "Bearer:", "BearerX", "Digest"] {
        headers.push(vec![format!("{scheme} {good}")]);
    }
    headers.push(vec![format!("Basic {base64}{CANARY}")]);
    let (head, last) = good.split_at(good.len() - 1);
    let altered = if last == "0" { "1" } else { "0" };
    for token in [
        "",
        " ",
        CANARY,
        "rgc_",
        "undefined",
        "null",
        &format!("{head}{altered}"),
        &good.to_lowercase(),
        head,
        &format!("{good}0"),
        &format!("{good} {CANARY}"),
        &format!("{good},{CANARY}"),
        &format!("\"{good}\""),
        &good.replace("rgc_", "RGC_"),
        &format!("rgc_{}", "0".repeat(49)),
        &CANARY.repeat(500),
        &world.expired,
        &world.orphan,
    ] {
        headers.push(vec![format!("Bearer {token}")]);
    }
    headers.push(vec![format!("Bearer {good}"), format!("Bearer {good}")]);
    headers.push(vec![format!("Bearer {good}"), format!("Bearer {}", world.admin)]);
    headers.push(vec![format!("Bearer {good}"), format!("Basic {CANARY}")]);
    headers.push(vec![format!("Basic {CANARY}"), format!("Bearer {good}")]);
    for values in &headers {
        for (method, path) in [("GET", "whoami".to_owned()), ("DELETE", own(&world.credential))] {
            let mut case = world.row(method, &path).refused(401, "unauthenticated");
            case.name = format!("{method} {path} with {values:?}");
            case.headers = values.iter().map(|value| ("authorization", value.clone())).collect();
            cases.push(case);
        }
    }
    for query in [format!("token={good}"), format!("access_token={good}"), format!("authorization=Bearer%20{good}")] {
        let mut case = world.row("GET", &format!("whoami?{query}")).refused(401, "unauthenticated");
        case.headers.clear();
        cases.push(case);
    }
    for header in ["x-api-key", "proxy-authorization", "cookie", "x-authorization"] {
        let mut case = world.row("GET", "whoami").refused(401, "unauthenticated");
        case.headers = vec![(header, format!("Bearer {good}"))];
        cases.push(case);
    }
    // Nobody's body is looked at, however bad it is.
    let mut case = world.create(&format!("{{{CANARY}")).by(&world.expired).refused(401, "unauthenticated");
    case.headers.push(plain::json());
    cases.push(case);
    let mut case = world.row("GET", "").by(&world.expired).refused(401, "unauthenticated");
    case.path = format!("/internal/v1/{PROJECT}/pull-secret");
    cases.push(Case { internal: true, ..case });
    cases
}

/// Paths that a careless server takes for others, with the editor's token.
pub fn odd_paths() -> Vec<(String, u16, &'static str)> {
    let rows = [
        ("//v1/whoami", 404, "no-such-path"),
        ("/v1//whoami", 404, "no-such-path"),
        ("/v1/./whoami", 404, "no-such-path"),
        ("/v1/x/../whoami", 404, "no-such-path"),
        ("/v1/x/%2e%2e/whoami", 404, "no-such-path"),
        ("/v1%2fwhoami", 404, "no-such-path"),
        ("/v1/whoami%00", 404, "no-such-path"),
        ("/v1/whoami/", 404, "no-such-path"),
        ("/v1/whoami;@", 404, "no-such-path"),
        ("/V1/whoami", 404, "no-such-path"),
        ("/v1/organizations/acme%2fprojects%2fshop", 400, "invalid-parameter"),
        ("/v1/organizations/acme/projects/../../other/projects/store", 404, "no-such-path"),
        ("/v1/organizations/%2e%2e/projects/shop", 400, "invalid-parameter"),
        ("/v1/organizations/../projects/shop", 400, "invalid-parameter"),
        ("/v1/organizations/acme%00/projects/shop", 400, "invalid-parameter"),
        ("/v1/organizations/ACME/projects/shop", 400, "invalid-parameter"),
        ("/v1/organizations/acme%252f/projects/shop", 400, "invalid-parameter"),
        ("/v1/organizations/%c0%ae/projects/shop", 400, "invalid-parameter"),
        ("/v1/organizations/@/projects/shop", 400, "invalid-parameter"),
        ("/v1/organizations//projects/shop", 404, "no-such-path"),
        ("/docs/../v1/organizations/other", 404, "no-such-path"),
        ("/docs/..%2f..%2fetc/passwd", 404, "no-such-path"),
        ("/docs/%2e%2e/%2e%2e/@", 404, "no-such-path"),
    ];
    rows.into_iter().map(|(path, status, slug)| (path.replace('@', CANARY), status, slug)).collect()
}

/// Request heads that are refused before anything else is looked at.
pub fn odd_heads(token: &str) -> Vec<(&'static str, Vec<u8>, u16)> {
    let get = |rest: &str| format!("GET /v1/whoami HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n{rest}\r\n");
    let post = |rest: &str| {
        let body = "{\"server\":\"r.example.com\",\"password\":\"x\"}";
        let head = format!("POST /v1/{PROJECT}/credentials HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n");
        format!("{head}content-type: application/json\r\n{rest}\r\n{body}")
    };
    let huge = CANARY.repeat(30_000);
    let many = (0..2_000).map(|number| format!("x-{number}: {CANARY}\r\n")).collect::<Vec<_>>().concat();
    vec![
        ("a huge header", get(&format!("x: {huge}\r\n")).into_bytes(), 431),
        ("many headers", get(&many).into_bytes(), 431),
        ("a huge path", format!("GET /{huge} HTTP/1.1\r\n\r\n").into_bytes(), 431),
        ("a header's name with a space", get(&format!("x {CANARY}: y\r\n")).into_bytes(), 400),
        ("no HTTP", format!("{CANARY}\r\n\r\n").into_bytes(), 400),
        ("two lengths", post("content-length: 41\r\ncontent-length: 3\r\n").into_bytes(), 400),
        ("a length and chunks", post("content-length: 41\r\ntransfer-encoding: chunked\r\n").into_bytes(), 400),
        ("a signed length", post("content-length: +41\r\n").into_bytes(), 400),
        ("a negative length", post("content-length: -1\r\n").into_bytes(), 400),
        ("an unknown coding", post(&format!("transfer-encoding: {CANARY}\r\n")).into_bytes(), 400),
    ]
}
