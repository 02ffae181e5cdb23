//! Whether a login may be sent where a registry's challenge points.
//!
//! A challenge comes from whoever answers in the registry's place. Sent wherever it says, a login would be anybody's. So it is
//! sent to the registry's own host and port, to those token servers of large registries that are known, and to those that
//! the operator has named; by TLS if the registry is spoken to by TLS.

use super::rules::{HostAndPort, Rules, TokenServer};
use crate::domain::{check::Finding, docker_hub, kind::alibaba_region};
use url::Url;

/// Registries whose token servers have other names, by the API's host: each as its challenges say, by several sources.
const KNOWN: [(&str, &str); 3] = [
    (docker_hub::API, docker_hub::TOKEN_SERVER),
    ("registry.gitlab.com", "gitlab.com"),
    ("registry.digitalocean.com", "api.digitalocean.com"),
];

/// A token server that the login may be sent to.
#[derive(Debug)]
pub(super) struct Realm {
    pub(super) host: HostAndPort,
    /// With the query that was in the challenge.
    pub(super) url: Url,
}

/// The token server that a registry's challenge names.
pub(super) fn realm(rules: &Rules, registry: &HostAndPort, text: &str) -> Result<Realm, Finding> {
    allowed(rules, registry, text).ok_or(Finding::RealmNotAllowed)
}

fn allowed(rules: &Rules, registry: &HostAndPort, text: &str) -> Option<Realm> {
    let url = Url::parse(text).ok()?;
    let host = HostAndPort::new(url.host_str()?, url.port_or_known_default()?);
    let plain = match url.scheme() {
        "https" => false,
        "http" => true,
        _ => return None,
    };
    // What the operator has not named is spoken to by TLS, whatever the challenge says; and no registry that is spoken to by
    // TLS may have its logins sent without.
    let fits = plain == rules.is_insecure(&host) && (!plain || rules.is_insecure(registry));
    let bare = url.username().is_empty() && url.password().is_none();
    (fits && bare && is_own(registry, &host, &rules.token_servers)).then_some(Realm { host, url })
}

fn is_own(registry: &HostAndPort, server: &HostAndPort, named: &[TokenServer]) -> bool {
    let tls = |name: &str| HostAndPort::new(name, 443);
    server == registry
        || KNOWN.iter().any(|(known, own)| *registry == tls(known) && *server == tls(own))
        || alibaba_region(registry.host()).is_some_and(|region| {
            *registry == tls(registry.host()) && of_alibaba(region).iter().any(|own| *server == tls(own))
        })
        || named.iter().any(|pair| pair.registry == *registry && pair.server == *server)
}

