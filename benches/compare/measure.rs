//! What processes and the disk take: read from `/proc`, and tried out.

use anyhow::{Context as _, Result};
use std::{
    fs,
    io::{Seek as _, SeekFrom, Write as _},
    path::Path,
    time::{Duration, Instant},
};

/// `USER_HZ`, in which `/proc` counts: the same on every architecture that regcred is built for.
const TICKS_PER_SECOND: u32 = 100;
const COMMITS: usize = 300;
const BLOCK: usize = 4096;

/// The time that these processes have computed so far, over all their threads.
pub fn computed(pids: &[u32]) -> Result<Duration> {
    let ticks = pids.iter().map(|pid| Ok(Stat::read(*pid)?.own)).sum::<Result<u32>>()?;
    Ok(Duration::from_secs(1) * ticks / TICKS_PER_SECOND)
}

/// The same for a process and all its children, those that have ended too.
pub fn computed_with_children(pid: u32) -> Result<Duration> {
    let parent = Stat::read(pid)?;
    let mut ticks = parent.own + parent.ended_children;
    for entry in fs::read_dir("/proc")? {
        let Some(child) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // One that ends meanwhile is counted by its parent the next time.
        if let Ok(child) = Stat::read(child)
            && child.parent == pid
        {
            ticks += child.own;
        }
    }
    Ok(Duration::from_secs(1) * ticks / TICKS_PER_SECOND)
}

struct Stat {
    parent: u32,
    own: u32,
    ended_children: u32,
}

impl Stat {
    fn read(pid: u32) -> Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name of the program is in brackets, and may hold anything.
        let (_, fields) = text.rsplit_once(')').context("proc(5) says what is in the file")?;
        let fields: Vec<_> = fields.split_whitespace().collect();
        let field = |number: usize| -> Result<u32> {
            // The first of these fields is the third of the line.
            Ok(fields.get(number - 3).context("proc(5) says what is in the file")?.parse()?)
        };
        Ok(Self { parent: field(4)?, own: field(14)? + field(15)?, ended_children: field(16)? + field(17)? })
    }
}

/// The memory that these processes have resident, in MiB.
pub fn resident(pids: &[u32]) -> Result<f64> {
    let mut kibibytes = 0;
    for pid in pids {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the process has memory")?;
        kibibytes += line.trim().trim_end_matches(" kB").parse::<u32>()?;
    }
    Ok(f64::from(kibibytes) / 1024.0)
}

/// How a file is written that is made durable block by block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writing {
    /// It grows, as a new log does.
    Append,
    /// It has its length already, as a log that is used again.
    Overwrite,
}

/// How long the disk takes to make a block durable, in milliseconds: half of the times at most, and 99 of 100.
pub fn commits(folder: &Path, writing: Writing) -> Result<(f64, f64)> {
    let mut file = tempfile::tempfile_in(folder)?;
    let block = [0x5a; BLOCK];
    if writing == Writing::Overwrite {
        for _ in 0..COMMITS {
            file.write_all(&block)?;
        }
        file.sync_all()?;
        file.seek(SeekFrom::Start(0))?;
    }
    let mut times = Vec::with_capacity(COMMITS);
    for _ in 0..COMMITS {
        let begun = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok((times[COMMITS / 2], times[COMMITS * 99 / 100]))
}
