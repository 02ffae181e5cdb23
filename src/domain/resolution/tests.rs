use super::*;
use crate::domain::matching::{
    candidates,
    tests::{ORGANIZATION, PROJECT, credential, image, time},
};
use proptest::prelude::*;

fn resolved(credentials: &[Credential], reference: &str) -> Resolution {
    resolve(&image(reference), credentials.to_vec(), time(100))
}

fn number(id: CredentialId) -> u128 {
    id.as_uuid().as_u128()
}

/// Numbers and reasons of the candidates, in their order.
fn reasons(credentials: &[Credential], reference: &str) -> Vec<(u128, Reason)> {
    let candidates = resolved(credentials, reference).candidates;
    candidates.iter().map(|candidate| (number(candidate.credential.id), candidate.reason)).collect()
}

fn overridden(by: u128) -> Reason {
    Reason::Overridden(CredentialId::from_uuid(uuid::Uuid::from_u128(by)))
}

fn named(mut credential: Credential) -> Credential {
    credential.username = Some("bot".parse().unwrap());
    credential
}

/// What the programs try, and how what differs is explained: by a word of the reason.
fn check(credentials: &[Credential], reference: &str, expected: &[(Consumer, &[u128], &str)]) {
    let consumers = resolved(credentials, reference).consumers;
    let names: Vec<_> = consumers.iter().map(|outcome| outcome.consumer).collect();
    assert_eq!(names, [Consumer::Docker, Consumer::Podman, Consumer::Containerd, Consumer::Kubelet]);
    for (consumer, tried, word) in expected {
        let outcome = consumers.iter().find(|outcome| outcome.consumer == *consumer).unwrap();
        let found: Vec<_> = outcome.tried.iter().map(|id| number(*id)).collect();
        assert_eq!(found, *tried, "{consumer} for {reference}");
        assert_eq!(outcome.difference.is_none(), word.is_empty(), "{consumer} for {reference}: {outcome:?}");
        assert!(outcome.difference.unwrap_or_default().contains(word), "{consumer} for {reference}: {outcome:?}");
    }
}

#[test]
fn every_credential_is_there_with_the_reason_for_it() {
    let mut off = credential(1, PROJECT, "quay.io/acme/team");
    off.enabled = false;
    let mut over = credential(2, PROJECT, "quay.io/acme/team/app");
    over.expires_at = Some(time(100));
    let mut narrow = credential(3, PROJECT, "quay.io/acme");
    narrow.image_prefix = Some("quay.io/acme/other".parse().unwrap());
    let credentials = [
        credential(9, PROJECT, "ghcr.io"),
        credential(8, PROJECT, "quay.io:443"),
        credential(7, PROJECT, "quay.io/beta"),
        credential(6, ORGANIZATION, "quay.io"),
        credential(5, PROJECT, "quay.io"),
        credential(4, ORGANIZATION, "quay.io/acme"),
        narrow,
        over,
        off,
    ];
    assert_eq!(
        reasons(&credentials, "quay.io/acme/team/app:1"),
        [
            (2, Reason::Expired),
            (1, Reason::Disabled),
            // The project's own one for that server has another image prefix, and overrides all the same.
            (4, overridden(3)),
            (5, Reason::Chosen),
            (6, overridden(5)),
            (3, Reason::Mismatch(Mismatch::ImagePrefix)),
            (7, Reason::Mismatch(Mismatch::Path)),
            (8, Reason::Mismatch(Mismatch::Port)),
            (9, Reason::Mismatch(Mismatch::Host)),
        ]
    );
    let found = resolved(&credentials, "quay.io/acme/team/app");
    assert_eq!(found.chosen().map(|chosen| number(chosen.id)), Some(5));
    assert_eq!(resolved(&credentials, "r.io/x").chosen(), None);
}

#[test]
fn an_own_login_that_is_off_still_overrides_what_is_inherited() {
    let mut own = credential(1, PROJECT, "quay.io");
    own.enabled = false;
    let credentials = [own, credential(2, ORGANIZATION, "quay.io")];
    assert_eq!(reasons(&credentials, "quay.io/x"), [(1, Reason::Disabled), (2, overridden(1))]);
}

#[test]
fn hosts_ports_and_paths_are_told_apart() {
    use Mismatch::{Host, Path, Port};
    for (server, reference, expected) in [
        ("r.io", "x.io/a", Host),
        ("r.io", "R.io/a", Host),
        ("r.io:443", "x.io/a", Host),
        ("r.io", "r.io:443/a", Port),
        ("r.io:443", "r.io/a", Port),
        ("r.io:443/a", "r.io:5000/a", Port),
        ("[::1]:5000", "[::1]/a", Port),
        ("[::1]", "[::2]/a", Host),
        ("r.io/foo", "r.io/foobar", Path),
        ("docker.io/acme", "nginx", Path),
    ] {
        let found = reasons(&[credential(1, PROJECT, server)], reference);
        assert_eq!(found, [(1, Reason::Mismatch(expected))], "{reference} on {server}");
    }
}

