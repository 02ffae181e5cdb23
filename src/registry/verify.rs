//! Trying a login: the stages, in the order in which they can fail.

use super::{
    challenge::Challenge,
    dial::{Dialer, Resolve},
    exchange::{Answer, Ask, exchange},
    login::Login,
    reading::{limits, names_the_api, speaks_the_api},
    realm::realm,
    rules::{HostAndPort, Rules},
    token::token,
    trust::Trust,
};
use crate::domain::{
    check::{CaCertificates, Finding, PullTarget, RateLimit, Stage},
    credential::Username,
    docker_hub,
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

/// How a registry has answered whoever came without a login.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    /// It lets everybody in.
    Open,
    /// It has asked for a login as only registries do.
    Registry,
    /// It has asked for a login as all sorts of servers do.
    Unknown,
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
        let answer = self.send(Method::GET, "/v2/", None).await?.check()?;
        match answer.status {
            // Open to everybody, or to everybody who only looks at the door.
            StatusCode::OK if speaks_the_api(&answer.headers, &answer.body) => {}
            StatusCode::UNAUTHORIZED => {
                let challenge = asked_for(&answer)?;
                let door = if challenge == Challenge::Basic && !names_the_api(&answer.headers) {
                    Door::Unknown
                } else {
                    Door::Registry
                };
                return self.log_in(challenge, door, rate_limit).await;
            }
            StatusCode::FORBIDDEN => return Err(Finding::Forbidden),
            _ => return Err(Finding::NoRegistryApi),
        }
        let Some(image) = self.image else { return Ok(Finding::NoLoginNeeded) };
        let answer = self.manifest(image, None).await.and_then(Answer::check).map_err(past_the_door)?;
        *rate_limit = limits(&answer.headers);
        // As long as the login was not asked for, nothing is found out of it.
        let answer = if answer.status == StatusCode::NOT_FOUND { self.tags(image, None).await? } else { answer };
        match answer.status.as_u16() {
            200 => Ok(Finding::NoLoginNeeded),
            401 => {
                let challenge = asked_for(&answer).map_err(past_the_door)?;
                self.log_in(challenge, Door::Open, rate_limit).await
            }
            403 => Err(Finding::Forbidden),
            _ => Err(Finding::Unclear),
        }
    }

    /// Does what the registry asks for, and looks what it is good for.
    async fn log_in(
        &self,
        challenge: Challenge,
        door: Door,
        rate_limit: &mut Option<RateLimit>,
    ) -> Result<Finding, Finding> {
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
        if door != Door::Open && (is_basic || self.image.is_none()) {
            let let_in = self.let_in(authorization.clone()).await;
            // What is perhaps no registry shall not tell passwords that it takes from those that it does not: not even by its faults.
            let_in.map_err(|finding| if door == Door::Unknown { Finding::NotLetIn } else { finding })?;
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
        let answer = self.manifest(image, Some(authorization.clone())).await.map_err(past_the_door)?;
        *rate_limit = limits(&answer.headers);
        let status = answer.check().map_err(past_the_door)?.status;
        // Who lets everybody in has not said before what it thinks of the login.
        let refused = if is_basic && door == Door::Open { Finding::LoginRefused } else { Finding::PullRefused };
        self.pulled(image, authorization, status, refused).await
    }

    /// Whether the registry lets this in.
    async fn let_in(&self, authorization: HeaderValue) -> Result<(), Finding> {
        let answer = self.ask(Method::GET, "/v2/", Some(authorization)).await?.check()?;
        match answer.status {
            StatusCode::OK if speaks_the_api(&answer.headers, &answer.body) => Ok(()),
            StatusCode::UNAUTHORIZED => Err(Finding::LoginRefused),
            StatusCode::FORBIDDEN => Err(Finding::Forbidden),
            _ => Err(Finding::NoRegistryApi),
        }
    }

    /// What to ask Docker Hub for to be told its limits, where nothing else is asked for.
    fn hub_limits(&self) -> Option<PullTarget> {
        let is_asked = self.image.is_none() && self.host.host() == docker_hub::API;
        is_asked.then(|| docker_hub::LIMITS_IMAGE.parse().expect("it is an image"))
    }

    /// What it means that the registry answered the question for a manifest so, and what it does if it refuses the login now.
    async fn pulled(
        &self,
        image: &PullTarget,
        authorization: HeaderValue,
        status: StatusCode,
        refused: Finding,
    ) -> Result<Finding, Finding> {
        match status.as_u16() {
            200 => Ok(Finding::PullAllowed),
            401 => Err(refused),
            403 => Err(Finding::PullRefused),
            // The tag alone may be missing, which says nothing of the login.
            404 => {
                let answer = self.tags(image, Some(authorization)).await?;
                match answer.status.as_u16() {
                    200 => Ok(Finding::PullAllowed),
                    401 => Err(refused),
                    403 => Err(Finding::PullRefused),
                    404 => Err(Finding::RepositoryNotFound),
                    _ => Err(Finding::Unclear),
                }
            }
            _ => Err(Finding::Unclear),
        }
    }

    /// The head of a manifest: enough to know whether it may be pulled, and not counted as a pull.
    async fn manifest(&self, image: &PullTarget, authorization: Option<HeaderValue>) -> Result<Answer, Finding> {
        let url = format!("/v2/{}/manifests/{}", path(image), image.reference());
        self.ask(Method::HEAD, &url, authorization).await
    }

    /// The beginning of the list of tags.
    async fn tags(&self, image: &PullTarget, authorization: Option<HeaderValue>) -> Result<Answer, Finding> {
        let url = format!("/v2/{}/tags/list?n=1", path(image));
        self.ask(Method::GET, &url, authorization).await.and_then(Answer::check).map_err(past_the_door)
    }

    /// Any request but the first one, with or without the login.
    async fn ask(&self, method: Method, path: &str, authorization: Option<HeaderValue>) -> Result<Answer, Finding> {
        self.send(method, path, authorization).await.map_err(gone_since)
    }

    async fn send(&self, method: Method, path: &str, authorization: Option<HeaderValue>) -> Result<Answer, Finding> {
        let accept = if method == Method::HEAD { MANIFESTS } else { "application/json" };
        let ask = Ask { method, host: &self.host, path, accept, authorization, form: None };
        exchange(&self.dialer, Arc::clone(&self.tls), ask).await
    }
}

/// The login that an answer asks for.
fn asked_for(answer: &Answer) -> Result<Challenge, Finding> {
    Challenge::find(&answer.headers).ok_or(Finding::NoKnownChallenge)
}

/// What it means that there is no connection to a registry that has answered once. Perhaps it shuts out those whose logins it does
/// not like: so the stages that say that nobody gets there are the first request's alone, of which no login is a part.
fn gone_since(finding: Finding) -> Finding {
    match finding.stage() {
        Stage::Dns | Stage::Connect if finding == Finding::ConnectTimedOut => Finding::TimedOut,
        Stage::Dns | Stage::Connect => Finding::BrokenOff,
        _ => finding,
    }
}

/// What a fault means after the registry has shown that it is one.
fn past_the_door(finding: Finding) -> Finding {
    match finding.stage() {
        Stage::Tls | Stage::NotARegistry => Finding::Unclear,
        _ => finding,
    }
}

/// The repository without its host.
fn path(image: &PullTarget) -> String {
    let image = image.image();
    image.repository()[image.host().len() + 1..].to_owned()
}
