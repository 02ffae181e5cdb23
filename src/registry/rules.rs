//! What the operator says about where registries may be.

use crate::domain::{docker_hub, server::RegistryServer, text::Invalid};
use ipnet::IpNet;
use std::{fmt, net::IpAddr, str::FromStr};

/// Where registries may be, and how they may be spoken to. By default on the public internet, and by TLS alone.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Networks that may be dialled although they are not public.
    pub networks: Vec<Network>,
    /// Networks that are not dialled in any case.
    pub denied: Vec<Network>,
    /// Hosts that are spoken to without TLS.
    pub insecure: Vec<HostAndPort>,
    /// Token servers under other names than their registries'.
    pub token_servers: Vec<TokenServer>,
}

impl Rules {
    /// Whether a host is spoken to without TLS: only if the operator has named it.
    pub(super) fn is_insecure(&self, host: &HostAndPort) -> bool {
        self.insecure.contains(host)
    }
}

/// A network, or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl FromStr for Network {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        let network = network.map_err(|_| Invalid("must be a network or an address, such as 10.0.0.0/8 or fd00::1"))?;
        // Addresses are compared as what they are, so a network of mapped ones would hold none.
        if matches!(network, IpNet::V6(network) if network.addr().to_ipv4_mapped().is_some()) {
            Err(Invalid("must be written as IPv4, such as 10.0.0.0/8, and not as IPv4 in IPv6"))
        } else if network.addr() == network.network() {
            Ok(Self(network))
        } else {
            Err(Invalid("must be a network without bits behind its length, such as 10.0.0.0/8"))
        }
    }
}

/// A host in normal form and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostAndPort {
    host: String,
    port: u16,
}

impl HostAndPort {
    /// A host as a URL has it, with brackets around an IPv6 address.
    pub(super) fn new(host: &str, port: u16) -> Self {
        Self { host: host.strip_suffix('.').unwrap_or(host).to_owned(), port }
    }

    /// The host that a registry's API is on.
    pub(super) fn of(server: &RegistryServer, insecure: &[Self]) -> Self {
        // Docker Hub's API answers under another name than its images have.
        let text = if server.host() == docker_hub::HOST { docker_hub::API } else { server.host() };
        match split(text) {
            (host, Some(port)) => Self::new(host, port),
            (host, None) => {
                let plain = Self::new(host, 80);
                if insecure.contains(&plain) { plain } else { Self::new(host, 443) }
            }
        }
    }

    /// The host, with brackets around an IPv6 address.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The address, if it is one and no name.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.host.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }
}

fn split(text: &str) -> (&str, Option<u16>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
        Some(_) | None => (text, None),
    }
}

impl fmt::Display for HostAndPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl FromStr for HostAndPort {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        const RULE: Invalid = Invalid("must be a host and a port, such as registry.local:5000");
        let server: RegistryServer = text.parse().map_err(|_| RULE)?;
        match split(server.host()) {
            (host, Some(port)) if server.path().is_none() => Ok(Self::new(host, port)),
            _ => Err(RULE),
        }
    }
}

/// A registry, and the token server that its logins may be sent to: `registry.example.com=gitlab.example.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenServer {
    /// The registry.
    pub(super) registry: HostAndPort,
    /// Its token server.
    pub(super) server: HostAndPort,
}

impl FromStr for TokenServer {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        const RULE: Invalid =
            Invalid("must be a registry and its token server, such as registry.example.com=gitlab.example.com");
        let (registry, server) = text.split_once('=').ok_or(RULE)?;
        Ok(Self { registry: one(registry).ok_or(RULE)?, server: one(server).ok_or(RULE)? })
    }
}

/// A host with or without a port, which is then that of TLS.
fn one(text: &str) -> Option<HostAndPort> {
    let server: RegistryServer = text.trim().parse().ok()?;
    let (host, port) = split(server.host());
    server.path().is_none().then(|| HostAndPort::new(host, port.unwrap_or(443)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_no_bits_behind_its_length() {
        for text in ["10.0.0.0/8", "10.1.2.3", "fd00::/8", "fd00::1", "0.0.0.0/0"] {
            assert!(text.parse::<Network>().is_ok(), "{text}");
        }
        for text in [
            "",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "localhost",
            "10.0.0",
            "fd00::1/8",
            "::ffff:8.8.8.0/120",
            "::ffff:10.0.0.1",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_host_without_tls_is_named_with_its_port() {
        let parsed: HostAndPort = "Registry.Local:5000".parse().unwrap();
        assert_eq!(parsed, HostAndPort::new("registry.local", 5000));
        assert_eq!("[::1]:80".parse::<HostAndPort>().unwrap().address(), "::1".parse().ok());
        for text in ["registry.local", "registry.local:5000/team", "", "http://", "user@host:5000"] {
            assert!(text.parse::<HostAndPort>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_registrys_api_is_on_the_port_of_tls_unless_it_names_another() {
        let of = |text: &str, insecure: &[HostAndPort]| HostAndPort::of(&text.parse().unwrap(), insecure).to_string();
        assert_eq!(of("ghcr.io/acme", &[]), "ghcr.io:443");
        assert_eq!(of("docker.io", &[]), "registry-1.docker.io:443");
        assert_eq!(of("[fd00::1]:5000", &[]), "[fd00::1]:5000");
        assert_eq!(of("registry.local", &[HostAndPort::new("registry.local", 80)]), "registry.local:80");
    }
}
