//! The busy session: everything that can be done with a password, right and wrong.

use crate::support::{Reply, Server, exchange, scope};
use regcred::domain::{id::MasterKeyId, permission::Role};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const CREDENTIALS: &str = "/v1/organizations/acme/projects/shop/credentials";
const PULL_SECRET: &str = "/internal/v1/organizations/acme/projects/shop/pull-secret";
const JSON: (&str, &str) = ("content-type", "application/json");

/// Passwords that look random and are the same in every run: 16 to 40 characters, of four sorts in turn.
pub fn passwords(kind: &str, count: usize) -> Vec<String> {
    (0..count).map(|index| password(kind, index)).collect()
}

fn password(kind: &str, index: usize) -> String {
    let letters: Vec<char> = ('a'..='z').chain('A'..='Z').chain('0'..='9').collect();
    let signs: Vec<char> = "\"'\\`$&<>%+/ :;=?#{}[]~".chars().collect();
    let foreign: Vec<char> = "äßéøñłžдюλж中文字鍵🦀🔑".chars().collect();
    let breaks = vec!['\n', '\t', '\r', ' '];
    let others = [&letters, &signs, &foreign, &breaks][index % 4];
    let block = |part: u8| Sha256::digest(format!("{kind} {index} {part}"));
    let bytes: Vec<usize> = (0..3).flat_map(block).map(usize::from).collect();
    let length = 16 + bytes[0] % 25;
    let choose = |at: usize| {
        let from = if bytes[at].is_multiple_of(3) { others } else { &letters };
        from[bytes[at + 45] % from.len()]
    };
    (1..=length).map(choose).collect()
}

/// A person, a deployer, and a record of all that the public listener answered.
pub struct Session {
    public: String,
    internal: String,
    editor: String,
    deployer: String,
    said: Vec<u8>,
    /// Identifier and current password of every login.
    stored: Vec<(String, String)>,
}

impl Session {
    pub async fn begin(server: &Server) -> Self {
        let scope = scope("acme/shop");
        Self {
            public: server.public.clone(),
            internal: server.internal.clone(),
            editor: server.token(Role::Editor, &scope).await.expose().to_owned(),
            deployer: server.token(Role::Deployer, &scope).await.expose().to_owned(),
            said: Vec::new(),
            stored: Vec::new(),
        }
    }

    /// The text of the deployer's token.
    pub fn deployer(&self) -> &str {
        &self.deployer
    }

    /// Goes on with a server that was started again.
    pub fn reconnect(&mut self, server: &Server) {
        (self.public, self.internal) = (server.public.clone(), server.internal.clone());
    }

    fn ask(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let authorization = format!("Bearer {}", self.editor);
        let headers = [&[("authorization", authorization.as_str())], headers].concat();
        let reply = exchange(&self.public, method, target, &headers, body.as_bytes());
        self.keep(reply)
    }

    fn keep(&mut self, reply: Reply) -> Reply {
        self.said.extend_from_slice(reply.head.as_bytes());
        self.said.extend_from_slice(&reply.body);
        reply
    }

    fn pull(&self, query: &str, headers: &[(&str, &str)]) -> Reply {
        let authorization = format!("Bearer {}", self.deployer);
        let headers = [&[("authorization", authorization.as_str())], headers].concat();
        exchange(&self.internal, "GET", &format!("{PULL_SECRET}{query}"), &headers, b"")
    }

    pub fn create(&mut self, passwords: &[String]) {
        for (index, password) in passwords.iter().enumerate() {
            let username = ["", "b", "bo", "bot"][index % 4];
            let mut new = json!({"server": format!("r{index}.example"), "password": password});
            if !username.is_empty() {
                new["username"] = username.into();
            }
            let reply = self.ask("POST", CREDENTIALS, &[JSON], &new.to_string());
            assert_eq!(reply.status, 201, "{reply:?}");
            let id = reply.json()["id"].as_str().expect("it has an identifier").to_owned();
            self.stored.push((id, password.clone()));
            assert_eq!(self.ask("POST", CREDENTIALS, &[JSON], &new.to_string()).status, 409);
        }
    }

