//! Trying logins at their registries: when somebody asks, and before one is added. [`super::schedule`] has them tried again.
//!
//! A password leaves here for its registry, so the rule for secrets holds: first the audit event is durable, then it is used.
//! What became of it is told and kept; nothing else of what the registry answered is.

use super::{Error, Service, Thing, turns::Turn};
use crate::{
    crypto::keyring::KeyError,
    domain::{
        check::{Check, Finding, PullTarget},
        credential::{Contradiction, Credential},
        id::CredentialId,
        matching::{self, Mismatch},
        permission::{Action, Caller, Permit},
        scope::{Scope, ScopeRecord},
        secret::Password,
        text::Invalid,
    },
    registry::{Attempt, Verdict},
    store::SealedCredential,
};

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
        let turn = self.turns.for_organization(place.organization_id()).await?;
        let password = self.open_to_verify(&found).await?;
        self.audit.record(self.event(&permit, Some(&place), vec![id.as_uuid()])).await?;
        let check = self.try_login(&found.credential, &password, image, turn).await;
        note(&found.credential, &check);
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
        let beside = |_| Error::Parameter {
            parameter: "image",
            rule: Invalid("must lie below the login's server, and below its image_prefix if it has one"),
        };
        fits(credential, image).map_err(beside)?;
        let turn = self.turns.for_organization(place.organization_id()).await?;
        let mut event = self.event(permit, Some(place), vec![credential.id.as_uuid()]);
        event.operation = Action::CredentialVerify;
        self.audit.record(event).await?;
        let check = self.try_login(credential, password, image, turn).await;
        note(credential, &check);
        if check.finding.is_proof_against() { Err(Error::NotVerified(check.finding)) } else { Ok(check) }
    }

    pub(super) async fn try_login(
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

    pub(super) async fn open_to_verify(&self, found: &SealedCredential) -> Result<Password, Error> {
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
}

/// Tells the log where somebody has had regcred connect to. The audit event names the credential alone, which may never come to be, or
/// be for another server by the time that somebody looks; the request's identifier leads from one to the other.
fn note(credential: &Credential, check: &Check) {
    let (server, result) = (credential.server.host(), check.finding.name());
    tracing::info!(credential = %credential.id, server, result, "a login was tried");
}

/// Whether the login would be offered for that image. Another repository would be asked for with it, which is none of its owner's.
pub(super) fn fits(credential: &Credential, image: Option<&PullTarget>) -> Result<(), Contradiction> {
    match image.and_then(|image| matching::mismatch(image.image(), credential)) {
        Some(Mismatch::Host | Mismatch::Port | Mismatch::Path) => Err(Contradiction::Image),
        Some(Mismatch::ImagePrefix) => Err(Contradiction::ImageOutsidePrefix),
        None => Ok(()),
    }
}
