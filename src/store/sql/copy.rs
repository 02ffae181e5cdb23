//! Whole tables, out of one database and into another.
//!
//! The statements are made once, from the description of the tables in [`crate::store::tables`], and from nothing else: no
//! value is ever part of one. Rows are streamed instead of read by pages, so that a row whose key cannot be read does not stand
//! in the way of those behind it, and memory stays small.

use super::{
    audit,
    columns::Ids,
    dialect::{BoundQuery, Dialect, sql},
    line::{self, Fault, Line, in_time, store_error},
    rows::CountRow,
};
use crate::{
    domain::{audit::AuditEvent, timestamp::Timestamp},
    store::{
        Corrupt, StoreError,
        tables::{Filling, Kind, Part, Row, RowOrFault, Snapshot, TABLES, Table, Value},
    },
};
use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use sqlx::{ColumnIndex, Connection, Database, Decode, Row as _, Type};
use std::{sync::LazyLock, time::Duration};
use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use uuid::Uuid;

/// How many rows one statement inserts, where there are so many: each statement is a way there and back.
const BATCH: usize = 50;

/// A database whose columns give values of this type.
pub(super) trait Gives<T>: Database {
    /// What stands in that column; none if it is empty.
    fn give(row: &Self::Row, at: usize) -> Result<Option<T>, sqlx::Error>;
}

impl<DB: Database, T> Gives<T> for DB
where
    T: for<'r> Decode<'r, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    fn give(row: &Self::Row, at: usize) -> Result<Option<T>, sqlx::Error> {
        row.try_get(at)
    }
}

/// The statements for one table.
struct Texts {
    count: String,
    select: String,
    insert: String,
    insert_batch: String,
    clear: String,
}

static TEXTS: LazyLock<Vec<Texts>> = LazyLock::new(|| TABLES.iter().map(Texts::of).collect());

impl Texts {
    fn of(table: &Table) -> Self {
        let (source, key) = (table.source, table.columns[0].name);
        let condition = match table.part {
            Part::Whole => String::new(),
            Part::Without(column) => format!(" where {column} is null"),
            Part::With(column) => format!(" where {column} is not null"),
        };
        let names: Vec<_> = table.columns.iter().map(|column| column.name).collect();
        let names = names.join(", ");
        let insert = |rows| format!("insert into {source} ({names}) values {}", places(table.columns.len(), rows));
        Self {
            count: format!("select count(*) as count from {source}{condition}"),
            select: format!("select {names} from {source}{condition} order by {key}"),
            insert: insert(1),
            insert_batch: insert(BATCH),
            clear: format!("delete from {source}"),
        }
    }

    fn find(table: &'static Table) -> &'static Self {
        let at = TABLES.iter().position(|known| known.name == table.name);
        &TEXTS[at.expect("there is no other way to a table than by the list of all")]
    }
}

/// How long one statement may take, or one row of it.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long it may take to put the audit events of a restored database on file.
const FILING: Duration = Duration::from_hours(1);

/// A connection of its own, with a transaction that lasts as long as there is something to do. Dropped before its end, it is
/// closed.
struct LongLine<DB: Dialect> {
    connection: DB::Connection,
    fault: Option<Fault>,
}

impl<DB: Dialect> Line<DB> for LongLine<DB> {
    fn parts(&mut self) -> (&mut DB::Connection, Instant) {
        (&mut self.connection, Instant::now() + PATIENCE)
    }

    fn is_pooled(&self) -> bool {
        // There may be a pooler, and where there is none, few statements are run twice.
        true
    }

    fn fault(&mut self) -> &mut Option<Fault> {
        &mut self.fault
    }
}

impl<DB: Dialect> LongLine<DB> {
    async fn count(&mut self, table: &'static Table) -> Result<u64, StoreError> {
        let count = sql::<DB>(&Texts::find(table).count).optional::<CountRow>(self).await?;
        Ok(count.unwrap_or_default())
    }
}

/// A transaction that only reads.
pub(super) struct SqlSnapshot<DB: Dialect>(LongLine<DB>);

impl<DB: Dialect> SqlSnapshot<DB> {
    /// Begins it.
    pub(super) async fn begin(mut connection: DB::Connection) -> Result<Self, sqlx::Error> {
        in_time(Instant::now() + PATIENCE, DB::run(&mut connection, DB::BEGIN_SNAPSHOT)).await?;
        Ok(Self(LongLine { connection, fault: None }))
    }
}

#[async_trait]
impl<DB: Dialect> Snapshot for SqlSnapshot<DB> {
    async fn count(&mut self, table: &'static Table) -> Result<u64, StoreError> {
        self.0.count(table).await
    }

