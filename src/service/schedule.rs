//! Trying the logins that are handed out again and again, if the operator wants it.
//!
//! One is tried after the other, so that regcred is no burden to anybody. Whoever names a host that never answers, or has very many
//! logins, would keep all others waiting so: [`Fairness`] and [`Step`] know whom to pass over. Who is passed over stays due, and is
//! come to again.

mod fairness;
mod step;

use super::{Error, Service, report, verification::fits};
use crate::{
    domain::{
        audit::AuditEvent, check::Finding, credential::Availability, id::CredentialId, permission::Action,
        source::random_bytes, timestamp::Timestamp,
    },
    store::DueCheck,
};
use fairness::Fairness;
use std::time::{Duration, Instant};
use step::{Step, in_turn};
use tokio::time::sleep;

/// How often it is asked whose turn it is, at least and at most.
const STEP: (Duration, Duration) = (Duration::from_secs(10), Duration::from_mins(1));
/// How many parts of all logins a step looks through at once, for those whose turn it is.
const PARTS: usize = 20;
/// How often it looks, as long as there are tries left.
const LOOKS: usize = 5;

impl Service {
    /// Tries each login that is handed out about once in that time, for as long as the process runs. Of several processes each
    /// takes others.
    pub async fn keep_checked(&self, interval: Duration) {
        let step = (interval / 360).clamp(STEP.0, STEP.1);
        let mut fairness = Fairness::new(interval);
        let (mut failing, mut place) = (false, None);
        loop {
            // Processes that start together shall not go on together.
            sleep(step.mul_f64(0.5 + self.chance())).await;
            match self.check_due(interval, &mut place, &mut fairness).await {
                Ok(()) => failing = false,
                Err(error) => {
                    if !failing {
                        tracing::warn!(%error, "logins are not checked");
                    }
                    failing = true;
                }
            }
        }
    }

    /// Tries some of those who are due behind that place.
    async fn check_due(
        &self,
        interval: Duration,
        place: &mut Option<CredentialId>,
        fairness: &mut Fairness,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        // What was added together is tried apart after a few rounds.
        let age = interval.mul_f64(0.9 + 0.2 * self.chance());
        let age = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
        let since = Timestamp::from_microseconds(now.microseconds().saturating_sub(age).max(0)).unwrap_or(now);
        fairness.forget(Instant::now());
        let mut step = Step::default();
        for _ in 0..LOOKS {
            let mut next = *place;
            for due in in_turn(self.look_through(&mut next, (since, now)).await?) {
                if !step.admits(&due) || fairness.passes_over(&due, Instant::now()) {
                    continue;
                }
                if !self.store.check_claim(due.id, (since, now)).await? {
                    continue;
                }
                step.count(&due);
                if let Some((tried, finding, took)) = self.check_again(due).await? {
                    fairness.learn(&tried, finding, took, Instant::now());
                }
            }
            // Only now: where a step fails, those who were due there still are, and those who had a turn are not.
            *place = next;
            if step.is_over() || place.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Who is due in the next parts behind that place. It goes on whoever of them has a turn, so that nobody's logins, however many,
    /// keep the schedule from those behind them.
    async fn look_through(
        &self,
        place: &mut Option<CredentialId>,
        since_and_now: (Timestamp, Timestamp),
    ) -> Result<Vec<DueCheck>, Error> {
        let mut due = Vec::new();
        for _ in 0..PARTS {
            let found = self.store.check_list(*place, since_and_now).await?;
            for row in found.due {
                match row {
                    Ok(row) => due.push(row),
                    Err(corrupt) => report(&corrupt),
                }
            }
            *place = found.next;
            if place.is_none() {
                break;
            }
        }
        Ok(due)
    }

    /// What was tried, what was found out and how long it took; nothing if there is no login to be tried any more.
    async fn check_again(&self, due: DueCheck) -> Result<Option<(DueCheck, Finding, Duration)>, Error> {
        // The turn comes first: until it does, the login may be changed, switched off, or tried by its owner.
        let Some(turn) = self.turns.for_schedule().await else { return Ok(None) };
        let mut queries = self.store.read().await?;
        let Some(place) = queries.scope_find(&due.scope).await? else { return Ok(None) };
        let Some(found) = queries.sealed_credential_find(&place, due.id).await? else { return Ok(None) };
        drop(queries);
        let known = found.credential.last_check.as_ref().map(|check| check.finding);
        if found.credential.availability(self.clock.now()) != Availability::Available
            || known.is_some_and(Finding::is_left_alone)
        {
            return Ok(None);
        }
        // If it does not open, that is in the log, and the others have their turn all the same.
        let Ok(password) = self.open_to_verify(&found).await else { return Ok(None) };
        let objects = vec![due.id.as_uuid()];
        let event = AuditEvent::by_regcred_in(&*self.clock, &*self.random, Action::CredentialVerify, &place, objects);
        self.audit.record(event).await?;
        let credential = found.credential;
        let image = credential.last_check.as_ref().and_then(|check| check.image.clone());
        // Its image prefix may be another since.
        let image = image.filter(|image| fits(&credential, Some(image)).is_ok());
        let begun = Instant::now();
        let check = self.try_login(&credential, &password, image.as_ref(), turn).await;
        let took = begun.elapsed();
        if check.finding.stage().is_refusal() {
            tracing::warn!(credential = %due.id, scope = %due.scope, result = check.finding.name(), "a login does not work");
        }
        self.keep_check(&credential, &check).await;
        // Since it was listed it may have got another server, and what is found out is that one's.
        Ok(Some((DueCheck { server: credential.server, ..due }, check.finding, took)))
    }

    /// A number between 0 and 1.
    fn chance(&self) -> f64 {
        f64::from(u32::from_be_bytes(random_bytes(&*self.random))) / f64::from(u32::MAX)
    }
}
