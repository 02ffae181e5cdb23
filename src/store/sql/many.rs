//! Statements over many rows of values at once.
//!
//! A statement that takes any number of rows would be another text, prepared anew, for every number. So there are texts for powers
//! of two only, and the rows that are left over say nothing.

/// The most rows that one statement takes. Both databases allow 32,766 values; a row here has at most 13.
pub(super) const MOST: usize = 512;

/// How the value of that number, from 1, is written.
pub(super) type Place = fn(usize) -> String;

/// As a number, for statements that use a value twice, or in another order.
pub(super) fn numbered(number: usize) -> String {
    format!("${number}")
}

/// By its position. `SQLite` looks for a numbered one among all others, each time that one is bound.
pub(super) fn positional(_: usize) -> String {
    "?".to_owned()
}

/// The places of the values of so many rows, behind as many other values: `($1, $2), ($3, $4)`.
pub(super) fn places(before: usize, columns: usize, rows: usize, place: Place) -> String {
    let row = |row| {
        let places: Vec<_> = (1..=columns).map(|column| place(before + row * columns + column)).collect();
        format!("({})", places.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

/// A statement's text for 1, 2, 4, ... [`MOST`] rows.
pub(super) struct Texts(Vec<String>);

impl Texts {
    /// Of a head with as many values as it says, rows of so many values, and what comes behind them.
    pub(super) fn new((head, before): (&str, usize), columns: usize, tail: &str, place: Place) -> Self {
        let text = |rows| format!("{head}{}{tail}", places(before, columns, rows, place));
        Self((0..=MOST.ilog2()).map(|power| text(1 << power)).collect())
    }

    /// The text for the least number of rows that is not less than this one.
    pub(super) fn at_least(&self, rows: usize) -> (usize, &str) {
        let rows = rows.clamp(1, MOST).next_power_of_two();
        (rows, &self.0[rows.ilog2() as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_their_places() {
        let texts = Texts::new(("$1 ", 1), 2, " end", numbered);
        assert_eq!(texts.at_least(1), (1, "$1 ($2, $3) end"));
        assert_eq!(texts.at_least(2), (2, "$1 ($2, $3), ($4, $5) end"));
        assert_eq!(texts.at_least(3).0, 4);
        assert_eq!(texts.at_least(MOST + 1).0, MOST);
        assert_eq!(places(0, 1, 3, positional), "(?), (?), (?)");
    }
}
