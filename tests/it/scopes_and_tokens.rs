//! Organizations, projects and the tokens that are good in them.

use crate::{
    plain::{self, bearer},
    support::{Server, id, login, organization, problem, project, pull, scope, slug, store},
};
use regcred::{
    client::{Client, ClientError, NewToken, PageQuery},
    domain::{id::TokenId, permission::Role, scope::Scope, token::TokenText},
    http::wire,
};
use sqlx::{ConnectOptions as _, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{fmt::Debug, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use zeroize::Zeroizing;

async fn make(client: &Client, scope: &Scope, name: &str, role: Role) -> Result<wire::TokenCreated, ClientError> {
    let new = NewToken { name: &name.parse().expect("it is a valid name"), role, expires_in_days: None };
    client.token_create(scope, &new).await
}

fn refusal<T: Debug>(result: Result<T, ClientError>) -> (u16, String) {
    let problem = problem(result);
    (problem.status, slug(&problem).to_owned())
}

fn text(token: &TokenText) -> TokenText {
    TokenText::parse(&Zeroizing::new(token.expose().to_owned())).expect("it is a token")
}

async fn database(server: &Server) -> SqliteConnection {
    SqliteConnectOptions::new().filename(server.database()).connect().await.expect("the database is there")
}

/// Operations that were denied, with their scopes, in order.
async fn denials(server: &Server) -> Vec<(String, String)> {
    let events = server.operator().audit_list_all(&Scope::Deployment).await.expect("there is a log").items;
    let denied = events.into_iter().filter(|event| event.outcome == "denied");
    denied.map(|event| (event.operation, event.scope)).collect()
}

fn unauthenticated() -> (u16, String) {
    (401, "unauthenticated".to_owned())
}

fn forbidden() -> (u16, String) {
    (403, "forbidden".to_owned())
}

fn not_found() -> (u16, String) {
    (404, "not-found".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn to_put_a_scope_twice_makes_it_once() {
    let server = Server::start().await;
    let headers = [bearer(server.operator_token().expose())];
    for path in ["organizations/acme", "organizations/acme/projects/shop"] {
        let url = format!("{}/v1/{path}", server.public);
        let mut answers = Vec::new();
        for status in [201, 200, 200] {
            let reply = plain::send(&plain::client(), "PUT", &url, &headers, None).await;
            assert_eq!(reply.status, status, "{reply:?}");
            answers.push(reply.json());
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        assert_eq!(plain::send(&plain::client(), "GET", &url, &headers, None).await.json(), answers[0]);
    }
    let events = server.operator().audit_list_all(&Scope::Deployment).await.unwrap().items;
    let made = events.iter().filter(|event| event.operation.ends_with(".create") && event.principal == "operator");
    assert_eq!(made.count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_may_have_every_name_that_is_a_dns_label() {
    let server = Server::start().await;
    let operator = server.operator();
    let longest = "x".repeat(63);
    for name in ["a", "0", "a-b", "a--b", "deployment", "organizations", "projects", "v1", "null", &longest] {
        let path = server.project(&format!("{name}/{name}")).await;
        let made = operator.project_get(&path).await.unwrap();
        assert_eq!((made.name.as_str(), made.organization.as_str()), (name, name));
        store(&operator, &Scope::Project(path), &login("ghcr.io", "bot", "pw")).await;
    }
    let headers = [bearer(server.operator_token().expose())];
    for name in [&"x".repeat(64), "A", "-a", "a-", "a_b", "a.b", "%20", "%C3%A4"] {
        let url = format!("{}/v1/organizations/{name}", server.public);
        let reply = plain::send(&plain::client(), "PUT", &url, &headers, None).await;
        assert_eq!((reply.status, reply.slug().as_str()), (400, "invalid-parameter"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_goes_only_after_its_projects() {
    let server = Server::start().await;
    let shop = server.project("acme/shop").await;
    let operator = server.operator();
    store(&operator, &organization("acme"), &login("ghcr.io", "bot", "pw")).await;
    let refused = refusal(operator.organization_delete(&shop.organization).await);
    assert_eq!(refused, (409, "organization-not-empty".to_owned()));
    operator.project_delete(&shop).await.unwrap();
    operator.organization_delete(&shop.organization).await.unwrap();
    assert_eq!(refusal(operator.organization_get(&shop.organization).await), not_found());
    assert_eq!(refusal(operator.project_create(&shop).await), not_found());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_takes_all_that_is_in_it_along_and_gives_nothing_back_to_its_namesake() {
    let server = Server::start().await;
    let shop = server.project("acme/shop").await;
    let scope = Scope::Project(shop.clone());
    let operator = server.operator();
    store(&operator, &scope, &login("ghcr.io", "bot", "pw")).await;
    let (editor, deployer) = (server.client(Role::Editor, &scope).await, server.client(Role::Deployer, &scope).await);
    assert!(pull(&deployer, &shop, &[]).await.unwrap().contains("pw"));
    for round in 0..3 {
        operator.project_delete(&shop).await.unwrap();
        assert_eq!(refusal(editor.whoami().await), unauthenticated(), "round {round}");
        assert_eq!(refusal(pull(&deployer, &shop, &[]).await), unauthenticated());
        operator.project_create(&shop).await.unwrap();
        assert_eq!(refusal(editor.whoami().await), unauthenticated());
        assert_eq!(refusal(editor.credential_list_all(&scope, None).await), unauthenticated());
        assert_eq!(refusal(pull(&deployer, &shop, &[]).await), unauthenticated());
        assert!(operator.credential_list_all(&scope, None).await.unwrap().items.is_empty());
        assert!(operator.token_list_all(&scope).await.unwrap().items.is_empty());
    }
    let fresh = server.client(Role::Deployer, &scope).await;
    assert_eq!(pull(&fresh, &shop, &[]).await.unwrap(), r#"{"auths":{}}"#);
    // The deployment's own key and those of the two scopes that there are: no other key is left to open anything with.
    let keys: i64 =
        sqlx::query_scalar("select count(*) from data_keys").fetch_one(&mut database(&server).await).await.unwrap();
    assert_eq!(keys, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_appoints_everybody_but_operators_in_his_scope_and_below_and_nobody_elsewhere() {
    let server = Server::start().await;
    server.project("acme/shop").await;
    server.project("other/store").await;
    let everywhere =
        [Scope::Deployment, organization("acme"), scope("acme/shop"), organization("other"), scope("other/store")];
    let everybody = [Role::Viewer, Role::Editor, Role::Deployer, Role::Admin, Role::Auditor, Role::Operator];
    for (own, reached) in [(0, vec![0, 1, 2, 3, 4]), (1, vec![1, 2]), (2, vec![2])] {
        let admin = server.client(Role::Admin, &everywhere[own]).await;
        for (index, place) in everywhere.iter().enumerate() {
            for role in everybody {
                let made = make(&admin, place, "x", role).await;
                let case = format!("an admin of {} makes a {role} of {place}", everywhere[own]);
                if !reached.contains(&index) {
                    let hidden = if *place == Scope::Deployment { forbidden() } else { not_found() };
                    assert_eq!(refusal(made), hidden, "{case}");
                } else if role == Role::Operator {
                    assert_eq!(refusal(made), forbidden(), "{case}");
                } else {
                    let made = made.expect(&case);
                    assert_eq!((made.role, made.scope), (role, place.to_string()), "{case}");
                }
            }
        }
    }
    let operator = server.operator();
    assert_eq!(refusal(make(&operator, &scope("acme/shop"), "x", Role::Operator).await), forbidden());
    make(&operator, &Scope::Deployment, "x", Role::Operator).await.unwrap();
    for role in [Role::Viewer, Role::Editor, Role::Deployer, Role::Auditor] {
        let client = server.client(role, &organization("acme")).await;
        assert_eq!(refusal(make(&client, &scope("acme/shop"), "x", Role::Viewer).await), forbidden(), "{role}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_for_what_he_asked_leaves_an_event_too() {
    let server = Server::start().await;
    let shop = server.project("acme/shop").await;
    let place = Scope::Project(shop.clone());
    let admin = server.client(Role::Admin, &place).await;
    assert_eq!(refusal(make(&admin, &place, "x", Role::Operator).await), forbidden());
    assert_eq!(refusal(admin.project_delete(&shop).await), forbidden());
    assert_eq!(refusal(admin.project_create(&shop).await), forbidden());
    let shared = store(&server.operator(), &organization("acme"), &login("ghcr.io", "bot", "pw")).await;
    let inherited = (403, "inherited-credential".to_owned());
    assert_eq!(refusal(admin.credential_delete(&place, id(&shared), None).await), inherited);
    let expected = ["token.create", "project.delete", "project.create", "credential.delete"];
    let expected = expected.map(|operation| (operation.to_owned(), place.to_string()));
    assert_eq!(denials(&server).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_of_the_deployment_cannot_put_its_operators_out() {
    let server = Server::start().await;
    let admin = server.client(Role::Admin, &Scope::Deployment).await;
    let operator = TokenId::from_uuid(server.operator().whoami().await.unwrap().token_id);
    assert_eq!(refusal(admin.token_revoke(&Scope::Deployment, operator).await), forbidden());
    assert_eq!(server.operator().whoami().await.unwrap().role, Role::Operator);
    assert_eq!(denials(&server).await, [("token.revoke".to_owned(), "deployment".to_owned())]);
    let other = make(&admin, &Scope::Deployment, "x", Role::Admin).await.unwrap();
    admin.token_revoke(&Scope::Deployment, TokenId::from_uuid(other.id)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_of_a_token_is_shown_once_and_kept_nowhere() {
    let server = Server::start().await;
    server.project("acme/shop").await;
    let (place, operator) = (scope("acme/shop"), server.operator());
    let made = make(&operator, &place, "argo", Role::Deployer).await.unwrap();
    let text = made.token.expose();
    let headers = [bearer(server.operator_token().expose())];
    for path in [format!("{place}/tokens"), format!("{place}/tokens/{}", made.id), format!("{place}/audit-events")] {
        let url = format!("{}/v1/{path}", server.public);
        let reply = plain::send(&plain::client(), "GET", &url, &headers, None).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert!(reply.body.contains(&made.id.to_string()), "{reply:?}");
        assert!(!reply.text().contains(text) && !reply.text().contains("rgc_"), "{reply:?}");
    }
    let whoami = server.client_with(Some(self::text(&made.token))).whoami().await.unwrap();
    assert_eq!((whoami.token_id, whoami.name.as_str(), whoami.role), (made.id, "argo", Role::Deployer));
    assert_eq!(whoami.scope, place.to_string());
    for file in std::fs::read_dir(server.data()).unwrap().map(|file| file.unwrap().path()) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(text.len()).any(|window| window == text.as_bytes()), "{}", file.display());
    }
    assert!(!server.log().contains("rgc_"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_never_good_again_once_its_revocation_was_answered() {
    let server = Server::start().await;
    server.project("acme/shop").await;
    let (place, operator) = (scope("acme/shop"), server.operator());
    for round in 0..20 {
        let made = make(&operator, &place, "x", Role::Editor).await.unwrap();
        let users = [0; 4].map(|_| {
            let client = server.client_with(Some(text(&made.token)));
            tokio::spawn(async move { while client.whoami().await.is_ok() {} })
        });
        let client = server.client_with(Some(text(&made.token)));
        client.whoami().await.unwrap();
        operator.token_revoke(&place, TokenId::from_uuid(made.id)).await.unwrap();
        assert_eq!(refusal(client.whoami().await), unauthenticated(), "round {round}");
        assert_eq!(refusal(client.credential_list_all(&place, None).await), unauthenticated());
        for user in users {
            user.await.unwrap();
        }
        assert_eq!(refusal(operator.token_revoke(&place, TokenId::from_uuid(made.id)).await), not_found());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_ends_after_the_revocation_of_its_token_changes_nothing() {
    let server = Server::start().await;
    server.project("acme/shop").await;
    let (place, operator) = (scope("acme/shop"), server.operator());
    let made = make(&operator, &place, "x", Role::Admin).await.unwrap();
    let bodies = [
        ("credentials", r#"{"server": "ghcr.io", "password": "pw"}"#),
        ("tokens", r#"{"name": "for-later", "role": "admin"}"#),
    ];
    let mut open = Vec::new();
    for (path, body) in bodies {
        let mut socket = TcpStream::connect(server.public.strip_prefix("http://").unwrap()).await.unwrap();
        let head = format!(
            "POST /v1/{place}/{path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            made.token.expose(),
            body.len()
        );
        socket.write_all(&[head.as_bytes(), &body.as_bytes()[..5]].concat()).await.unwrap();
        open.push((socket, &body[5..]));
    }
    // By now the server has found out whose requests these are, and waits for the rest.
    tokio::time::sleep(Duration::from_millis(700)).await;
    operator.token_revoke(&place, TokenId::from_uuid(made.id)).await.unwrap();
    for (mut socket, rest) in open {
        socket.write_all(rest.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    }
    assert!(operator.credential_list_all(&place, None).await.unwrap().items.is_empty());
    assert!(operator.token_list_all(&place).await.unwrap().items.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistyped_token_costs_no_look_into_the_database() {
    let server = Server::start().await;
    let token = server.token(Role::Viewer, &Scope::Deployment).await.expose().to_owned();
    let whoami = async |token: &str| {
        let url = format!("{}/v1/whoami", server.public);
        let reply = plain::send(&plain::client(), "GET", &url, &[bearer(token)], None).await;
        (reply.status, reply.slug())
    };
    assert_eq!(whoami(&token).await.0, 200);
    // Whoever looks now is noticed.
    let broken = sqlx::query("alter table tokens rename to elsewhere").execute(&mut database(&server).await).await;
    broken.unwrap();
    assert_eq!(whoami(&token).await, (500, "internal".to_owned()));
    for position in 0..token.len() {
        let other = if &token[position..=position] == "x" { "y" } else { "x" };
        let typed = format!("{}{other}{}", &token[..position], &token[position + 1..]);
        assert_eq!(whoami(&typed).await, unauthenticated(), "position {position}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tokens_time_is_measured_by_the_databases_clock() {
    let server = Server::start().await;
    let client = server.client(Role::Viewer, &Scope::Deployment).await;
    let mut database = database(&server).await;
    let mut set = async |days: &'static str| {
        sqlx::query("drop view database_clock").execute(&mut database).await.unwrap();
        sqlx::query(days).execute(&mut database).await.unwrap();
    };
    client.whoami().await.unwrap();
    set("create view database_clock as select cast((unixepoch() + 91 * 86400) * 1000000 as integer) as now").await;
    assert_eq!(refusal(client.whoami().await), unauthenticated());
    set("create view database_clock as select cast((unixepoch() + 89 * 86400) * 1000000 as integer) as now").await;
    client.whoami().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_comes_in_pages_that_add_up_to_it() {
    let server = Server::start().await;
    let operator = server.operator();
    let sorted = ["a", "b", "c", "d", "e"];
    for name in ["e", "c", "a", "d", "b"] {
        operator.organization_create(&name.parse().unwrap()).await.unwrap();
    }
    let (a, place) = ("a".parse().unwrap(), organization("a"));
    for name in ["e", "c", "a", "d", "b"] {
        operator.project_create(&project(&format!("a/{name}"))).await.unwrap();
    }
    for name in sorted {
        make(&operator, &place, name, Role::Viewer).await.unwrap();
        make(&operator, &scope("a/a"), "elsewhere", Role::Viewer).await.unwrap();
    }
    let names = |names: Vec<String>| names.concat();
    let mut cursors = [const { None::<String> }; 3];
    for (part, last) in [("ab", false), ("cd", false), ("e", true)] {
        let [organizations, projects, tokens] =
            cursors.each_ref().map(|cursor| PageQuery { limit: Some(2), cursor: cursor.as_deref() });
        let organizations = operator.organization_list(organizations).await.unwrap();
        assert_eq!(names(organizations.items.into_iter().map(|item| item.name).collect()), part);
        let projects = operator.project_list(&a, projects).await.unwrap();
        assert_eq!(names(projects.items.into_iter().map(|item| item.name).collect()), part);
        let tokens = operator.token_list(&place, tokens).await.unwrap();
        assert_eq!(names(tokens.items.into_iter().map(|item| item.name).collect()), part);
        cursors = [organizations.next_cursor, projects.next_cursor, tokens.next_cursor];
        assert!(cursors.iter().all(|cursor| cursor.is_none() == last), "{cursors:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_shown_the_organizations_that_it_reaches_and_no_other() {
    let server = Server::start().await;
    for name in ["acme/shop", "beta/shop", "other/store"] {
        server.project(name).await;
    }
    let names = async |client: &Client| {
        let items = client.organization_list_all().await.unwrap().items;
        items.into_iter().map(|organization| organization.name).collect::<Vec<_>>()
    };
    assert_eq!(names(&server.operator()).await, ["acme", "beta", "other"]);
    for role in [Role::Viewer, Role::Editor, Role::Admin, Role::Auditor] {
        assert_eq!(names(&server.client(role, &Scope::Deployment).await).await, ["acme", "beta", "other"], "{role}");
        let own = server.client(role, &organization("beta")).await;
        assert_eq!(names(&own).await, ["beta"], "{role}");
        assert_eq!(refusal(own.organization_get(&"acme".parse().unwrap()).await), not_found(), "{role}");
        assert_eq!(refusal(own.organization_get(&"nobody".parse().unwrap()).await), not_found(), "{role}");
        let below = server.client(role, &scope("beta/shop")).await;
        assert!(names(&below).await.is_empty(), "{role}");
        assert_eq!(refusal(below.project_list_all(&"beta".parse().unwrap()).await), not_found(), "{role}");
    }
    let deployer = server.client(Role::Deployer, &organization("beta")).await;
    assert_eq!(refusal(deployer.organization_list_all().await), forbidden());
}
