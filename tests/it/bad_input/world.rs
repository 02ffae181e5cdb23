//! What the rows of the table are sent to, and what a row is.

use crate::{
    plain::{self, Header, Reply},
    support::{Binary, Server, login, organization, scope, store},
};
use regcred::domain::{permission::Role, scope::Scope};
use serde_json::Value;
use std::time::Duration;

/// Stands in everything that is bad, so that it is noticed wherever it comes out.
pub const CANARY: &str = "cAnArY7f3kQ";
pub const ORGANIZATION: &str = "organizations/acme";
pub const PROJECT: &str = "organizations/acme/projects/shop";
pub const STRANGERS: &str = "organizations/other/projects/store";

/// A server that logs all it can, with two tenants.
pub struct World {
    pub server: Server,
    pub http: reqwest::Client,
    /// The project's editor.
    pub editor: String,
    pub admin: String,
    pub deployer: String,
    /// A good token whose time is over.
    pub expired: String,
    /// A token that went with its project.
    pub orphan: String,
    /// The project's credential for `ghcr.io/acme`, at revision 1.
    pub credential: String,
    /// The project's credential for `quay.io`.
    pub other: String,
    /// One that the project has from its organization.
    pub inherited: String,
    /// One of the other tenant.
    pub strangers: String,
}

impl World {
    pub async fn new() -> Self {
        let mut server = Server::start_with(Binary::new().env("REGCRED_LOG", "trace")).await;
        let shop = scope("acme/shop");
        for project in ["acme/shop", "acme/gone", "other/store"] {
            server.project(project).await;
        }
        let token = async |role, scope: &Scope| server.token(role, scope).await.expose().to_owned();
        let orphan = token(Role::Editor, &scope("acme/gone")).await;
        let operator = server.operator();
        operator.project_delete(&crate::support::project("acme/gone")).await.expect("the project is deleted");
        let id = async |scope: &Scope, server: &str| {
            store(&operator, scope, &login(server, "bot", "hunter2")).await.id.to_string()
        };
        let (credential, other) = (id(&shop, "ghcr.io/acme").await, id(&shop, "quay.io").await);
        let inherited = id(&organization("acme"), "registry.example.com").await;
        let strangers = id(&scope("other/store"), "ghcr.io/acme").await;
        let (editor, admin) = (token(Role::Editor, &shop).await, token(Role::Admin, &shop).await);
        let (deployer, expired) = (token(Role::Deployer, &shop).await, token(Role::Auditor, &shop).await);
        server.stop();
        expire(&server, "test-auditor").await;
        server.restart();
        let http = plain::client();
        Self { server, http, editor, admin, deployer, expired, orphan, credential, other, inherited, strangers }
    }

    /// Every token's text that a row sends.
    pub fn tokens(&self) -> [&str; 5] {
        [&self.editor, &self.admin, &self.deployer, &self.expired, &self.orphan]
    }

    /// A row that sends nothing but the editor's token.
    pub fn row(&self, method: &'static str, path: &str) -> Case {
        Case {
            name: format!("{method} {path}"),
            method,
            path: format!("/v1/{path}"),
            headers: vec![plain::bearer(&self.editor)],
            body: None,
            internal: false,
            status: 422,
            slug: "invalid-body",
            pointer: None,
            existing_id: None,
            allow: None,
        }
    }

    /// A row that adds a credential.
    pub fn create(&self, body: &str) -> Case {
        self.row("POST", &format!("{PROJECT}/credentials")).body(body.as_bytes()).with(plain::json())
    }

    /// A row that changes the credential for `ghcr.io/acme`.
    pub fn patch(&self, body: &str) -> Case {
        let media_type = ("content-type", "application/merge-patch+json".to_owned());
        self.row("PATCH", &own(&self.credential)).body(body.as_bytes()).with(media_type)
    }

    /// A row that makes a token.
    pub fn token(&self, body: &str) -> Case {
        let row = self.row("POST", &format!("{PROJECT}/tokens")).body(body.as_bytes()).by(&self.admin);
        row.with(plain::json())
    }
}

/// The path of one of the project's credentials.
pub fn own(id: &str) -> String {
    format!("{PROJECT}/credentials/{id}")
}

