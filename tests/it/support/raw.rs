//! HTTP by hand, for what a well-behaved client hides: requests that are never finished, answers that are cut, and which
//! side closed a connection when.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

/// How long an answer may take before a test gives up waiting. No measure of speed.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A connection that does only what it is told.
pub struct Connection {
    stream: TcpStream,
    /// What has arrived and belongs to no answer yet.
    rest: Vec<u8>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: Vec<u8>,
}

/// What came instead of a whole answer.
#[derive(Debug)]
pub enum Fault {
    /// The other side closed the connection before the first byte of an answer.
    Closed,
    /// The other side closed the connection in the middle of an answer; this much of it came.
    Cut(Vec<u8>),
    /// Nothing came in time.
    Silent,
}

/// How a connection ended that was only watched.
#[derive(Debug)]
pub struct Ended {
    /// Everything that came until then.
    pub received: Vec<u8>,
    /// Whether the other side closed it; if not, the time was over.
    pub closed: bool,
    pub after: Duration,
}

impl Connection {
    /// Connects to a listener by its URL.
    pub fn open(url: &str) -> io::Result<Self> {
        let address: SocketAddr = url.trim_start_matches("http://").parse().expect("the ready line names addresses");
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, rest: Vec::new() })
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.set_write_timeout(Some(PATIENCE))?;
        self.stream.write_all(bytes)
    }

    /// Sends as much as the other side takes without waiting, and tells how much that was.
    pub fn send_what_fits(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_nonblocking(true)?;
        let sent = self.stream.write(bytes);
        self.stream.set_nonblocking(false)?;
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            sent => sent,
        }
    }

    /// Waits for one whole answer.
    pub fn answer(&mut self) -> Result<Answer, Fault> {
        self.answer_within(PATIENCE)
    }

    /// The same, for as long as this.
    pub fn answer_within(&mut self, patience: Duration) -> Result<Answer, Fault> {
        let begun = Instant::now();
        loop {
            if let Some((answer, length)) = parse(&self.rest) {
                self.rest.drain(..length);
                return Ok(answer);
            }
            let left = patience.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Err(Fault::Silent);
            }
            match self.more(left.min(Duration::from_secs(1))) {
                More::Some | More::NotYet => {}
                More::Closed if self.rest.is_empty() => return Err(Fault::Closed),
                More::Closed => return Err(Fault::Cut(std::mem::take(&mut self.rest))),
            }
        }
    }

    /// Hangs up as a process that dies does: the other side is told at once that nobody reads any more.
    pub fn reset(self) {
        let socket = tokio::net::TcpSocket::from_std_stream(self.stream);
        socket.set_zero_linger().expect("a connection can be reset");
    }

    /// Watches until the other side closes, sending the next byte of `drip` each second.
    pub fn watch(&mut self, drip: &[u8], patience: Duration) -> Ended {
        let begun = Instant::now();
        let mut drip = drip.iter();
        let mut closed = false;
        while !closed && begun.elapsed() < patience {
            match self.more(Duration::from_secs(1)) {
                More::Some => {}
                More::Closed => closed = true,
                More::NotYet => {
                    if let Some(byte) = drip.next() {
                        // If the other side has closed, the next look tells.
                        let _ = self.stream.write(&[*byte]);
                    }
                }
            }
        }
        Ended { received: std::mem::take(&mut self.rest), closed, after: begun.elapsed() }
    }

    fn more(&mut self, wait: Duration) -> More {
        self.stream.set_read_timeout(Some(wait)).expect("a time-out can be set");
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => More::Closed,
            Ok(length) => {
                self.rest.extend_from_slice(&buffer[..length]);
                More::Some
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => More::NotYet,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => More::NotYet,
            Err(_) => More::Closed,
        }
    }
}

enum More {
    Some,
    NotYet,
    Closed,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// Whether no other request may follow on this connection.
    pub fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    /// The last part of the problem's type.
    pub fn problem(&self) -> String {
        let document: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let kind = document["type"].as_str().unwrap_or_default();
        kind.strip_prefix("urn:regcred:problem:").unwrap_or(kind).to_owned()
    }

    /// The name that the service gave to the request.
    pub fn request_id(&self) -> String {
        self.header("x-request-id").expect("every answer names its request").to_owned()
    }

    /// The whole document.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// A member of the document.
    pub fn text(&self, member: &str) -> String {
        let document: serde_json::Value = serde_json::from_slice(&self.body).expect("the body is JSON");
        document[member].as_str().expect("the member is a text").to_owned()
    }
}

/// The first whole answer in these bytes, and how long it is. Every answer of regcred says how long its body is.
fn parse(bytes: &[u8]) -> Option<(Answer, usize)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("an answer begins with a status");
    let answer = Answer { status, head, body: Vec::new() };
    let length = match answer.header("content-length") {
        Some(length) => length.parse().expect("a length is a number"),
        None => 0,
    };
    let body = bytes.get(end..end + length)?.to_vec();
    Some((Answer { body, ..answer }, end + length))
}

/// A request's head, up to and with the empty line.
pub fn head(method: &str, path: &str, token: &str, headers: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: regcred\r\nAuthorization: Bearer {token}\r\n{headers}\r\n")
}

/// A whole request without a body.
pub fn get(path: &str, token: &str) -> Vec<u8> {
    head("GET", path, token, "").into_bytes()
}

/// A whole request with a JSON body, which adds something.
pub fn post(path: &str, token: &str, body: &str) -> Vec<u8> {
    with_body("POST", path, token, body).into_bytes()
}

/// A whole request with a JSON body.
pub fn with_body(method: &str, path: &str, token: &str, body: &str) -> String {
    let length = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    head(method, path, token, &length) + body
}

/// What creates a credential.
pub fn credential(server: &str, password: &str) -> String {
    format!(r#"{{"server":"{server}","username":"bot","password":"{password}"}}"#)
}

/// One request on a connection of its own, which may be refused or broken.
pub fn attempt(url: &str, request: &[u8]) -> Option<Answer> {
    let mut connection = Connection::open(url).ok()?;
    connection.send(request).ok()?;
    connection.answer().ok()
}

/// One request on a connection of its own.
pub fn once(url: &str, request: &[u8]) -> Answer {
    let mut connection = Connection::open(url).expect("the listener takes connections");
    connection.send(request).expect("the listener takes a request");
    connection.answer().expect("the listener answers")
}
