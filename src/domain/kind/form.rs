//! What a form must ask for each kind of registry, so that no console needs a table of its own.
//!
//! The table says what providers want today. What regcred itself holds a login to stands in
//! [`convention`](super::super::convention), and a test holds the two together.

use super::{super::docker_hub, RegistryKind};

/// What a form asks for a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// The kind's name for people.
    pub title: &'static str,
    /// The hosts that the kind is told by; `*` stands for one or more labels or a part of one.
    pub hosts: &'static [&'static str],
    /// Whether the server is asked for.
    pub server: Asked,
    /// A server as an example.
    pub example: &'static str,
    /// The ways to log in, the best first.
    pub logins: &'static [LoginForm],
    /// What people should know before they save.
    pub warnings: &'static [&'static str],
    /// The page that tells how to get a login.
    pub guide: &'static str,
}

/// Whether a form asks for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// There is only one answer.
    No,
    /// There is a usual answer.
    Optional,
    /// There is none without it.
    Required,
}

impl Asked {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Optional => "optional",
            Self::Required => "required",
        }
    }
}

/// One way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginForm {
    /// What it is called.
    pub title: &'static str,
    /// What the user name is.
    pub username: Name,
    /// What the password is called.
    pub password: &'static str,
    /// How long it lasts, if that is fixed.
    pub lifetime: Option<&'static str>,
}

