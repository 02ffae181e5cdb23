//! Keeping the audit log from growing for ever: what may be pruned, pruning it, and what was pruned.
//!
//! Whoever prunes says how many of the oldest events he wants gone, and proves by their digest that he has exactly those. The
//! proof is made again here from the rows themselves. So nothing can be pruned that was not read before, nothing
//! from the middle of the log, and nothing that is younger than [`Retention`] says, by the database's own clock.

use super::{Error, Put, Service};
use crate::domain::{
    audit::RecordedEvent,
    id::PruningId,
    page::{Page, PageRequest},
    permission::{Action, Caller, Permit},
    pruning::{LinesHasher, NewPruning, Pruning, Retention},
    scope::Scope,
    timestamp::Timestamp,
};

/// What may be pruned now.
#[derive(Debug, Clone, Copy)]
pub struct Prunable {
    /// For how long events are kept.
    pub retention: Retention,
    /// The end of that time, by the database's clock: what happened before may be pruned.
    pub before: Timestamp,
}

impl Service {
    /// For how long audit events are kept.
    ///
    /// # Errors
    /// The caller may not see the deployment's audit log, or the store failed.
    pub async fn audit_retention_get(&self, caller: &Caller) -> Result<Prunable, Error> {
        self.permit(caller, Action::AuditRetentionGet, &Scope::Deployment).await?;
        let now = self.store.read().await?.clock_read().await?;
        Ok(Prunable { retention: self.retention, before: self.retention.ends_before(now) })
    }

    /// Deletes the oldest events, records that it did, and answers the record. Asked once more for the same events, it answers
    /// the record that there is, so that a caller who heard no answer can ask again. `line` writes an event as it is exported.
    ///
    /// # Errors
    /// The events are not those that the caller has, or one of them is too young or cannot be read; the caller may not, or the
    /// store failed.
    pub async fn audit_prune(
        &self,
        caller: &Caller,
        new: NewPruning,
        line: fn(&RecordedEvent) -> Vec<u8>,
    ) -> Result<Put<Pruning>, Error> {
        let permit = self.permit(caller, Action::AuditPrune, &Scope::Deployment).await?;
        // Read before it is anybody's turn to write, so that others wait for the deletion alone. Events are never changed, and
        // come only behind these: what is read here is what goes below, or somebody else has taken some of it meanwhile.
        let mut queries = self.store.read().await?;
        if let Some(done) = queries.audit_pruning_find(&new.sha256).await?
            && done.count == new.count.get()
        {
            return Ok(Put::Found(done));
        }
        let events = queries.audit_event_list_oldest(new.count).await?;
        let events = events.into_iter().collect::<Result<Vec<_>, _>>()?;
        let pruning = self.pruning(&permit, new, &events, line).ok_or(Error::NotTheOldest)?;
        if pruning.newest_at >= self.retention.ends_before(queries.clock_read().await?) {
            drop(queries);
            let refusal = Error::Retained(self.retention);
            return Err(self.deny(caller, Action::AuditPrune, &Scope::Deployment, "retention", refusal).await);
        }
        drop(queries);
        let mut tx = self.begin(&permit).await?;
        if !tx.audit_prune(&pruning).await? {
            return Err(Error::NotTheOldest);
        }
        tx.commit(self.event(&permit, None, vec![pruning.id.as_uuid()])).await?;
        Ok(Put::Created(pruning))
    }

    /// The record of these events' pruning, if they are those that were meant.
    fn pruning(
        &self,
        permit: &Permit,
        new: NewPruning,
        events: &[RecordedEvent],
        line: fn(&RecordedEvent) -> Vec<u8>,
    ) -> Option<Pruning> {
        let mut hasher = LinesHasher::default();
        for event in events {
            hasher.line(&line(event));
        }
        let times = || events.iter().map(|recorded| recorded.event.at);
        let caller = permit.caller();
        let pruning = Pruning {
            id: PruningId::new(&*self.clock, &*self.random),
            at: self.clock.now(),
            principal: caller.token_name.to_string(),
            token_id: Some(caller.token_id),
            first_sequence: events.first()?.sequence,
            last_sequence: events.last()?.sequence,
            count: u32::try_from(events.len()).ok()?,
            oldest_at: times().min()?,
            newest_at: times().max()?,
            sha256: hasher.finish(),
        };
        (pruning.count == new.count.get() && pruning.sha256 == new.sha256).then_some(pruning)
    }

    /// What was pruned, in the order of the log.
    ///
    /// # Errors
    /// The caller may not see the deployment's audit log, or the store failed.
    pub async fn audit_pruning_list(&self, caller: &Caller, page: &PageRequest) -> Result<Page<Pruning>, Error> {
        self.permit(caller, Action::AuditPruningList, &Scope::Deployment).await?;
        let after = super::after::<i64>(page)?;
        let rows = self.store.read().await?.audit_pruning_list(after, page.limit).await?;
        Ok(super::page(rows, page, |pruning| pruning.last_sequence, |_| None))
    }
}
