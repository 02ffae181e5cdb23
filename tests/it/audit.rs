//! The audit log: every change and every hand-out leaves exactly one event, done or denied; reading leaves none.

use crate::walk::{Answer, Bearer, Operation, Place, Request, Target, World, operations};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use regcred::domain::{
    permission::{Action, Role},
    timestamp::Timestamp,
};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    collections::{BTreeSet, HashSet},
    time::{SystemTime, UNIX_EPOCH},
};

/// Every operation whose action is audited, without its scope, and what its event names.
const CASES: &[(&str, Objects)] = &[
    ("organization_create", Objects::NewScope),
    ("organization_delete", Objects::KnownScope),
    ("project_create", Objects::NewScope),
    ("project_delete", Objects::KnownScope),
    ("credential_create", Objects::Answered),
    ("credential_update", Objects::InPath),
    ("credential_delete", Objects::InPath),
    ("credential_verify", Objects::InPath),
    ("token_create", Objects::Answered),
    ("token_revoke", Objects::InPath),
    ("audit_prune", Objects::Answered),
    ("pull_secret_get", Objects::InForce),
    ("key_add", Objects::Answered),
    ("key_activate", Objects::InPath),
    ("key_rewrap", Objects::DataKeys),
    ("key_retire", Objects::InPath),
];

/// What an event names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Objects {
    /// What the answer calls `id`.
    Answered,
    /// The identifier in the path.
    InPath,
    /// The identifier of an organization or project, which nobody has seen before.
    NewScope,
    /// The identifier under which the event of its making named it.
    KnownScope,
    /// The credentials in force, which are those that were handed out.
    InForce,
    /// As many data keys as the answer counts.
    DataKeys,
}

/// A token that may do it, of the lowest scope from which it can be done.
async fn doer(world: &World, operation: &Operation, action: Action) -> Bearer {
    let roles = [Role::Deployer, Role::Viewer, Role::Editor, Role::Admin, Role::Auditor, Role::Operator];
    let role = roles.into_iter().find(|role| role.may(action)).expect("somebody may");
    let place = if role == Role::Operator { Place::Deployment } else { place(operation) };
    world.token(role, place).await
}

fn place(operation: &Operation) -> Place {
    let path = &operation.path;
    if path.contains("{project}") && !matches!(operation.base(), "project_create" | "project_delete") {
        Place::Project
    } else if path.contains("{organization}") {
        Place::Organization
    } else {
        Place::Deployment
    }
}

/// The scope that a request's path lies in.
fn scope(request: &Request) -> String {
    let path = request.path.trim_start_matches("/internal").trim_start_matches("/v1/");
    let parts: Vec<_> = path.split('/').collect();
    match parts.as_slice() {
        ["organizations", organization, "projects", project, ..] => {
            format!("organizations/{organization}/projects/{project}")
        }
        ["organizations", organization, ..] => format!("organizations/{organization}"),
        _ => "deployment".to_owned(),
    }
}

fn now() -> Timestamp {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_microseconds(i64::try_from(elapsed.as_micros()).unwrap()).unwrap()
}

/// Sends a request, and gives the answer with the events that it left. Checks what all events have in common.
async fn watched(world: &World, request: &Request, bearer: &Bearer) -> (Answer, Vec<Value>) {
    let names = |events: &[Value]| events.iter().map(|event| event["id"].to_string()).collect::<HashSet<_>>();
    let before = names(&world.events("/v1", world.operator()).await);
    let begun = now();
    let answer = world.send(request, Some(&bearer.text)).await;
    let ended = now();
    let mut events = world.events("/v1", world.operator()).await;
    events.retain(|event| !before.contains(&event["id"].to_string()));
    for event in &events {
        let at: Timestamp = event["at"].as_str().unwrap().parse().unwrap();
        assert!(begun <= at && at <= ended, "{event} happened between {begun} and {ended}");
        assert_eq!(event["principal"], bearer.name);
        assert_eq!(event["token_id"], bearer.id);
        assert_eq!(event["address"], "127.0.0.1");
        assert_eq!(event["request_id"].as_str(), answer.header("x-request-id"), "{event}");
        assert!(answer.header("x-request-id").is_some(), "the answer names its request");
    }
    (answer, events)
}

fn ids(value: &Value) -> BTreeSet<String> {
    let ids: Vec<_> = value.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
    let set: BTreeSet<_> = ids.iter().cloned().collect();
    assert_eq!(set.len(), ids.len(), "an event names a thing twice: {value}");
    set
}

