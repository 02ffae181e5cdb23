//! Bodies that are refused.

use super::world::{CANARY, Case, PROJECT, World, own};
use crate::plain;
use serde_json::{Value, json};

/// The members of a credential, and whether `null` clears them.
const MEMBERS: [(&str, &str, bool); 9] = [
    ("server", "/server", false),
    ("kind", "/kind", false),
    ("username", "/username", true),
    ("email", "/email", true),
    ("image_prefix", "/image_prefix", true),
    ("expires_at", "/expires_at", true),
    ("enabled", "/enabled", false),
    ("ca_certificates", "/ca_certificates", true),
    ("password", "/password", false),
];

/// What no registry is called.
fn no_servers() -> Vec<String> {
    let mut servers: Vec<_> = [
        "",
        " ",
        "/",
        "https://",
        "https:///",
        "://",
        "?",
        "*",
        "::1",
        "[::1",
        "[]",
        "[::1]x",
        "[::g]",
        "1.2.3.999",
        "127.1",
        "0x7f.0.0.1",
        "2130706433",
        "010.1.1.1",
        "[::ffff:1.2.3.4]",
        "[fe80::1%eth0]",
    ]
    .map(str::to_owned)
    .into();
    for form in [
        "@",
        "@ x",
        "ftp://@.io",
        "javascript:@",
        "file:///@",
        "https://https://@.io",
        "//@.io",
        "https://@.io?x=1",
        "@.io#x",
        "user:@@r.io",
        "https://u:@@r.io/",
        "@..io",
        ".@.io",
        "-@.io",
        "@-.io",
        "@_.io",
        "@.io:0",
        "@.io:65536",
        "@.io:port",
        "@.io:080",
        "@.io:",
        "@.io::1",
        "[@]",
        "@.io/UPPER",
        "@.io/a//b",
        "@.io/../b",
        "@.io/./b",
        "@.io/%2e%2e",
        "@.io\\x",
        "*.@.io",
        "@.io/v2/v2/a",
        "@.io/a b",
        "@.io/a:tag",
        "@.io/_a",
        "docker.io/v1/@x",
        "https://hub.docker.com/r/@",
        "@.io\u{202e}",
        "@.\u{2024}io/é",
        "@.io\u{a0}",
    ] {
        servers.push(form.replacen('@', CANARY, 1));
    }
    servers.extend([format!("{}.{CANARY}.io", "a".repeat(64)), format!("{CANARY}.io/{}", "a".repeat(300))]);
    servers.push(format!("{}{CANARY}.io", "abcdefg.".repeat(200)));
    servers
}

