//! The whole API on one page.
//!
//! What is under a scope stands once and is served below each scope that knows it.

use super::{internal, probes, public};
use actix_web::{
    Resource,
    web::{self, delete, get, patch, post, put},
};

/// A path and what answers there.
pub(super) type Table = Vec<(String, fn(Resource) -> Resource)>;

/// The deployment: no part of the path.
const DEPLOYMENT: &str = "/v1";
/// An organization.
const ORGANIZATION: &str = "/v1/organizations/{organization}";
/// A project of an organization.
const PROJECT: &str = "/v1/organizations/{organization}/projects/{project}";

pub(super) fn public() -> Table {
    use public::{
        audit_events, audit_prunings, credentials, organizations, projects, registry_kinds, resolve, tokens, whoami,
    };
    let mut table: Table = vec![
        ("/v1/whoami".into(), |at| at.route(get().to(whoami::get))),
        ("/v1/registry-kinds".into(), |at| at.route(get().to(registry_kinds::list))),
        ("/v1/audit-retention".into(), |at| at.route(get().to(audit_prunings::retention))),
        ("/v1/audit-prunings".into(), |at| {
            at.route(post().to(audit_prunings::prune)).route(get().to(audit_prunings::list))
        }),
        ("/v1/organizations".into(), |at| at.route(get().to(organizations::list))),
        (ORGANIZATION.into(), |at| {
            at.route(put().to(organizations::put))
                .route(get().to(organizations::get))
                .route(delete().to(organizations::delete))
        }),
        (format!("{ORGANIZATION}/projects"), |at| at.route(get().to(projects::list))),
        (PROJECT.into(), |at| {
            at.route(put().to(projects::put)).route(get().to(projects::get)).route(delete().to(projects::delete))
        }),
    ];
    for scope in [ORGANIZATION, PROJECT] {
        table.push((format!("{scope}/resolve"), |at| at.route(get().to(resolve::get))));
        table.push((format!("{scope}/credentials"), |at| {
            at.route(post().to(credentials::create)).route(get().to(credentials::list))
        }));
        table.push((format!("{scope}/credentials/{{id}}"), |at| {
            at.route(get().to(credentials::get))
                .route(patch().to(credentials::update))
                .route(delete().to(credentials::delete))
        }));
        table.push((format!("{scope}/credentials/{{id}}/verify"), |at| at.route(post().to(credentials::verify))));
    }
    for scope in [DEPLOYMENT, ORGANIZATION, PROJECT] {
        table.push((format!("{scope}/tokens"), |at| at.route(post().to(tokens::create)).route(get().to(tokens::list))));
        table.push((format!("{scope}/tokens/{{id}}"), |at| {
            at.route(get().to(tokens::get)).route(delete().to(tokens::revoke))
        }));
        table.push((format!("{scope}/audit-events"), |at| at.route(get().to(audit_events::list))));
    }
    table.extend(probes());
    table
}

pub(super) fn internal() -> Table {
    use internal::{keys, pull_secret, status};
    let mut table: Table = vec![
        ("/internal/v1/organizations/{organization}/projects/{project}/pull-secret".into(), |at| {
            at.route(get().to(pull_secret::get))
        }),
        ("/internal/v1/keys".into(), |at| at.route(get().to(keys::list)).route(post().to(keys::add))),
        ("/internal/v1/keys/rewrap".into(), |at| at.route(post().to(keys::rewrap))),
        ("/internal/v1/keys/{id}/activate".into(), |at| at.route(post().to(keys::activate))),
        ("/internal/v1/keys/{id}".into(), |at| at.route(delete().to(keys::retire))),
        ("/internal/v1/status".into(), |at| at.route(get().to(status::get))),
        ("/metrics".into(), |at| at.route(get().to(probes::metrics))),
    ];
    table.extend(probes());
    table
}

fn probes() -> Table {
    vec![
        ("/livez".into(), |at| at.route(get().to(probes::livez))),
        ("/readyz".into(), |at| at.route(get().to(probes::readyz))),
    ]
}

/// Serves a table.
pub(super) fn install(config: &mut web::ServiceConfig, table: Table) {
    for (path, routes) in table {
        config.service(routes(web::resource(path)));
    }
}
