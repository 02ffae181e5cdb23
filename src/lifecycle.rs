//! The life of a server process: start, serve, drain, stop.
//!
//! Here the system's clock and randomness are made into things that are handed in; the service has no other.

pub mod offline;
mod source;

use crate::{
    config::{
        private_file,
        server::{KeyringSource, ServerSettings},
    },
    domain::{
        source::{Clock, Random},
        token::TokenText,
    },
    http::{self, Listener, Shared, Stopper},
    registry::{SystemResolver, Verifier},
    service::{self, Error, KeySources, OperatorToken, Service, StartError, Started},
    store::{
        DatabaseStatus,
        sql::{self, OpenError},
    },
    telemetry::{self, TelemetryError},
};
use source::{SystemClock, SystemRandom};
use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{sleep, timeout},
};
use zeroize::Zeroizing;

/// How long a stopping process goes on taking requests, each with `Connection: close`, while balancers take note.
const DRAIN: Duration = Duration::from_millis(500);
/// How long the last audit events may take.
const LAST_EVENTS: Duration = Duration::from_secs(5);

/// A server that takes requests.
#[derive(Debug)]
pub struct Ready {
    /// Where the public listener is.
    pub public: SocketAddr,
    /// Where the internal listener is.
    pub internal: SocketAddr,
    /// The data folder.
    pub data_dir: PathBuf,
    /// Where a new operator's token was written, if there was none that is good.
    pub new_operator_token: Option<PathBuf>,
    /// Where a first keyring was written.
    pub new_keyring: Option<PathBuf>,
}

/// Why a server did not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Logs or metrics could not be set up.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The keyring file that somebody named is not there.
    #[error(
        "there is no keyring file {0}; put the keyring file there, or leave --keyring-file and REGCRED_KEYRING_FILE out to \
         have one made in the data folder on the first start"
    )]
    NoKeyring(PathBuf),
    /// The data folder cannot be used.
    #[error("the data folder cannot be used")]
    DataDir(#[source] io::Error),
    /// The database cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The keys do not fit the database.
    #[error(transparent)]
    Start(#[from] StartError),
    /// An address cannot be had.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The server broke down.
    #[error("the server broke down")]
    Server(#[source] io::Error),
    /// A second signal came before the work was done.
    #[error("stopped at once by a second signal; requests that were being worked on were cut")]
    Forced,
}

impl ServeError {
    /// What to try next, if there is something.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => Some(
                "another program listens there; choose another port with --public-listen or --internal-listen"
                    .to_owned(),
            ),
            Self::Start(StartError::KeyringFile(_)) => {
                Some("the keyring holds the master keys; without it nothing that is stored can be opened".to_owned())
            }
            Self::DataDir(_) => Some("choose another folder with --data-dir".to_owned()),
            Self::Telemetry(_)
            | Self::NoKeyring(_)
            | Self::Open(_)
            | Self::Start(_)
            | Self::Listen { .. }
            | Self::Server(_)
            | Self::Forced => None,
        }
    }
}

/// Brings a database's tables up to date, and tells what it then says of itself.
///
/// # Errors
/// The database cannot be had, or its tables are not those of this program.
pub async fn migrate(settings: &ServerSettings) -> Result<DatabaseStatus, ServeError> {
    telemetry::start_logs(&settings.log_filter, settings.log_format)?;
    let store = sql::open(&settings.database).await?;
    let status = async { store.read().await?.database_status().await }.await;
    store.close().await;
    Ok(status.map_err(StartError::from)?)
}

/// The text of a keyring with one new key; or, if there is a file to add it to, that key's name alone.
///
/// # Errors
/// The file cannot be read or written.
pub fn generate_keyring(add_to: Option<&Path>) -> Result<Zeroizing<String>, Error> {
    service::keyring_generate(&SystemClock, &SystemRandom, add_to)
}

