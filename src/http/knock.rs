//! A request as it knocks: what stands in its head, and nobody asked yet whose it is.

use super::{
    problem::{Kind, Problem},
    query::Query,
    request::RequestState,
    shared::Shared,
};
use crate::{
    domain::{
        page::PageRequest,
        permission::RequestContext,
        scope::{ProjectPath, Scope, ScopeName},
    },
    service::{IfMatch, Service},
};
use actix_web::{
    FromRequest, HttpMessage as _, HttpRequest,
    dev::Payload,
    http::header::{self, HeaderName},
    web::Data,
};
use std::{
    future::{Ready, ready},
    str::FromStr,
    time::Instant,
};
use zeroize::Zeroizing;

/// A request whose caller is not known, or not yet.
pub(super) struct Knock {
    pub(super) request: HttpRequest,
    pub(super) shared: Data<Shared>,
    /// When it came.
    pub(super) begun: Instant,
}

impl FromRequest for Knock {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::new(request.clone()))
    }
}

impl Knock {
    pub(super) fn new(request: HttpRequest) -> Result<Self, Problem> {
        let shared = request.app_data::<Data<Shared>>().cloned();
        let shared = shared.ok_or_else(|| Problem::new(Kind::Internal, "the listener was not set up"))?;
        Ok(Self { request, shared, begun: Instant::now() })
    }

    pub(super) fn service(&self) -> &Service {
        &self.shared.service
    }

    /// The token that the request carries (RFC 6750 section 2.1).
    pub(super) fn token(&self) -> Option<Zeroizing<String>> {
        bearer(&self.request)
    }

    pub(super) fn context(&self) -> Result<RequestContext, Problem> {
        context(&self.request)
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
