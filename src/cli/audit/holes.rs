//! What is missing from the audit log. Events are numbered without gaps, so each number that is neither in the log nor in the
//! record of a pruning was taken by somebody else.

use crate::http::wire::AuditPruning;
use std::fmt;

/// Numbers of which there are no events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hole {
    pub(super) first: i64,
    pub(super) last: i64,
}

impl Hole {
    /// The hole in front of an event, if another one was expected there.
    pub(super) fn between(expected: i64, next: i64) -> Option<Self> {
        (expected < next).then_some(Self { first: expected, last: next - 1 })
    }

    /// What of it no pruning explains.
    pub(super) fn unexplained(self, prunings: &[AuditPruning]) -> Vec<Self> {
        let (mut left, mut expected) = (Vec::new(), self.first);
        let beside = |one: &&AuditPruning| one.last_sequence >= self.first && one.first_sequence <= self.last;
        for one in prunings.iter().filter(beside) {
            left.extend(Self::between(expected, one.first_sequence));
            expected = expected.max(one.last_sequence + 1);
        }
        left.extend(Self::between(expected, self.last + 1));
        left
    }
}

impl fmt::Display for Hole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last } = self;
        if first == last {
            write!(f, "event {first} is missing from the audit log, and no pruning tells of it")
        } else {
            write!(f, "events {first} to {last} are missing from the audit log, and no pruning tells of them")
        }
    }
}

/// All that is missing in front of the oldest event that is there, in words.
pub(super) fn told(prunings: &[AuditPruning], oldest: Option<i64>) -> Vec<String> {
    let end = oldest.or_else(|| prunings.last().map(|last| last.last_sequence + 1));
    let holes = end.and_then(|end| Hole::between(1, end)).map(|hole| hole.unexplained(prunings)).unwrap_or_default();
    let short = prunings.iter().filter(|one| i64::from(one.count) != one.last_sequence - one.first_sequence + 1);
    let short = short.map(|one| {
        let (first, last) = (one.first_sequence, one.last_sequence);
        format!("of the events {first} to {last}, {} were there to be pruned", one.count)
    });
    holes.iter().map(Hole::to_string).chain(short).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::pruning::LinesHasher;

    fn pruning(first_sequence: i64, last_sequence: i64, count: u32) -> AuditPruning {
        let at = "2027-01-01T00:00:00Z".parse().unwrap();
        AuditPruning {
            id: uuid::Uuid::nil(),
            at,
            principal: "operator".to_owned(),
            token_id: None,
            first_sequence,
            last_sequence,
            count,
            oldest_at: at,
            newest_at: at,
            sha256: LinesHasher::default().finish(),
        }
    }

    #[test]
    fn records_that_follow_one_another_explain_everything() {
        assert!(told(&[], None).is_empty());
        assert!(told(&[], Some(1)).is_empty());
        assert!(told(&[pruning(1, 5, 5), pruning(6, 6, 1)], Some(7)).is_empty());
        assert!(told(&[pruning(1, 5, 5)], None).is_empty());
        assert_eq!(told(&[pruning(2, 5, 4)], Some(7)).len(), 2);
        assert_eq!(told(&[pruning(1, 5, 3)], Some(6)), ["of the events 1 to 5, 3 were there to be pruned"]);
        assert_eq!(told(&[], Some(3)).len(), 1);
    }

    #[test]
    fn a_hole_is_explained_as_far_as_records_go() {
        let hole = Hole { first: 3, last: 9 };
        assert_eq!(hole.unexplained(&[]), [hole]);
        assert_eq!(hole.unexplained(&[pruning(1, 9, 9)]), []);
        assert_eq!(hole.unexplained(&[pruning(1, 4, 4), pruning(5, 12, 8)]), []);
        let left = [Hole { first: 3, last: 3 }, Hole { first: 6, last: 9 }];
        assert_eq!(hole.unexplained(&[pruning(1, 2, 2), pruning(4, 5, 2), pruning(10, 11, 2)]), left);
        assert_eq!(left[1].to_string(), "events 6 to 9 are missing from the audit log, and no pruning tells of them");
    }
}
