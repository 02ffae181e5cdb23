//! Rows that somebody altered, cut off, moved or swapped: they do not open, they are named in the log and nowhere else, and
//! all other rows are served.

use crate::support::{
    Binary, Server, login, problem,
    raw::{self, Answer},
    slug, store,
};
use regcred::{
    client::PageQuery,
    domain::{
        permission::Role,
        scope::{ProjectPath, Scope},
    },
    http::wire,
};
use sqlx::{Connection as _, Executor as _, SqliteConnection, sqlite::SqliteConnectOptions};
use uuid::Uuid;

const SECRET: &str = "hunter2-of-the-altered-row";

/// A project with a credential that will be altered and one that will not.
struct Place {
    path: ProjectPath,
    scope: Scope,
    altered: wire::Credential,
    neighbour: wire::Credential,
    viewer: String,
    deployer: String,
}

impl Place {
    async fn new(server: &Server, name: &str) -> Self {
        let path = server.project(&format!("acme/{name}")).await;
        let scope = Scope::Project(path.clone());
        let editor = server.client(Role::Editor, &scope).await;
        let altered = store(&editor, &scope, &login("ghcr.io/acme", "bot", &format!("{SECRET}-{name}"))).await;
        let neighbour = store(&editor, &scope, &login("quay.io", "bot", "of-the-neighbour")).await;
        let viewer = server.token(Role::Viewer, &scope).await.expose().to_owned();
        let deployer = server.token(Role::Deployer, &scope).await.expose().to_owned();
        Self { path, scope, altered, neighbour, viewer, deployer }
    }

    fn fetch(&self, server: &Server, query: &str, headers: &str) -> Answer {
        let path = format!(
            "/internal/v1/organizations/{}/projects/{}/pull-secret{query}",
            self.path.organization, self.path.project
        );
        raw::once(&server.internal, raw::head("GET", &path, &self.deployer, headers).as_bytes())
    }

    fn show(&self, server: &Server, id: Uuid) -> Answer {
        raw::once(&server.public, &raw::get(&format!("/v1/{}/credentials/{id}", self.scope), &self.viewer))
    }

    fn list(&self, server: &Server) -> wire::CredentialPage {
        let answer = raw::once(&server.public, &raw::get(&format!("/v1/{}/credentials", self.scope), &self.viewer));
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_slice(&answer.body).expect("it is a page")
    }
}

/// The database of a stopped server, without its checks.
async fn database(server: &Server) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(server.database()).pragma("ignore_check_constraints", "on");
    SqliteConnection::connect_with(&options).await.expect("nobody else has it")
}

/// Runs a statement on one row.
async fn alter(database: &mut SqliteConnection, statement: &'static str, id: Uuid) {
    let done = database.execute(sqlx::query(statement).bind(id)).await.expect("the statement is right");
    assert_eq!(done.rows_affected(), 1, "{statement}");
}

/// Flips one bit of what is sealed.
async fn flip(database: &mut SqliteConnection, read: &'static str, write: &'static str, id: Uuid, at: usize) {
    let mut sealed: Vec<u8> = sqlx::query_scalar(read).bind(id).fetch_one(&mut *database).await.expect("it is there");
    sealed[at] ^= 1;
    sqlx::query(write).bind(id).bind(sealed).execute(database).await.expect("it is written");
}