    pub fn read(&mut self) {
        let mut query = "?limit=60".to_owned();
        let mut listed = 0;
        loop {
            let page = self.ask("GET", &format!("{CREDENTIALS}{query}"), &[], "").json();
            listed += page["items"].as_array().map_or(0, Vec::len);
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            query = format!("?limit=60&cursor={cursor}");
        }
        assert_eq!(listed, self.stored.len());
        for (id, _) in self.stored.clone() {
            assert_eq!(self.ask("GET", &format!("{CREDENTIALS}/{id}"), &[], "").status, 200);
        }
        for listener in [self.public.clone(), self.internal.clone()] {
            let document = exchange(&listener, "GET", "/openapi.json", &[], b"");
            assert_eq!(document.json()["openapi"], "3.1.0");
            self.keep(document);
        }
        for path in ["/livez", "/readyz", "/v1/whoami", "/docs/"] {
            assert_eq!(self.ask("GET", path, &[], "").status, 200, "{path}");
        }
    }

    pub fn rotate(&mut self, passwords: &[String]) {
        for (index, password) in passwords.iter().enumerate() {
            let target = format!("{CREDENTIALS}/{}", self.stored[index].0);
            let stale =
                self.ask("PATCH", &target, &[JSON, ("if-match", "\"99\"")], &json!({"password": password}).to_string());
            assert_eq!(stale.status, 412);
            let change = json!({"password": password, "username": "other", "email": "ops@acme.example"});
            assert_eq!(self.ask("PATCH", &target, &[JSON], &change.to_string()).status, 200);
            self.stored[index].1.clone_from(password);
        }
    }

    /// Puts passwords where none belongs. Everything must be refused.
    pub fn make_mistakes(&mut self, passwords: &[String]) {
        for password in passwords {
            for (method, target, body) in self.wrong_bodies(password) {
                let reply = self.ask(method, &target, &[JSON], &body);
                assert!((400..500).contains(&reply.status), "{method} {target} {body}: {reply:?}");
            }
            let encoded: String = url::form_urlencoded::byte_serialize(password.as_bytes()).collect();
            let encoded = encoded.replace('+', "%20");
            for target in [
                format!("{CREDENTIALS}?server=bot%3A{encoded}%40ghcr.io"),
                format!("{CREDENTIALS}?limit={encoded}"),
                format!("{CREDENTIALS}?cursor={encoded}"),
                format!("{CREDENTIALS}?{encoded}=1"),
                format!("{CREDENTIALS}/{encoded}"),
                format!("/v1/organizations/{encoded}"),
                format!("/v1/organizations/acme/projects/{encoded}/tokens"),
                format!("/v1/{encoded}?password={encoded}"),
            ] {
                let reply = self.ask("GET", &target, &[], "");
                assert!((400..500).contains(&reply.status), "{target}: {reply:?}");
            }
            for query in [format!("?image={encoded}%20"), format!("?format={encoded}"), format!("?{encoded}")] {
                let reply = self.pull(&query, &[]);
                assert_eq!(reply.status, 400, "{query}: {reply:?}");
                self.keep(reply);
            }
            self.wrong_headers(password, &encoded);
        }
    }

