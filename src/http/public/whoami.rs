//! Who asks.

use crate::http::{answer, call::Call, problem::Problem, wire};
use actix_web::HttpResponse;

/// Tells whose token was sent, what it is for and where it is good.
#[utoipa::path(get, path = "/v1/whoami", operation_id = "whoami", tag = "tokens",
    responses((status = 200, description = "The token.", body = wire::Whoami)))]
pub(in crate::http) async fn get(call: Call) -> Result<HttpResponse, Problem> {
    let caller = call.run(|service, caller| async move { service.whoami(&caller).await }).await?;
    Ok(HttpResponse::Ok().json(answer::whoami(&caller)))
}
