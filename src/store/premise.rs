//! What an answer from memory rests on.
//!
//! The database keeps a [`Stamp`] for each scope and each token, and changes it with everything that hangs on them. Whoever reads a
//! stamp first and something that hangs on it afterwards has a [`Premise`]: while it holds, what he read is what stands there.
//! The other order would not do, because a change may come in between.

use super::StoreError;
use crate::domain::{audit::AuditEvent, timestamp::Timestamp};
use async_trait::async_trait;
use uuid::Uuid;

/// A random value that stands for the state of a scope or a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp(pub Uuid);

/// That nothing has changed with a scope or a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Premise {
    /// The scope or the token.
    pub subject: Uuid,
    /// What its stamp was.
    pub stamp: Stamp,
    /// The end of its time, by the database's clock, if it has one: from then on the premise does not hold.
    pub until: Option<Timestamp>,
}

/// An event that is to be written only if something holds.
#[derive(Debug, Clone)]
pub struct ConditionalEvent {
    /// The event.
    pub event: AuditEvent,
    /// What must hold; nothing, if the event is to be written in any case.
    pub premises: Vec<Premise>,
}

impl From<AuditEvent> for ConditionalEvent {
    /// The event in any case.
    fn from(event: AuditEvent) -> Self {
        Self { event, premises: Vec::new() }
    }
}

/// Looks whether premises hold, on a connection that nothing else uses.
#[async_trait]
pub trait Prover: Send {
    /// Whether all premises of each case hold now. What was committed before this was asked is taken into account.
    async fn prove(&mut self, cases: &[&[Premise]]) -> Result<Vec<bool>, StoreError>;
}
