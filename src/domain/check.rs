//! What became of trying a login at its registry.

use super::{
    image::ImageReference,
    text::{Invalid, text_type},
    timestamp::Timestamp,
};
use std::{fmt, num::NonZeroU32, str::FromStr};

#[cfg(test)]
mod tests;

/// How far a login got: the first stage that failed, or that none did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// No address of the registry's name could be found. Like the next one, this is about the first request, before which nothing of
    /// the login was sent.
    Dns,
    /// There is no connection to it.
    Connect,
    /// The connection cannot be made safe.
    Tls,
    /// What answers is no registry that can be logged in to.
    NotARegistry,
    /// The registry refuses the login.
    Unauthorized,
    /// The login is good, but not for the image that was asked about.
    NoPullAccess,
    /// The registry answers nothing more for now. Says nothing of the login.
    RateLimited,
    /// The registry or its token server is not at work, too slow, or answers what cannot be made use of; or nothing can be sent to
    /// it. Says nothing of the login.
    Unavailable,
    /// The login works.
    Ok,
}

impl Stage {
    /// The stage's name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::NotARegistry => "not_a_registry",
            Self::Unauthorized => "unauthorized",
            Self::NoPullAccess => "no_pull_access",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::Ok => "ok",
        }
    }

    /// Whether the registry itself has said that this login is of no use. All else may pass by itself.
    #[must_use]
    pub const fn is_refusal(self) -> bool {
        matches!(self, Self::Unauthorized | Self::NoPullAccess)
    }
}

/// Declares findings: each with its name, its stage, and what it tells people.
macro_rules! findings {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $stage:ident, $detail:literal;)+) => {
        /// What was found out when a login was tried: a stage, and why it failed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Finding { $($(#[$doc])* $name),+ }

        impl Finding {
            /// Every finding.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The finding's name on the wire and in the database.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            /// How far the login got.
            #[must_use]
            pub const fn stage(self) -> Stage {
                match self { $(Self::$name => Stage::$stage),+ }
            }

            /// What was found out, in a sentence for people.
            #[must_use]
            pub const fn detail(self) -> &'static str {
                match self { $(Self::$name => $detail),+ }
            }
        }
    };
}

