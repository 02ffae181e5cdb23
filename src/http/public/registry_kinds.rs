//! Kinds of registries.

use crate::http::{answer, call::Call, problem::Problem, wire};
use actix_web::HttpResponse;

/// Lists the kinds of registries, with what a form must ask for each. It changes with releases only.
#[utoipa::path(get, path = "/v1/registry-kinds", operation_id = "registry_kind_list", tag = "credentials",
    responses((status = 200, description = "The kinds.", body = wire::RegistryKinds)))]
pub(in crate::http) async fn list(call: Call) -> Result<HttpResponse, Problem> {
    let kinds = call.run(|service, caller| async move { service.registry_kind_list(&caller).await }).await?;
    let items = kinds.iter().map(|kind| answer::registry_kind(*kind)).collect();
    Ok(HttpResponse::Ok().json(wire::RegistryKinds { items }))
}
