//! Everything that is kept, as tables of values: what a backup carries from one database to another.
//!
//! The rest of the store answers domain types, and leaves out what means nothing. Here a row is its columns as they are, so
//! that a row with a fault is carried with its fault, and is there to be looked at. Nothing here knows SQL; `store::sql` makes
//! its statements from [`TABLES`], and a test holds that table against the schemas of all databases.

use super::{Rows, StoreError};
use crate::domain::{audit::AuditEvent, timestamp::Timestamp};
use async_trait::async_trait;
use futures_util::stream::BoxStream;
use std::collections::HashSet;
use uuid::Uuid;

/// The number of the last migration that [`TABLES`] knows.
pub const SCHEMA: u32 = 7;

/// Tables that are no part of a backup: each says why.
pub const LEFT_BEHIND: &[(&str, &str)] = &[
    ("replicas", "the processes that run on this database, and on no other"),
    ("stamps", "what processes on this database may go by, made anew with the scopes and tokens that they are of"),
    ("stamps_moment", "what stands for all stamps together"),
    (
        "credential_checks",
        "what registries said of logins lately, which may be asked again from wherever the database is",
    ),
    ("audit_places", "where each audit event is found, made anew from the events"),
    ("audit_filed", "how far that was done in this database; in a new one nothing is"),
];

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An identifier.
    Uuid,
    /// Text.
    Text,
    /// Bytes, such as an envelope.
    Bytes,
    /// A number.
    Integer,
    /// Yes or no.
    Boolean,
    /// A moment.
    Time,
    /// Identifiers.
    Ids,
}

/// What stands in a column of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Null,
    /// An identifier.
    Uuid(Uuid),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A number.
    Integer(i64),
    /// Yes or no.
    Boolean(bool),
    /// A moment.
    Time(Timestamp),
    /// Identifiers.
    Ids(Vec<Uuid>),
}

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds, unless it is empty.
    pub kind: Kind,
    /// Whether it may be empty.
    pub nullable: bool,
    /// In which table of the database there must be a row with this key.
    pub refers_to: Option<&'static str>,
}

impl Column {
    const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, nullable: false, refers_to: None }
    }

    const fn or_null(self) -> Self {
        Self { nullable: true, ..self }
    }

    const fn refers_to(self, table: &'static str) -> Self {
        Self { refers_to: Some(table), ..self }
    }

    fn takes(&self, value: &Value) -> bool {
        match value {
            Value::Null => self.nullable,
            Value::Uuid(_) => self.kind == Kind::Uuid,
            Value::Text(_) => self.kind == Kind::Text,
            Value::Bytes(_) => self.kind == Kind::Bytes,
            Value::Integer(_) => self.kind == Kind::Integer,
            Value::Boolean(_) => self.kind == Kind::Boolean,
            Value::Time(_) => self.kind == Kind::Time,
            Value::Ids(_) => self.kind == Kind::Ids,
        }
    }
}