/// A refusal that says nothing of what is wrong inside, with the log naming the row under the refusal's request.
fn refused(server: &Server, answer: &Answer, row: &str) {
    assert_eq!((answer.status, answer.problem().as_str()), (500, "unreadable"), "{answer:?}");
    let body = String::from_utf8_lossy(&answer.body);
    assert!(!body.contains(row) && !body.contains("credentials") && !body.contains(SECRET), "{body}");
    let (log, request) = (server.log(), answer.request_id());
    let named = log.lines().any(|line| line.contains(&request) && line.contains(row));
    assert!(named, "the log names row {row} under request {request}: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_altered_credential_is_named_in_the_log_and_nothing_else_suffers() {
    const FLIP: [&str; 2] =
        ["select sealed from credentials where id = $1", "update credentials set sealed = $2 where id = $1"];
    /// What was done to the row, and whether it can still be listed and shown, since only opening it tells.
    const CHANGES: [(&str, &str, bool); 10] = [
        ("truncated", "update credentials set sealed = substr(sealed, 1, 60) where id = $1", true),
        ("cut", "update credentials set sealed = substr(sealed, 1, length(sealed) - 1) where id = $1", true),
        ("empty", "update credentials set sealed = x'' where id = $1", true),
        ("renamed", "update credentials set username = 'mallory' where id = $1", true),
        ("redirected", "update credentials set server = 'ghcr.io/mallory' where id = $1", true),
        ("advanced", "update credentials set version = 2 where id = $1", true),
        (
            "vouched",
            "update credentials set ca_certificates = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' \
             where id = $1",
            true,
        ),
        ("misnamed", "update credentials set username = 'a:b' where id = $1", false),
        ("misplaced", "update credentials set server = 'not a server' where id = $1", false),
        ("negative", "update credentials set version = -1 where id = $1", false),
    ];
    // Whatever level is asked for, the line names its request.
    let mut server = Server::start_with(Binary::new().env("REGCRED_LOG", "warn")).await;
    let mut places = Vec::new();
    for (name, _, shown) in CHANGES {
        places.push((Place::new(&server, name).await, shown));
    }
    for at in [0, 30, 70, 115] {
        places.push((Place::new(&server, &format!("flipped-{at}")).await, true));
    }
    server.stop();
    let mut database = database(&server).await;
    for ((_, statement, _), (place, _)) in CHANGES.into_iter().zip(&places) {
        alter(&mut database, statement, place.altered.id).await;
    }
    for (at, (place, _)) in [0, 30, 70, 115].into_iter().zip(&places[CHANGES.len()..]) {
        flip(&mut database, FLIP[0], FLIP[1], place.altered.id, at).await;
    }
    database.close().await.unwrap();
    server.restart();

    for (place, shown) in &places {
        let name = &place.path.project;
        let row = place.altered.id.to_string();
        let answer = place.fetch(&server, "", "");
        let document: serde_json::Value = serde_json::from_slice(&answer.body).expect("the document is JSON");
        let auths = document["auths"].as_object().expect("there are logins");
        assert_eq!(auths.keys().collect::<Vec<_>>(), ["quay.io"], "{name}");
        assert_eq!(auths["quay.io"]["password"], "of-the-neighbour", "{name}");
        assert_eq!(answer.header("regcred-omitted"), Some(format!("{row};reason=unreadable").as_str()), "{name}");
        let (log, named) = (server.log(), format!("id=\"{row}\""));
        let request = answer.header("x-request-id").expect("every answer names its request");
        let told = log.lines().any(|line| line.contains(&named) && line.contains(request));
        assert!(told, "{name} is in the log under request {request}: {log}");

        let listed = place.list(&server);
        assert_eq!((listed.items.len(), listed.unreadable), if *shown { (2, 0) } else { (1, 1) }, "{name}");
        assert!(listed.items.iter().any(|credential| credential.id == place.neighbour.id), "{name}");
        assert_eq!(place.show(&server, place.neighbour.id).status, 200, "{name}");
        let shown_alone = place.show(&server, place.altered.id);
        if *shown {
            assert_eq!(shown_alone.status, 200, "{name}");
        } else {
            refused(&server, &shown_alone, &row);
        }
        let needed = place.fetch(&server, "?image=ghcr.io/acme/shop:1", "");
        match (*shown, name.as_str()) {
            (true, "redirected") => assert_eq!(needed.body, br#"{"auths":{}}"#, "it is for another image now"),
            (true, _) => refused(&server, &needed, &row),
            // Nobody can tell whether the image needs it; the caller is told that something is missing.
            (false, _) => assert_eq!(needed.header("regcred-omitted"), answer.header("regcred-omitted")),
        }
        assert_eq!(place.fetch(&server, "?image=quay.io/acme/shop:1", "").status, 200, "{name}");
    }
    assert!(!server.log().contains(SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_password_opens_nowhere_but_in_its_own_row() {
    const SWAP: &str = "update credentials set sealed = (select sealed from swap where swap.goes_to = credentials.id) \
                        where id in (select goes_to from swap)";
    let mut server = Server::start().await;
    let (one, two) = (Place::new(&server, "one").await, Place::new(&server, "two").await);
    let (inside, moved) = (Place::new(&server, "inside").await, Place::new(&server, "moved").await);
    server.stop();
    let mut database = database(&server).await;
    database.execute("create temporary table swap (goes_to blob, sealed blob)").await.expect("it is made");
    // Between two projects, and between two rows under one data key.
    for (one, two) in [(&one.altered, &two.altered), (&inside.altered, &inside.neighbour)] {
        for (from, to) in [(one, two), (two, one)] {
            let keep = sqlx::query("insert into swap select $2, sealed from credentials where id = $1");
            database.execute(keep.bind(from.id).bind(to.id)).await.expect("it is kept");
        }
    }
    assert_eq!(database.execute(SWAP).await.expect("they are swapped").rows_affected(), 4);
    // The whole row goes to another project, where nothing is in its way.
    alter(&mut database, "delete from credentials where id = $1", moved.neighbour.id).await;
    let to_another =
        sqlx::query("update credentials set scope_id = (select scope_id from credentials where id = $2) where id = $1");
    database.execute(to_another.bind(two.neighbour.id).bind(moved.altered.id)).await.unwrap();
    database.close().await.unwrap();
    server.restart();

    // Nothing is left there that opens: an empty document would take the place of a good one.
    refused(&server, &two.fetch(&server, "", ""), &two.altered.id.to_string());
    for (place, row) in [(&one, &one.altered), (&moved, &two.neighbour)] {
        let answer = place.fetch(&server, "", "");
        assert_eq!(answer.status, 200, "{answer:?}");
        let omitted = answer.header("regcred-omitted").unwrap_or_default();
        assert_eq!(omitted, format!("{};reason=unreadable", row.id), "{}", place.path.project);
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(!body.contains(&row.server), "{body}");
        let image = format!("?image={}/shop:1", row.server);
        refused(&server, &place.fetch(&server, &image, ""), &row.id.to_string());
    }
    refused(&server, &inside.fetch(&server, "", ""), &inside.altered.id.to_string());
    refused(&server, &inside.fetch(&server, "?image=quay.io/shop:1", ""), &inside.neighbour.id.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_altered_data_key_opens_nothing_and_other_projects_are_served() {
    const SWAP: &str = "update data_keys set wrapped = (select wrapped from swap where swap.id <> data_keys.id) \
                        where id in (select id from swap)";
    const KEY: [&str; 2] = [
        "select k.wrapped from data_keys k join credentials c on c.scope_id = k.scope_id where c.id = $1",
        "update data_keys set wrapped = $2 where scope_id = (select scope_id from credentials where id = $1)",
    ];
    let mut server = Server::start().await;
    let (flipped, cut) = (Place::new(&server, "flipped").await, Place::new(&server, "cut").await);
    let (one, two) = (Place::new(&server, "one").await, Place::new(&server, "two").await);
    let sound = Place::new(&server, "sound").await;
    server.stop();
    let mut database = database(&server).await;
    flip(&mut database, KEY[0], KEY[1], flipped.altered.id, 100).await;
    let statement = "update data_keys set wrapped = substr(wrapped, 1, 60) \
                     where scope_id = (select scope_id from credentials where id = $1)";
    alter(&mut database, statement, cut.altered.id).await;
    database.execute("create temporary table swap as select id, wrapped from data_keys limit 0").await.unwrap();
    for place in [&one, &two] {
        let keep = sqlx::query(
            "insert into swap select k.id, k.wrapped from data_keys k join credentials c on c.scope_id = k.scope_id where c.id = $1",
        );
        database.execute(keep.bind(place.altered.id)).await.unwrap();
    }
    assert_eq!(database.execute(SWAP).await.unwrap().rows_affected(), 2);
    database.close().await.unwrap();
    server.restart();

    for place in [&flipped, &cut, &one, &two] {
        let answer = place.fetch(&server, "", "");
        assert_eq!(answer.status, 500, "an empty document would take the place of a good one: {answer:?}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("auths"), "{answer:?}");
        let editor = server.client(Role::Editor, &place.scope).await;
        let refused = problem(editor.credential_create(&place.scope, &login("docker.io", "bot", "x").request()).await);
        assert_eq!((refused.status, slug(&refused)), (500, "unreadable"), "nothing is sealed under a key that is lost");
        assert_eq!(place.list(&server).items.len(), 2);
    }
    let answer = sound.fetch(&server, "", "");
    assert_eq!((answer.status, answer.header("regcred-omitted")), (200, None), "{answer:?}");
    assert!(server.log().contains("table=\"data_keys\" column=\"wrapped\""), "the log names the row");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_pull_secret_does_not_pass_for_the_whole_one() {
    let mut server = Server::start().await;
    let place = Place::new(&server, "shop").await;
    let whole = place.fetch(&server, "", "");
    let of = |answer: &Answer| answer.header("etag").expect("it has a tag").to_owned();
    server.stop();
    let mut database = database(&server).await;
    let statement =
        ["select sealed from credentials where id = $1", "update credentials set sealed = $2 where id = $1"];
    flip(&mut database, statement[0], statement[1], place.altered.id, 70).await;
    server.restart();
    let incomplete = place.fetch(&server, "", "");
    assert_ne!(incomplete.body, whole.body);
    assert_ne!(of(&incomplete), of(&whole), "other bytes have another tag");
    let again = place.fetch(&server, "", &format!("If-None-Match: {}\r\n", of(&incomplete)));
    assert_eq!((again.status, of(&again)), (304, of(&incomplete)));

    flip(&mut database, statement[0], statement[1], place.altered.id, 70).await;
    let mended = place.fetch(&server, "", &format!("If-None-Match: {}\r\n", of(&incomplete)));
    assert_eq!(
        (mended.status, &mended.body, of(&mended)),
        (200, &whole.body, of(&whole)),
        "the caller gets what was missing"
    );
    database.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_altered_token_is_refused_and_other_tokens_are_good() {
    let mut server = Server::start().await;
    let scope = Scope::Project(server.project("acme/shop").await);
    let mut tokens = Vec::new();
    for _ in 0..4 {
        tokens.push(server.token(Role::Viewer, &scope).await.expose().to_owned());
    }
    let known = server.operator().token_list_all(&scope).await.unwrap().items;
    server.stop();
    let mut database = database(&server).await;
    alter(&mut database, "update tokens set mac = zeroblob(32) where id = $1", known[0].id).await;
    alter(&mut database, "update tokens set mac = substr(mac, 1, 31) where id = $1", known[1].id).await;
    alter(&mut database, "update tokens set role = 'emperor' where id = $1", known[2].id).await;
    database.close().await.unwrap();
    server.restart();

    let whoami = |token: &String| raw::once(&server.public, &raw::get("/v1/whoami", token));
    for altered in [0, 1] {
        let answer = whoami(&tokens[altered]);
        assert_eq!((answer.status, answer.problem().as_str()), (401, "unauthenticated"), "{answer:?}");
    }
    refused(&server, &whoami(&tokens[2]), &known[2].id.to_string());
    assert_eq!(whoami(&tokens[3]).status, 200);
    let listed = server.operator().token_list(&scope, PageQuery::default()).await.unwrap();
    assert_eq!((listed.items.len(), listed.unreadable), (3, 1));
}
