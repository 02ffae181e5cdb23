//! The audit log's table: how events come out of it.
//!
//! The statements of a list stand here twice, for it is the one place where databases need different words for the same
//! question. `PostgreSQL` guesses. Told to take an organization's events in the order of their numbers, it sees two indexes
//! that fit, and may walk the primary key in the hope of meeting the organization often: one that was busy once and is quiet
//! since, or a plan that is made for any organization, makes it read the events of all others. Compared as a row, organization
//! and number fit one index alone. `SQLite` plans by rules. There, organizations and projects have no index that is written with
//! every event, but a file that is written later ([`super::filing`]): what is on file is found there, and what is not, behind the
//! last event that is, by walking through the events. No event is on both sides of that line, whatever the file holds beyond it.

use super::{
    dialect::{Dialect, Statement, sql},
    rows::{AuditEventRow, ClockRow, PruningRow},
    session::Session,
};
use crate::{
    domain::{
        audit::RecordedEvent,
        page::Limit,
        pruning::{LinesDigest, Pruning, PruningCount},
        timestamp::Timestamp,
    },
    store::{AuditScope, Corrupt, LogQueries, LogTx, Rows, StoreError},
};
use async_trait::async_trait;

/// Statements that list events: behind the sequence number `$1`, `$2` at most, of the organization or project `$3`.
pub(super) struct EventLists {
    deployment: Directions,
    organization: Directions,
    project: Directions,
}

struct Directions {
    /// From the oldest to the newest.
    forwards: &'static str,
    /// From the newest to the oldest.
    backwards: &'static str,
}

macro_rules! events {
    ($condition:literal, $order:literal) => {
        concat!(
            "select sequence, id, at, request_id, principal, token_id, scope, organization_id, project_id, operation, \
             object_ids, outcome, address from audit_events where ",
            $condition,
            " order by ",
            $order,
            " limit $2"
        )
    };
}

const OF_DEPLOYMENT: Directions =
    Directions { forwards: events!("sequence > $1", "sequence"), backwards: events!("sequence < $1", "sequence desc") };

/// Of what is on file, and what is not. The bounds are one value each, for `SQLite` uses no more of each side. A page that is
/// full of what is on file begins its walk behind all events.
macro_rules! events_on_file {
    ($place:literal) => {
        Directions {
            forwards: concat!(
                "select p.sequence, e.id, e.at, e.request_id, e.principal, e.token_id, e.scope, e.organization_id, \
                 e.project_id, e.operation, e.object_ids, e.outcome, e.address ",
                filed_behind!($place),
                "union all \
                 select sequence, id, at, request_id, principal, token_id, scope, organization_id, project_id, operation, \
                 object_ids, outcome, address from audit_events where ",
                $place,
                " = $3 and sequence > (select case when count(*) < $2 \
                 then max($1, coalesce((select last from audit_filed), 0)) else 9223372036854775807 end from (select 1 ",
                filed_behind!($place),
                "limit $2)) order by sequence limit $2"
            ),
            backwards: concat!(
                "select sequence, id, at, request_id, principal, token_id, scope, organization_id, project_id, operation, \
                 object_ids, outcome, address from audit_events where ",
                $place,
                " = $3 and sequence < $1 and sequence > coalesce((select last from audit_filed), 0) \
                 union all \
                 select p.sequence, e.id, e.at, e.request_id, e.principal, e.token_id, e.scope, e.organization_id, \
                 e.project_id, e.operation, e.object_ids, e.outcome, e.address \
                 from audit_places p cross join audit_events e on e.sequence = p.sequence where p.place_id = $3 \
                 and p.sequence < min($1, coalesce((select last from audit_filed), 0) + 1) and e.",
                $place,
                " = $3 order by sequence desc limit $2"
            ),
        }
    };
}

/// Events that are on file, behind `$1`. What an event belongs to it says itself.
macro_rules! filed_behind {
    ($place:literal) => {
        concat!(
            "from audit_places p cross join audit_events e on e.sequence = p.sequence where p.place_id = $3 \
             and p.sequence > $1 and p.sequence <= coalesce((select last from audit_filed), 0) and e.",
            $place,
            " = $3 "
        )
    };
}

