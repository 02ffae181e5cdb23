//! What differs between databases, and the plumbing that lets everything else be written once.
//!
//! A trait implies only bounds on `Self`. So the bounds that sqlx puts on values (`T: Encode<DB>`) are turned around into
//! bounds on the database (`DB: Binds<T>`), which [`Dialect`] can then imply for all code that is generic over it.

use super::{
    adding::Adding,
    audit::Guard,
    columns::{Ids, Text},
    copy::Gives,
    events::EventLists,
    filing::Filing,
    line::{Line, in_time},
    rows::{
        AddedRow, AuditEventRow, CheckpointRow, ClockRow, CountRow, CredentialRow, DataKeyRow, DatabaseStatusRow,
        DeploymentRow, DueRow, FoundTokenRow, IdRow, LapsedRow, MasterKeyRow, MomentRow, PruningRow, Record,
        ReplicaRow, ScopeRow, SealedCredentialRow, StampRow, TokenRow, UnfiledRow,
    },
};
use crate::{
    domain::{audit::AuditEvent, id::CredentialId, timestamp::Timestamp},
    store::{Corrupt, NewSealedCredential, Premise, Rows, StoreError},
};
use futures_util::stream::BoxStream;
use sqlx::{
    ColumnIndex, Connection, Database, Decode, Encode, FromRow, Row as _, Type, database::HasStatementCache,
    error::DatabaseError, query::Query,
};
use std::future::Future;
use uuid::Uuid;

/// A statement of some database with its values.
pub(super) type BoundQuery<DB> = Query<'static, DB, <DB as Database>::Arguments>;

