//! Projects.

use crate::{
    domain::scope::Scope,
    http::{answer, call::Call, problem::Problem, wire},
    service::Put,
};
use actix_web::HttpResponse;

/// Lists an organization's projects, by name.
#[utoipa::path(get, path = "/v1/organizations/{organization}/projects", operation_id = "project_list", tag = "projects",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 500), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "A page of them.", body = wire::ProjectPage)))]
pub(in crate::http) async fn list(call: Call) -> Result<HttpResponse, Problem> {
    let organization = call.organization()?;
    let page = call.page()?;
    let page =
        call.run(|service, caller| async move { service.project_list(&caller, &organization, &page).await }).await?;
    Ok(answer::page::<wire::ProjectPage, _>(&page, answer::project))
}

/// Makes a project, or finds it if it is there. Idempotent.
#[utoipa::path(put, path = "/v1/organizations/{organization}/projects/{project}", operation_id = "project_create",
    tag = "projects", responses((status = 201, description = "It was made.", body = wire::Project),
        (status = 200, description = "It was there already.", body = wire::Project)))]
pub(in crate::http) async fn put(call: Call) -> Result<HttpResponse, Problem> {
    let path = call.project()?;
    match call.run(|service, caller| async move { service.project_put(&caller, &path).await }).await? {
        Put::Created(record) => Ok(HttpResponse::Created().json(answer::project(&record))),
        Put::Found(record) => Ok(HttpResponse::Ok().json(answer::project(&record))),
    }
}

/// Shows a project.
#[utoipa::path(get, path = "/v1/organizations/{organization}/projects/{project}", operation_id = "project_get",
    tag = "projects", responses((status = 200, description = "The project.", body = wire::Project)))]
pub(in crate::http) async fn get(call: Call) -> Result<HttpResponse, Problem> {
    let scope = Scope::Project(call.project()?);
    let record = call.run(|service, caller| async move { service.scope_get(&caller, &scope).await }).await?;
    Ok(HttpResponse::Ok().json(answer::project(&record)))
}

/// Deletes a project with its credentials, tokens and data key: what was sealed in it cannot be opened again.
#[utoipa::path(delete, path = "/v1/organizations/{organization}/projects/{project}", operation_id = "project_delete",
    tag = "projects", responses((status = 204, description = "It is gone.")))]
pub(in crate::http) async fn delete(call: Call) -> Result<HttpResponse, Problem> {
    let path = call.project()?;
    call.run(|service, caller| async move { service.project_delete(&caller, &path).await }).await?;
    Ok(HttpResponse::NoContent().finish())
}