/// Checks what an event of success names.
async fn check_objects(world: &World, objects: Objects, request: &Request, answer: &Answer, event: &Value) {
    let named = ids(&event["object_ids"]);
    let one = |id: &str| BTreeSet::from([id.to_owned()]);
    let others = world.events("/v1", world.operator()).await;
    let mut others = others.iter().filter(|other| other["id"] != event["id"]);
    match objects {
        Objects::Answered => assert_eq!(named, one(answer.json()["id"].as_str().unwrap())),
        Objects::InPath => assert_eq!(named, one(request.id.as_ref().unwrap())),
        Objects::NewScope => {
            assert_eq!(named.len(), 1, "{event}");
            assert!(others.all(|other| other["object_ids"] != event["object_ids"]), "{event} names something old");
        }
        Objects::KnownScope => {
            assert_eq!(named.len(), 1, "{event}");
            let made = others.find(|other| other["scope"] == event["scope"] && other["outcome"] == "success");
            assert_eq!(made.expect("its making was recorded")["object_ids"], event["object_ids"]);
        }
        Objects::InForce => {
            let listed = format!("/v1/{}/credentials", scope(request));
            let listed = world.operate(Method::GET, &listed, Value::Null).await;
            let in_force: BTreeSet<_> = listed["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["id"].as_str().unwrap().to_owned())
                .collect();
            assert!(in_force.len() > 1, "an own and an inherited one");
            assert_eq!(named, in_force);
        }
        Objects::DataKeys => {
            assert!(named.len() > 5, "of the deployment, two organizations and three projects");
            assert_eq!(answer.json()["rewrapped"], named.len());
        }
    }
}

#[test]
fn every_audited_operation_has_a_case_and_every_action_an_operation() {
    let (mut audited, mut actions) = (BTreeSet::new(), HashSet::new());
    for operation in operations().iter().filter(|operation| !operation.is_probe()) {
        let action = operation.action().unwrap_or_else(|| panic!("{} is no action", operation.id()));
        actions.insert(action);
        if action.is_audited() {
            audited.insert(operation.base().to_owned());
        }
        let changes = operation.method != Method::GET;
        let reveals = operation.base() == "pull_secret_get";
        assert_eq!(action.is_audited(), changes || reveals, "{}", operation.id());
    }
    assert_eq!(CASES.iter().map(|(base, _)| (*base).to_owned()).collect::<BTreeSet<_>>(), audited);
    // What nobody may ask for has no operation: regcred does it by itself.
    let asked = Action::ALL.iter().filter(|action| Role::ALL.iter().any(|role| role.may(**action)));
    assert_eq!(actions, asked.copied().collect(), "an action has no operation");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_and_hand_out_leaves_one_event_and_every_denial_of_one_another() {
    let world = World::start().await;
    let mut cases = 0;
    for operation in operations() {
        let Some((_, objects)) = CASES.iter().find(|(base, _)| *base == operation.base()) else { continue };
        let action = operation.action().unwrap();
        let (id, place) = (operation.id(), place(&operation));

        let outsider = world.token(Role::Admin, Place::Foreign).await;
        let insider = if action == Action::PullSecretGet { Role::Viewer } else { Role::Deployer };
        let insider = world.token(insider, place).await;
        let doer = doer(&world, &operation, action).await;
        let request = world.request(&operation, Target::Fresh).await;
        // What does not exist yet has no name in the log: its making is denied in the name of the deployment.
        let denied_in = if id == "organization_create" { "deployment".to_owned() } else { scope(&request) };
        for bearer in [&outsider, &insider] {
            let (answer, events) = watched(&world, &request, bearer).await;
            assert!([403, 404].contains(&answer.status), "{id}: {}", answer.text());
            let [event] = events.as_slice() else { panic!("{id}, denied, left {events:?}") };
            assert_eq!(event["operation"], action.name());
            assert_eq!(event["outcome"], "denied", "{id}");
            assert_eq!(event["scope"], denied_in, "{id}");
            assert_eq!(event["object_ids"], json!([]), "{id}");
        }
        let (answer, events) = watched(&world, &request, &doer).await;
        assert!((200..300).contains(&answer.status), "{id}: {}", answer.text());
        let [event] = events.as_slice() else { panic!("{id} left {events:?}") };
        assert_eq!(event["operation"], action.name());
        assert_eq!(event["outcome"], "success", "{id}");
        assert_eq!(event["scope"], scope(&request), "{id}");
        check_objects(&world, *objects, &request, &answer, event).await;
        cases += 1;
    }
    assert_eq!(cases, 24, "credentials have two places, tokens three");
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_leaves_no_event_whether_it_is_allowed_or_denied() {
    let world = World::start().await;
    let mut cases = 0;
    for operation in operations().iter().filter(|operation| !operation.is_probe()) {
        let action = operation.action().unwrap();
        if action.is_audited() {
            continue;
        }
        let reader = doer(&world, operation, action).await;
        let stranger = world.token(Role::Deployer, Place::ForeignProject).await;
        let request = world.request(operation, Target::Fresh).await;
        for bearer in [&reader, &stranger] {
            let (answer, events) = watched(&world, &request, bearer).await;
            let open = matches!(action, Action::Whoami | Action::RegistryKindList);
            assert_eq!(answer.status == 200, bearer.id == reader.id || open, "{}", operation.id());
            assert_eq!(events, [] as [Value; 0], "{} of {}", operation.id(), bearer.name);
        }
        cases += 1;
    }
    assert_eq!(cases, 25);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_nothing_leaves_no_event() {
    let world = World::start().await;
    let admin = world.token(Role::Admin, Place::Organization).await;
    let deployer = world.token(Role::Deployer, Place::Project).await;
    let credentials = format!("{}/credentials", Place::Project.path());
    let new = world.login();
    let made = world.operate(Method::POST, &credentials, new.clone()).await;
    let one = format!("{credentials}/{}", made["id"].as_str().unwrap());
    let none = format!("{credentials}/0197aaaa-0000-7000-8000-000000000000");
    let merge = |path: &str, body| Request {
        media_type: Some("application/merge-patch+json".to_owned()),
        ..Request::new(Method::PATCH, path, body)
    };
    for (request, status) in [
        (Request::new(Method::PUT, &Place::Project.path(), Value::Null), 200),
        (Request::new(Method::POST, &credentials, new), 409),
        (Request::new(Method::POST, &credentials, json!({"server": "ghcr.io"})), 422),
        (merge(&one, json!({})), 200),
        (merge(&one, json!({"username": "bot"})), 200),
        (merge(&one, json!({"server": "elsewhere.example.com"})), 422),
        (merge(&none, json!({"enabled": false})), 404),
        (Request::new(Method::DELETE, &none, Value::Null), 404),
    ] {
        let (answer, events) = watched(&world, &request, &admin).await;
        assert_eq!(answer.status, status, "{request:?}: {}", answer.text());
        assert_eq!(events, [] as [Value; 0], "{request:?}");
    }
    let path = format!("/internal{}/pull-secret?format=tar", Place::Project.path());
    let listener = crate::walk::Listener::Internal;
    let request = Request { listener, ..Request::new(Method::GET, &path, Value::Null) };
    let (answer, events) = watched(&world, &request, &deployer).await;
    assert_eq!((answer.status, events), (400, Vec::new()), "nothing was handed out");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_that_depend_on_more_than_the_role_are_recorded_too() {
    let world = World::start().await;
    let of_project = world.token(Role::Admin, Place::Project).await;
    let of_deployment = world.token(Role::Admin, Place::Deployment).await;
    let operator = world.token(Role::Operator, Place::Deployment).await;
    let tokens = format!("{}/tokens", Place::Project.path());
    let inherited = world.credential(Place::Organization.scope()).await;
    let inherited = format!("{}/credentials/{inherited}", Place::Project.path());
    let delete = |path: &str| Request::new(Method::DELETE, path, Value::Null);
    for (bearer, request, operation) in [
        (&of_project, Request::new(Method::POST, &tokens, json!({"name": "mine", "role": "operator"})), "token.create"),
        (&of_deployment, delete(&format!("/v1/tokens/{}", operator.id)), "token.revoke"),
        (&of_project, delete(&Place::Project.path()), "project.delete"),
        (&of_project, Request::new(Method::PUT, &Place::Project.path(), Value::Null), "project.create"),
        (&of_project, delete(&inherited), "credential.delete"),
    ] {
        let (answer, events) = watched(&world, &request, bearer).await;
        assert_eq!(answer.status, 403, "{operation}: {}", answer.text());
        let [event] = events.as_slice() else { panic!("{operation}, denied, left {events:?}") };
        assert_eq!((&event["operation"], &event["outcome"]), (&json!(operation), &json!("denied")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_event_holds_a_password_or_the_text_of_a_token() {
    let world = World::start().await;
    let deployer = world.token(Role::Deployer, Place::Project).await;
    for operation in operations().iter().filter(|operation| !operation.is_probe()) {
        let request = world.request(operation, Target::Fresh).await;
        let bearer = if operation.base() == "pull_secret_get" { &deployer.text } else { world.operator() };
        assert!(world.send(&request, Some(bearer)).await.status < 300, "{}", operation.id());
        // Where a secret does not belong, it is not recorded either.
        let path = format!("{}?{}={}", request.path, world.password(), world.password());
        world.send(&Request { path, ..request }, Some(&deployer.text)).await;
    }
    let events = Value::Array(world.events("/v1", world.operator()).await).to_string();
    assert!(events.len() > 10_000, "there is something to search");
    let secrets = world.secrets();
    assert!(secrets.len() > 100, "there is something to search for");
    for secret in secrets {
        assert!(!events.contains(&secret), "an event holds a secret");
        assert!(!events.contains(&BASE64_STANDARD.encode(secret)), "an event holds a secret in base64");
    }
}
