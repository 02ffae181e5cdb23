//! What a handler gets: a request whose caller is known.
//!
//! The caller is found out first. Only then is anything else of the request looked at, so that nobody without a token
//! learns more than that he needs one, and no body is read for him.

use super::{
    json,
    knock::Knock,
    problem::{Kind, Problem},
    request::span,
    shared::Shared,
};
use crate::{
    domain::{id::RequestId, permission::Caller},
    service::{Error, Service},
};
use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use serde::de::DeserializeOwned;
use std::{future::Future, ops::Deref, pin::Pin, sync::Arc, time::Duration};
use tokio::time::timeout;
use tracing::Instrument as _;

/// A request whose caller is known.
pub(super) struct Call {
    knock: Knock,
    /// There until the body is read.
    payload: Option<web::Payload>,
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
            Self::of(Knock::new(request)?, payload).await
        })
    }
}

/// Whatever can be read of a request can be read of one whose caller is known.
impl Deref for Call {
    type Target = Knock;

    fn deref(&self) -> &Knock {
        &self.knock
    }
}

impl Call {
    /// Finds out who knocks.
    pub(super) async fn of(knock: Knock, payload: Option<web::Payload>) -> Result<Self, Problem> {
        let (token, context) = (knock.token(), knock.context()?);
        let find = move |service: Arc<Service>| async move { service.authenticate(token.as_ref(), context).await };
        let left = || PATIENCE.saturating_sub(knock.begun.elapsed());
        let caller = run(&knock.shared, context.request_id, Limit::Look(left()), find).await?;
        let patience = left();
        Ok(Self { knock, payload, caller, patience })
    }

    /// Does something with the service in a task of its own: a caller who hangs up does not stop it half way.
    pub(super) async fn run<T, F>(&self, work: impl FnOnce(Arc<Service>, Caller) -> F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let looks = self.knock.request.method().is_safe();
        let limit = if looks { Limit::Look(self.patience) } else { Limit::Change(self.patience) };
        let caller = self.caller.clone();
        run(&self.knock.shared, caller.request.request_id, limit, |service| work(service, caller)).await
    }

    /// The same for what is made of many small changes, each with a limit of its own.
    pub(super) async fn run_long<T, F>(&self, work: impl FnOnce(Arc<Service>, Caller) -> F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let caller = self.caller.clone();
        run(&self.knock.shared, caller.request.request_id, Limit::None, |service| work(service, caller)).await
    }

    /// The JSON body.
    pub(super) async fn json<T: DeserializeOwned>(&mut self) -> Result<T, Problem> {
        self.body(&["application/json"]).await
    }

    /// The JSON body, if there is one.
    pub(super) async fn optional_json<T: DeserializeOwned + Default>(&mut self) -> Result<T, Problem> {
        if json::is_absent(&self.knock.request) { Ok(T::default()) } else { self.json().await }
    }

    /// The JSON merge patch (RFC 7396) that is the body.
    pub(super) async fn merge_patch<T: DeserializeOwned>(&mut self) -> Result<T, Problem> {
        self.body(&["application/merge-patch+json", "application/json"]).await
    }

    async fn body<T: DeserializeOwned>(&mut self, media_types: &[&str]) -> Result<T, Problem> {
        let payload = self.payload.take().ok_or_else(|| Problem::new(Kind::Internal, "the body was read already"))?;
        json::read(&self.knock.request, payload, media_types).await
    }
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
pub(super) async fn run<T, F>(
    shared: &Shared,
    request: RequestId,
    limit: Limit,
    work: impl FnOnce(Arc<Service>) -> F,
) -> Result<T, Problem>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    let span = span(shared.listener, request);
    let task = shared.runtime.spawn(work(Arc::clone(&shared.service)).instrument(span.clone()));
    match limit.hold(task).await? {
        Ok(result) => Ok(result?),
        Err(failed) => {
            span.in_scope(|| tracing::error!(error = %failed, "a request's task failed"));
            Err(Problem::new(Kind::Internal, "the service's log says more under this request_id"))
        }
    }
}
