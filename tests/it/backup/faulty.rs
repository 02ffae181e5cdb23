//! Rows with faults: those that do not open are carried and named, and those that cannot be carried are named and left out.

use super::{World, done, on, refused, rows, text};
use crate::support::Binary;
use sqlx::{Connection as _, Executor as _, SqliteConnection, sqlite::SqliteConnectOptions};

async fn sql(world: &World, statement: &'static str) {
    let options = SqliteConnectOptions::new().filename(world.server.database());
    let options = options.pragma("ignore_check_constraints", "on").foreign_keys(false);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let changed = connection.execute(statement).await.unwrap();
    assert!(changed.rows_affected() > 0, "{statement}");
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_open_is_named_and_carried_as_it_is() {
    let mut world = World::new().await;
    world.server.stop();
    // One that was redirected, one whose data key was altered with a second one under it.
    sql(
        &world,
        "update credentials set server = 'ghcr.io/mallory' where server = 'ghcr.io/acme' and scope_id = \
                 (select id from scopes where name = 'shop')",
    )
    .await;
    sql(
        &world,
        "update data_keys set wrapped = cast(substr(wrapped, 1, length(wrapped) - 1) || \
                 case substr(wrapped, -1) when x'00' then x'01' else x'00' end as blob) where scope_id = \
                 (select id from scopes where name = 'api')",
    )
    .await;
    let file = world.path("backup");
    let told = refused(&world.cli, &["backup", &text(&file)], 1);
    assert!(told.contains("the backup was written, but 4 of 8 envelopes do not open"), "{told}");
    let lines = |what: &str| told.lines().filter(|line| line.starts_with("warning: ") && line.contains(what)).count();
    assert_eq!(lines("of credentials was sealed under another key or for another place"), 1, "{told}");
    assert_eq!(lines("of data_keys was altered after it was sealed"), 1, "{told}");
    assert_eq!(lines("of credentials its data key does not open"), 2, "{told}");
    let id = rows(&file).into_iter().find(|row| row["server"] == "ghcr.io/mallory").unwrap()["id"].clone();
    assert!(told.contains(id.as_str().unwrap()), "{told}");

    let data = world.fresh("restored");
    let told = refused(&on(&data), &["restore", &text(&file)], 1);
    assert!(told.contains("the backup was restored, but 4 of 8 envelopes do not open"), "{told}");
    let restored = Binary::new().serve(&data).unwrap();
    let secret = world.pull(&restored).await;
    assert_eq!(secret["auths"].as_object().unwrap().keys().collect::<Vec<_>>(), ["quay.io"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_carried_is_named_and_left_out_with_what_refers_to_it() {
    let mut world = World::new().await;
    let secret = world.pull(&world.server).await;
    world.server.stop();
    sql(&world, "update scopes set created_at = -1 where name = 'api'").await;
    sql(
        &world,
        "insert into audit_events select 9000, id, at, request_id, principal, token_id, scope, organization_id, \
         project_id, operation, 'soup', outcome, address from audit_events where sequence = 3",
    )
    .await;
    let file = world.path("backup");
    let told = refused(&world.cli, &["backup", &text(&file)], 1);
    assert!(told.contains("because of created_at") && told.contains("because of what it refers to"), "{told}");
    assert!(told.contains("the backup was written, without 6 rows that cannot be read"), "{told}");
    let data = world.fresh("restored");
    let told = refused(&on(&data), &["restore", &text(&file)], 1);
    assert!(told.contains("the backup was restored, without 6 rows that cannot be read"), "{told}");
    assert_eq!(world.pull(&Binary::new().serve(&data).unwrap()).await, secret);
    done(&on(&data), &["backup", &text(&world.path("whole"))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_tells_of_a_lost_row_is_carried() {
    let mut world = World::new().await;
    world.server.stop();
    sql(
        &world,
        "insert into audit_prunings (id, at, principal, token_id, first_sequence, last_sequence, count, oldest_at, \
         newest_at, sha256) select randomblob(16), 1, name, id, 1, 1, 1, 1, 1, zeroblob(32) from tokens limit 1",
    )
    .await;
    sql(&world, "update tokens set created_at = -1 where id = (select token_id from audit_prunings)").await;
    let file = world.path("backup");
    let told = refused(&world.cli, &["backup", &text(&file)], 1);
    assert!(told.contains("the backup was written, without 1 row that cannot be read"), "{told}");
    let told_of = |table: &str| rows(&file).iter().filter(|row| row["table"] == table).count();
    assert_eq!((told_of("tokens"), told_of("audit_prunings")), (3, 1));
    let told = refused(&on(&world.fresh("restored")), &["restore", &text(&file)], 1);
    assert!(told.contains("the backup was restored, without 1 row"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_loses_rows_while_it_is_filled_is_noticed() {
    let mut world = World::new().await;
    world.server.stop();
    let file = world.backup("backup");
    for (table, told) in [("credentials", "0 of 4 rows of credentials"), ("tokens", "0 of 4 rows of tokens")] {
        let data = world.fresh(table);
        done(&on(&data), &["migrate"]);
        let options = SqliteConnectOptions::new().filename(data.join("regcred.db"));
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        let trigger =
            format!("create trigger eats after insert on {table} begin delete from {table} where id = new.id; end");
        connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(trigger))).await.unwrap();
        connection.close().await.unwrap();
        let stderr = refused(&on(&data), &["restore", &text(&file)], 1);
        assert!(stderr.contains(told), "{stderr}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_could_not_be_restored_is_not_backed_up() {
    let mut world = World::new().await;
    world.server.stop();
    // It is a view of this.
    sql(&world, "delete from sqlite_sequence where name = 'audit_events'").await;
    let file = world.path("backup");
    let told = refused(&world.cli, &["backup", &text(&file)], 1);
    assert!(told.contains("must have one row of audit_position") && !file.exists(), "{told}");
}
