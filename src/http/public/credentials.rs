//! Credentials. Passwords go in here and never come out.

use crate::{
    domain::{check::PullTarget, server::RegistryServer},
    http::{
        answer,
        call::Call,
        problem::{Kind, Problem},
        query::Query,
        wire,
    },
    service::{Service, TryFirst},
};
use actix_web::{HttpResponse, http::StatusCode};
use std::sync::Arc;

/// Adds a credential; with `verify=true` the login is tried first, and not added if that proves it useless.
///
/// So it is if the registry refuses it, or if what has the server's name is no registry. A registry that cannot be reached, has
/// trouble, is too slow or not trusted proves nothing, and the login is added all the same; `last_check` tells.
#[utoipa::path(post, path = "/v1/{scope}/credentials", operation_id = "credential_create", tag = "credentials",
    params(
        ("verify" = Option<bool>, Query, description = "Whether to try the login first; takes up to 25 seconds."),
        ("image" = Option<String>, Query, description = "With `verify=true`: an image that the login must be able to pull.")),
    request_body = wire::CredentialCreate, responses(
        (status = 201, description = "It was added.", body = wire::Credential, headers(
            ("location" = String, description = "Where it is."), ("etag" = String, description = "For If-Match."))),
        (status = 409, description = "The scope has a credential for this server already, which existing_id names; or as many as it may have.",
            body = wire::Problem, content_type = "application/problem+json"),
        (status = 422, description = "The body is not valid, or the login was tried and is of no use; check says why.",
            body = wire::Problem, content_type = "application/problem+json"),
        (status = 429, description = "With `verify=true`: as many logins are being tried as may be at once, or were as may be in a minute.",
            body = wire::Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn create(mut call: Call) -> Result<HttpResponse, Problem> {
    let (scope, try_first) = (call.scope()?, try_first(call.query())?);
    let new: wire::CredentialCreate = call.json().await?;
    let (place, patient) = (scope.clone(), try_first != TryFirst::No);
    let add = |service: Arc<Service>, caller| async move {
        service.credential_create(&caller, &scope, new.into(), &try_first).await
    };
    let written = if patient { call.run_long(add).await? } else { call.run(add).await? };
    let mut response = answer::written(StatusCode::CREATED, &written, &place);
    let (name, location) = answer::location(&place, "credentials", &written.credential.id);
    response.headers_mut().insert(name, location);
    Ok(response)
}

fn try_first(mut query: Query) -> Result<TryFirst, Problem> {
    let (verify, image) = (query.flag("verify")?, query.one::<PullTarget>("image")?);
    query.end("verify and image")?;
    match (verify, image) {
        (true, image) => Ok(TryFirst::Yes(image)),
        (false, None) => Ok(TryFirst::No),
        (false, Some(_)) => Err(Problem::at(Kind::InvalidParameter, "image", "must not be given without verify=true")),
    }
}

/// Has a credential tried at its registry, and tells how far the login got. That it does not work is a good answer, too.
#[utoipa::path(post, path = "/v1/{scope}/credentials/{id}/verify", operation_id = "credential_verify", tag = "credentials",
    request_body = wire::CredentialVerify, responses(
        (status = 200, description = "What became of it, which takes up to 25 seconds.", body = wire::LastCheck),
        (status = 429, description = "As many logins are being tried as may be at once, or were as may be in a minute.",
            body = wire::Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn verify(mut call: Call) -> Result<HttpResponse, Problem> {
    let (scope, id) = (call.scope()?, call.id()?);
    let wire::CredentialVerify { image } = call.optional_json().await?;
    let check = call
        .run_long(|service, caller| async move { service.credential_verify(&caller, &scope, id, image.as_ref()).await })
        .await?;
    Ok(HttpResponse::Ok().json(answer::last_check(&check)))
}

/// Lists the credentials in force, oldest first: the scope's own, and those inherited that it does not override.
#[utoipa::path(get, path = "/v1/{scope}/credentials", operation_id = "credential_list", tag = "credentials", params(
    ("limit" = Option<u32>, Query, minimum = 1, maximum = 500), ("cursor" = Option<String>, Query),
    ("server" = Option<String>, Query, description = "Only the one for this server, in any spelling.")),
    responses((status = 200, description = "A page of them.", body = wire::CredentialPage)))]
pub(in crate::http) async fn list(call: Call) -> Result<HttpResponse, Problem> {
    let scope = call.scope()?;
    let mut query = call.query();
    let (page, server) = (query.page()?, query.one::<RegistryServer>("server")?);
    query.end("limit, cursor and server")?;
    let place = scope.clone();
    let page = call
        .run(|service, caller| async move { service.credential_list(&caller, &scope, server.as_ref(), &page).await })
        .await?;
    Ok(answer::page::<wire::CredentialPage, _>(&page, |item| answer::wire_credential(item, &place)))
}

/// Shows a credential.
#[utoipa::path(get, path = "/v1/{scope}/credentials/{id}", operation_id = "credential_get", tag = "credentials",
    responses((status = 200, description = "The credential.", body = wire::Credential,
        headers(("etag" = String, description = "For If-Match.")))))]
pub(in crate::http) async fn get(call: Call) -> Result<HttpResponse, Problem> {
    let (scope, id) = (call.scope()?, call.id()?);
    let place = scope.clone();
    let credential =
        call.run(|service, caller| async move { service.credential_get(&caller, &scope, id).await }).await?;
    Ok(answer::credential(StatusCode::OK, &credential, &place))
}

/// Changes a credential. An absent password keeps the stored one; another server or user name needs it again.
#[utoipa::path(patch, path = "/v1/{scope}/credentials/{id}", operation_id = "credential_update", tag = "credentials",
    params(("if-match" = Option<String>, Header, description = "Only if it still has this ETag.")),
    request_body(content = wire::CredentialUpdate, content_type = "application/merge-patch+json"), responses(
        (status = 200, description = "As it is now.", body = wire::Credential,
            headers(("etag" = String, description = "For If-Match."))),
        (status = 409, description = "The scope has another credential for the new server; existing_id names it.",
            body = wire::Problem, content_type = "application/problem+json"),
        (status = 412, description = "It was changed meanwhile.", body = wire::Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn update(mut call: Call) -> Result<HttpResponse, Problem> {
    let (scope, id, if_match) = (call.scope()?, call.id()?, call.if_match());
    let patch: wire::CredentialUpdate = call.merge_patch().await?;
    let place = scope.clone();
    let written =
        call.run(|service, caller| async move {
            service.credential_update(&caller, &scope, id, &if_match, patch.into()).await
        })
        .await?;
    Ok(answer::written(StatusCode::OK, &written, &place))
}

/// Deletes a credential.
#[utoipa::path(delete, path = "/v1/{scope}/credentials/{id}", operation_id = "credential_delete", tag = "credentials",
    params(("if-match" = Option<String>, Header, description = "Only if it still has this ETag.")), responses(
        (status = 204, description = "It is gone."),
        (status = 412, description = "It was changed meanwhile.", body = wire::Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn delete(call: Call) -> Result<HttpResponse, Problem> {
    let (scope, id, if_match) = (call.scope()?, call.id()?, call.if_match());
    call.run(|service, caller| async move { service.credential_delete(&caller, &scope, id, &if_match).await }).await?;
    Ok(HttpResponse::NoContent().finish())
}
