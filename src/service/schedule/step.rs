//! One step of the schedule: in which order those have their turn who are due, and how many tries there are.

use super::fairness::SHARE;
use crate::{domain::scope::ScopeName, store::DueCheck};
use std::collections::HashMap;

/// How many logins are tried in one step, one after another.
const AT_A_TIME: usize = 20;
/// How many of them are untried ones of one organization.
const UNTRIED_OF_ONE: usize = AT_A_TIME / SHARE as usize;

/// Who has had a turn in a step.
#[derive(Default)]
pub(super) struct Step {
    tried: usize,
    untried: HashMap<Option<ScopeName>, usize>,
}

impl Step {
    /// Whether nobody has a turn any more.
    pub(super) fn is_over(&self) -> bool {
        self.tried == AT_A_TIME
    }

    /// Whether a login may have its turn. A new password is had for the asking, as often as somebody likes, and would be a way to try
    /// as many as the schedule can; one that was tried is due once in an interval.
    pub(super) fn admits(&self, due: &DueCheck) -> bool {
        let untried = self.untried.get(&due.scope.organization().cloned()).copied().unwrap_or_default();
        !self.is_over() && (!due.is_untried || untried < UNTRIED_OF_ONE)
    }

    /// Takes note that a login has its turn.
    pub(super) fn count(&mut self, due: &DueCheck) {
        self.tried += 1;
        if due.is_untried {
            *self.untried.entry(due.scope.organization().cloned()).or_default() += 1;
        }
    }
}

/// Those who are due, in the order of their turns. Organizations take turns, so that nobody waits for all logins of another one. Of
/// an organization those come first that were tried before, and of these whoever has waited longest: so each has its turn some time,
/// however many they are.
pub(super) fn in_turn(mut due: Vec<DueCheck>) -> Vec<DueCheck> {
    let since = |due: &DueCheck| due.attempted_at.unwrap_or(due.created_at);
    due.sort_by_key(|due| (due.is_untried, since(due)));
    let mut rounds = HashMap::new();
    let mut ranked: Vec<_> = due
        .into_iter()
        .map(|due| {
            let round: &mut usize = rounds.entry(due.scope.organization().cloned()).or_default();
            *round += 1;
            (*round, due)
        })
        .collect();
    ranked.sort_by_key(|(round, due)| (*round, since(due)));
    ranked.into_iter().map(|(_, due)| due).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{id::CredentialId, timestamp::Timestamp};
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
            is_untried: attempted_at.is_none(),
        }
    }

    /// Whose turn it is in a step, one after the other.
    fn turns(due: Vec<DueCheck>) -> Vec<u128> {
        let mut step = Step::default();
        let mut turns = Vec::new();
        for due in in_turn(due) {
            if step.admits(&due) {
                step.count(&due);
                turns.push(due.id.as_uuid().as_u128());
            }
        }
        turns
    }

    #[test]
    fn organizations_take_turns_and_no_try_is_left_unused() {
        let mut logins: Vec<_> = (0..50).map(|number| due("acme/projects/shop", number, Some(1), 0)).collect();
        assert_eq!(turns(logins.clone()), (0..20).collect::<Vec<_>>(), "nobody else is due");
        logins.push(due("globex", 100, Some(2), 0));
        assert_eq!(turns(logins.clone()), [0, 100].into_iter().chain(1..19).collect::<Vec<_>>());
        logins.extend((0..50).map(|number| due("acme", 200 + number, Some(0), 0)));
        let acme = [200, 100].into_iter().chain(201..219).collect::<Vec<_>>();
        assert_eq!(turns(logins), acme, "its projects are the organization");
    }

    #[test]
    fn untried_passwords_have_no_more_tries_than_that_and_take_them_from_nobody() {
        let mut logins: Vec<_> = (0..50).map(|number| due("acme", number, None, 1000)).collect();
        assert_eq!(turns(logins.clone()), [0, 1, 2, 3, 4], "although nobody else is due");
        logins.extend((0..3).map(|number| due("acme/projects/shop", 100 + number, Some(1900), 0)));
        assert_eq!(turns(logins.clone()), [100, 101, 102, 0, 1, 2, 3, 4], "what was there before comes first");
        // Another password for what was tried before is as good as a new login.
        let changed = logins.iter().map(|login| DueCheck { is_untried: true, ..login.clone() }).collect();
        assert_eq!(turns(changed).len(), 5);
        logins.extend((0..4).map(|number| due(&format!("o{number}"), 200 + number, Some(1950), 0)));
        assert_eq!(turns(logins), [100, 200, 201, 202, 203, 101, 102, 0, 1, 2, 3, 4]);
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
                login.is_untried = false;
                let last = login.attempted_at.replace(at(now)).unwrap_or(login.created_at);
                longest[number] = longest[number].max(now - last.microseconds() / 1_000_000);
            }
        }
        assert!(logins.iter().all(|login| login.attempted_at >= Some(at(440 - 61))), "{longest:?}");
        assert!(longest[..600].iter().all(|steps| *steps <= 61), "{longest:?}");
        assert!(longest[600..].iter().all(|steps| *steps <= 41), "{longest:?}");
    }
}
