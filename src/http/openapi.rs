//! The `OpenAPI` 3.1 documents of the two listeners, made from the handlers' own documentation.

use super::{internal, probes, public, wire};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        Components, ContentBuilder, Ref, RefOr, Required, ResponseBuilder,
        path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem, Paths},
        schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type},
        security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
    },
};

/// The public listener's document.
#[must_use]
pub fn public() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(
        info(
            title = "regcred: public API",
            description = "Container-registry credentials of projects. No answer of this listener holds a stored secret.",
            license(name = "Apache-2.0", identifier = "Apache-2.0")
        ),
        paths(
            public::organizations::list, public::organizations::put, public::organizations::get, public::organizations::delete,
            public::projects::list, public::projects::put, public::projects::get, public::projects::delete,
            public::credentials::create, public::credentials::list, public::credentials::get, public::credentials::update,
            public::credentials::delete, public::credentials::verify,
            public::tokens::create, public::tokens::list, public::tokens::get, public::tokens::revoke,
            public::resolve::get, public::registry_kinds::list, public::whoami::get, public::audit_events::list,
            public::audit_prunings::retention, public::audit_prunings::prune, public::audit_prunings::list,
            probes::livez, probes::readyz,
        ),
        components(schemas(wire::Problem)),
        modifiers(&Complete)
    )]
    struct Document;
    Document::openapi()
}

/// The internal listener's document.
#[must_use]
pub fn internal() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(
        info(
            title = "regcred: internal API",
            description = "Where secrets leave, and where the operator rotates master keys. Keep it off every ingress.",
            license(name = "Apache-2.0", identifier = "Apache-2.0")
        ),
        paths(
            internal::pull_secret::get,
            internal::keys::list, internal::keys::add, internal::keys::activate, internal::keys::rewrap, internal::keys::retire,
            internal::status::get, probes::livez, probes::readyz, probes::metrics,
        ),
        components(schemas(wire::Problem)),
        modifiers(&Complete)
    )]
    struct Document;
    Document::openapi()
}

/// Writes out what all operations have in common: the scopes a path stands under, path parameters, the token, and refusals.
struct Complete;

/// The scopes by the ending of their operations' names, and what stands for `{scope}` in the path.
const SCOPES: [(&str, &str); 3] = [
    ("deployment", ""),
    ("organization", "organizations/{organization}/"),
    ("project", "organizations/{organization}/projects/{project}/"),
];

impl Modify for Complete {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let mut paths = Paths::new();
        for (path, item) in std::mem::take(&mut document.paths.paths) {
            for (path, item) in in_every_scope(path, item) {
                paths.paths.insert(path, item);
            }
        }
        document.paths = paths;
        for (path, item) in &mut document.paths.paths {
            for operation in operations(item) {
                complete(path, operation);
            }
        }
        let scheme = Http::builder().scheme(HttpAuthScheme::Bearer).bearer_format("rgc_...");
        let components = document.components.get_or_insert_with(Components::new);
        components.add_security_scheme("token", SecurityScheme::Http(scheme.build()));
    }
}

/// The path under each scope that knows it: credentials, and what is asked about them, do not belong to the deployment; all
/// else does.
fn in_every_scope(path: String, item: PathItem) -> Vec<(String, PathItem)> {
    if !path.contains("{scope}") {
        return vec![(path, item)];
    }
    let known = |(name, _): &&(&str, &str)| {
        *name != "deployment" || !["/credentials", "/resolve"].iter().any(|part| path.contains(part))
    };
    SCOPES
        .iter()
        .filter(known)
        .map(|(name, prefix)| {
            let mut item = item.clone();
            for operation in operations(&mut item) {
                operation.operation_id = operation.operation_id.take().map(|id| format!("{id}_in_{name}"));
            }
            (path.replace("{scope}/", prefix), item)
        })
        .collect()
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten()
}

fn complete(path: &str, operation: &mut Operation) {
    // A probe says itself that it wants no token.
    if operation.security.is_some() {
        return;
    }
    operation.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameters = operation.parameters.get_or_insert_default();
    parameters.splice(0..0, names.map(path_parameter));
    let mut refusals = vec![
        ("400", "A parameter is not valid."),
        ("401", "A valid token is needed."),
        ("403", "The token does not allow this."),
        ("404", "There is none, or the token does not reach it."),
        ("500", "Something went wrong inside."),
        ("503", "The service cannot do this now."),
    ];
    if let Some(body) = &mut operation.request_body {
        // `Call::optional_json`: all that could be in it may be left out.
        if let RefOr::T(body) = body
            && path.ends_with("/verify")
        {
            body.required = Some(Required::False);
        }
        refusals.extend([
            ("408", "The body took too long to arrive."),
            ("413", "The body is too large."),
            ("415", "The body has another media type."),
            ("422", "The body is not valid."),
        ]);
    }
    for (status, description) in refusals {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let response =
            ResponseBuilder::new().description(description).content("application/problem+json", content).build();
        operation.responses.responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(response));
    }
}

fn path_parameter(name: &str) -> RefOr<Parameter> {
    let schema = if name == "id" {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)))
            .build()
    } else {
        let label = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";
        ObjectBuilder::new().schema_type(Type::String).pattern(Some(label)).build()
    };
    let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
    RefOr::T(parameter.schema(Some(schema)).build())
}
