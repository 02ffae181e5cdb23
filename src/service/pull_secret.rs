//! The hot path, and the only one on which secrets leave: the pull secret of a project.
//!
//! There are two ways to the same bytes. [`Service::pull_secret_get`] reads, chooses, compares the tag, opens what was chosen,
//! renders, makes the audit event durable, and only then answers. [`Service::pull_secret_recall`] has kept what the first way
//! gave, and uses it when the database says, while it makes the event durable, that nothing of it has changed. Where that fails,
//! it knows nothing, and the first way is gone.

mod prepare;

use super::{Error, Service, memory::Question};
use crate::domain::{
    id::CredentialId,
    permission::{Action, RequestContext},
    scope::Scope,
    secret::SecretDocument,
    token::TokenText,
};
use std::sync::Arc;
use zeroize::Zeroizing;

/// A request for a pull secret.
#[derive(Debug)]
pub struct PullSecretRequest {
    /// What is wanted.
    pub question: Question,
    /// The tags that the caller has already; `None` if he has none.
    pub known: Option<Vec<String>>,
}

/// A pull secret.
#[derive(Debug)]
pub enum PullSecret {
    /// The caller has it already, under this tag.
    Known(String),
    /// The document, its tag, and what was left out of it.
    Fresh {
        /// A docker config.
        document: SecretDocument,
        /// Changes exactly when the document does, as long as each scope keeps its data key.
        tag: String,
        /// What would have been in it.
        omitted: Vec<Omission>,
    },
}

/// A credential that was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Omission {
    /// Which one.
    pub id: CredentialId,
    /// Why.
    pub reason: OmissionReason,
}

/// Why a credential was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OmissionReason {
    /// Somebody switched it off.
    Disabled,
    /// Its time is over.
    Expired,
    /// Its row cannot be read; the log says more.
    Unreadable,
}

impl OmissionReason {
    /// The reason's name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::Unreadable => "unreadable",
        }
    }
}

impl PullSecretRequest {
    /// Whether the caller has that already.
    fn knows(&self, tag: &String) -> bool {
        self.known.as_ref().is_some_and(|known| known.contains(tag))
    }
}

impl Service {
    /// The pull secret as it was given before, if that is proved to be what it would be given now, to this caller. `None` says
    /// nothing of the request: go the long way, which finds out what is wrong with it.
    ///
    /// # Errors
    /// The audit event could not be made durable, or the database did not say in time whether anything has changed.
    pub async fn pull_secret_recall(
        &self,
        text: Option<&Zeroizing<String>>,
        context: RequestContext,
        request: &PullSecretRequest,
    ) -> Result<Option<PullSecret>, Error> {
        let Some(token) = text.and_then(|text| TokenText::parse(text).ok()) else { return Ok(None) };
        let Some(known) = self.memory.caller(&self.token_key.mac(&token)) else { return Ok(None) };
        let Some(answer) = self.memory.answer(&request.question) else { return Ok(None) };
        let project = Scope::Project(request.question.project.clone());
        let Ok(permit) = known.in_request(context).permit(Action::PullSecretGet, &project) else { return Ok(None) };
        let now = self.clock.now();
        if !permit.covers(&answer.place) || !answer.is_in_time(now) || permit.caller().expires_at <= now {
            return Ok(None);
        }
        // From here on all rests on these, and nothing leaves before the database has said that they hold.
        let premises = [&[known.premise], &answer.premises[..]].concat();
        if request.knows(&answer.tag) {
            // The long way has its own connections, which are tried before they are used.
            let Ok(holds) = self.proof.holds(premises).await else { return Ok(None) };
            self.counts.recall(holds);
            return Ok(holds.then(|| PullSecret::Known(answer.tag.clone())));
        }
        let Some(kept) = &answer.document else { return Ok(None) };
        let event = self.event(&permit, Some(&answer.place), Arc::clone(&kept.handed_out));
        let recorded = self.audit.record_if(premises, event).await?;
        self.counts.recall(recorded);
        if !recorded {
            return Ok(None);
        }
        // Opened last, so that no plaintext lies about while its event becomes durable.
        let Ok(document) = self.memory.open(answer.place.id, kept) else { return Ok(None) };
        self.counts.hand_out(kept.handed_out.len());
        Ok(Some(PullSecret::Fresh { document, tag: answer.tag.clone(), omitted: answer.omitted.clone() }))
    }
}
