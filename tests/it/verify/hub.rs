//! Docker Hub, as it answers: an API and a token server under other names than its images have, and limits for all.

use crate::support::{Authority, Peer, Response, secret_password};
use async_trait::async_trait;
use regcred::{
    domain::check::{Finding, RateLimit},
    registry::{Attempt, Resolve, Rules, Verifier},
};
use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

/// Says of Docker Hub's names that they are here.
#[derive(Clone, Copy)]
struct Here {
    registry: Ipv4Addr,
    tokens: Ipv4Addr,
}

impl Here {
    /// Two addresses of loopback that no other run of the tests has: the ports are given.
    fn new() -> Self {
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let at = |last| Ipv4Addr::new(127, 100 + (high & 63), low, last);
        Self { registry: at(1), tokens: at(2) }
    }
}

#[async_trait]
impl Resolve for Here {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let address = match name {
            "registry-1.docker.io" => self.registry,
            "auth.docker.io" => self.tokens,
            other => panic!("nobody should ask for {other}"),
        };
        Ok(vec![address.into()])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_for_docker_hub_goes_to_its_token_server_and_its_limits_are_told() {
    let (authority, here) = (Authority::new(), Here::new());
    let (registry, tokens) = (authority.identity("registry-1.docker.io"), authority.identity("auth.docker.io"));
    let registry = Peer::at(&format!("{}:443", here.registry), Some(&registry), |seen| {
        let limits = "HTTP/1.1 200 OK\r\nratelimit-limit: 100;w=21600\r\nratelimit-remaining: 99;w=21600\r\n\r\n";
        match (seen.header("authorization"), seen.path.as_str()) {
            (Some("Bearer abc"), "/v2/") => Response::welcome(),
            (Some("Bearer abc"), "/v2/ratelimitpreview/test/manifests/latest") => Response::Whole(limits.to_owned()),
            (None, "/v2/") => {
                Response::challenge("Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\"")
            }
            _ => Response::with(404, &[], ""),
        }
    });
    let tokens = Peer::at(&format!("{}:443", here.tokens), Some(&tokens), |seen| match seen.path.as_str() {
        "/token?service=registry.docker.io&scope=repository%3Aratelimitpreview%2Ftest%3Apull&account=bot" => {
            Response::with(200, &[], r#"{"token": "abc"}"#)
        }
        _ => Response::with(401, &[], ""),
    });
    let rules = Rules { networks: vec!["127.0.0.0/8".parse().unwrap()], ..Rules::default() };
    let verifier = Verifier::new(rules, Arc::new(here));
    let (server, username) = ("https://index.docker.io/v1/".parse().unwrap(), "bot".parse().unwrap());
    let (password, ca) = (secret_password("pw"), authority.pem.parse().unwrap());
    let attempt =
        Attempt { server: &server, username: Some(&username), password: &password, ca: Some(&ca), image: None };
    let verdict = verifier.verify(attempt, ()).await;
    assert_eq!(verdict.finding, Finding::LoginAccepted);
    assert_eq!(verdict.rate_limit, Some(RateLimit { limit: 100, remaining: 99, window_seconds: Some(21600) }));
    let hosts: Vec<_> = registry.seen().iter().filter_map(|seen| seen.header("host").map(str::to_owned)).collect();
    assert_eq!(hosts, ["registry-1.docker.io"; 3], "a port that goes without saying is left out");
    let logins = registry
        .seen()
        .into_iter()
        .filter(|seen| seen.header("authorization").is_some_and(|it| it.starts_with("Basic")));
    assert_eq!((logins.count(), tokens.seen().len()), (0, 1), "the login goes to the token server alone");
}
