//! Which credential an image gets.

use crate::{
    domain::image::ImageReference,
    http::{
        answer,
        call::Call,
        problem::{Kind, Problem},
        wire,
    },
};
use actix_web::HttpResponse;

/// Tells which credential an image would get, and why: every credential of the scope with the reason for or against it, and what
/// docker, podman, containerd and the kubelet do with the docker config of the whole scope. No secret is looked at.
#[utoipa::path(get, path = "/v1/{scope}/resolve", operation_id = "credential_resolve", tag = "credentials",
    params(("image" = String, Query, description = "The image as it stands in a manifest, such as `ghcr.io/acme/shop:1.0`.")),
    responses((status = 200, description = "What was found out.", body = wire::Resolution)))]
pub(in crate::http) async fn get(call: Call) -> Result<HttpResponse, Problem> {
    let scope = call.scope()?;
    let mut query = call.query();
    let image = query.one::<ImageReference>("image")?;
    query.end("image")?;
    let image = image.ok_or_else(|| Problem::at(Kind::InvalidParameter, "image", "must be given"))?;
    let (place, asked) = (scope.clone(), image.clone());
    let resolved =
        call.run(|service, caller| async move { service.credential_resolve(&caller, &scope, &asked).await }).await?;
    Ok(HttpResponse::Ok().json(answer::resolution(&image, &resolved, &place)))
}
