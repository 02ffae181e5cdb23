//! The audit log.

use crate::http::{answer, call::Call, problem::Problem, wire};
use actix_web::HttpResponse;

/// Lists the audit events of a scope and all that is below it, oldest first. New events come behind the last page.
#[utoipa::path(get, path = "/v1/{scope}/audit-events", operation_id = "audit_list", tag = "audit", params(
    ("limit" = Option<u32>, Query, minimum = 1, maximum = 500), ("cursor" = Option<String>, Query),
    ("order" = Option<String>, Query, description = "`oldest` (unless told) or `newest`: which events come first."),
    ("before" = Option<String>, Query, format = DateTime, description = "Ends the list in front of the first event that did \
        not happen before this time. Not with `order=newest`.")),
    responses((status = 200, description = "A page of them.", body = wire::AuditEventPage)))]
pub(in crate::http) async fn list(call: Call) -> Result<HttpResponse, Problem> {
    let scope = call.scope()?;
    let mut query = call.query();
    let (page, order) = (query.page()?, query.audit_order()?);
    query.end("limit, cursor, order and before")?;
    let place = scope.clone();
    let page =
        call.run(|service, caller| async move { service.audit_list(&caller, &scope, order, &page).await }).await?;
    Ok(answer::page::<wire::AuditEventPage, _>(&page, |event| answer::audit_event(event, &place)))
}
