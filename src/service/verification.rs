//! Trying logins at their registries: when somebody asks, before one is added, and again and again if the operator wants it.
//!
//! A password leaves here for its registry, so the rule for secrets holds: first the audit event is durable, then it is used.
//! What became of it is told and kept; nothing else of what the registry answered is.

use super::{Error, Service, Thing, report, turns::Turn};
use crate::{
    crypto::keyring::KeyError,
    domain::{
        audit::AuditEvent,
        check::{Check, Finding, PullTarget},
        credential::{Availability, Contradiction, Credential},
        id::CredentialId,
        matching,
        page::Limit,
        permission::{Action, Caller, Permit},
        scope::{Scope, ScopeRecord},
        secret::Password,
        source::random_bytes,
        text::Invalid,
        timestamp::Timestamp,
    },
    registry::{Attempt, Verdict},
    store::{DueCheck, SealedCredential},
};
use std::time::Duration;
use tokio::time::sleep;

/// How often it is asked whose turn it is, at least and at most.
const STEP: (Duration, Duration) = (Duration::from_secs(10), Duration::from_mins(1));
/// How many logins are taken at a time, to be tried one after another.
const AT_A_TIME: u32 = 20;
/// Through how many parts of all logins one step goes at most, where nobody's turn it is.
const PARTS: usize = 20;

impl Service {
    /// Tries a credential at its registry, perhaps for an image, and keeps what became of it.
    ///
    /// # Errors
    /// There is none, it is inherited, the image is not one of its own, too many are being tried, the audit event could not be
    /// made durable, the password cannot be read, the caller may not, or the store failed. That the login does not work is none.
    pub async fn credential_verify(
        &self,
        caller: &Caller,
        scope: &Scope,
        id: CredentialId,
        image: Option<&PullTarget>,
    ) -> Result<Check, Error> {
        let permit = self.permit(caller, Action::CredentialVerify, scope).await?;
        let mut queries = self.store.read().await?;
        let place = self.place(&mut *queries, &permit).await?;
        let found = queries.sealed_credential_find(&place, id).await?.ok_or(Error::NotFound(Thing::Credential))?;
        if found.credential.scope != place.scope {
            drop(queries);
            return Err(self.deny(caller, permit.action(), permit.scope(), "role", Error::Inherited).await);
        }
        fits(&found.credential, image)?;
        drop(queries);
        let turn = self.turns.for_organization(place.organization_id()).await.ok_or(Error::Crowded)?;
        let password = self.open_to_verify(&found).await?;
        self.audit.record(self.event(&permit, Some(&place), vec![id.as_uuid()])).await?;
        let check = self.try_login(&found.credential, &password, image, turn).await;
        self.keep_check(&found.credential, &check).await;
        Ok(check)
    }

    /// Tries a login that is to be added. The caller has sent the password himself, but regcred makes the connection.
    pub(super) async fn check_new(
        &self,
        permit: &Permit,
        place: &ScopeRecord,
        credential: &Credential,
        password: &Password,
        image: Option<&PullTarget>,
    ) -> Result<Check, Error> {
        // Here it came beside the body.
        let beside = |_| Error::Parameter { parameter: "image", rule: Invalid("must lie below the login's server") };
        fits(credential, image).map_err(beside)?;
        let turn = self.turns.for_organization(place.organization_id()).await.ok_or(Error::Crowded)?;
        let mut event = self.event(permit, Some(place), vec![credential.id.as_uuid()]);
        event.operation = Action::CredentialVerify;
        self.audit.record(event).await?;
        let check = self.try_login(credential, password, image, turn).await;
        if check.finding.is_proof_against() { Err(Error::NotVerified(check.finding)) } else { Ok(check) }
    }

    async fn try_login(
        &self,
        credential: &Credential,
        password: &Password,
        image: Option<&PullTarget>,
        turn: Turn,
    ) -> Check {
        let attempt = Attempt {
            server: &credential.server,
            username: credential.username.as_ref(),
            password,
            ca: credential.ca_certificates.as_ref(),
            image,
        };
        let verdict = if credential.is_access_key() {
            Verdict { finding: Finding::AccessKey, rate_limit: None }
        } else {
            self.verifier.verify(attempt, turn).await
        };
        metrics::counter!("regcred_checks_total", "result" => verdict.finding.stage().name()).increment(1);
        Check {
            finding: verdict.finding,
            checked_at: self.clock.now(),
            image: image.cloned(),
            rate_limit: verdict.rate_limit,
        }
    }

