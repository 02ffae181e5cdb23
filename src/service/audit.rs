//! The audit log: events that must be durable before their secrets leave, and reading them back.
//!
//! One task owns the log's connection. While it commits, events gather in a queue; when the commit returns, it takes all
//! that have gathered and commits them together.

use super::{
    Error, Service,
    queue::{Gathered, Queue, tell},
    threads::apart,
    usage::Usage,
};
use crate::{
    domain::{
        audit::{AuditEvent, RecordedEvent},
        page::{Page, PageRequest},
        permission::{Action, Caller},
        scope::Scope,
        text::Invalid,
        timestamp::Timestamp,
    },
    store::{AuditLog, AuditScope, ConditionalEvent, Premise, Rows},
};
use std::{fmt, str::FromStr, time::Instant};
use tokio::task::JoinHandle;

/// The way into the audit log.
pub struct AuditQueue(Queue<ConditionalEvent, bool>);

impl AuditQueue {
    /// Starts the one task that writes. It ends when every queue is gone and all that was in them is written.
    pub(super) fn start(log: Box<dyn AuditLog>, usage: Usage) -> (Self, JoinHandle<()>) {
        let (queue, gathered) = Queue::new();
        (Self(queue), apart(|| write(log, usage, gathered)))
    }

    /// Returns when the event is durable.
    ///
    /// # Errors
    /// The queue is full, the commit failed, or it took longer than two seconds. Whatever the event tells of must then not
    /// happen; that the event may yet be written errs on the safe side.
    pub(super) async fn record(&self, event: AuditEvent) -> Result<(), Error> {
        self.0.ask(event.into()).await.map(|_| ()).map_err(|_| Error::AuditUnavailable)
    }

    /// Returns `true` when the event is durable, or `false` when one of these does not hold by what was committed before this was
    /// asked. What the event tells of must then not happen.
    ///
    /// # Errors
    /// As with [`AuditQueue::record`].
    pub(super) async fn record_if(&self, premises: Vec<Premise>, event: AuditEvent) -> Result<bool, Error> {
        self.0.ask(ConditionalEvent { event, premises }).await.map_err(|_| Error::AuditUnavailable)
    }

    /// Whether the writer is there. It ends only with the process, or by a defect.
    pub(super) fn is_open(&self) -> bool {
        self.0.is_open()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

async fn write(mut log: Box<dyn AuditLog>, mut usage: Usage, queue: Gathered<ConditionalEvent, bool>) {
    let commit = async |events: Vec<ConditionalEvent>| {
        let begun = Instant::now();
        match log.append(&events).await {
            Ok(held) => {
                metrics::histogram!("regcred_audit_commit_seconds").record(begun.elapsed());
                Some((events, held))
            }
            Err(error) => {
                metrics::counter!("regcred_audit_failures_total").increment(1);
                let source = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, source, events = events.len(), "audit events could not be written; what they tell of is refused");
                None
            }
        }
    };
    let answer = |waiting, written: Option<(Vec<ConditionalEvent>, Vec<bool>)>| {
        let (events, held) = written.unzip();
        tell(waiting, held.clone());
        let handed_out = events.iter().flatten().zip(held.iter().flatten()).filter(|(_, held)| **held);
        usage.note(handed_out.map(|(entry, _)| &entry.event));
    };
    queue.serve_then(commit, answer).await;
    usage.finish().await;
}

/// In which order audit events are listed, and where the list ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditOrder {
    /// From the oldest to the newest; up to the first that did not happen before this time, if there is one.
    OldestFirst(Option<Timestamp>),
    /// From the newest to the oldest.
    NewestFirst,
}

/// The place of an event in a list that begins with the newest. Its text differs from that of other lists' places, so that no
/// cursor is taken for one of the other order.
struct Backwards(i64);

impl fmt::Display for Backwards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "newest:{}", self.0)
    }
}

impl FromStr for Backwards {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let sequence = text.strip_prefix("newest:").and_then(|sequence| sequence.parse().ok());
        sequence.map(Self).ok_or(Invalid("must be of a list in this order"))
    }
}

impl Service {
    /// The audit events of a scope and what is below it, in the order in which they were committed or the other way round.
    ///
    /// # Errors
    /// The caller may not see them, or the store failed.
    pub async fn audit_list(
        &self,
        caller: &Caller,
        scope: &Scope,
        order: AuditOrder,
        page: &PageRequest,
    ) -> Result<Page<RecordedEvent>, Error> {
        let permit = self.permit(caller, Action::AuditList, scope).await?;
        match order {
            AuditOrder::OldestFirst(before) => {
                let after = super::after::<i64>(page)?;
                let mut queries = self.store.read().await?;
                let place = self.place_or_deployment(&mut *queries, &permit).await?;
                let rows = queries.audit_event_list(AuditScope::of(place.as_ref()), after, page.limit).await?;
                let rows = match before {
                    None => rows,
                    Some(before) => until(rows, before),
                };
                Ok(super::page(rows, page, |recorded| recorded.sequence, |_| None))
            }
            AuditOrder::NewestFirst => {
                let before = super::after::<Backwards>(page)?.map(|place| place.0);
                let mut queries = self.store.read().await?;
                let place = self.place_or_deployment(&mut *queries, &permit).await?;
                let rows = queries.audit_event_list_newest(AuditScope::of(place.as_ref()), before, page.limit).await?;
                Ok(super::page(rows, page, |recorded| Backwards(recorded.sequence), |_| None))
            }
        }
    }
}

/// The rows up to the first event that did not happen before that time. Times are told by the clocks of processes, and do not
/// quite follow the order of the log; so this is a beginning of the log, and never has holes.
fn until(mut rows: Rows<RecordedEvent>, before: Timestamp) -> Rows<RecordedEvent> {
    let end = rows.iter().position(|row| row.as_ref().is_ok_and(|recorded| recorded.event.at >= before));
    rows.truncate(end.unwrap_or(rows.len()));
    rows
}
