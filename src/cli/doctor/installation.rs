//! The installation as its operator sees it: the database, the replicas and the keys that they hold.

use super::{Report, SECOND, Verdict};
use crate::{
    cli::{clock::span, failure::Failure},
    http::wire::{DatabaseStatus, MasterKey, ReplicaStatus, Status},
};
use std::collections::BTreeSet;

/// More waiting events than this say that the audit log is slower than the requests.
const MANY_EVENTS: u64 = 1000;

pub(super) fn check(report: &mut Report, status: &Status) -> Result<(), Failure> {
    database(report, &status.database)?;
    for replica in &status.replicas {
        one_replica(report, replica)?;
    }
    let versions: BTreeSet<_> =
        status.replicas.iter().filter(|replica| replica.live).map(|live| &live.version).collect();
    if versions.len() > 1 {
        report.say(Verdict::Warn, "live replicas are of different versions", Some("finish the upgrade"))?;
    }
    for key in status.keys.iter().filter(|key| key.state != "retired") {
        one_key(report, key)?;
    }
    if status.audit_queue > MANY_EVENTS {
        let text = format!("{} audit events wait to be made durable", status.audit_queue);
        report.say(Verdict::Warn, &text, Some("look after the database: it takes long to commit"))?;
    }
    Ok(())
}

fn database(report: &mut Report, database: &DatabaseStatus) -> Result<(), Failure> {
    let DatabaseStatus { engine, version, schema, round_trip_microseconds, clock_ahead_microseconds } = database;
    let milliseconds = round_trip_microseconds / 1000;
    let micro = round_trip_microseconds % 1000 / 100;
    report.ok(&format!(
        "the database is {engine} {version}, its tables are at version {schema}, it answers in {milliseconds}.{micro} ms"
    ))?;
    let skew = clock_ahead_microseconds.saturating_abs();
    if skew > SECOND {
        let text = format!("the clocks of the service and of its database differ by {}", span(skew));
        report.say(
            Verdict::Warn,
            &text,
            Some("tokens end by the database's clock; check that both keep time by NTP"),
        )?;
    }
    Ok(())
}

fn one_replica(report: &mut Report, replica: &ReplicaStatus) -> Result<(), Failure> {
    let ReplicaStatus { host, version, answers, live, silent_milliseconds, keys, .. } = replica;
    let silent = span(i64::try_from(silent_milliseconds.saturating_mul(1000)).unwrap_or(i64::MAX));
    if !live {
        let text = format!("replica {host} ({version}) has not been heard of for {silent}");
        let hint = "if it was taken away, it is forgotten after a day; if not, look after it";
        return report.say(Verdict::Warn, &text, Some(hint));
    }
    let number = if keys.len() == 1 { "1 master key".to_owned() } else { format!("{} master keys", keys.len()) };
    let heard = if *answers { "answers here".to_owned() } else { format!("was heard of {silent} ago") };
    report.ok(&format!("replica {host} ({version}) {heard}, and holds {number}"))
}

fn one_key(report: &mut Report, key: &MasterKey) -> Result<(), Failure> {
    let MasterKey { id, state, data_keys, lacking, .. } = key;
    let number = if *data_keys == 1 { "1 data key".to_owned() } else { format!("{data_keys} data keys") };
    let text = format!("master key {id} is {state}, with {number}");
    if !lacking.is_empty() {
        let needed = state == "active" || *data_keys > 0;
        let verdict = if needed { Verdict::Fail } else { Verdict::Warn };
        let hint = format!("give the keyring file to {}; replicas read it again within seconds", lacking.join(", "));
        return report.say(verdict, &format!("{text}, and not on every replica"), Some(&hint));
    }
    if state == "standby" && *data_keys > 0 {
        return report.say(Verdict::Warn, &text, Some("finish the rotation with `regcred keys rewrap`"));
    }
    report.ok(&text)
}