/// Which rows of a table are meant, where one must come before others that refer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All.
    Whole,
    /// Those with nothing in that column.
    Without(&'static str),
    /// Those with something in that column.
    With(&'static str),
}

/// A table, or one of its parts.
#[derive(Debug)]
pub struct Table {
    /// What a backup calls it.
    pub name: &'static str,
    /// What a database calls it.
    pub source: &'static str,
    /// Which of its rows.
    pub part: Part,
    /// How many rows a fresh database has in it.
    pub initial: u64,
    /// Its columns. The first one is the primary key.
    pub columns: &'static [Column],
}

impl Table {
    /// Whether it always has one row.
    #[must_use]
    pub fn has_one_row(&self) -> bool {
        self.columns[0].name == "singleton"
    }
}

/// A row of a table: for each column of that a value that it takes.
#[derive(Debug, Clone)]
pub struct Row {
    table: &'static Table,
    values: Vec<Value>,
}

impl Row {
    /// A row with what that gives for each column and its number.
    ///
    /// # Errors
    /// The first column that it gives nothing for, or something that does not belong there.
    pub fn new(
        table: &'static Table,
        mut give: impl FnMut(usize, &'static Column) -> Option<Value>,
    ) -> Result<Self, &'static Column> {
        let columns = table.columns.iter().enumerate();
        let values = columns.map(|(at, column)| give(at, column).filter(|value| column.takes(value)).ok_or(column));
        Ok(Self { table, values: values.collect::<Result<_, _>>()? })
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> &'static Table {
        self.table
    }

    /// The columns with what stands in them.
    #[must_use]
    pub fn values(&self) -> impl ExactSizeIterator<Item = (&'static Column, &Value)> {
        self.table.columns.iter().zip(&self.values)
    }

    /// What stands in a column.
    ///
    /// # Panics
    /// The table has no such column.
    #[must_use]
    pub fn value(&self, column: &str) -> &Value {
        let found = self.values().find(|(known, _)| known.name == column);
        found.expect("who asks for a column knows the table").1
    }

    /// The identifier in a column.
    #[must_use]
    pub fn uuid(&self, column: &str) -> Option<Uuid> {
        if let Value::Uuid(id) = self.value(column) { Some(*id) } else { None }
    }

    /// The text in a column.
    #[must_use]
    pub fn text(&self, column: &str) -> Option<&str> {
        if let Value::Text(text) = self.value(column) { Some(text) } else { None }
    }

    /// The bytes in a column.
    #[must_use]
    pub fn bytes(&self, column: &str) -> Option<&[u8]> {
        if let Value::Bytes(bytes) = self.value(column) { Some(bytes) } else { None }
    }

    /// The number in a column, if it can be a version.
    #[must_use]
    pub fn version(&self, column: &str) -> Option<u32> {
        if let Value::Integer(number) = self.value(column) { u32::try_from(*number).ok() } else { None }
    }

    /// Whether it refers to one of these, which are named by their tables in the database and their keys.
    #[must_use]
    pub fn refers_to(&self, keys: &HashSet<(&'static str, Uuid)>) -> bool {
        self.values().any(|(column, value)| match (column.refers_to, value) {
            (Some(table), Value::Uuid(key)) => keys.contains(&(table, *key)),
            _ => false,
        })
    }

    /// What names the row to people.
    #[must_use]
    pub fn id(&self) -> String {
        match self.values().find(|(column, _)| column.name == "id") {
            Some((_, Value::Uuid(id))) => id.to_string(),
            _ => "?".to_owned(),
        }
    }
}

/// All that stands in a database at one moment, whatever others write meanwhile.
#[async_trait]
pub trait Snapshot: Send {
    /// How many rows a table has.
    async fn count(&mut self, table: &'static Table) -> Result<u64, StoreError>;

    /// The rows of a table by their keys, each or why it cannot be carried.
    fn rows(&mut self, table: &'static Table) -> BoxStream<'_, Result<RowOrFault, StoreError>>;

    /// Ends it, and waits until the database knows.
    async fn close(self: Box<Self>);
}

/// A row, or why it cannot be carried.
pub type RowOrFault = <Rows<Row> as IntoIterator>::Item;

/// An empty database that is being filled. Dropped without [`Filling::commit`], it is as empty as before.
#[async_trait]
pub trait Filling: Send {
    /// Adds rows, of tables in the order of [`TABLES`].
    async fn insert(&mut self, rows: &[Row]) -> Result<(), StoreError>;

    /// Makes everything durable together with the event that tells of it.
    async fn commit(self: Box<Self>, event: AuditEvent) -> Result<(), StoreError>;
}

/// Writes a table's columns as `name Kind`, with what else there is to say of one behind it.
macro_rules! columns {
    ($($name:ident $kind:ident $(.$more:ident($($argument:expr)?))*),+ $(,)?) => {
        &[$(Column::new(stringify!($name), Kind::$kind) $(.$more($($argument)?))*),+]
    };
}

const SCOPES: &[Column] =
    columns! { id Uuid, parent_id Uuid.or_null().refers_to("scopes"), name Text, created_at Time };

const fn whole(name: &'static str, columns: &'static [Column]) -> Table {
    Table { name, source: name, part: Part::Whole, initial: 0, columns }
}

/// Every table of a backup, those first that others refer to.
pub static TABLES: &[Table] = &[
    whole("deployment", columns! { singleton Integer, id Uuid, created_at Time }),
    whole("master_keys", columns! { id Uuid, state Text, salt Bytes.or_null(), check_value Bytes, created_at Time }),
    Table { name: "organizations", source: "scopes", part: Part::Without("parent_id"), initial: 0, columns: SCOPES },
    Table { name: "projects", source: "scopes", part: Part::With("parent_id"), initial: 0, columns: SCOPES },
    whole(
        "data_keys",
        columns! {
            id Uuid, scope_id Uuid.or_null().refers_to("scopes"), version Integer,
            master_key_id Uuid.refers_to("master_keys"), wrapped Bytes, created_at Time,
        },
    ),
    whole(
        "credentials",
        columns! {
            id Uuid, scope_id Uuid.refers_to("scopes"), server Text, kind Text, username Text.or_null(),
            email Text.or_null(), image_prefix Text.or_null(), expires_at Time.or_null(), enabled Boolean,
            version Integer, revision Integer, sealed Bytes, fingerprint Bytes, created_at Time, updated_at Time,
            rotated_at Time, last_used_at Time.or_null(), identity Text.or_null(), ca_certificates Text.or_null(),
        },
    ),
    whole(
        "tokens",
        columns! {
            id Uuid, scope_id Uuid.or_null().refers_to("scopes"), name Text, role Text, mac Bytes, expires_at Time,
            created_at Time,
        },
    ),
    whole(
        "audit_events",
        columns! {
            sequence Integer, id Uuid, at Time, request_id Uuid, principal Text, token_id Uuid.or_null(), scope Text,
            organization_id Uuid.or_null(), project_id Uuid.or_null(), operation Text, object_ids Ids, outcome Text,
            address Text.or_null(),
        },
    ),
    whole(
        "audit_prunings",
        columns! {
            id Uuid, at Time, principal Text, token_id Uuid.or_null(), first_sequence Integer, last_sequence Integer,
            count Integer, oldest_at Time, newest_at Time, sha256 Bytes,
        },
    ),
    Table { initial: 1, ..whole("audit_position", columns! { singleton Integer, last Integer }) },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn organization(value: impl Fn(&str) -> Option<Value>) -> Result<Row, &'static str> {
        let table = TABLES.iter().find(|table| table.name == "organizations").expect("there are organizations");
        Row::new(table, |_, column| value(column.name)).map_err(|column| column.name)
    }

    #[test]
    fn a_row_holds_for_each_column_what_that_takes() {
        let good = |column: &str| match column {
            "id" => Some(Value::Uuid(Uuid::nil())),
            "name" => Some(Value::Text("acme".to_owned())),
            "created_at" => Some(Value::Time("2027-01-01T00:00:00Z".parse().unwrap())),
            _ => Some(Value::Null),
        };
        let row = organization(good).unwrap();
        assert_eq!((row.text("name"), row.uuid("parent_id"), row.id()), (Some("acme"), None, Uuid::nil().to_string()));
        for (column, value) in [
            ("name", None),
            ("name", Some(Value::Null)),
            ("name", Some(Value::Bytes(b"acme".to_vec()))),
            ("parent_id", Some(Value::Text("acme".to_owned()))),
        ] {
            let other = |name: &str| if name == column { value.clone() } else { good(name) };
            assert_eq!(organization(other).unwrap_err(), column);
        }
    }

    #[test]
    #[should_panic(expected = "who asks for a column knows the table")]
    fn nobody_asks_for_a_column_that_is_not_there() {
        let value = |kind| match kind {
            Kind::Uuid => Value::Uuid(Uuid::nil()),
            Kind::Text => Value::Text(String::new()),
            _ => Value::Time("2027-01-01T00:00:00Z".parse().unwrap()),
        };
        let row = Row::new(&TABLES[2], |_, column| Some(value(column.kind))).unwrap();
        let _ = row.value("nonsense");
    }
}
