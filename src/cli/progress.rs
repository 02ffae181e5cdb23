//! How far a long command is, for the person at the terminal. Elsewhere it says nothing.

use crate::service::backup::{Progress, Unit};
use indicatif::{ProgressBar, ProgressStyle};

const ROWS: &str = "{msg:>18} {wide_bar} {human_pos} of {human_len} rows, {eta} left";
const LOGINS: &str = "{msg:>18} {wide_bar} {human_pos} of {human_len}";
const BYTES: &str = "{msg:>18} {wide_bar} {bytes} of {total_bytes}, {eta} left";

/// A bar on standard error, if that is a terminal.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new() -> Self {
        Self(ProgressBar::hidden())
    }

    /// A bar for logins that are tried.
    pub(super) fn of_logins(total: usize) -> Self {
        let style = ProgressStyle::with_template(LOGINS).expect("the templates are fixed, and a test reads them");
        Self(ProgressBar::new(total as u64).with_style(style).with_message("Verifying"))
    }

    /// One more is done.
    pub(super) fn step(&self) {
        self.0.inc(1);
    }
}

impl Progress for Bar {
    fn begin(&mut self, what: &'static str, total: u64, unit: Unit) {
        let template = match unit {
            Unit::Rows => ROWS,
            Unit::Bytes => BYTES,
        };
        let style = ProgressStyle::with_template(template).expect("the templates are fixed, and a test reads them");
        // Draws nothing where there is no terminal.
        self.0 = ProgressBar::new(total).with_style(style).with_message(what);
    }

    fn reach(&mut self, done: u64) {
        self.0.set_position(done);
    }

    fn end(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_can_be_read() {
        let mut bar = Bar::new();
        Bar::of_logins(2).step();
        for unit in [Unit::Rows, Unit::Bytes] {
            bar.begin("Testing", 10, unit);
            bar.reach(5);
            bar.end();
        }
    }
}
