//! When credentials were last used.
//!
//! Nobody waits for it, so it has a task of its own: what was handed out is noted, and written down together, at most once in
//! [`LAST_USED_STEP_MINUTES`] for each credential.

use crate::{
    domain::{
        audit::{AuditEvent, Outcome},
        credential::LAST_USED_STEP_MINUTES,
        id::CredentialId,
        permission::Action,
        timestamp::Timestamp,
    },
    store::Store,
};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

/// How long uses gather. The first ones are written down at once.
const STEP: Duration = Duration::from_secs(1);
/// How many are written down in one transaction. Hand-outs wait for it: some thousands that are noted within a second, as when a load
/// begins, made them wait for 50 ms each time that 512 were written down.
const AT_ONCE: usize = 128;
/// How many batches may wait to be written down.
const WAITING: usize = 1024;
/// How many credentials are remembered to have been noted, in a few megabytes.
const NOTED: usize = 200_000;

type Uses = HashMap<CredentialId, Timestamp>;

/// What was noted.
pub(super) struct Usage {
    /// When a credential was last noted: most hand-outs say nothing new.
    noted: Uses,
    way: mpsc::Sender<Uses>,
    writing: JoinHandle<()>,
}

impl Usage {
    /// Starts the task that writes down. It ends when this is gone.
    pub(super) fn start(store: Arc<dyn Store>) -> Self {
        let (way, uses) = mpsc::channel(WAITING);
        Self { noted: Uses::new(), way, writing: tokio::spawn(write_down(store, uses)) }
    }

    /// Waits until all is written down, though not for long.
    pub(super) async fn finish(self) {
        drop(self.way);
        if timeout(STEP, self.writing).await.is_err() {
            tracing::warn!("the last uses of credentials were not written down");
        }
    }

    /// Takes note of what these events hand out.
    pub(super) fn note<'a>(&mut self, events: impl Iterator<Item = &'a AuditEvent>) {
        let uses = self.news(events);
        // If too many wait, the next hand-out of the same credential tells it.
        if !uses.is_empty() && self.way.try_send(uses.clone()).is_ok() {
            self.remember(uses);
        }
    }

    /// Which credentials were handed out and not noted in the minute before, and when each of them was last.
    fn news<'a>(&self, events: impl Iterator<Item = &'a AuditEvent>) -> Uses {
        let mut news = Uses::new();
        let hand_outs =
            events.filter(|event| event.operation == Action::PullSecretGet && event.outcome == Outcome::Success);
        for (id, at) in
            hand_outs.flat_map(|event| event.objects.iter().map(|id| (CredentialId::from_uuid(*id), event.at)))
        {
            if self.noted.get(&id).is_none_or(|noted| at.minus_minutes(LAST_USED_STEP_MINUTES) > *noted) {
                merge(&mut news, id, at);
            }
        }
        news
    }

    /// Remembers what was noted, and if that is much, nothing that is older than a minute and says nothing any more.
    fn remember(&mut self, uses: Uses) {
        if self.noted.len() + uses.len() > NOTED {
            let newest = uses.values().max().map(|newest| newest.minus_minutes(LAST_USED_STEP_MINUTES));
            self.noted.retain(|_, noted| newest <= Some(*noted));
        }
        // So many in one minute are noted again rather than looked through each time.
        if self.noted.len() + uses.len() > NOTED {
            self.noted.clear();
        }
        self.noted.extend(uses);
    }
}

fn merge(uses: &mut Uses, id: CredentialId, at: Timestamp) {
    let last = uses.entry(id).or_insert(at);
    *last = at.max(*last);
}

async fn write_down(store: Arc<dyn Store>, mut way: mpsc::Receiver<Uses>) {
    let mut uses = Uses::new();
    let mut next = Instant::now();
    while let Some(more) = way.recv().await {
        let mut more = Some(more);
        while let Some(noted) = more {
            for (id, at) in noted {
                merge(&mut uses, id, at);
            }
            more = timeout_at(next, way.recv()).await.ok().flatten();
        }
        let mut marks: Vec<_> = uses.iter().map(|(id, at)| (*id, *at)).collect();
        // Those that were made together lie together: in the order of identifiers, fewer pages are written.
        marks.sort_unstable();
        // Others have their turns in between.
        for marks in marks.chunks(AT_ONCE) {
            match store.credential_mark_used(marks).await {
                Ok(()) => {
                    for (id, _) in marks {
                        uses.remove(id);
                    }
                }
                // Nothing is lost but how exact it is. It is tried again with the next.
                Err(error) => tracing::debug!(%error, "credentials could not be marked as used"),
            }
        }
        if uses.len() > NOTED {
            uses.clear();
        }
        next = Instant::now() + STEP;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        id::{EventId, RequestId},
        scope::Scope,
    };
    use uuid::Uuid;

    const MINUTE: i64 = 60_000_000;

    fn at(microseconds: i64) -> Timestamp {
        Timestamp::from_microseconds(microseconds).unwrap()
    }

    fn hand_out(id: u128, microseconds: i64) -> AuditEvent {
        AuditEvent {
            id: EventId::from_uuid(Uuid::nil()),
            at: at(microseconds),
            request_id: RequestId::from_uuid(Uuid::nil()),
            principal: "argo".into(),
            token_id: None,
            scope: Scope::Deployment,
            organization_id: None,
            project_id: None,
            operation: Action::PullSecretGet,
            objects: [Uuid::from_u128(id)].into(),
            outcome: Outcome::Success,
            address: None,
        }
    }

    fn noting() -> (Usage, mpsc::Receiver<Uses>) {
        let (way, uses) = mpsc::channel(WAITING);
        (Usage { noted: Uses::new(), way, writing: tokio::spawn(async {}) }, uses)
    }

    #[tokio::test]
    async fn a_credential_is_noted_once_a_minute_and_by_its_latest_use() {
        let (mut usage, mut uses) = noting();
        let id = CredentialId::from_uuid(Uuid::from_u128(1));
        let first = 10 * MINUTE;
        for (used, noted) in [
            ([first, first + 2, first + 1], Some(first + 2)),
            ([first + 3, first + MINUTE, first + MINUTE + 2], None),
            ([first + MINUTE + 3, first, first], Some(first + MINUTE + 3)),
        ] {
            usage.note(used.map(|used| hand_out(1, used)).iter());
            assert_eq!(uses.try_recv().ok(), noted.map(|noted| Uses::from([(id, at(noted))])), "{used:?}");
        }
    }

    #[tokio::test]
    async fn only_hand_outs_that_succeeded_are_noted() {
        let (mut usage, mut uses) = noting();
        let denied = AuditEvent { outcome: Outcome::Denied, ..hand_out(1, MINUTE) };
        let change = AuditEvent { operation: Action::CredentialUpdate, ..hand_out(2, MINUTE) };
        usage.note([denied, change].iter());
        assert!(uses.try_recv().is_err());
    }

    #[tokio::test]
    async fn what_could_not_be_told_is_told_with_the_next_use() {
        let (mut usage, mut uses) = noting();
        (0..WAITING as u128).for_each(|id| usage.note([hand_out(id, MINUTE)].iter()));
        usage.note([hand_out(9999, MINUTE)].iter());
        while uses.try_recv().is_ok() {}
        usage.note([hand_out(9999, MINUTE + 1), hand_out(0, MINUTE + 1)].iter());
        assert_eq!(uses.try_recv().unwrap().len(), 1, "the other one was told");
    }
}
