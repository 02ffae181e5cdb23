//! Taking old events out of the audit log, after they were exported.

use crate::{
    http::{answer, call::Call, problem::Problem, wire},
    service::Put,
};
use actix_web::HttpResponse;

/// Tells for how long audit events are kept.
#[utoipa::path(get, path = "/v1/audit-retention", operation_id = "audit_retention_get", tag = "audit",
    responses((status = 200, description = "The setting, and what it means now.", body = wire::AuditRetention)))]
pub(in crate::http) async fn retention(call: Call) -> Result<HttpResponse, Problem> {
    let prunable = call.run(|service, caller| async move { service.audit_retention_get(&caller).await }).await?;
    Ok(HttpResponse::Ok().json(answer::audit_retention(&prunable)))
}

/// Deletes the oldest audit events, if they are those that the caller has. Idempotent: what is gone already is answered with
/// the record of its going.
#[utoipa::path(post, path = "/v1/audit-prunings", operation_id = "audit_prune", tag = "audit",
    request_body = wire::AuditPrune, responses(
        (status = 201, description = "They are gone; this is the record.", body = wire::AuditPruning),
        (status = 200, description = "They were pruned before; this is the record.", body = wire::AuditPruning),
        (status = 409, description = "The log begins with others, or some are too young. Nothing was pruned.",
            body = wire::Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn prune(mut call: Call) -> Result<HttpResponse, Problem> {
    let new: wire::AuditPrune = call.json().await?;
    let line = answer::audit_line;
    match call.run(|service, caller| async move { service.audit_prune(&caller, new.into(), line).await }).await? {
        Put::Created(pruning) => Ok(HttpResponse::Created().json(answer::audit_pruning(&pruning))),
        Put::Found(pruning) => Ok(HttpResponse::Ok().json(answer::audit_pruning(&pruning))),
    }
}

/// Lists what was pruned, in the order of the log.
#[utoipa::path(get, path = "/v1/audit-prunings", operation_id = "audit_pruning_list", tag = "audit",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 500), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "A page of them.", body = wire::AuditPruningPage)))]
pub(in crate::http) async fn list(call: Call) -> Result<HttpResponse, Problem> {
    let page = call.page()?;
    let page = call.run(|service, caller| async move { service.audit_pruning_list(&caller, &page).await }).await?;
    Ok(answer::page::<wire::AuditPruningPage, _>(&page, answer::audit_pruning))
}