/// Ends a token's time behind the back of a server that is stopped.
pub async fn expire(server: &Server, name: &str) {
    use sqlx::{ConnectOptions as _, Connection as _};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(server.database());
    let mut database = options.connect().await.expect("the database is there");
    let past = "update tokens set expires_at = (select now from database_clock) where name = $1";
    let done = sqlx::query(past).bind(name).execute(&mut database).await.expect("it takes the change");
    assert_eq!(done.rows_affected(), 1, "there is one token of that name");
    database.close().await.expect("it closes");
    // By the database's clock its time is over once that clock has moved on.
    tokio::time::sleep(Duration::from_millis(2)).await;
}

/// A row: a request and how it is refused.
pub struct Case {
    pub name: String,
    pub method: &'static str,
    pub path: String,
    pub headers: Vec<Header>,
    pub body: Option<Vec<u8>>,
    pub internal: bool,
    pub status: u16,
    pub slug: &'static str,
    pub pointer: Option<&'static str>,
    pub existing_id: Option<String>,
    pub allow: Option<&'static str>,
}

impl Case {
    pub fn body(mut self, body: &[u8]) -> Self {
        let shown = String::from_utf8_lossy(&body[..body.len().min(120)]).into_owned();
        self.name = format!("{} with {shown:?}", self.name);
        Self { body: Some(body.to_vec()), ..self }
    }

    pub fn with(mut self, header: Header) -> Self {
        self.name = format!("{}, {}: {}", self.name, header.0, header.1);
        self.headers.push(header);
        self
    }

    /// By another token.
    pub fn by(mut self, token: &str) -> Self {
        self.headers.retain(|(name, _)| *name != "authorization");
        self.headers.push(plain::bearer(token));
        self
    }

    /// On another path.
    pub fn on(self, path: &str) -> Self {
        Self { path: format!("/v1/{path}"), ..self }
    }

    pub fn refused(self, status: u16, slug: &'static str) -> Self {
        Self { status, slug, ..self }
    }

    pub fn at(self, pointer: &'static str) -> Self {
        Self { pointer: Some(pointer), ..self }
    }

    /// What is not as it was promised.
    pub async fn faults(&self, world: &World) -> Vec<String> {
        let base = if self.internal { &world.server.internal } else { &world.server.public };
        let url = format!("{base}{}", self.path);
        let reply = plain::send(&world.http, self.method, &url, &self.headers, self.body.as_deref()).await;
        if reply.status != self.status || (self.method != "HEAD" && reply.slug() != self.slug) {
            return vec![format!("is not {} {}: {reply:?}", self.status, self.slug)];
        }
        let mut faults = Vec::new();
        let mut expect = |what: &str, holds: bool| {
            if !holds {
                faults.push(format!("{what}: {reply:?}"));
            }
        };
        expect("repeats what was sent", !reply.text().to_lowercase().contains(&CANARY.to_lowercase()));
        expect("repeats a token", world.tokens().iter().all(|token| !reply.text().contains(token)));
        expect("may be cached", reply.header("cache-control") == Some("no-store"));
        if self.method == "HEAD" {
            return faults;
        }
        let problem: Value = serde_json::from_str(&reply.body).unwrap_or_default();
        expect("has another status in its body", problem["status"] == self.status);
        expect("is no problem document", reply.header("content-type") == Some("application/problem+json"));
        expect("has another request_id than its header", problem["request_id"].as_str() == request_id(&reply));
        if let Some(pointer) = self.pointer {
            expect(&format!("does not point at {pointer:?}"), problem["errors"][0]["pointer"] == pointer);
            let rule = problem["errors"][0]["detail"].as_str().unwrap_or_default();
            expect("does not say what the rule is", rule.starts_with("must ") && rule != "must be valid");
        }
        if let Some(id) = &self.existing_id {
            expect("names another credential", problem["existing_id"].as_str() == Some(id));
        }
        if let Some(allow) = self.allow {
            expect(&format!("does not allow {allow}"), allowed(&reply) == allow);
        }
        if self.status == 401 {
            expect("does not say how to authenticate", reply.header("www-authenticate") == Some("Bearer"));
        }
        faults
    }
}

fn request_id(reply: &Reply) -> Option<&str> {
    reply.header("x-request-id")
}

/// The methods of `Allow`, sorted.
fn allowed(reply: &Reply) -> String {
    let mut methods: Vec<_> = reply.header("allow").unwrap_or_default().split(',').map(str::trim).collect();
    methods.sort_unstable();
    methods.join(" ")
}
