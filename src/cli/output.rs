//! What goes where: data to standard output, talk to standard error. Colour only where `anstream` finds it wanted.

use super::failure::Failure;
use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use comfy_table::{Attribute, Cell, Color, Table, presets};
use serde::Serialize;
use std::io::{self, Write as _};

/// What a table shows where there is nothing.
const NOTHING: &str = "-";
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// How results are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Table,
    /// For people with wide terminals: more columns, and nothing shortened
    Wide,
    /// The API's JSON
    Json,
    /// Only the identifier or name, one a line
    Name,
}

/// Something that can be shown as a row of a table.
pub(super) trait Listed: Serialize + Sized + 'static {
    /// What `-o table` and `-o wide` print.
    const COLUMNS: &'static [Column<Self>];

    /// What `-o name` prints.
    fn name(&self) -> String;
}

/// A column of a table.
pub(super) struct Column<T> {
    title: &'static str,
    shown: Shown,
    cell: fn(&T) -> Cell,
}

/// When a column is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Always,
    Narrow,
    Wide,
}

impl<T> Column<T> {
    /// A column of every table.
    pub(super) const fn new(title: &'static str, cell: fn(&T) -> Cell) -> Self {
        Self { title, shown: Shown::Always, cell }
    }

    /// A column of narrow tables only, which has a wide one in its place.
    pub(super) const fn narrow(title: &'static str, cell: fn(&T) -> Cell) -> Self {
        Self { shown: Shown::Narrow, ..Self::new(title, cell) }
    }

    /// A column of wide tables only.
    pub(super) const fn wide(title: &'static str, cell: fn(&T) -> Cell) -> Self {
        Self { shown: Shown::Wide, ..Self::new(title, cell) }
    }

    fn is_shown(&self, format: Format) -> bool {
        let wide = format == Format::Wide;
        match self.shown {
            Shown::Always => true,
            Shown::Narrow => !wide,
            Shown::Wide => wide,
        }
    }
}

/// Writes data: exactly these bytes.
pub(super) fn data(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    Ok(out.flush()?)
}

/// Writes one line of data.
pub(super) fn line(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

/// Writes a value as JSON for people to read.
pub(super) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_vec_pretty(value).map_err(io::Error::other)?;
    text.push(b'\n');
    data(&text)
}

/// Shows a list. `noun` is what it would be a list of, if it were not empty.
pub(super) fn list<T: Listed>(items: &[T], format: Format, noun: &str) -> Result<(), Failure> {
    match format {
        Format::Json => json(&items),
        Format::Name => items.iter().try_for_each(|item| line(&item.name())),
        Format::Table | Format::Wide if items.is_empty() => {
            note(&format!("No {noun}."));
            Ok(())
        }
        Format::Table | Format::Wide => {
            let columns: Vec<_> = T::COLUMNS.iter().filter(|column| column.is_shown(format)).collect();
            let header: Vec<_> = columns.iter().map(|column| column.title).collect();
            let row = |item| columns.iter().map(|column| (column.cell)(item)).collect();
            line(&table(&header, items.iter().map(row)))
        }
    }
}

/// Shows one thing: as a list of itself, but that JSON has no array around it.
pub(super) fn one<T: Listed>(item: &T, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => json(item),
        Format::Table | Format::Wide | Format::Name => list(std::slice::from_ref(item), format, ""),
    }
}

/// Shows the fields of one thing, a line each.
pub(super) fn fields(fields: &[(&str, String)]) -> Result<(), Failure> {
    let widest = fields.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    fields
        .iter()
        .try_for_each(|(name, value)| line(&format!("{:<width$} {value}", format!("{name}:"), width = widest + 1)))
}

/// Columns without borders, as `kubectl` and `docker` have them; nothing is cut or wrapped, so that it can be searched.
pub(super) fn table(header: &[&str], rows: impl Iterator<Item = Vec<Cell>>) -> String {
    let mut table = Table::new();
    // Colours are always put in; the stream takes them out again where they are not wanted.
    table.load_style(presets::NOTHING).enforce_styling().style_text_only();
    table.set_header(header.iter().map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

/// Says how many items of a list the service could not read.
pub(super) fn warn_unreadable(number: u64) {
    if number > 0 {
        warn(&format!("{number} more could not be read by the service; its log names them"));
    }
}

/// Says what is missing from the audit log.
pub(super) fn warn_of_holes(holes: &[String]) {
    for hole in holes {
        warn(hole);
    }
}

/// A text, or a dash where there is none.
pub(super) fn or_dash(text: Option<&str>) -> Cell {
    Cell::new(text.unwrap_or(NOTHING))
}

/// A word in the colour of its meaning.
pub(super) fn coloured(text: &str, color: Color) -> Cell {
    Cell::new(text).fg(color)
}

/// Says something to the person at the terminal.
pub(super) fn note(text: &str) {
    // Talk that nobody hears is no failure.
    let _ = talk(|out| writeln!(out, "{text}"));
}

/// Warns the person at the terminal.
pub(super) fn warn(text: &str) {
    let _ = talk(|out| writeln!(out, "{WARNING}warning:{WARNING:#} {text}"));
}

/// Writes to standard error, whole lines at a time.
pub(super) fn talk(write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = anstream::stderr().lock();
    write(&mut out)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_columns_of_plain_text_once_colour_is_taken_out() {
        let rows = [vec![Cell::new("1"), coloured("active", Color::Green)], vec![Cell::new("23"), or_dash(None)]];
        let text = table(&["ID", "STATUS"], rows.into_iter());
        let plain = anstream::adapter::strip_str(&text).to_string();
        let lines: Vec<_> = plain.lines().collect();
        assert_eq!(lines, ["ID  STATUS", "1   active", "23  -"]);
    }
}
