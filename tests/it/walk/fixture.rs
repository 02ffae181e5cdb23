//! A server with two tenants, and a real request for every operation.

use super::{Listener, Operation};
use crate::support::{Server, log};
use regcred::domain::permission::Role;
use reqwest::{Method, header::HeaderMap};
use serde_json::{Value, json};
use std::sync::{
    Mutex,
    atomic::{AtomicU32, Ordering},
};

/// Where a token belongs, seen from `acme/shop`, which is what all is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    Deployment,
    Organization,
    Project,
    /// Another project of the same organization.
    Sibling,
    /// Another organization.
    Foreign,
    /// A project of that other organization, which is also called `shop`.
    ForeignProject,
}

impl Place {
    pub const ALL: [Self; 6] =
        [Self::Deployment, Self::Organization, Self::Project, Self::Sibling, Self::Foreign, Self::ForeignProject];

    /// The scope's name, as it stands in paths and in answers.
    pub const fn scope(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::Organization => "organizations/acme",
            Self::Project => "organizations/acme/projects/shop",
            Self::Sibling => "organizations/acme/projects/other",
            Self::Foreign => "organizations/globex",
            Self::ForeignProject => "organizations/globex/projects/shop",
        }
    }

    /// The path below which the scope's tokens and events stand.
    pub fn path(self) -> String {
        if self == Self::Deployment { "/v1".to_owned() } else { format!("/v1/{}", self.scope()) }
    }
}

/// What a request that could do harm is aimed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Something that was made for this request.
    Fresh,
    /// The organization `acme` or the project `acme/shop` itself.
    Acme,
}

/// A token.
#[derive(Debug, Clone)]
pub struct Bearer {
    pub id: String,
    pub name: String,
    pub text: String,
}

/// A request, to be sent as often as one likes.
#[derive(Debug, Clone)]
pub struct Request {
    pub listener: Listener,
    pub method: Method,
    pub path: String,
    pub media_type: Option<String>,
    pub body: Value,
    /// The identifier in the path, if there is one.
    pub id: Option<String>,
}

impl Request {
    pub fn new(method: Method, path: &str, body: Value) -> Self {
        let media_type = (!body.is_null()).then(|| "application/json".to_owned());
        Self { listener: Listener::Public, method, path: path.to_owned(), media_type, body, id: None }
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }

    /// The last part of the problem's type; nothing if it is no problem.
    pub fn slug(&self) -> String {
        if self.header("content-type") != Some("application/problem+json") {
            return String::new();
        }
        let kind = self.json()["type"].as_str().unwrap_or_default().to_owned();
        kind.trim_start_matches("urn:regcred:problem:").to_owned()
    }
}

/// A server with the organizations `acme` (projects `shop` and `other`) and `globex` (project `shop`). `acme` has a credential
/// that its projects inherit, and `acme/shop` one of its own.
pub struct World {
    pub server: Server,
    http: reqwest::Client,
    operator: String,
    fresh: AtomicU32,
    secrets: Mutex<Vec<String>>,
}

impl World {
    pub async fn start() -> Self {
        let server = Server::start().await;
        // Another test of this process may have been first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("a client is made");
        let operator = server.operator_token().expose().to_owned();
        let secrets = Mutex::new(vec![operator.clone()]);
        let world = Self { server, http, operator, fresh: AtomicU32::new(0), secrets };
        for name in ["acme/shop", "acme/other", "globex/shop"] {
            world.server.project(name).await;
        }
        for place in [Place::Organization, Place::Project] {
            world.credential(place.scope()).await;
        }
        world
    }

