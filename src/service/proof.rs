//! Whether what is remembered still holds, asked of the database for all at once.
//!
//! For those answers only that leave no event. The others are proved by the audit log, which goes to the database for them anyway.

use super::{
    Error,
    queue::{Gathered, Queue},
    threads::{apart, give_way},
};
use crate::store::{Premise, Prover, StoreError};

/// The way to the prover.
pub(super) struct ProofQueue(Queue<Vec<Premise>, bool>);

impl ProofQueue {
    /// Starts the one task that asks. It ends when the queue is gone.
    pub(super) fn start(prover: Box<dyn Prover>) -> Self {
        let (queue, gathered) = Queue::new();
        apart(|| {
            give_way();
            prove(prover, gathered)
        });
        Self(queue)
    }

    /// Whether all of these hold, by what was committed before this was asked.
    ///
    /// # Errors
    /// The database did not say so within two seconds.
    pub(super) async fn holds(&self, premises: Vec<Premise>) -> Result<bool, Error> {
        let held = self.0.ask(premises).await;
        held.map_err(|_| StoreError::Unavailable("what is remembered could not be proved".into()).into())
    }
}

async fn prove(mut prover: Box<dyn Prover>, queue: Gathered<Vec<Premise>, bool>) {
    let ask = async |claims: Vec<Vec<Premise>>| {
        let cases: Vec<_> = claims.iter().map(Vec::as_slice).collect();
        match prover.prove(&cases).await {
            Ok(held) => Some(held),
            Err(error) => {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, source, claims = claims.len(), "what is remembered could not be proved");
                None
            }
        }
    };
    queue.serve(ask).await;
}
