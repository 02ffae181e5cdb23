//! Audit events: who did what to which things, from where, and how it ended.
//!
//! Never part of one: passwords, tokens, their hashes or lengths, request bodies, query strings, database details.

use super::{
    id::{EventId, RequestId, ScopeId, TokenId},
    permission::{Action, Caller, Permit},
    scope::{Scope, ScopeRecord},
    source::{Clock, Random},
    timestamp::Timestamp,
};
use std::{net::IpAddr, sync::Arc};
use uuid::Uuid;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Success,
    /// The policy said no.
    Denied,
}

impl Outcome {
    /// The outcome's name on the wire and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Denied => "denied",
        }
    }
}

/// What an event says, before it is stored. It cannot be changed afterwards.
#[derive(Debug, Clone)]
pub struct AuditEvent {
    /// Names it.
    pub id: EventId,
    /// When it happened.
    pub at: Timestamp,
    /// The request that it happened in; the process itself gives itself one at its start.
    pub request_id: RequestId,
    /// The name of the token that was used, or `regcred` for the process itself.
    pub principal: Arc<str>,
    /// That token's identifier.
    pub token_id: Option<TokenId>,
    /// The scope by its name at the time.
    pub scope: Scope,
    /// The organization that it happened in.
    pub organization_id: Option<ScopeId>,
    /// The project that it happened in.
    pub project_id: Option<ScopeId>,
    /// What was done.
    pub operation: Action,
    /// The things that it was done to, or that were handed out.
    pub objects: Arc<[Uuid]>,
    /// How it ended.
    pub outcome: Outcome,
    /// Where the request came from.
    pub address: Option<IpAddr>,
}

impl AuditEvent {
    /// The event of a permitted action. `place` is the scope as it was found, unless it is the deployment.
    pub fn of(
        clock: &dyn Clock,
        random: &dyn Random,
        permit: &Permit,
        place: Option<&ScopeRecord>,
        objects: impl Into<Arc<[Uuid]>>,
        outcome: Outcome,
    ) -> Self {
        let event = Self::by(clock, random, permit.caller(), permit.action(), permit.scope(), place);
        Self { objects: objects.into(), outcome, ..event }
    }

    /// The event of an action that the policy refused. `place` is the scope, if there is one of that name.
    pub fn denied(
        clock: &dyn Clock,
        random: &dyn Random,
        caller: &Caller,
        action: Action,
        scope: &Scope,
        place: Option<&ScopeRecord>,
    ) -> Self {
        Self { outcome: Outcome::Denied, ..Self::by(clock, random, caller, action, scope, place) }
    }

    fn by(
        clock: &dyn Clock,
        random: &dyn Random,
        caller: &Caller,
        operation: Action,
        scope: &Scope,
        place: Option<&ScopeRecord>,
    ) -> Self {
        Self {
            id: EventId::new(clock, random),
            at: clock.now(),
            request_id: caller.request.request_id,
            principal: caller.token_name.shared(),
            token_id: Some(caller.token_id),
            // A new organization stands for itself, although leave to make it is the deployment's to give.
            scope: place.map_or(scope, |place| &place.scope).clone(),
            organization_id: place.map(ScopeRecord::organization_id),
            project_id: place.filter(|place| place.parent_id.is_some()).map(|place| place.id),
            operation,
            objects: Arc::default(),
            outcome: Outcome::Success,
            address: caller.request.address,
        }
    }

    /// The event of something that the process did by itself to things of a scope, or was configured to.
    pub fn by_regcred_in(
        clock: &dyn Clock,
        random: &dyn Random,
        operation: Action,
        place: &ScopeRecord,
        objects: impl Into<Arc<[Uuid]>>,
    ) -> Self {
        Self {
            scope: place.scope.clone(),
            organization_id: Some(place.organization_id()),
            project_id: place.parent_id.map(|_| place.id),
            ..Self::by_regcred(clock, random, operation, objects)
        }
    }

    /// The event of something that the process did by itself, at its start.
    pub fn by_regcred(
        clock: &dyn Clock,
        random: &dyn Random,
        operation: Action,
        objects: impl Into<Arc<[Uuid]>>,
    ) -> Self {
        Self {
            id: EventId::new(clock, random),
            at: clock.now(),
            request_id: RequestId::new(clock, random),
            principal: "regcred".into(),
            token_id: None,
            scope: Scope::Deployment,
            organization_id: None,
            project_id: None,
            operation,
            objects: objects.into(),
            outcome: Outcome::Success,
            address: None,
        }
    }
}

/// An event as it is read back.
#[derive(Debug, Clone)]
pub struct RecordedEvent {
    /// Its place in the log: later events have larger ones.
    pub sequence: i64,
    /// What it says.
    pub event: AuditEvent,
}
