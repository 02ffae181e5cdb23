//! Whom the schedule passes over for now: hosts that did not answer, and organizations that have had their share of its time.

use crate::{
    domain::{
        check::{Finding, Stage},
        scope::ScopeName,
    },
    store::DueCheck,
};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// What part of its time, and of its tries of new passwords, the schedule gives to one organization: one of so many.
pub(super) const SHARE: u32 = 4;
/// How much of it an organization may have at once. Whoever has had that waits until the others could have had theirs.
const AT_ONCE: Duration = Duration::from_secs(10);
/// How long a host that did not answer is left alone at most.
const LONGEST_REST: Duration = Duration::from_hours(1);

/// What the schedule has seen of late.
pub(super) struct Fairness {
    rest: Duration,
    /// Until when a host is left alone: for everybody, or for an organization.
    silent: HashMap<(Option<ScopeName>, String), Instant>,
    /// How much time was spent on an organization, less what it has been given since, and as of when.
    spent: HashMap<ScopeName, (Duration, Instant)>,
}

/// Whose logins a host is left alone for.
enum Whose {
    Everybodys,
    TheOrganizations,
}

impl Fairness {
    /// For a schedule that tries each login once in that time.
    pub(super) fn new(interval: Duration) -> Self {
        Self { rest: (interval / 8).min(LONGEST_REST), silent: HashMap::new(), spent: HashMap::new() }
    }

    /// Whether a login has to wait.
    pub(super) fn passes_over(&self, due: &DueCheck, now: Instant) -> bool {
        let organization = due.scope.organization();
        let host = due.server.host();
        let is_silent = |whose: Option<&ScopeName>| {
            self.silent.get(&(whose.cloned(), host.to_owned())).is_some_and(|until| *until > now)
        };
        let has_had_its_share =
            organization.and_then(|name| self.spent.get(name)).is_some_and(|spent| left(*spent, now) >= AT_ONCE);
        has_had_its_share || is_silent(None) || is_silent(organization)
    }

    /// Takes note of what became of a login, and how long it took.
    pub(super) fn learn(&mut self, due: &DueCheck, finding: Finding, took: Duration, now: Instant) {
        let organization = due.scope.organization().cloned();
        if let Some(name) = &organization {
            let before = self.spent.get(name).map_or(Duration::ZERO, |spent| left(*spent, now));
            self.spent.insert(name.clone(), (before + took, now));
        }
        let whose = match whose(finding) {
            Some(Whose::Everybodys) => None,
            Some(Whose::TheOrganizations) => organization,
            None => return,
        };
        self.silent.insert((whose, due.server.host().to_owned()), now + self.rest);
    }

    /// Forgets what holds no more.
    pub(super) fn forget(&mut self, now: Instant) {
        self.silent.retain(|_, until| *until > now);
        self.spent.retain(|_, spent| left(*spent, now) > Duration::ZERO);
    }
}

/// What of the time that was spent has not been made up for.
fn left((spent, at): (Duration, Instant), now: Instant) -> Duration {
    spent.saturating_sub(now.saturating_duration_since(at) / SHARE)
}

