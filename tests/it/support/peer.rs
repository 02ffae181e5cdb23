//! A server that answers as a test says, and remembers who came.

use super::authority::Identity;
use std::{
    net::{SocketAddr, TcpListener as StdListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::sleep,
};
use tokio_rustls::TlsAcceptor;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    /// Path and query.
    pub path: String,
    head: String,
    pub body: String,
}

impl Seen {
    /// What stands in a header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// What a peer does with a request.
#[derive(Debug, Clone)]
pub enum Response {
    /// An answer in one go.
    Whole(String),
    /// An answer whose end comes a byte at a time, far slower than anybody waits.
    Slow(String),
    /// Nothing, for ever.
    Silence,
    /// The connection ends.
    Close,
}

impl Response {
    /// An answer with a body of that type.
    pub fn with(status: u16, fields: &[(&str, &str)], body: &str) -> Self {
        let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let fields = fields.concat();
        let length = body.len();
        Self::Whole(format!(
            "HTTP/1.1 {status} Status\r\n{fields}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        ))
    }

    /// What a registry says to those who are welcome.
    pub fn welcome() -> Self {
        Self::with(
            200,
            &[("docker-distribution-api-version", "registry/2.0"), ("content-type", "application/json")],
            "{}",
        )
    }

    /// What a registry says to those who have to log in.
    pub fn challenge(challenge: &str) -> Self {
        let fields = [("docker-distribution-api-version", "registry/2.0"), ("www-authenticate", challenge)];
        Self::with(401, &fields, r#"{"errors":[{"code":"UNAUTHORIZED"}]}"#)
    }
}

type Answering = dyn Fn(&Seen) -> Response + Send + Sync;

/// A server that answers as a test says. Gone when dropped.
pub struct Peer {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Peer {
    /// One that speaks plain HTTP on a free port of this machine.
    pub fn start(answer: impl Fn(&Seen) -> Response + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0", None, answer)
    }

    /// One that speaks TLS.
    pub fn with_tls(identity: &Identity, answer: impl Fn(&Seen) -> Response + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0", Some(identity), answer)
    }

    /// One at that address.
    pub fn at(
        address: &str,
        identity: Option<&Identity>,
        answer: impl Fn(&Seen) -> Response + Send + Sync + 'static,
    ) -> Self {
        let listener = StdListener::bind(address).expect("the address is free");
        listener.set_nonblocking(true).expect("it can be");
        let listener = TcpListener::from_std(listener).expect("a runtime runs");
        let address = listener.local_addr().expect("it is bound");
        let (seen, connections) = (Arc::<Mutex<Vec<Seen>>>::default(), Arc::<AtomicUsize>::default());
        let acceptor = identity.map(|identity| TlsAcceptor::from(identity.server_config()));
        let answer: Arc<Answering> = Arc::new(answer);
        let task = tokio::spawn({
            let (seen, connections) = (Arc::clone(&seen), Arc::clone(&connections));
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    connections.fetch_add(1, Ordering::SeqCst);
                    tokio::spawn(meet(stream, acceptor.clone(), Arc::clone(&answer), Arc::clone(&seen)));
                }
            }
        });
        Self { address, seen, connections, task }
    }

    /// A place where nobody should come.
    pub fn sink(address: &str) -> Self {
        Self::at(address, None, |_| Response::with(200, &[("content-type", "application/json")], r#"{"token":"t"}"#))
    }

    /// Its `host:port`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// What was asked so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("nobody panicked").clone()
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn meet(stream: TcpStream, tls: Option<TlsAcceptor>, answer: Arc<Answering>, seen: Arc<Mutex<Vec<Seen>>>) {
    match tls {
        None => talk(stream, &answer, &seen).await,
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                talk(stream, &answer, &seen).await;
            }
        }
    }
}

async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &Arc<Answering>, seen: &Mutex<Vec<Seen>>) {
    let Some(request) = read(&mut stream).await else {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        return;
    };
    seen.lock().expect("nobody panicked").push(request.clone());
    // Whoever asked may have left.
    match answer(&request) {
        Response::Whole(text) => drop(stream.write_all(text.as_bytes()).await),
        Response::Slow(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            while stream.write_all(b" ").await.is_ok() && stream.flush().await.is_ok() {
                sleep(Duration::from_millis(500)).await;
            }
        }
        Response::Silence => std::future::pending().await,
        Response::Close => {}
    }
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&chunk[..read]);
        // A greeting of TLS, to which servers say that they do not understand.
        if bytes[0] == 0x16 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut words = head.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut request = Seen { method, path, head, body: String::new() };
    let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while bytes.len() < end + 4 + length {
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&chunk[..read]);
    }
    request.body = String::from_utf8_lossy(&bytes[end + 4..]).into_owned();
    Some(request)
}
