//! Moving house: from the embedded database to PostgreSQL and back.

use super::{
    World, done, events,
    load::{add_events, shows_one_moment},
    on, refused, rows,
    schema::{described, is_kept, references},
    text,
};
use crate::support::{
    Binary, Server,
    postgres::{Cluster, Database},
};
use regcred::store::{sql, tables::Kind};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// The command line on this data folder and that database.
fn on_both(data: &Path, database: &Database) -> Binary {
    on(data).env("REGCRED_DATABASE_URL", &database.url)
}

fn serve(data: &Path, database: &Database) -> Server {
    Binary::new().env("REGCRED_DATABASE_URL", &database.url).serve(data).expect("it starts")
}

/// The rows of a backup but for what a restore and the reading since have added.
fn settled(file: &Path) -> Vec<Value> {
    let added = |row: &Value| row["operation"] == "deployment.restore" || row["operation"] == "pull_secret.get";
    let mut rows = rows(file);
    rows.retain(|row| !added(row) && row["table"] != "audit_position");
    for row in &mut rows {
        row.as_object_mut().expect("it is an object").remove("last_used_at");
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_moves_to_postgresql_and_back_with_everything() {
    let mut world = World::new().await;
    let (secret, before) = (world.pull(&world.server).await, events(&world.server));
    world.server.stop();
    let first = world.backup("first");

    let database = Cluster::shared().database();
    let there = world.fresh("there");
    let cli = on_both(&there, &database);
    let told = refused(&cli, &["backup", &text(&world.path("nothing"))], 1);
    assert!(told.contains("the database holds nothing of regcred's"), "{told}");
    let output = done(&cli, &["restore", &text(&first)]);
    assert!(output.stderr.contains("; all 8 envelopes open."), "{output:?}");
    let told = refused(&cli, &["restore", &text(&first)], 5);
    assert!(told.contains("holds an installation already"), "{told}");
    fs::copy(world.server.data().join("operator.token"), there.join("operator.token")).unwrap();
    let second = world.path("second");
    {
        let server = serve(&there, &database);
        assert_eq!(events(&server)[..before.len()], before, "the log goes on where it was");
        assert_eq!(world.pull(&server).await, secret);
        let numbers =
            "select count(*) || ' ' || max(sequence) || ' ' || (select last from audit_position) from audit_events";
        let count = before.len() + 2;
        assert_eq!(database.psql(numbers), format!("{count} {count} {count}"));
        done(&cli, &["backup", &text(&second)]);
        assert_eq!(database.count("select count(*) from replicas"), 1, "it runs");
    }
    assert_eq!(settled(&second), settled(&first), "every column of every row");

    let back = world.fresh("back");
    done(&on(&back), &["restore", &text(&second)]);
    fs::copy(world.server.data().join("operator.token"), back.join("operator.token")).unwrap();
    let third = world.path("third");
    done(&on(&back), &["backup", &text(&third)]);
    assert_eq!(settled(&third), settled(&first), "and back");
    let server = Binary::new().serve(&back).unwrap();
    assert_eq!(events(&server)[..before.len()], before);
    assert_eq!(world.pull(&server).await, secret);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_postgresql_under_load_shows_one_moment() {
    let database = Cluster::shared().database();
    shows_one_moment(World::with(Binary::new().env("REGCRED_DATABASE_URL", &database.url)).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_into_postgresql_that_was_killed_leaves_it_empty() {
    let mut world = World::new().await;
    let secret = world.pull(&world.server).await;
    world.server.stop();
    let file = world.backup("backup");
    add_events(&file, 10_000);
    let database = Cluster::shared().database();
    let there = world.fresh("there");
    let cli = on_both(&there, &database);
    let mut child = cli.command().args(["restore", &text(&file)]).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    let writes =
        "select count(*) from pg_stat_activity where datname = current_database() and query like 'insert into audit%'";
    while database.count(writes) == 0 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
        assert!(begun.elapsed() < Duration::from_mins(1), "it writes");
        thread::sleep(Duration::from_millis(5));
    }
    Command::new("kill").args(["-s", "KILL", &child.id().to_string()]).status().unwrap();
    assert!(!child.wait().unwrap().success());
    let left = "select (select count(*) from deployment) + (select count(*) from audit_events)";
    assert_eq!(database.count(left), 0);
    // The server may take a moment to notice that nobody is there any more.
    while database.count("select count(*) from pg_stat_activity where application_name = 'regcred'") > 0 {
        thread::sleep(Duration::from_millis(20));
    }
    done(&cli, &["restore", &text(&file)]);
    assert_eq!(world.pull(&serve(&there, &database)).await, secret);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_into_postgresql_needs_no_data_folder() {
    let mut world = World::new().await;
    world.server.stop();
    let (file, there) = (world.backup("backup"), world.path("there"));
    done(&on_both(&there, &Cluster::shared().database()), &["restore", "--no-verify", &text(&file)]);
    assert!(!there.exists(), "nothing would be in it");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_look_is_told_so_and_not_to_migrate() {
    let database = Cluster::shared().database();
    let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    done(&on_both(data.path(), &database), &["migrate"]);
    let role = format!("nobody_{}", std::process::id());
    database.psql(&format!("create role {role} login"));
    let url = database.url.replace("postgres@", &format!("{role}@"));
    let nobody = on(data.path()).env("REGCRED_DATABASE_URL", &url);
    for command in [&["backup", &text(&folder.path().join("backup"))][..], &["migrate"]] {
        let told = refused(&nobody, command, 1);
        assert!(told.contains("permission denied for table _sqlx_migrations"), "{told}");
    }
    database.psql(&format!("drop role {role}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_and_column_of_postgresql_is_in_a_backup_or_left_out_for_a_reason() {
    let database = Cluster::shared().database();
    let settings = sql::PostgresSettings::parse(&zeroize::Zeroizing::new(database.url.clone())).unwrap();
    sql::open(&sql::Database::Postgres(Box::new(settings))).await.unwrap().close().await;
    let columns = "select table_name || ' ' || column_name || ' ' || udt_name || \
                   case is_nullable when 'YES' then ' null' else ' something' end from information_schema.columns \
                   join information_schema.tables using (table_schema, table_name) \
                   where table_schema = 'public' and table_type = 'BASE TABLE'";
    let columns = database.psql(columns);
    let word = |kind| match kind {
        Kind::Uuid => "uuid",
        Kind::Text => "text",
        Kind::Bytes => "bytea",
        Kind::Integer => "int8",
        Kind::Boolean => "bool",
        Kind::Time => "timestamptz",
        Kind::Ids => "_uuid",
    };
    let found = columns.lines().map(|line| line.split(' ').collect::<Vec<_>>()).filter(|column| is_kept(column[0]));
    let found: BTreeSet<_> = found.map(|column| column.join(" ")).collect();
    assert_eq!(found, described(word).into_iter().map(|words| words.join(" ")).collect());
    let keys = "select c.conrelid::regclass || ' ' || a.attname || ' ' || c.confrelid::regclass from pg_constraint c \
                join pg_attribute a on a.attrelid = c.conrelid and a.attnum = any (c.conkey) where c.contype = 'f'";
    let keys = database.psql(keys);
    let keys = keys.lines().map(|line| line.split(' ').collect::<Vec<_>>()).filter(|key| is_kept(key[0]));
    let references = references().into_iter().map(|reference| reference.join(" "));
    assert_eq!(keys.map(|key| key.join(" ")).collect::<BTreeSet<_>>(), references.collect());
}