pub fn create(world: &World) -> Vec<Case> {
    let mut cases = Vec::new();
    // The bad member comes first: reading ends there.
    let mut bad = |member: &str, pointer: &'static str, value: &Value| {
        let rest = [("server", "r.example.com"), ("password", CANARY)].into_iter().filter(|(name, _)| *name != member);
        let rest: Vec<_> = rest.map(|(name, value)| format!(",\"{name}\":\"{value}\"")).collect();
        cases.push(world.create(&format!("{{\"{member}\":{value}{}}}", rest.concat())).at(pointer));
    };
    for (member, pointer, _) in MEMBERS {
        let mut values = vec![json!([CANARY]), json!({ CANARY: CANARY }), json!(7_333_333), json!(-1.5)];
        values.push(if member == "enabled" { json!(CANARY) } else { json!(true) });
        if matches!(member, "server" | "password" | "enabled") {
            values.push(Value::Null);
        }
        if member != "enabled" {
            for control in ["\0", "\u{1}", "\u{7}", "\u{8}", "\u{1b}", "\u{7f}"] {
                values.extend([json!(format!("{CANARY}{control}")), json!(format!("{control}a@{CANARY}.io"))]);
            }
        }
        for value in &values {
            bad(member, pointer, value);
        }
    }
    for server in no_servers() {
        bad("server", "/server", &json!(server));
    }
    for kind in ["", CANARY, "GITHUB", "github "] {
        bad("kind", "/kind", &json!(kind));
    }
    for username in ["", "a:b", ":", "\n", "tab\t", &CANARY.repeat(24), "\u{85}"] {
        bad("username", "/username", &json!(format!("{username}{}", if username.is_empty() { "" } else { ":" })));
    }
    for email in ["", "x", "@", "a@", "@b", "a b@c", "a@b\n", &format!("{}@b.io", CANARY.repeat(24))] {
        bad("email", "/email", &json!(email));
    }
    for prefix in ["", "x", "https://r.example.com/a", "r.example.com/A", "r.example.com/../a", "r.example.com/a:tag"] {
        bad("image_prefix", "/image_prefix", &json!(prefix));
    }
    for time in [
        "",
        CANARY,
        "tomorrow",
        "2027-01-01",
        "2027-13-01T00:00:00Z",
        "2027-02-30T00:00:00Z",
        "2027-01-01T00:00:00",
        "1969-12-31T23:59:59Z",
        "9999-12-31T23:59:59-00:01",
        "0000-01-01T00:00:00+23:59",
        "+10000-01-01T00:00:00Z",
        "2027-01-01T00:00:00+99:99",
    ] {
        bad("expires_at", "/expires_at", &json!(time));
    }
    let (begin, end) = ("-----BEGIN CERTIFICATE-----\n", "\n-----END CERTIFICATE-----\n");
    let key = format!("-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----\n");
    let (one, many) = (format!("{begin}{CANARY}{end}"), "A".repeat(70_000));
    for certificates in
        ["", begin, &key, &format!("{one}{key}"), &format!("{begin}{CANARY}!{end}"), &format!("{begin}{many}{end}")]
    {
        bad("ca_certificates", "/ca_certificates", &json!(certificates));
    }
    let long = format!("{CANARY}{}", "x".repeat(17 * 1024));
    for password in ["", &long, &long[..=16 * 1024]] {
        bad("password", "/password", &json!(password));
    }
    for (body, pointer) in [
        (json!({"password": CANARY}), "/server"),
        (json!({"server": "r.example.com", "username": CANARY}), "/password"),
        (json!({}), "/password"),
        (json!({CANARY: CANARY, "server": "r.example.com", "password": "x"}), ""),
        (json!({"server": "r.example.com", "password": "x", CANARY: {CANARY: [CANARY]}}), ""),
        (json!({"server": "r.example.com", "password": "x", "Password": CANARY}), ""),
        (json!({"server": "r.example.com", "password": CANARY, "id": world.other}), ""),
        (json!({"server": "ghcr.io", "password": CANARY, "kind": "docker_hub"}), "/kind"),
        (json!({"server": "r.example.com", "password": CANARY, "kind": "aws_ecr"}), "/kind"),
        (json!({"server": "ghcr.io", "password": CANARY, "image_prefix": format!("{CANARY}.io/x")}), "/image_prefix"),
        (json!({"server": "ghcr.io/acme", "password": CANARY, "image_prefix": "ghcr.io/acmex"}), "/image_prefix"),
        (json!({"server": "ghcr.io/acme", "password": CANARY, "image_prefix": "ghcr.io"}), "/image_prefix"),
        (json!(CANARY), ""),
        (json!([CANARY]), ""),
        (json!(["r.example.com", null, null, null, null, null, true, CANARY]), ""),
        (json!(null), ""),
        (json!(7), ""),
    ] {
        cases.push(world.create(&body.to_string()).at(pointer));
    }
    for member in ["server", "password"] {
        let pointer = if member == "server" { "/server" } else { "/password" };
        let body = format!(r#"{{"server":"r.example.com","password":"{CANARY}","{member}":"{CANARY}.io"}}"#);
        cases.push(world.create(&body).at(pointer));
    }
    cases
}

