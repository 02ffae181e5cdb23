//! One request and its answer, over a connection of its own, within limits.
//!
//! Nothing is remembered between two requests: no cookies, no connections. Nothing is followed, unpacked or asked of a proxy.

use super::{
    dial::{Dialer, Stream},
    rules::HostAndPort,
};
use crate::domain::check::Finding;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{
    HeaderMap, Method, Request, StatusCode,
    client::conn::http1,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use std::{io, sync::Arc, time::Duration};
use tokio::time::timeout;
use zeroize::Zeroizing;

/// How long an answer may take, from the request to the last byte of its body.
const ANSWER: Duration = Duration::from_secs(8);
/// The longest head of an answer.
const LONGEST_HEAD: usize = 32 * 1024;
/// The most header fields of an answer.
const MOST_FIELDS: usize = 100;
/// The longest body that is read. Tokens that carry certificates take some tens of kilobytes.
const LONGEST_BODY: usize = 256 * 1024;

/// A request.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) host: &'a HostAndPort,
    /// Path and query, as they go out.
    pub(super) path: &'a str,
    pub(super) accept: &'static str,
    pub(super) authorization: Option<HeaderValue>,
    /// A form.
    pub(super) form: Option<Bytes>,
}

/// An answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// As much as was read: none where the status says all.
    pub(super) body: Zeroizing<Vec<u8>>,
}

impl Answer {
    /// What a status means wherever it comes from: that of a registry in trouble, and that of a signpost.
    pub(super) fn check(self) -> Result<Self, Finding> {
        match self.status.as_u16() {
            429 => Err(Finding::RateLimited),
            408 | 500..=599 => Err(Finding::RegistryFailed),
            300..=399 => Err(Finding::Redirected),
            _ => Ok(self),
        }
    }
}

/// Sends a request and reads the answer.
pub(super) async fn exchange(dialer: &Dialer, tls: Arc<ClientConfig>, ask: Ask<'_>) -> Result<Answer, Finding> {
    let stream = dialer.dial(ask.host, tls).await?;
    let default_port = if dialer.rules.is_insecure(ask.host) { 80 } else { 443 };
    let request = request(ask, default_port)?;
    timeout(ANSWER, send(stream, request)).await.map_err(|_| Finding::TimedOut)?
}

fn request(ask: Ask<'_>, default_port: u16) -> Result<Request<Full<Bytes>>, Finding> {
    let mut builder = Request::builder()
        .method(ask.method)
        .uri(ask.path)
        .header(HOST, host_field(ask.host, default_port))
        .header(USER_AGENT, concat!("regcred/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, ask.accept);
    if let Some(mut authorization) = ask.authorization {
        authorization.set_sensitive(true);
        builder = builder.header(AUTHORIZATION, authorization);
    }
    if ask.form.is_some() {
        builder = builder.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    }
    // Only the path comes from outside, and only a token server's may not be one.
    builder.body(Full::new(ask.form.unwrap_or_default())).map_err(|_| Finding::RealmNotAllowed)
}

/// A port that goes without saying is left out, as clients do: some front ends compare the whole field.
fn host_field(host: &HostAndPort, default_port: u16) -> String {
    if host.port() == default_port { host.host().to_owned() } else { host.to_string() }
}

async fn send(stream: Box<dyn Stream>, request: Request<Full<Bytes>>) -> Result<Answer, Finding> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(LONGEST_HEAD).max_headers(MOST_FIELDS);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|error| finding(&error))?;
    // It ends with this function, answered or not.
    let mut connection = std::pin::pin!(connection);
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|error| finding(&error))?;
        let (head, body) = response.into_parts();
        let mut answer = Answer { status: head.status, headers: head.headers, body: Zeroizing::default() };
        if head.status == StatusCode::OK {
            let read = Limited::new(body, LONGEST_BODY).collect().await.map_err(|error| {
                let too_long = error.is::<LengthLimitError>();
                let broken = || error.downcast_ref::<hyper::Error>().map_or(Finding::NoHttp, finding);
                if too_long { Finding::NoHttp } else { broken() }
            })?;
            answer.body = Zeroizing::new(read.to_bytes().to_vec());
        }
        Ok(answer)
    };
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        // The connection may end when all has been read from it.
        ended = &mut connection => match ended {
            Ok(()) => exchange.await,
            Err(error) => exchange.await.map_err(|_| finding(&error)),
        },
    }
}

/// What broke an exchange.
fn finding(error: &hyper::Error) -> Finding {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    match source.map(io::Error::kind) {
        Some(io::ErrorKind::TimedOut) => Finding::TimedOut,
        // A body whose parts have no sizes.
        Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => Finding::NoHttp,
        _ if error.is_parse() => Finding::NoHttp,
        // Reset or cut off: its machine went down, or a proxy gave up. No login is to blame, nor the kind of server.
        _ => Finding::BrokenOff,
    }
}
