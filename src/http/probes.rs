//! What machines ask to know how regcred is: whether it lives, whether it is ready, and its metrics. No token is needed.

use super::{
    call,
    problem::{Kind, Problem},
    request::RequestState,
    shared::Shared,
};
use actix_web::{
    HttpResponse,
    web::{Data, ReqData},
};
use std::sync::atomic::Ordering;

/// The process answers.
#[utoipa::path(get, path = "/livez", operation_id = "livez", tag = "probes", security(()),
    responses((status = 200, description = "It lives.", body = String, content_type = "text/plain")))]
pub(super) async fn livez() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

/// Requests should be sent here: the database answers, and the process is not on its way out.
#[utoipa::path(get, path = "/readyz", operation_id = "readyz", tag = "probes", security(()), responses(
    (status = 200, description = "It is ready.", body = String, content_type = "text/plain"),
    (status = 503, description = "It is not.", body = super::wire::Problem, content_type = "application/problem+json")))]
pub(super) async fn readyz(shared: Data<Shared>, state: ReqData<RequestState>) -> Result<HttpResponse, Problem> {
    if shared.draining.load(Ordering::Relaxed) {
        return Err(Problem::new(Kind::Unavailable, "the process is shutting down"));
    }
    let check = |service: std::sync::Arc<crate::service::Service>| async move { service.check().await };
    call::run(&shared, state.id, call::Limit::Look(call::PATIENCE), check).await?;
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ready\n"))
}

/// Counts and latencies, in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "probes", security(()),
    responses((status = 200, description = "The metrics.", body = String, content_type = "text/plain")))]
pub(super) async fn metrics(shared: Data<Shared>) -> HttpResponse {
    let service = &shared.service;
    let waiting = u32::try_from(service.audit_queue_length()).unwrap_or(u32::MAX);
    ::metrics::gauge!("regcred_audit_queue_length").set(waiting);
    let active = service.active_key();
    for id in service.loaded_keys() {
        let state = f64::from(u8::from(Some(id) == active));
        ::metrics::gauge!("regcred_master_key_active", "id" => id.to_string()).set(state);
    }
    let text = shared.metrics.render();
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text)
}