impl EventLists {
    /// For a planner that follows rules, and events that are put on file later.
    pub(super) const ON_FILE: Self = Self {
        deployment: OF_DEPLOYMENT,
        organization: events_on_file!("organization_id"),
        project: events_on_file!("project_id"),
    };

    /// For a planner that guesses.
    pub(super) const BY_ROW: Self = Self {
        deployment: OF_DEPLOYMENT,
        organization: Directions {
            forwards: events!(
                "(organization_id, sequence) > ($3, $1) and organization_id <= $3",
                "organization_id, sequence"
            ),
            backwards: events!(
                "(organization_id, sequence) < ($3, $1) and organization_id >= $3",
                "organization_id desc, sequence desc"
            ),
        },
        project: Directions {
            forwards: events!("(project_id, sequence) > ($3, $1) and project_id <= $3", "project_id, sequence"),
            backwards: events!(
                "(project_id, sequence) < ($3, $1) and project_id >= $3",
                "project_id desc, sequence desc"
            ),
        },
    };

    fn of(&self, scope: AuditScope) -> &Directions {
        match scope {
            AuditScope::Deployment => &self.deployment,
            AuditScope::Organization(_) => &self.organization,
            AuditScope::Project(_) => &self.project,
        }
    }
}

fn bound<DB: Dialect>(text: &'static str, scope: AuditScope, from: i64, limit: Limit) -> Statement<DB> {
    let statement = sql::<DB>(text).bind(from).bind(limit.with_one_more());
    match scope {
        AuditScope::Deployment => statement,
        AuditScope::Organization(id) | AuditScope::Project(id) => statement.bind(id.as_uuid()),
    }
}

/// The columns of a [`PruningRow`].
macro_rules! prunings {
    ($rest:literal) => {
        concat!(
            "select id, at, principal, token_id, first_sequence, last_sequence, count, oldest_at, newest_at, sha256 \
             from audit_prunings where ",
            $rest
        )
    };
}

#[async_trait]
impl<DB: Dialect> LogQueries for Session<DB> {
    async fn clock_read(&mut self) -> Result<Timestamp, StoreError> {
        let now = sql::<DB>("select now from database_clock").optional::<ClockRow>(self).await?;
        Ok(now.ok_or_else(|| Corrupt::sealed("database_clock", "now", &"?"))?)
    }

    async fn audit_event_list(
        &mut self,
        scope: AuditScope,
        after: Option<i64>,
        limit: Limit,
    ) -> Result<Rows<RecordedEvent>, StoreError> {
        let text = DB::EVENT_LISTS.of(scope).forwards;
        bound::<DB>(text, scope, after.unwrap_or(0), limit).list::<AuditEventRow>(self).await
    }

    async fn audit_event_list_newest(
        &mut self,
        scope: AuditScope,
        before: Option<i64>,
        limit: Limit,
    ) -> Result<Rows<RecordedEvent>, StoreError> {
        let text = DB::EVENT_LISTS.of(scope).backwards;
        bound::<DB>(text, scope, before.unwrap_or(i64::MAX), limit).list::<AuditEventRow>(self).await
    }

    async fn audit_event_list_oldest(&mut self, count: PruningCount) -> Result<Rows<RecordedEvent>, StoreError> {
        sql::<DB>(OF_DEPLOYMENT.forwards).bind(0_i64).bind(i64::from(count.get())).list::<AuditEventRow>(self).await
    }

    async fn audit_pruning_find(&mut self, sha256: &LinesDigest) -> Result<Option<Pruning>, StoreError> {
        sql::<DB>(prunings!("sha256 = $1")).bind(sha256.as_bytes().to_vec()).optional::<PruningRow>(self).await
    }

    async fn audit_pruning_list(&mut self, after: Option<i64>, limit: Limit) -> Result<Rows<Pruning>, StoreError> {
        sql::<DB>(prunings!("last_sequence > $1 order by last_sequence limit $2"))
            .bind(after.unwrap_or(0))
            .bind(limit.with_one_more())
            .list::<PruningRow>(self)
            .await
    }
}

