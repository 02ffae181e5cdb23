//! Who may have a login tried, what stands in the audit log by then, and what is kept of it.

use super::{Shop, as_json, told};
use crate::support::{
    Authority, Binary, Peer, Registry, Response, Terminal, exchange, free_port, id, login, organization, problem,
    project, pull, secret_password, slug, store,
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use regcred::{
    client::{Change, CredentialChange},
    domain::permission::Role,
};
use sqlx::{Connection as _, Executor as _, SqliteConnection, sqlite::SqliteConnectOptions};
use std::time::Duration;
use tokio::time::sleep;

fn registry() -> Peer {
    Peer::start(|seen| match seen.header("authorization") {
        Some(pair) if pair == format!("Basic {}", STANDARD.encode("bot:right horse")) => Response::welcome(),
        _ => Response::challenge("Basic realm=\"x\""),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_not_used_before_its_event_is_durable() {
    let peer = registry();
    let shop = Shop::open(&[&peer.host()], &[]).await;
    let stored = store(&shop.editor, &shop.scope, &login(&peer.host(), "bot", "right horse")).await;
    // Somebody else writes, and does not come to an end.
    let options = SqliteConnectOptions::new().filename(shop.server.database());
    let mut writer = SqliteConnection::connect_with(&options).await.unwrap();
    writer.execute("begin immediate").await.unwrap();
    let refused = problem(shop.editor.credential_verify(&shop.scope, id(&stored), None).await);
    assert_eq!((refused.status, slug(&refused)), (503, "unavailable"));
    assert_eq!(peer.connections(), 0, "the registry knows nothing of it");
    writer.execute("rollback").await.unwrap();
    writer.close().await.unwrap();

    assert_eq!(told(&shop.try_stored(&stored, None).await), ("ok", "login_accepted"));
    let log = shop.server.operator().audit_list_all(&shop.scope).await.unwrap().items;
    let event = log.iter().rfind(|event| event.operation == "credential.verify").expect("it is in the log");
    assert_eq!((event.principal.as_str(), &event.object_ids), ("test-editor", &vec![stored.id]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_out_changes_neither_the_logins_tag_nor_the_pull_secrets() {
    let peer = registry();
    let shop = Shop::open(&[&peer.host()], &[]).await;
    let stored = store(&shop.editor, &shop.scope, &login(&peer.host(), "bot", "right horse")).await;
    let deployer = shop.server.client(Role::Deployer, &shop.scope).await;
    let path = project("acme/shop");
    let tag = async || match deployer.pull_secret(&path, &[], None).await.unwrap() {
        regcred::client::PullSecret::Document { etag, .. } => etag,
        regcred::client::PullSecret::NotModified => None,
    };
    let etag = async || shop.editor.credential_get(&shop.scope, id(&stored)).await.unwrap().etag;
    let before = (tag().await, etag().await);
    shop.try_stored(&stored, None).await;
    assert_eq!((tag().await, etag().await), before);
    let shown = shop.editor.credential_get(&shop.scope, id(&stored)).await.unwrap().value;
    assert_eq!((shown.updated_at, shown.version), (stored.updated_at, stored.version));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_out_of_one_password_is_not_said_of_another() {
    let peer = registry();
    let shop = Shop::open(&[&peer.host()], &[]).await;
    let stored = store(&shop.editor, &shop.scope, &login(&peer.host(), "bot", "wrong horse")).await;
    assert_eq!(told(&shop.try_stored(&stored, None).await), ("unauthorized", "login_refused"));
    let email = "ops@acme.example".parse().unwrap();
    let change = CredentialChange { email: Change::Set(&email), ..CredentialChange::default() };
    let changed = shop.editor.credential_update(&shop.scope, id(&stored), &change, None).await.unwrap().value;
    assert!(changed.last_check.is_some(), "the password is the same");
    let password = secret_password("right horse");
    let change = CredentialChange { password: Some(&password), ..CredentialChange::default() };
    let changed = shop.editor.credential_update(&shop.scope, id(&stored), &change, None).await.unwrap().value;
    assert!(changed.last_check.is_none());
    let shown = shop.editor.credential_get(&shop.scope, id(&stored)).await.unwrap().value;
    assert_eq!(as_json(&shown), as_json(&changed));
    let listed = shop.editor.credential_list_all(&shop.scope, None).await.unwrap().items;
    assert!(listed[0].last_check.is_none());
    assert_eq!(told(&shop.try_stored(&stored, None).await), ("ok", "login_accepted"));
    let listed = shop.editor.credential_list_all(&shop.scope, None).await.unwrap().items;
    assert_eq!(listed[0].last_check.as_ref().map(told), Some(("ok", "login_accepted")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_added_only_if_it_works_where_that_is_asked_for() {
    let peer = registry();
    let (trouble, nobody) = (Peer::start(|_| Response::with(503, &[], "")), format!("127.0.0.1:{}", free_port()));
    let shop = Shop::open(&[&peer.host(), &trouble.host(), &nobody], &[]).await;
    let add = async |login: &crate::support::Login| {
        shop.editor.credential_create_verified(&shop.scope, &login.request(), None).await
    };
    let refused = problem(add(&login(&peer.host(), "bot", "wrong horse")).await);
    assert_eq!((refused.status, slug(&refused)), (422, "login-not-verified"));
    let check = refused.check.expect("it is said why");
    assert_eq!((check.result.as_str(), check.reason.as_str()), ("unauthorized", "login_refused"));
    let all = async || shop.editor.credential_list_all(&shop.scope, None).await.unwrap().items;
    assert!(all().await.is_empty(), "nothing was added");

    let added = add(&login(&peer.host(), "bot", "right horse")).await.unwrap();
    assert_eq!(added.last_check.as_ref().map(told), Some(("ok", "login_accepted")));
    for (host, result) in [(trouble.host(), "unavailable"), (nobody, "connect")] {
        let added = add(&login(&host, "bot", "pw")).await.unwrap();
        assert_eq!(
            added.last_check.as_ref().map(told).map(|told| told.0),
            Some(result),
            "it says nothing of the login"
        );
    }
    let kept: Vec<_> = all().await.into_iter().map(|item| item.last_check.map(|check| check.result)).collect();
    assert_eq!(kept, ["ok", "unavailable", "connect"].map(|result| Some(result.to_owned())));
    // Each connection on somebody's behalf is in the log, also where nothing was added.
    let log = shop.server.operator().audit_list_all(&shop.scope).await.unwrap().items;
    let count = |operation| log.iter().filter(|event| event.operation == operation).count();
    assert_eq!((count("credential.verify"), count("credential.create")), (4, 3));
    // Where there is one already, it is said before anything is sent.
    let before = peer.connections();
    let refused = problem(add(&login(&peer.host(), "bot", "right horse")).await);
    assert_eq!((refused.status, slug(&refused), peer.connections()), (409, "credential-exists", before));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_registry_is_not_added_and_what_proves_nothing_is() {
    let site = Peer::start(|_| Response::with(200, &[("content-type", "text/html")], "<html>welcome</html>"));
    let signpost = Peer::start(|_| Response::with(301, &[("location", "https://ghcr.io/v2/")], ""));
    let other = Peer::start(|_| Response::challenge("Negotiate"));
    let elsewhere = Peer::start(|_| Response::challenge(r#"Bearer realm="http://127.0.0.1:9/token""#));
    let open = Peer::start(|_| Response::welcome());
    let authority = Authority::new();
    let [own, strange] = ["127.0.0.1", "registry.example.com"]
        .map(|name| Peer::with_tls(&authority.identity(name), |_| Response::welcome()));
    let hosts = [&site, &signpost, &other, &elsewhere, &open].map(Peer::host);
    let shop = Shop::open(&hosts.each_ref().map(String::as_str), &[]).await;
    let add = async |login: &crate::support::Login| {
        shop.editor.credential_create_verified(&shop.scope, &login.request(), None).await
    };
    for (login, reason) in [
        (login(&site.host(), "bot", "pw"), "no_registry_api"),
        (login(&signpost.host(), "bot", "pw"), "redirected"),
        (login(&other.host(), "bot", "pw"), "no_known_challenge"),
        (login(&strange.host(), "bot", "pw").vouched_by(&authority.pem), "certificate_name"),
    ] {
        let refused = problem(add(&login).await);
        assert_eq!((refused.status, slug(&refused)), (422, "login-not-verified"));
        assert_eq!(refused.check.expect("it is said why").reason, reason);
    }
    assert!(shop.editor.credential_list_all(&shop.scope, None).await.unwrap().items.is_empty());
    for (login, result, reason) in [
        (login(&elsewhere.host(), "bot", "pw"), "not_a_registry", "realm_not_allowed"),
        (login(&own.host(), "bot", "pw"), "tls", "certificate_not_trusted"),
        (login("10.0.0.1", "bot", "pw"), "connect", "address_not_allowed"),
        (login("registry.invalid", "bot", "pw"), "dns", "name_not_found"),
        (login(&open.host(), "bot", "pw"), "ok", "no_login_needed"),
    ] {
        let added = add(&login).await.unwrap();
        assert_eq!(added.last_check.as_ref().map(told), Some((result, reason)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unusual_and_whether_it_works_stand_in_one_answer() {
    let claims = URL_SAFE_NO_PAD.encode(r#"{"exp":1900000000}"#);
    let password = format!("{}.{claims}.c2ln", URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#));
    let pair = format!("Basic {}", STANDARD.encode(format!("bot:{password}")));
    let peer = Peer::start(move |seen| match seen.header("authorization") {
        Some(login) if login == pair => Response::welcome(),
        _ => Response::challenge("Basic realm=\"x\""),
    });
    let shop = Shop::open(&[&peer.host()], &[]).await;
    let create = async |body: serde_json::Value| {
        let (url, token) = (shop.server.public.clone(), shop.server.operator_token());
        let path = format!("/v1/{}/credentials?verify=true", shop.scope);
        let token = format!("Bearer {}", token.expose());
        let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
        let reply = exchange(&url, "POST", &path, &headers, body.to_string().as_bytes());
        (reply.status, serde_json::from_slice::<serde_json::Value>(&reply.body).unwrap())
    };
    let body = serde_json::json!({"server": peer.host(), "username": "bot", "password": password});
    // What cannot be is refused before anybody is asked.
    let contradiction = serde_json::json!({"kind": "google", "username": "_json_key", "password": "no key"});
    let mut bad = body.clone();
    bad.as_object_mut().unwrap().extend(contradiction.as_object().unwrap().clone());
    assert_eq!((create(bad).await.0, peer.connections()), (422, 0));

    let mut later = body;
    later["expires_at"] = "2099-01-01T00:00:00Z".into();
    let (status, added) = create(later).await;
    assert_eq!((status, &added["last_check"]["reason"]), (201, &"login_accepted".into()), "{added}");
    assert_eq!(added["warnings"][0]["pointer"], "/expires_at", "{added}");
    assert_eq!(added["expires_at"], "2099-01-01T00:00:00.000000Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_inherited_is_tried_where_it_belongs() {
    let peer = registry();
    let shop = Shop::open(&[&peer.host()], &[]).await;
    let acme = organization("acme");
    let inherited = store(&shop.server.operator(), &acme, &login(&peer.host(), "bot", "right horse")).await;
    let refused = problem(shop.editor.credential_verify(&shop.scope, id(&inherited), None).await);
    assert_eq!((refused.status, slug(&refused)), (403, "inherited-credential"));
    assert_eq!(peer.connections(), 0);
    let editor = shop.server.client(Role::Editor, &acme).await;
    let check = editor.credential_verify(&acme, id(&inherited), None).await.unwrap();
    assert_eq!(told(&check), ("ok", "login_accepted"));
    let seen = shop.editor.credential_get(&shop.scope, id(&inherited)).await.unwrap().value.last_check;
    assert_eq!(as_json(&seen), as_json(&Some(check)), "who inherits it sees what became of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_certificates_need_the_password_again() {
    let shop = Shop::open(&[], &[]).await;
    let stored = store(&shop.editor, &shop.scope, &login("registry.example.com", "bot", "pw")).await;
    let ca = Authority::new().pem.parse().unwrap();
    let change = CredentialChange { ca_certificates: Change::Set(&ca), ..CredentialChange::default() };
    let refused = problem(shop.editor.credential_update(&shop.scope, id(&stored), &change, None).await);
    assert_eq!((refused.status, slug(&refused)), (422, "password-needed"));
    let password = secret_password("pw");
    let change = CredentialChange { password: Some(&password), ..change };
    let changed = shop.editor.credential_update(&shop.scope, id(&stored), &change, None).await.unwrap().value;
    assert_eq!(changed.ca_certificates.as_deref(), Some(ca.as_str()));
    let shown = shop.editor.credential_get(&shop.scope, id(&stored)).await.unwrap().value;
    assert_eq!(as_json(&shown), as_json(&changed));
    // They can be long, so lists leave them out; what is handed out opens with them.
    let listed = shop.editor.credential_list_all(&shop.scope, None).await.unwrap().items;
    assert_eq!((listed[0].id, &listed[0].ca_certificates), (stored.id, &None));
    assert!(as_json(&listed[0]).get("ca_certificates").is_none());
    let cli = shop.server.cli().env("REGCRED_PROJECT", "acme/shop");
    let own = |server: &str| {
        let shown = cli.run(&["get", server], b"").stdout;
        shown.lines().find_map(|line| Some(line.strip_prefix("own ca:")?.trim().to_owned()))
    };
    assert_eq!(own("registry.example.com").as_deref(), Some("1 certificate"));
    let two = format!("{ca}{}", Authority::new().pem);
    store(&shop.editor, &shop.scope, &login("two.example.com", "bot", "pw").vouched_by(&two)).await;
    store(&shop.editor, &shop.scope, &login("none.example.com", "bot", "pw")).await;
    assert_eq!((own("two.example.com").as_deref(), own("none.example.com")), (Some("2 certificates"), None));
    let deployer = shop.server.client(Role::Deployer, &shop.scope).await;
    assert!(pull(&deployer, &project("acme/shop"), &[]).await.unwrap().contains("registry.example.com"));
    let clear = CredentialChange { ca_certificates: Change::Clear, ..CredentialChange::default() };
    let refused = problem(shop.editor.credential_update(&shop.scope, id(&stored), &clear, None).await);
    assert_eq!(slug(&refused), "password-needed");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_log_and_no_answer_holds_a_password_that_was_tried() {
    let peer = Peer::start(|seen| match seen.header("authorization") {
        // What a registry repeats goes no further.
        Some(pair) => Response::with(401, &[("x-echo", pair)], pair),
        None => Response::challenge("Basic realm=\"x\""),
    });
    let shop = Shop::open(&[&peer.host()], &[]).await;
    let check = shop.try_login(&login(&peer.host(), "bot", "cAnArY horse"), None).await;
    let pair = STANDARD.encode("bot:cAnArY horse");
    assert!(peer.seen().iter().any(|seen| seen.header("authorization") == Some(&format!("Basic {pair}"))));
    for text in [shop.server.log(), as_json(&check).to_string()] {
        assert!(!text.contains("cAnArY") && !text.contains(&pair), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_tries_one_or_all_and_says_so_by_its_exit_code() {
    let registry = Registry::start("bot", "right horse");
    registry.push("team/app:1.0");
    let slow = Peer::start(|_| Response::with(503, &[], ""));
    let open = Peer::start(|_| Response::welcome());
    let shop = Shop::open(&[&registry.host, &slow.host(), &open.host()], &[]).await;
    let cli = shop.server.cli().env("REGCRED_PROJECT", "acme/shop");
    let host = registry.host.as_str();
    let image = format!("{host}/team/app:1.0");
    let add = |server: &str, password: &str, more: &[&str]| {
        let arguments = [&["add", "-s", server, "-u", "bot", "--password-stdin", "--verify"], more].concat();
        cli.run(&arguments, password.as_bytes())
    };
    let refused = add(host, "wrong horse", &[]);
    assert_eq!((refused.status, refused.stdout.as_str()), (1, ""), "{refused:?}");
    assert!(refused.stderr.contains("error: the registry refuses this user name and password; nothing was added"));
    assert!(refused.stderr.contains("hint: to add it all the same, leave --verify out"), "{refused:?}");
    let added = add(host, "right horse", &["--image", &image]);
    assert_eq!(added.status, 0, "{added:?}");
    assert!(added.stderr.contains("It works: the login may pull the image.\n"), "{added:?}");
    let open = add(&open.host(), "pw", &["--disable"]);
    assert_eq!(open.status, 0);
    assert!(
        open.stderr.contains("warning: the login was added without being verified: the registry asks for no login")
    );
    let warned = add(&slow.host(), "pw", &[]);
    assert_eq!(warned.status, 0);
    assert!(warned.stderr.contains("warning: the login was added without being verified: the registry has trouble"));

    let one = cli.run(&["verify", host, "--image", &image, "-o", "json"], b"");
    assert_eq!(one.status, 0, "{one:?}");
    let one: serde_json::Value = serde_json::from_str(&one.stdout).unwrap();
    assert_eq!((&one["server"], &one["result"], &one["reason"]), (&host.into(), &"ok".into(), &"pull_allowed".into()));
    let silent = cli.run(&["verify", "--all", "-o", "json"], b"");
    assert_eq!(silent.status, 6, "{silent:?}");
    let all: serde_json::Value = serde_json::from_str(&silent.stdout).unwrap();
    assert_eq!((&all[0]["result"], &all[1]["result"]), (&"ok".into(), &"unavailable".into()));
    assert!(silent.stderr.contains("error: 1 of 2 logins could not be verified"), "{silent:?}");
    let rotated = cli.run(&["update", host, "--password-stdin"], b"wrong horse");
    assert_eq!(rotated.status, 0);
    let table = cli.run(&["verify", "--all"], b"");
    assert_eq!(table.status, 1, "{table:?}");
    assert!(table.stdout.contains("unauthorized") && table.stdout.contains("the registry refuses"), "{table:?}");
    assert!(table.stderr.contains("error: 1 of 2 logins did not work"), "{table:?}");
    let (code, screen) = Terminal::start(&cli, &["verify", "--all"]).end();
    assert!(
        code == 1 && screen.contains("Verifying") && screen.contains(" of 2"),
        "a person sees how far it is: {screen}"
    );
    assert!(!table.stderr.contains("Verifying"), "{table:?}");
    let both = cli.run(&["verify", host, "--all"], b"");
    assert_eq!(both.status, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_logins_one_that_cannot_be_tried_costs_the_others_nothing() {
    let (peer, open) = (registry(), Peer::start(|_| Response::welcome()));
    let shop = Shop::open(&[&peer.host(), &open.host()], &[]).await;
    let part = |name: &str| login(&format!("{}/{name}", peer.host()), "bot", "right horse");
    let broken = store(&shop.editor, &shop.scope, &part("a")).await;
    store(&shop.editor, &shop.scope, &part("b")).await;
    let options = SqliteConnectOptions::new().filename(shop.server.database());
    let mut writer = SqliteConnection::connect_with(&options).await.unwrap();
    let zeros = sqlx::query("update credentials set sealed = zeroblob(length(sealed)) where id = $1");
    assert_eq!(zeros.bind(broken.id).execute(&mut writer).await.unwrap().rows_affected(), 1);
    writer.close().await.unwrap();
    let cli = shop.server.cli().env("REGCRED_PROJECT", "acme/shop");
    let all = cli.run(&["verify", "--all", "-o", "json"], b"");
    assert!(all.status != 0 && all.stderr.contains(&format!("warning: {} was not tried: ", broken.server)), "{all:?}");
    let told: serde_json::Value = serde_json::from_str(&all.stdout).unwrap();
    assert_eq!((told.as_array().map(Vec::len), &told[0]["result"]), (Some(1), &"ok".into()));

    // What is not proven is neither good nor bad.
    store(&shop.editor, &shop.scope, &login(&open.host(), "bot", "pw")).await;
    let unproven = cli.run(&["verify", &open.host()], b"");
    assert!(unproven.status == 6 && unproven.stdout.contains("asks for no login"), "{unproven:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_key_is_no_login_and_is_not_sent() {
    let shop = Shop::open(&[], &[]).await;
    let server = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
    let key = login(server, "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    let added = shop.editor.credential_create_verified(&shop.scope, &key.request(), None).await.unwrap();
    assert_eq!(added.last_check.as_ref().map(told), Some(("unavailable", "access_key")), "it is kept all the same");
    assert_eq!(told(&shop.try_stored(&added, None).await), ("unavailable", "access_key"));
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_are_tried_again_on_a_schedule_if_the_operator_wants_it() {
    let peer = registry();
    let binary = Binary::new().env("REGCRED_REGISTRY_NETWORKS", "127.0.0.1").env("REGCRED_RECHECK_HOURS", "1");
    let shop = Shop::with(binary, &[&peer.host()], &[]).await;
    let part = |name: &str| login(&format!("{}/{name}", peer.host()), "bot", "right horse");
    let stored = store(&shop.editor, &shop.scope, &part("a")).await;
    let off = store(&shop.editor, &shop.scope, &part("b")).await;
    let change = CredentialChange { enabled: Some(false), ..CredentialChange::default() };
    shop.editor.credential_update(&shop.scope, id(&off), &change, None).await.unwrap();
    let begun = std::time::Instant::now();
    let check = async |id| shop.editor.credential_get(&shop.scope, id).await.unwrap().value.last_check;
    while check(id(&stored)).await.is_none() {
        assert!(begun.elapsed() < Duration::from_mins(2), "nobody tries it: {}", shop.server.log());
        sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(check(id(&stored)).await.as_ref().map(told), Some(("ok", "login_accepted")));
    assert!(check(id(&off)).await.is_none(), "what is switched off is left alone");
    let log = shop.server.operator().audit_list_all(&shop.scope).await.unwrap().items;
    let event = log.iter().find(|event| event.operation == "credential.verify").expect("it is in the project's log");
    assert_eq!((event.principal.as_str(), &event.object_ids), ("regcred", &vec![stored.id]));
    // Nothing stands in the way of who wants the pull secret meanwhile.
    let deployer = shop.server.client(Role::Deployer, &shop.scope).await;
    assert!(pull(&deployer, &project("acme/shop"), &[]).await.unwrap().contains("right horse"));
}
