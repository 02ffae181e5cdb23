//! Trying a login: the stages, in the order in which they can fail.

use super::{
    challenge::Challenge,
    dial::{Dialer, Resolve},
    exchange::{Answer, Ask, exchange},
    login::Login,
    reading::{limits, speaks_the_api},
    realm::realm,
    rules::{HostAndPort, Rules},
    token::token,
    trust::Trust,
};
use crate::domain::{
    check::{CaCertificates, Finding, PullTarget, RateLimit},
    credential::Username,
    secret::Password,
    server::RegistryServer,
};
use hyper::{Method, StatusCode, header::HeaderValue};
use rustls::ClientConfig;
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// How long a check may take in all.
const WHOLE: Duration = Duration::from_secs(20);
/// What manifests there are, all of which will do.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json, */*";

/// Where Docker Hub tells its limits to whoever asks, without counting it (<https://docs.docker.com/docker-hub/usage/pulls/>).
const HUB: &str = "registry-1.docker.io";
const HUB_LIMITS: &str = "docker.io/ratelimitpreview/test:latest";

/// Tries logins at their registries.
pub struct Verifier {
    rules: Arc<Rules>,
    resolver: Arc<dyn Resolve>,
    trust: Trust,
}

/// A login that is to be tried.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// The registry.
    pub server: &'a RegistryServer,
    /// The user name.
    pub username: Option<&'a Username>,
    /// The password.
    pub password: &'a Password,
    /// Who may vouch for the registry, besides those whom all trust.
    pub ca: Option<&'a CaCertificates>,
    /// What the login should be able to pull.
    pub image: Option<&'a PullTarget>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// What was found out.
    pub finding: Finding,
    /// What the registry said of its limits, if it did.
    pub rate_limit: Option<RateLimit>,
}

impl Verifier {
    /// A verifier that keeps to these rules.
    #[must_use]
    pub fn new(rules: Rules, resolver: Arc<dyn Resolve>) -> Self {
        Self { rules: Arc::new(rules), resolver, trust: Trust::of_the_system() }
    }

    /// Tries a login. It takes twenty seconds at most. How many are tried at once is up to the caller: his turn is dropped when
    /// nothing is done for it any more, which is later than the answer where a name server is slow.
    pub async fn verify(&self, attempt: Attempt<'_>, turn: impl Send + Sync + 'static) -> Verdict {
        let dialer =
            Dialer { rules: Arc::clone(&self.rules), resolver: Arc::clone(&self.resolver), turn: Arc::new(turn) };
        let visit = Visit {
            tls: self.trust.with(attempt.ca),
            host: HostAndPort::of(attempt.server, &self.rules.insecure),
            dialer,
            login: Login { username: attempt.username, password: attempt.password },
            image: attempt.image,
        };
        let mut rate_limit = None;
        let finding = timeout(WHOLE, visit.stages(&mut rate_limit)).await.unwrap_or(Err(Finding::TimedOut));
        let finding = finding.unwrap_or_else(|failed| failed);
        Verdict { finding, rate_limit }
    }
}

/// One check under way.
struct Visit<'a> {
    dialer: Dialer,
    tls: Arc<ClientConfig>,
    host: HostAndPort,
    login: Login<'a>,
    image: Option<&'a PullTarget>,
}

