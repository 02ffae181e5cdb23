//! Requests as anybody may send them: any header, any bytes, no types.

use crate::support::Server;
use serde_json::Value;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Far above what any answer takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A header's name and value.
pub type Header = (&'static str, String);

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body, which must be JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The last part of the problem's type; nothing if it is none.
    pub fn slug(&self) -> String {
        let problem: Value = serde_json::from_str(&self.body).unwrap_or_default();
        let kind = problem["type"].as_str().unwrap_or_default();
        kind.strip_prefix("urn:regcred:problem:").unwrap_or_default().to_owned()
    }

    /// Everything that was answered, in one text.
    pub fn text(&self) -> String {
        format!("{self:?}")
    }
}

/// A token as a header.
pub fn bearer(token: &str) -> Header {
    ("authorization", format!("Bearer {token}"))
}

/// Says that the body is JSON.
pub fn json() -> Header {
    ("content-type", "application/json".to_owned())
}

/// A client that follows nothing and knows nothing.
pub fn client() -> reqwest::Client {
    // It fails only if there is one already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    builder.tls_certs_only([]).timeout(PATIENCE).build().expect("a client is made")
}

/// Sends a request.
pub async fn send(http: &reqwest::Client, method: &str, url: &str, headers: &[Header], body: Option<&[u8]>) -> Reply {
    let method = method.parse().expect("a test names methods well");
    let mut call = http.request(method, url);
    for (name, value) in headers {
        call = call.header(*name, value);
    }
    if let Some(body) = body {
        call = call.body(body.to_vec());
    }
    let answer = call.send().await.unwrap_or_else(|error| panic!("no answer from {url}: {error:?}"));
    let headers = answer
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let (status, headers) = (answer.status().as_u16(), headers.collect());
    Reply { status, headers, body: answer.text().await.expect("the answer is read") }
}

/// Sends these bytes to a listener and reads until it closes. A request must say `connection: close` or be refused.
pub async fn raw(url: &str, bytes: &[u8]) -> Reply {
    let address = url.strip_prefix("http://").expect("listeners are named by URL");
    let mut socket = TcpStream::connect(address).await.expect("the listener takes connections");
    // It may be answered, and closed, before everything is written.
    let _ = socket.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the connection stays open after {:?}", String::from_utf8_lossy(&answer));
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or_default();
    let headers =
        lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_owned(), value.to_owned()));
    Reply { status, headers: headers.collect(), body: body.to_owned() }
}

/// Everything that can be listed, and all successes in the audit log: what a refused request must leave as it was.
pub async fn state(server: &Server, scopes: &[&str]) -> Vec<Value> {
    let http = client();
    let operator = [bearer(server.operator_token().expose())];
    let mut lists = vec!["organizations".to_owned(), "tokens".to_owned()];
    for scope in scopes {
        lists.extend(["credentials", "tokens"].map(|list| format!("{scope}/{list}")));
        if !scope.contains("/projects/") {
            lists.push(format!("{scope}/projects"));
        }
    }
    let mut state = Vec::new();
    for list in lists {
        let url = format!("{}/v1/{list}?limit=500", server.public);
        let reply = send(&http, "GET", &url, &operator, None).await;
        assert_eq!(reply.status, 200, "{list}: {reply:?}");
        state.push(reply.json());
    }
    let audit = server.operator().audit_list_all(&regcred::domain::scope::Scope::Deployment).await;
    let mut events = audit.expect("the operator reads the audit log").items;
    events.retain(|event| event.outcome == "success");
    state.push(serde_json::to_value(events).expect("events are JSON"));
    state
}
