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
    Ok(lines)
}

/// How fast the disk is just now: whoever else uses it can make it many times slower.
pub fn disk(arguments: &Arguments) -> Result<String> {
    let (append, append_p99) = commits(&arguments.work, Writing::Append)?;
    let (overwrite, overwrite_p99) = commits(&arguments.work, Writing::Overwrite)?;
    Ok(format!(
        "disk: 4 KiB durable in {append:.2} ms (p50), {append_p99:.2} ms (p99) appended; {overwrite:.2} ms, \
         {overwrite_p99:.2} ms written over in place"
    ))
}

/// The first line that a program writes.
fn said(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output().with_context(|| format!("{program} does not start"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}
