//! One step of the schedule: in which order those have their turn who are due, and how many of them an organization has.

use super::fairness::{Fairness, SHARE};
use crate::{domain::scope::ScopeName, store::DueCheck};
use std::{collections::HashMap, time::Instant, vec::IntoIter};

/// How many logins are tried in one step, one after another.
const AT_A_TIME: usize = 20;
/// How many of them are one organization's.
const OF_ONE: usize = AT_A_TIME / SHARE as usize;

/// Those who are due in what a step has looked through, and who of them has had a turn.
pub(super) struct Step {
    waiting: IntoIter<DueCheck>,
    /// Whether all who wait are one organization's.
    is_alone: bool,
    tried: usize,
    had: HashMap<Option<ScopeName>, usize>,
}

impl Step {
    /// Whoever has waited longest comes first: so of those who are more than an organization can have tried, each has his turn, and a
    /// new one comes behind all that wait to be tried again.
    pub(super) fn new(mut due: Vec<DueCheck>) -> Self {
        due.sort_by_key(|due| due.attempted_at.unwrap_or(due.created_at));
        let is_alone = due.windows(2).all(|two| two[0].scope.organization() == two[1].scope.organization());
        Self { waiting: due.into_iter(), is_alone, tried: 0, had: HashMap::new() }
    }

    /// Whose turn it is. Who is passed over stays due.
    pub(super) fn next(&mut self, fairness: &Fairness, now: Instant) -> Option<DueCheck> {
        if self.tried == AT_A_TIME {
            return None;
        }
        let (had, is_alone) = (&self.had, self.is_alone);
        self.waiting.find(|due| {
            let had = had.get(&due.scope.organization().cloned()).copied().unwrap_or_default();
            // A new login is had for the asking, as often as somebody likes. One that was tried is due once in an interval.
            let is_new = due.attempted_at.is_none();
            (had < OF_ONE || is_alone && !is_new) && !fairness.passes_over(due, now)
        })
    }

    /// Takes note that a login has its turn.
    pub(super) fn count(&mut self, due: &DueCheck) {
        self.tried += 1;
        *self.had.entry(due.scope.organization().cloned()).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{id::CredentialId, timestamp::Timestamp};
    use std::time::Duration;
    use uuid::Uuid;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_microseconds(seconds * 1_000_000).unwrap()
    }

    /// A login that was last tried then, or never.
    fn due(organization: &str, number: u128, attempted_at: Option<i64>, created_at: i64) -> DueCheck {
        DueCheck {
            scope: format!("organizations/{organization}").parse().unwrap(),
            id: CredentialId::from_uuid(Uuid::from_u128(number)),
            server: "r.example".parse().unwrap(),
            created_at: at(created_at),
            attempted_at: attempted_at.map(at),
        }
    }

    /// Whose turn it is in a step, one after the other.
    fn turns(due: Vec<DueCheck>) -> Vec<u128> {
        let (fairness, mut step) = (Fairness::new(Duration::from_hours(24)), Step::new(due));
        let mut turns = Vec::new();
        while let Some(due) = step.next(&fairness, Instant::now()) {
            step.count(&due);
            turns.push(due.id.as_uuid().as_u128());
        }
        turns
    }

    #[test]
    fn an_organization_has_a_quarter_of_the_tries_unless_nobody_else_is_due() {
        let mut logins: Vec<_> = (0..50).map(|number| due("acme/projects/shop", number, Some(1), 0)).collect();
        assert_eq!(turns(logins.clone()), (0..20).collect::<Vec<_>>(), "nobody else is due");
        logins.push(due("globex", 100, Some(2), 0));
        assert_eq!(turns(logins.clone()), [0, 1, 2, 3, 4, 100]);
        logins.extend((0..50).map(|number| due("acme", 200 + number, Some(0), 0)));
        assert_eq!(turns(logins), [200, 201, 202, 203, 204, 100], "its projects are the organization");
        let crowd = (0..100).map(|number| due(&format!("o{}", number % 10), number, Some(1), 0)).collect();
        assert_eq!(turns(crowd), (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn whoever_adds_all_day_has_no_more_tries_than_that_and_takes_them_from_nobody() {
        let mut logins: Vec<_> = (0..50).map(|number| due("acme", number, None, 1000)).collect();
        assert_eq!(turns(logins.clone()), [0, 1, 2, 3, 4], "although nobody else is due");
        logins.extend((0..3).map(|number| due("acme/projects/shop", 100 + number, Some(900), 0)));
        assert_eq!(turns(logins.clone()), [100, 101, 102, 0, 1], "what was there before comes first");
        logins.extend((3..9).map(|number| due("acme/projects/shop", 100 + number, Some(900), 0)));
        assert_eq!(turns(logins), (100..109).collect::<Vec<_>>());
    }

    #[test]
    fn nobody_waits_for_ever_where_organizations_have_more_logins_than_can_be_tried() {
        // In the 40 steps of an interval, 200 of an organization's have their turn.
        let big = (0..600).map(|number| due(if number % 2 == 0 { "acme" } else { "globex" }, number, None, 40));
        let small = (600..604).map(|number| due(&format!("o{number}"), number, None, 40));
        let mut logins: Vec<_> = big.chain(small).collect();
        let mut longest = [0; 604];
        for now in 40..440 {
            let is_due = |login: &&DueCheck| login.attempted_at.is_none_or(|last| last <= at(now - 40));
            for number in turns(logins.iter().filter(is_due).cloned().collect()) {
                let number = usize::try_from(number).unwrap();
                let login = &mut logins[number];
                let last = login.attempted_at.replace(at(now)).unwrap_or(login.created_at);
                longest[number] = longest[number].max(now - last.microseconds() / 1_000_000);
            }
        }
        assert!(logins.iter().all(|login| login.attempted_at >= Some(at(440 - 61))), "{longest:?}");
        assert!(longest[..600].iter().all(|steps| *steps <= 61), "{longest:?}");
        assert!(longest[600..].iter().all(|steps| *steps <= 41), "{longest:?}");
    }
}
