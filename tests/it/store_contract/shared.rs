//! What a store promises besides when other processes use the same database: two stores on one PostgreSQL.

use super::{
    adding::Adding,
    bench::{Bench, REFUSED, at, now, postgres_store, two_on_postgres, unconditional},
};
use crate::support::{
    Proxy,
    postgres::{Cluster, Database},
};
use regcred::{
    domain::{
        audit::{AuditEvent, RecordedEvent},
        id::EventId,
        page::Limit,
        permission::{Action, Role},
    },
    store::{AuditScope, MasterKeyState, Store, StoreError, Tx},
};
use sqlx::{Connection as _, PgConnection};
use std::{
    collections::HashSet,
    future::Future,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};
use tokio::{task::JoinHandle, time::sleep};

/// How long a test waits for something that must come. No measure of speed.
const FOR_EVER: Duration = Duration::from_mins(1);

/// Polls a future so many times and drops it then, if it has not ended.
async fn dropped_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(move |context| match future.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_beginning_that_is_dropped_anywhere_leaves_no_transaction_to_the_next_one() {
    const DROPPED: usize = 40;
    const TRIES: usize = 4000;
    // There is one connection to write on: whoever comes next gets what was left behind.
    let (bench, other, database) = two_on_postgres("pool_max_conns=4").await;
    let mut watch = Watch::on(&database).await;
    let (mut dropped, mut begun_before, mut lost, mut refused) = (0, 0, Vec::new(), 0);
    for number in 0..TRIES {
        if dropped == DROPPED {
            break;
        }
        // The connection has a moment to come back, or it would be waited for and nothing more.
        sleep(Duration::from_millis(3)).await;
        let half = dropped_after(number % 3, bench.store.begin()).await;
        dropped += usize::from(half.is_none());
        drop(half);
        let asked = watch.now().await;
        let record = bench.scope_record(&format!("o{number}"), None);
        let written: Result<(), StoreError> = async {
            let mut tx = bench.store.begin().await?;
            begun_before += watch.begun_before(&asked).await;
            tx.scope_insert(&record).await?;
            tx.commit(bench.event(Action::OrganizationCreate, Some(&record))).await
        }
        .await;
        match written {
            Ok(()) if other.read().await.unwrap().scope_find(&record.scope).await.unwrap().is_some() => {}
            Ok(()) => lost.push(record.scope.to_string()),
            Err(StoreError::Unavailable(_)) => refused += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(dropped, DROPPED, "of {TRIES} too few were dropped half way");
    let found = (begun_before, lost.len(), refused);
    assert_eq!(found, (0, 0, 0), "of {dropped}: in older transactions, acknowledged and lost ({lost:?}), refused");
}

/// What is read behind a cursor until so many events have come, or none comes any more.
async fn follow(store: Arc<dyn Store>, count: usize) -> Vec<RecordedEvent> {
    let (mut seen, mut last) = (Vec::<RecordedEvent>::new(), Instant::now());
    while seen.len() < count && last.elapsed() < Duration::from_secs(10) {
        let behind = seen.last().map(|event| event.sequence);
        let limit = Limit::try_from(7).unwrap();
        let page = store.read().await.unwrap().audit_event_list(AuditScope::Deployment, behind, limit).await.unwrap();
        if !page.is_empty() {
            last = Instant::now();
        }
        seen.extend(page.into_iter().map(Result::unwrap));
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_behind_a_cursor_misses_nothing_that_several_processes_write() {
    const BATCHES: usize = 60;
    const BATCH: usize = 25;
    const CHANGES: usize = 120;
    let (bench, other, _) = two_on_postgres("pool_max_conns=9").await;
    bench.back_door.refuse_some_events().await;
    let before = bench.event_count().await;
    let bench = Arc::new(bench);
    let reader = tokio::spawn(follow(Arc::clone(&other), before + 2 * (BATCHES * BATCH + CHANGES)));
    let mut writers: Vec<JoinHandle<Vec<EventId>>> = Vec::new();
    for store in [&bench.store, &other] {
        let (appending, changing) = (Arc::clone(&bench), Arc::clone(&bench));
        let mut log = store.audit_log();
        writers.push(tokio::spawn(async move {
            let mut written = Vec::new();
            for number in 0..BATCHES {
                let mut batch: Vec<_> = (0..BATCH).map(|_| appending.event(Action::PullSecretGet, None)).collect();
                log.append(&unconditional(&batch)).await.unwrap();
                written.extend(batch.iter().map(|event| event.id));
                if number % 10 == 0 {
                    // One that never happens must leave no hole.
                    batch[BATCH - 1].principal = REFUSED.into();
                    assert!(log.append(&unconditional(&batch)).await.is_err());
                }
            }
            written
        }));
        let store = Arc::clone(store);
        writers.push(tokio::spawn(async move {
            let mut written = Vec::new();
            for _ in 0..CHANGES {
                let event = changing.event(Action::CredentialCreate, None);
                store.begin().await.unwrap().commit(event.clone()).await.unwrap();
                written.push(event.id);
            }
            written
        }));
    }
    let mut written = HashSet::new();
    for writer in writers {
        written.extend(writer.await.expect("every writer succeeds"));
    }
    let seen = reader.await.expect("the reader reads");
    let ids: HashSet<_> = seen.iter().map(|event| event.event.id).collect();
    let missed = written.difference(&ids).count();
    assert_eq!(missed, 0, "of {} events, so many were never seen by who read {}", written.len(), seen.len());
    let gaps: Vec<_> = seen.windows(2).filter(|pair| pair[0].sequence + 1 != pair[1].sequence).collect();
    assert!(gaps.is_empty(), "{} gaps, the first: {:?}", gaps.len(), gaps.first());
}

/// Looks from beside at what the stores' sessions are doing.
struct Watch(PgConnection);

impl Watch {
    async fn on(database: &Database) -> Self {
        Self(PgConnection::connect(&database.url).await.expect("it takes one more"))
    }

    async fn now(&mut self) -> String {
        sqlx::query_scalar("select clock_timestamp()::text").fetch_one(&mut self.0).await.expect("it knows the time")
    }

    /// How many stand in a transaction that is older.
    async fn begun_before(&mut self, time: &str) -> i64 {
        let older = "select count(*) from pg_stat_activity where datname = current_database() \
                     and state like 'idle in transaction%' and xact_start < $1::timestamptz";
        sqlx::query_scalar(older).bind(time).fetch_one(&mut self.0).await.expect("it tells")
    }

    /// Returns when something waits for a lock or, which it must not, has ended. Whether it waits.
    async fn waits<T>(&mut self, work: &JoinHandle<T>) -> bool {
        let waiting = "select count(*) from pg_stat_activity where datname = current_database() \
                       and wait_event_type = 'Lock'";
        let begun = Instant::now();
        while !work.is_finished() {
            if sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut self.0).await.expect("it tells") > 0 {
                return true;
            }
            assert!(begun.elapsed() < FOR_EVER, "it neither ends nor waits");
            sleep(Duration::from_millis(5)).await;
        }
        false
    }
}

async fn commit(bench: &Bench, tx: Box<dyn Tx>) -> Result<(), StoreError> {
    let event: AuditEvent = bench.event(Action::TokenRevoke, None);
    tx.commit(event).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_in_one_process_waits_for_the_change_under_way_in_another() {
    let (bench, other, database) = two_on_postgres("pool_max_conns=9").await;
    let mut watch = Watch::on(&database).await;
    let (token, ..) = bench.token(Role::Editor, None, at(now() * 2)).await;
    let bench = Arc::new(bench);
    let mut change = bench.begin().await;
    assert!(change.token_hold(token.id).await.unwrap());
    // Many changes by one token do not wait for one another.
    let mut beside = other.begin().await.unwrap();
    assert!(beside.token_hold(token.id).await.unwrap());
    drop(beside);
    let (place, revoker) = (bench.scope_record("acme", None), Arc::clone(&bench));
    let revocation = tokio::spawn(async move {
        let mut tx = other.begin().await?;
        assert!(tx.token_delete(None, token.id).await?);
        commit(&revoker, tx).await
    });
    assert!(watch.waits(&revocation).await, "the token was revoked while a change by it was under way");
    assert!(change.scope_insert(&place).await.unwrap());
    bench.commit(change).await;
    revocation.await.unwrap().unwrap();
    assert!(!bench.begin().await.token_hold(token.id).await.unwrap(), "no change follows");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_in_one_process_waits_for_the_revocation_under_way_in_another() {
    let (bench, other, database) = two_on_postgres("pool_max_conns=9").await;
    let mut watch = Watch::on(&database).await;
    let (token, ..) = bench.token(Role::Editor, None, at(now() * 2)).await;
    let mut revocation = bench.begin().await;
    assert!(revocation.token_delete(None, token.id).await.unwrap());
    let change = tokio::spawn(async move { other.begin().await?.token_hold(token.id).await });
    assert!(watch.waits(&change).await, "a change went on while its token was being revoked");
    bench.commit(revocation).await;
    assert!(!change.await.unwrap().unwrap(), "the token is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_keys_in_two_processes_come_one_after_the_other() {
    let (bench, other, database) = two_on_postgres("pool_max_conns=9").await;
    let mut watch = Watch::on(&database).await;
    let mut first = bench.begin().await;
    first.keys_lock().await.unwrap();
    let known = first.master_key_list().await.unwrap().len();
    let second = tokio::spawn(async move {
        let mut tx = other.begin().await?;
        tx.keys_lock().await?;
        Ok::<_, StoreError>(tx.master_key_list().await?.len())
    });
    assert!(watch.waits(&second).await, "two processes changed keys at once");
    let key = bench.master_key(MasterKeyState::Standby);
    first.master_key_insert(&key).await.unwrap();
    bench.commit(first).await;
    assert_eq!(second.await.unwrap().unwrap(), known + 1, "the second one sees what the first one did");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_data_key_lands_under_a_master_key_that_another_process_retires() {
    let (bench, other, database) = two_on_postgres("pool_max_conns=9").await;
    let mut watch = Watch::on(&database).await;
    let retired = bench.active();
    let acme = bench.scope_record("acme", None);
    let (_, wrapped) = bench.data_key(Some(acme.id)).await;
    let mut tx = bench.begin().await;
    assert!(tx.scope_insert(&acme).await.unwrap());
    bench.commit(tx).await;

    let mut retiring = bench.begin().await;
    retiring.keys_lock().await.unwrap();
    retiring.master_key_update(retired, MasterKeyState::Retired).await.unwrap();
    assert_eq!(retiring.data_key_count(retired).await.unwrap(), 0, "nothing needs it");
    let bench = Arc::new(bench);
    let wrapping = Arc::clone(&bench);
    let late = tokio::spawn(async move {
        let mut tx = other.begin().await?;
        tx.keys_lock().await?;
        let inserted = tx.data_key_insert(&wrapped, at(1)).await?;
        commit(&wrapping, tx).await?;
        Ok::<_, StoreError>(inserted)
    });
    watch.waits(&late).await;
    bench.commit(retiring).await;
    let inserted = late.await.unwrap().unwrap();
    let under_it = bench.read().await.data_key_count(retired).await.unwrap();
    assert_eq!((inserted, under_it), (false, 0), "a data key is wrapped under a master key that was given up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_falls_silent_gives_up_what_it_holds() {
    const TRIES: usize = 8;
    let (bench, _, database) = two_on_postgres("pool_max_conns=9").await;
    let proxy = Proxy::to(&Cluster::shared().address());
    let silent = postgres_store(&database.through(&proxy.address).url).await;
    let mut held = silent.begin().await.unwrap();
    held.keys_lock().await.unwrap();
    proxy.cut();
    let mut refused = 0;
    loop {
        match bench.begin().await.keys_lock().await {
            Ok(()) => break,
            Err(StoreError::Unavailable(_)) => refused += 1,
            Err(error) => panic!("{error:?}"),
        }
        assert!(refused < TRIES, "after {refused} tries it still holds the lock");
    }
    proxy.heal();
    assert!(commit(&bench, held).await.is_err(), "what it had begun never happens");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_ended_while_nobody_asked_are_noticed_before_they_are_used() {
    const EACH: usize = 4;
    let (bench, _, database) = two_on_postgres("pool_max_conns=10").await;
    let (mut readers, mut writers) = (Vec::new(), Vec::new());
    for _ in 0..EACH {
        let mut reader = bench.read().await;
        reader.deployment_find().await.unwrap();
        readers.push(reader);
        writers.push(bench.begin().await);
    }
    drop((readers, writers));
    // A connection that was used a moment ago is trusted.
    sleep(Duration::from_millis(1500)).await;
    let ended = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
                 where datname = current_database() and pid <> pg_backend_pid()";
    assert!(database.count(ended) >= 2 * EACH);
    let mut held = Vec::new();
    for number in 0..EACH {
        let asked = match bench.store.read().await {
            Ok(mut reader) => reader.deployment_find().await.map(drop),
            Err(error) => Err(error),
        };
        let begun = bench.store.begin().await;
        assert!(asked.is_ok() && begun.is_ok(), "{number}: {:?}, {:?}", asked.err(), begun.err());
        held.push(begun);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_credentials_do_not_wait_for_others_as_long_as_one_does() {
    let (bench, other, _database) = two_on_postgres("pool_max_conns=8").await;
    let (acme, globex) = (bench.scope("acme", None).await, bench.scope("globex", None).await);
    let far = at(now() * 2);
    let (token, _, _) = bench.token(Role::Editor, Some(&acme), far).await;
    let (theirs, _, _) = bench.token(Role::Editor, Some(&globex), far).await;
    // Another process is about to revoke a token, and takes its time.
    let mut revoking = other.begin().await.unwrap();
    assert!(revoking.token_delete(Some(globex.id), theirs.id).await.unwrap());
    let ours = Adding::new(&bench, token.id, &acme, "quay.io", "argo").await;
    let one = Adding::new(&bench, theirs.id, &globex, "quay.io", "argo").await;
    let (store, (many, single)) = (&bench.store, ([ours.as_new(), one.as_new()], one.as_new()));
    let first = tokio::select! {
        many = store.credential_add_many(&many) => Some(many),
        _ = store.credential_add(single) => None,
    };
    assert!(matches!(first, Some(Err(StoreError::Unavailable(_)))), "it gives up first: {first:?}");
    assert_eq!(store.credential_add_many(&[ours.as_new()]).await.unwrap(), [true], "whom nothing keeps is not kept");
    drop(revoking);
    assert_eq!(store.credential_add_many(&[one.as_new()]).await.unwrap(), [true]);
}
