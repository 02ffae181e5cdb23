//! The file: JSON Lines, so that `jq` and people can read it. [docs/backup-format.md](../../../docs/backup-format.md) shows it.
//!
//! A header, a line for each row, and a last line with the number of rows and the SHA-256 of everything before it. A file
//! without its right last line is none: it is read to its end before anything is made of it.

use super::{BackupError, Contents, Header, IoResult};
use crate::{
    domain::{id::DeploymentId, timestamp::Timestamp},
    store::tables::{Kind, Row, SCHEMA, TABLES, Table, Value},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap as _};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};
use std::{
    fmt::Write as _,
    io::{BufRead, Read as _, Write},
};
use uuid::Uuid;

const FORMAT: &str = "regcred-backup";
const VERSION: u64 = 1;
/// Far more than any row takes, so that what is no backup does not fill the memory.
const LONGEST_LINE: u64 = 64 * 1024 * 1024;

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderLine {
    format: String,
    version: u64,
    /// Which regcred wrote it, for people.
    regcred: String,
    schema: u32,
    deployment: DeploymentId,
    created_at: Timestamp,
}

/// What of the first line every version of the format has.
#[derive(Deserialize)]
struct AnyHeader {
    format: String,
    version: u64,
}

/// The line of a row.
struct RowLine<'a>(&'a Row);

impl Serialize for RowLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let values = self.0.values();
        let mut map = serializer.serialize_map(Some(values.len() + 1))?;
        map.serialize_entry("table", self.0.table().name)?;
        for (column, value) in values {
            map.serialize_entry(column.name, &ValueText(value))?;
        }
        map.end()
    }
}

struct ValueText<'a>(&'a Value);

impl Serialize for ValueText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Uuid(id) => id.serialize(serializer),
            Value::Text(text) => text.serialize(serializer),
            Value::Bytes(bytes) => serializer.serialize_str(&BASE64_STANDARD.encode(bytes)),
            Value::Integer(number) => number.serialize(serializer),
            Value::Boolean(yes) => yes.serialize(serializer),
            Value::Time(time) => time.serialize(serializer),
            Value::Ids(ids) => ids.serialize(serializer),
        }
    }
}

/// The last line, but for the checksum, which is of everything before itself.
struct Trailer<'a>(&'a Contents);

impl Serialize for Trailer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let contents = self.0;
        let mut rows = serde_json::Map::new();
        rows.extend(contents.counts().map(|(name, count)| (name.to_owned(), count.into())));
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("end", FORMAT)?;
        map.serialize_entry("rows", &rows)?;
        map.serialize_entry("left_out", &contents.left_out)?;
        map.end()
    }
}

/// The last line of a file with these contents, whose other lines have that hash. Takes note of the checksum.
fn last_line(contents: &mut Contents, mut hash: Sha256) -> IoResult<String> {
    let mut line = serde_json::to_string(&Trailer(contents))?;
    line.pop();
    hash.update(&line);
    contents.checksum = hash.finalize().into();
    line.push_str(",\"sha256\":\"");
    for byte in contents.checksum {
        // Writing to a string cannot fail.
        let _ = write!(line, "{byte:02x}");
    }
    line.push_str("\"}\n");
    Ok(line)
}

/// Writes a backup.
pub(super) struct Writer<'a> {
    out: &'a mut (dyn Write + Send),
    hash: Sha256,
    line: Vec<u8>,
    contents: Contents,
}

impl<'a> Writer<'a> {
    pub(super) fn begin(out: &'a mut (dyn Write + Send), header: Header) -> IoResult<Self> {
        let mut writer = Self { out, hash: Sha256::new(), line: Vec::new(), contents: Contents::new(header) };
        writer.write(&HeaderLine {
            format: FORMAT.to_owned(),
            version: VERSION,
            regcred: env!("CARGO_PKG_VERSION").to_owned(),
            schema: SCHEMA,
            deployment: header.deployment,
            created_at: header.created_at,
        })?;
        Ok(writer)
    }

    pub(super) fn row(&mut self, row: &Row) -> IoResult<()> {
        self.contents.take(row);
        self.write(&RowLine(row))
    }

    pub(super) fn finish(mut self, left_out: u64) -> Result<Contents, BackupError> {
        self.contents.must_be_usable()?;
        self.contents.left_out = left_out;
        let line = last_line(&mut self.contents, self.hash).map_err(BackupError::Write)?;
        self.out.write_all(line.as_bytes()).and_then(|()| self.out.flush()).map_err(BackupError::Write)?;
        Ok(self.contents)
    }

    fn write(&mut self, line: &impl Serialize) -> IoResult<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, line)?;
        self.line.push(b'\n');
        self.hash.update(&self.line);
        self.out.write_all(&self.line)
    }
}

