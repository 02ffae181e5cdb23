use super::{
    super::{Header, Progress, Unit, format::Writer, verify_file, verify_snapshot},
    *,
};
use crate::store::{
    StoreError,
    tables::{Kind, RowOrFault, Snapshot, TABLES},
};
use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use uuid::Uuid;

/// Says that all rows are there, and shows none.
struct Forgetful<'a>(&'a Contents);

#[async_trait]
impl Snapshot for Forgetful<'_> {
    async fn count(&mut self, table: &'static Table) -> Result<u64, StoreError> {
        Ok(self.0.count(table.name))
    }

    fn rows(&mut self, _: &'static Table) -> stream::BoxStream<'_, Result<RowOrFault, StoreError>> {
        stream::empty().boxed()
    }

    async fn close(self: Box<Self>) {}
}

struct Unwatched;

impl Progress for Unwatched {
    fn begin(&mut self, _: &'static str, _: u64, _: Unit) {}
    fn reach(&mut self, _: u64) {}
    fn end(&mut self) {}
}

fn row(table: &'static Table) -> Row {
    let row = Row::new(table, |_, column| {
        Some(match column.kind {
            _ if column.nullable => Value::Null,
            Kind::Uuid => Value::Uuid(Uuid::nil()),
            Kind::Text => Value::Text(String::new()),
            Kind::Bytes => Value::Bytes(Vec::new()),
            Kind::Integer => Value::Integer(1),
            Kind::Boolean => Value::Boolean(true),
            Kind::Time => Value::Time("2027-01-01T00:00:00Z".parse().unwrap()),
            Kind::Ids => Value::Ids(Vec::new()),
        })
    });
    row.unwrap()
}

/// A backup with one row in every table, and what is in it.
fn backup() -> (Vec<u8>, Contents) {
    let deployment = DeploymentId::from_uuid(Uuid::nil());
    let mut file = Vec::new();
    let header = Header { deployment, created_at: "2027-01-01T00:00:00Z".parse().unwrap() };
    let mut writer = Writer::begin(&mut file, header).unwrap();
    for table in TABLES {
        writer.row(&row(table)).unwrap();
    }
    let contents = writer.finish(0).unwrap();
    (file, contents)
}

fn keys() -> Keys {
    Keys { keyring: Keyring::new(Vec::new()), faults: Vec::new() }
}

#[tokio::test]
async fn a_check_that_came_upon_nothing_is_none() {
    let (_, contents) = backup();
    let done = verify_snapshot(&mut Forgetful(&contents), &contents, keys(), &mut Unwatched).await;
    assert!(matches!(done, Err(BackupError::Untried { seen: 0, expected: 2 })), "{done:?}");
}

#[tokio::test]
async fn a_file_in_which_an_envelope_was_passed_over_is_not_checked() {
    let (file, mut contents) = backup();
    let done = verify_file(&file[..], &contents, keys(), &mut Unwatched).await.unwrap();
    assert_eq!((done.opened, done.failed), (0, 2));
    let credentials = TABLES.iter().find(|table| table.name == "credentials").unwrap();
    contents.take(&row(credentials));
    let done = verify_file(&file[..], &contents, keys(), &mut Unwatched).await;
    assert!(matches!(done, Err(BackupError::Untried { seen: 2, expected: 3 })), "{done:?}");
}
