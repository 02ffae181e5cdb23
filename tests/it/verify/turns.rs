//! Between the schedule's look at who is due and a login's turn lies all that is tried before it. What changed by then counts.

use super::{Shop, told};
use crate::support::{Peer, Response, free_port, id, login, secret_password, store};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use regcred::{client::CredentialChange, http::wire};
use std::time::{Duration, Instant};
use tokio::time::sleep;

fn pair(username: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
}

/// A registry that takes nothing but this password, whoever comes.
fn registry() -> Peer {
    Peer::start(|seen| {
        let field = seen.header("authorization").and_then(|field| field.strip_prefix("Basic "));
        let login = field.and_then(|text| STANDARD.decode(text).ok());
        if login.is_some_and(|login| login.ends_with(b":new horse")) {
            Response::welcome()
        } else {
            Response::challenge("Basic realm=\"x\"")
        }
    })
}

/// Waits for what the schedule does, which takes up to a quarter of a minute to begin.
async fn until(shop: &Shop, what: &str, mut done: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !done().await {
        assert!(begun.elapsed() < Duration::from_mins(2), "{what}: {}", shop.server.log());
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_before_its_turn_is_not_tried_as_it_was() {
    for _ in 0..5 {
        if there_was_time_to_change_them().await {
            return;
        }
    }
    panic!("the first login's turn was over each time before the others were changed");
}

/// Changes logins while the one before them has its turn, and holds what is tried then to what they have become. `false` if
/// that turn was over too soon.
async fn there_was_time_to_change_them() -> bool {
    let (silent, peer) = (Peer::start(|_| Response::Silence), registry());
    let mut shop = Shop::open(&[&silent.host(), &peer.host()], &[]).await;
    // They have their turns in this order.
    let first = store(&shop.editor, &shop.scope, &login(&silent.host(), "first", "old horse")).await;
    let mut stored = Vec::new();
    for name in ["off", "rotated", "gone", "refused", "moved", "last"] {
        let login = login(&format!("{}/{name}", peer.host()), name, "old horse");
        stored.push(store(&shop.editor, &shop.scope, &login).await);
    }
    let [off, rotated, gone, refused, moved, last] = stored.try_into().expect("there are six");
    // Nobody's turn comes before all of them are there.
    shop.server.stop();
    shop.server.restart_with("REGCRED_RECHECK_HOURS", "1");
    let owner = shop.server.operator();
    let last_check = async |login: &wire::Credential| {
        owner.credential_get(&shop.scope, id(login)).await.expect("it is there").value.last_check
    };

    until(&shop, "nobody's turn comes", async || silent.connections() > 0).await;
    let change = CredentialChange { enabled: Some(false), ..CredentialChange::default() };
    owner.credential_update(&shop.scope, id(&off), &change, None).await.unwrap();
    let password = secret_password("new horse");
    let change = CredentialChange { password: Some(&password), ..CredentialChange::default() };
    owner.credential_update(&shop.scope, id(&rotated), &change, None).await.unwrap();
    owner.credential_delete(&shop.scope, id(&gone), None).await.unwrap();
    // Nobody answers there, which is not to be held against the registry that the last one is tried at.
    let nowhere = format!("127.0.0.1:{}/moved", free_port()).parse().unwrap();
    let change = CredentialChange { server: Some(&nowhere), password: Some(&password), ..CredentialChange::default() };
    owner.credential_update(&shop.scope, id(&moved), &change, None).await.unwrap();
    let check = owner.credential_verify(&shop.scope, id(&refused), None).await.unwrap();
    assert_eq!(told(&check), ("unauthorized", "login_refused"));
    if last_check(&first).await.is_some() {
        return false;
    }

    until(&shop, "the last one's turn does not come", async || last_check(&last).await.is_some()).await;
    let sent: Vec<_> = peer.seen().iter().filter_map(|seen| seen.header("authorization").map(str::to_owned)).collect();
    let times =
        |username: &str, password: &str| sent.iter().filter(|field| **field == pair(username, password)).count();
    assert_eq!((times("off", "old horse"), last_check(&off).await.is_none()), (0, true), "it is handed out no more");
    assert_eq!([times("rotated", "old horse"), times("rotated", "new horse")], [0, 1]);
    assert_eq!(last_check(&rotated).await.as_ref().map(told), Some(("ok", "login_accepted")));
    assert_eq!(times("gone", "old horse"), 0);
    assert_eq!(times("refused", "old horse"), 1, "its owner knows already");
    assert_eq!(times("last", "old horse"), 1);
    true
}
