//! Whether what is remembered still holds, asked of the database for all at once.

use super::{
    Error,
    queue::{Gathered, Queue, answer},
};
use crate::store::{Premise, Prover, StoreError};

/// The way to the prover.
pub(super) struct ProofQueue(Queue<Vec<Premise>, bool>);

impl ProofQueue {
    /// Starts the one task that asks. It ends when the queue is gone.
    pub(super) fn start(prover: Box<dyn Prover>) -> Self {
        let (queue, gathered) = Queue::new();
        tokio::spawn(prove(prover, gathered));
        Self(queue)
    }

    /// Whether all of these hold, by what was committed before this was asked.
    ///
    /// # Errors
    /// The database did not say so within two seconds.
    pub(super) async fn holds(&self, premises: Vec<Premise>) -> Result<bool, Error> {
        let held = self.0.ask(premises).await;
        held.ok_or_else(|| StoreError::Unavailable("what is remembered could not be proved".into()).into())
    }
}

async fn prove(mut prover: Box<dyn Prover>, mut queue: Gathered<Vec<Premise>, bool>) {
    while let Some((cases, waiting)) = queue.next().await {
        match prover.prove(&cases).await {
            Ok(held) => answer(waiting, held),
            Err(error) => {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, source, cases = cases.len(), "what is remembered could not be proved");
            }
        }
    }
}
