use super::*;
use crate::domain::{id::CredentialId, kind::RegistryKind, timestamp::Timestamp};
use proptest::prelude::*;

pub(in crate::domain) fn image(text: &str) -> ImageReference {
    text.parse().unwrap()
}

pub(in crate::domain) fn time(microseconds: i64) -> Timestamp {
    Timestamp::from_microseconds(microseconds).unwrap()
}

/// An available credential without an end; the number is its identifier.
pub(in crate::domain) fn credential(number: u128, scope: &str, server: &str) -> Credential {
    let server: RegistryServer = server.parse().unwrap();
    Credential {
        id: CredentialId::from_uuid(uuid::Uuid::from_u128(number)),
        scope: scope.parse().unwrap(),
        kind: RegistryKind::infer(&server),
        server,
        username: None,
        email: None,
        image_prefix: None,
        expires_at: None,
        enabled: true,
        version: 1,
        revision: 1,
        created_at: time(0),
        updated_at: time(0),
        rotated_at: time(0),
        last_used_at: None,
        identity: None,
        ca_certificates: None,
        last_check: None,
    }
}

pub(in crate::domain) const PROJECT: &str = "organizations/acme/projects/shop";
pub(in crate::domain) const ORGANIZATION: &str = "organizations/acme";

#[test]
fn an_image_is_its_servers_on_path_borders_and_equal_ports() {
    for (server, reference, expected) in [
        ("r.io", "r.io/foo/x:1", true),
        ("r.io/foo", "r.io/foo/x", true),
        ("r.io/foo/", "r.io/foo", true),
        ("r.io/foo", "r.io/foobar/x", false),
        ("r.io/foo", "r.io/foobar", false),
        ("r.io/foo", "r.io/fo", false),
        ("r.io/foo/bar", "r.io/foo", false),
        ("r.io", "r.io.example/foo", false),
        ("r.io", "x.r.io/foo", false),
        ("r.io", "r.io:443/x", false),
        ("r.io:443", "r.io/x", false),
        ("https://r.io:443", "r.io:443/x", true),
        ("r.io:5000", "r.io:50000/x", false),
        ("r.io:5000", "r.io:5000/x", true),
        ("https://index.docker.io/v1/", "nginx", true),
        ("registry-1.docker.io", "acme/app:1", true),
        ("docker.io/acme", "acme/app", true),
        ("docker.io/library", "nginx", true),
        ("docker.io/acme", "nginx", false),
        ("docker.io", "r.io/nginx", false),
        ("[0::1]:5000", "[::1]:5000/x", true),
        // Consumers compare the case of hosts, so no login of ours would reach them.
        ("r.io", "R.io/x", false),
    ] {
        assert_eq!(matches(&server.parse().unwrap(), &image(reference)), expected, "{reference} on {server}");
    }
}

#[test]
fn the_longest_path_goes_first_and_own_ones_before_inherited_ones() {
    let credentials = [
        credential(1, ORGANIZATION, "quay.io"),
        credential(2, PROJECT, "quay.io"),
        credential(3, ORGANIZATION, "quay.io/acme/team"),
        credential(4, PROJECT, "quay.io/acme"),
        credential(5, PROJECT, "quay.io/ac"),
        credential(6, PROJECT, "ghcr.io"),
        credential(7, ORGANIZATION, "quay.io/acme"),
    ];
    let found = |reference: &str| {
        let ids = candidates(&image(reference), &credentials).into_iter().map(|found| found.id.as_uuid().as_u128());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(found("quay.io/acme/team/app"), [3, 4, 7, 2, 1]);
    assert_eq!(found("quay.io/acme/teams"), [4, 7, 2, 1]);
    assert_eq!(found("quay.io/x"), [2, 1]);
    assert_eq!(found("r.io/x"), [0_u128; 0]);
}

#[test]
fn an_image_prefix_narrows_its_credential() {
    let mut narrow = credential(1, PROJECT, "quay.io");
    narrow.image_prefix = Some("quay.io/acme".parse().unwrap());
    let credentials = [narrow];
    for (reference, expected) in
        [("quay.io/acme/app", 1), ("quay.io/acme", 1), ("quay.io/acmes/app", 0), ("quay.io/x", 0)]
    {
        assert_eq!(candidates(&image(reference), &credentials).len(), expected, "{reference}");
    }
}

proptest! {
    #[test]
    fn the_order_does_not_depend_on_the_order_given(
        list in Just([(1, PROJECT, "r.io"), (2, ORGANIZATION, "r.io"), (3, PROJECT, "r.io/a"), (4, ORGANIZATION, "r.io/a"), (5, ORGANIZATION, "r.io/a/b"), (6, PROJECT, "r.io/a")].to_vec()).prop_shuffle()
    ) {
        let credentials: Vec<_> = list.into_iter().map(|(id, scope, server)| credential(id, scope, server)).collect();
        let ids: Vec<_> = candidates(&image("r.io/a/b/c"), &credentials).iter().map(|found| found.id.as_uuid().as_u128()).collect();
        prop_assert_eq!(ids, [5, 3, 6, 4, 1, 2]);
    }
}