/// Runs a server until a signal ends it. `on_ready` is called once, when both listeners take requests.
///
/// The first SIGTERM or SIGINT drains: readiness ends, every answer closes its connection, and what was begun is finished. The
/// second one stops at once.
///
/// # Errors
/// The server could not start, or a second signal cut it short.
pub async fn serve(
    settings: ServerSettings,
    operator_token: OperatorToken,
    on_ready: impl FnOnce(&Ready) + Send + 'static,
) -> Result<(), ServeError> {
    telemetry::start_logs(&settings.log_filter, settings.log_format)?;
    let metrics = telemetry::start_metrics()?;
    tokio::spawn(telemetry::keep_up(metrics.clone()));
    let mut signals = Signals::listen().map_err(ServeError::Server)?;
    if let Some(path) = settings.keyring.missing() {
        return Err(ServeError::NoKeyring(path.to_owned()));
    }
    // Before anything is made: a start that finds its port taken leaves nothing behind.
    let (public_socket, public) = listen(settings.public_listen)?;
    let (internal_socket, internal) = listen(settings.internal_listen)?;
    let (clock, random): (Arc<dyn Clock>, Arc<dyn Random>) = (Arc::new(SystemClock), Arc::new(SystemRandom));

    fs::DirBuilder::new().recursive(true).mode(0o700).create(&settings.data_dir).map_err(ServeError::DataDir)?;
    let store = sql::open(&settings.database).await?;
    let token_file = settings.data_dir.join("operator.token");
    let keep = |token: &TokenText| write_token(&token_file, token);
    let sources = key_sources(settings.keyring, settings.passphrase);
    let started = Service::start(
        Arc::clone(&store),
        host(),
        sources,
        (Arc::clone(&clock), Arc::clone(&random)),
        (
            settings.audit_retention,
            Verifier::new(settings.registry, Arc::new(SystemResolver::default())),
            settings.checks_per_minute,
        ),
        operator_token,
        keep,
    )
    .await?;
    let Started { service, audit, new_keyring, new_operator_token } = started;
    let new_operator_token = new_operator_token.then(|| token_file.clone());
    announce(new_keyring.as_deref(), new_operator_token.as_deref());

    let service = Arc::new(service);
    let in_step = tokio::spawn({
        let service = Arc::clone(&service);
        async move { service.keep_in_step().await }
    });
    let on_file = tokio::spawn({
        let service = Arc::clone(&service);
        async move { service.keep_up().await }
    });
    let checked = settings.recheck.map(|interval| {
        let service = Arc::clone(&service);
        tokio::spawn(async move { service.keep_checked(interval).await })
    });
    let draining = Arc::new(AtomicBool::new(false));
    let shared = |listener| Shared {
        listener,
        service: Arc::clone(&service),
        runtime: tokio::runtime::Handle::current(),
        draining: Arc::clone(&draining),
        metrics: metrics.clone(),
        clock: Arc::clone(&clock),
        random: Arc::clone(&random),
    };
    let serve = |listener, socket| http::serve(shared(listener), socket).map_err(ServeError::Server);
    let (public_server, public_stopper) = serve(Listener::Public, public_socket)?;
    let (internal_server, internal_stopper) = serve(Listener::Internal, internal_socket)?;
    let servers = tokio::spawn(async move { tokio::try_join!(public_server, internal_server).map(|_| ()) });
    tracing::info!(%public, %internal, version = env!("CARGO_PKG_VERSION"), "ready");
    on_ready(&Ready { public, internal, data_dir: settings.data_dir, new_operator_token, new_keyring });

    let outcome = stop_on_signal(&mut signals, &draining, [public_stopper, internal_stopper], servers).await;
    if let Err(ServeError::Forced) = outcome {
        // Nothing is waited for. What is not durable by now was not acknowledged, and gave nothing out.
        return outcome;
    }
    for task in [Some(in_step), Some(on_file), checked].into_iter().flatten() {
        task.abort();
        let _ = task.await;
    }
    service.leave().await;
    drop(service);
    if timeout(LAST_EVENTS, audit).await.is_err() {
        tracing::warn!("the last audit events were not written; nothing was handed out for them");
    }
    store.close().await;
    tracing::info!("stopped");
    outcome
}

/// What this machine or pod is called.
fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let bound = TcpListener::bind(address).and_then(|socket| Ok((socket.local_addr()?, socket)));
    bound.map(|(bound, socket)| (socket, bound)).map_err(|source| ServeError::Listen { address, source })
}

/// Waits for the end, in order or not.
async fn stop_on_signal(
    signals: &mut Signals,
    draining: &AtomicBool,
    stoppers: [Stopper; 2],
    mut servers: tokio::task::JoinHandle<io::Result<()>>,
) -> Result<(), ServeError> {
    let ended = |result: Result<io::Result<()>, tokio::task::JoinError>| {
        result.map_err(io::Error::other).flatten().map_err(ServeError::Server)
    };
    tokio::select! {
        result = &mut servers => return ended(result),
        () = signals.next() => {}
    }
    tracing::info!("stopping: finishing what was begun; another signal stops at once");
    draining.store(true, Ordering::Relaxed);
    let abort = servers.abort_handle();
    let in_order = async {
        sleep(DRAIN).await;
        tokio::join!(stoppers[0].finish(), stoppers[1].finish());
        servers.await
    };
    tokio::select! {
        result = in_order => ended(result),
        () = signals.next() => {
            // A server that is stopping in order obeys no other command; dropped, it cuts its connections.
            abort.abort();
            Err(ServeError::Forced)
        }
    }
}

fn key_sources(keyring: KeyringSource, passphrase: Option<Zeroizing<String>>) -> KeySources {
    match keyring {
        KeyringSource::File { path, .. } => KeySources { file: Some(path), text: None, passphrase },
        KeyringSource::Text(text) => KeySources { file: None, text: Some(text), passphrase },
    }
}

/// Says in the log what the operator must know of a first start.
fn announce(keyring: Option<&Path>, token: Option<&Path>) {
    if let Some(path) = keyring {
        let path = path.display();
        tracing::warn!(%path, "a new keyring was made: back it up, without it nothing that is stored can be opened again");
    }
    if let Some(path) = token {
        tracing::info!(path = %path.display(), "a new operator token was written");
    }
}

/// Writes the operator's token where only its owner reads it, in one step.
fn write_token(path: &Path, token: &TokenText) -> io::Result<()> {
    let line = Zeroizing::new(format!("{}\n", token.expose()));
    private_file::write(path, line.as_bytes()).map_err(io::Error::other)
}

/// The signals that end the process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
