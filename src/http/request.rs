//! What every request goes through: its identifier, its metrics, and the one place where a failure is logged and
//! becomes a problem document.

use super::{
    counts::Counts,
    problem::{Kind, Problem},
    shared::{Listener, Shared},
    watch::Watch,
};
use crate::{domain::id::RequestId, service::Error};
use actix_web::{
    HttpMessage as _, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    error::InternalError,
    http::{
        Method, StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    middleware::Next,
    web::Data,
};
use std::{
    error::Error as _,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::atomic::Ordering,
    task::Poll,
    time::{Duration, Instant},
};
use tracing::Span;
use uuid::Uuid;

/// Nothing that is answered is for anybody else.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// Nor for any other use than its type says.
const NO_SNIFF: HeaderValue = HeaderValue::from_static("nosniff");
/// The page at `/docs/` needs no network, and gets none.
const OWN_FILES_ONLY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
);

/// From here on a request is told of in the log though all went well.
const SLOW: Duration = Duration::from_millis(500);

/// What belongs to a request from its first moment.
#[derive(Clone, Copy)]
pub(super) struct RequestState {
    pub(super) id: RequestId,
}

/// The span of what is done for a request: lines that are written meanwhile bear its identifier, whatever level is asked for. It
/// is begun where there is something to tell or the service's work begins: a remembered pull secret writes no line, and is spared a
/// microsecond.
pub(super) fn span(listener: Listener, id: RequestId) -> Span {
    tracing::error_span!("request", request_id = %id, listener = listener.name())
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Carries a request through. Nothing that the caller wrote goes into the log: only the method, if it is a known one,
/// and, through the route's own pattern, which path it matched.
pub(super) async fn carry(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let begun = Instant::now();
    let shared = request.app_data::<Data<Shared>>().cloned();
    let shared = shared.ok_or_else(|| Problem::new(Kind::Internal, "the listener was not set up"))?;
    let working = request.request().conn_data::<Watch>().map(Watch::begin);
    let id = RequestId::new(&*shared.clock, &*shared.random);
    request.extensions_mut().insert(RequestState { id });
    let (method, safe) = (method_name(request.method()), request.method().is_safe());

    // The request must not be cloned before it is routed: actix-web wants it for itself to write down what matched.
    let answered = guarded(next.call(request)).await.unwrap_or_else(|Panicked| {
        // The panic itself has been reported by the runtime, with its place.
        Err(Problem::new(Kind::Internal, "the service's log says more at the time of this request").into())
    });
    let mut response = match answered {
        Ok(response) => rendered(response.map_into_boxed_body(), id),
        Err(error) => {
            let status = error.as_response_error().status_code();
            let document = written(problem_of(Some(&error), status).get(), None, id);
            return Err(InternalError::from_response("refused before it was routed", document).into());
        }
    };
    let route = response.request().match_pattern();
    let route = route.as_deref().unwrap_or("unmatched");
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NO_SNIFF);
    headers.insert(header::CONTENT_SECURITY_POLICY, OWN_FILES_ONLY);
    let mut text = Uuid::encode_buffer();
    if let Ok(value) = HeaderValue::from_str(id.as_uuid().hyphenated().encode_lower(&mut text)) {
        headers.insert(REQUEST_ID, value);
    }
    if shared.draining.load(Ordering::Relaxed) {
        response.response_mut().head_mut().set_connection_type(actix_web::http::ConnectionType::Close);
    }
    let (status, took) = (response.status().as_u16(), begun.elapsed());
    let microseconds = took.as_micros();
    // What went well and changed nothing is in the metrics, and in the audit log if it handed something out.
    if !safe || status >= 400 || took >= SLOW {
        span(shared.listener, id).in_scope(|| tracing::info!(method, route, status, microseconds, "answered"));
    } else if tracing::enabled!(tracing::Level::DEBUG) {
        span(shared.listener, id).in_scope(|| tracing::debug!(method, route, status, microseconds, "answered"));
    }
    if let Some(counts) = response.request().app_data::<Counts>() {
        counts.add(method, route, status, took);
    }
    drop(working);
    Ok(response)
}

/// A method by its name. One that the caller made up has none: it would stand in the log, and every other word would be a
/// metric of its own, for as long as the process lives.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => "other",
    }
}

/// Something panicked.
struct Panicked;

/// Keeps a panic from taking the worker with it, and all other requests that it serves.
async fn guarded<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        polled.map_or(Poll::Ready(Err(Panicked)), |poll| poll.map(Ok))
    })
    .await
}

/// A refusal as a problem document; anything else as it is.
fn rendered(response: ServiceResponse<BoxBody>, id: RequestId) -> ServiceResponse<BoxBody> {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let allow = response.headers().get(header::ALLOW).cloned();
    let document = written(problem_of(response.response().error(), status).get(), allow, id);
    response.into_response(document)
}

/// The problem that an error is, or the nearest one for a refusal of actix's own.
fn problem_of(error: Option<&actix_web::Error>, status: StatusCode) -> Wrapped<'_> {
    if let Some(problem) = error.and_then(|error| error.as_error::<Problem>()) {
        return Wrapped::Ours(problem);
    }
    let problem = match status {
        StatusCode::NOT_FOUND => Problem::new(Kind::NoRoute, "openapi.json lists the paths of this listener"),
        StatusCode::METHOD_NOT_ALLOWED => {
            Problem::new(Kind::MethodNotAllowed, "openapi.json lists the methods of each path")
        }
        StatusCode::REQUEST_TIMEOUT => Problem::new(Kind::RequestTimeout, "send the request faster"),
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(Kind::BodyTooLarge, "send less"),
        status if status.is_client_error() => {
            Problem::new(Kind::BadRequest, "it is not HTTP as this service speaks it")
        }
        _ => Problem::new(Kind::Internal, "the service's log says more under this request_id"),
    };
    Wrapped::Actix(problem)
}

enum Wrapped<'a> {
    Ours(&'a Problem),
    Actix(Problem),
}

impl Wrapped<'_> {
    fn get(&self) -> &Problem {
        match self {
            Self::Ours(problem) => problem,
            Self::Actix(problem) => problem,
        }
    }
}

/// Logs the refusal once, with all its causes, and writes its document.
fn written(problem: &Problem, allow: Option<HeaderValue>, id: RequestId) -> HttpResponse<BoxBody> {
    let status = problem.kind.status();
    let causes = problem.cause.as_deref().map(causes);
    if status.is_server_error() {
        tracing::error!(request_id = %id, problem = problem.kind.uri(), causes, "refused");
    } else {
        tracing::debug!(request_id = %id, problem = problem.kind.uri(), causes, "refused");
    }
    let mut builder = HttpResponse::build(status);
    if let Some(allow) = allow {
        builder.insert_header((header::ALLOW, allow));
    }
    if status == StatusCode::UNAUTHORIZED {
        builder.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        builder.insert_header((header::RETRY_AFTER, "1"));
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        builder.insert_header((header::RETRY_AFTER, problem.retry_after.unwrap_or(5)));
    }
    if problem.kind == Kind::RequestTimeout {
        builder.force_close();
    }
    let body = serde_json::to_string(&problem.wire(Some(id))).unwrap_or_default();
    builder.content_type("application/problem+json").body(body)
}

/// An error and what lies beneath it.
fn causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_its_own_request_only() {
        assert!(guarded(async { panic!("as if something had been overlooked") }).await.is_err());
        assert_eq!(guarded(async { 1 }).await.ok(), Some(1));
    }
}
