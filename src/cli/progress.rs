//! How far a long command is, for the person at the terminal. Elsewhere it says nothing.

use crate::service::backup::{Progress, Unit};
use indicatif::{ProgressBar, ProgressStyle};

const ROWS: &str = "{msg:>18} {wide_bar} {human_pos} of {human_len} rows, {eta} left";
const STEPS: &str = "{msg:>18} {wide_bar} {human_pos} of {human_len}";
const BYTES: &str = "{msg:>18} {wide_bar} {bytes} of {total_bytes}, {eta} left";

/// A bar on standard error, if that is a terminal.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new() -> Self {
        Self(ProgressBar::hidden())
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

/// A bar of a few steps on standard error, if that is a terminal.
pub(super) struct Steps(ProgressBar);

impl Steps {
    pub(super) fn new(what: &'static str, total: usize) -> Self {
        let style = ProgressStyle::with_template(STEPS).expect("the templates are fixed, and a test reads them");
        let total = u64::try_from(total).unwrap_or(u64::MAX);
        Self(ProgressBar::new(total).with_style(style).with_message(what))
    }

    pub(super) fn step(&self) {
        self.0.inc(1);
    }

    pub(super) fn end(&self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_can_be_read() {
        let mut bar = Bar::new();
        for unit in [Unit::Rows, Unit::Bytes] {
            bar.begin("Testing", 10, unit);
            bar.reach(5);
            bar.end();
        }
        let steps = Steps::new("Testing", 1);
        steps.step();
        steps.end();
    }
}