findings! {
    /// No address.
    NameNotFound = "name_not_found", Dns, "no address of the registry's name could be found";
    /// The guard said no.
    AddressNotAllowed = "address_not_allowed", Connect,
        "the registry has an address that may not be connected to; the operator says which networks may";
    /// Nobody listens, or the network is in the way.
    NoConnection = "no_connection", Connect, "no connection to the registry could be made";
    /// Nobody answers.
    ConnectTimedOut = "connect_timed_out", Connect, "no connection to the registry could be made in time";
    /// The other side speaks no TLS, or none that is spoken here.
    NoTls = "no_tls", Tls, "what listens there does not speak TLS, or broke it off";
    /// Nobody known vouches for it.
    CertificateNotTrusted = "certificate_not_trusted", Tls,
        "the registry's certificate is not from an authority that is trusted; a CA certificate can be given with the login";
    /// It is somebody else's.
    CertificateName = "certificate_name", Tls, "the registry's certificate is for another name";
    /// Its time has not come or is over.
    CertificateTime = "certificate_time", Tls, "the registry's certificate has expired, or is not valid yet";
    /// The certificate is broken in another way.
    CertificateInvalid = "certificate_invalid", Tls, "the registry's certificate is not valid";
    /// Something else speaks there.
    NoHttp = "no_http", NotARegistry, "what listens there does not speak HTTP, or too much of it";
    /// A web page, a proxy, an API of another kind.
    NoRegistryApi = "no_registry_api", NotARegistry, "what answers there is not a container registry";
    /// It points elsewhere, and nothing is sent after it.
    Redirected = "redirected", NotARegistry, "what answers there only points to another address, which is not followed";
    /// It asks for a login in a way that is not known here.
    NoKnownChallenge = "no_known_challenge", NotARegistry, "the registry asks for another sort of login than Basic or Bearer";
    /// The challenge would send the login to somebody else.
    RealmNotAllowed = "realm_not_allowed", NotARegistry,
        "the registry asks to send the login to a token server that is not known to be its own; the operator can name it";
    /// The token server answers in another way than token servers do.
    NoToken = "no_token", NotARegistry,
        "the registry's token server gave no token, or did not show who it is; this says nothing of the login";
    /// Perhaps another sort of server. Which of its answers it was is not told, or it could be asked for its passwords.
    NotLetIn = "not_let_in", NotARegistry,
        "what answers there did not show that it is a registry, and did not let this login into the API of one";
    /// Wrong user name or password.
    LoginRefused = "login_refused", Unauthorized, "the registry refuses this user name and password";
    /// The login is good, but not for this.
    PullRefused = "pull_refused", NoPullAccess, "the login is good, but may not pull the image";
    /// There is none, or the login may not know of it.
    RepositoryNotFound = "repository_not_found", NoPullAccess,
        "the registry has no such repository, or does not show it to this login";
    /// Too many requests.
    RateLimited = "rate_limited", RateLimited, "the registry answers no more requests for now; this says nothing of the login";
    /// Its own fault.
    RegistryFailed = "registry_failed", Unavailable, "the registry has trouble of its own; this says nothing of the login";
    /// It went away in the midst of it.
    BrokenOff = "broken_off", Unavailable,
        "the registry broke off, or could not be reached again, before it had answered all; this says nothing of the login";
    /// Too slow.
    TimedOut = "timed_out", Unavailable, "the registry did not answer in time; this says nothing of the login";
    /// The guard said no to the realm's host.
    TokenServerNotAllowed = "token_server_not_allowed", Unavailable,
        "the registry's token server has an address that may not be connected to; the operator says which networks may";
    /// No address of the realm's host, or nobody listens there.
    TokenServerUnreachable = "token_server_unreachable", Unavailable,
        "no connection to the registry's token server could be made; this says nothing of the login";
    /// The token server's own fault, or it is too slow.
    TokenServerFailed = "token_server_failed", Unavailable,
        "the registry's token server has trouble of its own, or did not answer in time; this says nothing of the login";
    /// A list of addresses that may come, or of people.
    Forbidden = "forbidden", Unavailable,
        "the registry or its token server lets nobody in from here, or not with this login; this proves nothing of the login";
    /// Another answer than the question has.
    Unclear = "unclear", Unavailable,
        "the registry answered the question for the image in a way that says nothing of the login";
    /// A login of a cloud, with which a registry's login has to be fetched first.
    AccessKey = "access_key", Unavailable,
        "an access key is not sent to a registry: it takes a token that was fetched with the key, so this one was not tried";
    /// It was let in.
    LoginAccepted = "login_accepted", Ok, "the registry accepts the login; whether it may pull was not asked";
    /// It may pull.
    PullAllowed = "pull_allowed", Ok, "the login may pull the image";
    /// Everybody is let in.
    NoLoginNeeded = "no_login_needed", Ok, "the registry asks for no login, so this one was not tried";
}

impl Finding {
    /// Whether a login is proven to work.
    #[must_use]
    pub const fn is_proof_for(self) -> bool {
        matches!(self, Self::LoginAccepted | Self::PullAllowed)
    }

    /// Whether a login is proven to be of no use as it was given: the registry says so, or what has the server's name is no
    /// registry. All else may be because of the hour, or of where regcred stands and what its operator has allowed; nodes, which
    /// stand elsewhere, may well pull with such a login.
    #[must_use]
    pub const fn is_proof_against(self) -> bool {
        match self {
            Self::CertificateName
            | Self::NoHttp
            | Self::NoRegistryApi
            | Self::Redirected
            | Self::NoKnownChallenge
            | Self::LoginRefused
            | Self::PullRefused
            | Self::RepositoryNotFound => true,
            // The system does not tell a name that is none from a name server that is out of order.
            Self::NameNotFound
            | Self::AddressNotAllowed
            | Self::NoConnection
            | Self::ConnectTimedOut
            | Self::NoTls
            | Self::CertificateNotTrusted
            | Self::CertificateTime
            | Self::CertificateInvalid
            | Self::RealmNotAllowed
            | Self::NoToken
            | Self::NotLetIn
            | Self::RateLimited
            | Self::RegistryFailed
            | Self::BrokenOff
            | Self::TimedOut
            | Self::TokenServerNotAllowed
            | Self::TokenServerUnreachable
            | Self::TokenServerFailed
            | Self::Forbidden
            | Self::Unclear
            | Self::AccessKey
            | Self::LoginAccepted
            | Self::PullAllowed
            | Self::NoLoginNeeded => false,
        }
    }
}

