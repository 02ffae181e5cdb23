//! What the schedule does with those whose registries take their time.

use super::{Shop, told};
use crate::support::{Binary, Peer, Response, id, login, organization, store};
use regcred::domain::permission::Role;
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

    let begun = Instant::now();
    let check = loop {
        assert!(begun.elapsed() < Duration::from_mins(5), "nobody tries it: {}", shop.server.log());
        match theirs.credential_get(&globex, id(&stored)).await.unwrap().value.last_check {
            Some(check) => break check,
            None => sleep(Duration::from_millis(100)).await,
        }
    };
    assert_eq!(told(&check), ("ok", "no_login_needed"));
    let came: Vec<_> = silent.iter().map(Peer::connections).collect();
    assert_eq!(came[0], 1, "its other logins are left alone: {came:?}");
    assert!(came[1] <= 1 && came[2..] == [0, 0], "the organization has had its share by then: {came:?}");
}
