//! Organizations.

use crate::{
    domain::scope::Scope,
    http::{answer, call::Call, problem::Problem, wire},
    service::Put,
};
use actix_web::HttpResponse;

/// Lists the organizations that the token reaches, by name.
#[utoipa::path(get, path = "/v1/organizations", operation_id = "organization_list", tag = "organizations",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 500), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "A page of them.", body = wire::OrganizationPage)))]
pub(in crate::http) async fn list(call: Call) -> Result<HttpResponse, Problem> {
    let page = call.page()?;
    let page = call.run(|service, caller| async move { service.organization_list(&caller, &page).await }).await?;
    Ok(answer::page::<wire::OrganizationPage, _>(&page, answer::organization))
}

/// Makes an organization, or finds it if it is there. Idempotent.
#[utoipa::path(put, path = "/v1/organizations/{organization}", operation_id = "organization_create", tag = "organizations",
    responses((status = 201, description = "It was made.", body = wire::Organization),
        (status = 200, description = "It was there already.", body = wire::Organization)))]
pub(in crate::http) async fn put(call: Call) -> Result<HttpResponse, Problem> {
    let name = call.organization()?;
    match call.run(|service, caller| async move { service.organization_put(&caller, &name).await }).await? {
        Put::Created(record) => Ok(HttpResponse::Created().json(answer::organization(&record))),
        Put::Found(record) => Ok(HttpResponse::Ok().json(answer::organization(&record))),
    }
}

/// Shows an organization.
#[utoipa::path(get, path = "/v1/organizations/{organization}", operation_id = "organization_get", tag = "organizations",
    responses((status = 200, description = "The organization.", body = wire::Organization)))]
pub(in crate::http) async fn get(call: Call) -> Result<HttpResponse, Problem> {
    let scope = Scope::Organization(call.organization()?);
    let record = call.run(|service, caller| async move { service.scope_get(&caller, &scope).await }).await?;
    Ok(HttpResponse::Ok().json(answer::organization(&record)))
}

/// Deletes an organization without projects, with its credentials, tokens and data key.
#[utoipa::path(delete, path = "/v1/organizations/{organization}", operation_id = "organization_delete", tag = "organizations",
    responses((status = 204, description = "It is gone."),
        (status = 409, description = "It still has projects.", body = wire::Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn delete(call: Call) -> Result<HttpResponse, Problem> {
    let name = call.organization()?;
    call.run(|service, caller| async move { service.organization_delete(&caller, &name).await }).await?;
    Ok(HttpResponse::NoContent().finish())
}
