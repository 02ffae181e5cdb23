//! Adding credentials: those that come while others are being added are added together, in one transaction.

use super::queue::{Gathered, Queue, in_a_thread};
use crate::{
    crypto::envelope::Sealed,
    domain::{
        audit::AuditEvent,
        credential::Credential,
        id::{ScopeId, TokenId},
    },
    store::{Added, NewSealedCredential, Store, StoreError},
};
use std::sync::Arc;

/// A credential that is to be added.
pub(super) struct Adding {
    pub(super) token: TokenId,
    pub(super) credential: Credential,
    pub(super) scope: ScopeId,
    pub(super) sealed: Sealed,
    pub(super) fingerprint: [u8; 16],
    pub(super) event: AuditEvent,
}

impl Adding {
    fn as_new(&self) -> NewSealedCredential<'_> {
        NewSealedCredential {
            token: self.token,
            credential: &self.credential,
            scope: self.scope,
            password: (&self.sealed, &self.fingerprint),
            event: &self.event,
        }
    }
}

/// What became of a credential among others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Together {
    /// It is there, and so is its event.
    Added,
    /// It is not: something stands against this one, or another one spoiled it.
    Alone,
    /// The connection was lost during the commit.
    Unknown,
}

/// The way to add credentials.
pub(super) struct AddQueue {
    queue: Queue<Arc<Adding>, Together>,
    store: Arc<dyn Store>,
}

impl AddQueue {
    /// Starts the one task that adds them together. It ends when the queue is gone.
    pub(super) fn start(store: Arc<dyn Store>) -> Self {
        let (queue, gathered) = Queue::new();
        let adder = Arc::clone(&store);
        in_a_thread(|| add(adder, gathered));
        Self { queue, store }
    }

    /// Adds a credential with others; if that cannot be, by itself, which tells why.
    ///
    /// # Errors
    /// As [`Store::credential_add`].
    pub(super) async fn add(&self, new: &Arc<Adding>) -> Result<Added, StoreError> {
        match self.queue.ask(Arc::clone(new)).await {
            Some(Together::Added) => Ok(Added::Yes),
            Some(Together::Alone) => self.store.credential_add(new.as_new()).await,
            Some(Together::Unknown) | None => {
                Err(StoreError::OutcomeUnknown("it was to be added together with others".into()))
            }
        }
    }
}

async fn add(store: Arc<dyn Store>, queue: Gathered<Arc<Adding>, Together>) {
    let work = async |all: Vec<Arc<Adding>>| {
        let new: Vec<_> = all.iter().map(|adding| adding.as_new()).collect();
        let became = match store.credential_add_many(&new).await {
            Ok(added) => added.into_iter().map(|added| if added { Together::Added } else { Together::Alone }).collect(),
            Err(error) => {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                tracing::debug!(%error, source, credentials = new.len(), "credentials could not be added together");
                let unknown = matches!(error, StoreError::OutcomeUnknown(_));
                vec![if unknown { Together::Unknown } else { Together::Alone }; new.len()]
            }
        };
        Some(became)
    };
    queue.serve(work).await;
}