    fn wrong_bodies(&self, password: &str) -> Vec<(&'static str, String, String)> {
        let whole = |members: Value| {
            let mut body = json!({"server": "new.example", "password": "x"});
            body.as_object_mut().expect("it is an object").extend(members.as_object().cloned().unwrap_or_default());
            body.to_string()
        };
        let quoted = Value::from(password).to_string();
        let bodies = [
            whole(json!({"server": format!("https://bot:{password}@ghcr.io")})),
            whole(json!({"username": format!("bot:{password}")})),
            whole(json!({"kind": password})),
            whole(json!({"email": password})),
            whole(json!({"image_prefix": format!("https://{password}")})),
            whole(json!({"expires_at": password})),
            whole(json!({"enabled": password})),
            whole(json!({"password": [password]})),
            whole(json!({"password": format!("{password}\0")})),
            whole(json!({password: "x"})),
            whole(json!({"passwrod": password})),
            json!({"password": password}).to_string(),
            json!([password]).to_string(),
            quoted.clone(),
            password.to_owned(),
            format!(r#"{{"server": "new.example", "password": {quoted}, "password": {quoted}}}"#),
            format!(r#"{{"server": "new.example", "password": {quoted}"#),
            format!(r#"{{"server": "new.example", "password": {}"#, &quoted[..quoted.len() - 1]),
            format!(r#"{{"server": "new.example", "password": {quoted}}} {quoted}"#),
        ];
        let one = format!("{CREDENTIALS}/{}", self.stored[0].0);
        let mut wrong: Vec<_> = bodies.into_iter().map(|body| ("POST", CREDENTIALS.to_owned(), body)).collect();
        wrong.extend([
            ("PATCH", one.clone(), json!({"server": "other.example", "email": password}).to_string()),
            ("PATCH", one, json!({"enabled": password}).to_string()),
            ("PATCH", format!("{CREDENTIALS}/none"), json!({"password": password}).to_string()),
            (
                "POST",
                "/v1/organizations/acme/projects/shop/tokens".to_owned(),
                json!({"name": "x", "role": password}).to_string(),
            ),
            ("PUT", CREDENTIALS.to_owned(), quoted),
        ]);
        wrong
    }

    fn wrong_headers(&mut self, password: &str, encoded: &str) {
        let new = json!({"server": "new.example", "password": password}).to_string();
        let forms = [encoded.to_owned(), password.to_owned()];
        // A line end would end the header.
        for value in forms.iter().filter(|value| value.bytes().all(|byte| (b' '..=b'~').contains(&byte))) {
            let one = format!("{CREDENTIALS}/{}", self.stored[0].0);
            let tag = format!("\"{}\"", value.replace(['"', ','], "x"));
            for (method, target, header) in [
                ("POST", CREDENTIALS, ("content-type", value.as_str())),
                ("POST", CREDENTIALS, ("content-encoding", value)),
                ("POST", CREDENTIALS, ("accept", value)),
                ("DELETE", &one, ("if-match", &tag)),
                ("GET", "/v1/nothing", ("x-request-id", value)),
                ("GET", "/v1/nothing", ("cookie", value)),
            ] {
                let reply = self.ask(method, target, &[header], &new);
                assert!((400..500).contains(&reply.status), "{method} {header:?}: {reply:?}");
            }
            for scheme in ["Bearer", "Basic"] {
                let authorization = format!("{scheme} {value}");
                let reply = exchange(&self.public, "GET", CREDENTIALS, &[("authorization", &authorization)], b"");
                assert_eq!(reply.status, 401);
                self.keep(reply);
            }
        }
    }

    /// Fetches pull secrets, and sees in them that every password is stored as it was given.
    pub fn deploy(&self) {
        let whole = self.pull("", &[]);
        assert_eq!(whole.status, 200);
        let config = whole.json();
        let mut handed_out: Vec<_> = config["auths"].as_object().expect("it has logins").values().collect();
        handed_out.sort_by_key(|login| login["password"].as_str());
        let mut stored: Vec<_> = self.stored.iter().map(|(_, password)| password.as_str()).collect();
        stored.sort_unstable();
        let handed_out: Vec<_> = handed_out.iter().filter_map(|login| login["password"].as_str()).collect();
        assert_eq!(handed_out, stored);
        let tag = whole.header("etag").expect("it has a tag").to_owned();
        assert_eq!(self.pull("", &[("if-none-match", &tag)]).status, 304);
        for index in 0..self.stored.len().min(40) {
            let narrowed = self.pull(&format!("?image=r{index}.example/app&image=r{}.example/app", index + 30), &[]);
            assert_eq!(narrowed.status, 200);
        }
    }

    /// Rotates the master key.
    pub async fn turn_keys(&mut self, server: &Server) {
        let operator = server.operator();
        let key = operator.key_add().await.expect("a key is made");
        operator.key_activate(MasterKeyId::from_uuid(key.id)).await.expect("it is activated");
        assert!(operator.key_rewrap().await.expect("all is wrapped anew").rewrapped > 0);
        self.deploy();
    }

    /// Deletes the last of the logins.
    pub fn delete(&mut self, count: usize) {
        for (id, _) in self.stored.split_off(self.stored.len() - count) {
            assert_eq!(self.ask("DELETE", &format!("{CREDENTIALS}/{id}"), &[], "").status, 204);
        }
    }

    /// Everything that was answered where no password belongs.
    pub fn end(self) -> Vec<u8> {
        self.said
    }
}