/// What a user name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// Always this.
    Fixed(&'static str),
    /// Of the owner's choice or making; this is how it looks.
    Like(&'static str),
}

const fn login(title: &'static str, username: Name, password: &'static str) -> LoginForm {
    LoginForm { title, username, password, lifetime: None }
}

const fn passing(title: &'static str, username: Name, password: &'static str, lifetime: &'static str) -> LoginForm {
    LoginForm { title, username, password, lifetime: Some(lifetime) }
}

use Name::{Fixed, Like};

const DOCKER_HUB: Form = Form {
    title: "Docker Hub",
    hosts: &docker_hub::NAMES,
    server: Asked::No,
    example: "docker.io/acme",
    logins: &[
        login("Personal access token", Like("your Docker ID"), "personal access token (dckr_pat_...)"),
        login("Organization access token", Like("the organization's name"), "organization access token (dckr_oat_...)"),
    ],
    warnings: &["The user name is the Docker ID, not the e-mail address."],
    guide: "docs/registries/docker_hub.md",
};

const AWS_ECR: Form = Form {
    title: "Amazon Elastic Container Registry",
    hosts: &[
        "*.dkr.ecr.*.amazonaws.com",
        "*.dkr-ecr.*.amazonaws.com",
        "*.dkr.ecr-fips.*.amazonaws.com",
        "*.dkr-ecr-fips.*.amazonaws.com",
        "*.dkr.ecr.*.amazonaws.com.cn",
        "*.dkr-ecr.*.amazonaws.com.cn",
        "*.dkr.ecr-fips.*.amazonaws.com.cn",
        "*.dkr-ecr-fips.*.amazonaws.com.cn",
        "*.dkr.ecr.*.amazonaws.eu",
        "*.dkr-ecr.*.amazonaws.eu",
        "*.dkr.ecr-fips.*.amazonaws.eu",
        "*.dkr-ecr-fips.*.amazonaws.eu",
        "*.dkr.ecr.*.on.aws",
        "*.dkr-ecr.*.on.aws",
        "*.dkr.ecr-fips.*.on.aws",
        "*.dkr-ecr-fips.*.on.aws",
        "*.dkr.ecr.*.on.amazonwebservices.com.cn",
        "*.dkr-ecr.*.on.amazonwebservices.com.cn",
        "*.dkr.ecr-fips.*.on.amazonwebservices.com.cn",
        "*.dkr-ecr-fips.*.on.amazonwebservices.com.cn",
        "*.dkr.ecr.*.sc2s.sgov.gov",
        "*.dkr-ecr.*.sc2s.sgov.gov",
        "*.dkr.ecr-fips.*.sc2s.sgov.gov",
        "*.dkr-ecr-fips.*.sc2s.sgov.gov",
        "*.dkr.ecr.*.c2s.ic.gov",
        "*.dkr-ecr.*.c2s.ic.gov",
        "*.dkr.ecr-fips.*.c2s.ic.gov",
        "*.dkr-ecr-fips.*.c2s.ic.gov",
        "*.dkr.ecr.*.cloud.adc-e.uk",
        "*.dkr-ecr.*.cloud.adc-e.uk",
        "*.dkr.ecr-fips.*.cloud.adc-e.uk",
        "*.dkr-ecr-fips.*.cloud.adc-e.uk",
        "*.dkr.ecr.*.csp.hci.ic.gov",
        "*.dkr-ecr.*.csp.hci.ic.gov",
        "*.dkr.ecr-fips.*.csp.hci.ic.gov",
        "*.dkr-ecr-fips.*.csp.hci.ic.gov",
        "public.ecr.aws",
        "ecr-public.aws.com",
    ],
    server: Asked::Required,
    example: "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
    logins: &[
        passing("Token", Fixed("AWS"), "token of `aws ecr get-login-password`", "12 hours"),
        login("Access key", Like("the access key id (AKIA...)"), "secret access key"),
    ],
    warnings: &[
        "A token is good for 12 hours; then it must be replaced.",
        "A registry takes tokens only: an access key is no login until a token has been fetched with it.",
    ],
    guide: "docs/registries/aws_ecr.md",
};

const GOOGLE: Form = Form {
    title: "Google Artifact Registry",
    hosts: &["*.pkg.dev", "gcr.io", "*.gcr.io", "*.google.com"],
    server: Asked::Required,
    example: "europe-docker.pkg.dev/project/repository",
    logins: &[
        login("Service account key", Fixed("_json_key"), "JSON key file, as it is"),
        login("Service account key in base64", Fixed("_json_key_base64"), "base64 of the JSON key file"),
        passing("Access token", Fixed("oauth2accesstoken"), "OAuth access token", "1 hour"),
    ],
    warnings: &["Give the service account the role Artifact Registry Reader, and nothing else."],
    guide: "docs/registries/google.md",
};

const AZURE: Form = Form {
    title: "Azure Container Registry",
    hosts: &["*.azurecr.io", "*.azurecr.cn", "*.azurecr.us", "*.azurecr.de"],
    server: Asked::Required,
    example: "myregistry",
    logins: &[
        login("Service principal", Like("the application (client) id"), "client secret"),
        login("Repository-scoped token", Like("the token's name"), "token password"),
        passing(
            "Refresh token",
            Fixed("00000000-0000-0000-0000-000000000000"),
            "token of `az acr login --expose-token`",
            "3 hours",
        ),
    ],
    warnings: &["The registry's name is enough as its server.", "The admin user may push and delete: do without it."],
    guide: "docs/registries/azure.md",
};

const GITHUB: Form = Form {
    title: "GitHub Container Registry",
    hosts: &["ghcr.io"],
    server: Asked::Optional,
    example: "ghcr.io/acme",
    logins: &[login(
        "Personal access token",
        Like("your GitHub user name"),
        "personal access token (classic, read:packages)",
    )],
    warnings: &["Fine-grained personal access tokens do not reach packages."],
    guide: "docs/registries/github.md",
};

const GITLAB: Form = Form {
    title: "GitLab Container Registry",
    hosts: &["registry.gitlab.com"],
    server: Asked::Optional,
    example: "registry.gitlab.com/acme",
    logins: &[
        login("Deploy token", Like("the deploy token's user name"), "deploy token (read_registry)"),
        login("Project or group access token", Like("any name"), "access token (read_registry)"),
        login("Personal access token", Like("your GitLab user name"), "personal access token (read_registry)"),
    ],
    warnings: &["The token of a CI job ends with the job."],
    guide: "docs/registries/gitlab.md",
};

const QUAY: Form = Form {
    title: "Quay",
    hosts: &["quay.io"],
    server: Asked::Optional,
    example: "quay.io/acme",
    logins: &[
        login("Robot account", Like("namespace+robot"), "robot token"),
        login("OAuth application", Fixed("$oauthtoken"), "OAuth access token"),
        login("Application token", Fixed("$app"), "application token"),
    ],
    warnings: &[],
    guide: "docs/registries/quay.md",
};

const HARBOR: Form = Form {
    title: "Harbor",
    hosts: &[],
    server: Asked::Required,
    example: "harbor.example.com/project",
    logins: &[
        login("Robot account", Like("robot$project+name"), "robot secret"),
        login("User", Like("your Harbor user name"), "CLI secret, or the password"),
    ],
    warnings: &["A shell takes a `$` in double quotes for a variable: put the robot's name in single quotes."],
    guide: "docs/registries/harbor.md",
};

const DIGITALOCEAN: Form = Form {
    title: "DigitalOcean Container Registry",
    hosts: &["registry.digitalocean.com"],
    server: Asked::Optional,
    example: "registry.digitalocean.com/acme",
    logins: &[login("API token", Like("the e-mail address of your account"), "API token (registry:read)")],
    warnings: &[
        "Some guides put the token in place of the user name, too, where everybody sees it who may see the login.",
    ],
    guide: "docs/registries/digitalocean.md",
};

const ALIBABA: Form = Form {
    title: "Alibaba Cloud Container Registry",
    hosts: &[
        "registry.*.aliyuncs.com",
        "registry-vpc.*.aliyuncs.com",
        "registry-internal.*.aliyuncs.com",
        "registry-intl.*.aliyuncs.com",
        "registry-intl-vpc.*.aliyuncs.com",
        "*-registry.*.cr.aliyuncs.com",
        "*-registry-vpc.*.cr.aliyuncs.com",
        "crpi-*.*.personal.cr.aliyuncs.com",
    ],
    server: Asked::Required,
    example: "acme-registry.cn-hangzhou.cr.aliyuncs.com",
    logins: &[
        login("RAM user", Like("user@account"), "registry password"),
        passing("Temporary token", Fixed("cr_temp_user"), "authorization token", "1 hour"),
    ],
    warnings: &["The registry's password is set in its console, and is not the account's."],
    guide: "docs/registries/alibaba.md",
};

const IBM: Form = Form {
    title: "IBM Cloud Container Registry",
    hosts: &["icr.io", "*.icr.io"],
    server: Asked::Optional,
    example: "de.icr.io/acme",
    logins: &[
        login("API key", Fixed("iamapikey"), "API key of a service id"),
        passing("Bearer token", Fixed("iambearer"), "IAM access token", "1 hour"),
        login("Entitlement key, on cp.icr.io", Fixed("cp"), "entitlement key"),
    ],
    warnings: &[],
    guide: "docs/registries/ibm.md",
};

const GENERIC: Form = Form {
    title: "Other registry",
    hosts: &[],
    server: Asked::Required,
    example: "registry.example.com",
    logins: &[login("User", Like("the user name, if the registry wants one"), "password or token")],
    warnings: &[],
    guide: "docs/registries/generic.md",
};

impl RegistryKind {
    /// What a form asks for it.
    #[must_use]
    pub const fn form(self) -> &'static Form {
        match self {
            Self::DockerHub => &DOCKER_HUB,
            Self::AwsEcr => &AWS_ECR,
            Self::Google => &GOOGLE,
            Self::Azure => &AZURE,
            Self::Github => &GITHUB,
            Self::Gitlab => &GITLAB,
            Self::Quay => &QUAY,
            Self::Harbor => &HARBOR,
            Self::Digitalocean => &DIGITALOCEAN,
            Self::Alibaba => &ALIBABA,
            Self::Ibm => &IBM,
            Self::Generic => &GENERIC,
        }
    }
}