/// Reads a backup.
pub(super) struct Reader<R> {
    input: R,
    hash: Sha256,
    contents: Contents,
    buffer: Vec<u8>,
    /// The number of the line that was read last.
    line: u64,
    position: u64,
    /// Where in [`TABLES`] the last row belonged.
    table: usize,
    complete: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header.
    pub(super) fn open(mut input: R) -> Result<Self, BackupError> {
        let mut buffer = Vec::new();
        // What is something else may have no lines at all.
        input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut buffer).map_err(BackupError::Read)?;
        let any: AnyHeader = serde_json::from_slice(&buffer).map_err(|_| BackupError::Foreign)?;
        if any.format != FORMAT {
            return Err(BackupError::Foreign);
        }
        if any.version != VERSION {
            return Err(BackupError::NewerFormat);
        }
        let fault = BackupError::Line { line: 1, rule: "is not a header" };
        let header: HeaderLine = serde_json::from_slice(&buffer).map_err(|_| fault)?;
        match header.schema {
            SCHEMA => {}
            newer if newer > SCHEMA => return Err(BackupError::NewerSchema),
            _ => return Err(BackupError::OlderSchema),
        }
        if !buffer.ends_with(b"\n") {
            return Err(BackupError::CutOff);
        }
        let header = Header { deployment: header.deployment, created_at: header.created_at };
        let mut hash = Sha256::new();
        hash.update(&buffer);
        let position = buffer.len() as u64;
        let contents = Contents::new(header);
        Ok(Self { input, hash, contents, buffer, line: 1, position, table: 0, complete: false })
    }

    /// The next row; none behind the last one, when everything was found to be as it was written.
    pub(super) fn next(&mut self) -> Result<Option<Row>, BackupError> {
        if self.complete {
            return Ok(None);
        }
        self.buffer.clear();
        let limited = &mut self.input.by_ref().take(LONGEST_LINE);
        limited.read_until(b'\n', &mut self.buffer).map_err(BackupError::Read)?;
        self.line += 1;
        self.position += self.buffer.len() as u64;
        if !self.buffer.ends_with(b"\n") {
            let too_long = self.buffer.len() as u64 == LONGEST_LINE;
            return Err(if too_long { self.fault("is too long") } else { BackupError::CutOff });
        }
        let Ok(Json::Object(mut fields)) = serde_json::from_slice(&self.buffer) else {
            return Err(self.fault("is not an object of JSON"));
        };
        let Some(name) = fields.remove("table") else {
            return self.end().map(|()| None);
        };
        let row = self.row(&name, fields)?;
        self.hash.update(&self.buffer);
        self.contents.take(&row);
        Ok(Some(row))
    }

    /// How many lines were read.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// How many bytes were read.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// What was in it, once it was read to its end.
    pub(super) fn contents(self) -> Result<Contents, BackupError> {
        if self.complete { Ok(self.contents) } else { Err(BackupError::CutOff) }
    }

    fn fault(&self, rule: &'static str) -> BackupError {
        BackupError::Line { line: self.line, rule }
    }

    fn row(&mut self, name: &Json, mut fields: serde_json::Map<String, Json>) -> Result<Row, BackupError> {
        let known = TABLES.iter().position(|table| name == table.name);
        let at = known.ok_or_else(|| self.fault("is of a table that this regcred does not know"))?;
        if at < self.table {
            return Err(self.fault("is not in its place"));
        }
        self.table = at;
        let table: &'static Table = &TABLES[at];
        if !table.columns.iter().all(|column| fields.contains_key(column.name)) {
            return Err(self.fault("lacks a column"));
        }
        let row = Row::new(table, |_, column| value(column.kind, fields.remove(column.name)?));
        let row = row.map_err(|_| self.fault("has a value of the wrong kind"))?;
        if fields.is_empty() { Ok(row) } else { Err(self.fault("has a column that is not known")) }
    }

    /// Takes the last line, which must be exactly what it would be for what was read.
    fn end(&mut self) -> Result<(), BackupError> {
        /// The one number that the rest does not tell.
        #[derive(Deserialize)]
        struct LeftOut {
            left_out: u64,
        }
        let fault = self.fault("is neither a row nor the last line");
        let LeftOut { left_out } = serde_json::from_slice(&self.buffer).map_err(|_| fault)?;
        self.contents.left_out = left_out;
        let expected = last_line(&mut self.contents, self.hash.clone()).map_err(BackupError::Read)?;
        let rest = self.input.fill_buf().map_err(BackupError::Read)?;
        if expected.as_bytes() != self.buffer || !rest.is_empty() {
            return Err(BackupError::Altered);
        }
        self.contents.must_be_usable()?;
        self.complete = true;
        Ok(())
    }
}

fn value(kind: Kind, field: Json) -> Option<Value> {
    let uuid = |text: &str| Uuid::try_parse(text).ok();
    Some(match (kind, field) {
        (_, Json::Null) => Value::Null,
        (Kind::Uuid, Json::String(text)) => Value::Uuid(uuid(&text)?),
        (Kind::Text, Json::String(text)) => Value::Text(text),
        (Kind::Bytes, Json::String(text)) => Value::Bytes(BASE64_STANDARD.decode(text).ok()?),
        (Kind::Integer, Json::Number(number)) => Value::Integer(number.as_i64()?),
        (Kind::Boolean, Json::Bool(yes)) => Value::Boolean(yes),
        (Kind::Time, Json::String(text)) => Value::Time(text.parse().ok()?),
        (Kind::Ids, Json::Array(ids)) => Value::Ids(ids.iter().map(|id| uuid(id.as_str()?)).collect::<Option<_>>()?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
