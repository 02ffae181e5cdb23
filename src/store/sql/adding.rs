//! Adding a credential in as few messages as the database allows: what is done most often of all changes.

use super::{
    PATIENCE, SqlStore,
    audit::{self, event_columns},
    dialect::{Dialect, Statement, sql},
    line::{self, Line},
    rows::{AddedRow, IdRow},
    turn,
    tx::{self, new_credential_columns},
};
use crate::store::{Added, NewSealedCredential, StoreError, Tx as _};
use std::collections::HashSet;
use tokio::time::Instant;
use uuid::Uuid;

/// How a database adds the credential `$2` to `$19` in the name of the token `$1`, and says whether the token is there, and whether
/// the credential is.
pub(super) enum Adding {
    /// With the event `$20` to `$32`, as a transaction by itself: for a database that takes several statements in one message.
    AtOnce(&'static str),
    /// In a transaction that goes on with the event. As one statement that wrote the event, too, it would take the number of the event
    /// before the scope's stamp, and other changes take them the other way round.
    InTransaction(&'static str),
}

/// Finds these tokens and keeps them from being revoked until the transaction ends, on PostgreSQL, as `held`.
macro_rules! holding_tokens {
    ($ids:literal) => {
        concat!(
            "turn as materialized (select id, pg_advisory_xact_lock_shared(hashtextextended(id::text, 0)) from (",
            $ids,
            ") as ids), held as materialized (select t.id from turn join tokens t on t.id = turn.id for share of t)"
        )
    };
}
pub(super) use holding_tokens;

/// The same for the token `$1`.
macro_rules! holding_token {
    () => {
        crate::store::sql::adding::holding_tokens!("select $1 as id")
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
        let statement = audit::bind_event(bind_new::<DB>(statement, &new), Some(new.event));
        let added = statement.optional::<AddedRow>(&mut line).await.map_err(|error| line::unknown(&mut line, error));
        let (held, added) = added?.ok_or_else(no_answer)?;
        connection.keep(line);
        Ok(what_became(held, added))
    }

    pub(super) async fn add_many(&self, new: &[NewSealedCredential<'_>]) -> Result<Vec<bool>, StoreError> {
        // Sooner than the callers give up, so that they learn what became of it.
        let deadline = Instant::now() + PATIENCE * 3 / 4;
        match (DB::ADDING, new) {
            (Adding::AtOnce(_), [new]) => Ok(vec![self.add(*new).await? == Added::Yes]),
            (Adding::AtOnce(_), _) => {
                let _turn = turn(&self.turns, deadline).await?;
                let mut connection = self.adder.lock().await;
                let mut line = connection.line(deadline).await?;
                line::run(&mut line, DB::BEGIN).await?;
                let added = insert(&mut line, new).await?;
                line::commit(&mut line).await?;
                connection.keep(line);
                Ok(added)
            }
            (Adding::InTransaction(_), _) => {
                let mut session = self.write_until(deadline, DB::BEGIN_BRIEFLY).await?;
                let added = insert(&mut session, new).await?;
                session.finish().await?;
                Ok(added)
            }
        }
    }

    async fn add_in_transaction(
        &self,
        statement: Statement<DB>,
        new: NewSealedCredential<'_>,
    ) -> Result<Added, StoreError> {
        let mut session = self.write().await?;
        let added = bind_new::<DB>(statement, &new).optional::<AddedRow>(&mut session).await?;
        let (held, added) = added.ok_or_else(no_answer)?;
        if added {
            Box::new(session).commit(new.event.clone()).await?;
        }
        Ok(what_became(held, added))
    }
}

/// Inserts those against which nothing stands, and their events as the last thing.
async fn insert<DB: Dialect>(
    line: &mut impl Line<DB>,
    new: &[NewSealedCredential<'_>],
) -> Result<Vec<bool>, StoreError> {
    let there: HashSet<Uuid> = DB::add(new).all::<IdRow>(line).await?.into_iter().collect();
    let added: Vec<_> = new.iter().map(|new| there.contains(&new.credential.id.as_uuid())).collect();
    if let Some(patiently) = DB::PATIENTLY {
        line::run(line, patiently).await?;
    }
    let events: Vec<_> = new.iter().zip(&added).filter(|(_, added)| **added).map(|(new, _)| new.event).collect();
    audit::record::<DB>(line, None, &events).await?;
    Ok(added)
}

/// Gives the next nineteen `?` or `$n` a token and the credential that is added in its name.
pub(super) fn bind_new<DB: Dialect>(statement: Statement<DB>, new: &NewSealedCredential<'_>) -> Statement<DB> {
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
