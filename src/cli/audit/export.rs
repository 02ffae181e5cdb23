//! `regcred audit export`, and the first half of `regcred audit prune`: events as lines.

use super::{file::NewFile, holes::Hole};
use crate::{
    cli::{
        exit::Exit,
        failure::Failure,
        output,
        scope::WideScopeArgs,
        session::{Session, called},
    },
    domain::{
        pruning::{LinesDigest, LinesHasher, PruningCount},
        scope::Scope,
        timestamp::Timestamp,
    },
};
use clap::Args;
use std::{
    io::{self, IsTerminal as _, Write},
    path::PathBuf,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  regcred audit export --deployment audit-$(date -u +%FT%H%M%SZ).jsonl
  regcred audit export --project acme/shop - | jq -c 'select(.outcome == \"denied\")'";

/// How many events go by between two words about it.
const STEP: u64 = 50_000;

#[derive(Args)]
pub(super) struct Export {
    #[command(flatten)]
    scope: WideScopeArgs,
    /// Only up to the first event that did not happen before this time, such as 2027-01-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    before: Option<Timestamp>,
    /// The file to make; - for standard output
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) async fn run(args: Export, session: &Session) -> Result<(), Failure> {
    let scope = args.scope.scope(session)?;
    let exported = if args.file.as_os_str() == "-" {
        let mut out = io::stdout().lock();
        let exported = write(session, &scope, args.before, &mut out).await?;
        out.flush()?;
        exported
    } else {
        let mut file = NewFile::create(&args.file)?;
        let exported = write(session, &scope, args.before, &mut file).await?;
        file.keep()?;
        exported
    };
    output::note(&format!("Exported {} audit events of {}.", exported.events, called(&scope)));
    output::warn_unreadable(exported.unreadable);
    Ok(())
}

/// Events that are pruned together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch {
    pub(super) count: PruningCount,
    pub(super) sha256: LinesDigest,
}

/// What an export wrote.
#[derive(Debug, Default)]
pub(super) struct Exported {
    pub(super) events: u64,
    pub(super) batches: Vec<Batch>,
    /// The numbers of the first and the last event, in an export of the whole deployment.
    pub(super) first: Option<i64>,
    pub(super) last: Option<i64>,
    /// How many the service could not read.
    pub(super) unreadable: u64,
    /// Which numbers are missing in between.
    pub(super) missing: Vec<Hole>,
}

/// The part of an event that tells whether one is missing.
#[derive(serde::Deserialize)]
struct Numbered {
    #[serde(default)]
    sequence: Option<i64>,
}

/// Writes events as lines.
pub(super) async fn write(
    session: &Session,
    scope: &Scope,
    before: Option<Timestamp>,
    out: &mut dyn Write,
) -> Result<Exported, Failure> {
    let (mut exported, mut batch, mut cursor) = (Exported::default(), (0, LinesHasher::default()), None);
    let watched = io::stderr().is_terminal();
    loop {
        let page = session.client.audit_lines(scope, before, cursor.as_deref()).await;
        let page = page.map_err(session.explain(scope))?;
        for line in &page.items {
            let line = line.get().as_bytes();
            out.write_all(line)?;
            out.write_all(b"\n")?;
            exported.take(line)?;
            batch.1.line(line);
            batch.0 += 1;
            if batch.0 == PruningCount::MOST {
                exported.end(std::mem::take(&mut batch));
            }
        }
        exported.unreadable += page.unreadable;
        if watched && exported.events.is_multiple_of(STEP) && exported.events > 0 {
            output::note(&format!("{} events ...", exported.events));
        }
        if page.next_cursor.is_none() {
            exported.end(batch);
            return Ok(exported);
        }
        if page.next_cursor == cursor {
            return Err(Failure::new(Exit::Failure, "the list of the service goes on where it already was"));
        }
        cursor = page.next_cursor;
    }
}

impl Exported {
    fn take(&mut self, line: &[u8]) -> Result<(), Failure> {
        // serde's message may repeat what it read.
        let event: Numbered = serde_json::from_slice(line)
            .map_err(|_| Failure::new(Exit::Failure, "the service sent an event that is not one of regcred's"))?;
        self.events += 1;
        if let Some(number) = event.sequence {
            let next = self.last.map_or(number, |last| last + 1);
            self.missing.extend(Hole::between(next, number));
            self.first = self.first.or(Some(number));
            self.last = Some(number);
        }
        Ok(())
    }

    fn end(&mut self, (count, hasher): (u32, LinesHasher)) {
        if let Ok(count) = PruningCount::try_from(count) {
            self.batches.push(Batch { count, sha256: hasher.finish() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_numbers_are_noticed() {
        let mut exported = Exported::default();
        for line in [r#"{"sequence":3}"#, r#"{"sequence":4}"#, r#"{"sequence":6}"#, r#"{"sequence":9}"#, "{}"] {
            exported.take(line.as_bytes()).unwrap();
        }
        assert_eq!((exported.events, exported.first, exported.last), (5, Some(3), Some(9)));
        assert_eq!(exported.missing, [Hole { first: 5, last: 5 }, Hole { first: 7, last: 8 }]);
        assert!(exported.take(b"[hunter2").is_err());
    }
}
