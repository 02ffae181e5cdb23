//! Reading the audit log back: its order, its pages, and who sees what of it.

use crate::walk::{Place, Request, World};
use regcred::domain::permission::Role;
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{task::JoinHandle, time::sleep};

fn ids(events: &[Value]) -> Vec<String> {
    events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_from_old_to_new_without_gap_or_repetition() {
    let world = World::start().await;
    let mut made = Vec::new();
    for _ in 0..12 {
        made.push(world.credential(Place::Project.scope()).await);
    }
    let all = world.events("/v1", world.operator()).await;
    let created: Vec<_> = all.iter().filter(|event| event["operation"] == "credential.create").collect();
    let named: Vec<_> = created.iter().map(|event| event["object_ids"][0].as_str().unwrap().to_owned()).collect();
    assert_eq!(named[named.len() - 12..], made, "in the order of their happening");
    for limit in [1, 2, 7, 500] {
        assert_eq!(ids(&world.events_by("/v1", world.operator(), limit).await), ids(&all), "in pages of {limit}");
    }
    let page = world.event_page("/v1", world.operator(), 5, None).await;
    assert_eq!(page["items"].as_array().unwrap().len(), 5);
    for (query, pointer) in [("limit=0", "limit"), ("limit=501", "limit"), ("cursor=zzz", "cursor")] {
        let request = Request::new(Method::GET, &format!("/v1/audit-events?{query}"), Value::Null);
        let answer = world.send(&request, Some(world.operator())).await;
        assert_eq!((answer.status, &answer.json()["errors"][0]["pointer"]), (400, &json!(pointer)), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_is_whole_and_without_repetition_while_500_events_are_added() {
    const WRITERS: usize = 10;
    const EACH: usize = 50;
    let world = Arc::new(World::start().await);
    for _ in 0..20 {
        world.credential(Place::Project.scope()).await;
    }
    let viewer = world.token(Role::Viewer, Place::Project).await;
    let before = ids(&world.events("/v1", world.operator()).await);
    let added = Arc::new(AtomicUsize::new(0));
    let mut writers = Vec::new();
    for _ in 0..WRITERS {
        let (world, viewer, added) = (Arc::clone(&world), viewer.clone(), Arc::clone(&added));
        writers.push(tokio::spawn(async move {
            let path = format!("{}/credentials", Place::Project.path());
            let request = Request::new(Method::POST, &path, world.login());
            for _ in 0..EACH {
                assert_eq!(world.send(&request, Some(&viewer.text)).await.status, 403);
                added.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    // Between any two pages, some more were added.
    let (mut listed, mut cursor, mut met) = (Vec::new(), None, 0);
    loop {
        let page = world.event_page("/v1", world.operator(), 7, cursor.as_deref()).await;
        listed.extend(ids(page["items"].as_array().unwrap()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = Some(next.to_owned());
        let seen = added.load(Ordering::Relaxed);
        while added.load(Ordering::Relaxed) == seen && !writers.iter().all(JoinHandle::is_finished) {
            sleep(Duration::from_millis(1)).await;
        }
        met += usize::from(added.load(Ordering::Relaxed) > seen);
    }
    assert!(met > 3, "the listing met {met} additions");
    assert_eq!(listed[..before.len()], before, "what was there when the listing began");
    assert_eq!(listed.iter().collect::<HashSet<_>>().len(), listed.len(), "an event came twice");
    for writer in writers {
        writer.await.unwrap();
    }
    let after = ids(&world.events("/v1", world.operator()).await);
    assert_eq!(after.len(), before.len() + WRITERS * EACH);
    assert_eq!(listed, after[..listed.len()], "there is no gap in what came meanwhile");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_outlive_their_project_and_do_not_pass_to_a_new_one_of_its_name() {
    let world = World::start().await;
    let auditor = world.token(Role::Auditor, Place::Organization).await;
    let project = Place::Project.path();
    let before = world.events(&project, &auditor.text).await;
    assert!(before.iter().any(|event| event["operation"] == "credential.create"), "{before:?}");
    world.operate(Method::DELETE, &project, Value::Null).await;
    world.operate(Method::PUT, &project, Value::Null).await;

    let of_organization = world.events(&Place::Organization.path(), &auditor.text).await;
    let seen: HashSet<_> = ids(&of_organization).into_iter().collect();
    assert!(ids(&before).iter().all(|id| seen.contains(id)), "an event went with its project");
    assert!(of_organization.iter().any(|event| event["operation"] == "project.delete"));

    let of_new_project = world.events(&project, &auditor.text).await;
    let operations: Vec<_> = of_new_project.iter().map(|event| event["operation"].clone()).collect();
    assert_eq!(operations, ["project.create"], "the new project has no past");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_sees_what_is_below_his_scope_and_nothing_else() {
    let world = World::start().await;
    for place in Place::ALL.into_iter().filter(|place| *place != Place::Deployment) {
        world.credential(place.scope()).await;
    }
    let mut auditors = Vec::new();
    for place in Place::ALL {
        auditors.push((place, world.token(Role::Auditor, place).await));
    }
    let all = world.events("/v1", world.operator()).await;
    for (place, auditor) in auditors {
        let seen = world.events(&place.path(), &auditor.text).await;
        let below = |event: &&Value| {
            let scope = event["scope"].as_str().unwrap();
            let organization_or_project = scope == place.scope() || scope.starts_with(&format!("{}/", place.scope()));
            place == Place::Deployment || organization_or_project
        };
        let expected: Vec<_> = all.iter().filter(below).cloned().collect();
        assert!(expected.iter().any(|event| event["operation"] == "credential.create"), "{}", place.scope());
        assert_eq!(ids(&seen), ids(&expected), "{}", place.scope());
    }
}
