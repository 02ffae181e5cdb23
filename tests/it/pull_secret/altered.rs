//! A row that was altered behind regcred's back.

use super::{Shop, keys};
use crate::support::{problem, slug};
use regcred::domain::id::CredentialId;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use std::path::Path;

async fn connect(database: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(database).connect().await.expect("the database is opened")
}

/// Where an envelope is altered.
#[derive(Clone, Copy)]
enum Spot {
    /// In its header, so that it is no envelope any more.
    First,
    /// In what authenticates it.
    Last,
}

/// Flips one bit of a credential's sealed password.
async fn flip(database: &Path, id: CredentialId, spot: Spot) {
    let mut connection = connect(database).await;
    let select = sqlx::query_scalar("select sealed from credentials where id = $1").bind(id.as_uuid());
    let mut sealed: Vec<u8> = select.fetch_one(&mut connection).await.expect("the row is there");
    let byte = match spot {
        Spot::First => sealed.first_mut(),
        Spot::Last => sealed.last_mut(),
    };
    *byte.expect("an envelope is never empty") ^= 1;
    let update = sqlx::query("update credentials set sealed = $2 where id = $1").bind(id.as_uuid()).bind(sealed);
    assert_eq!(update.execute(&mut connection).await.expect("the row is changed").rows_affected(), 1);
    connection.close().await.expect("the database is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_altered_password_is_left_out_and_named_and_the_others_are_served() {
    alter(Spot::Last).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_envelope_any_more_is_left_out_and_named_and_the_others_are_served() {
    alter(Spot::First).await;
}

async fn alter(spot: Spot) {
    let mut shop = Shop::open().await;
    let bad = shop.add("ghcr.io", "hunter2").await;
    shop.add("quay.io", "hunter3").await;
    let whole = shop.fetch(&[]).await;
    shop.server.stop();
    flip(&shop.server.database(), bad, spot).await;
    shop.reopen().await;

    let rest = shop.fetch(&[]).await;
    assert_eq!(keys(&rest), ["quay.io"]);
    assert_eq!(rest.omitted, [(bad, "unreadable".to_owned())]);
    let log = shop.server.log();
    let named = |line: &&str| {
        line.contains(r#"table="credentials""#)
            && line.contains(r#"column="sealed""#)
            && line.contains(&bad.to_string())
    };
    assert!(log.lines().any(|line| named(&line)), "the log names the row");

    assert_eq!(keys(&shop.fetch(&["quay.io/x"]).await), ["quay.io"]);
    let images = ["ghcr.io/x".to_owned(), "quay.io/x".to_owned()];
    let refused = problem(shop.deployer.pull_secret(&shop.project, &images, None).await);
    assert_eq!((refused.status, slug(&refused)), (500, "unreadable"));
    let said = serde_json::to_string(&refused).expect("a problem becomes JSON");
    for inner in [bad.to_string().as_str(), "sealed", "credentials", "ghcr.io", "hunter2"] {
        assert!(!said.contains(inner), "{said}");
    }

    assert_ne!(rest.tag, whole.tag, "two documents, two tags");
    assert_eq!(shop.fetch_unless(&[], Some(&rest.tag)).await, None);
    shop.server.stop();
    flip(&shop.server.database(), bad, spot).await;
    shop.reopen().await;
    let back = shop.fetch_unless(&[], Some(&rest.tag)).await;
    assert_eq!(back, Some(whole), "who has the document without it learns that it is back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_does_not_open_in_another_row() {
    let mut shop = Shop::open().await;
    let (first, second) = (shop.add("ghcr.io", "hunter2").await, shop.add("quay.io", "hunter3").await);
    shop.server.stop();
    let mut connection = connect(&shop.server.database()).await;
    let copy = "update credentials set sealed = (select sealed from credentials where id = $1) where id = $2";
    let copied = sqlx::query(copy).bind(first.as_uuid()).bind(second.as_uuid()).execute(&mut connection).await;
    assert_eq!(copied.expect("the row is changed").rows_affected(), 1);
    connection.close().await.expect("the database is closed");
    shop.reopen().await;
    let fetched = shop.fetch(&[]).await;
    assert_eq!(
        (keys(&fetched), fetched.omitted),
        (vec!["ghcr.io".to_owned()], vec![(second, "unreadable".to_owned())])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_pointed_at_another_server_is_not_handed_out() {
    let mut shop = Shop::open().await;
    let id = shop.add("ghcr.io", "hunter2").await;
    shop.server.stop();
    let mut connection = connect(&shop.server.database()).await;
    let moved = sqlx::query("update credentials set server = 'evil.example' where id = $1").bind(id.as_uuid());
    assert_eq!(moved.execute(&mut connection).await.expect("the row is changed").rows_affected(), 1);
    connection.close().await.expect("the database is closed");
    shop.reopen().await;
    // Nothing else is there: an empty document would take the place of a good one.
    let refused = problem(shop.deployer.pull_secret(&shop.project, &[], None).await.map(|_| ()));
    assert_eq!((refused.status, slug(&refused)), (500, "unreadable"));
    let other = shop.add("quay.io", "other").await;
    let fetched = shop.fetch(&[]).await;
    assert!(fetched.body.contains("quay.io") && !fetched.body.contains("evil.example"), "{other}: {}", fetched.body);
    assert_eq!(fetched.omitted, vec![(id, "unreadable".to_owned())]);
}
