//! Logins with CA certificates, which their passwords are bound to.

use super::{World, done, on, refused, rewrite, text};
use crate::support::{Authority, Binary, login, scope, store};
use regcred::domain::permission::Role;
use serde_json::Value;
use std::fs;

const SERVER: &str = "registry.acme.example";

#[tokio::test(flavor = "multi_thread")]
async fn a_login_with_ca_certificates_opens_after_a_restore_and_with_no_other_ones() {
    let mut world = World::new().await;
    let (shop, own, strange) = (scope("acme/shop"), Authority::new(), Authority::new());
    let editor = world.server.client(Role::Editor, &shop).await;
    store(&editor, &shop, &login(SERVER, "bot", "hunter2-on-our-own").vouched_by(&own.pem)).await;
    let secret = world.pull(&world.server).await;
    assert_eq!(secret["auths"][SERVER]["password"], "hunter2-on-our-own");
    world.server.stop();
    let file = world.backup("backup");
    let data = world.fresh("restored");
    let output = done(&on(&data), &["restore", &text(&file)]);
    assert!(output.stderr.contains("; all 9 envelopes open.\n"), "{output:?}");
    assert_eq!(world.pull(&Binary::new().serve(&data).unwrap()).await, secret);
    let again = world.path("again");
    done(&on(&data), &["restore", "--dry-run", &text(&file)]);
    done(&on(&data), &["backup", &text(&again)]);
    let vouched = |file| super::rows(file).into_iter().find(|row| row["server"] == SERVER).unwrap();
    assert_eq!(vouched(&again)["ca_certificates"], own.pem.replace("\r\n", "\n"));

    // Whoever holds the file may not say who else is that registry.
    for (number, other) in [Value::from(strange.pem), Value::Null].into_iter().enumerate() {
        let altered = world.path(&format!("altered-{number}"));
        fs::copy(&file, &altered).unwrap();
        rewrite(&altered, |lines| {
            let row = lines.iter_mut().find(|line| line["server"] == SERVER).unwrap();
            assert_eq!(std::mem::replace(&mut row["ca_certificates"], other), vouched(&file)["ca_certificates"]);
        });
        let told = refused(&on(&world.fresh(&format!("fresh-{number}"))), &["restore", &text(&altered)], 1);
        assert!(told.contains("1 of 9 envelopes do not open"), "{told}");
    }
}
