//! What registries and token servers answer, read: whoever a caller has named may have written it.
//!
//! Nothing here connects or waits, so the fuzz targets take it in by its path.

use super::login::bearer;
use crate::domain::check::RateLimit;
use hyper::{HeaderMap, header::HeaderValue};
use zeroize::Zeroize as _;

/// The token in an answer of a token server, under either of its names, as it is shown to the registry.
pub(super) fn token(body: &[u8]) -> Option<HeaderValue> {
    #[derive(serde::Deserialize)]
    struct Tokens {
        token: Option<String>,
        access_token: Option<String>,
    }
    let mut tokens: Tokens = serde_json::from_slice(body).ok()?;
    let texts = [tokens.token.as_deref(), tokens.access_token.as_deref()];
    let field = texts.into_iter().flatten().find_map(bearer);
    tokens.token.zeroize();
    tokens.access_token.zeroize();
    field
}

/// Whether an answer is that of the registry API, and not of a web site that has a page for everything.
pub(super) fn speaks_the_api(headers: &HeaderMap, body: &[u8]) -> bool {
    let is_json = field(headers, "content-type").is_some_and(|kind| kind.starts_with("application/json"));
    names_the_api(headers) || (is_json && serde_json::from_slice::<serde_json::Map<_, _>>(body).is_ok())
}

/// Whether an answer names the registry API, as most registries do whatever they answer.
pub(super) fn names_the_api(headers: &HeaderMap) -> bool {
    field(headers, "docker-distribution-api-version").is_some_and(|version| version.contains("registry/2."))
}

/// What Docker Hub says of the pulls that are left: `ratelimit-limit: 100;w=21600`.
pub(super) fn limits(headers: &HeaderMap) -> Option<RateLimit> {
    let number = |name| {
        let text = field(headers, name)?;
        let (number, window) = text.split_once(';').unwrap_or((text, ""));
        let window = window.split(';').find_map(|part| part.trim().strip_prefix("w=")?.parse().ok());
        Some((number.trim().parse().ok()?, window))
    };
    let (limit, window_seconds) = number("ratelimit-limit")?;
    let (remaining, _) = number("ratelimit-remaining")?;
    Some(RateLimit { limit, remaining, window_seconds })
}

fn field<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
