//! Adding a credential in as few messages as the database allows: what is done most often of all changes.

use super::{
    PATIENCE, SqlStore,
    audit::{self, event_columns},
    dialect::{Dialect, Statement, sql},
    line,
    rows::AddedRow,
    turn,
    tx::{self, new_credential_columns},
};
use crate::store::{Added, NewSealedCredential, StoreError, Tx as _};
use tokio::time::Instant;

/// How a database adds the credential `$2` to `$19` in the name of the token `$1`, and says whether the token is there, and whether
/// the credential is.
pub(super) enum Adding {
    /// With the event `$20` to `$32`, as a transaction by itself: for a database that takes several statements in one message.
    AtOnce(&'static str),
    /// In a transaction that goes on with the event. As one statement that wrote the event, too, it would take the number of the event
    /// before the scope's stamp, and other changes take them the other way round.
    InTransaction(&'static str),
}

/// Finds the token `$1` and keeps it from being revoked until the transaction ends, on PostgreSQL, as `held`.
macro_rules! holding_token {
    () => {
        "turn as materialized (select pg_advisory_xact_lock_shared(hashtextextended($1::text, 0))), \
         held as materialized (select t.id from turn, tokens t where t.id = $1 for share of t)"
    };
}
pub(super) use holding_token;

/// The values of the new credential.
macro_rules! new_credential {
    () => {
        "$2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19"
    };
}

impl Adding {
    pub(super) const AT_ONCE: Self = Self::AtOnce(concat!(
        "begin immediate; insert into credentials ",
        new_credential_columns!(),
        " select ",
        new_credential!(),
        " where exists (select 1 from tokens where id = $1) and exists (select 1 from audit_position where last >= 0) \
         on conflict do nothing; \
         insert or rollback into audit_events ",
        event_columns!(),
        " select nullif($20, 1), $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32 \
         where exists (select 1 from credentials where id = $2); \
         select exists (select 1 from tokens where id = $1) as held, \
         exists (select 1 from credentials where id = $2) as added; commit"
    ));
    pub(super) const HOLDING: Self = Self::InTransaction(concat!(
        "with ",
        holding_token!(),
        ", added as (insert into credentials ",
        new_credential_columns!(),
        " select ",
        new_credential!(),
        " from held on conflict do nothing returning id) \
         select exists (select 1 from held) as held, exists (select 1 from added) as added"
    ));
}

impl<DB: Dialect> SqlStore<DB> {
    pub(super) async fn add(&self, new: NewSealedCredential<'_>) -> Result<Added, StoreError> {
        match DB::ADDING {
            Adding::AtOnce(text) => self.add_at_once(sql::<DB>(text), new).await,
            Adding::InTransaction(text) => self.add_in_transaction(sql::<DB>(text), new).await,
        }
    }

    /// On a connection of its own: one that comes from a pool and goes back is asked for its health on the way, and the next writer
    /// would wait for that.
    async fn add_at_once(&self, statement: Statement<DB>, new: NewSealedCredential<'_>) -> Result<Added, StoreError> {
        let deadline = Instant::now() + PATIENCE;
        let _turn = turn(&self.turns, deadline).await?;
        let mut connection = self.adder.lock().await;
        let mut line = connection.line(deadline).await?;
        let statement = audit::bind_event(bind::<DB>(statement, new), Some(new.event));
        let added = statement.optional::<AddedRow>(&mut line).await.map_err(|error| line::unknown(&mut line, error));
        let (held, added) = added?.ok_or_else(no_answer)?;
        connection.keep(line);
        Ok(what_became(held, added))
    }

    async fn add_in_transaction(
        &self,
        statement: Statement<DB>,
        new: NewSealedCredential<'_>,
    ) -> Result<Added, StoreError> {
        let mut session = self.write().await?;
        let added = bind::<DB>(statement, new).optional::<AddedRow>(&mut session).await?;
        let (held, added) = added.ok_or_else(no_answer)?;
        if added {
            Box::new(session).commit(new.event.clone()).await?;
        }
        Ok(what_became(held, added))
    }
}

fn bind<DB: Dialect>(statement: Statement<DB>, new: NewSealedCredential<'_>) -> Statement<DB> {
    tx::bind_credential(statement.bind(new.token.as_uuid()), new.credential, new.scope, new.password)
}

fn what_became(held: bool, added: bool) -> Added {
    match (held, added) {
        (_, true) => Added::Yes,
        (true, false) => Added::ServerTaken,
        (false, false) => Added::TokenGone,
    }
}

fn no_answer() -> StoreError {
    StoreError::Refused("a statement that always answers did not".into())
}
