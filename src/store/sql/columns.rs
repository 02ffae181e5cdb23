//! How domain values stand in columns, where a database has no type of its own for them.

use crate::domain::timestamp::Timestamp;
use sqlx::{
    Decode, Encode, Postgres, Sqlite, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef},
    sqlite::{SqliteArgumentsBuffer, SqliteTypeInfo, SqliteValueRef},
};
use uuid::Uuid;

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
pub(super) struct Ids(pub(super) Vec<Uuid>);

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
        let quoted: Vec<_> = self.0.iter().map(|id| format!("\"{id}\"")).collect();
        Encode::<Sqlite>::encode(format!("[{}]", quoted.join(",")), buffer)
    }
}

impl<'r> Decode<'r, Sqlite> for Ids {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        let text = <&str as Decode<Sqlite>>::decode(value)?;
        serde_json::from_str(text).map(Self).map_err(|_| "not a list of identifiers".into())
    }
}

impl Type<Postgres> for Ids {
    fn type_info() -> PgTypeInfo {
        Uuid::array_type_info()
    }
}

impl Encode<'_, Postgres> for Ids {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Postgres>::encode_by_ref(&self.0, buffer)
    }
}

impl<'r> Decode<'r, Postgres> for Ids {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        <Vec<Uuid> as Decode<Postgres>>::decode(value).map(Self)
    }
}
