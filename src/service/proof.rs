//! Whether what is remembered still holds, asked of the database for all at once.
//!
//! The prover works beside the audit writer: while that one commits a batch, this one proves the next, and hands over the events
//! of those that hold.

use super::{
    AuditQueue, Error,
    queue::{Gathered, Queue},
};
use crate::{
    domain::audit::AuditEvent,
    store::{Premise, Prover, StoreError},
};

/// What an answer from memory rests on, and the event that is to be durable before it is given.
type Claim = (Vec<Premise>, Option<AuditEvent>);

/// The way to the prover.
pub(super) struct ProofQueue(Queue<Claim, bool>);

impl ProofQueue {
    /// Starts the one task that asks. It ends when the queue is gone, and lets go of the audit log then.
    pub(super) fn start(prover: Box<dyn Prover>, audit: &AuditQueue) -> Self {
        let (queue, gathered) = Queue::new();
        tokio::spawn(prove(prover, gathered, audit.queue()));
        Self(queue)
    }

    /// Whether all of these hold, by what was committed before this was asked.
    ///
    /// # Errors
    /// The database did not say so within two seconds.
    pub(super) async fn holds(&self, premises: Vec<Premise>) -> Result<bool, Error> {
        let held = self.0.ask((premises, None)).await;
        held.ok_or_else(|| StoreError::Unavailable("what is remembered could not be proved".into()).into())
    }

    /// The same, and if they hold, the event is durable when this returns. If they do not, there is no event.
    ///
    /// # Errors
    /// As with [`AuditQueue::record`], or the database did not say whether they hold.
    pub(super) async fn record_if(&self, premises: Vec<Premise>, event: AuditEvent) -> Result<bool, Error> {
        self.0.ask((premises, Some(event))).await.ok_or(Error::AuditUnavailable)
    }
}

async fn prove(mut prover: Box<dyn Prover>, mut queue: Gathered<Claim, bool>, audit: Queue<AuditEvent, bool>) {
    while let Some((claims, waiting)) = queue.next().await {
        let cases: Vec<_> = claims.iter().map(|(premises, _)| premises.as_slice()).collect();
        match prover.prove(&cases).await {
            Ok(held) => {
                for (((_, event), waiting), held) in claims.into_iter().zip(waiting).zip(held) {
                    match event.filter(|_| held) {
                        Some(event) => audit.hand_over(event, waiting),
                        // Who is gone has given up waiting.
                        None => drop(waiting.send(held)),
                    }
                }
            }
            Err(error) => {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, source, claims = claims.len(), "what is remembered could not be proved");
            }
        }
    }
}
