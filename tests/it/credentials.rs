//! The life of a credential: added, listed, changed, inherited, deleted, and handed out as it was given.

use crate::{
    plain::{self, bearer, json},
    support::{
        Server, id, login, organization, postgres::Cluster, problem, project, pull, raw, scope, secret_password, slug,
        store,
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use regcred::{
    client::{Change, Client, CredentialChange, PageQuery},
    domain::{permission::Role, scope::Scope},
    http::wire,
};
use serde_json::{Value, json};
use std::thread;

/// A server with a project, its scope, and an operator for it.
async fn shop() -> (Server, Scope, Client) {
    let server = Server::start().await;
    server.project("acme/shop").await;
    let operator = server.operator();
    (server, scope("acme/shop"), operator)
}

/// The passwords of a project's pull secret, by registry; each is also in its base64 pair.
async fn passwords(server: &Server, name: &str) -> serde_json::Map<String, Value> {
    let deployer = server.client(Role::Deployer, &scope(name)).await;
    let config: Value = serde_json::from_str(&pull(&deployer, &project(name), &[]).await.expect("it is handed out"))
        .expect("it is JSON");
    let mut passwords = serde_json::Map::new();
    for (registry, login) in config["auths"].as_object().expect("there are logins") {
        let text = |part: &str| login[part].as_str().expect("it is a text");
        let pair = format!("{}:{}", text("username"), text("password"));
        assert_eq!(login["auth"], STANDARD.encode(pair), "{registry}");
        passwords.insert(registry.clone(), login["password"].clone());
    }
    passwords
}

fn email(address: &str) -> regcred::domain::credential::Email {
    address.parse().expect("it is an address")
}

/// How many events there are in the whole deployment.
async fn events(operator: &Client) -> usize {
    operator.audit_list_all(&Scope::Deployment).await.expect("there is a log").items.len()
}

fn as_json(credential: &wire::Credential) -> Value {
    serde_json::to_value(credential).expect("it is JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_added_is_where_the_location_says_under_the_tag_that_it_was_given() {
    let (server, scope, _) = shop().await;
    let http = plain::client();
    let headers = [bearer(server.token(Role::Editor, &scope).await.expose()), json()];
    let body = json!({"server": "https://GHCR.io/acme/", "username": "bot", "password": "pw", "kind": "github",
        "email": "ops@acme.example", "image_prefix": "ghcr.io/acme/app", "expires_at": "2099-01-01T01:00:00+01:00"});
    let url = format!("{}/v1/{scope}/credentials", server.public);
    let added = plain::send(&http, "POST", &url, &headers, Some(body.to_string().as_bytes())).await;
    assert_eq!(added.status, 201, "{added:?}");
    let id = added.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(added.header("location"), Some(format!("/v1/{scope}/credentials/{id}").as_str()));
    let there = format!("{}{}", server.public, added.header("location").unwrap());
    let found = plain::send(&http, "GET", &there, &headers, None).await;
    assert_eq!((found.status, found.json()), (200, added.json()));
    assert_eq!((found.header("etag"), added.header("etag")), (Some("\"1\""), Some("\"1\"")));
    let now = &found.json()["created_at"];
    let expected = json!({"id": id, "scope": scope.to_string(), "inherited": false, "server": "ghcr.io/acme",
        "kind": "github", "username": "bot", "email": "ops@acme.example", "image_prefix": "ghcr.io/acme/app",
        "enabled": true, "version": 1, "expires_at": "2099-01-01T00:00:00.000000Z", "created_at": now,
        "updated_at": now, "rotated_at": now, "last_used_at": null, "last_check": null});
    assert_eq!(found.json(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_over_the_list_misses_nothing_and_shows_nothing_twice_while_it_changes() {
    let (_server, scope, operator) = shop().await;
    let mut ids = Vec::new();
    for number in 0..6 {
        ids.push(store(&operator, &scope, &login(&format!("r{number}.example.com"), "bot", "pw")).await);
    }
    let (mut seen, mut cursor) = (Vec::new(), None::<String>);
    for step in 0.. {
        let query = PageQuery { limit: Some(1), cursor: cursor.as_deref() };
        let page = operator.credential_list(&scope, None, query).await.unwrap();
        assert!(page.items.len() <= 1);
        seen.extend(page.items.iter().map(|item| item.server.clone()));
        match step {
            // The one that was just shown goes, with it the one that comes next; another comes at the end.
            1 => {
                operator.credential_delete(&scope, id(&ids[1]), None).await.unwrap();
                operator.credential_delete(&scope, id(&ids[2]), None).await.unwrap();
                store(&operator, &scope, &login("a-late-one.example.com", "bot", "pw")).await;
            }
            // A change moves nothing.
            2 => {
                let change = CredentialChange { enabled: Some(false), ..CredentialChange::default() };
                operator.credential_update(&scope, id(&ids[0]), &change, None).await.unwrap();
            }
            _ => {}
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
        assert!(step < 10, "the walk does not end");
    }
    let expected = ["r0.example.com", "r1.example.com", "r3.example.com", "r4.example.com", "r5.example.com"];
    assert_eq!(seen, [&expected[..], &["a-late-one.example.com"]].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_filtered_by_a_server_in_any_spelling() {
    let (server, scope, operator) = shop().await;
    for name in ["docker.io", "ghcr.io/acme", "ghcr.io"] {
        store(&operator, &scope, &login(name, "bot", "pw")).await;
    }
    let headers = [bearer(server.operator_token().expose())];
    for (spelling, found) in [
        ("https%3A%2F%2Findex.docker.io%2Fv1%2F", vec!["docker.io"]),
        ("registry-1.docker.io", vec!["docker.io"]),
        ("DOCKER.IO.", vec!["docker.io"]),
        ("https://GHCR.io/v2/acme/", vec!["ghcr.io/acme"]),
        ("ghcr.io", vec!["ghcr.io"]),
        ("quay.io", vec![]),
    ] {
        let url = format!("{}/v1/{scope}/credentials?server={spelling}", server.public);
        let page = plain::send(&plain::client(), "GET", &url, &headers, None).await.json();
        let servers: Vec<_> = page["items"].as_array().unwrap().iter().map(|item| &item["server"]).collect();
        assert_eq!(servers, found, "{spelling}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_can_be_written_back_and_the_password_stays() {
    let (server, scope, operator) = shop().await;
    let credential = store(&operator, &scope, &login("ghcr.io", "bot", "hunter2")).await;
    let url = format!("{}/v1/{scope}/credentials/{}", server.public, credential.id);
    let headers = [bearer(server.operator_token().expose()), json()];
    let http = plain::client();
    let read = plain::send(&http, "GET", &url, &headers, None).await;
    let mut body = read.json();
    assert_eq!(body.get("password"), None);
    for name in "id scope inherited version created_at updated_at rotated_at last_used_at last_check".split(' ') {
        assert!(body.as_object_mut().unwrap().remove(name).is_some(), "{name}");
    }
    let before = events(&operator).await;
    let written = plain::send(&http, "PATCH", &url, &headers, Some(body.to_string().as_bytes())).await;
    assert_eq!((written.status, written.json()), (200, read.json()));
    assert_eq!(written.header("etag"), read.header("etag"));
    assert_eq!(events(&operator).await, before, "what changes nothing leaves no event");
    body["email"] = json!("ops@acme.example");
    let written = plain::send(&http, "PATCH", &url, &headers, Some(body.to_string().as_bytes())).await;
    assert_eq!((written.status, written.header("etag")), (200, Some("\"2\"")));
    assert_eq!(events(&operator).await, before + 1);
    assert_eq!(passwords(&server, "acme/shop").await["ghcr.io"], "hunter2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_touches_what_it_names_and_nothing_beside_it() {
    let (server, scope, operator) = shop().await;
    let one = store(&operator, &scope, &login("ghcr.io", "bot", "first")).await;
    let sibling = store(&operator, &scope, &login("quay.io", "acme+bot", "second")).await;
    let ops = email("ops@acme.example");
    let change = CredentialChange { email: Change::Set(&ops), ..CredentialChange::default() };
    let changed = operator.credential_update(&scope, id(&one), &change, Some("\"1\"")).await.unwrap();
    let mut expected = as_json(&one);
    expected["email"] = json!("ops@acme.example");
    expected["updated_at"] = json!(changed.value.updated_at);
    assert_eq!((as_json(&changed.value), changed.etag.as_deref()), (expected.clone(), Some("\"2\"")));
    assert!(changed.value.updated_at > one.updated_at);

    let password = secret_password("third");
    let change = CredentialChange { password: Some(&password), ..CredentialChange::default() };
    let rotated = operator.credential_update(&scope, id(&one), &change, Some("\"2\"")).await.unwrap();
    expected["version"] = json!(2);
    expected["updated_at"] = json!(rotated.value.updated_at);
    expected["rotated_at"] = json!(rotated.value.updated_at);
    assert_eq!((as_json(&rotated.value), rotated.etag.as_deref()), (expected, Some("\"3\"")));

    let same = operator.credential_get(&scope, id(&sibling)).await.unwrap();
    assert_eq!((as_json(&same.value), same.etag.as_deref()), (as_json(&sibling), Some("\"1\"")));
    let passwords = passwords(&server, "acme/shop").await;
    assert_eq!((&passwords["ghcr.io"], &passwords["quay.io"]), (&json!("third"), &json!("second")));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_writers_who_saw_the_same_version_exactly_one_wins() {
    let (server, scope, operator) = shop().await;
    let credential = store(&operator, &scope, &login("ghcr.io", "bot", "pw")).await;
    for round in 1..=5_u32 {
        let tag = format!("\"{round}\"");
        let writers = (0..8).map(|writer| {
            let (client, scope, tag, id) = (server.operator(), scope.clone(), tag.clone(), id(&credential));
            tokio::spawn(async move {
                let (email, password) =
                    (email(&format!("w{writer}@r{round}.io")), secret_password(&format!("{writer}")));
                let (email, password) = (Change::Set(&email), Some(&password));
                let change = CredentialChange { email, password, ..CredentialChange::default() };
                client.credential_update(&scope, id, &change, Some(&tag)).await
            })
        });
        let mut winners = Vec::new();
        for writer in writers.collect::<Vec<_>>() {
            match writer.await.unwrap() {
                Ok(updated) => winners.push(updated),
                lost => assert_eq!(slug(&problem(lost)), "stale"),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}");
        let now = operator.credential_get(&scope, id(&credential)).await.unwrap();
        assert_eq!((as_json(&now.value), &now.etag), (as_json(&winners[0].value), &winners[0].etag));
        let writer = now.value.email.unwrap()[1..2].to_owned();
        assert_eq!(passwords(&server, "acme/shop").await["ghcr.io"], json!(writer), "parts of two writers are mixed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_those_who_add_one_server_exactly_one_does_and_the_others_learn_which() {
    let (server, scope, operator) = shop().await;
    let spellings = ["ghcr.io", "GHCR.io", "https://ghcr.io", "ghcr.io.", "ghcr.io/v2", "http://ghcr.io/", "ghcr.io/"];
    let adding = spellings.map(|spelling| {
        let (client, scope) = (server.operator(), scope.clone());
        tokio::spawn(async move { client.credential_create(&scope, &login(spelling, "bot", spelling).request()).await })
    });
    let (mut added, mut told) = (Vec::new(), Vec::new());
    for one in adding {
        match one.await.unwrap() {
            Ok(credential) => added.push(credential.id),
            refused => {
                let problem = problem(refused);
                assert_eq!((problem.status, slug(&problem)), (409, "credential-exists"));
                told.push(problem.existing_id.unwrap());
            }
        }
    }
    assert_eq!((added.len(), told), (1, vec![added[0]; 6]));
    assert_eq!(operator.credential_list_all(&scope, None).await.unwrap().items.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_inherited_can_be_seen_and_overridden_but_not_changed_from_below() {
    let (server, scope, operator) = shop().await;
    let above = organization("acme");
    let shared = store(&operator, &above, &login("ghcr.io", "org", "of-the-organization")).await;
    let seen = operator.credential_get(&scope, id(&shared)).await.unwrap();
    assert_eq!((seen.value.inherited, seen.value.scope.as_str()), (true, "organizations/acme"));
    let listed = operator.credential_list_all(&scope, None).await.unwrap().items;
    assert_eq!(listed.iter().map(as_json).collect::<Vec<_>>(), [as_json(&seen.value)]);

    let change = CredentialChange { enabled: Some(false), ..CredentialChange::default() };
    let admin = server.client(Role::Admin, &scope).await;
    for client in [&operator, &admin] {
        let refused = problem(client.credential_update(&scope, id(&shared), &change, None).await);
        assert_eq!((refused.status, slug(&refused)), (403, "inherited-credential"));
        let refused = problem(client.credential_delete(&scope, id(&shared), None).await);
        assert_eq!((refused.status, slug(&refused)), (403, "inherited-credential"));
    }
    assert_eq!(slug(&problem(admin.credential_get(&above, id(&shared)).await)), "not-found");

    let own = store(&operator, &scope, &login("ghcr.io", "own", "of-the-project")).await;
    let listed = operator.credential_list_all(&scope, None).await.unwrap().items;
    assert_eq!(listed.iter().map(|item| item.id).collect::<Vec<_>>(), [own.id]);
    assert_eq!(passwords(&server, "acme/shop").await["ghcr.io"], "of-the-project");
    operator.credential_delete(&scope, id(&own), None).await.unwrap();
    assert_eq!(passwords(&server, "acme/shop").await["ghcr.io"], "of-the-organization");
    operator.credential_delete(&above, id(&shared), None).await.unwrap();
    assert!(passwords(&server, "acme/shop").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_added_again_after_it_was_deleted_is_another_credential() {
    let (server, scope, operator) = shop().await;
    let first = store(&operator, &scope, &login("ghcr.io", "bot", "old")).await;
    operator.credential_delete(&scope, id(&first), Some("\"1\"")).await.unwrap();
    assert_eq!(slug(&problem(operator.credential_get(&scope, id(&first)).await)), "not-found");
    assert_eq!(slug(&problem(operator.credential_delete(&scope, id(&first), None).await)), "not-found");
    let second = store(&operator, &scope, &login("ghcr.io", "bot", "new")).await;
    assert_ne!(first.id, second.id);
    let change = CredentialChange { enabled: Some(false), ..CredentialChange::default() };
    let refused = operator.credential_update(&scope, id(&first), &change, Some("\"1\"")).await;
    assert_eq!(slug(&problem(refused)), "not-found");
    assert_eq!(passwords(&server, "acme/shop").await["ghcr.io"], "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_comes_out_byte_for_byte_as_it_went_in() {
    let (server, scope, operator) = shop().await;
    server.project("acme/terminal").await;
    let odd = [
        " leading and trailing ",
        "\ttab\t",
        "two\nlines",
        "line end\n",
        "two line ends\n\n",
        "dos\r\nlines",
        "\n",
        " ",
        "\"quoted\"",
        "'single'",
        "back\\slash \\n \\u0041 \\",
        "<script>&amp;</script>",
        "%s %00 $HOME `id` $(id)",
        "a:b:c",
        "{\"auths\":{}}",
        "null",
        "true",
        "12345678901234567890",
        "ünïcödé",
        "e\u{301} is not é",
        "🦀🔑👩‍👩‍👧",
        "\u{feff}bom",
        "\u{202e}right to left",
        "\u{2028}\u{2029}",
        "\u{85}\u{9f}",
        "\u{10ffff}\u{fffd}",
        "-----BEGIN KEY-----\nAA==\n",
    ];
    let mut odd: Vec<_> = odd.map(str::to_owned).into();
    odd.extend(["x".repeat(16 * 1024), "\"\\".repeat(8 * 1024), "🦀".repeat(4 * 1024), "\n".repeat(16 * 1024)]);
    for (number, password) in odd.iter().enumerate() {
        let registry = format!("r{number}.example.com");
        store(&operator, &scope, &login(&registry, "bot", password)).await;
        let add = ["add", "--project", "acme/terminal", "--server", &registry, "--username", "bot", "--password-stdin"];
        let added = server.cli().run(&add, format!("{password}\n").as_bytes());
        assert_eq!(added.status, 0, "{password:?}: {added:?}");
    }
    for project in ["acme/shop", "acme/terminal"] {
        let passwords = passwords(&server, project).await;
        assert_eq!(passwords.len(), odd.len());
        for (number, password) in odd.iter().enumerate() {
            let got = passwords[&format!("r{number}.example.com")].as_str().unwrap();
            assert!(got == password, "{project}: {:?} became {:?}", &password[..password.len().min(20)], got);
        }
    }
}

/// Everybody adds the same ones, all at the same time.
async fn one_each_is_added(server: Server) {
    const WRITERS: usize = 16;
    const SERVERS: usize = 25;
    server.project("acme/shop").await;
    let shop = scope("acme/shop");
    let editor = server.token(Role::Editor, &shop).await;
    let path = format!("/v1/{shop}/credentials");
    let before = events(&server.operator()).await;
    let answers: Vec<_> = thread::scope(|threads| {
        let write = |writer: usize| {
            let (url, path, token) = (&server.public, &path, editor.expose());
            move || -> Vec<_> {
                let mut connection = raw::Connection::open(url).unwrap();
                let add = |number| {
                    let body = raw::credential(&format!("r{number}.example"), &format!("of-{writer}-for-{number}"));
                    connection.send(&raw::post(path, token, &body)).unwrap();
                    (number, writer, connection.answer().unwrap())
                };
                (0..SERVERS).map(add).collect()
            }
        };
        let writers: Vec<_> = (0..WRITERS).map(|writer| threads.spawn(write(writer))).collect();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    let config = passwords(&server, "acme/shop").await;
    let stored = server.operator().credential_list_all(&shop, None).await.unwrap().items;
    assert_eq!(
        (stored.len(), events(&server.operator()).await - before),
        (SERVERS, SERVERS + 2),
        "and a token and a hand-out"
    );
    for (number, writer, answer) in &answers {
        let registry = format!("r{number}.example");
        let own = config[&registry] == format!("of-{writer}-for-{number}");
        assert_eq!(answer.status, if own { 201 } else { 409 }, "{answer:?}");
        let there = stored.iter().find(|credential| credential.server == registry).unwrap();
        assert!(
            String::from_utf8_lossy(&answer.body).contains(&id(there).to_string()),
            "it names the one that is there: {answer:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_add_the_same_at_once_one_succeeds_and_the_others_learn_of_him() {
    one_each_is_added(Server::start().await).await;
    one_each_is_added(Server::on(&Cluster::shared().database())).await;
}
