//! Debian's registry, with passwords and with tokens.

use super::{Shop, told};
use crate::support::{
    Authority, Registry, login,
    token_server::{TokenServer, User},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_with_passwords_says_what_a_login_is_good_for() {
    let registry = Registry::start("bot", "right horse");
    registry.push("team/app:1.0");
    let shop = Shop::open(&[&registry.host], &[]).await;
    let host = &registry.host;
    let image = |path: &str| format!("{host}/{path}");

    let right = crate::support::store(&shop.editor, &shop.scope, &login(host, "bot", "right horse")).await;
    assert_eq!(told(&shop.try_stored(&right, None).await), ("ok", "login_accepted"));
    let pulled = shop.try_stored(&right, Some(&image("team/app:1.0"))).await;
    assert_eq!((told(&pulled), pulled.image.clone()), (("ok", "pull_allowed"), Some(image("team/app:1.0"))));
    // The tag is not there, the repository is.
    assert_eq!(told(&shop.try_stored(&right, Some(&image("team/app:2.0"))).await), ("ok", "pull_allowed"));
    let nothing = shop.try_stored(&right, Some(&image("team/nothing"))).await;
    assert_eq!(told(&nothing), ("no_pull_access", "repository_not_found"));

    let wrong = shop.try_login(&login(&image("team"), "bot", "wrong horse"), None).await;
    assert_eq!(told(&wrong), ("unauthorized", "login_refused"));
    let unknown = shop.try_login(&login(&image("other"), "nobody", "right horse"), None).await;
    assert_eq!(told(&unknown), ("unauthorized", "login_refused"));
}

static USERS: [User; 2] = [
    User { name: "bot", password: "right horse", repository: "team/app" },
    User { name: "other", password: "other horse", repository: "other/app" },
];

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_with_tokens_says_what_a_login_is_good_for() {
    let tokens = TokenServer::start(&USERS);
    // What pushes waits for the token server, which runs in these threads.
    let (registry, tokens) = tokio::task::spawn_blocking(move || {
        let registry = Registry::with_tokens(&tokens, &USERS[0]);
        registry.push("team/app:1.0");
        (registry, tokens)
    })
    .await
    .expect("an image is pushed");
    let (host, server) = (registry.host.as_str(), tokens.peer.host());
    let shop = Shop::open(&[host, &server], &[&format!("{host}={server}")]).await;
    let image = format!("{host}/team/app:1.0");

    let right = crate::support::store(&shop.editor, &shop.scope, &login(host, "bot", "right horse")).await;
    assert_eq!(told(&shop.try_stored(&right, None).await), ("ok", "login_accepted"));
    assert_eq!(told(&shop.try_stored(&right, Some(&image)).await), ("ok", "pull_allowed"));

    // He gets a token, which is good for nothing here.
    let other = login(&format!("{host}/team"), "other", "other horse");
    let stored = crate::support::store(&shop.editor, &shop.scope, &other).await;
    assert_eq!(told(&shop.try_stored(&stored, None).await), ("ok", "login_accepted"));
    assert_eq!(told(&shop.try_stored(&stored, Some(&image)).await), ("no_pull_access", "pull_refused"));

    let (elsewhere, image) = (format!("{host}/other"), format!("{host}/other/app"));
    let wrong = shop.try_login(&login(&elsewhere, "bot", "wrong horse"), Some(&image)).await;
    assert_eq!(told(&wrong), ("unauthorized", "login_refused"));

    let asked: Vec<_> = tokens.peer.seen().into_iter().filter(|seen| seen.path.contains("account=bot")).collect();
    let scope = "scope=repository%3Ateam%2Fapp%3Apull&";
    assert!(asked.iter().any(|seen| seen.path.contains(scope)), "the least that is needed is asked for: {asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_with_an_authority_of_its_own_is_trusted_by_the_logins_that_bring_it() {
    let (own, strange) = (Authority::new(), Authority::new());
    let registry = Registry::with_tls("bot", "right horse", Some(&own.identity("127.0.0.1")));
    let shop = Shop::open(&[], &[]).await;
    let part = |name: &str| login(&format!("{}/{name}", registry.host), "bot", "right horse");
    let none = shop.try_login(&part("a"), None).await;
    assert_eq!(told(&none), ("tls", "certificate_not_trusted"));
    let other = shop.try_login(&part("b").vouched_by(&strange.pem), None).await;
    assert_eq!(told(&other), ("tls", "certificate_not_trusted"));
    let right = shop.try_login(&part("c").vouched_by(&format!("{}{}", strange.pem, own.pem)), None).await;
    assert_eq!(told(&right), ("ok", "login_accepted"));
}