/// Whether a finding says that its host does not answer, and to whom. What comes before a login is sent is so for all, and has stages
/// that nothing later has. What comes later may be because of the login, and so is held against its organization alone: or somebody
/// could keep a registry from being asked about the logins of others.
fn whose(finding: Finding) -> Option<Whose> {
    match finding.stage() {
        Stage::Dns | Stage::Connect => Some(Whose::Everybodys),
        Stage::Tls | Stage::RateLimited => Some(Whose::TheOrganizations),
        Stage::Unavailable => matches!(
            finding,
            Finding::RegistryFailed
                | Finding::BrokenOff
                | Finding::TimedOut
                | Finding::TokenServerNotAllowed
                | Finding::TokenServerUnreachable
                | Finding::TokenServerFailed
        )
        .then_some(Whose::TheOrganizations),
        Stage::NotARegistry | Stage::Unauthorized | Stage::NoPullAccess | Stage::Ok => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{id::CredentialId, timestamp::Timestamp};
    use uuid::Uuid;

    const DAY: Duration = Duration::from_hours(24);
    const QUICK: Duration = Duration::from_millis(300);
    const SLOW: Duration = Duration::from_secs(20);

    fn due(scope: &str, server: &str) -> DueCheck {
        DueCheck {
            scope: format!("organizations/{scope}").parse().unwrap(),
            id: CredentialId::from_uuid(Uuid::from_u128(1)),
            server: server.parse().unwrap(),
            created_at: Timestamp::from_microseconds(0).unwrap(),
            attempted_at: None,
            is_untried: true,
        }
    }

    #[test]
    fn a_host_that_cannot_be_reached_is_left_alone_for_everybody() {
        let begun = Instant::now();
        let mut fairness = Fairness::new(DAY);
        fairness.learn(&due("acme/projects/shop", "r.example/a"), Finding::NoConnection, QUICK, begun);
        for (scope, server, is_passed_over) in [
            ("acme/projects/shop", "r.example/b", true),
            ("acme", "r.example", true),
            ("globex", "r.example", true),
            ("acme", "r.example:5000", false),
            ("acme", "s.example", false),
        ] {
            assert_eq!(fairness.passes_over(&due(scope, server), begun), is_passed_over, "{scope} {server}");
        }
        assert!(fairness.passes_over(&due("acme", "r.example"), begun + LONGEST_REST.saturating_sub(QUICK)));
        assert!(!fairness.passes_over(&due("acme", "r.example"), begun + LONGEST_REST));
        let mut hourly = Fairness::new(Duration::from_hours(1));
        hourly.learn(&due("acme", "r.example"), Finding::NameNotFound, QUICK, begun);
        assert!(
            !hourly.passes_over(&due("acme", "r.example"), begun + Duration::from_mins(8)),
            "an eighth of the hour"
        );
    }

    #[test]
    fn what_may_be_because_of_the_login_is_not_held_against_others() {
        let begun = Instant::now();
        for (finding, is_passed_over) in [
            (Finding::TimedOut, true),
            (Finding::RegistryFailed, true),
            (Finding::BrokenOff, true),
            (Finding::TokenServerNotAllowed, true),
            (Finding::TokenServerUnreachable, true),
            (Finding::TokenServerFailed, true),
            (Finding::Forbidden, false),
            (Finding::RateLimited, true),
            (Finding::CertificateNotTrusted, true),
            (Finding::AccessKey, false),
            (Finding::LoginRefused, false),
            (Finding::LoginAccepted, false),
        ] {
            let mut fairness = Fairness::new(DAY);
            fairness.learn(&due("acme", "r.example"), finding, QUICK, begun);
            let own = fairness.passes_over(&due("acme/projects/shop", "r.example/b"), begun);
            assert_eq!(own, is_passed_over, "{finding:?}");
            assert!(!fairness.passes_over(&due("globex", "r.example"), begun), "{finding:?}");
        }
    }

    #[test]
    fn an_organization_has_a_quarter_of_the_time_however_many_hosts_it_names() {
        let begun = Instant::now();
        let (mut fairness, mut now, mut spent) = (Fairness::new(DAY), begun, Duration::ZERO);
        for number in 0..10_000 {
            let login = due("acme", &format!("r{number}.example"));
            if fairness.passes_over(&login, now) {
                now += Duration::from_secs(1);
            } else {
                now += SLOW;
                spent += SLOW;
                fairness.learn(&login, Finding::TimedOut, SLOW, now);
            }
            assert!(!fairness.passes_over(&due("globex", "s.example"), now));
        }
        let whole = now - begun;
        assert!(spent <= whole / SHARE + AT_ONCE + SLOW && spent >= whole / (SHARE + 2), "{spent:?} of {whole:?}");
    }

    #[test]
    fn whoever_is_quick_is_not_held_up_and_what_holds_no_more_is_forgotten() {
        let mut now = Instant::now();
        let mut fairness = Fairness::new(DAY);
        for number in 0..20 {
            let login = due("acme", &format!("r{number}.example"));
            assert!(!fairness.passes_over(&login, now), "{number}");
            now += QUICK;
            fairness.learn(&login, Finding::NoConnection, QUICK, now);
        }
        fairness.forget(now);
        assert_eq!((fairness.silent.len(), fairness.spent.len()), (20, 1));
        fairness.forget(now + LONGEST_REST);
        assert_eq!((fairness.silent.len(), fairness.spent.len()), (0, 0));
    }
}