#[test]
fn what_programs_do_otherwise_is_explained() {
    use Consumer::{Containerd, Docker, Kubelet, Podman};
    let host = named(credential(1, PROJECT, "quay.io"));
    let acme = named(credential(2, PROJECT, "quay.io/acme"));
    let beta = named(credential(3, PROJECT, "quay.io/beta"));
    let all = |ids: &'static [u128]| [Docker, Podman, Containerd, Kubelet].map(|consumer| (consumer, ids, ""));
    check(std::slice::from_ref(&host), "quay.io/x", &all(&[1]));
    check(std::slice::from_ref(&acme), "quay.io/acme/x", &all(&[2]));
    check(std::slice::from_ref(&acme), "r.io/x", &all(&[]));
    // A path that docker does not know.
    let both = [host.clone(), acme.clone()];
    check(
        &both,
        "quay.io/acme/x",
        &[(Docker, &[1], "whole"), (Podman, &[2], ""), (Kubelet, &[2, 1], ""), (Containerd, &[2, 1], "")],
    );
    check(&both, "quay.io/acmes/x", &[(Docker, &[1], ""), (Podman, &[1], ""), (Kubelet, &[2, 1], "byte by byte")]);
    check(
        std::slice::from_ref(&acme),
        "quay.io/public",
        &[(Docker, &[2], "only login"), (Podman, &[], ""), (Kubelet, &[], "")],
    );
    let parts = [acme.clone(), beta];
    check(&parts, "quay.io/acme/x", &[(Docker, &[], "several"), (Podman, &[2], ""), (Kubelet, &[2], "")]);
    check(&parts, "quay.io/public", &all(&[]));
    // A password without a name.
    let nameless = credential(4, PROJECT, "r.io");
    check(&[nameless], "r.io/x", &[(Containerd, &[], "without a user name"), (Kubelet, &[4], ""), (Docker, &[4], "")]);
    // Docker Hub, which the kubelet takes many for.
    let hub = [named(credential(5, PROJECT, "docker.io")), named(credential(6, PROJECT, "docker.io/acme"))];
    check(&hub, "acme/x", &[(Docker, &[5], "whole"), (Podman, &[6], ""), (Kubelet, &[6], "")]);
    check(&hub, "nginx", &all(&[5]));
    check(&hub[1..], "acme/x", &[(Docker, &[], "whole of Docker Hub"), (Podman, &[6], ""), (Kubelet, &[6], "")]);
    check(&hub[1..], "nginx", &all(&[]));
    let other_name = "registry-1.docker.io/library/nginx";
    check(&hub[..1], other_name, &[(Docker, &[], ""), (Podman, &[5], "all names of Docker Hub"), (Kubelet, &[], "")]);
    check(&hub, "localhost/x", &[(Docker, &[], ""), (Podman, &[], ""), (Kubelet, &[5], "without a dot")]);
    // An address in brackets, and an image prefix.
    let address = named(credential(7, PROJECT, "[::1]"));
    check(&[address], "[::1]/x", &[(Docker, &[7], ""), (Podman, &[7], ""), (Kubelet, &[], "brackets")]);
    let mut narrow = acme;
    narrow.image_prefix = Some("quay.io/acme/app".parse().unwrap());
    check(
        &[host, narrow],
        "quay.io/acme/web",
        &[(Podman, &[2], "image prefix"), (Docker, &[1], ""), (Kubelet, &[2, 1], "image prefix")],
    );
}

/// Credentials of some servers, off or expired or not, in a project and its organization.
fn some_credentials() -> impl Strategy<Value = Vec<Credential>> {
    const SERVERS: [&str; 9] = [
        "quay.io",
        "quay.io/acme",
        "quay.io/acme/app",
        "quay.io/beta",
        "docker.io",
        "docker.io/acme",
        "quay.io:443",
        "ghcr.io/acme",
        "ghcr.io/beta",
    ];
    let one = (proptest::sample::select(SERVERS.to_vec()), any::<bool>(), 0..5_u8);
    proptest::collection::vec(one, 0..9).prop_map(|list| {
        let mut taken = std::collections::HashSet::new();
        let list = list.into_iter().filter(|(server, own, _)| taken.insert((*server, *own))).enumerate();
        list.map(|(index, (server, own, state))| {
            let scope = if own { PROJECT } else { ORGANIZATION };
            let mut credential = named(credential(u128::try_from(index).unwrap() + 1, scope, server));
            credential.enabled = state != 0;
            credential.expires_at = (state == 1).then(|| time(50));
            credential
        })
        .collect()
    })
}

