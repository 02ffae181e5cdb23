//! What a handler gets: a request whose caller is known.
//!
//! The caller is found out first. Only then is anything else of the request looked at, so that nobody without a token
//! learns more than that he needs one, and no body is read for him.

use super::{
    json,
    problem::{Kind, Problem},
    query::Query,
    request::RequestState,
    shared::Shared,
};
use crate::{
    domain::{
        page::PageRequest,
        permission::{Caller, RequestContext},
        scope::{ProjectPath, Scope, ScopeName},
    },
    service::{Error, IfMatch, Service},
};
use actix_web::{
    FromRequest, HttpMessage as _, HttpRequest,
    dev::Payload,
    http::header::{self, HeaderName},
    web::{self, Data},
};
use serde::de::DeserializeOwned;
use std::{
    future::Future,
    pin::Pin,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::timeout;
use tracing::Instrument as _;
use zeroize::Zeroizing;

/// A request whose caller is known.
pub(super) struct Call {
    request: HttpRequest,
    /// There until the body is read.
    payload: Option<web::Payload>,
    shared: Data<Shared>,
    caller: Caller,
    /// What is left of [`PATIENCE`] when the caller is known.
    patience: Duration,
}

/// How long a request may wait for the service, all in all, but for the time that its body takes to come.
pub(super) const PATIENCE: Duration = Duration::from_millis(2400);

impl FromRequest for Call {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = web::Payload::from_request(&request, payload);
        Box::pin(async move {
            let payload = payload.await.ok();
            let shared = request.app_data::<Data<Shared>>().cloned();
            let shared = shared.ok_or_else(|| Problem::new(Kind::Internal, "the listener was not set up"))?;
            let token = bearer(&request);
            let context = context(&request)?;
            let find = move |service: Arc<Service>| async move { service.authenticate(token.as_ref(), context).await };
            let begun = Instant::now();
            let caller = run(&shared, Limit::Look(PATIENCE), find).await?;
            let patience = PATIENCE.saturating_sub(begun.elapsed());
            Ok(Self { request, payload, shared, caller, patience })
        })
    }
}

impl Call {
    /// Does something with the service in a task of its own: a caller who hangs up does not stop it half way.
    pub(super) async fn run<T, F>(&self, work: impl FnOnce(Arc<Service>, Caller) -> F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let looks = self.request.method().is_safe();
        let limit = if looks { Limit::Look(self.patience) } else { Limit::Change(self.patience) };
        let caller = self.caller.clone();
        run(&self.shared, limit, |service| work(service, caller)).await
    }

    /// The same for what is made of many small changes, each with a limit of its own.
    pub(super) async fn run_long<T, F>(&self, work: impl FnOnce(Arc<Service>, Caller) -> F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let caller = self.caller.clone();
        run(&self.shared, Limit::None, |service| work(service, caller)).await
    }

    /// The scope in the path; the deployment if the path names none.
    pub(super) fn scope(&self) -> Result<Scope, Problem> {
        let Some(organization) = self.request.match_info().get("organization") else { return Ok(Scope::Deployment) };
        let organization = name(organization, "organization")?;
        Ok(match self.request.match_info().get("project") {
            None => Scope::Organization(organization),
            Some(project) => Scope::Project(ProjectPath { organization, project: name(project, "project")? }),
        })
    }

    /// The organization in the path.
    pub(super) fn organization(&self) -> Result<ScopeName, Problem> {
        name(self.request.match_info().query("organization"), "organization")
    }

    /// The project in the path.
    pub(super) fn project(&self) -> Result<ProjectPath, Problem> {
        let project = name(self.request.match_info().query("project"), "project")?;
        Ok(ProjectPath { organization: self.organization()?, project })
    }

    /// The identifier in the path.
    pub(super) fn id<T: FromStr>(&self) -> Result<T, Problem> {
        let id = self.request.match_info().query("id").parse();
        id.map_err(|_| Problem::at(Kind::InvalidParameter, "id", "must be a UUID"))
    }

    /// The query string.
    pub(super) fn query(&self) -> Query {
        Query::parse(self.request.query_string())
    }

    /// The query string of a list that takes nothing but `limit` and `cursor`.
    pub(super) fn page(&self) -> Result<PageRequest, Problem> {
        let mut query = self.query();
        let page = query.page()?;
        query.end("limit and cursor")?;
        Ok(page)
    }

    /// The JSON body.
    pub(super) async fn json<T: DeserializeOwned>(&mut self) -> Result<T, Problem> {
        self.body(&["application/json"]).await
    }

