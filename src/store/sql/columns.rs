//! How domain values stand in columns, where a database has no type of its own for them.

use crate::domain::timestamp::Timestamp;
use sqlx::{
    Decode, Encode, Postgres, Sqlite, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef},
    sqlite::{SqliteArgumentsBuffer, SqliteTypeInfo, SqliteValueRef},
};
use std::sync::Arc;
use uuid::{Uuid, fmt::Hyphenated};

impl Type<Sqlite> for Timestamp {
    fn type_info() -> SqliteTypeInfo {
        <i64 as Type<Sqlite>>::type_info()
    }

    fn compatible(ty: &SqliteTypeInfo) -> bool {
        <i64 as Type<Sqlite>>::compatible(ty)
    }
}

impl Encode<'_, Sqlite> for Timestamp {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Sqlite>::encode(self.microseconds(), buffer)
    }
}

impl<'r> Decode<'r, Sqlite> for Timestamp {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        let microseconds = <i64 as Decode<Sqlite>>::decode(value)?;
        Self::from_microseconds(microseconds).ok_or_else(|| "not a time".into())
    }
}

/// PostgreSQL counts its microseconds from 2000-01-01T00:00:00Z.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;
/// The object identifier of `timestamptz` in the catalogue of every PostgreSQL.
const TIMESTAMPTZ: u32 = 1184;
/// That of its arrays.
const ARRAY_OF_TIMESTAMPTZ: u32 = 1185;

impl Type<Postgres> for Timestamp {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(sqlx::postgres::types::Oid(TIMESTAMPTZ))
    }
}

impl PgHasArrayType for Timestamp {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(sqlx::postgres::types::Oid(ARRAY_OF_TIMESTAMPTZ))
    }
}

impl Encode<'_, Postgres> for Timestamp {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Postgres>::encode(self.microseconds() - POSTGRES_EPOCH, buffer)
    }
}

impl<'r> Decode<'r, Postgres> for Timestamp {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        // Infinite times are the ends of the range.
        let microseconds = <i64 as Decode<Postgres>>::decode(value)?.checked_add(POSTGRES_EPOCH);
        microseconds.and_then(Self::from_microseconds).ok_or_else(|| "not a time".into())
    }
}

/// Identifiers in one column: a JSON array on SQLite, an array of UUIDs on PostgreSQL.
#[derive(Debug, Clone, Default)]
pub(super) struct Ids(pub(super) Arc<[Uuid]>);

impl Type<Sqlite> for Ids {
    fn type_info() -> SqliteTypeInfo {
        <String as Type<Sqlite>>::type_info()
    }

    fn compatible(ty: &SqliteTypeInfo) -> bool {
        <String as Type<Sqlite>>::compatible(ty)
    }
}

impl Encode<'_, Sqlite> for Ids {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Sqlite>::encode(listed(&self.0, ["[", "\"", "]"]), buffer)
    }
}

impl<'r> Decode<'r, Sqlite> for Ids {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        let text = <&str as Decode<Sqlite>>::decode(value)?;
        serde_json::from_str::<Vec<Uuid>>(text)
            .map(|ids| Self(ids.into()))
            .map_err(|_| "not a list of identifiers".into())
    }
}

impl Type<Postgres> for Ids {
    fn type_info() -> PgTypeInfo {
        Uuid::array_type_info()
    }
}

impl Encode<'_, Postgres> for Ids {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Postgres>::encode_by_ref(&&*self.0, buffer)
    }
}

impl<'r> Decode<'r, Postgres> for Ids {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        <Vec<Uuid> as Decode<Postgres>>::decode(value).map(|ids| Self(ids.into()))
    }
}

/// Identifiers between commas, in these brackets, each in these quotes: one text is made, and no other on the way.
pub(super) fn listed(ids: &[Uuid], [open, quote, close]: [&str; 3]) -> String {
    let mut text = String::with_capacity(2 + ids.len() * (Hyphenated::LENGTH + 3));
    text.push_str(open);
    for (place, id) in ids.iter().enumerate() {
        text.push_str(if place == 0 { "" } else { "," });
        text.push_str(quote);
        text.push_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
        text.push_str(quote);
    }
    text.push_str(close);
    text
}

/// A text that somebody else keeps too. SQLite takes it without a copy.
#[derive(Debug, Clone)]
pub(super) struct Text(pub(super) Arc<str>);

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl Type<Sqlite> for Text {
    fn type_info() -> SqliteTypeInfo {
        <str as Type<Sqlite>>::type_info()
    }
}

impl Encode<'_, Sqlite> for Text {
    fn encode(self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Sqlite>::encode(self.0, buffer)
    }

    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Sqlite>::encode(self.clone(), buffer)
    }
}

impl Type<Postgres> for Text {
    fn type_info() -> PgTypeInfo {
        <str as Type<Postgres>>::type_info()
    }

    fn compatible(ty: &PgTypeInfo) -> bool {
        <str as Type<Postgres>>::compatible(ty)
    }
}

impl Encode<'_, Postgres> for Text {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Postgres>::encode(&*self.0, buffer)
    }
}