#[async_trait]
impl<DB: Dialect> LogTx for Session<DB> {
    async fn audit_prune(&mut self, pruning: &Pruning) -> Result<bool, StoreError> {
        sql::<DB>(
            "insert into audit_prunings (id, at, principal, token_id, first_sequence, last_sequence, count, oldest_at, \
             newest_at, sha256) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(pruning.id.as_uuid())
        .bind(pruning.at)
        .bind(pruning.principal.clone())
        .bind(pruning.token_id.map(|id| id.as_uuid()))
        .bind(pruning.first_sequence)
        .bind(pruning.last_sequence)
        .bind(i64::from(pruning.count))
        .bind(pruning.oldest_at)
        .bind(pruning.newest_at)
        .bind(pruning.sha256.as_bytes().to_vec())
        .execute(self)
        .await?;
        let deleted = sql::<DB>("delete from audit_events where sequence between $1 and $2")
            .bind(pruning.first_sequence)
            .bind(pruning.last_sequence)
            .execute(self)
            .await?;
        Ok(deleted == u64::from(pruning.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sql::sqlite;
    use sqlx::{AssertSqlSafe, Row as _};

    #[tokio::test]
    async fn sqlite_finds_each_page_by_an_index_and_sorts_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let parts = sqlite::open(&folder.path().join("plans.db")).await.unwrap();
        let lists = EventLists::ON_FILE;
        let plan = "SEARCH audit_events USING INTEGER PRIMARY KEY (rowid>?)";
        assert_eq!(planned(&parts.readers, lists.deployment.forwards).await, [plan]);
        assert_eq!(planned(&parts.readers, lists.deployment.backwards).await, [plan.replace('>', "<")]);
        let on_file = "SEARCH p USING PRIMARY KEY (place_id=? AND sequence>? AND sequence<?)";
        let event = "SEARCH e USING INTEGER PRIMARY KEY (rowid=?)";
        let (last, merged) = ("SCAN audit_filed", "MERGE (UNION ALL)");
        for directions in [lists.organization, lists.project] {
            let forwards = planned(&parts.readers, directions.forwards).await;
            assert_eq!(
                searches(&forwards),
                [merged, "LEFT", on_file, last, event, "RIGHT", plan, on_file, last, event, last]
            );
            let backwards = planned(&parts.readers, directions.backwards).await;
            assert_eq!(
                searches(&backwards),
                [
                    merged,
                    "LEFT",
                    "SEARCH audit_events USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
                    last,
                    "RIGHT",
                    "SEARCH p USING PRIMARY KEY (place_id=? AND sequence<?)",
                    last,
                    event,
                ]
            );
        }
        for (text, plan) in [
            (prunings!("sha256 = $1"), "SEARCH audit_prunings USING INDEX audit_prunings_sha256 (sha256=?)"),
            (
                prunings!("last_sequence > $1 order by last_sequence limit $2"),
                "SEARCH audit_prunings USING INDEX audit_prunings_last (last_sequence>?)",
            ),
        ] {
            assert_eq!(planned(&parts.readers, text).await, [plan], "{text}");
        }
    }

    /// The steps of a plan that go through tables.
    fn searches(plan: &[String]) -> Vec<&str> {
        let inner =
            |step: &&str| !["SCALAR ", "CO-ROUTINE ", "SCAN (subquery"].iter().any(|name| step.starts_with(name));
        plan.iter().map(String::as_str).filter(inner).collect()
    }

    #[expect(clippy::disallowed_methods, reason = "a test asks about a statement that the code runs as it is")]
    async fn planned(pool: &sqlx::SqlitePool, text: &str) -> Vec<String> {
        let rows = sqlx::query(AssertSqlSafe(format!("explain query plan {text}"))).fetch_all(pool).await.unwrap();
        rows.iter().map(|row| row.get("detail")).collect()
    }
}
