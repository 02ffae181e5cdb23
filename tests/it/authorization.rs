//! Who may do what: every operation of the documents, with every role's tokens of every scope, against one table.

use crate::walk::{Answer, Bearer, Listener, Operation, Place, Request, Target, World, operations};
use regcred::domain::{permission::Role, source::Random, token::TokenText};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};

use Role::{Admin, Auditor, Deployer, Editor, Operator, Viewer};

/// What has to be within a token's reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// Nothing: the answer is about the token's own scope.
    Nothing,
    Deployment,
    /// The organization `acme`.
    Organization,
    /// The project `acme/shop`.
    Project,
    /// The project, by leave of its organization: the project's own tokens may not.
    OrganizationOfProject,
}

const ALL: &[Role] = &[Viewer, Editor, Deployer, Admin, Auditor, Operator];
const READERS: &[Role] = &[Viewer, Editor, Admin, Auditor, Operator];
const WRITERS: &[Role] = &[Editor, Admin, Operator];
const ADMINS: &[Role] = &[Admin, Operator];
const AUDITORS: &[Role] = &[Auditor, Operator];
const OPERATORS: &[Role] = &[Operator];
const DEPLOYERS: &[Role] = &[Deployer];

/// Every operation, what it needs, and the roles that may. All others may not.
const TABLE: &[(&str, Needs, &[Role])] = &[
    ("whoami", Needs::Nothing, ALL),
    ("registry_kind_list", Needs::Nothing, ALL),
    ("organization_list", Needs::Nothing, READERS),
    ("organization_create", Needs::Deployment, OPERATORS),
    ("organization_get", Needs::Organization, READERS),
    ("organization_delete", Needs::Organization, OPERATORS),
    ("project_list", Needs::Organization, READERS),
    ("project_create", Needs::OrganizationOfProject, ADMINS),
    ("project_get", Needs::Project, READERS),
    ("project_delete", Needs::OrganizationOfProject, ADMINS),
    ("credential_create_in_organization", Needs::Organization, WRITERS),
    ("credential_list_in_organization", Needs::Organization, READERS),
    ("credential_get_in_organization", Needs::Organization, READERS),
    ("credential_resolve_in_organization", Needs::Organization, READERS),
    ("credential_update_in_organization", Needs::Organization, WRITERS),
    ("credential_delete_in_organization", Needs::Organization, WRITERS),
    ("credential_verify_in_organization", Needs::Organization, WRITERS),
    ("credential_create_in_project", Needs::Project, WRITERS),
    ("credential_list_in_project", Needs::Project, READERS),
    ("credential_get_in_project", Needs::Project, READERS),
    ("credential_resolve_in_project", Needs::Project, READERS),
    ("credential_update_in_project", Needs::Project, WRITERS),
    ("credential_delete_in_project", Needs::Project, WRITERS),
    ("credential_verify_in_project", Needs::Project, WRITERS),
    ("token_create_in_deployment", Needs::Deployment, ADMINS),
    ("token_list_in_deployment", Needs::Deployment, ADMINS),
    ("token_get_in_deployment", Needs::Deployment, ADMINS),
    ("token_revoke_in_deployment", Needs::Deployment, ADMINS),
    ("token_create_in_organization", Needs::Organization, ADMINS),
    ("token_list_in_organization", Needs::Organization, ADMINS),
    ("token_get_in_organization", Needs::Organization, ADMINS),
    ("token_revoke_in_organization", Needs::Organization, ADMINS),
    ("token_create_in_project", Needs::Project, ADMINS),
    ("token_list_in_project", Needs::Project, ADMINS),
    ("token_get_in_project", Needs::Project, ADMINS),
    ("token_revoke_in_project", Needs::Project, ADMINS),
    ("audit_list_in_deployment", Needs::Deployment, AUDITORS),
    ("audit_list_in_organization", Needs::Organization, AUDITORS),
    ("audit_list_in_project", Needs::Project, AUDITORS),
    ("audit_retention_get", Needs::Deployment, AUDITORS),
    ("audit_prune", Needs::Deployment, OPERATORS),
    ("audit_pruning_list", Needs::Deployment, AUDITORS),
    ("pull_secret_get", Needs::Project, DEPLOYERS),
    ("status_get", Needs::Deployment, OPERATORS),
    ("key_list", Needs::Deployment, OPERATORS),
    ("key_add", Needs::Deployment, OPERATORS),
    ("key_activate", Needs::Deployment, OPERATORS),
    ("key_rewrap", Needs::Deployment, OPERATORS),
    ("key_retire", Needs::Deployment, OPERATORS),
];

