//! The typed HTTP client of regcred: what the command line, the node-side programs and the black-box tests call.
//!
//! One method an operation, named `resource_verb`. A method makes the path, [`request`] the body, [`transport`] sends
//! it and tells an answer from a refusal, and the answer comes back in the shapes of [`wire`]. Everything with a secret
//! in it lives in buffers that are overwritten when they are dropped. This module must not know the environment, files
//! or the terminal: URLs and token are handed in.

mod answer;
mod audit;
mod error;
mod operator;
mod request;
mod transport;

pub use answer::{Listing, Omitted, PullSecret, Versioned};
pub use audit::AuditLines;
pub use error::{ClientError, Listener};
pub use request::{Change, CredentialChange, NewCredential, NewToken, PageQuery};
pub use transport::{BaseUrl, PlainHttp};

use crate::{
    domain::{
        check::PullTarget,
        id::{CredentialId, TokenId},
        scope::{ProjectPath, Scope, ScopeName},
        secret::SecretDocument,
        server::RegistryServer,
        timestamp::Timestamp,
        token::TokenText,
    },
    http::wire::{self, PageOf},
};
use reqwest::{
    Method, StatusCode,
    header::{CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH},
};
use std::sync::Arc;
use transport::{Answer, Endpoint};
use uuid::Uuid;

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// A connection to one regcred, on behalf of one token. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    public: Endpoint,
    internal: Endpoint,
    token: Option<Arc<TokenText>>,
}