    /// Writes down what was found out. It was told already, so that this fails is for the log alone.
    pub(super) async fn keep_check(&self, credential: &Credential, check: &Check) {
        if let Err(error) = self.store.check_put(credential.id, credential.version, check).await {
            tracing::warn!(%error, credential = %credential.id, "what became of a check could not be written down");
        }
    }

    async fn open_to_verify(&self, found: &SealedCredential) -> Result<Password, Error> {
        let password = found.password.as_ref().map_err(Clone::clone)?;
        let data_key = match self.data_key_open(&password.data_key).await {
            // Since the row was read, the data key may have been wrapped anew, and its old master key given up.
            Err(Error::Key(KeyError::Unknown(_))) => {
                self.data_key(&mut *self.store.read().await?, found.scope_id).await?
            }
            opened => opened?,
        };
        let opened = data_key.open(&password.sealed, &self.password_binding(found.scope_id, &found.credential));
        opened.map_err(|fault| Error::unopened("credentials", "sealed", &found.credential.id, &fault))
    }

    /// Tries each login that is handed out about once in that time, for as long as the process runs. Of several processes each
    /// takes others.
    pub async fn keep_checked(&self, interval: Duration) {
        let step = (interval / 360).clamp(STEP.0, STEP.1);
        let (mut failing, mut place) = (false, None);
        loop {
            // Processes that start together shall not go on together.
            sleep(step.mul_f64(0.5 + self.chance())).await;
            match self.check_due(interval, &mut place).await {
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

    /// Goes on behind that place until it has found some, or has looked for long enough.
    async fn check_due(&self, interval: Duration, place: &mut Option<CredentialId>) -> Result<(), Error> {
        let now = self.clock.now();
        // What was added together is tried apart after a few rounds.
        let age = interval.mul_f64(0.9 + 0.2 * self.chance());
        let age = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
        let since = Timestamp::from_microseconds(now.microseconds().saturating_sub(age).max(0)).unwrap_or(now);
        let limit = Limit::try_from(AT_A_TIME).expect("it is a small number");
        for _ in 0..PARTS {
            let claimed = self.store.check_claim(*place, (since, now), limit).await?;
            *place = claimed.next;
            let found = !claimed.due.is_empty();
            for row in claimed.due {
                match row {
                    Ok(due) => self.check_again(&due).await?,
                    Err(corrupt) => report(&corrupt),
                }
            }
            if found || place.is_none() {
                break;
            }
        }
        Ok(())
    }

    async fn check_again(&self, due: &DueCheck) -> Result<(), Error> {
        // The turn comes first: until it does, the login may be changed, switched off, or tried by its owner.
        let Some(turn) = self.turns.for_schedule().await else { return Ok(()) };
        let mut queries = self.store.read().await?;
        let Some(place) = queries.scope_find(&due.scope).await? else { return Ok(()) };
        let Some(found) = queries.sealed_credential_find(&place, due.id).await? else { return Ok(()) };
        drop(queries);
        let known = found.credential.last_check.as_ref().map(|check| check.finding);
        if found.credential.availability(self.clock.now()) != Availability::Available
            || known.is_some_and(Finding::is_left_alone)
        {
            return Ok(());
        }
        // If it does not open, that is in the log, and the others have their turn all the same.
        let Ok(password) = self.open_to_verify(&found).await else { return Ok(()) };
        let objects = vec![due.id.as_uuid()];
        let event = AuditEvent::by_regcred_in(&*self.clock, &*self.random, Action::CredentialVerify, &place, objects);
        self.audit.record(event).await?;
        let credential = found.credential;
        let image = credential.last_check.as_ref().and_then(|check| check.image.clone());
        let check = self.try_login(&credential, &password, image.as_ref(), turn).await;
        if check.finding.stage().is_refusal() {
            tracing::warn!(credential = %due.id, scope = %due.scope, result = check.finding.name(), "a login does not work");
        }
        self.keep_check(&credential, &check).await;
        Ok(())
    }

    /// A number between 0 and 1.
    fn chance(&self) -> f64 {
        f64::from(u32::from_be_bytes(random_bytes(&*self.random))) / f64::from(u32::MAX)
    }
}

/// Whether the login would be offered for that image. Another repository would be asked for with it, which is none of its owner's.
fn fits(credential: &Credential, image: Option<&PullTarget>) -> Result<(), Contradiction> {
    match image {
        Some(image) if !matching::matches(&credential.server, image.image()) => Err(Contradiction::Image),
        Some(_) | None => Ok(()),
    }
}
