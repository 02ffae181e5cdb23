//! Which logins are in a pull secret, and under which keys.

use super::{Fetched, Shop, keys, password};
use crate::support::{exchange, login, organization, store};
use regcred::{
    client::{Change, CredentialChange},
    domain::permission::Role,
};

const NOTHING: [&str; 0] = [];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_off_or_over_is_left_out_and_named() {
    let shop = Shop::open().await;
    let (off, over) = (shop.add("ghcr.io", "hunter2").await, shop.add("quay.io", "hunter2").await);
    shop.add("gcr.io", "hunter2").await;
    shop.change(off, CredentialChange { enabled: Some(false), ..CredentialChange::default() }).await;
    let past = Change::Set("2020-01-01T00:00:00Z".parse().unwrap());
    shop.change(over, CredentialChange { expires_at: past, ..CredentialChange::default() }).await;

    let whole = shop.fetch(&[]).await;
    assert_eq!(keys(&whole), ["gcr.io"]);
    let mut expected = [(off, "disabled".to_owned()), (over, "expired".to_owned())];
    expected.sort();
    assert_eq!(whole.omitted, expected);
    let narrowed = shop.fetch(&["ghcr.io/x", "gcr.io/y"]).await;
    assert_eq!((keys(&narrowed), narrowed.omitted), (vec!["gcr.io".to_owned()], vec![(off, "disabled".to_owned())]));
    assert_eq!(shop.fetch(&["gcr.io/y"]).await.omitted, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_gets_what_its_organization_has_and_its_own_wins() {
    let shop = Shop::open().await;
    let above = organization("acme");
    let admin = shop.server.client(Role::Editor, &above).await;
    for server in ["ghcr.io", "quay.io"] {
        store(&admin, &above, &login(server, "all", "theirs")).await;
    }
    let inherited = shop.fetch(&[]).await;
    assert_eq!(keys(&inherited), ["ghcr.io", "quay.io"]);
    let own = shop.add("ghcr.io", "ours").await;
    let both = shop.fetch(&[]).await;
    assert_eq!((password(&both, "ghcr.io"), password(&both, "quay.io")), ("ours".to_owned(), "theirs".to_owned()));
    assert_eq!(password(&shop.fetch(&["ghcr.io/x"]).await, "ghcr.io"), "ours");
    shop.editor.credential_delete(&shop.scope, own, None).await.expect("it is deleted");
    assert_eq!(shop.fetch(&[]).await, inherited);

    shop.server.project("acme/web").await;
    shop.server.project("beta/shop").await;
    for (project, expected) in [("acme/web", &["ghcr.io", "quay.io"][..]), ("beta/shop", &[])] {
        let deployer = shop.server.client(Role::Deployer, &crate::support::scope(project)).await;
        let body = crate::support::pull(&deployer, &crate::support::project(project), &[]).await.unwrap();
        let fetched = Fetched { body, tag: String::new(), omitted: Vec::new() };
        assert_eq!(keys(&fetched), expected, "{project}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_project_has_each_login_under_the_key_that_its_users_look_for() {
    let shop = Shop::open().await;
    for server in ["quay.io/acme", "registry-1.docker.io", "docker.io/acme", "[::1]:5000", "https://r.example:443/v2/"]
    {
        shop.add(server, "hunter2").await;
    }
    let expected = ["[::1]:5000", "docker.io/acme", "https://index.docker.io/v1/", "quay.io/acme", "r.example:443"];
    assert_eq!(keys(&shop.fetch(&[]).await), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn images_get_the_most_specific_login_on_the_borders_of_their_paths() {
    let shop = Shop::open().await;
    let (whole, part, off) = ("quay.io", "quay.io/acme", "quay.io/acme/team");
    shop.add(whole, "whole").await;
    shop.add(part, "part").await;
    let off = shop.add(off, "off").await;
    shop.add("ghcr.io/acme", "hub").await;
    shop.change(off, CredentialChange { enabled: Some(false), ..CredentialChange::default() }).await;
    for (image, expected) in [
        ("quay.io/acme/app:1.0", "part"),
        ("quay.io/acme", "part"),
        ("quay.io/acmes/app", "whole"),
        ("quay.io/other/app@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "whole"),
        ("quay.io/acme/team/app", "part"),
    ] {
        let fetched = shop.fetch(&[image]).await;
        assert_eq!(
            (keys(&fetched), password(&fetched, "quay.io")),
            (vec!["quay.io".to_owned()], expected.to_owned()),
            "{image}"
        );
    }
    for image in ["ghcr.io/acmes/app", "ghcr.io:443/acme/app", "GHCR.io/acme/app", "nginx"] {
        assert_eq!(keys(&shop.fetch(&[image]).await), NOTHING, "{image}");
    }
    let several = shop.fetch(&["quay.io/acme/app", "ghcr.io/acme/x", "quay.io/other/app", "quay.io/acme/app"]).await;
    assert_eq!(keys(&several), ["ghcr.io", "quay.io", "quay.io/acme"]);
    let beside_a_public_one = shop.fetch(&["ghcr.io/acme/app", "ghcr.io/public/app"]).await;
    assert_eq!(keys(&beside_a_public_one), ["ghcr.io/acme"], "it is not sent for the other image");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_prefix_narrows_the_images_that_a_login_is_offered_for() {
    let shop = Shop::open().await;
    let id = shop.add("ghcr.io", "hunter2").await;
    let prefix = "ghcr.io/acme".parse().unwrap();
    let change = CredentialChange { image_prefix: Change::Set(&prefix), ..CredentialChange::default() };
    shop.change(id, change).await;
    assert_eq!(keys(&shop.fetch(&["ghcr.io/acme/app"]).await), ["ghcr.io"]);
    assert_eq!(keys(&shop.fetch(&["ghcr.io/acmes/app"]).await), NOTHING);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_is_not_understood_is_refused_and_not_repeated() {
    let shop = Shop::open().await;
    let token = shop.server.token(Role::Deployer, &shop.scope).await;
    let authorization = format!("Bearer {}", token.expose());
    let path = "/internal/v1/organizations/acme/projects/shop/pull-secret";
    let ask = |query: &str| {
        let target = format!("{path}{query}");
        exchange(&shop.server.internal, "GET", &target, &[("authorization", &authorization)], b"")
    };
    assert_eq!(ask("").status, 200);
    assert_eq!(ask("?format=docker-config&image=ghcr.io%2Fx").status, 200);
    let many = format!("?{}", ["image=nginx"; 101].join("&"));
    for query in [
        "?format=correcthorse",
        "?format=docker-config&format=docker-config",
        "?images=correcthorse",
        "?image=correct%20horse",
        "?image=",
        "?correcthorse",
        &many,
    ] {
        let reply = ask(query);
        assert_eq!(
            (reply.status, reply.json()["type"].as_str()),
            (400, Some("urn:regcred:problem:invalid-parameter")),
            "{query}"
        );
        assert!(!reply.text().contains("correct") && !reply.head.contains("correct"), "{reply:?}");
    }
    let secret = ask("");
    assert_eq!(secret.header("cache-control"), Some("no-store"));
    assert_eq!(exchange(&shop.server.public, "GET", path, &[("authorization", &authorization)], b"").status, 404);
}
