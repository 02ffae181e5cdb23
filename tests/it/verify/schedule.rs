//! What the schedule does with those whose registries take their time, and with those who have very many logins.

use super::{Shop, told};
use crate::support::{Binary, Peer, Response, id, login, organization, store};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use regcred::{
    client::Client,
    domain::{permission::Role, scope::Scope},
    http::wire,
};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use std::time::{Duration, Instant};
use tokio::time::sleep;

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_whose_registries_do_not_answer_does_not_hold_up_the_schedule() {
    // Each of these costs eight seconds.
    let silent: Vec<_> = (0..4).map(|_| Peer::start(|_| Response::Silence)).collect();
    let quick = Peer::start(|_| Response::welcome());
    let hosts: Vec<_> = silent.iter().chain([&quick]).map(Peer::host).collect();
    let insecure: Vec<_> = hosts.iter().map(String::as_str).collect();
    let binary = Binary::new().env("REGCRED_REGISTRY_NETWORKS", "127.0.0.1").env("REGCRED_RECHECK_HOURS", "1");
    let shop = Shop::with(binary, &insecure, &[]).await;
    for host in [&hosts[0], &format!("{}/a", hosts[0]), &format!("{}/b", hosts[0]), &hosts[1], &hosts[2], &hosts[3]] {
        store(&shop.editor, &shop.scope, &login(host, "bot", "pw")).await;
    }
    // Behind them all, as the schedule goes.
    let globex = organization("globex");
    shop.server.project("globex/app").await;
    let theirs = shop.server.client(Role::Editor, &globex).await;
    let stored = store(&theirs, &globex, &login(&quick.host(), "bot", "pw")).await;

    let check = turn(&shop, &theirs, &globex, &stored).await;
    assert_eq!(told(&check), ("ok", "no_login_needed"));
    let came: Vec<_> = silent.iter().map(Peer::connections).collect();
    assert_eq!(came[0], 1, "its other logins are left alone: {came:?}");
    assert!(came[1] <= 1 && came[2..] == [0, 0], "the organization has had its share by then: {came:?}");
}

/// What becomes of a login when its turn has come.
async fn turn(shop: &Shop, theirs: &Client, scope: &Scope, stored: &wire::Credential) -> wire::LastCheck {
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < Duration::from_mins(5), "nobody tries it: {}", shop.server.log());
        // Where the whole machine stands still for a while, a connection may be over by the time that it is used.
        let found = theirs.credential_get(scope, id(stored)).await.ok();
        match found.and_then(|found| found.value.last_check) {
            Some(check) => return check,
            None => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// A registry that takes these passwords only, and a login of another organization's that was added after all of these.
async fn behind_others(logins: usize) -> (Shop, Peer, wire::Credential) {
    let peer = Peer::start(|seen| match seen.header("authorization") {
        Some(_) => Response::welcome(),
        None => Response::challenge("Basic realm=\"x\""),
    });
    let shop = Shop::open(&[&peer.host()], &[]).await;
    for number in 0..logins {
        store(&shop.editor, &shop.scope, &login(&format!("{}/r{number}", peer.host()), "acme", "pw")).await;
    }
    shop.server.project("globex/app").await;
    let stored = store(&shop.server.operator(), &organization("globex"), &login(&peer.host(), "globex", "pw")).await;
    (shop, peer, stored)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_with_many_quick_logins_takes_turns_with_others() {
    let (mut shop, peer, stored) = behind_others(12).await;
    shop.server.stop();
    shop.server.restart_with("REGCRED_RECHECK_HOURS", "1");
    let check = turn(&shop, &shop.server.operator(), &organization("globex"), &stored).await;
    assert_eq!(told(&check), ("ok", "login_accepted"));
    let came: Vec<_> = peer.seen().iter().filter_map(|seen| seen.header("authorization").map(str::to_owned)).collect();
    let theirs = format!("Basic {}", STANDARD.encode("globex:pw"));
    let before = came.iter().position(|login| *login == theirs);
    assert_eq!(before, Some(1), "organizations take turns: {came:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_logins_of_an_organization_do_not_keep_the_schedule_from_those_behind_them() {
    let (mut shop, _peer, stored) = behind_others(1).await;
    let options = SqliteConnectOptions::new().filename(shop.server.database());
    let mut writer = SqliteConnection::connect_with(&options).await.unwrap();
    // They do not open under other names, which costs the schedule no connection, but does cost it their turns.
    let copies = sqlx::query(
        "insert into credentials select unhex(printf('%032x', value)), scope_id, 'r' || value || '.example.com', kind, username, \
         email, image_prefix, expires_at, enabled, version, revision, sealed, fingerprint, created_at, updated_at, rotated_at, \
         last_used_at, identity, ca_certificates from credentials, json_each($2) where credentials.id <> $1",
    );
    let numbers = format!("{:?}", (1..=10_000).collect::<Vec<_>>());
    assert_eq!(copies.bind(stored.id).bind(numbers).execute(&mut writer).await.unwrap().rows_affected(), 10_000);
    writer.close().await.unwrap();
    shop.server.stop();
    shop.server.restart_with("REGCRED_RECHECK_HOURS", "1");
    let check = turn(&shop, &shop.server.operator(), &organization("globex"), &stored).await;
    assert_eq!(told(&check), ("ok", "login_accepted"));
}
