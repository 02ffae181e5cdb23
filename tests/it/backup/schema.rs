//! The description of the tables, held against the schema that the migrations make: no migration can forget the backup.

use regcred::store::{
    sql::{self, Database},
    tables::{Kind, LEFT_BEHIND, SCHEMA, TABLES},
};
use sqlx::{Connection as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{collections::BTreeSet, fs};

/// The tables that sqlx and SQLite keep for themselves.
const OTHERS: [&str; 2] = ["_sqlx_migrations", "sqlite_sequence"];

/// Every column of the description: its table, its name, a word for its kind, and whether it may be empty.
pub fn described(word: fn(Kind) -> &'static str) -> BTreeSet<[String; 4]> {
    let columns = TABLES.iter().flat_map(|table| table.columns.iter().map(|column| (table.source, column)));
    let described = columns.map(|(source, column)| [source, column.name, word(column.kind), empty(column.nullable)]);
    described.map(|words| words.map(str::to_owned)).collect()
}

fn empty(may_be: bool) -> &'static str {
    if may_be { "null" } else { "something" }
}

/// Every column that refers to a table, and that table.
pub fn references() -> BTreeSet<[String; 3]> {
    let columns = TABLES.iter().flat_map(|table| table.columns.iter().map(|column| (table.source, column)));
    let referring = columns.filter_map(|(source, column)| Some([source, column.name, column.refers_to?]));
    referring.map(|reference| reference.map(str::to_owned)).collect()
}

/// Whether a table belongs into a backup.
pub fn is_kept(table: &str) -> bool {
    !OTHERS.contains(&table) && LEFT_BEHIND.iter().all(|(name, _)| *name != table)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_and_column_of_sqlite_is_in_a_backup_or_left_out_for_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("regcred.db");
    sql::open(&Database::Sqlite(file.clone())).await.unwrap().close().await;
    let mut connection = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&file)).await.unwrap();
    let columns = "select t.name, c.name, lower(c.type), c.\"notnull\" = 0 and c.pk = 0 from sqlite_schema t join pragma_table_info(t.name) c \
                   where t.type = 'table'";
    let columns = sqlx::query(columns).fetch_all(&mut connection).await.unwrap();
    let mut found = BTreeSet::new();
    for row in &columns {
        let [table, column, kind]: [String; 3] = [row.get(0), row.get(1), row.get(2)];
        let empty = empty(row.get(3)).to_owned();
        if is_kept(&table) {
            let known = ["blob", "text", "integer"].into_iter().find(|known| *known == kind);
            found.insert([table, column, known.expect("it is a known kind").to_owned(), empty]);
        }
    }
    // It is a view, whose columns say neither their kinds nor whether they may be empty.
    let position = sqlx::query("select name from pragma_table_info('audit_position')").fetch_all(&mut connection).await;
    for row in position.unwrap() {
        found.insert(["audit_position".to_owned(), row.get(0), "integer".to_owned(), empty(false).to_owned()]);
    }
    let word = |kind| match kind {
        Kind::Uuid | Kind::Bytes => "blob",
        Kind::Text | Kind::Ids => "text",
        Kind::Integer | Kind::Boolean | Kind::Time => "integer",
    };
    assert_eq!(found, described(word), "store::tables::TABLES describes what the migrations make");
    let keys = "select t.name, k.\"from\", k.\"table\" from sqlite_schema t join pragma_foreign_key_list(t.name) k \
                where t.type = 'table'";
    let keys = sqlx::query(keys).fetch_all(&mut connection).await.unwrap();
    let keys = keys.iter().map(|row| [row.get::<String, _>(0), row.get(1), row.get(2)]).filter(|key| is_kept(&key[0]));
    assert_eq!(keys.collect::<BTreeSet<_>>(), references());
}

#[test]
fn a_migration_has_the_same_number_on_every_database_and_in_every_backup() {
    let last = |folder: &str| {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.map(|name| name[..4].parse::<u32>().unwrap()).max()
    };
    for folder in ["migrations/sqlite", "migrations/postgres"] {
        assert_eq!(last(folder), Some(SCHEMA), "{folder}: a migration makes backups of another schema");
    }
}
