//! What was measured, as a table and as CSV.

use crate::{
    arguments::{Case, Engine},
    world::Start,
};
use anyhow::Result;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets::ASCII_MARKDOWN};
use std::path::Path;

/// Figures of several rounds.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    /// The one in the middle.
    pub median: f64,
    /// The smallest.
    pub least: f64,
    /// The largest.
    pub most: f64,
}

impl Spread {
    /// Of these, of which there is one at least.
    pub fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let middle = figures.len() / 2;
        let median =
            if figures.len() % 2 == 1 { figures[middle] } else { f64::midpoint(figures[middle - 1], figures[middle]) };
        Self { median, least: figures[0], most: figures[figures.len() - 1] }
    }
}

/// What one of the two did in the median of the rounds.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// Answers in a second.
    pub rate: f64,
    /// Milliseconds that half of the requests took at most.
    pub p50: f64,
    /// And 99 of 100.
    pub p99: f64,
    /// And 999 of 1,000.
    pub p999: f64,
    /// Microseconds of computing for each request, over all of its own processes.
    pub cpu: f64,
}

/// A case at some number of connections.
#[derive(Debug, Clone)]
pub struct Row {
    /// The database.
    pub engine: Engine,
    /// Processes of regcred.
    pub replicas: usize,
    /// Credentials in the database at first.
    pub credentials: usize,
    /// Projects that the requests go over.
    pub projects: usize,
    /// The case.
    pub case: Case,
    /// Connections.
    pub connections: usize,
    /// regcred's rate by bare's, round by round.
    pub ratio: Spread,
    /// What regcred did.
    pub regcred: Figures,
    /// What the baseline did.
    pub bare: Figures,
    /// Microseconds of computing for each request in PostgreSQL.
    pub database_cpu: Option<f64>,
    /// MiB resident at the end, over all replicas.
    pub memory: f64,
    /// How much more that is than after the first warm-up.
    pub memory_growth: f64,
    /// How long a server took to start on the database.
    pub start: Start,
    /// The length of the answer's body.
    pub bytes: usize,
}

/// The table that is printed.
pub fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header([
        "database",
        "replicas",
        "credentials",
        "projects",
        "case",
        "bytes",
        "conns",
        "regcred/s",
        "bare/s",
        "ratio % (min..max)",
        "p50/p99/p99.9 ms",
        "bare's ms",
        "CPU us",
        "PG us",
        "bare's us",
        "RSS MiB",
        "growth",
    ]);
    for row in rows {
        let Spread { median, least, most } = row.ratio;
        let times = |figures: &Figures| format!("{:.2}/{:.2}/{:.2}", figures.p50, figures.p99, figures.p999);
        table.add_row([
            row.engine.to_string(),
            row.replicas.to_string(),
            row.credentials.to_string(),
            row.projects.to_string(),
            row.case.to_string(),
            row.bytes.to_string(),
            row.connections.to_string(),
            format!("{:.0}", row.regcred.rate),
            format!("{:.0}", row.bare.rate),
            format!("{:.1} ({:.1}..{:.1})", median * 100.0, least * 100.0, most * 100.0),
            times(&row.regcred),
            times(&row.bare),
            format!("{:.1}", row.regcred.cpu),
            row.database_cpu.map_or_else(|| "-".to_owned(), |cpu| format!("{cpu:.1}")),
            format!("{:.1}", row.bare.cpu),
            format!("{:.1}", row.memory),
            format!("{:+.1}", row.memory_growth),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// Writes everything with a line for each row.
pub fn write_csv(rows: &[Row], path: &Path) -> Result<()> {
    let mut file = csv::Writer::from_path(path)?;
    file.write_record([
        "database",
        "replicas",
        "credentials",
        "projects",
        "case",
        "body_bytes",
        "connections",
        "regcred_per_second",
        "bare_per_second",
        "ratio_median",
        "ratio_min",
        "ratio_max",
        "regcred_p50_ms",
        "regcred_p99_ms",
        "regcred_p999_ms",
        "bare_p50_ms",
        "bare_p99_ms",
        "bare_p999_ms",
        "regcred_cpu_us",
        "postgres_cpu_us",
        "bare_cpu_us",
        "resident_mib",
        "resident_growth_mib",
        "ready_line_ms",
        "readyz_ms",
    ])?;
    for row in rows {
        let mut record = vec![
            row.engine.to_string(),
            row.replicas.to_string(),
            row.credentials.to_string(),
            row.projects.to_string(),
            row.case.to_string(),
            row.bytes.to_string(),
            row.connections.to_string(),
            format!("{:.1}", row.regcred.rate),
            format!("{:.1}", row.bare.rate),
        ];
        let Spread { median, least, most } = row.ratio;
        record.extend([median, least, most].map(|ratio| format!("{ratio:.4}")));
        for figures in [&row.regcred, &row.bare] {
            record.extend([figures.p50, figures.p99, figures.p999].map(|time| format!("{time:.3}")));
        }
        let cpu = row.database_cpu.map(|cpu| format!("{cpu:.2}")).unwrap_or_default();
        record.extend([format!("{:.2}", row.regcred.cpu), cpu, format!("{:.2}", row.bare.cpu)]);
        record.extend([row.memory, row.memory_growth].map(|memory| format!("{memory:.2}")));
        record.extend([row.start.line, row.start.ready].map(|time| format!("{:.1}", time.as_secs_f64() * 1e3)));
        file.write_record(record)?;
    }
    Ok(file.flush()?)
}
