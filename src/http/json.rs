//! Bodies: read under limits of size and time, and refused without repeating anything that stood in them.
//!
//! serde's messages quote the caller's values and member names, and a password in the wrong member would come back and land in
//! logs (so would a member that is called like one). Only parts that are known to be ours are passed on.

use super::problem::{Kind, Problem};
use actix_web::{HttpMessage as _, HttpRequest, http::header, web::Payload};
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;
use std::time::Duration;
use zeroize::Zeroizing;

/// The largest body that is read. A password of 16 KiB fits even if every byte of it is escaped as `\uXXXX`.
const MAX_BODY_BYTES: usize = 128 * 1024;
/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);

/// Reads a JSON body of one of these media types.
pub(super) async fn read<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: Payload,
    media_types: &[&str],
) -> Result<T, Problem> {
    if !media_types.iter().any(|known| known.eq_ignore_ascii_case(request.content_type())) {
        let detail = format!("the Content-Type must be {}", media_types.join(" or "));
        return Err(Problem::new(Kind::UnsupportedMediaType, detail));
    }
    let too_large = || Problem::new(Kind::BodyTooLarge, format!("the body must be at most {MAX_BODY_BYTES} bytes"));
    if announced(request).is_some_and(|length| length > MAX_BODY_BYTES) {
        return Err(too_large());
    }
    let arrived = tokio::time::timeout(BODY_TIME, payload.to_bytes_limited(MAX_BODY_BYTES)).await;
    let arrived = arrived.map_err(|_| Problem::new(Kind::RequestTimeout, "the body must arrive within 10 seconds"))?;
    let bytes = arrived.map_err(|_| too_large())?.map_err(|_| Problem::new(Kind::BadRequest, "the body broke off"))?;
    // actix's own buffer cannot be overwritten; this one, which lives as long as the request, can.
    parse(&Zeroizing::new(bytes.to_vec()))
}

/// Whether the request has no body, by its head.
pub(super) fn is_absent(request: &HttpRequest) -> bool {
    !request.headers().contains_key(header::TRANSFER_ENCODING) && announced(request).unwrap_or(0) == 0
}

/// How long the caller says that the body is.
fn announced(request: &HttpRequest) -> Option<usize> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // serde also takes the members of a struct in an array, by their order in the source, and a patch of none at all.
    if matches!(bytes.trim_ascii_start().first(), Some(b'[' | b'"' | b'0'..=b'9' | b'-' | b't' | b'f' | b'n')) {
        return Err(Problem::at(Kind::InvalidBody, "", "must be a JSON object"));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let pointer = pointer(error.path());
        refusal(pointer, error.inner())
    })?;
    json.end().map_err(|error| refusal(String::new(), &error))?;
    Ok(value)
}

fn refusal(pointer: String, error: &serde_json::Error) -> Problem {
    let message = error.to_string();
    match error.classify() {
        serde_json::error::Category::Data => {
            let (pointer, rule) = rule(pointer, &message);
            Problem::at(Kind::InvalidBody, pointer, rule)
        }
        serde_json::error::Category::Io | serde_json::error::Category::Syntax | serde_json::error::Category::Eof => {
            let place = format!("must be JSON: line {}, column {}", error.line(), error.column());
            Problem::at(Kind::MalformedBody, "", place)
        }
    }
}

/// What may be said of serde's message: the names of our own members, what we expected, and our own rules.
fn rule(pointer: String, message: &str) -> (String, String) {
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    if let Some(name) = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        return (format!("{pointer}/{name}"), "must be given".to_owned());
    }
    if let Some(name) = message.strip_prefix("duplicate field `").and_then(|rest| rest.strip_suffix('`')) {
        // What was read last may be another member, or this one.
        return (format!("{}/{name}", parent(&pointer)), "must be given only once".to_owned());
    }
    // What the caller wrote may itself hold these words; what comes last is ours.
    if message.starts_with("unknown field `") {
        // A struct of one member has "expected" alone, one of two "expected `a` or `b`".
        let known = message.rsplit_once(", expected ").map_or("", |(_, known)| known.trim_start_matches("one of "));
        return (parent(&pointer), format!("must not have unknown members; known are {known}"));
    }
    if message.starts_with("invalid ")
        && let Some((_, expected)) = message.rsplit_once(", expected ")
    {
        return (pointer, format!("must be {expected}"));
    }
    // The rules of our own types begin like this (a test sees to it), and none of serde's messages does.
    if message.starts_with("must ") { (pointer, message.to_owned()) } else { (pointer, "must be valid".to_owned()) }
}

