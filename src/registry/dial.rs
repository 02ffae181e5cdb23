//! The guarded dialer: the only place that connects.
//!
//! A name is asked for once. If any of its addresses may not be dialled, none is; else these very addresses are dialled,
//! and nobody is asked for the name again. So a name that changes its mind between the look and the connection changes
//! nothing. An address in the place of a name goes the same way.

use super::{
    address::is_allowed,
    rules::{HostAndPort, Rules},
};
use crate::domain::check::Finding;
use async_trait::async_trait;
use rustls::{CertificateError, ClientConfig, pki_types::ServerName};
use std::{
    any::Any,
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs as _},
    path::Path,
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

/// Asks whom the system asks, but for this name alone.
///
/// The system takes a name for the beginning of others, too: within a cluster `shop.acme` may be `shop.acme.svc.cluster.local`. So it is asked for
/// the whole name, with a dot at its end. Its own file of names knows none with such a dot, and so is read here.
#[derive(Debug)]
pub struct SystemResolver {
    threads: Arc<Semaphore>,
    ask: fn(&str) -> io::Result<Vec<IpAddr>>,
    hosts: &'static Path,
}

impl Default for SystemResolver {
    fn default() -> Self {
        let ask = |name: &str| Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect());
        Self { threads: Arc::new(Semaphore::new(NAMES_AT_ONCE)), ask, hosts: Path::new("/etc/hosts") }
    }
}

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let thread = Arc::clone(&self.threads).acquire_owned().await.map_err(io::Error::other)?;
        let (name, ask, hosts) = (name.to_owned(), self.ask, self.hosts);
        // The system takes its own time, and cannot be told to stop: whoever gives up leaves the thread behind. So they are counted
        // until they come back, or slow name servers would take all that the process has.
        let found = tokio::task::spawn_blocking(move || {
            let _thread = thread;
            match listed(&std::fs::read(hosts).unwrap_or_default(), &name) {
                found if found.is_empty() => ask(&format!("{name}.")),
                found => Ok(found),
            }
        });
        found.await.map_err(io::Error::other)?
    }
}

/// The addresses that a file of names (hosts(5)) has for one. Its comments may be in any encoding.
fn listed(file: &[u8], name: &str) -> Vec<IpAddr> {
    let file = String::from_utf8_lossy(file);
    let lines = file.lines().map(|line| line.split('#').next().unwrap_or_default().split_ascii_whitespace());
    let found = lines.filter_map(|mut words| {
        let address = words.next()?.parse().ok()?;
        words.any(|known| known.eq_ignore_ascii_case(name)).then_some(address)
    });
    found.collect()
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
        if !found.iter().all(|address| is_allowed(*address, &self.rules.networks, &self.rules.denied)) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_system_is_asked_for_whole_names() {
        // A name server within a cluster, where a name is looked for below its neighbours' names first.
        let ask = |name: &str| match name {
            "shop.acme" => Ok(vec!["10.0.0.7".parse().unwrap()]),
            "registry.example." => Ok(vec!["192.0.2.7".parse().unwrap()]),
            _ => Err(io::Error::other("there is none")),
        };
        let resolver = SystemResolver { ask, hosts: Path::new("/nonexistent"), ..SystemResolver::default() };
        assert_eq!(resolver.resolve("registry.example").await.unwrap(), ["192.0.2.7".parse::<IpAddr>().unwrap()]);
        assert!(resolver.resolve("shop.acme").await.is_err());
    }

    #[test]
    fn the_systems_own_file_knows_names_without_a_dot_at_their_end() {
        let file = b"# caf\xe9 registry.example 10.0.0.1\n127.0.0.1\tlocalhost loopback # registry.example\n\n\
                    ::1 localhost\nfe80::1%lo0 localhost\n10.0.0.2 registry.example.com Registry.Example\nnothing\n"
            .as_slice();
        for (name, found) in [
            ("localhost", &["127.0.0.1", "::1"][..]),
            ("registry.example", &["10.0.0.2"]),
            ("example", &[]),
            ("", &[]),
            ("nothing", &[]),
        ] {
            let expected: Vec<IpAddr> = found.iter().map(|address| address.parse().unwrap()).collect();
            assert_eq!(listed(file, name), expected, "{name}");
        }
    }
}
