//! Audit logs as only years would make them: long ones, with old events.

use super::postgres::Database;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD};
use regcred::domain::pruning::LinesHasher;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, SqliteConnection, sqlite::SqliteConnectOptions};
use std::path::Path;

/// What keeps the log as it is, taken away and put back.
const OPEN: &str = "begin immediate; drop trigger audit_events_are_final;";
const CLOSE: &str = "create trigger audit_events_are_final before update on audit_events \
     begin select raise(abort, 'audit events are never changed'); end; commit;";

pub async fn run(database: &Path, text: String) {
    let options = SqliteConnectOptions::new().filename(database);
    let mut connection = SqliteConnection::connect_with(&options).await.expect("the database is there");
    connection.execute(sqlx::raw_sql(AssertSqlSafe(text))).await.expect("the statements are good");
    connection.close().await.expect("the database is closed");
}

/// Makes so many of the oldest events 500 days older.
pub async fn age(database: &Path, count: u32) {
    let text = format!(
        "{OPEN} update audit_events set at = at - 500 * 86400000000 \
         where sequence < (select min(sequence) from audit_events) + {count}; {CLOSE}"
    );
    run(database, text).await;
}

/// Puts so many events, 500 days old, in front of those that there are. The first three of ten are of `globex/quiet`, which
/// has gone quiet since. Of the others six of ten are of `acme` and five of these of `acme/shop`; the rest is of the
/// deployment. All have other numbers then, and none is on file. Nothing may run on the database meanwhile.
pub async fn fill(database: &Path, count: u32) {
    let text = format!(
        "{OPEN}
         update audit_position set last = last + {count};
         update audit_events set sequence = -sequence;
         update audit_events set sequence = {count} - sequence;
         delete from audit_places;
         update audit_filed set last = 0, places = 0;
         with recursive n (i) as (select 1 union all select i + 1 from n where i < {count})
         insert into audit_events (sequence, id, at, request_id, principal, token_id, scope, organization_id, project_id,
                                   operation, object_ids, outcome, address)
         select i, randomblob(16), (unixepoch() - 500 * 86400 + i) * 1000000, randomblob(16), 'argo', randomblob(16),
                case when i * 10 <= 3 * {count} then 'organizations/globex/projects/quiet'
                     when i % 10 < 6 then 'organizations/acme/projects/shop' else 'deployment' end,
                case when i * 10 <= 3 * {count} then (select id from scopes where name = 'globex')
                     when i % 10 < 6 then (select id from scopes where name = 'acme') end,
                case when i * 10 <= 3 * {count} then (select id from scopes where name = 'quiet')
                     when i % 10 < 5 then (select id from scopes where name = 'shop') end,
                'pull_secret.get', '[\"0197aaaa-0000-7000-8000-000000000000\"]', 'success', '192.0.2.1'
         from n;
         {CLOSE}"
    );
    run(database, text).await;
}

/// Gives each event of the deployment a project of its own, so that there are as many places as only a large deployment has.
pub async fn scatter(database: &Path) {
    let text = format!(
        "{OPEN} update audit_events set project_id = randomblob(16) where scope = 'deployment' and project_id is null; {CLOSE}"
    );
    run(database, text).await;
}

/// The same on PostgreSQL, while everything runs.
pub fn fill_postgres(database: &Database, count: u32) {
    database.psql(&format!(
        "begin; alter table audit_events disable trigger audit_events_are_final;
         update audit_events set sequence = -sequence;
         update audit_events set sequence = {count} - sequence;
         update audit_position set last = last + {count};
         insert into audit_events (sequence, id, at, request_id, principal, token_id, scope, organization_id, project_id,
                                   operation, object_ids, outcome, address)
         select i, gen_random_uuid(), now() - interval '500 days' + i * interval '1 second', gen_random_uuid(), 'argo',
                gen_random_uuid(),
                case when i * 10 <= 3 * {count} then 'organizations/globex/projects/quiet'
                     when i % 10 < 6 then 'organizations/acme/projects/shop' else 'deployment' end,
                case when i * 10 <= 3 * {count} then (select id from scopes where name = 'globex')
                     when i % 10 < 6 then (select id from scopes where name = 'acme') end,
                case when i * 10 <= 3 * {count} then (select id from scopes where name = 'quiet')
                     when i % 10 < 5 then (select id from scopes where name = 'shop') end,
                'pull_secret.get', array[gen_random_uuid()], 'success', '192.0.2.1'
         from generate_series(1, {count}::bigint) i;
         alter table audit_events enable trigger audit_events_are_final; commit; analyze audit_events;"
    ));
}

/// The digest of lines, as a prune wants it.
pub fn digest(lines: &[String]) -> String {
    let mut hasher = LinesHasher::default();
    for line in lines {
        hasher.line(line.as_bytes());
    }
    hasher.finish().to_string()
}

/// The cursor behind an event with that number, in a list that begins with the oldest.
pub fn cursor(number: i64) -> String {
    URL_SAFE_NO_PAD.encode(number.to_string())
}

/// The number in a cursor of a list that begins with the newest.
pub fn number(cursor: &str) -> i64 {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).expect("a cursor is base64")).expect("it is text");
    text.trim_start_matches("newest:").parse().expect("a cursor holds a number")
}

/// How long a log is to be, where somebody wants to know it of a longer one: `REGCRED_TEST_LOG=1000000`.
pub fn length() -> Option<u32> {
    std::env::var("REGCRED_TEST_LOG").ok()?.parse().ok()
}