/// Where it was, as a JSON pointer (RFC 6901). A member's name is shown only if it looks like one of ours.
fn pointer(path: &serde_path_to_error::Path) -> String {
    path.iter()
        .map(|segment| match segment {
            Segment::Map { key } if MEMBERS.contains(&key.as_str()) => format!("/{key}"),
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { .. } | Segment::Enum { .. } | Segment::Unknown => String::new(),
        })
        .collect()
}

fn parent(pointer: &str) -> String {
    pointer.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned()
}

/// Every member that a request can have.
const MEMBERS: [&str; 15] = [
    "server",
    "kind",
    "username",
    "email",
    "image_prefix",
    "expires_at",
    "enabled",
    "ca_certificates",
    "image",
    "password",
    "name",
    "role",
    "expires_in_days",
    "count",
    "sha256",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::wire::{CredentialCreate, CredentialUpdate, CredentialVerify, TokenCreate};

    fn refused<T: DeserializeOwned + std::fmt::Debug>(body: &str) -> (u16, String, String) {
        let problem = parse::<T>(body.as_bytes()).unwrap_err().wire(None);
        assert!(!serde_json::to_string(&problem).unwrap().contains("hunter2"), "{problem:?}");
        (problem.status, problem.errors[0].pointer.clone(), problem.errors[0].detail.clone())
    }

    #[test]
    fn refusals_say_where_and_what_and_never_repeat_the_value() {
        type New = CredentialCreate;
        for (body, status, pointer, detail) in [
            ("{", 400, "", "must be JSON: line 1, column 1"),
            ("[]", 422, "", "must be a JSON object"),
            (r#" ["ghcr.io", null, null, null, null, null, true, "hunter2"]"#, 422, "", "must be a JSON object"),
            (r#""hunter2""#, 422, "", "must be a JSON object"),
            (r#"{"server": "ghcr.io"}"#, 422, "/password", "must be given"),
            (r#"{"server": "ghcr.io", "password": ""}"#, 422, "/password", "must not be empty"),
            (r#"{"server": "ghcr.io", "password": ["hunter2"]}"#, 422, "/password", "must be a string"),
            (r#"{"server": "ghcr.io", "password": 1, "username": "hunter2:"}"#, 422, "/password", "must be a string"),
            (
                r#"{"server": "hunter2, expected x", "password": "x"}"#,
                422,
                "/server",
                "must not contain white space or control characters",
            ),
            (r#"{"enabled": "hunter2, expected a hunter2"}"#, 422, "/enabled", "must be a boolean"),
            (r#"{"server": "a.io", "server": "hunter2"}"#, 422, "/server", "must be given only once"),
            (r#"{"server": "a.io", "password": "x", "server": "hunter2"}"#, 422, "/server", "must be given only once"),
            (r#"{"server": "ghcr.io", "password": "x"} hunter2"#, 400, "", "must be JSON: line 1, column 40"),
        ] {
            assert_eq!(refused::<New>(body), (status, pointer.to_owned(), detail.to_owned()), "{body}");
        }
        let (_, pointer, detail) = refused::<New>(r#"{"hunter2`, expected one of `hunter2`": "hunter2"}"#);
        assert_eq!(pointer, "");
        assert!(detail.starts_with("must not have unknown members; known are `server`, `kind`"), "{detail}");
        let (_, _, detail) = refused::<CredentialVerify>(r#"{"hunter2`, expected `hunter2`": "hunter2"}"#);
        assert_eq!(detail, "must not have unknown members; known are `image`");
        assert_eq!(refused::<TokenCreate>(r#"{"name": "a", "role": "hunter2"}"#).1, "/role");
        assert_eq!(refused::<CredentialUpdate>(r#"{"password": null}"#).2, "must be a string");
        assert_eq!(refused::<CredentialUpdate>(r#"{"server": null}"#).2, "must be a string");
    }

    #[test]
    fn every_rule_of_the_domain_begins_so_that_it_is_passed_on() {
        let mut rules = 0;
        let mut folders = vec![std::path::PathBuf::from("src/domain")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(path).unwrap();
                for (at, found) in text.match_indices("Invalid(\"") {
                    rules += 1;
                    assert!(text[at + found.len()..].starts_with("must "), "{}", &text[at..at + 60]);
                }
            }
        }
        assert!(rules > 20, "{rules}");
    }
}
