use super::*;
use RegistryKind::{
    Alibaba, AwsEcr, Azure, Digitalocean, DockerHub, Generic, Github, Gitlab, Google, Harbor, Ibm, Quay,
};

fn server(text: &str) -> RegistryServer {
    text.parse().unwrap()
}

/// Servers as people state them, and the kinds that their hosts show.
const INFERRED: [(&str, RegistryKind); 76] = [
    ("https://index.docker.io/v1/", DockerHub),
    ("docker.io/acme", DockerHub),
    ("docker.io.example", Generic),
    ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", AwsEcr),
    ("123456789012.DKR.ecr.eu-west-1.amazonaws.com:443/app", AwsEcr),
    ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", AwsEcr),
    ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", AwsEcr),
    ("123456789012.dkr-ecr.us-west-2.on.aws", AwsEcr),
    ("123456789012.dkr-ecr-fips.us-west-2.on.aws", AwsEcr),
    ("123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu", AwsEcr),
    ("123456789012.dkr.ecr.x-y-1.on.amazonwebservices.com.cn", AwsEcr),
    ("123456789012.dkr.ecr.x-y-1.sc2s.sgov.gov", AwsEcr),
    ("123456789012.dkr.ecr.x-y-1.c2s.ic.gov", AwsEcr),
    ("123456789012.dkr.ecr.x-y-1.cloud.adc-e.uk", AwsEcr),
    ("123456789012.dkr.ecr.x-y-1.csp.hci.ic.gov", AwsEcr),
    ("public.ecr.aws", AwsEcr),
    ("ecr-public.aws.com", AwsEcr),
    ("12345678901.dkr.ecr.eu-west-1.amazonaws.com", Generic),
    ("12345678901a.dkr.ecr.eu-west-1.amazonaws.com", Generic),
    ("123456789012.dkr.ecr.amazonaws.com", Generic),
    ("123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example", Generic),
    ("123456789012.dkr.ecr.a.b.amazonaws.com", Generic),
    ("x.public.ecr.aws", Generic),
    ("gcr.io", Google),
    ("us.gcr.io", Google),
    ("europe-docker.pkg.dev/project/repo", Google),
    ("marketplace.google.com", Google),
    ("evilgcr.io", Generic),
    ("pkg.dev", Generic),
    ("gcr.io.evil.example", Generic),
    ("acme.azurecr.io", Azure),
    ("acme-a1b2.azurecr.io", Azure),
    ("acme.azurecr.cn", Azure),
    ("acme.azurecr.io.evil.com", Generic),
    ("acme.eastus2.geo.azurecr.io", Azure),
    ("acme-a1b2.eastus2.geo.azurecr.us", Azure),
    ("a.b.azurecr.io", Generic),
    ("a.b.c.geo.azurecr.io", Generic),
    ("acme.east-us.geo.azurecr.io", Generic),
    ("geo.azurecr.io", Azure),
    ("acme.geo.azurecr.io", Generic),
    ("acme-a1-b2.azurecr.io", Generic),
    ("azurecr.io", Generic),
    ("ghcr.io/acme", Github),
    ("ghcr.io:443", Github),
    ("ghcr.io:5000", Generic),
    ("x.ghcr.io", Generic),
    ("registry.gitlab.com", Gitlab),
    ("quay.io", Quay),
    ("registry.digitalocean.com/acme", Digitalocean),
    ("registry.cn-hangzhou.aliyuncs.com", Alibaba),
    ("registry-vpc.cn-hangzhou.aliyuncs.com", Alibaba),
    ("registry-intl.ap-southeast-1.aliyuncs.com/acme", Alibaba),
    ("acme-registry.cn-hangzhou.cr.aliyuncs.com", Alibaba),
    ("acme-registry-vpc.cn-hangzhou.cr.aliyuncs.com", Alibaba),
    ("crpi-x1.cn-hangzhou.personal.cr.aliyuncs.com", Alibaba),
    ("registry-internal.cn-hangzhou.aliyuncs.com", Alibaba),
    ("registry-intl-vpc.ap-southeast-1.aliyuncs.com", Alibaba),
    ("crpi-x1-vpc.cn-hangzhou.personal.cr.aliyuncs.com", Alibaba),
    ("registry-evil.cn-hangzhou.aliyuncs.com", Generic),
    ("registry-evil.oss-cn-beijing.aliyuncs.com", Generic),
    ("registry.oss-cn-beijing.aliyuncs.com", Generic),
    ("acme-registry.oss-cn-beijing.cr.aliyuncs.com", Generic),
    ("acme.cn-hangzhou.cr.aliyuncs.com", Generic),
    ("acme.cn-hangzhou.personal.cr.aliyuncs.com", Generic),
    ("oss.cn-hangzhou.aliyuncs.com", Generic),
    ("registry.aliyuncs.com", Generic),
    ("registry.cn-hangzhou.aliyuncs.com.evil.example", Generic),
    ("icr.io", Ibm),
    ("de.icr.io/acme", Ibm),
    ("private.us.icr.io", Ibm),
    ("evilicr.io", Generic),
    ("harbor.example.com", Generic),
    ("registry.example.com", Generic),
    ("localhost:5000", Generic),
    ("[::1]:443", Generic),
];

