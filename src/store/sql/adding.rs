//! Adding a credential in as few messages as the database allows: what is done most often of all changes.

use super::{
    PATIENCE, SqlStore, acquire, audit,
    dialect::{Dialect, Statement, sql},
    line,
    rows::AddedRow,
    session::Session,
    turn, tx,
};
use crate::store::{Added, NewSealedCredential, StoreError, Tx as _};
use tokio::time::Instant;

/// Adds the credential `$2` to `$17` in the name of the token `$1`, with the event `$18` to `$30`, as a transaction by itself in one
/// message. Whether the token is there, and whether the credential is, which has the event with it.
pub(super) const AT_ONCE: &str = "begin immediate; \
    insert into credentials (id, scope_id, server, kind, username, email, image_prefix, expires_at, enabled, version, \
    revision, sealed, fingerprint, created_at, updated_at, rotated_at) \
    select $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17 \
    where exists (select 1 from tokens where id = $1) and exists (select 1 from audit_position where last >= 0) \
    on conflict do nothing; \
    update audit_position set last = last + 1 where exists (select 1 from credentials where id = $2); \
    insert or rollback into audit_events (sequence, id, at, request_id, principal, token_id, scope, organization_id, \
    project_id, operation, object_ids, outcome, address) \
    select p.last + $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30 from audit_position p \
    where exists (select 1 from credentials where id = $2); \
    select exists (select 1 from tokens where id = $1) as held, \
    exists (select 1 from credentials where id = $2) as added; commit";

impl<DB: Dialect> SqlStore<DB> {
    pub(super) async fn add(&self, new: NewSealedCredential<'_>) -> Result<Added, StoreError> {
        match DB::ADD {
            Some(text) => self.add_at_once(sql::<DB>(text), new).await,
            None => self.add_step_by_step(new).await,
        }
    }

    async fn add_at_once(&self, statement: Statement<DB>, new: NewSealedCredential<'_>) -> Result<Added, StoreError> {
        let deadline = Instant::now() + PATIENCE;
        let turn = turn(&self.turns, deadline).await?;
        let mut session = Session::at_once(acquire(&self.writers, deadline).await?, turn, deadline);
        let statement = statement.bind(new.token.as_uuid());
        let statement = tx::bind_credential(statement, new.credential, new.scope, new.password);
        let statement = audit::bind_event(statement, Some((0, new.event)));
        let added =
            statement.optional::<AddedRow>(&mut session).await.map_err(|error| line::unknown(&mut session, error));
        let (held, added) =
            added?.ok_or_else(|| StoreError::Refused("a statement that always answers did not".into()))?;
        session.is_done();
        Ok(match (held, added) {
            (_, true) => Added::Yes,
            (true, false) => Added::ServerTaken,
            (false, false) => Added::TokenGone,
        })
    }

    async fn add_step_by_step(&self, new: NewSealedCredential<'_>) -> Result<Added, StoreError> {
        let mut session = self.write().await?;
        if !session.token_hold(new.token).await? {
            return Ok(Added::TokenGone);
        }
        if !session.credential_insert(new.credential, new.scope, new.password).await? {
            return Ok(Added::ServerTaken);
        }
        Box::new(session).commit(new.event.clone()).await?;
        Ok(Added::Yes)
    }
}
