//! How it goes out: one listener's address, its time-outs and the rules on where a token may travel.

use super::error::{ClientError, Listener};
use crate::{
    domain::{text::Invalid, timestamp::Timestamp, token::TokenText},
    http::wire,
};
use reqwest::{
    Method, RequestBuilder, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};
use serde::de::DeserializeOwned;
use std::{fmt, str::FromStr, time::Duration};
use time::{OffsetDateTime, format_description::well_known::Rfc2822};
use url::{Host, Url};
use zeroize::Zeroizing;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Far above every answer of the service: it only keeps a wrong server from filling the memory.
const LONGEST_ANSWER: usize = 64 * 1024 * 1024;
const PROBLEM: &str = "application/problem+json";

/// Where a listener is: an `http` or `https` URL, perhaps with a path that a proxy in front of it wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

impl BaseUrl {
    /// Whether nothing that is sent there leaves this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => {
                address.is_loopback() || address.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback())
            }
            None => false,
        }
    }

    /// Whether what is sent there is encrypted on its way.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }
}

impl FromStr for BaseUrl {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        const INVALID: Invalid = Invalid(
            "must be an http:// or https:// URL without user name, query or fragment, such as http://127.0.0.1:8080",
        );
        let url = Url::parse(text).map_err(|_| INVALID)?;
        let plain = url.username().is_empty() && url.password().is_none();
        let bare = url.query().is_none() && url.fragment().is_none() && url.has_host();
        if plain && bare && matches!(url.scheme(), "http" | "https") { Ok(Self(url)) } else { Err(INVALID) }
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// Whether a token may travel unencrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainHttp {
    /// Only to this machine itself.
    LoopbackOnly,
    /// Wherever it is asked for.
    Anywhere,
}

/// One listener, and the connections to it.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    listener: Listener,
    url: BaseUrl,
    plain_http: PlainHttp,
    http: reqwest::Client,
}

/// A whole answer that is not a refusal.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Zeroizing<Vec<u8>>,
    listener: Listener,
    url: BaseUrl,
}

impl Endpoint {
    pub(super) fn new(listener: Listener, url: BaseUrl, plain_http: PlainHttp) -> Result<Self, ClientError> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("regcred/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .redirect(Policy::none());
        if url.is_loopback() {
            builder = builder.no_proxy();
        }
        if url.is_encrypted() {
            builder = builder.https_only(true);
        } else {
            // Without TLS there is nothing to verify, and a machine without root certificates must do.
            builder = builder.tls_certs_only([]);
        }
        Ok(Self { listener, url, plain_http, http: builder.build().map_err(ClientError::Setup)? })
    }

    /// A request on nobody's behalf.
    pub(super) fn call(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// A request on a token's behalf.
    pub(super) fn call_as(
        &self,
        token: Option<&TokenText>,
        method: Method,
        path: &str,
    ) -> Result<RequestBuilder, ClientError> {
        let Some(token) = token else {
            return Ok(self.call(method, path));
        };
        if !self.url.is_encrypted() && !self.url.is_loopback() && self.plain_http == PlainHttp::LoopbackOnly {
            return Err(ClientError::PlainHttp { listener: self.listener, url: self.url.clone() });
        }
        let text = Zeroizing::new(format!("Bearer {}", token.expose()));
        let mut value = HeaderValue::from_str(&text).expect("a token is made of letters, digits and '_'");
        value.set_sensitive(true);
        Ok(self.call(method, path).header(AUTHORIZATION, value))
    }

    /// Sends the request and reads the answer; what is not a success nor 304 is an error.
    pub(super) async fn send(&self, call: RequestBuilder) -> Result<Answer, ClientError> {
        let response = call.send().await.map_err(|error| self.failed(error))?;
        let status = response.status();
        let headers = response.headers().clone();
        let body = self.read(response).await?;
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(Answer { status, headers, body, listener: self.listener, url: self.url.clone() });
        }
        let told = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(PROBLEM.as_bytes()));
        match serde_json::from_slice::<wire::Problem>(&body) {
            Ok(problem) if told => Err(ClientError::Problem(Box::new(problem))),
            Ok(_) | Err(_) => Err(self.unexpected(status, "this is not how regcred refuses")),
        }
    }

    pub(super) fn unexpected(&self, status: StatusCode, reason: &'static str) -> ClientError {
        ClientError::Unexpected { listener: self.listener, url: self.url.clone(), status, reason }
    }

    async fn read(&self, mut response: Response) -> Result<Zeroizing<Vec<u8>>, ClientError> {
        let announced = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
        let mut body = Zeroizing::new(Vec::with_capacity(announced.min(LONGEST_ANSWER)));
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failed(error))? {
            if body.len() + chunk.len() > LONGEST_ANSWER {
                return Err(self.unexpected(response.status(), "it is far too long"));
            }
            append(&mut body, &chunk);
        }
        Ok(body)
    }

    fn failed(&self, error: reqwest::Error) -> ClientError {
        // The URL is named by the error around it.
        let source = error.without_url();
        let (listener, url) = (self.listener, self.url.clone());
        if source.is_builder() {
            ClientError::Setup(source)
        } else if source.is_connect() {
            ClientError::Unreachable { listener, url, source }
        } else {
            ClientError::NoAnswer { listener, url, source }
        }
    }
}

