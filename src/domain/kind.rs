//! What sort of registry a server is, told by its host.
//!
//! A host is compared whole and in normal form: a pattern without its ends would take
//! `acme.azurecr.io.evil.example` for Azure's.

pub mod form;

#[cfg(test)]
mod tests;

use super::{docker_hub, server::RegistryServer, text::Invalid};
use std::{fmt, str::FromStr};

/// The sorts of registries that differ in how one logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize, serde::Serialize)]
// By `String`, because what serde derives for an enum repeats an unknown name in its error.
#[serde(try_from = "String", into = "String")]
pub enum RegistryKind {
    /// Docker Hub.
    DockerHub,
    /// Amazon's Elastic Container Registry, private or public.
    AwsEcr,
    /// Google's Artifact Registry or Container Registry.
    Google,
    /// Azure Container Registry.
    Azure,
    /// GitHub's, or a GitHub Enterprise Server's.
    Github,
    /// GitLab's, on gitlab.com or self-hosted.
    Gitlab,
    /// Quay, at quay.io or self-hosted.
    Quay,
    /// Harbor, which its users run themselves.
    Harbor,
    /// `DigitalOcean`'s.
    Digitalocean,
    /// Alibaba Cloud's.
    Alibaba,
    /// IBM Cloud's.
    Ibm,
    /// Any other.
    Generic,
}

const ECR_DOMAINS: [&str; 9] = [
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "on.aws",
    "on.amazonwebservices.com.cn",
    "sc2s.sgov.gov",
    "c2s.ic.gov",
    "cloud.adc-e.uk",
    "csp.hci.ic.gov",
];
const GOOGLE_DOMAINS: [&str; 3] = [".gcr.io", ".pkg.dev", ".google.com"];
const AZURE_DOMAINS: [&str; 4] = [".azurecr.io", ".azurecr.cn", ".azurecr.us", ".azurecr.de"];
/// What Alibaba's shared registries are called, before their region.
const ALIBABA_SERVICES: [&str; 5] =
    ["registry", "registry-vpc", "registry-internal", "registry-intl", "registry-intl-vpc"];
/// Hosts of clouds that have no kind of their own (Scaleway, Oracle), or are no registry of a known form, and so cannot be one
/// of the others.
const OTHER_CLOUD_DOMAINS: [&str; 3] = [".aliyuncs.com", ".scw.cloud", ".ocir.io"];

impl RegistryKind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::DockerHub,
        Self::AwsEcr,
        Self::Google,
        Self::Azure,
        Self::Github,
        Self::Gitlab,
        Self::Quay,
        Self::Harbor,
        Self::Digitalocean,
        Self::Alibaba,
        Self::Ibm,
        Self::Generic,
    ];

    /// The kind's name on the wire and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DockerHub => "docker_hub",
            Self::AwsEcr => "aws_ecr",
            Self::Google => "google",
            Self::Azure => "azure",
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Quay => "quay",
            Self::Harbor => "harbor",
            Self::Digitalocean => "digitalocean",
            Self::Alibaba => "alibaba",
            Self::Ibm => "ibm",
            Self::Generic => "generic",
        }
    }

    /// The kind that the server's host shows; [`Self::Generic`] if it shows none.
    #[must_use]
    pub fn infer(server: &RegistryServer) -> Self {
        let host = cloud_host(server);
        match host {
            docker_hub::HOST => Self::DockerHub,
            "public.ecr.aws" | "ecr-public.aws.com" => Self::AwsEcr,
            "gcr.io" => Self::Google,
            "ghcr.io" => Self::Github,
            "registry.gitlab.com" => Self::Gitlab,
            "quay.io" => Self::Quay,
            "registry.digitalocean.com" => Self::Digitalocean,
            host if is_private_ecr(host) => Self::AwsEcr,
            host if GOOGLE_DOMAINS.iter().any(|domain| host.ends_with(domain)) => Self::Google,
            host if is_azure(host) => Self::Azure,
            host if alibaba_region(host).is_some() => Self::Alibaba,
            host if host == "icr.io" || host.ends_with(".icr.io") => Self::Ibm,
            _ => Self::Generic,
        }
    }

    /// The kind of a server whose owner may have stated one; `None` if that contradicts the host.
    ///
    /// A known cloud's host is nobody else's, so there only that cloud's kind and [`Self::Generic`] are true. Any other
    /// host may be of a kind that also runs under its owners' names.
    #[must_use]
    pub fn agree(stated: Option<Self>, server: &RegistryServer) -> Option<Self> {
        let inferred = Self::infer(server);
        let Some(stated) = stated else {
            return Some(inferred);
        };
        let own_name = inferred == Self::Generic && !is_other_cloud(cloud_host(server));
        (stated == inferred || stated == Self::Generic || (own_name && stated.runs_under_own_names())).then_some(stated)
    }

    /// The server that is meant if none is stated, for a kind that has one.
    #[must_use]
    pub const fn default_server(self) -> Option<&'static str> {
        match self {
            Self::DockerHub => Some(docker_hub::HOST),
            Self::Github => Some("ghcr.io"),
            Self::Gitlab => Some("registry.gitlab.com"),
            Self::Quay => Some("quay.io"),
            Self::Digitalocean => Some("registry.digitalocean.com"),
            Self::Ibm => Some("icr.io"),
            Self::AwsEcr | Self::Google | Self::Azure | Self::Harbor | Self::Alibaba | Self::Generic => None,
        }
    }

    /// Whether there are registries of this kind under hosts that their owners choose.
    const fn runs_under_own_names(self) -> bool {
        match self {
            Self::Azure | Self::Github | Self::Gitlab | Self::Quay | Self::Harbor | Self::Generic => true,
            Self::DockerHub | Self::AwsEcr | Self::Google | Self::Digitalocean | Self::Alibaba | Self::Ibm => false,
        }
    }
}

