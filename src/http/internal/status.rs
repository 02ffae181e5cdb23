//! How the installation is, for whoever runs it.

use crate::http::{answer, call::Call, problem::Problem, wire};
use actix_web::HttpResponse;

/// Shows the database, the replicas and the keys that they hold.
#[utoipa::path(get, path = "/internal/v1/status", operation_id = "status_get", tag = "status",
    responses((status = 200, description = "How it is.", body = wire::Status)))]
pub(in crate::http) async fn get(call: Call) -> Result<HttpResponse, Problem> {
    let status = call.run(|service, caller| async move { service.status_get(&caller).await }).await?;
    Ok(HttpResponse::Ok().json(answer::status(&status)))
}
