//! `regcred verify --all` where nothing can be tried.

use super::Shop;
use crate::support::{login, store};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

#[tokio::test(flavor = "multi_thread")]
async fn if_none_of_many_can_be_tried_each_is_named_and_their_number_is_told() {
    let shop = Shop::open(&[], &[]).await;
    for server in ["a.example.com", "b.example.com", "c.example.com"] {
        store(&shop.editor, &shop.scope, &login(server, "bot", "pw")).await;
    }
    let options = SqliteConnectOptions::new().filename(shop.server.database());
    let mut writer = SqliteConnection::connect_with(&options).await.unwrap();
    let zeros = sqlx::query("update credentials set sealed = zeroblob(length(sealed))");
    assert_eq!(zeros.execute(&mut writer).await.unwrap().rows_affected(), 3);
    writer.close().await.unwrap();
    let cli = shop.server.cli().env("REGCRED_PROJECT", "acme/shop");
    for (format, stdout) in [("table", ""), ("json", "[]\n"), ("name", "")] {
        let all = cli.run(&["verify", "--all", "-o", format], b"");
        assert_eq!((all.status, all.stdout.as_str()), (1, stdout), "{all:?}");
        for server in ["a", "b", "c"] {
            let named = all
                .stderr
                .lines()
                .filter(|line| line.starts_with(&format!("warning: {server}.example.com was not tried: ")));
            assert_eq!(named.count(), 1, "{server}: {all:?}");
        }
        let errors: Vec<_> = all.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors, ["error: 3 of 3 logins could not be tried"], "{all:?}");
        assert!(!all.stderr.contains("No credentials"), "{all:?}");
        // What more there is to know stands in the service's log, under the request of each.
        let mut requests: Vec<_> = all.stderr.split("(request: ").skip(1).map(|rest| &rest[..36]).collect();
        requests.sort_unstable();
        requests.dedup();
        assert_eq!((requests.len(), all.stderr.matches("request: ").count()), (3, 3), "{all:?}");
        let log = shop.server.log();
        assert!(requests.iter().all(|request| log.contains(request)), "{all:?}");
    }
}
