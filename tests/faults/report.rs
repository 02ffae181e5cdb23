//! What was measured, in words and as a row of a table.

use std::{env, fmt::Display, fs::File, io::Write as _, time::Duration};

/// A number of rounds, or `small`, or `large`.
const SIZE: &str = "REGCRED_TEST_FAULTS";
/// The file that rows are added to: fault, rounds, figures and verdict, with tabs between them.
const TABLE: &str = "REGCRED_TEST_FAULTS_TABLE";

/// One fault and what came of it.
pub struct Fault {
    name: &'static str,
    pub rounds: usize,
    figures: Vec<String>,
    /// Which promises did not hold.
    broken: Vec<String>,
    /// What may never happen, and did.
    fatal: Vec<String>,
}

impl Fault {
    /// A fault, and how often it happens in a small and in a large run.
    pub fn new(name: &'static str, small: usize, large: usize) -> Self {
        let rounds = match env::var(SIZE).as_deref() {
            Err(_) | Ok("small") => small,
            Ok("large") => large,
            Ok(number) => number.parse().unwrap_or_else(|_| panic!("{SIZE} is small, large or a number")),
        };
        Self { name, rounds, figures: Vec::new(), broken: Vec::new(), fatal: Vec::new() }
    }

    /// A figure that promises nothing.
    pub fn figure(&mut self, what: &str, value: impl Display) {
        self.figures.push(format!("{what} {value}"));
    }

    /// A duration that promises nothing.
    pub fn time(&mut self, what: &str, time: Duration) {
        self.figure(what, seconds(time));
    }

    /// A duration with a promise.
    pub fn within(&mut self, what: &str, longest: Duration, promised: Duration) {
        self.figure(what, format!("{} (promised {})", seconds(longest), seconds(promised)));
        if longest > promised {
            self.broken.push(what.to_owned());
        }
    }

    /// What may never happen, each of it in words.
    pub fn none(&mut self, what: &str, found: &[String]) {
        self.figure(what, found.len());
        if !found.is_empty() {
            let some: Vec<_> = found.iter().take(5).map(String::as_str).collect();
            self.fatal.push(format!("{what}: {}", some.join("; ")));
        }
    }

    /// What may never happen, counted.
    pub fn zero(&mut self, what: &str, count: usize) {
        self.figure(what, count);
        if count > 0 {
            self.fatal.push(format!("{what}: {count}"));
        }
    }

    /// Ends the test: writes the row, and fails if something happened that may not.
    pub fn report(self) {
        let held = self.broken.is_empty() && self.fatal.is_empty();
        let verdict = if held { "held" } else { "BROKEN" };
        let row = format!("{}\t{}\t{}\t{verdict}\n", self.name, self.rounds, self.figures.join(", "));
        eprint!("{row}");
        if let Some(table) = env::var_os(TABLE) {
            let file = File::options().create(true).append(true).open(table);
            file.and_then(|mut file| file.write_all(row.as_bytes())).expect("the table can be written");
        }
        assert!(self.fatal.is_empty(), "{}: {:#?}", self.name, self.fatal);
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