impl Finding {
    /// Whether such a login is not tried again before somebody wants it or the password is another: registries lock accounts
    /// that are refused over and over.
    #[must_use]
    pub const fn is_left_alone(self) -> bool {
        // Both may be answers to a wrong password.
        self.is_proof_against() || matches!(self, Self::Forbidden | Self::NotLetIn)
    }
}

impl FromStr for Finding {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.iter().find(|finding| finding.name() == text);
        found.copied().ok_or(Invalid("must be a finding of a check"))
    }
}

/// How many pulls a registry allows in which time, as it said itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// How many pulls.
    pub limit: u32,
    /// How many of them are left.
    pub remaining: u32,
    /// In how many seconds; none if it did not say.
    pub window_seconds: Option<u32>,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was found out.
    pub finding: Finding,
    /// When.
    pub checked_at: Timestamp,
    /// Whether the login may pull what, if somebody asked.
    pub image: Option<PullTarget>,
    /// What the registry said of its limits, if it did.
    pub rate_limit: Option<RateLimit>,
}

/// How many logins of one organization may be tried in a minute: from 1 to 100,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChecksPerMinute(NonZeroU32);

impl ChecksPerMinute {
    /// The number.
    #[must_use]
    pub fn number(self) -> NonZeroU32 {
        self.0
    }
}

impl Default for ChecksPerMinute {
    /// As many at once as a project has, and then one a second.
    fn default() -> Self {
        Self(NonZeroU32::new(60).expect("it is not zero"))
    }
}

impl TryFrom<u32> for ChecksPerMinute {
    type Error = Invalid;

    fn try_from(number: u32) -> Result<Self, Invalid> {
        let number = NonZeroU32::new(number).filter(|number| number.get() <= 100_000);
        number.map(Self).ok_or(Invalid("must be between 1 and 100000"))
    }
}

/// An image with what is to be pulled of it: `ghcr.io/acme/app:1.0`. Without tag and digest `latest` is meant.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct PullTarget {
    text: String,
    image: ImageReference,
}

impl FromStr for PullTarget {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Ok(Self { text: text.to_owned(), image: text.parse()? })
    }
}

impl TryFrom<String> for PullTarget {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<PullTarget> for String {
    fn from(target: PullTarget) -> Self {
        target.text
    }
}

impl fmt::Display for PullTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PullTarget {
    /// The repository that it is in.
    #[must_use]
    pub fn image(&self) -> &ImageReference {
        &self.image
    }

    /// The tag or digest.
    #[must_use]
    pub fn reference(&self) -> &str {
        if let Some((_, digest)) = self.text.split_once('@') {
            return digest;
        }
        let last = self.text.rsplit('/').next().unwrap_or_default();
        last.split_once(':').map_or("latest", |(_, tag)| tag)
    }
}

text_type! {
    /// Certificates of authorities that a registry's own is checked with, in PEM: at most 64 KiB, and nothing but certificates.
    CaCertificates, ca_certificates
}

impl CaCertificates {
    /// How long they may be, in normal form too.
    pub const MAX_BYTES: usize = 64 * 1024;
}

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The form alone: what is in them is looked at where they are used. Anything between them goes, above all a private key
/// that somebody pasted with them would be refused.
fn ca_certificates(text: &str) -> Result<String, Invalid> {
    const RULE: Invalid =
        Invalid("must be one or more certificates in PEM, and nothing else that begins with -----BEGIN");
    const TOO_LONG: Invalid = Invalid("must be at most 65536 bytes");
    if text.len() > CaCertificates::MAX_BYTES {
        return Err(TOO_LONG);
    }
    let (mut kept, mut rest) = (String::new(), text);
    while let Some(at) = rest.find("-----BEGIN") {
        let body = rest[at..].strip_prefix(BEGIN).ok_or(RULE)?;
        let (body, behind) = body.split_once(END).ok_or(RULE)?;
        let lines: Vec<_> = body.split_ascii_whitespace().collect();
        let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
        if lines.is_empty() || !lines.iter().all(|line| line.bytes().all(is_base64)) {
            return Err(RULE);
        }
        for line in [BEGIN].into_iter().chain(lines).chain([END]) {
            kept.push_str(line);
            kept.push('\n');
        }
        rest = behind;
    }
    if kept.is_empty() {
        return Err(RULE);
    }
    // Lines that were put in between may make it longer.
    if kept.len() > CaCertificates::MAX_BYTES { Err(TOO_LONG) } else { Ok(kept) }
}
