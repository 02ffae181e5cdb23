use super::*;
use crate::store::tables::Column;

const ID: Uuid = Uuid::from_u128(0x0197_aaaa_0000_7000_8000_0000_0000_0001);

fn header() -> Header {
    Header { deployment: DeploymentId::from_uuid(ID), created_at: "2027-01-01T00:00:00.000001Z".parse().unwrap() }
}

/// A row of a table with something in every column, or only where there must be something.
fn row(table: &'static Table, full: bool) -> Row {
    let time = "2027-01-01T00:00:00.123456Z".parse().unwrap();
    let value = |column: &Column| match (column.kind, full || !column.nullable) {
        (_, false) => Value::Null,
        (Kind::Uuid, true) => Value::Uuid(ID),
        (Kind::Text, true) => Value::Text("a \"text\"\n\u{1f980}".to_owned()),
        (Kind::Bytes, true) => Value::Bytes(vec![0, 1, 254, 255]),
        (Kind::Integer, true) => Value::Integer(i64::MAX),
        (Kind::Boolean, true) => Value::Boolean(true),
        (Kind::Time, true) => Value::Time(time),
        (Kind::Ids, true) => Value::Ids(vec![ID, Uuid::nil()]),
    };
    Row::new(table, |_, column| Some(value(column))).unwrap()
}

fn rows() -> Vec<Row> {
    let some = |table: &'static Table| if table.has_one_row() { 1 } else { 2 };
    TABLES.iter().flat_map(|table| (0..some(table)).map(|number| row(table, number == 0))).collect()
}

fn file() -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = Writer::begin(&mut file, header()).unwrap();
    for row in rows() {
        writer.row(&row).unwrap();
    }
    writer.finish(3).unwrap();
    file
}

fn read(file: &[u8]) -> Result<(Vec<Row>, Contents), BackupError> {
    let mut reader = Reader::open(file)?;
    let mut rows = Vec::new();
    while let Some(row) = reader.next()? {
        rows.push(row);
    }
    Ok((rows, reader.contents()?))
}

#[test]
fn what_was_written_is_read_again() {
    let (read, contents) = read(&file()).unwrap();
    assert_eq!(contents.header, header());
    assert_eq!(contents.left_out, 3);
    assert_eq!((contents.rows(), contents.count("tokens")), (read.len() as u64, 2));
    for (read, written) in read.iter().zip(rows()) {
        assert_eq!(read.table().name, written.table().name);
        assert!(read.values().map(|(_, value)| value).eq(written.values().map(|(_, value)| value)));
    }
}

#[test]
fn a_file_that_was_cut_off_anywhere_is_refused() {
    let file = file();
    for length in 0..file.len() {
        assert!(read(&file[..length]).is_err(), "cut to {length} of {}", file.len());
    }
    assert!(read(&[&file[..], b"\n"].concat()).is_err(), "something is behind it");
}

#[test]
fn a_file_with_any_bit_altered_is_refused() {
    let file = file();
    for at in 0..file.len() {
        for bit in [1, 0x20] {
            let mut altered = file.clone();
            altered[at] ^= bit;
            assert!(read(&altered).is_err(), "byte {at} of {}", file.len());
        }
    }
}

/// The file with a line changed, and a last line that fits.
fn rewritten(change: impl Fn(&mut Vec<String>)) -> Vec<u8> {
    let text = String::from_utf8(file()).unwrap();
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    let last = lines.pop().unwrap();
    change(&mut lines);
    let body: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    let (end, _) = last.split_once(",\"sha256\"").unwrap();
    let mut hash = String::new();
    for byte in Sha256::digest(format!("{body}{end}")) {
        write!(hash, "{byte:02x}").unwrap();
    }
    format!("{body}{end},\"sha256\":\"{hash}\"}}\n").into_bytes()
}

#[test]
fn what_is_not_understood_is_refused_and_not_repeated() {
    assert!(read(&rewritten(|_| {})).is_ok(), "the checksum is made right");
    let replaced = |from: &'static str, to: &'static str| {
        rewritten(move |lines| lines.iter_mut().for_each(|line| *line = line.replacen(from, to, 1)))
    };
    for (file, told) in [
        (replaced("regcred-backup", "hunter2"), "is no backup"),
        (replaced("\"version\":1,\"regcred\"", "\"version\":2,\"regcred\""), "use a newer one"),
        (replaced("\"schema\":", "\"schema\":99"), "made by a newer regcred"),
        (replaced("\"regcred\":", "\"hunter2\":1,\"regcred\":"), "line 1 of the backup is not a header"),
        (
            replaced("\"singleton\":", "\"hunter2\":1,\"singleton\":"),
            "line 2 of the backup has a column that is not known",
        ),
        (replaced("\"singleton\":", "\"hunter2\":"), "line 2 of the backup lacks a column"),
        (
            replaced("\"singleton\":", "\"singleton\":\"hunter2\",\"x\":"),
            "line 2 of the backup has a value of the wrong kind",
        ),
        (replaced("\"table\":\"tokens\"", "\"table\":\"hunter2\""), "is of a table that this regcred does not know"),
        (replaced("\"table\":\"tokens\"", "\"tab\":\"hunter2\""), "is neither a row nor the last line"),
        (rewritten(|lines| lines.swap(1, 2)), "line 3 of the backup is not in its place"),
        (rewritten(|lines| lines[3] = "hunter2".to_owned()), "line 4 of the backup is not an object of JSON"),
        (rewritten(|lines| drop(lines.remove(3))), "by its checksum"),
        (b"hunter2".to_vec(), "is no backup"),
        (Vec::new(), "is no backup"),
    ] {
        let error = read(&file).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn an_older_file_says_who_can_read_it() {
    let older = rewritten(|lines| {
        lines[0] = lines[0].replacen(&format!("\"schema\":{SCHEMA}"), "\"schema\":0", 1);
    });
    assert!(matches!(read(&older), Err(BackupError::OlderSchema)));
}
