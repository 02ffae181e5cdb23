//! Lists of events are the same whether these are on file by place or not, or in part. A database without a file passes all the
//! same.

use super::{
    bench::{Bench, unconditional},
    retention::{oldest, pruning},
};
use regcred::{
    domain::{
        audit::{AuditEvent, RecordedEvent},
        page::Limit,
        permission::Action,
        scope::ScopeRecord,
    },
    store::{AuditScope, Filed, Rows, Upkeep},
};

/// Rows that a filer had added when it was cut off.
const CUT_OFF: &str = "insert into audit_places (id, place_id, last, sequences) \
                       select (select places from audit_filed) + row_number() over (), project_id, max(sequence), \
                       json_group_array(sequence order by sequence) from audit_events \
                       where project_id is not null and sequence > (select last from audit_filed) group by project_id";
/// Refused if the file begins with a row whose events are all gone.
const NO_GHOSTS: &str = "insert into audit_filed (singleton, last, places) select 2, 0, 0 from audit_places \
                         where id = (select min(id) from audit_places) \
                         and last < (select min(sequence) from audit_events)";
/// Refused unless all events are on file.
const ALL_ON_FILE: &str = "insert into audit_filed (singleton, last, places) select 2, 0, 0 from audit_events e where not exists \
                           (select 1 from audit_places p join json_each(p.sequences) j \
                           where p.place_id = e.organization_id and j.value = e.sequence) \
                           and e.organization_id is not null or sequence > (select last from audit_filed)";

/// Two organizations, one with two projects and the other with one.
struct World {
    bench: Bench,
    filer: Option<Box<dyn Upkeep>>,
    places: Vec<ScopeRecord>,
}

impl World {
    async fn new(bench: Bench) -> Self {
        let (acme, globex) = (bench.scope("acme", None).await, bench.scope("globex", None).await);
        let places = vec![
            bench.scope("shop", Some(&acme)).await,
            bench.scope("till", Some(&acme)).await,
            bench.scope("shop", Some(&globex)).await,
            acme,
            globex,
        ];
        let filer = bench.store.upkeep();
        Self { bench, filer, places }
    }

    /// So many events, of all places in turn and of none.
    async fn add(&self, count: usize) {
        let places = self.places.iter().map(Some).chain([None]).cycle().take(count);
        let events: Vec<AuditEvent> = places.map(|place| self.bench.event(Action::PullSecretGet, place)).collect();
        self.bench.store.audit_log().append(&unconditional(&events)).await.unwrap();
    }

    async fn file(&mut self) {
        if let Some(filer) = &mut self.filer {
            assert_eq!(filer.file().await.unwrap(), Filed::All);
        }
    }

    async fn prune(&self, count: usize) {
        let mut tx = self.bench.begin().await;
        let events = oldest(&self.bench, u32::try_from(count).unwrap()).await;
        assert!(tx.audit_prune(&pruning(&events)).await.unwrap());
        self.bench.commit(tx).await;
    }

    /// Has the database refuse a statement if something is wrong with its file.
    async fn holds(&self, statement: &'static str) -> bool {
        self.filer.is_none() || self.bench.back_door.execute(statement).await
    }

    async fn pages(&self, scope: AuditScope, most: u32, newest_first: bool) -> Vec<RecordedEvent> {
        let (mut listed, limit) = (Vec::<RecordedEvent>::new(), Limit::try_from(most).unwrap());
        let mut queries = self.bench.read().await;
        loop {
            let from = listed.last().map(|event| event.sequence);
            let rows: Rows<_> = if newest_first {
                queries.audit_event_list_newest(scope, from, limit).await.unwrap()
            } else {
                queries.audit_event_list(scope, from, limit).await.unwrap()
            };
            let more = rows.len() > most as usize;
            listed.extend(rows.into_iter().take(most as usize).map(Result::unwrap));
            if !more {
                return listed;
            }
        }
    }

    /// Holds every list against the events of the deployment.
    async fn check(&self, stage: &str) {
        self.check_pages(stage, &[1, 4, 500]).await;
    }

    async fn check_pages(&self, stage: &str, sizes: &[u32]) {
        let all = self.pages(AuditScope::Deployment, 500, false).await;
        for place in &self.places {
            let is_project = place.parent_id.is_some();
            let scope = if is_project { AuditScope::Project(place.id) } else { AuditScope::Organization(place.id) };
            let of_place = |event: &&RecordedEvent| {
                let id = if is_project { event.event.project_id } else { event.event.organization_id };
                id == Some(place.id)
            };
            let mut expected: Vec<_> = all.iter().filter(of_place).map(|event| event.sequence).collect();
            assert!(expected.len() > 1, "{stage}: {}", place.scope);
            for newest_first in [false, true] {
                for &most in sizes {
                    let found = self.pages(scope, most, newest_first).await;
                    let found: Vec<_> = found.iter().map(|event| event.sequence).collect();
                    assert_eq!(found, expected, "{stage}: {} in pages of {most}", place.scope);
                }
                expected.reverse();
            }
        }
    }
}

pub async fn a_list_is_whole_and_in_order_whatever_is_on_file(bench: Bench) {
    let mut world = World::new(bench).await;
    world.add(40).await;
    world.check("nothing on file").await;
    world.file().await;
    world.check("all on file").await;
    assert!(world.holds(ALL_ON_FILE).await);
    world.add(31).await;
    world.check("half on file").await;
    assert!(world.holds(CUT_OFF).await);
    world.check("half on file, and some more that nobody vouches for").await;
    world.add(17).await;
    world.check("and events after these").await;
    world.file().await;
    world.check("all on file again").await;
    assert!(world.holds(ALL_ON_FILE).await);
    world.file().await;
    world.check("put on file twice").await;
    world.add(700).await;
    world.check("more than a few").await;
    world.file().await;
    world.check("all of them").await;
    assert!(world.holds(ALL_ON_FILE).await);
}

pub async fn what_is_pruned_is_in_no_list_and_not_on_file(bench: Bench) {
    let mut world = World::new(bench).await;
    world.add(60).await;
    world.prune(13).await;
    world.check("pruned before").await;
    world.file().await;
    world.check("on file after that").await;
    world.prune(11).await;
    world.check("pruned from the file").await;
    world.add(30).await;
    world.file().await;
    world.prune(37).await;
    world.check("pruned up to a row's last event").await;
    assert!(world.holds(NO_GHOSTS).await, "events that are gone are on file");
    world.add(40).await;
    world.prune(34).await;
    world.check("pruned beyond the file").await;
    assert!(world.holds(NO_GHOSTS).await, "events that are gone are on file");
    world.file().await;
    world.check("on file after all").await;
    assert!(world.holds(NO_GHOSTS).await, "events that are gone are on file");
    assert!(world.holds(ALL_ON_FILE).await);
    // More of an organization than one row has.
    for _ in 0..3 {
        world.add(1_000).await;
    }
    world.file().await;
    world.check_pages("on file in several rows", &[67, 500]).await;
    for _ in 0..2 {
        world.prune(1_000).await;
        world.check_pages("a row and a part of one pruned", &[67, 500]).await;
        assert!(world.holds(NO_GHOSTS).await, "events that are gone are on file");
    }
}
