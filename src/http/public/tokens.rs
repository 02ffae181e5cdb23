//! API tokens.

use crate::http::{answer, call::Call, problem::Problem, wire};
use actix_web::HttpResponse;

/// Makes a token. Its text is in this answer and can never be shown again.
#[utoipa::path(post, path = "/v1/{scope}/tokens", operation_id = "token_create", tag = "tokens",
    request_body = wire::TokenCreate,
    responses((status = 201, description = "The token, with its text.", body = wire::TokenCreated,
        headers(("location" = String, description = "Where it is.")))))]
pub(in crate::http) async fn create(mut call: Call) -> Result<HttpResponse, Problem> {
    let scope = call.scope()?;
    let new: wire::TokenCreate = call.json().await?;
    let (token, text) =
        call.run(|service, caller| async move { service.token_create(&caller, &scope, new.into()).await }).await?;
    let location = answer::location(&token.scope, "tokens", &token.id);
    Ok(HttpResponse::Created().insert_header(location).json(answer::token_created(&token, text)))
}

/// Lists the tokens that belong to exactly this scope, oldest first.
#[utoipa::path(get, path = "/v1/{scope}/tokens", operation_id = "token_list", tag = "tokens",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 500), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "A page of them.", body = wire::TokenPage)))]
pub(in crate::http) async fn list(call: Call) -> Result<HttpResponse, Problem> {
    let scope = call.scope()?;
    let page = call.page()?;
    let page = call.run(|service, caller| async move { service.token_list(&caller, &scope, &page).await }).await?;
    Ok(answer::page::<wire::TokenPage, _>(&page, answer::token))
}

/// Shows a token, without its text.
#[utoipa::path(get, path = "/v1/{scope}/tokens/{id}", operation_id = "token_get", tag = "tokens",
    responses((status = 200, description = "The token.", body = wire::Token)))]
pub(in crate::http) async fn get(call: Call) -> Result<HttpResponse, Problem> {
    let (scope, id) = (call.scope()?, call.id()?);
    let token = call.run(|service, caller| async move { service.token_get(&caller, &scope, id).await }).await?;
    Ok(HttpResponse::Ok().json(answer::token(&token)))
}

/// Revokes a token: from this answer on it is refused everywhere.
#[utoipa::path(delete, path = "/v1/{scope}/tokens/{id}", operation_id = "token_revoke", tag = "tokens",
    responses((status = 204, description = "It is revoked.")))]
pub(in crate::http) async fn revoke(call: Call) -> Result<HttpResponse, Problem> {
    let (scope, id) = (call.scope()?, call.id()?);
    call.run(|service, caller| async move { service.token_revoke(&caller, &scope, id).await }).await?;
    Ok(HttpResponse::NoContent().finish())
}
