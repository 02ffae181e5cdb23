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

/// Of what is on file, and what is not. A page that is full of what is on file begins its walk behind all events.
macro_rules! events_on_file {
    ($place:literal) => {
        Directions {
            forwards: concat!(
                filed!(
                    "p.last > max($1, (select min(sequence) from audit_events) - 1) \
                     and p.last <= coalesce((select last from audit_filed), 0) and j.value > $1",
                    "p.last, j.value"
                ),
                on_file!($place),
                "union all \
                 select sequence, id, at, request_id, principal, token_id, scope, organization_id, project_id, operation, \
                 object_ids, outcome, address from audit_events where ",
                $place,
                " = $3 and sequence > (select case when count(*) < $2 \
                 then max($1, coalesce((select last from audit_filed), 0)) else 9223372036854775807 end from filed) \
                 order by sequence limit $2"
            ),
            backwards: concat!(
                // Of all rows that end at `$1` or later, the first one alone has events before that.
                filed!(
                    "p.last >= (select min(sequence) from audit_events) \
                     and p.last <= min(coalesce((select last from audit_filed), 0), \
                     coalesce((select min(last) from audit_places where place_id = $3 and last >= $1), $1)) \
                     and j.value < $1",
                    "p.last desc, j.value desc"
                ),
                "select sequence, id, at, request_id, principal, token_id, scope, organization_id, project_id, operation, \
                 object_ids, outcome, address from audit_events where ",
                $place,
                " = $3 and sequence < $1 and sequence > coalesce((select last from audit_filed), 0) \
                 union all ",
                on_file!($place),
                "order by sequence desc limit $2"
            ),
        }
    };
}

/// The numbers of a page's events that are on file. Rows come in their order and are sorted one by one, until there are enough.
/// What is pruned may be on file still, at its beginning.
macro_rules! filed {
    ($condition:literal, $order:literal) => {
        concat!(
            "with filed as materialized (select j.value as sequence \
             from audit_places p cross join json_each(p.sequences) j where p.place_id = $3 and ",
            $condition,
            " and j.value >= (select min(sequence) from audit_events) order by ",
            $order,
            " limit $2) "
        )
    };
}

/// Their events. What an event belongs to it says itself.
macro_rules! on_file {
    ($place:literal) => {
        concat!(
            "select e.sequence, e.id, e.at, e.request_id, e.principal, e.token_id, e.scope, e.organization_id, \
             e.project_id, e.operation, e.object_ids, e.outcome, e.address \
             from filed f cross join audit_events e on e.sequence = f.sequence where e.",
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
        // What is sorted is one row's numbers, and a page of them; never what lies behind.
        let on_file = "SEARCH p USING INDEX audit_places_place (place_id=? AND last>? AND last<?)";
        let row = ["SCAN j VIRTUAL TABLE INDEX 1:", "SEARCH audit_events", "USE TEMP B-TREE FOR LAST TERM OF ORDER BY"];
        let page = ["SCAN f", "SEARCH e USING INTEGER PRIMARY KEY (rowid=?)", "USE TEMP B-TREE FOR ORDER BY"];
        let (merged, made, oldest, last) =
            ("MERGE (UNION ALL)", "MATERIALIZE filed", "SEARCH audit_events", "SCAN audit_filed");
        for directions in [lists.organization, lists.project] {
            let forwards = planned(&parts.readers, directions.forwards).await;
            let walk = [plan, "SCAN filed", last];
            let steps = [&[merged, "LEFT", made, on_file, oldest, last][..], &row, &page, &["RIGHT"], &walk];
            assert_eq!(searches(&forwards), steps.concat());
            let backwards = planned(&parts.readers, directions.backwards).await;
            let walk = ["SEARCH audit_events USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)", last];
            let end = "SEARCH audit_places USING COVERING INDEX audit_places_place (place_id=? AND last>?)";
            let steps = [&[merged, "LEFT"][..], &walk, &["RIGHT", made, on_file, last, end, oldest], &row, &page];
            assert_eq!(searches(&backwards), steps.concat());
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