impl Client {
    /// A client that presents this token, if any, to the two listeners.
    ///
    /// Building it opens no connection. Installs a TLS provider for the process if it has none yet.
    pub fn new(
        public: BaseUrl,
        internal: BaseUrl,
        token: Option<TokenText>,
        plain_http: PlainHttp,
    ) -> Result<Self, ClientError> {
        // reqwest is built without a provider of its own and would panic. It fails only if there is one already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Ok(Self {
            public: Endpoint::new(Listener::Public, public, plain_http)?,
            internal: Endpoint::new(Listener::Internal, internal, plain_http)?,
            token: token.map(Arc::new),
        })
    }

    /// The same connection on behalf of another token, or of nobody.
    #[must_use]
    pub fn with_token(&self, token: Option<TokenText>) -> Self {
        Self { token: token.map(Arc::new), ..self.clone() }
    }

    /// Makes an organization if there is none of that name.
    pub async fn organization_create(&self, name: &ScopeName) -> Result<wire::Organization, ClientError> {
        self.public.send(self.public_call(Method::PUT, &organization(name))?).await?.json()
    }

    /// Reads an organization.
    pub async fn organization_get(&self, name: &ScopeName) -> Result<wire::Organization, ClientError> {
        self.get(&organization(name)).await?.json()
    }

    /// A part of the list of organizations.
    pub async fn organization_list(&self, page: PageQuery<'_>) -> Result<wire::OrganizationPage, ClientError> {
        self.page("/v1/organizations", &page.parameters()).await
    }

    /// All organizations within reach.
    pub async fn organization_list_all(&self) -> Result<Listing<wire::Organization>, ClientError> {
        self.all::<wire::OrganizationPage>("/v1/organizations", &[]).await
    }

    /// Deletes an organization and everything in it.
    pub async fn organization_delete(&self, name: &ScopeName) -> Result<(), ClientError> {
        self.delete(&organization(name), None).await
    }

    /// Makes a project if there is none of that name.
    pub async fn project_create(&self, path: &ProjectPath) -> Result<wire::Project, ClientError> {
        self.public.send(self.public_call(Method::PUT, &project(path))?).await?.json()
    }

    /// Reads a project.
    pub async fn project_get(&self, path: &ProjectPath) -> Result<wire::Project, ClientError> {
        self.get(&project(path)).await?.json()
    }

    /// A part of an organization's list of projects.
    pub async fn project_list(&self, name: &ScopeName, page: PageQuery<'_>) -> Result<wire::ProjectPage, ClientError> {
        self.page(&format!("{}/projects", organization(name)), &page.parameters()).await
    }

    /// All projects of an organization that are within reach.
    pub async fn project_list_all(&self, name: &ScopeName) -> Result<Listing<wire::Project>, ClientError> {
        self.all::<wire::ProjectPage>(&format!("{}/projects", organization(name)), &[]).await
    }

    /// Deletes a project and everything in it.
    pub async fn project_delete(&self, path: &ProjectPath) -> Result<(), ClientError> {
        self.delete(&project(path), None).await
    }

    /// Adds a credential.
    pub async fn credential_create(
        &self,
        scope: &Scope,
        new: &NewCredential<'_>,
    ) -> Result<wire::Credential, ClientError> {
        let call = self.public_call(Method::POST, &below(scope, "credentials"))?;
        self.public.send(call.header(CONTENT_TYPE, JSON).body(new.body())).await?.json()
    }

    /// Adds a credential if its registry takes the login, and lets it pull the image if one is named.
    pub async fn credential_create_verified(
        &self,
        scope: &Scope,
        new: &NewCredential<'_>,
        image: Option<&PullTarget>,
    ) -> Result<wire::Credential, ClientError> {
        let mut parameters = vec![("verify", "true".to_owned())];
        parameters.extend(image.map(|image| ("image", image.to_string())));
        let call = self.public_call(Method::POST, &below(scope, "credentials"))?.query(&parameters);
        self.public.send(call.header(CONTENT_TYPE, JSON).body(new.body())).await?.json()
    }

    /// Has a credential tried at its registry, perhaps for an image.
    pub async fn credential_verify(
        &self,
        scope: &Scope,
        id: CredentialId,
        image: Option<&PullTarget>,
    ) -> Result<wire::LastCheck, ClientError> {
        let call = self.public_call(Method::POST, &format!("{}/verify", one(scope, "credentials", id.as_uuid())))?;
        let call = match image {
            Some(image) => call.json(&serde_json::json!({ "image": image })),
            None => call,
        };
        self.public.send(call).await?.json()
    }

    /// A part of a scope's list of credentials, with those that a project inherits.
    pub async fn credential_list(
        &self,
        scope: &Scope,
        server: Option<&RegistryServer>,
        page: PageQuery<'_>,
    ) -> Result<wire::CredentialPage, ClientError> {
        let mut parameters = page.parameters();
        parameters.extend(server.map(|server| ("server", server.to_string())));
        self.page(&below(scope, "credentials"), &parameters).await
    }

    /// All credentials of a scope, with those that a project inherits.
    pub async fn credential_list_all(
        &self,
        scope: &Scope,
        server: Option<&RegistryServer>,
    ) -> Result<Listing<wire::Credential>, ClientError> {
        let filter: Vec<_> = server.map(|server| ("server", server.to_string())).into_iter().collect();
        self.all::<wire::CredentialPage>(&below(scope, "credentials"), &filter).await
    }

    /// Reads a credential, without its password.
    pub async fn credential_get(
        &self,
        scope: &Scope,
        id: CredentialId,
    ) -> Result<Versioned<wire::Credential>, ClientError> {
        let answer = self.get(&one(scope, "credentials", id.as_uuid())).await?;
        Ok(Versioned { etag: answer.header(&ETAG), value: answer.json()? })
    }

    /// Changes a credential; with `if_match` only that version of it.
    pub async fn credential_update(
        &self,
        scope: &Scope,
        id: CredentialId,
        change: &CredentialChange<'_>,
        if_match: Option<&str>,
    ) -> Result<Versioned<wire::Credential>, ClientError> {
        let mut call = self.public_call(Method::PATCH, &one(scope, "credentials", id.as_uuid()))?;
        if let Some(etag) = if_match {
            call = call.header(IF_MATCH, etag);
        }
        let answer = self.public.send(call.header(CONTENT_TYPE, MERGE_PATCH).body(change.body())).await?;
        Ok(Versioned { etag: answer.header(&ETAG), value: answer.json()? })
    }

    /// Deletes a credential; with `if_match` only that version of it.
    pub async fn credential_delete(
        &self,
        scope: &Scope,
        id: CredentialId,
        if_match: Option<&str>,
    ) -> Result<(), ClientError> {
        self.delete(&one(scope, "credentials", id.as_uuid()), if_match).await
    }

    /// Which credential of a scope an image would get, and why.
    pub async fn credential_resolve(&self, scope: &Scope, image: &str) -> Result<wire::Resolution, ClientError> {
        let call = self.public_call(Method::GET, &below(scope, "resolve"))?;
        self.public.send(call.query(&[("image", image)])).await?.json()
    }

    /// The kinds of registries, with what a form must ask for each.
    pub async fn registry_kind_list(&self) -> Result<Vec<wire::RegistryKind>, ClientError> {
        Ok(self.get("/v1/registry-kinds").await?.json::<wire::RegistryKinds>()?.items)
    }

    /// Makes a token. Its text is in this answer and in no other.
    pub async fn token_create(&self, scope: &Scope, new: &NewToken<'_>) -> Result<wire::TokenCreated, ClientError> {
        let call = self.public_call(Method::POST, &below(scope, "tokens"))?;
        self.public.send(call.json(new)).await?.json()
    }

    /// A part of a scope's list of tokens.
    pub async fn token_list(&self, scope: &Scope, page: PageQuery<'_>) -> Result<wire::TokenPage, ClientError> {
        self.page(&below(scope, "tokens"), &page.parameters()).await
    }

    /// All tokens of a scope.
    pub async fn token_list_all(&self, scope: &Scope) -> Result<Listing<wire::Token>, ClientError> {
        self.all::<wire::TokenPage>(&below(scope, "tokens"), &[]).await
    }

    /// Reads what is known of a token.
    pub async fn token_get(&self, scope: &Scope, id: TokenId) -> Result<wire::Token, ClientError> {
        self.get(&one(scope, "tokens", id.as_uuid())).await?.json()
    }

    /// Ends a token at once.
    pub async fn token_revoke(&self, scope: &Scope, id: TokenId) -> Result<(), ClientError> {
        self.delete(&one(scope, "tokens", id.as_uuid()), None).await
    }

    /// Says whose token this client presents.
    pub async fn whoami(&self) -> Result<wire::Whoami, ClientError> {
        self.get("/v1/whoami").await?.json()
    }

    /// Fetches what a project needs to pull these images, or everything it has if none is named.
    pub async fn pull_secret(
        &self,
        path: &ProjectPath,
        images: &[String],
        if_none_match: Option<&str>,
    ) -> Result<PullSecret, ClientError> {
        let path = format!("/internal{}/pull-secret", project(path));
        let parameters: Vec<_> = images.iter().map(|image| ("image", image)).collect();
        let mut call = self.internal_call(Method::GET, &path)?.query(&parameters);
        if let Some(etag) = if_none_match {
            call = call.header(IF_NONE_MATCH, etag);
        }
        let answer = self.internal.send(call).await?;
        if answer.status == StatusCode::NOT_MODIFIED {
            return Ok(PullSecret::NotModified);
        }
        let omitted = answer::omitted(&answer.headers);
        Ok(PullSecret::Document { etag: answer.header(&ETAG), omitted, body: SecretDocument::new(answer.body) })
    }

    /// Asks whether the process lives; answers the time that it has, if it says so. Presents no token.
    pub async fn livez(&self, listener: Listener) -> Result<Option<Timestamp>, ClientError> {
        let endpoint = self.endpoint(listener);
        Ok(endpoint.send(endpoint.call(Method::GET, "/livez")).await?.date())
    }

    /// Asks whether requests can be served. Presents no token.
    pub async fn readyz(&self, listener: Listener) -> Result<(), ClientError> {
        let endpoint = self.endpoint(listener);
        endpoint.send(endpoint.call(Method::GET, "/readyz")).await.map(drop)
    }

    /// The metrics in Prometheus' text form; only the internal listener has them. Presents no token.
    pub async fn metrics(&self) -> Result<String, ClientError> {
        let answer = self.internal.send(self.internal.call(Method::GET, "/metrics")).await?;
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }

    fn endpoint(&self, listener: Listener) -> &Endpoint {
        match listener {
            Listener::Public => &self.public,
            Listener::Internal => &self.internal,
        }
    }

    fn public_call(&self, method: Method, path: &str) -> Result<reqwest::RequestBuilder, ClientError> {
        self.public.call_as(self.token.as_deref(), method, path)
    }

    fn internal_call(&self, method: Method, path: &str) -> Result<reqwest::RequestBuilder, ClientError> {
        self.internal.call_as(self.token.as_deref(), method, path)
    }

    async fn get(&self, path: &str) -> Result<Answer, ClientError> {
        self.public.send(self.public_call(Method::GET, path)?).await
    }

    async fn delete(&self, path: &str, if_match: Option<&str>) -> Result<(), ClientError> {
        let mut call = self.public_call(Method::DELETE, path)?;
        if let Some(etag) = if_match {
            call = call.header(IF_MATCH, etag);
        }
        self.public.send(call).await.map(drop)
    }

    async fn page<P: PageOf>(&self, path: &str, parameters: &[(&str, String)]) -> Result<P, ClientError> {
        self.public.send(self.public_call(Method::GET, path)?.query(parameters)).await?.json()
    }

    async fn all<P: PageOf>(
        &self,
        path: &str,
        filter: &[(&'static str, String)],
    ) -> Result<Listing<P::Item>, ClientError> {
        let mut listing = Listing { items: Vec::new(), unreadable: 0 };
        let mut cursor = None;
        loop {
            let mut parameters = PageQuery { limit: Some(500), cursor: cursor.as_deref() }.parameters();
            parameters.extend_from_slice(filter);
            let (items, next, unreadable) = self.page::<P>(path, &parameters).await?.into_parts();
            listing.items.extend(items);
            listing.unreadable += unreadable;
            if next.is_none() {
                return Ok(listing);
            }
            if next == cursor {
                return Err(self.public.unexpected(StatusCode::OK, "the list goes on where it already was"));
            }
            cursor = next;
        }
    }
}

fn organization(name: &ScopeName) -> String {
    format!("/v1/organizations/{name}")
}

fn project(path: &ProjectPath) -> String {
    format!("/v1/organizations/{}/projects/{}", path.organization, path.project)
}

fn below(scope: &Scope, resource: &str) -> String {
    match scope {
        Scope::Deployment => format!("/v1/{resource}"),
        Scope::Organization(name) => format!("{}/{resource}", organization(name)),
        Scope::Project(path) => format!("{}/{resource}", project(path)),
    }
}

fn one(scope: &Scope, resource: &str, id: Uuid) -> String {
    format!("{}/{id}", below(scope, resource))
}

#[cfg(test)]
mod tests;