    fn rows(&mut self, table: &'static Table) -> BoxStream<'_, Result<RowOrFault, StoreError>> {
        let rows = DB::fetch(&mut self.0.connection, sqlx::query(Texts::find(table).select.as_str()).persistent(false));
        let rows = stream::unfold(rows, |mut rows| async {
            let next = in_time(Instant::now() + PATIENCE, async { rows.next().await.transpose() });
            Some((next.await.transpose()?, rows))
        });
        rows.map(move |row| row.map(|row| read::<DB>(table, &row)).map_err(|error| store_error::<DB>(&error))).boxed()
    }

    async fn close(self: Box<Self>) {
        // It only read: there is nothing to lose.
        let _ = self.0.connection.close().await;
    }
}

fn read<DB: Dialect>(table: &'static Table, row: &DB::Row) -> RowOrFault {
    Row::new(table, |at, column| value::<DB>(row, at, column.kind).ok()).map_err(|column| {
        let at = table.columns.iter().position(|column| column.name == "id");
        let id = at.and_then(|at| <DB as Gives<Uuid>>::give(row, at).ok().flatten());
        let id = id.map_or_else(|| "?".to_owned(), |id| id.to_string());
        Corrupt { table: table.source, column: column.name.to_owned(), id }
    })
}

fn value<DB: Dialect>(row: &DB::Row, at: usize, kind: Kind) -> Result<Value, sqlx::Error> {
    fn or_null<T>(found: Option<T>, value: impl FnOnce(T) -> Value) -> Value {
        found.map_or(Value::Null, value)
    }
    Ok(match kind {
        Kind::Uuid => or_null(DB::give(row, at)?, Value::Uuid),
        Kind::Text => or_null(DB::give(row, at)?, Value::Text),
        Kind::Bytes => or_null(DB::give(row, at)?, Value::Bytes),
        Kind::Integer => or_null(DB::give(row, at)?, Value::Integer),
        Kind::Boolean => or_null(DB::give(row, at)?, Value::Boolean),
        Kind::Time => or_null(DB::give(row, at)?, Value::Time),
        Kind::Ids => or_null(DB::give(row, at)?, |Ids(ids)| Value::Ids(ids.to_vec())),
    })
}

/// A database that is being filled.
pub(super) struct SqlFilling<DB: Dialect> {
    line: LongLine<DB>,
    _turn: OwnedSemaphorePermit,
}

impl<DB: Dialect> SqlFilling<DB> {
    /// Begins to fill a database; none if it holds something already.
    pub(super) async fn begin(
        options: &<DB::Connection as Connection>::Options,
        turn: OwnedSemaphorePermit,
    ) -> Result<Option<Self>, StoreError> {
        let connection = DB::connect(options).await.map_err(|error| store_error::<DB>(&error))?;
        let mut line = LongLine::<DB> { connection, fault: None };
        line::run(&mut line, DB::BEGIN_FILLING).await?;
        for table in TABLES {
            if line.count(table).await? > table.initial {
                return Ok(None);
            }
            if table.initial > 0 {
                sql::<DB>(&Texts::find(table).clear).execute(&mut line).await?;
            }
        }
        Ok(Some(Self { line, _turn: turn }))
    }

    async fn run(&mut self, text: &'static str, rows: &[Row]) -> Result<(), StoreError> {
        let mut query = sqlx::query(text).persistent(false);
        for row in rows {
            for (column, value) in row.values() {
                query = bind::<DB>(query, column.kind, value.clone());
            }
        }
        self.line.check()?;
        let (connection, deadline) = self.line.parts();
        let done = in_time(deadline, DB::execute(connection, query)).await;
        done.map_err(|error| self.line.failed(&error))?;
        Ok(())
    }
}

#[async_trait]
impl<DB: Dialect> Filling for SqlFilling<DB> {
    async fn insert(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        // The values of a statement are those of rows of one table, whatever the caller has gathered.
        for rows in rows.chunk_by(|one, next| one.table().name == next.table().name) {
            let texts = Texts::find(rows[0].table());
            let (batches, rest) = rows.as_chunks::<BATCH>();
            for batch in batches {
                self.run(&texts.insert_batch, batch).await?;
            }
            for row in rest {
                self.run(&texts.insert, std::slice::from_ref(row)).await?;
            }
        }
        Ok(())
    }

    async fn commit(mut self: Box<Self>, event: AuditEvent) -> Result<(), StoreError> {
        audit::record::<DB>(&mut self.line, None, &[&event]).await?;
        if let Some(text) = DB::FILE_ALL {
            let filed = in_time(Instant::now() + FILING, DB::run(&mut self.line.connection, text)).await;
            filed.map_err(|error| self.line.failed(&error))?;
        }
        line::commit(&mut self.line).await?;
        // All is durable, whatever becomes of the connection.
        let _ = self.line.connection.close().await;
        Ok(())
    }
}

/// The places of the values of so many rows: `($1, $2), ($3, $4)`.
fn places(columns: usize, rows: usize) -> String {
    let row = |row| {
        let places: Vec<_> = (1..=columns).map(|column| format!("${}", row * columns + column)).collect();
        format!("({})", places.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

/// Gives the next `$n` a value: what it is, and nothing as nothing of the column's kind, for PostgreSQL asks for the type of
/// that too. A [`Row`] has no other values than its columns take.
fn bind<DB: Dialect>(query: BoundQuery<DB>, kind: Kind, value: Value) -> BoundQuery<DB> {
    match value {
        Value::Uuid(id) => DB::bind(query, Some(id)),
        Value::Text(text) => DB::bind(query, Some(text)),
        Value::Bytes(bytes) => DB::bind(query, Some(bytes)),
        Value::Integer(number) => DB::bind(query, Some(number)),
        Value::Boolean(yes) => DB::bind(query, Some(yes)),
        Value::Time(time) => DB::bind(query, Some(time)),
        Value::Ids(ids) => DB::bind(query, Some(Ids(ids.into()))),
        Value::Null => match kind {
            Kind::Uuid => DB::bind(query, None::<Uuid>),
            Kind::Text => DB::bind(query, None::<String>),
            Kind::Bytes => DB::bind(query, None::<Vec<u8>>),
            Kind::Integer => DB::bind(query, None::<i64>),
            Kind::Boolean => DB::bind(query, None::<bool>),
            Kind::Time => DB::bind(query, None::<Timestamp>),
            Kind::Ids => DB::bind(query, None::<Ids>),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_made_of_the_description() {
        let projects = TABLES.iter().find(|table| table.name == "projects").expect("there are projects");
        let texts = Texts::of(projects);
        assert_eq!(
            texts.select,
            "select id, parent_id, name, created_at from scopes where parent_id is not null order by id"
        );
        assert_eq!(texts.insert, "insert into scopes (id, parent_id, name, created_at) values ($1, $2, $3, $4)");
    }
}
