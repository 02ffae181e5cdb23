//! Whose turn it is to have a login tried: so many are at once in a process, and of one organization only a part of them.
//!
//! A try may take twenty seconds, and whoever names the host decides whether it does. So nobody's take all turns; and who gets none
//! soon is told so, rather than kept waiting. A turn is taken before a password is opened for it.

use crate::domain::id::ScopeId;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// How many logins are tried at once. Each holds a few connections and up to some hundred kilobytes.
const AT_ONCE: usize = 16;
/// How many of them are one organization's.
const EACH: usize = 4;
/// How long somebody waits for his turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// The turns of a process.
pub(super) struct Turns {
    all: Arc<Semaphore>,
    /// Of those organizations that have a turn or wait for one.
    organizations: Mutex<HashMap<ScopeId, Weak<Semaphore>>>,
}

/// A turn, until it is dropped.
pub(super) struct Turn {
    _one: OwnedSemaphorePermit,
    _own: Option<OwnedSemaphorePermit>,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self { all: Arc::new(Semaphore::new(AT_ONCE)), organizations: Mutex::default() }
    }

    /// A turn for somebody of that organization; none if others keep it from him for too long.
    pub(super) async fn for_organization(&self, id: ScopeId) -> Option<Turn> {
        let lane = self.lane(id);
        let turn = async {
            // In this order, or who waits for his own organization would keep a turn from the others meanwhile.
            let own = lane.acquire_owned().await.ok()?;
            let one = Arc::clone(&self.all).acquire_owned().await.ok()?;
            Some(Turn { _one: one, _own: Some(own) })
        };
        timeout(PATIENCE, turn).await.ok().flatten()
    }

    /// A turn for the schedule, which takes one after the other and has time.
    pub(super) async fn for_schedule(&self) -> Option<Turn> {
        let one = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Turn { _one: one, _own: None })
    }

    fn lane(&self, id: ScopeId) -> Arc<Semaphore> {
        let mut organizations = self.organizations.lock().unwrap_or_else(PoisonError::into_inner);
        organizations.retain(|_, lane| lane.strong_count() > 0);
        organizations.get(&id).and_then(Weak::upgrade).unwrap_or_else(|| {
            let lane = Arc::new(Semaphore::new(EACH));
            organizations.insert(id, Arc::downgrade(&lane));
            lane
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt as _, future::join_all};
    use uuid::Uuid;

    fn organization(number: u128) -> ScopeId {
        ScopeId::from_uuid(Uuid::from_u128(number))
    }

    async fn turns_of(turns: &Turns, number: u128) -> Vec<Turn> {
        join_all((0..EACH).map(|_| turns.for_organization(organization(number)))).await.into_iter().flatten().collect()
    }

    #[tokio::test]
    async fn one_organization_does_not_keep_the_others_from_their_turns() {
        let turns = Turns::new();
        let mut taken = turns_of(&turns, 1).await;
        assert_eq!(taken.len(), EACH);
        assert!(turns.for_organization(organization(1)).now_or_never().is_none(), "it waits");
        assert!(turns.for_organization(organization(2)).now_or_never().flatten().is_some());
        taken.pop();
        assert!(turns.for_organization(organization(1)).now_or_never().flatten().is_some());
        drop(taken);
        assert_eq!(turns_of(&turns, 1).await.len(), EACH);
        assert!(turns.for_organization(organization(3)).now_or_never().flatten().is_some());
        assert_eq!(turns.organizations.lock().unwrap().len(), 1, "those who are gone are forgotten");
    }

    #[tokio::test]
    async fn all_together_have_so_many_turns_and_no_more() {
        let turns = Turns::new();
        let mut taken = Vec::new();
        for number in 0..(AT_ONCE / EACH) as u128 {
            taken.extend(turns_of(&turns, number).await);
        }
        assert_eq!(taken.len(), AT_ONCE);
        assert!(turns.for_organization(organization(100)).now_or_never().is_none());
        assert!(turns.for_schedule().now_or_never().is_none());
        taken.pop();
        assert!(turns.for_schedule().now_or_never().flatten().is_some());
        assert!(turns.for_organization(organization(100)).now_or_never().flatten().is_some());
    }

    #[tokio::test]
    async fn who_waits_gets_the_turn_that_is_given_up() {
        let turns = Turns::new();
        let taken = turns_of(&turns, 1).await;
        let waiting = turns.for_organization(organization(1));
        let (turn, ()) = tokio::join!(waiting, async { drop(taken) });
        assert!(turn.is_some());
    }
}
