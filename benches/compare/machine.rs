//! What the figures were measured on, in words.

use crate::{
    arguments::Arguments,
    measure::{Writing, commits},
};
use anyhow::{Context as _, Result};
use std::{fs, process::Command};

/// A line for each thing that one must know to compare figures with others.
pub fn describe(arguments: &Arguments) -> Result<Vec<String>> {
    let processor = fs::read_to_string("/proc/cpuinfo")?;
    let model = processor.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let count = std::thread::available_parallelism()?;
    let work = arguments.work.to_str().context("the working folder's name is text")?;
    let mut lines = vec![
        format!("processor: {count} x {}", model.trim_start_matches([' ', '\t', ':'])),
        format!("kernel: {}", said("uname", &["-sr"])?),
        format!("regcred: {}", said(env!("CARGO_BIN_EXE_regcred"), &["--version"])?),
        // It ends with 1 after it said so.
        format!("wrk: {}", said("wrk", &["--version"])?),
    ];
    lines.push(format!("databases in {work} on {}", said("findmnt", &["-no", "FSTYPE,SOURCE", "--target", work])?));
    for (writing, words) in [(Writing::Append, "appended"), (Writing::Overwrite, "written over in place")] {
        let (p50, p99) = commits(&arguments.work, writing)?;
        lines.push(format!("disk: 4 KiB {words} and made durable in {p50:.2} ms (p50), {p99:.2} ms (p99)"));
    }
    Ok(lines)
}

/// The first line that a program writes.
fn said(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output().with_context(|| format!("{program} does not start"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}
