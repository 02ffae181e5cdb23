//! wrk: sends requests as fast as they are answered, and counts.

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use std::{
    io::Read as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// How many of wrk send, where there are as many connections.
const SENDERS: usize = 2;

/// Stands in a request where a number is to be that was never used before; known to `load.lua`.
pub const MARK: &str = "@@@@@@@@@@@@";

/// What to send where.
#[derive(Debug, Clone)]
pub struct Load<'a> {
    /// The servers, which get an equal share of the connections each.
    pub targets: Vec<&'a str>,
    /// The file of requests.
    pub requests: &'a Path,
    /// Connections over all servers.
    pub connections: usize,
}

/// What came of it, over all servers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counted {
    /// Whole answers.
    pub answers: u64,
    /// Answers in a second.
    pub rate: f64,
    /// Bytes that came in.
    pub bytes: u64,
    /// How long half of the requests took at most, in milliseconds; the worst of what each wrk says.
    pub p50: f64,
    /// How long 99 of 100 took at most.
    pub p99: f64,
    /// How long 999 of 1,000 took at most.
    pub p999: f64,
}

/// The line that `load.lua` writes at the end.
#[derive(Debug, Deserialize)]
struct Line {
    requests: u64,
    microseconds: u64,
    bytes: u64,
    connect: u64,
    read: u64,
    write: u64,
    timeout: u64,
    status: u64,
    p50: u64,
    p99: u64,
    p999: u64,
}

/// A running wrk. Killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Load<'_> {
    /// Sends for that long. Any error is one of the whole comparison.
    pub fn run(&self, duration: Duration) -> Result<Counted> {
        // Each has one thread: wrk lets the first of several send while it still makes the requests of the next, and does
        // not count that time.
        let senders = self.targets.len().max(SENDERS.min(self.connections));
        let targets = self.targets.iter().cycle().take(senders).enumerate();
        // These shares add up to all connections.
        let share = |number: usize| ((self.connections + number) / senders).max(1);
        let running = targets.map(|(number, target)| self.start(target, share(number), duration));
        let running = running.collect::<Result<Vec<_>>>()?;
        let mut sum = Counted::default();
        for wrk in running {
            let line = finish(wrk)?;
            let failed = line.connect + line.read + line.write + line.timeout + line.status;
            ensure!(
                failed == 0,
                "of {} answers {} had an error status; connections failed {} times to open, {} to read, {} to write; {} \
                 requests were not answered in time",
                line.requests,
                line.status,
                line.connect,
                line.read,
                line.write,
                line.timeout
            );
            sum.answers += line.requests;
            sum.rate += float(line.requests) / float(line.microseconds) * 1e6;
            sum.bytes += line.bytes;
            sum.p50 = sum.p50.max(float(line.p50) / 1e3);
            sum.p99 = sum.p99.max(float(line.p99) / 1e3);
            sum.p999 = sum.p999.max(float(line.p999) / 1e3);
        }
        Ok(sum)
    }

    fn start(&self, target: &str, connections: usize, duration: Duration) -> Result<Running> {
        static STARTED: AtomicU64 = AtomicU64::new(0);
        let mut command = Command::new("wrk");
        command.arg("--threads=1").arg(format!("--connections={connections}"));
        command.arg(format!("--duration={}s", duration.as_secs())).arg("--timeout=10s");
        command.arg("--script").arg(script()).arg(target).arg("--").arg(self.requests);
        command.arg(STARTED.fetch_add(1, Ordering::Relaxed).to_string());
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        Ok(Running(child.context("wrk does not start; Debian's package wrk has it")?))
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/compare/load.lua")
}

fn finish(mut wrk: Running) -> Result<Line> {
    let mut output = String::new();
    wrk.0.stdout.take().context("its output is piped")?.read_to_string(&mut output)?;
    let status = wrk.0.wait()?;
    let Some(line) = output.lines().find(|line| line.starts_with('{')) else {
        bail!("wrk ended with {status} and said: {output}");
    };
    Ok(serde_json::from_str(line)?)
}

/// A count as what is reckoned with.
#[expect(clippy::cast_precision_loss, reason = "no count here comes near 2 to the power of 53")]
pub fn float(count: u64) -> f64 {
    count as f64
}