/// A database that regcred can run on.
pub(super) trait Dialect:
    Database
    + HasStatementCache
    + Binds<Uuid>
    + Binds<Option<Uuid>>
    + Binds<String>
    + Binds<Option<String>>
    + Binds<Vec<u8>>
    + Binds<Option<Vec<u8>>>
    + Binds<i64>
    + Binds<Option<i64>>
    + Binds<bool>
    + Binds<Option<bool>>
    + Binds<Timestamp>
    + Binds<Option<Timestamp>>
    + Binds<Ids>
    + Binds<Option<Ids>>
    + Binds<Option<Text>>
    + Gives<Uuid>
    + Gives<String>
    + Gives<Vec<u8>>
    + Gives<i64>
    + Gives<bool>
    + Gives<Timestamp>
    + Gives<Ids>
    + Reads<AddedRow>
    + Reads<AuditEventRow>
    + Reads<CheckpointRow>
    + Reads<ClockRow>
    + Reads<CountRow>
    + Reads<CredentialRow>
    + Reads<DataKeyRow>
    + Reads<DatabaseStatusRow>
    + Reads<DeploymentRow>
    + Reads<DueRow>
    + Reads<FoundTokenRow>
    + Reads<IdRow>
    + Reads<LapsedRow>
    + Reads<MasterKeyRow>
    + Reads<MomentRow>
    + Reads<PruningRow>
    + Reads<ReplicaRow>
    + Reads<ScopeRow>
    + Reads<SealedCredentialRow>
    + Reads<StampRow>
    + Reads<TokenRow>
    + Reads<UnfiledRow>
{
    /// Begins a transaction that may write, and never has to become one later. May be several statements.
    const BEGIN: &'static str;

    /// The same for a change that is rather given up than waited for.
    const BEGIN_BRIEFLY: &'static str;

    /// From here on a change that began briefly waits as long as others: for its numbers, which all take by turns. None where it does.
    const PATIENTLY: Option<&'static str>;

    /// Begins a transaction that only reads.
    const BEGIN_READING: &'static str;

    /// Begins a transaction that only reads, and sees one moment throughout, for as long as it takes.
    const BEGIN_SNAPSHOT: &'static str;

    /// Begins a transaction that writes as long as it takes.
    const BEGIN_FILLING: &'static str;

    /// Finds the token `$1` and keeps it from being revoked until the transaction ends.
    const HOLD_TOKEN: &'static str;

    /// Finds the token `$1` when all who hold it have ended, and before any who come later.
    const CLAIM_TOKEN: &'static str;

    /// What the database says of itself.
    const STATUS: &'static str;

    /// One row if the database has the table in which the migrations keep their state.
    const FIND_MIGRATIONS: &'static str;

    /// Lists audit events in words that make this database use the right index.
    const EVENT_LISTS: &'static EventLists;

    /// How events are put on file, if the database does not do so with every event.
    const FILING: Option<&'static Filing>;

    /// Puts all audit events on file at once, where that is done later.
    const FILE_ALL: Option<&'static str>;

    /// How a credential is added.
    const ADDING: Adding;

    /// Asks for the [`Moment`](super::premises::Moment).
    const MOMENT: &'static str;

    /// Whether events are written if it is still the same moment; else each of their premises is looked at again.
    const GUARDED_BY_MOMENT: bool;

    /// Limits how long statements take on a connection that is used without transactions, if the database can wait for others.
    const LIMIT: Option<&'static str>;

    /// Finds out which of these premises hold no longer, and the moment's version: a row for each, or one without any. There is one
    /// premise at least, and [`MOST_ROWS`](super::MOST_ROWS) at most; so it is with the others.
    fn lapsed(premises: &[Premise]) -> Statement<Self>;

    /// Takes numbers for these events and writes them, if what is guarded holds: the last thing of a transaction, or one by itself.
    fn record(guard: Option<&Guard>, events: &[&AuditEvent]) -> Statement<Self>;

    /// Adds credentials, each in the name of its token, as far as that is there and the scope has none for that server. Answers
    /// the identifiers of those that it added.
    fn add(new: &[NewSealedCredential<'_>]) -> Statement<Self>;

    /// Marks credentials as used, each if that is worth a write. Waits for their rows, if at all, in the order of identifiers, which
    /// all processes share: so none waits for another in a circle.
    fn mark(uses: &[(CredentialId, Timestamp)]) -> Statement<Self>;

    /// Runs statements without values or rows, in one message.
    fn run(
        connection: &mut Self::Connection,
        text: &'static str,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Runs a statement and tells how many rows it changed.
    fn execute(
        connection: &mut Self::Connection,
        query: BoundQuery<Self>,
    ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send;

    /// Runs a statement and gives its rows.
    fn fetch_all(
        connection: &mut Self::Connection,
        query: BoundQuery<Self>,
    ) -> impl Future<Output = Result<Vec<Self::Row>, sqlx::Error>> + Send;

    /// Runs a statement and gives its rows as they come.
    fn fetch(
        connection: &mut Self::Connection,
        query: BoundQuery<Self>,
    ) -> BoxStream<'_, Result<Self::Row, sqlx::Error>>;

    /// What a refusal means.
    fn meaning(refusal: &dyn DatabaseError) -> Refusal;

    /// What may be logged of a refusal: nothing that stands in a row.
    fn describe(refusal: &dyn DatabaseError) -> String;

    /// A new connection outside every pool, vetted like those of the pools.
    fn connect(
        options: &<Self::Connection as Connection>::Options,
    ) -> impl Future<Output = Result<Self::Connection, sqlx::Error>> + Send;
}

/// What a database means when it refuses a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Not now: busy, full, out of time. It passes by itself, or once somebody makes room.
    Passing,
    /// This connection is of no more use: its server goes down, or became one that does not write.
    Disconnected,
    /// Another change came first.
    Conflict,
    /// The statement is wrong.
    Defect,
}

/// A database that takes values of this type.
pub(super) trait Binds<T>: Database {
    /// Adds the value to the statement.
    fn bind(query: BoundQuery<Self>, value: T) -> BoundQuery<Self>;
}

impl<DB: Database, T> Binds<T> for DB
where
    T: for<'q> Encode<'q, DB> + Type<DB> + 'static,
{
    fn bind(query: BoundQuery<Self>, value: T) -> BoundQuery<Self> {
        query.bind(value)
    }
}

/// A database whose rows can be read as this record.
pub(super) trait Reads<R: Record>: Database {
    /// Reads a row, or says which one cannot be read.
    fn read(row: &Self::Row) -> Result<R::Domain, Corrupt>;
}

impl<DB: Database, R> Reads<R> for DB
where
    R: Record + for<'r> FromRow<'r, DB::Row>,
    Uuid: for<'r> Decode<'r, DB> + Type<DB>,
    &'static str: ColumnIndex<DB::Row>,
{
    fn read(row: &Self::Row) -> Result<R::Domain, Corrupt> {
        let read = R::from_row(row).map_err(|error| match error {
            sqlx::Error::ColumnDecode { index, .. } => index,
            sqlx::Error::ColumnNotFound(name) => name,
            _ => "the row".to_owned(),
        });
        read.and_then(|record| record.into_domain().map_err(str::to_owned)).map_err(|column| Corrupt {
            table: R::TABLE,
            column,
            id: row.try_get::<Uuid, _>("id").map_or_else(|_| "?".to_owned(), |id| id.to_string()),
        })
    }
}

/// A statement in the making.
pub(super) struct Statement<DB: Dialect>(BoundQuery<DB>);

/// Begins a statement.
pub(super) fn sql<DB: Dialect>(text: &'static str) -> Statement<DB> {
    Statement(sqlx::query(text))
}

impl<DB: Dialect> Statement<DB> {
    /// Gives the next `$n` its value.
    pub(super) fn bind<T>(self, value: T) -> Self
    where
        DB: Binds<T>,
    {
        Self(DB::bind(self.0, value))
    }

    /// Runs it and tells how many rows it changed.
    pub(super) async fn execute(self, line: &mut impl Line<DB>) -> Result<u64, StoreError> {
        line.check()?;
        let query = self.0.persistent(!line.is_pooled());
        let (connection, deadline) = line.parts();
        let done = in_time(deadline, DB::execute(connection, query)).await;
        done.map_err(|error| line.failed(&error))
    }

    /// Runs it and reads every row, each by itself.
    pub(super) async fn list<R: Record>(self, line: &mut impl Line<DB>) -> Result<Rows<R::Domain>, StoreError>
    where
        DB: Reads<R>,
    {
        line.check()?;
        let query = self.0.persistent(!line.is_pooled());
        let (connection, deadline) = line.parts();
        let rows = in_time(deadline, DB::fetch_all(connection, query)).await;
        let rows = rows.map_err(|error| line.failed(&error))?;
        Ok(rows.iter().map(<DB as Reads<R>>::read).collect())
    }

    /// Runs it and reads every row, or none if one cannot be read.
    pub(super) async fn all<R: Record>(self, line: &mut impl Line<DB>) -> Result<Vec<R::Domain>, StoreError>
    where
        DB: Reads<R>,
    {
        Ok(self.list::<R>(line).await?.into_iter().collect::<Result<_, _>>()?)
    }

    /// Runs it and reads the one row that there may be.
    pub(super) async fn optional<R: Record>(self, line: &mut impl Line<DB>) -> Result<Option<R::Domain>, StoreError>
    where
        DB: Reads<R>,
    {
        Ok(self.list::<R>(line).await?.into_iter().next().transpose()?)
    }
}