/// How a token of that scope stands to what an operation needs.
fn reach(needs: Needs, place: Place) -> Result<(), u16> {
    let deployment = place == Place::Deployment;
    let reaches = match needs {
        Needs::Nothing => true,
        // That a deployment exists is no secret.
        Needs::Deployment => return if deployment { Ok(()) } else { Err(403) },
        Needs::Project => deployment || matches!(place, Place::Organization | Place::Project),
        Needs::OrganizationOfProject if place == Place::Project => return Err(403),
        Needs::Organization | Needs::OrganizationOfProject => deployment || place == Place::Organization,
    };
    if reaches { Ok(()) } else { Err(404) }
}

/// The status of a refusal; none for those who may.
fn refusal(needs: Needs, may: &[Role], place: Place, role: Role) -> Option<u16> {
    match reach(needs, place) {
        Err(status) => Some(status),
        Ok(()) => (!may.contains(&role)).then_some(403),
    }
}

/// A token of every role in every scope that can have one: an operator's is the deployment's.
async fn tokens(world: &World) -> Vec<(Role, Place, Bearer)> {
    let mut tokens = Vec::new();
    for place in Place::ALL {
        for role in Role::ALL {
            if role != Operator || place == Place::Deployment {
                tokens.push((role, place, world.token(role, place).await));
            }
        }
    }
    tokens
}

/// What a token's request is aimed at: something of its own, unless that would put it out of the token's scope.
fn target(operation: &Operation, place: Place) -> Target {
    match (operation.base(), place) {
        ("organization_delete", Place::Organization) | ("project_create" | "project_delete", Place::Project) => {
            Target::Acme
        }
        _ => Target::Fresh,
    }
}

fn check_refusal(answer: &Answer, status: u16, what: &str) {
    let expected = match status {
        401 => "unauthenticated",
        403 => "forbidden",
        404 => "not-found",
        other => panic!("{other} is no refusal that the table can mean"),
    };
    assert_eq!((answer.status, answer.slug().as_str()), (status, expected), "{what}: {}", answer.text());
}