pub fn patch(world: &World) -> Vec<Case> {
    let mut cases = Vec::new();
    for (member, pointer, nullable) in MEMBERS {
        let wrong = if member == "enabled" { json!(CANARY) } else { json!(false) };
        for value in [wrong, json!([CANARY]), json!({ CANARY: null })] {
            cases.push(world.patch(&json!({ member: value }).to_string()).at(pointer));
        }
        if !nullable {
            cases.push(world.patch(&json!({ member: null }).to_string()).at(pointer));
        }
        if member != "enabled" {
            cases.push(world.patch(&json!({ member: format!("{CANARY}\0") }).to_string()).at(pointer));
            cases.push(world.patch(&json!({ member: "" }).to_string()).at(pointer));
        }
    }
    for member in ["id", "scope", "inherited", "version", "created_at", "last_check", CANARY, "__proto__"] {
        cases.push(world.patch(&json!({ member: CANARY }).to_string()).at(""));
    }
    for body in [json!([]), json!([null]), json!([{"op": "remove", "path": CANARY}]), json!(null), json!(CANARY)] {
        cases.push(world.patch(&body.to_string()).at(""));
    }
    for body in [
        json!({"server": format!("{CANARY}.example.com")}),
        json!({"server": "ghcr.io"}),
        json!({"username": CANARY}),
        json!({"username": null}),
        json!({"ca_certificates": format!("-----BEGIN CERTIFICATE-----\n{CANARY}\n-----END CERTIFICATE-----")}),
        json!({"server": format!("{CANARY}.example.com"), "username": CANARY, "email": null}),
    ] {
        cases.push(world.patch(&body.to_string()).refused(422, "password-needed").at("/password"));
    }
    for (body, pointer) in [
        (json!({"kind": "quay"}), "/kind"),
        (json!({"image_prefix": format!("{CANARY}.io/x")}), "/image_prefix"),
        (json!({"server": "quay.io", "password": CANARY, "image_prefix": "ghcr.io/acme"}), "/image_prefix"),
        (json!({"server": "quay.io", "password": CANARY, "kind": "github"}), "/kind"),
    ] {
        cases.push(world.patch(&body.to_string()).at(pointer));
    }
    cases
}

/// What a login cannot be tried for.
pub fn verify(world: &World) -> Vec<Case> {
    let row = || world.row("POST", &format!("{}/verify", own(&world.credential)));
    let mut cases = Vec::new();
    for (body, pointer) in [
        (json!({"image": CANARY}), "/image"),
        (json!({"image": format!("ghcr.io/other/{}", CANARY.to_lowercase())}), "/image"),
        (json!({"image": format!("ghcr.io/acme/{CANARY}")}), "/image"),
        (json!({"image": [CANARY]}), "/image"),
        (json!({"image": ""}), "/image"),
        (json!({"server": CANARY}), ""),
        (json!({"image": null, CANARY: true}), ""),
        (json!([CANARY]), ""),
    ] {
        cases.push(row().body(body.to_string().as_bytes()).with(plain::json()).at(pointer));
    }
    cases.push(row().body(b"{").with(plain::json()).refused(400, "malformed-body").at(""));
    cases.push(row().body(b"{}").refused(415, "unsupported-media-type"));
    let inherited = world.row("POST", &format!("{}/verify", own(&world.inherited)));
    cases.push(inherited.refused(403, "inherited-credential"));
    let strangers = world.row("POST", &format!("{}/verify", own(&world.strangers)));
    cases.push(strangers.refused(404, "not-found"));
    cases
}

pub fn token(world: &World) -> Vec<Case> {
    let long = CANARY.repeat(10);
    let rows: Vec<(Value, &'static str)> = vec![
        (json!({"role": "viewer"}), "/name"),
        (json!({"name": CANARY}), "/role"),
        (json!({"name": "x", "role": "viewer", CANARY: CANARY}), ""),
        (json!({"name": "x", "role": "viewer", "scope": CANARY}), ""),
        (json!({"name": [CANARY], "role": "viewer"}), "/name"),
        (json!({"name": "", "role": "viewer"}), "/name"),
        (json!({"name": "  ", "role": "viewer"}), "/name"),
        (json!({"name": long, "role": "viewer"}), "/name"),
        (json!({"name": format!("{CANARY}\0"), "role": "viewer"}), "/name"),
        (json!({"name": format!("{CANARY}\r\nx: y"), "role": "viewer"}), "/name"),
        (json!({"name": "x", "role": CANARY}), "/role"),
        (json!({"name": "x", "role": ""}), "/role"),
        (json!({"name": "x", "role": "Viewer"}), "/role"),
        (json!({"name": "x", "role": {"viewer": null}}), "/role"),
        (json!({"name": "x", "role": [CANARY]}), "/role"),
        (json!({"name": "x", "role": 3}), "/role"),
        (json!({"name": "x", "role": "viewer", "expires_in_days": CANARY}), "/expires_in_days"),
        (json!({"name": "x", "role": "viewer", "expires_in_days": null}), "/expires_in_days"),
        (json!({"name": "x", "role": "viewer", "expires_in_days": 0}), "/expires_in_days"),
        (json!({"name": "x", "role": "viewer", "expires_in_days": -1}), "/expires_in_days"),
        (json!({"name": "x", "role": "viewer", "expires_in_days": 1.5}), "/expires_in_days"),
        (json!({"name": "x", "role": "viewer", "expires_in_days": 3651}), "/expires_in_days"),
        (json!({"name": "x", "role": "viewer", "expires_in_days": 4_294_967_297_u64}), "/expires_in_days"),
        (json!([CANARY, "viewer", 1]), ""),
    ];
    let mut cases: Vec<_> = rows.iter().map(|(body, at)| world.token(&body.to_string()).at(at)).collect();
    let operator = json!({"name": CANARY, "role": "operator"}).to_string();
    cases.push(world.token(&operator).refused(403, "forbidden"));
    cases.push(world.token(&operator).by(&world.editor).refused(403, "forbidden"));
    cases
}

