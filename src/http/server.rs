//! Listening: the two listeners, and what their workers share.

use super::{openapi, request, routes, watch};
use crate::{
    domain::source::{Clock, Random},
    service::Service,
};
use actix_web::{
    App, HttpServer,
    dev::{Server, ServerHandle},
    middleware::from_fn,
    web::{self, Data},
};
use metrics_exporter_prometheus::PrometheusHandle;
use std::{
    io,
    net::TcpListener,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};
use utoipa_swagger_ui::{Config, SwaggerUi};

/// How long a first request head may take.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long a connection may wait for its next request. The watch allows as much.
const KEEP_ALIVE: Duration = watch::IDLE;
/// How long requests that are being worked on may take to end when the server stops.
const SHUTDOWN_SECONDS: u64 = 30;

/// Which of the two listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// No secret can be asked for here.
    Public,
    /// Where secrets leave.
    Internal,
}

impl Listener {
    /// Its name in logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
        }
    }
}

/// What every worker of a listener needs.
#[derive(Clone)]
pub struct Shared {
    /// Which listener it is.
    pub listener: Listener,
    /// The use cases.
    pub service: Arc<Service>,
    /// Where database work runs, safe from callers who hang up.
    pub runtime: tokio::runtime::Handle,
    /// Whether the process is on its way out.
    pub draining: Arc<AtomicBool>,
    /// What has been counted.
    pub metrics: PrometheusHandle,
    /// For request identifiers.
    pub clock: Arc<dyn Clock>,
    /// For request identifiers.
    pub random: Arc<dyn Random>,
}

/// A listener's hold on its server, to end it.
#[derive(Debug, Clone)]
pub struct Stopper(ServerHandle);

impl Stopper {
    /// Takes no more connections, and returns when what was begun is finished.
    pub async fn finish(&self) {
        self.0.stop(true).await;
    }
}

/// Serves a listener on a socket that is bound already. The server runs once it is awaited.
///
/// # Errors
/// The socket cannot be used.
pub fn serve(shared: Shared, socket: TcpListener) -> io::Result<(Server, Stopper)> {
    let server = HttpServer::new(move || {
        let document = match shared.listener {
            Listener::Public => openapi::public(),
            Listener::Internal => openapi::internal(),
        };
        let table = match shared.listener {
            Listener::Public => routes::public(),
            Listener::Internal => routes::internal(),
        };
        App::new()
            .wrap(from_fn(request::carry))
            .app_data(Data::new(shared.clone()))
            .configure(|config| routes::install(config, table))
            .service(web::redirect("/docs", "/docs/"))
            .service(SwaggerUi::new("/docs/{_:.*}").url("/openapi.json", document).config(page_settings()))
    })
    .keep_alive(KEEP_ALIVE)
    .client_request_timeout(HEAD_TIME)
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .disable_signals()
    .on_connect(watch::on_connect)
    .listen(socket)?
    .run();
    let stopper = Stopper(server.handle());
    Ok((server, stopper))
}

/// The page asks nobody but its own listener. Unless told otherwise, it has the document judged by validator.swagger.io.
fn page_settings() -> Config<'static> {
    Config::default().validator_url("none")
}
