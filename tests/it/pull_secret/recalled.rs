//! Pull secrets from memory: as good as those from the database, at every moment.

use super::{Shop, keys, password};
use crate::support::{login, organization, problem, secret_password, slug, store};
use regcred::{
    client::{Change, CredentialChange, NewToken, PullSecret},
    domain::{permission::Role, timestamp::Timestamp},
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How many pull secrets were answered from memory, and how many were remembered in vain.
async fn recalls(shop: &Shop) -> (u64, u64) {
    let metrics = shop.server.operator().metrics().await.expect("there are metrics");
    let value = |outcome: &str| {
        let name = format!("regcred_recalls_total{{outcome=\"{outcome}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(name.as_str())).map_or(0, |value| value.parse().unwrap())
    };
    (value("proved"), value("lapsed"))
}

impl Shop {
    /// Asks until the answer comes from memory.
    async fn warm(&self) {
        let before = self.fetch(&[]).await;
        let (proved, _) = recalls(self).await;
        assert_eq!(self.fetch(&[]).await, before);
        assert_eq!(recalls(self).await.0, proved + 1, "the second answer comes from memory");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_remembered_is_used_and_every_use_is_in_the_log() {
    let shop = Shop::open().await;
    let first = shop.add("ghcr.io", "hunter2").await;
    shop.change(first, CredentialChange { enabled: Some(false), ..CredentialChange::default() }).await;
    shop.add("quay.io", "hunter2").await;
    let fetched = shop.fetch(&[]).await;
    let narrowed = shop.fetch(&["quay.io/acme/app"]).await;
    assert_eq!(fetched.omitted.len(), 1);
    for _ in 0..10 {
        assert_eq!(shop.fetch(&[]).await, fetched, "with what was left out");
        assert_eq!(shop.fetch(&["quay.io/acme/app"]).await, narrowed);
        assert_eq!(shop.fetch_unless(&[], Some(&fetched.tag)).await, None);
    }
    assert_eq!(recalls(&shop).await, (30, 0));
    assert_eq!(shop.hand_outs().await, 22);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_seen_by_the_next_request() {
    let shop = Shop::open().await;
    let operator = shop.server.operator();
    let acme = organization("acme");
    let own = shop.add("ghcr.io", "first").await;
    for round in 0..20 {
        shop.warm().await;
        let new = format!("own-{round}");
        shop.change(own, CredentialChange { password: Some(&secret_password(&new)), ..CredentialChange::default() })
            .await;
        assert_eq!(password(&shop.fetch(&[]).await, "ghcr.io"), new);

        shop.warm().await;
        let inherited = store(&operator, &acme, &login("quay.io", "bot", &format!("theirs-{round}"))).await;
        assert_eq!(password(&shop.fetch(&[]).await, "quay.io"), format!("theirs-{round}"));

        shop.warm().await;
        let overriding = shop.add("quay.io", "ours").await;
        assert_eq!(password(&shop.fetch(&[]).await, "quay.io"), "ours");

        shop.warm().await;
        shop.editor.credential_delete(&shop.scope, overriding, None).await.expect("it is deleted");
        assert_eq!(password(&shop.fetch(&[]).await, "quay.io"), format!("theirs-{round}"));

        shop.warm().await;
        operator.credential_delete(&acme, crate::support::id(&inherited), None).await.expect("it is deleted");
        assert_eq!(keys(&shop.fetch(&[]).await), ["ghcr.io"]);
    }
    assert_eq!(recalls(&shop).await.1, 100, "each change made what was remembered lapse");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expires_is_forgotten_in_time() {
    let shop = Shop::open().await;
    shop.add("ghcr.io", "hunter2").await;
    let ending = shop.add("quay.io", "hunter2").await;
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap();
    let end = Timestamp::from_microseconds(now + 2_000_000).expect("it is a time");
    shop.change(ending, CredentialChange { expires_at: Change::Set(end), ..CredentialChange::default() }).await;
    shop.warm().await;
    let before = shop.fetch(&[]).await;
    assert_eq!(keys(&before).len(), 2, "this machine took more than two seconds for four requests");
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let after = shop.fetch(&[]).await;
    assert_eq!(keys(&after), ["ghcr.io"]);
    assert_eq!(after.omitted, [(ending, "expired".to_owned())]);
    assert!(shop.fetch_unless(&[], Some(&before.tag)).await.is_some(), "nor is it said to be what it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_as_good_as_it_is_without_memory() {
    let shop = Shop::open().await;
    shop.add("ghcr.io", "hunter2").await;
    shop.warm().await;
    let admin = shop.server.client(Role::Admin, &shop.scope).await;
    let name = "argo".parse().unwrap();
    for _ in 0..20 {
        let new = NewToken { name: &name, role: Role::Deployer, expires_in_days: None };
        let made = admin.token_create(&shop.scope, &new).await.expect("it is made");
        let id = regcred::domain::id::TokenId::from_uuid(made.id);
        let deployer = shop.server.client_with(Some(made.token));
        let fetched = deployer.pull_secret(&shop.project, &[], None).await.expect("it is good");
        let PullSecret::Document { etag, .. } = fetched else { panic!("nothing was said of what is known") };
        deployer.pull_secret(&shop.project, &[], None).await.expect("it is good");
        admin.token_revoke(&shop.scope, id).await.expect("it is revoked");
        let refused = problem(deployer.pull_secret(&shop.project, &[], None).await);
        assert_eq!((refused.status, slug(&refused)), (401, "unauthenticated"));
        let refused = problem(deployer.pull_secret(&shop.project, &[], etag.as_deref()).await);
        assert_eq!(refused.status, 401, "nor is it told whether anything has changed");
    }
    // Those who may not are told so, and it stands in the log, although the answer lies ready.
    let viewer = shop.server.client(Role::Viewer, &shop.scope).await;
    assert_eq!(problem(viewer.pull_secret(&shop.project, &[], None).await).status, 403);
    shop.server.project("acme/other").await;
    let stranger = shop.server.client(Role::Deployer, &crate::support::scope("acme/other")).await;
    assert_eq!(problem(stranger.pull_secret(&shop.project, &[], None).await).status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_is_made_anew_has_nothing_of_the_old_one() {
    let shop = Shop::open().await;
    let deployer = shop.server.client(Role::Deployer, &organization("acme")).await;
    shop.add("ghcr.io", "hunter2").await;
    let fetch = async || deployer.pull_secret(&shop.project, &[], None).await;
    for _ in 0..2 {
        fetch().await.expect("it is handed out");
    }
    shop.server.operator().project_delete(&shop.project).await.expect("it is deleted");
    assert_eq!(problem(fetch().await).status, 404);
    shop.server.project("acme/shop").await;
    let PullSecret::Document { body, .. } = fetch().await.expect("it is there again") else {
        panic!("it is another one")
    };
    assert_eq!(body.expose(), b"{\"auths\":{}}");
}
