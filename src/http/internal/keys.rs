//! Master keys: names and states. The keys themselves never cross HTTP.

use crate::{
    http::{answer, call::Call, problem::Problem, wire},
    service::Rewrapped,
};
use actix_web::HttpResponse;

/// Lists the master keys that were ever used, oldest first.
#[utoipa::path(get, path = "/internal/v1/keys", operation_id = "key_list", tag = "master keys",
    responses((status = 200, description = "All of them.", body = wire::MasterKeyPage)))]
pub(in crate::http) async fn list(call: Call) -> Result<HttpResponse, Problem> {
    let keys = call.run(|service, caller| async move { service.key_list(&caller).await }).await?;
    let items = keys.iter().map(answer::master_key).collect();
    Ok(HttpResponse::Ok().json(wire::MasterKeyPage { items, next_cursor: None, unreadable: 0 }))
}

/// Makes a new master key in the service's keyring file, on standby.
#[utoipa::path(post, path = "/internal/v1/keys", operation_id = "key_add", tag = "master keys", responses(
    (status = 201, description = "It is on standby.", body = wire::MasterKey),
    (status = 409, description = "The keyring cannot be added to.", body = wire::Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn add(call: Call) -> Result<HttpResponse, Problem> {
    let key = call.run(|service, caller| async move { service.key_add(&caller).await }).await?;
    Ok(HttpResponse::Created().json(answer::master_key(&key)))
}

/// Wraps data keys under this master key from now on. The one before goes on standby.
#[utoipa::path(post, path = "/internal/v1/keys/{id}/activate", operation_id = "key_activate", tag = "master keys", responses(
    (status = 200, description = "It is active.", body = wire::MasterKey),
    (status = 409, description = "It is retired or not loaded.", body = wire::Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn activate(call: Call) -> Result<HttpResponse, Problem> {
    let id = call.id()?;
    let key = call.run(|service, caller| async move { service.key_activate(&caller, id).await }).await?;
    Ok(HttpResponse::Ok().json(answer::master_key(&key)))
}

/// Wraps every data key under the active master key that is still under another. May be stopped and sent again.
#[utoipa::path(post, path = "/internal/v1/keys/rewrap", operation_id = "key_rewrap", tag = "master keys",
    responses((status = 200, description = "How many there were.", body = wire::Rewrapped)))]
pub(in crate::http) async fn rewrap(call: Call) -> Result<HttpResponse, Problem> {
    let Rewrapped { rewrapped, unreadable } =
        call.run_long(|service, caller| async move { service.key_rewrap(&caller).await }).await?;
    Ok(HttpResponse::Ok().json(wire::Rewrapped { rewrapped, unreadable }))
}

/// Gives a master key up for ever. Backups from before need a copy of it.
#[utoipa::path(delete, path = "/internal/v1/keys/{id}", operation_id = "key_retire", tag = "master keys", responses(
    (status = 204, description = "It is retired."),
    (status = 409, description = "It is in use.", body = wire::Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn retire(call: Call) -> Result<HttpResponse, Problem> {
    let id = call.id()?;
    call.run(|service, caller| async move { service.key_retire(&caller, id).await }).await?;
    Ok(HttpResponse::NoContent().finish())
}
