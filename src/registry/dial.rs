//! The guarded dialer: the only place that connects.
//!
//! A name is asked for once. If any of its addresses may not be dialled, none is; else these very addresses are dialled,
//! and nobody is asked for the name again. So a name that changes its mind between the look and the connection changes
//! nothing. An address in the place of a name goes the same way.

use super::rules::{HostAndPort, Rules};
use crate::domain::check::Finding;
use async_trait::async_trait;
use rustls::{CertificateError, ClientConfig, pki_types::ServerName};
use std::{
    any::Any,
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs as _},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::Semaphore,
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;

/// How long a name may take, then all of a name's addresses together, and then the beginning of TLS.
const STAGE: Duration = Duration::from_secs(5);
/// How many names are asked for at once.
const NAMES_AT_ONCE: usize = 16;
/// A name with more addresses is no registry's.
const MOST_ADDRESSES: usize = 64;

/// Tells the addresses of names.
#[async_trait]
pub trait Resolve: Send + Sync + 'static {
    /// The addresses that a name has now.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// Asks whom the system asks.
#[derive(Debug)]
pub struct SystemResolver {
    threads: Arc<Semaphore>,
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self { threads: Arc::new(Semaphore::new(NAMES_AT_ONCE)) }
    }
}

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let thread = Arc::clone(&self.threads).acquire_owned().await.map_err(io::Error::other)?;
        let name = name.to_owned();
        // The system takes its own time, and cannot be told to stop: whoever gives up leaves the thread behind. So they are counted
        // until they come back, or slow name servers would take all that the process has.
        let found = tokio::task::spawn_blocking(move || {
            let _thread = thread;
            Ok((name.as_str(), 0).to_socket_addrs()?.map(|address| address.ip()).collect())
        });
        found.await.map_err(io::Error::other)?
    }
}

/// A connection, safe or not, that HTTP can be spoken on.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Whatever whoever asks holds for as long as something is done for him.
pub(super) type Turn = Arc<dyn Any + Send + Sync>;

/// What the connections of one check are made with.
pub(super) struct Dialer {
    pub(super) rules: Arc<Rules>,
    pub(super) resolver: Arc<dyn Resolve>,
    pub(super) turn: Turn,
}

impl Dialer {
    /// Connects to a host, by TLS unless the operator has named it.
    pub(super) async fn dial(&self, host: &HostAndPort, tls: Arc<ClientConfig>) -> Result<Box<dyn Stream>, Finding> {
        let addresses = self.addresses(host).await?;
        let stream = connect(&addresses).await?;
        if self.rules.is_insecure(host) {
            return Ok(Box::new(stream));
        }
        let name = match host.address() {
            Some(address) => ServerName::IpAddress(address.into()),
            None => ServerName::try_from(host.host().to_owned()).map_err(|_| Finding::NameNotFound)?,
        };
        let handshake = TlsConnector::from(tls).connect(name, stream);
        let shaken = timeout_at(Instant::now() + STAGE, handshake).await.map_err(|_| Finding::TimedOut)?;
        Ok(Box::new(shaken.map_err(|error| tls_finding(&error))?))
    }

    /// The addresses of a host, all of which may be dialled.
    async fn addresses(&self, host: &HostAndPort) -> Result<Vec<SocketAddr>, Finding> {
        let found = if let Some(address) = host.address() {
            vec![address]
        } else {
            let resolved = timeout_at(Instant::now() + STAGE, self.resolved(host.host())).await;
            resolved.map_err(|_| Finding::TimedOut)??
        };
        if found.is_empty() || found.len() > MOST_ADDRESSES {
            return Err(Finding::NameNotFound);
        }
        if !found.iter().all(|address| self.rules.allow(*address)) {
            return Err(Finding::AddressNotAllowed);
        }
        Ok(found.into_iter().map(|address| SocketAddr::new(address, host.port())).collect())
    }
}

impl Dialer {
    /// Asks for a name, in a task of its own: who gives up waiting does not end the look-up, and so keeps his turn until it comes
    /// back. Or a few callers with slow name servers would have all threads for names, one turn after the other.
    async fn resolved(&self, name: &str) -> Result<Vec<IpAddr>, Finding> {
        let (resolver, turn, name) = (Arc::clone(&self.resolver), Arc::clone(&self.turn), name.to_owned());
        let found = tokio::spawn(async move {
            let _turn = turn;
            resolver.resolve(&name).await
        });
        found.await.ok().and_then(Result::ok).ok_or(Finding::NameNotFound)
    }
}

/// The first of the addresses that takes a connection.
async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, Finding> {
    let deadline = Instant::now() + STAGE;
    for (tried, address) in addresses.iter().enumerate() {
        // One that does not answer leaves time for those behind it.
        let left = u32::try_from(addresses.len() - tried).expect("there are few");
        let share = Instant::now() + deadline.saturating_duration_since(Instant::now()) / left;
        if let Ok(Ok(stream)) = timeout_at(share, TcpStream::connect(address)).await {
            // It only makes small messages faster.
            let _ = stream.set_nodelay(true);
            return Ok(stream);
        }
    }
    Err(if Instant::now() >= deadline { Finding::ConnectTimedOut } else { Finding::NoConnection })
}

fn tls_finding(error: &io::Error) -> Finding {
    let reason = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match reason {
        Some(rustls::Error::InvalidCertificate(fault)) => match fault {
            // An authority may have the name of one that is trusted, and another key.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Finding::CertificateNotTrusted,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Finding::CertificateName
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Finding::CertificateTime,
            _ => Finding::CertificateInvalid,
        },
        Some(_) | None => Finding::NoTls,
    }
}