    /// Sends a request.
    pub async fn send(&self, request: &Request, bearer: Option<&str>) -> Answer {
        let base = match request.listener {
            Listener::Public => &self.server.public,
            Listener::Internal => &self.server.internal,
        };
        let mut builder = self.http.request(request.method.clone(), format!("{base}{}", request.path));
        if let Some(bearer) = bearer {
            builder = builder.header("authorization", format!("Bearer {bearer}"));
        }
        if let Some(media_type) = &request.media_type {
            builder = builder.header("content-type", media_type).body(request.body.to_string());
        }
        let response = builder.send().await.expect("the server answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let answer = Answer { status, headers, body: response.bytes().await.expect("the answer is whole").to_vec() };
        if status == 201
            && let Some(text) = answer.json()["token"].as_str()
        {
            self.keep_secret(text.to_owned());
        }
        answer
    }

    /// Sends a request of the operator's that must succeed.
    pub async fn operate(&self, method: Method, path: &str, body: Value) -> Value {
        let listener = if path.starts_with("/internal") { Listener::Internal } else { Listener::Public };
        let request = Request { listener, ..Request::new(method, path, body) };
        let answer = self.send(&request, Some(&self.operator)).await;
        assert!((200..300).contains(&answer.status), "{request:?}: {}", answer.text());
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }

    /// The first operator's token.
    pub fn operator(&self) -> &str {
        &self.operator
    }

    /// A new token.
    pub async fn token(&self, role: Role, place: Place) -> Bearer {
        self.token_in(role, &place.path()).await
    }

    /// A new token of the scope with that path.
    pub async fn token_in(&self, role: Role, path: &str) -> Bearer {
        let name = self.name(role.name());
        let made =
            self.operate(Method::POST, &format!("{path}/tokens"), json!({"name": name, "role": role.name()})).await;
        let text = |member: &str| made[member].as_str().expect("a token has it").to_owned();
        Bearer { id: text("id"), name, text: text("token") }
    }

    /// A new credential's identifier.
    pub async fn credential(&self, scope: &str) -> String {
        let body = self.login();
        let made = self.operate(Method::POST, &format!("/v1/{scope}/credentials"), body).await;
        made["id"].as_str().expect("a credential has an id").to_owned()
    }

    /// A name that nothing has yet.
    pub fn name(&self, prefix: &str) -> String {
        format!("{prefix}-{}", self.fresh.fetch_add(1, Ordering::Relaxed))
    }

    /// A login for a server that nobody has a login for yet.
    pub fn login(&self) -> Value {
        json!({"server": format!("{}.example.com", self.name("registry")), "username": "bot", "password": self.password()})
    }

    /// A password that is remembered as a secret.
    pub fn password(&self) -> String {
        let password = self.name("p4ssw0rd");
        self.keep_secret(password.clone());
        password
    }

    pub fn keep_secret(&self, secret: String) {
        self.secrets.lock().expect("nobody panicked").push(secret);
    }

    /// Every password and token text that this world has seen.
    pub fn secrets(&self) -> Vec<String> {
        self.secrets.lock().expect("nobody panicked").clone()
    }

    /// A request that does what the operation says, in `acme` or `acme/shop`. A new operation with a body or an identifier
    /// needs an arm here.
    pub async fn request(&self, operation: &Operation, target: Target) -> Request {
        let (mut organization, mut project) = ("acme".to_owned(), "shop".to_owned());
        let fresh = target == Target::Fresh;
        match operation.base() {
            "organization_create" | "organization_delete" if fresh => organization = self.name("organization"),
            "project_create" | "project_delete" if fresh => project = self.name("project"),
            _ => {}
        }
        let path = operation.path.replace("{organization}", &organization).replace("{project}", &project);
        if fresh && matches!(operation.base(), "organization_delete" | "project_delete") {
            self.operate(Method::PUT, &path, Value::Null).await;
        }
        if fresh && operation.base() == "key_rewrap" {
            self.new_active_key().await;
        }
        let id = if path.contains("{id}") { Some(self.object(operation.base(), &path).await) } else { None };
        let path = id.as_ref().map_or(path.clone(), |id| path.replace("{id}", id));
        assert!(!path.contains('{'), "the fixture does not know all parameters of {path}");
        let path = if operation.base() == "credential_resolve" { format!("{path}?image=nginx") } else { path };
        let media_type = operation.media_type().map(str::to_owned);
        let body = match operation.base() {
            "audit_prune" => self.prunable().await,
            base if media_type.is_some() => self.body(base),
            _ => Value::Null,
        };
        Request { listener: operation.listener, method: operation.method.clone(), path, media_type, body, id }
    }

    /// Leaves all data keys wrapped under a master key that is no longer the active one.
    async fn new_active_key(&self) {
        let key = self.operate(Method::POST, "/internal/v1/keys", Value::Null).await;
        let id = key["id"].as_str().expect("a key has an id");
        self.operate(Method::POST, &format!("/internal/v1/keys/{id}/activate"), Value::Null).await;
    }

    /// Everything that was recorded and that this token may see below that path, oldest first.
    pub async fn events(&self, path: &str, bearer: &str) -> Vec<Value> {
        self.events_by(path, bearer, 500).await
    }

    /// The same, in pages of that many.
    pub async fn events_by(&self, path: &str, bearer: &str, limit: u32) -> Vec<Value> {
        let (mut events, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.event_page(path, bearer, limit, cursor.as_deref()).await;
            events.extend(page["items"].as_array().expect("a page has items").iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => {
                    assert_ne!(cursor.as_deref(), Some(next), "the listing goes on");
                    cursor = Some(next.to_owned());
                }
                None => return events,
            }
        }
    }

    /// One page of them.
    pub async fn event_page(&self, path: &str, bearer: &str, limit: u32, cursor: Option<&str>) -> Value {
        let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let path = format!("{path}/audit-events?limit={limit}{cursor}");
        let answer = self.send(&Request::new(Method::GET, &path, Value::Null), Some(bearer)).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// What prunes the oldest event, which is made old enough for it.
    async fn prunable(&self) -> Value {
        log::age(&self.server.database(), 1).await;
        let oldest = Request::new(Method::GET, "/v1/audit-events?limit=1", Value::Null);
        let page = self.send(&oldest, Some(&self.operator)).await.text();
        let line = page.split_once("\"items\":[").and_then(|(_, rest)| rest.split_once("],\"next_cursor\""));
        json!({"count": 1, "sha256": log::digest(&[line.expect("there is an event").0.to_owned()])})
    }

    /// Something new for an operation that names a thing by its identifier.
    async fn object(&self, base: &str, path: &str) -> String {
        let collection = path.split_once("/{id}").expect("the path has it").0;
        let body = match base {
            "credential_get" | "credential_update" | "credential_delete" | "credential_verify" => self.login(),
            "token_get" | "token_revoke" => json!({"name": self.name("token"), "role": "viewer"}),
            "key_activate" | "key_retire" => Value::Null,
            unknown => panic!("the fixture does not know how to make what {unknown} is about"),
        };
        let made = self.operate(Method::POST, collection, body).await;
        made["id"].as_str().expect("what was made has an id").to_owned()
    }

    fn body(&self, base: &str) -> Value {
        match base {
            "credential_create" => self.login(),
            "credential_verify" => json!({}),
            "credential_update" => json!({"password": self.password()}),
            "token_create" => json!({"name": self.name("token"), "role": "viewer"}),
            unknown => panic!("the fixture does not know a body for {unknown}"),
        }
    }
}
