//! Listening: what answers on a listener, under which limits, and how it ends.

use super::{
    counts::Counts,
    openapi, request, routes,
    shared::{Listener, Shared},
    watch,
};
use actix_web::{
    App, HttpServer,
    dev::{Server, ServerHandle},
    middleware::from_fn,
    web::{self, Data},
};
use std::{io, net::TcpListener, time::Duration};
use utoipa_swagger_ui::{Config, SwaggerUi};

/// How long a first request head may take.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long a connection may wait for its next request. The watch allows as much.
const KEEP_ALIVE: Duration = watch::IDLE;
/// How long requests that are being worked on may take to end when the server stops.
const SHUTDOWN_SECONDS: u64 = 30;

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
            .app_data(Counts::new(shared.listener))
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