#[test]
fn a_kind_is_inferred_from_the_whole_host() {
    for (text, expected) in INFERRED {
        assert_eq!(RegistryKind::infer(&server(text)), expected, "{text}");
        assert_eq!(RegistryKind::agree(None, &server(text)), Some(expected), "{text}");
        assert_eq!(RegistryKind::agree(Some(expected), &server(text)), Some(expected), "{text}");
        assert_eq!(RegistryKind::agree(Some(Generic), &server(text)), Some(Generic), "{text}");
    }
}

/// Whether a host fits a pattern of a form, in which `*` stands for some characters.
fn fits(host: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => host == pattern,
        Some((start, rest)) => host.strip_prefix(start).is_some_and(|tail| {
            let ends = tail.char_indices().map(|(at, c)| at + c.len_utf8());
            ends.into_iter().any(|at| fits(&tail[at..], rest))
        }),
    }
}

#[test]
fn a_host_that_shows_a_kind_fits_a_pattern_of_its_form() {
    for (text, expected) in INFERRED {
        if expected != Generic {
            let server = server(text);
            let told = expected.form().hosts.iter().any(|pattern| fits(cloud_host(&server), pattern));
            assert!(told, "{text}");
        }
    }
    // Whoever fills in a form has not put the name in normal form.
    for name in docker_hub::NAMES {
        assert_eq!(RegistryKind::infer(&server(name)), DockerHub);
        assert!(DockerHub.form().hosts.contains(&name), "{name}");
    }
    let (one, evil) = ("crpi-x1.cn-hangzhou.personal.cr.aliyuncs.com", "gcr.io.evil.example");
    assert!(fits(one, "crpi-*.*.personal.cr.aliyuncs.com") && !fits(evil, "*.gcr.io") && !fits("gcr.io", "*gcr.io"));
}

#[test]
fn a_stated_kind_must_not_contradict_the_host() {
    let allowed = |text: &str| {
        RegistryKind::ALL
            .into_iter()
            .filter(|kind| RegistryKind::agree(Some(*kind), &server(text)) == Some(*kind))
            .collect::<Vec<_>>()
    };
    assert_eq!(allowed("ghcr.io"), [Github, Generic]);
    assert_eq!(allowed("docker.io/acme"), [DockerHub, Generic]);
    assert_eq!(allowed("gcr.io:443"), [Google, Generic]);
    assert_eq!(allowed("registry.example.com"), [Azure, Github, Gitlab, Quay, Harbor, Generic]);
    assert_eq!(allowed("localhost:5000"), [Azure, Github, Gitlab, Quay, Harbor, Generic]);
    for other in ["rg.fr-par.scw.cloud", "fra.ocir.io", "oss.cn-hangzhou.aliyuncs.com"] {
        assert_eq!(allowed(other), [Generic], "{other}");
    }
    assert_eq!(RegistryKind::agree(Some(Quay), &server("ghcr.io")), None);
}

#[test]
fn names_are_snake_case_and_a_wrong_one_is_not_repeated() {
    let names = RegistryKind::ALL.map(RegistryKind::name);
    assert_eq!(
        names,
        [
            "docker_hub",
            "aws_ecr",
            "google",
            "azure",
            "github",
            "gitlab",
            "quay",
            "harbor",
            "digitalocean",
            "alibaba",
            "ibm",
            "generic"
        ]
    );
    for kind in RegistryKind::ALL {
        let json = serde_json::to_string(&kind).unwrap();
        assert_eq!(json, format!("\"{kind}\""));
        assert_eq!(serde_json::from_str::<RegistryKind>(&json).unwrap(), kind);
    }
    assert!("AwsEcr".parse::<RegistryKind>().is_err());
    assert!(!serde_json::from_str::<RegistryKind>(r#""hunter2""#).unwrap_err().to_string().contains("hunter2"));
    assert!(names.iter().all(|name| "".parse::<RegistryKind>().unwrap_err().to_string().contains(name)));
}

#[test]
fn a_default_server_is_of_its_kind_and_what_a_form_says_agrees_with_it() {
    for kind in RegistryKind::ALL {
        let form = kind.form();
        if let Some(text) = kind.default_server() {
            assert_eq!(RegistryKind::infer(&server(text)), kind);
            assert_eq!(server(text).as_str(), text, "in normal form");
        }
        assert_eq!(form.server == form::Asked::Required, kind.default_server().is_none(), "{kind}");
        assert!(!form.title.is_empty() && !form.logins.is_empty(), "{kind}");
        assert_eq!(form.guide, format!("docs/registries/{kind}.md"));
        for login in form.logins {
            assert!(!login.title.is_empty() && !login.password.is_empty(), "{kind}");
        }
        // An example of a form is taken as what it is an example of.
        let example: crate::domain::server::StatedServer = form.example.parse().unwrap();
        let example = example.complete(Some(kind)).unwrap();
        assert_eq!(RegistryKind::agree(Some(kind), &example), Some(kind), "{kind}");
        for host in form.hosts {
            assert!(!host.contains("://") && !host.is_empty(), "{kind}");
        }
    }
    let titles: std::collections::HashSet<_> = RegistryKind::ALL.map(|kind| kind.form().title).into();
    assert_eq!(titles.len(), RegistryKind::ALL.len());
}