/// Alibaba Cloud's token servers of a region, as its guide for ACK's nodes lists them; personal registries anywhere in China may name
/// that of Hangzhou.
fn of_alibaba(region: &str) -> [String; 4] {
    [
        format!("dockerauth.{region}.aliyuncs.com"),
        format!("dockerauth-{region}.aliyuncs.com"),
        format!("dockerauth-ee.{region}.aliyuncs.com"),
        "dockerauth.cn-hangzhou.aliyuncs.com".to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_allowed(registry: &str, text: &str) -> bool {
        let parse = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
        let token_servers = ["registry.example.com=gitlab.example.com", "10.0.0.1:5000=10.0.0.1:5001"];
        let rules = Rules {
            insecure: parse(&["10.0.0.1:5000", "10.0.0.1:5001", "10.0.0.2:80"]),
            token_servers: token_servers.iter().map(|text| text.parse().unwrap()).collect(),
            ..Rules::default()
        };
        let registry = HostAndPort::of(&registry.parse().unwrap(), &rules.insecure);
        realm(&rules, &registry, text).is_ok()
    }

    #[test]
    fn a_registrys_own_token_server_gets_the_login() {
        for (registry, text) in [
            ("ghcr.io", "https://ghcr.io/token"),
            ("ghcr.io", "https://GHCR.io:443/token?x=y"),
            ("ghcr.io", "https://ghcr.io./token"),
            ("docker.io", "https://auth.docker.io/token"),
            ("registry.gitlab.com", "https://gitlab.com/jwt/auth"),
            ("registry.digitalocean.com/acme", "https://api.digitalocean.com/v2/registry/auth"),
            ("registry.cn-beijing.aliyuncs.com", "https://dockerauth.cn-beijing.aliyuncs.com/auth"),
            ("acme-registry.cn-zhangjiakou.cr.aliyuncs.com", "https://dockerauth-cn-zhangjiakou.aliyuncs.com/auth"),
            ("acme-registry.cn-hangzhou.cr.aliyuncs.com", "https://dockerauth-ee.cn-hangzhou.aliyuncs.com/auth"),
            ("crpi-x1.cn-beijing.personal.cr.aliyuncs.com", "https://dockerauth.cn-hangzhou.aliyuncs.com/auth"),
            ("registry.example.com", "https://gitlab.example.com/jwt/auth"),
            ("harbor.example.com:8443", "https://harbor.example.com:8443/service/token"),
            ("10.0.0.1:5000", "http://10.0.0.1:5000/token"),
            ("10.0.0.1:5000", "http://10.0.0.1:5001/token"),
            ("10.0.0.1:5000", "http://0xa.1:5001/token"),
        ] {
            assert!(is_allowed(registry, text), "{registry} {text}");
        }
    }

    #[test]
    fn nobody_else_does() {
        for (registry, text) in [
            ("ghcr.io", "https://evil.example/token"),
            ("ghcr.io", "https://ghcr.io.evil.example/token"),
            ("ghcr.io", "https://evil.ghcr.io/token"),
            ("ghcr.io", "https://ghcr.io:8443/token"),
            ("ghcr.io", "http://ghcr.io/token"),
            ("ghcr.io", "http://ghcr.io:443/token"),
            ("ghcr.io", "https://ghcr.io@evil.example/token"),
            ("ghcr.io", "https://user@ghcr.io/token"),
            ("ghcr.io", "https://user:pw@ghcr.io/token"),
            ("ghcr.io", "https://auth.docker.io/token"),
            ("ghcr.io", "http://10.0.0.2/token"),
            ("ghcr.io", "https://10.0.0.1:5000/token"),
            ("ghcr.io", "ftp://ghcr.io/token"),
            ("ghcr.io", "//ghcr.io/token"),
            ("ghcr.io", "/token"),
            ("ghcr.io", "file:///etc/passwd"),
            ("ghcr.io", "https:///token"),
            ("ghcr.io", ""),
            ("ghcr.io", "https://dockerauth.cn-hangzhou.aliyuncs.com/auth"),
            ("registry.cn-beijing.aliyuncs.com", "https://dockerauth.cn-shanghai.aliyuncs.com/auth"),
            ("registry.cn-beijing.aliyuncs.com", "https://dockerauth.oss-cn-beijing.aliyuncs.com/auth"),
            ("registry.cn-beijing.aliyuncs.com", "https://dockerauth.cn-beijing.aliyuncs.com:8443/auth"),
            ("registry.cn-beijing.aliyuncs.com:8443", "https://dockerauth.cn-beijing.aliyuncs.com/auth"),
            ("registry.cn-beijing.aliyuncs.com.evil.example", "https://dockerauth.cn-beijing.aliyuncs.com/auth"),
            ("registry-evil.oss-cn-beijing.aliyuncs.com", "https://dockerauth.cn-hangzhou.aliyuncs.com/auth"),
            ("registry-evil.oss-cn-beijing.aliyuncs.com", "https://dockerauth.oss-cn-beijing.aliyuncs.com/auth"),
            ("oss.cn-beijing.aliyuncs.com", "https://dockerauth.cn-beijing.aliyuncs.com/auth"),
            ("registry.digitalocean.com", "https://digitalocean.com/v2/registry/auth"),
            ("docker.io", "http://auth.docker.io/token"),
            ("docker.io", "https://auth.docker.io:8443/token"),
            ("docker.io", "https://gitlab.com/jwt/auth"),
            ("registry.example.com:8443", "https://gitlab.example.com/jwt/auth"),
            ("10.0.0.1:5000", "http://10.0.0.2/token"),
            ("10.0.0.1:5000", "https://10.0.0.1:5000/token"),
            ("10.0.0.1:5000", "http://169.254.169.254/token"),
        ] {
            assert!(!is_allowed(registry, text), "{registry} {text}");
        }
    }
}