/// Appends without leaving an unwiped copy behind where the buffer has to move.
fn append(buffer: &mut Zeroizing<Vec<u8>>, chunk: &[u8]) {
    let needed = buffer.len() + chunk.len();
    if needed > buffer.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(2 * buffer.capacity())));
        larger.extend_from_slice(buffer);
        *buffer = larger;
    }
    buffer.extend_from_slice(chunk);
}

impl Answer {
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        // serde's own message may repeat what it read, so it is not passed on.
        serde_json::from_slice(&self.body).map_err(|_| ClientError::Unexpected {
            listener: self.listener,
            url: self.url.clone(),
            status: self.status,
            reason: "it is not the JSON that regcred sends",
        })
    }

    pub(super) fn header(&self, name: &HeaderName) -> Option<String> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    }

    pub(super) fn date(&self) -> Option<Timestamp> {
        let date = OffsetDateTime::parse(&self.header(&DATE)?, &Rfc2822).ok()?;
        Timestamp::from_microseconds(date.unix_timestamp() * 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_http_without_secrets_in_it() {
        for (text, shown) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("https://regcred.example/", "https://regcred.example"),
            ("https://proxy.example/regcred/", "https://proxy.example/regcred"),
        ] {
            assert_eq!(text.parse::<BaseUrl>().unwrap().to_string(), shown);
        }
        for text in ["", "localhost:8080", "ftp://host", "http://user:pw@host", "http://host?x=1", "http://host#x"] {
            assert!(text.parse::<BaseUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn loopback_is_told_from_look_alikes() {
        let loopback = |text: &str| text.parse::<BaseUrl>().unwrap().is_loopback();
        for text in [
            "http://127.0.0.1",
            "http://127.8.9.1:80",
            "http://[::1]:80",
            "http://localhost",
            "http://[::ffff:127.0.0.1]",
        ] {
            assert!(loopback(text), "{text}");
        }
        for text in
            ["http://127.0.0.1.example", "http://localhost.example", "http://10.0.0.1", "http://[::]", "http://0.0.0.0"]
        {
            assert!(!loopback(text), "{text}");
        }
    }

    #[test]
    fn the_date_of_an_answer_is_read() {
        let mut headers = HeaderMap::new();
        headers.insert(DATE, HeaderValue::from_static("Fri, 01 Jan 2027 00:00:00 GMT"));
        let answer = Answer {
            status: StatusCode::OK,
            headers,
            body: Zeroizing::default(),
            listener: Listener::Public,
            url: "http://localhost".parse().unwrap(),
        };
        assert_eq!(answer.date().unwrap().to_string(), "2027-01-01T00:00:00.000000Z");
    }
}