fn some_image() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "quay.io/acme/app",
        "quay.io/acme/app/x",
        "quay.io/acmes",
        "quay.io/beta",
        "quay.io/x",
        "nginx",
        "acme/x",
        "quay.io:443/x",
        "ghcr.io/acme/x",
        "ghcr.io/x",
    ])
}

/// Whether what is said of a program that took this login is so.
fn is_true(reason: &str, image: &ImageReference, used: Option<&Credential>, in_force: &[Credential]) -> bool {
    let handed_out = in_force.iter().filter(|one| one.availability(time(100)) == Availability::Available);
    let of_registry: Vec<_> = handed_out.filter(|one| one.server.host() == image.host()).collect();
    let whole = of_registry.iter().find(|one| one.server.path().is_none()).copied();
    match reason {
        "it knows no paths, and takes the login of the whole registry" => used.is_some() && used == whole,
        "it knows no paths, and takes the only login of the registry for all of its images" => {
            of_registry.len() == 1 && used == of_registry.first().copied() && whole.is_none()
        }
        "it knows no paths, and the registry has several logins, of which it takes none" => {
            of_registry.len() > 1 && whole.is_none() && used.is_none()
        }
        "it knows no paths, and looks for the login of the whole of Docker Hub, which is not there" => {
            image.host() == "docker.io" && whole.is_none() && used.is_none()
        }
        "it compares paths byte by byte, and not part by part" => used.is_some_and(|used| {
            let rest = image.repository().strip_prefix(used.server.as_str());
            rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        }),
        _ => false,
    }
}

proptest! {
    #[test]
    fn what_is_explained_is_what_is_handed_out(credentials in some_credentials(), reference in some_image()) {
        let reference = image(reference);
        let overridden = |one: &Credential| credentials.iter().any(|other| other.server == one.server && distance(&other.scope) < distance(&one.scope));
        let in_force: Vec<_> = credentials.iter().filter(|one| !overridden(one)).cloned().collect();
        let handed_out = docker_config::select(&in_force, std::slice::from_ref(&reference), time(100));
        let found = resolve(&reference, credentials.clone(), time(100));
        prop_assert_eq!(found.candidates.len(), credentials.len());
        prop_assert!(handed_out.entries.len() <= 1);
        prop_assert_eq!(found.chosen().map(|chosen| chosen.id), handed_out.entries.first().map(|entry| entry.credential.id));
        let able = candidates(&reference, &in_force);
        let able: Vec<_> = able.into_iter().filter(|one| one.availability(time(100)) == Availability::Available).collect();
        prop_assert_eq!(found.chosen(), able.first().copied(), "the first that could be used");
        for outcome in &found.consumers {
            let tried: Vec<_> = outcome.tried.iter().map(|id| credentials.iter().find(|one| one.id == *id).unwrap()).collect();
            prop_assert!(tried.iter().all(|one| in_force.contains(one) && one.availability(time(100)) == Availability::Available));
            match outcome.difference {
                None => prop_assert_eq!(tried.first().copied(), able.first().copied()),
                Some(reason) => {
                    prop_assert_ne!(tried.first().copied(), able.first().copied(), "{}", reason);
                    prop_assert!(outcome.consumer != Consumer::Podman, "it knows paths as we do");
                    prop_assert!(is_true(reason, &reference, tried.first().copied(), &in_force), "{:?}", outcome);
                }
            }
        }
    }

    /// One key a registry: whatever the credentials are, no program has to guess.
    #[test]
    fn no_program_takes_a_login_by_chance(credentials in some_credentials(), reference in some_image()) {
        let overridden = |one: &Credential| credentials.iter().any(|other| other.server == one.server && distance(&other.scope) < distance(&one.scope));
        let in_force: Vec<_> = credentials.iter().filter(|one| !overridden(one)).cloned().collect();
        for images in [vec![], vec![image(reference)], vec![image("quay.io/acme/app"), image("quay.io/beta/x"), image(reference)]] {
            let selection = docker_config::select(&in_force, &images, time(100));
            let keys: Vec<_> = selection.entries.iter().map(|entry| entry.key.as_str()).collect();
            let mut entries: Vec<_> = keys.iter().map(|key| ConfigEntry { key, login: LoginParts::Full }).collect();
            entries.extend(docker_config::stops(&keys).into_iter().map(|key| ConfigEntry { key, login: LoginParts::Empty }));
            for consumer in Consumer::ALL {
                let choice = consumer.choose(&entries, &image(reference));
                prop_assert!(!matches!(choice, Choice::AnyOf(_)), "{} of {:?}", consumer, keys);
            }
        }
    }
}
