//! Pull secrets: the one answer that holds stored passwords.

use crate::{
    domain::{image::ImageReference, secret::SecretDocument},
    http::{
        call::Call,
        knock::Knock,
        problem::{Kind, Problem},
        wire,
    },
    service::{Omission, PullSecret, PullSecretRequest, Question},
};
use actix_web::{HttpResponse, http::header};
use bytes::Bytes;
use std::str::FromStr;

/// The most images that one request may name.
const MOST_IMAGES: usize = 100;

/// How many omissions are named: proxies take only so much in a header.
const MOST_OMISSIONS: usize = 50;

/// Hands out a project's pull secret as a docker config: all that is in force there, or what the given images need.
///
/// Disabled, expired and unreadable credentials are left out, and named in `Regcred-Omitted`. The `ETag` changes exactly when
/// the document does; `If-None-Match` answers 304 without opening anything. Every answer 200 has its audit event.
#[utoipa::path(get, path = "/internal/v1/organizations/{organization}/projects/{project}/pull-secret",
    operation_id = "pull_secret_get", tag = "pull secrets", params(
        ("format" = Option<String>, Query, description = "`docker-config`, the only one so far."),
        ("image" = Option<Vec<String>>, Query, description = "Only what this image needs. May be repeated."),
        ("if-none-match" = Option<String>, Header, description = "The ETag of what the caller has.")),
    responses((status = 200, description = "A docker config.", body = wire::DockerConfig, headers(
            ("etag" = String, description = "For If-None-Match."),
            ("regcred-omitted" = String, description = "`ID;reason=disabled|expired|unreadable`, comma-separated, 50 at most."))),
        (status = 304, description = "The caller has it already.")))]
pub(in crate::http) async fn get(knock: Knock) -> Result<HttpResponse, Problem> {
    // What is wrong with it is told to those only who are known.
    let request = asked(&knock);
    if let Ok(request) = &request {
        let (token, context) = (knock.token(), knock.context()?);
        if let Some(secret) = knock.service().pull_secret_recall(token.as_ref(), context, request).await? {
            return Ok(render(secret));
        }
    }
    let call = Call::of(knock, None).await?;
    let request = request?;
    let secret = call.run(|service, caller| async move { service.pull_secret_get(&caller, &request).await }).await?;
    Ok(render(secret))
}

fn asked(knock: &Knock) -> Result<PullSecretRequest, Problem> {
    let project = knock.project()?;
    let mut query = knock.query();
    query.one::<Format>("format")?;
    let images = query.all::<ImageReference>("image")?;
    query.end("format and image")?;
    if images.len() > MOST_IMAGES {
        return Err(Problem::at(Kind::InvalidParameter, "image", "must be given at most 100 times"));
    }
    Ok(PullSecretRequest { question: Question { project, images }, known: knock.if_none_match() })
}

fn render(secret: PullSecret) -> HttpResponse {
    match secret {
        PullSecret::Known(tag) => {
            HttpResponse::NotModified().insert_header((header::ETAG, format!("\"{tag}\""))).finish()
        }
        PullSecret::Fresh { document, tag, omitted } => {
            let mut response = HttpResponse::Ok();
            response.insert_header((header::ETAG, format!("\"{tag}\""))).content_type("application/json");
            if !omitted.is_empty() {
                let members: Vec<_> = omitted.iter().take(MOST_OMISSIONS).map(omission).collect();
                response.insert_header(("regcred-omitted", members.join(", ")));
            }
            response.body(Bytes::from_owner(Outgoing(document)))
        }
    }
}

fn omission(omission: &Omission) -> String {
    format!("{};reason={}", omission.id, omission.reason.name())
}

/// A document on its way to the socket: overwritten when the last byte of it has been taken.
struct Outgoing(SecretDocument);

impl AsRef<[u8]> for Outgoing {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}

/// The form of the document.
struct Format;

impl FromStr for Format {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "docker-config" { Ok(Self) } else { Err("must be docker-config") }
    }
}