/// Bodies that are no JSON, or not announced as such.
pub fn bytes(world: &World) -> Vec<Case> {
    let good = json!({"server": "r.example.com", "password": CANARY}).to_string();
    let mut broken: Vec<Vec<u8>> = [
        String::new(),
        " ".to_owned(),
        "{".to_owned(),
        good[..good.len() - 1].to_owned(),
        format!("{good}{good}"),
        format!("{good} {CANARY}"),
        format!("\u{feff}{good}"),
        good.replace(':', "="),
        good.replace('"', "'"),
        format!("/* {CANARY} */{good}"),
        good.replace('}', ",}"),
        format!("{{\"server\":\"{CANARY}\u{1}\"}}"),
        format!("{{\"server\":\"{CANARY}\\ud800\"}}"),
        format!("{{\"server\":\"{CANARY}\\x\"}}"),
        "{\"server\":NaN}".to_owned(),
        format!("{{\"password\":{CANARY}}}"),
        format!("password={CANARY}&server=r.io"),
    ]
    .map(String::into_bytes)
    .into();
    broken.push([b"{\"server\":\"r.io\",\"password\":\"", CANARY.as_bytes(), b"\xff\xfe\"}"].concat());
    broken.push([b"\xff\xfe".as_slice(), good.as_bytes()].concat());
    broken.push(good.encode_utf16().flat_map(u16::to_le_bytes).collect());
    let mut cases = Vec::new();
    for body in &broken {
        cases.push(world.create("").body(body).refused(400, "malformed-body").at(""));
    }
    for member in ["server", "password", "expires_at"] {
        let pointer = MEMBERS.iter().find(|(name, ..)| *name == member).expect("it is a member").1;
        let nested = format!("{{\"{member}\":{}\"{CANARY}\"{}}}", "[".repeat(20_000), "]".repeat(20_000));
        cases.push(world.create(&nested).at(pointer));
    }
    let post = || world.row("POST", &format!("{PROJECT}/credentials")).refused(415, "unsupported-media-type");
    cases.push(post());
    cases.push(post().body(good.as_bytes()));
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/merge-patch+json",
        "application/jsonp",
        "*/*",
        "application/json-patch+json",
        "multipart/form-data; boundary=cAnArY7f3kQ",
        "cAnArY7f3kQ",
        "",
        "text/json",
    ] {
        cases.push(post().body(good.as_bytes()).with(("content-type", media_type.to_owned())));
    }
    let patch = world.row("PATCH", &own(&world.credential)).body(b"{\"email\":null}");
    cases.push(patch.with(("content-type", "text/plain".to_owned())).refused(415, "unsupported-media-type"));
    let packed = world.create("").body(b"\x1f\x8b\x08\x00cAnArY7f3kQ").with(("content-encoding", "gzip".to_owned()));
    cases.push(packed.refused(400, "malformed-body").at(""));
    let foreign = world.create(&good).on("organizations/other/projects/store/credentials");
    cases.push(foreign.refused(404, "not-found"));
    cases.push(world.create(&good).by(&world.deployer).with(plain::json()).refused(403, "forbidden"));
    cases
}