impl fmt::Display for RegistryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for RegistryKind {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or(Invalid(
                "must be docker_hub, aws_ecr, google, azure, github, gitlab, quay, harbor, digitalocean, alibaba, ibm or generic",
            ))
    }
}

impl TryFrom<String> for RegistryKind {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<RegistryKind> for String {
    fn from(kind: RegistryKind) -> Self {
        kind.name().to_owned()
    }
}

/// The host as clouds are known by it: they answer on 443 only, so that port says nothing, and any other stays.
fn cloud_host(server: &RegistryServer) -> &str {
    server.host().strip_suffix(":443").unwrap_or(server.host())
}

/// `ACCOUNT.dkr.ecr[-fips].REGION.DOMAIN`, or with `dkr-ecr`; the account has twelve digits.
fn is_private_ecr(host: &str) -> bool {
    let Some((account, service)) = host.split_once('.') else {
        return false;
    };
    let region = ["dkr.ecr.", "dkr-ecr.", "dkr.ecr-fips.", "dkr-ecr-fips."]
        .iter()
        .find_map(|prefix| service.strip_prefix(prefix))
        .and_then(|rest| rest.split_once('.'));
    account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && region.is_some_and(|(_, domain)| ECR_DOMAINS.contains(&domain))
}

/// `NAME[-HASH][.REGION.geo].DOMAIN`, as the kubelet's credential provider for Azure has it since
/// <https://github.com/kubernetes-sigs/cloud-provider-azure/pull/10720>.
fn is_azure(host: &str) -> bool {
    AZURE_DOMAINS.iter().filter_map(|domain| host.strip_suffix(domain)).any(|registry| {
        let (label, replica) = registry.split_once('.').unwrap_or((registry, "any.geo"));
        is_azure_label(label) && replica.strip_suffix(".geo").is_some_and(is_alphanumeric)
    })
}

/// The first label of the host of one of Azure's registries: its name, and behind a `-` the hash that keeps the host from being
/// taken over once the registry is gone (its "domain name label").
pub(super) fn is_azure_label(label: &str) -> bool {
    let (name, hash) = label.split_once('-').unwrap_or((label, "0"));
    is_alphanumeric(name) && is_alphanumeric(hash)
}

fn is_alphanumeric(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The region in `registry[-vpc|-internal|-intl|-intl-vpc].REGION.aliyuncs.com`, `NAME-registry[-vpc].REGION.cr.aliyuncs.com` or
/// `crpi-ID.REGION.personal.cr.aliyuncs.com`.
///
/// Nothing looser: below the same domain anybody names what he stores, as in `BUCKET.oss-REGION.aliyuncs.com`.
#[must_use]
pub fn alibaba_region(host: &str) -> Option<&str> {
    let labels: Vec<_> = host.strip_suffix(".aliyuncs.com")?.split('.').collect();
    let (is_registry, region) = match labels.as_slice() {
        [service, region] => (ALIBABA_SERVICES.contains(service), region),
        [name, region, "cr"] => {
            let own = name.strip_suffix("-vpc").unwrap_or(name).strip_suffix("-registry");
            (own.is_some_and(|own| !own.is_empty()), region)
        }
        [name, region, "personal", "cr"] => (name.starts_with("crpi-"), region),
        _ => return None,
    };
    (is_registry && !region.starts_with("oss-")).then_some(region)
}

fn is_other_cloud(host: &str) -> bool {
    OTHER_CLOUD_DOMAINS.iter().any(|domain| host.ends_with(domain))
}
