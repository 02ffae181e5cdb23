//! Adding credentials: those that come while others are being added are added together, in one transaction.

use super::{
    queue::{Gathered, Queue, Unanswered},
    threads::in_a_thread,
};
use crate::{
    crypto::envelope::Sealed,
    domain::{
        audit::AuditEvent,
        credential::Credential,
        id::{ScopeId, TokenId},
    },
    store::{Added, NewSealedCredential, Store, StoreError},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// How many are added together at most. Hand-outs wait meanwhile on SQLite.
const MOST: usize = 128;

/// Who has waited for others that long has no time to wait once more.
const SOON: Duration = Duration::from_millis(500);

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
    /// It is not, and there is no time left to try it by itself.
    Late,
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
        in_a_thread(|| add(adder, gathered.sparing(MOST)));
        Self { queue, store }
    }

    /// Adds a credential with others; if that cannot be, by itself, which tells why.
    ///
    /// # Errors
    /// As [`Store::credential_add`].
    pub(super) async fn add(&self, new: &Arc<Adding>) -> Result<Added, StoreError> {
        match self.queue.ask(Arc::clone(new)).await {
            Ok(Together::Added) => Ok(Added::Yes),
            Ok(Together::Alone) => self.store.credential_add(new.as_new()).await,
            Ok(Together::Unknown) | Err(Unanswered::Lost) => {
                Err(StoreError::OutcomeUnknown("it was to be added together with others".into()))
            }
            Ok(Together::Late) => Err(StoreError::Unavailable("credentials could not be added in time".into())),
            Err(Unanswered::Refused) => Err(StoreError::Unavailable("too many credentials are being added".into())),
        }
    }

    /// Whether there is somebody who adds. He goes only with the process, or by a defect.
    pub(super) fn is_open(&self) -> bool {
        self.queue.is_open()
    }
}

async fn add(store: Arc<dyn Store>, queue: Gathered<Arc<Adding>, Together>) {
    let work = async |all: Vec<Arc<Adding>>| {
        let begun = Instant::now();
        let new: Vec<_> = all.iter().map(|adding| adding.as_new()).collect();
        let became = match store.credential_add_many(&new).await {
            Ok(added) => added.into_iter().map(|added| if added { Together::Added } else { Together::Alone }).collect(),
            Err(error) => {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                let became = match error {
                    StoreError::OutcomeUnknown(_) => Together::Unknown,
                    _ if begun.elapsed() > SOON => Together::Late,
                    _ => Together::Alone,
                };
                tracing::warn!(%error, source, credentials = new.len(), ?became, "credentials could not be added together");
                vec![became; new.len()]
            }
        };
        Some(became)
    };
    queue.serve(work).await;
}
