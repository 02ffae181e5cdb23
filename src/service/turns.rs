//! Whose turn it is to have a login tried: so many are at once in a process, and of one organization only a part of them, and only so
//! many a minute.
//!
//! A try may take twenty seconds, and whoever names the host decides whether it does. So nobody's take all turns; and who gets none
//! soon is told so, rather than kept waiting. Whoever may have logins tried could have passwords guessed or hosts looked for with
//! them, one try after the other: so tries are counted, too. A turn is taken before a stored password is opened for it.

use crate::domain::{check::ChecksPerMinute, id::ScopeId};
use governor::{
    Quota, RateLimiter,
    clock::{Clock, MonotonicClock},
    middleware::NoOpMiddleware,
    state::keyed::HashMapStateStore,
};
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

/// How many tries each organization has left.
type Budget<C> = RateLimiter<ScopeId, HashMapStateStore<ScopeId>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// The turns of a process.
pub(super) struct Turns<C: Clock = MonotonicClock> {
    budget: Budget<C>,
    all: Arc<Semaphore>,
    /// Of those organizations that have a turn or wait for one.
    organizations: Mutex<HashMap<ScopeId, Weak<Semaphore>>>,
}

/// A turn, until it is dropped.
pub(super) struct Turn {
    _one: OwnedSemaphorePermit,
    _own: Option<OwnedSemaphorePermit>,
}

/// Why there is no turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoTurn {
    /// Others keep it from him for too long.
    Crowded,
    /// The organization has had as many as it may have. The next one is in so long.
    TooMany(Duration),
}

impl Turns {
    pub(super) fn new(per_minute: ChecksPerMinute) -> Self {
        Self::with_clock(per_minute, MonotonicClock)
    }
}

impl<C: Clock> Turns<C> {
    fn with_clock(per_minute: ChecksPerMinute, clock: C) -> Self {
        let budget = Budget::new(Quota::per_minute(per_minute.number()), HashMapStateStore::default(), clock);
        Self { budget, all: Arc::new(Semaphore::new(AT_ONCE)), organizations: Mutex::default() }
    }

    /// A turn for somebody of that organization.
    pub(super) async fn for_organization(&self, id: ScopeId) -> Result<Turn, NoTurn> {
        let lane = self.lane(id);
        let turn = async {
            // In this order, or who waits for his own organization would keep a turn from the others meanwhile.
            let own = lane.acquire_owned().await.ok()?;
            let one = Arc::clone(&self.all).acquire_owned().await.ok()?;
            Some(Turn { _one: one, _own: Some(own) })
        };
        let turn = timeout(PATIENCE, turn).await.ok().flatten().ok_or(NoTurn::Crowded)?;
        // Last, so that whoever got no turn has used up nothing. Those who have all their tries again need not be known.
        self.budget.retain_recent();
        match self.budget.check_key(&id) {
            Ok(()) => Ok(turn),
            Err(refused) => Err(NoTurn::TooMany(refused.wait_time_from(self.budget.clock().now()))),
        }
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
    use governor::clock::FakeRelativeClock;
    use uuid::Uuid;

    fn organization(number: u128) -> ScopeId {
        ScopeId::from_uuid(Uuid::from_u128(number))
    }

    async fn turns_of(turns: &Turns, number: u128) -> Vec<Turn> {
        join_all((0..EACH).map(|_| turns.for_organization(organization(number)))).await.into_iter().flatten().collect()
    }

    #[tokio::test]
    async fn an_organization_has_so_many_turns_a_minute_and_no_others_are_the_fewer_for_it() {
        let clock = FakeRelativeClock::default();
        let turns = Turns::with_clock(ChecksPerMinute::default(), clock.clone());
        let turn = async |number| turns.for_organization(organization(number)).await.map(drop);
        for number in 0..60 {
            assert_eq!(turn(1).await, Ok(()), "{number}");
        }
        assert_eq!(turn(1).await, Err(NoTurn::TooMany(Duration::from_secs(1))));
        assert_eq!(turn(2).await, Ok(()));
        assert!(turns.for_schedule().await.is_some(), "it is nobody's");
        clock.advance(Duration::from_millis(1500));
        assert_eq!(turn(1).await, Ok(()));
        assert_eq!(turn(1).await, Err(NoTurn::TooMany(Duration::from_millis(500))));
        clock.advance(Duration::from_mins(2));
        assert_eq!(turn(3).await, Ok(()));
        assert_eq!(turns.budget.len(), 1, "those who have all of them again are forgotten");
        for number in 0..60 {
            assert_eq!(turn(1).await, Ok(()), "{number}");
        }
    }

    #[tokio::test]
    async fn one_organization_does_not_keep_the_others_from_their_turns() {
        let turns = Turns::new(ChecksPerMinute::default());
        let mut taken = turns_of(&turns, 1).await;
        assert_eq!(taken.len(), EACH);
        assert!(turns.for_organization(organization(1)).now_or_never().is_none(), "it waits");
        assert!(turns.for_organization(organization(2)).now_or_never().unwrap().is_ok());
        taken.pop();
        assert!(turns.for_organization(organization(1)).now_or_never().is_some_and(|turn| turn.is_ok()));
        drop(taken);
        assert_eq!(turns_of(&turns, 1).await.len(), EACH);
        assert!(turns.for_organization(organization(3)).now_or_never().is_some_and(|turn| turn.is_ok()));
        assert_eq!(turns.organizations.lock().unwrap().len(), 1, "those who are gone are forgotten");
    }

    #[tokio::test]
    async fn who_gets_no_turn_has_used_up_nothing() {
        let turns = Turns::new(ChecksPerMinute::default());
        let taken = turns_of(&turns, 1).await;
        for _ in 0..60 {
            assert!(turns.for_organization(organization(1)).now_or_never().is_none(), "it waits");
        }
        drop(taken);
        assert!(turns.for_organization(organization(1)).now_or_never().is_some_and(|turn| turn.is_ok()));
    }

    #[tokio::test]
    async fn all_together_have_so_many_turns_and_no_more() {
        let turns = Turns::new(ChecksPerMinute::default());
        let mut taken = Vec::new();
        for number in 0..(AT_ONCE / EACH) as u128 {
            taken.extend(turns_of(&turns, number).await);
        }
        assert_eq!(taken.len(), AT_ONCE);
        assert!(turns.for_organization(organization(100)).now_or_never().is_none());
        assert!(turns.for_schedule().now_or_never().is_none());
        taken.pop();
        assert!(turns.for_schedule().now_or_never().flatten().is_some());
        assert!(turns.for_organization(organization(100)).now_or_never().is_some_and(|turn| turn.is_ok()));
    }

    #[tokio::test]
    async fn who_waits_gets_the_turn_that_is_given_up() {
        let turns = Turns::new(ChecksPerMinute::default());
        let taken = turns_of(&turns, 1).await;
        let waiting = turns.for_organization(organization(1));
        let (turn, ()) = tokio::join!(waiting, async { drop(taken) });
        assert!(turn.is_ok());
    }
}