impl Visit<'_> {
    /// Where it ends: at the last stage, or at the first that failed.
    async fn stages(&self, rate_limit: &mut Option<RateLimit>) -> Result<Finding, Finding> {
        let answer = self.ask(Method::GET, "/v2/", None).await?.check()?;
        match answer.status {
            // Open to everybody, or to everybody who only looks at the door.
            StatusCode::OK if speaks_the_api(&answer.headers, &answer.body) => {}
            StatusCode::UNAUTHORIZED => {
                let challenge = Challenge::find(&answer.headers).ok_or(Finding::NoKnownChallenge)?;
                return self.log_in(challenge, rate_limit).await;
            }
            _ => return Err(Finding::NoRegistryApi),
        }
        let Some(image) = self.image else { return Ok(Finding::NoLoginNeeded) };
        let answer = self.manifest(image, None).await?.check()?;
        if answer.status == StatusCode::UNAUTHORIZED {
            let challenge = Challenge::find(&answer.headers).ok_or(Finding::NoKnownChallenge)?;
            return self.log_in(challenge, rate_limit).await;
        }
        *rate_limit = limits(&answer.headers);
        match self.pulled(image, None, answer.status).await? {
            Finding::PullAllowed => Ok(Finding::NoLoginNeeded),
            finding => Ok(finding),
        }
    }

    /// Does what the registry asks for, and looks what it is good for.
    async fn log_in(&self, challenge: Challenge, rate_limit: &mut Option<RateLimit>) -> Result<Finding, Finding> {
        let authorization = match challenge {
            Challenge::Basic => self.login.basic(),
            Challenge::Bearer { realm: url, service, scope } => {
                let realm = realm(&self.dialer.rules, &self.host, &url)?;
                let hub_limits = self.hub_limits();
                let pull = self.image.or(hub_limits.as_ref()).map(|image| format!("repository:{}:pull", path(image)));
                let scope = pull.or(scope);
                token(&self.dialer, &self.tls, &self.login, (&realm, service.as_deref()), scope.as_deref()).await?
            }
        };
        let is_basic = authorization.as_bytes().starts_with(b"Basic");
        if is_basic || self.image.is_none() {
            let answer = self.ask(Method::GET, "/v2/", Some(authorization.clone())).await?.check()?;
            match answer.status {
                StatusCode::OK if speaks_the_api(&answer.headers, &answer.body) => {}
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(Finding::LoginRefused),
                _ => return Err(Finding::NoRegistryApi),
            }
        }
        let Some(image) = self.image else {
            // The login is good, whatever becomes of this.
            if let Some(image) = self.hub_limits()
                && let Ok(answer) = self.manifest(&image, Some(authorization)).await
            {
                *rate_limit = limits(&answer.headers);
            }
            return Ok(Finding::LoginAccepted);
        };
        let answer = self.manifest(image, Some(authorization.clone())).await?;
        *rate_limit = limits(&answer.headers);
        let status = answer.check()?.status;
        self.pulled(image, Some(authorization), status).await
    }

    /// What to ask Docker Hub for to be told its limits, where nothing else is asked for.
    fn hub_limits(&self) -> Option<PullTarget> {
        let is_asked = self.image.is_none() && self.host.host() == HUB;
        is_asked.then(|| HUB_LIMITS.parse().expect("it is an image"))
    }

    /// What it means that the registry answered the question for a manifest so.
    async fn pulled(
        &self,
        image: &PullTarget,
        authorization: Option<HeaderValue>,
        status: StatusCode,
    ) -> Result<Finding, Finding> {
        match status.as_u16() {
            200 => Ok(Finding::PullAllowed),
            401 | 403 => Err(Finding::PullRefused),
            // The tag alone may be missing, which says nothing of the login.
            404 => {
                let tags = format!("/v2/{}/tags/list?n=1", path(image));
                let answer = self.ask(Method::GET, &tags, authorization).await?.check()?;
                match answer.status.as_u16() {
                    200 => Ok(Finding::PullAllowed),
                    401 | 403 => Err(Finding::PullRefused),
                    _ => Err(Finding::RepositoryNotFound),
                }
            }
            _ => Err(Finding::NoRegistryApi),
        }
    }

    /// The head of a manifest: enough to know whether it may be pulled, and not counted as a pull.
    async fn manifest(&self, image: &PullTarget, authorization: Option<HeaderValue>) -> Result<Answer, Finding> {
        let url = format!("/v2/{}/manifests/{}", path(image), image.reference());
        self.ask(Method::HEAD, &url, authorization).await
    }

    async fn ask(&self, method: Method, path: &str, authorization: Option<HeaderValue>) -> Result<Answer, Finding> {
        let accept = if method == Method::HEAD { MANIFESTS } else { "application/json" };
        let ask = Ask { method, host: &self.host, path, accept, authorization, form: None };
        exchange(&self.dialer, Arc::clone(&self.tls), ask).await
    }
}

/// The repository without its host.
fn path(image: &PullTarget) -> String {
    let image = image.image();
    image.repository()[image.host().len() + 1..].to_owned()
}