    /// The JSON merge patch (RFC 7396) that is the body.
    pub(super) async fn merge_patch<T: DeserializeOwned>(&mut self) -> Result<T, Problem> {
        self.body(&["application/merge-patch+json", "application/json"]).await
    }

    async fn body<T: DeserializeOwned>(&mut self, media_types: &[&str]) -> Result<T, Problem> {
        let payload = self.payload.take().ok_or_else(|| Problem::new(Kind::Internal, "the body was read already"))?;
        json::read(&self.request, payload, media_types).await
    }

    /// What the caller last saw of the thing that he changes.
    pub(super) fn if_match(&self) -> IfMatch {
        match self.tags(header::IF_MATCH) {
            None => IfMatch::Any,
            Some(tags) if tags == ["*"] => IfMatch::Any,
            // A weak tag never matches here (RFC 9110 section 13.1.1); nor does what is not one of ours.
            Some(tags) => IfMatch::Revisions(tags.iter().filter_map(|tag| revision(tag)).collect()),
        }
    }

    /// The tags of what the caller has already.
    pub(super) fn if_none_match(&self) -> Option<Vec<String>> {
        let tags = self.tags(header::IF_NONE_MATCH)?;
        let opaque = |tag: &String| strong(tag.strip_prefix("W/").unwrap_or(tag)).map(str::to_owned);
        Some(tags.iter().filter_map(opaque).collect())
    }

    /// The members of a list of entity tags. None of ours has a comma in it.
    fn tags(&self, name: HeaderName) -> Option<Vec<String>> {
        let mut values = self.request.headers().get_all(name).peekable();
        values.peek()?;
        let members = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        Some(members.map(|tag| tag.trim().to_owned()).collect())
    }
}

/// The revision that a strong tag names. Tags are equal as texts, not as numbers: `"01"` is none of ours.
fn revision(tag: &str) -> Option<u32> {
    let text = strong(tag)?;
    text.parse().ok().filter(|revision: &u32| revision.to_string() == text)
}

fn strong(tag: &str) -> Option<&str> {
    tag.strip_prefix('"')?.strip_suffix('"')
}

/// A name in the path. The rule is told, since names are public; the value is not repeated.
fn name(text: &str, parameter: &'static str) -> Result<ScopeName, Problem> {
    text.parse().map_err(|rule: crate::domain::text::Invalid| Problem::at(Kind::InvalidParameter, parameter, rule.0))
}

/// The token that the request carries (RFC 6750 section 2.1).
fn bearer(request: &HttpRequest) -> Option<Zeroizing<String>> {
    let mut values = request.headers().get_all(header::AUTHORIZATION);
    // Where there are two, whatever stands in front of the service may have judged by the other one.
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| Zeroizing::new(token.trim().to_owned()))
}

fn context(request: &HttpRequest) -> Result<RequestContext, Problem> {
    let id = request.extensions().get::<RequestState>().map(|state| state.id);
    let request_id = id.ok_or_else(|| Problem::new(Kind::Internal, "the request was not named"))?;
    Ok(RequestContext { request_id, address: request.peer_addr().map(|peer| peer.ip()) })
}

/// How long the caller is kept waiting. What is not done by then goes on without him.
pub(super) enum Limit {
    /// Nothing changes; too late is nothing.
    Look(Duration),
    /// Something may change, also when it is too late.
    Change(Duration),
    /// As long as it takes.
    None,
}

impl Limit {
    /// What becomes known by the limit.
    async fn hold<T>(self, task: impl Future<Output = T>) -> Result<T, Problem> {
        let (patience, late) = match self {
            Self::None => return Ok(task.await),
            Self::Look(patience) => {
                (patience, Problem::new(Kind::Unavailable, "the database did not answer in time; nothing was changed"))
            }
            Self::Change(patience) => (
                patience,
                Problem::new(
                    Kind::OutcomeUnknown,
                    "the database did not answer in time, and the change may yet be made; read before sending it again",
                ),
            ),
        };
        timeout(patience, task).await.map_err(|_| late)
    }
}

/// Does something with the service in a task of its own, on the runtime that owns the database connections.
pub(super) async fn run<T, F>(shared: &Shared, limit: Limit, work: impl FnOnce(Arc<Service>) -> F) -> Result<T, Problem>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    let task = shared.runtime.spawn(work(Arc::clone(&shared.service)).in_current_span());
    match limit.hold(task).await? {
        Ok(result) => Ok(result?),
        Err(failed) => {
            tracing::error!(error = %failed, "a request's task failed");
            Err(Problem::new(Kind::Internal, "the service's log says more under this request_id"))
        }
    }
}