#[test]
fn every_operation_has_one_row_in_the_table() {
    let documented: BTreeSet<_> = operations()
        .iter()
        .filter(|operation| !operation.is_probe())
        .map(|operation| operation.id().to_owned())
        .collect();
    let rows: BTreeSet<_> = TABLE.iter().map(|(id, _, _)| (*id).to_owned()).collect();
    assert_eq!(rows, documented);
    assert_eq!(rows.len(), TABLE.len(), "an operation has two rows");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_open_to_the_roles_of_the_table_in_reach_and_to_nobody_else() {
    let world = World::start().await;
    let tokens = tokens(&world).await;
    let documents: HashMap<_, _> = Listener::ALL.map(|listener| (listener, listener.document())).into();
    let mut calls = 0;
    for operation in operations().iter().filter(|operation| !operation.is_probe()) {
        let id = operation.id();
        let (_, needs, may) = *TABLE.iter().find(|(row, _, _)| *row == id).unwrap_or_else(|| panic!("{id} has no row"));
        let check = |answer: &Answer, what: &str| {
            let complaint = operation.complaint(&documents[&operation.listener], answer);
            assert_eq!(complaint, None, "{what}: {}", answer.text());
        };
        // All who may not, on one thing; then the first who may finds it as it was.
        let mut target_of_all = Some(world.request(operation, Target::Fresh).await);
        let (mut allowed, mut denied) = (Vec::new(), Vec::new());
        for token in &tokens {
            match refusal(needs, may, token.1, token.0) {
                Some(status) => denied.push((token, status)),
                None => allowed.push(token),
            }
        }
        for ((role, place, bearer), status) in denied {
            let what = format!("{id} by {role} of {}", place.scope());
            let request = match target(operation, *place) {
                Target::Fresh => target_of_all.clone().expect("nobody has taken it yet"),
                Target::Acme => world.request(operation, Target::Acme).await,
            };
            let answer = world.send(&request, Some(&bearer.text)).await;
            check_refusal(&answer, status, &what);
            check(&answer, &what);
            calls += 1;
        }
        let made = operation.described["responses"]["201"].is_object();
        for (role, place, bearer) in allowed {
            let what = format!("{id} by {role} of {}", place.scope());
            let request = match target_of_all.take() {
                Some(request) => request,
                None => world.request(operation, Target::Fresh).await,
            };
            let answer = world.send(&request, Some(&bearer.text)).await;
            let expected: &[u16] = if made { &[201] } else { &[200, 204] };
            assert!(expected.contains(&answer.status), "{what}: {} {}", answer.status, answer.text());
            check(&answer, &what);
            calls += 1;
        }
        assert!(target_of_all.is_none(), "nobody may {id}, so its refusals prove nothing");
    }
    assert_eq!(calls, tokens.len() * TABLE.len());
}

/// For a token that no server gives out.
struct Zeros;

impl Random for Zeros {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_operation_answers_without_a_token_that_is_good() {
    let world = World::start().await;
    let revoked = world.token(Admin, Place::Deployment).await;
    world.operate(Method::DELETE, &format!("/v1/tokens/{}", revoked.id), Value::Null).await;
    // A well-formed token, checksum and all, that was never given out.
    let unknown = TokenText::generate(&Zeros);
    let mistyped = format!("{}x", world.operator());
    for operation in operations().iter().filter(|operation| !operation.is_probe()) {
        let request = world.request(operation, Target::Fresh).await;
        for (bearer, detail) in [
            (None, "send a token"),
            (Some(revoked.text.as_str()), "not known, or was revoked"),
            (Some(unknown.expose()), "not known, or was revoked"),
            (Some(mistyped.as_str()), "mistyped"),
            (Some("hunter2"), "mistyped"),
            (Some(""), "send a token"),
        ] {
            let answer = world.send(&request, bearer).await;
            let what = format!("{} with {bearer:?}", operation.id());
            check_refusal(&answer, 401, &what);
            assert!(answer.text().contains(detail), "{what}: {}", answer.text());
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{what}");
            let document = operation.listener.document();
            assert_eq!(operation.complaint(&document, &answer), None, "{what}");
        }
        // Nothing of it was done: whoever may still can.
        let of_deployer = world.token(Deployer, Place::Project).await;
        let bearer = if operation.id() == "pull_secret_get" { &of_deployer.text } else { world.operator() };
        let answer = world.send(&request, Some(bearer)).await;
        assert!((200..300).contains(&answer.status), "{}: {}", operation.id(), answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_documents_and_the_page_want_no_token() {
    let world = World::start().await;
    let mut probes: Vec<_> =
        operations().into_iter().filter(Operation::is_probe).map(|probe| (probe.listener, probe.path)).collect();
    assert_eq!(probes.len(), 5, "two on the public listener, three on the internal one");
    for listener in Listener::ALL {
        probes.extend(["/docs/", "/openapi.json"].map(|path| (listener, path.to_owned())));
    }
    for (listener, path) in probes {
        let request = Request { listener, ..Request::new(Method::GET, &path, Value::Null) };
        for bearer in [None, Some("hunter2")] {
            assert_eq!(world.send(&request, bearer).await.status, 200, "{listener:?} {path} {bearer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_appoints_above_himself_and_operators_belong_to_the_deployment() {
    let world = World::start().await;
    for place in [Place::Deployment, Place::Organization, Place::Project] {
        let admin = world.token(Admin, place).await;
        for role in Role::ALL {
            let body = json!({"name": "appointed", "role": role.name()});
            let request = Request::new(Method::POST, &format!("{}/tokens", place.path()), body);
            let expected = if role == Operator { 403 } else { 201 };
            let answer = world.send(&request, Some(&admin.text)).await;
            assert_eq!(answer.status, expected, "an admin of {} appoints a {role}", place.scope());
            let expected = if role == Operator && place != Place::Deployment { 403 } else { 201 };
            let answer = world.send(&request, Some(world.operator())).await;
            assert_eq!(answer.status, expected, "the operator appoints a {role} of {}", place.scope());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_deleted_project_does_not_come_back_with_a_new_one_of_its_name() {
    let world = World::start().await;
    let project = Place::Project.path();
    let deployer = world.token(Deployer, Place::Project).await;
    let of_organization = world.token(Deployer, Place::Organization).await;
    world.operate(Method::DELETE, &project, Value::Null).await;
    world.operate(Method::PUT, &project, Value::Null).await;
    let path = format!("/internal{project}/pull-secret");
    let request = Request { listener: Listener::Internal, ..Request::new(Method::GET, &path, Value::Null) };
    check_refusal(&world.send(&request, Some(&deployer.text)).await, 401, "the old project's token");
    assert_eq!(world.send(&request, Some(&of_organization.text)).await.status, 200, "the organization's token");
}
