//! Adding credentials, one by one and many at once.

use super::bench::{Bench, REFUSED, at, now};
use regcred::{
    domain::{
        audit::AuditEvent,
        id::TokenId,
        identity::Identity,
        page::Limit,
        permission::{Action, Role},
        scope::ScopeRecord,
    },
    store::{Added, AuditScope, NewSealedCredential, SealedCredential, StoreError},
};
use std::collections::HashSet;

const CERTIFICATES: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

/// A credential that is to be added.
pub struct Adding {
    token: TokenId,
    sealed: SealedCredential,
    event: AuditEvent,
}

impl Adding {
    pub async fn new(bench: &Bench, token: TokenId, scope: &ScopeRecord, server: &str, principal: &str) -> Self {
        let mut event = bench.event(Action::CredentialCreate, Some(scope));
        event.principal = principal.into();
        let mut sealed = bench.sealed(scope, server).await;
        let credential = &mut sealed.credential;
        // No two values of a kind are alike, so that none can stand in another's place.
        (credential.version, credential.revision) = (2, 3);
        credential.image_prefix = Some(format!("{server}/app").parse().unwrap());
        let hours = |count: i64| at(now() + count * 3_600_000_000);
        (credential.expires_at, credential.updated_at, credential.rotated_at) =
            (Some(at(now() * 2)), hours(2), hours(1));
        credential.identity = Identity::new("puller@acme.iam.gserviceaccount.com", "0123abcd");
        credential.ca_certificates = Some(CERTIFICATES.parse().unwrap());
        Self { token, sealed, event }
    }

    pub fn switch_off(&mut self) {
        self.sealed.credential.enabled = false;
    }

    pub fn as_new(&self) -> NewSealedCredential<'_> {
        let password = self.sealed.password.as_ref().unwrap();
        NewSealedCredential {
            token: self.token,
            credential: &self.sealed.credential,
            scope: self.sealed.scope_id,
            password: (&password.sealed, &password.fingerprint),
            event: &self.event,
        }
    }
}

pub async fn a_credential_is_added_with_its_event_or_not_at_all(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let far = at(now() * 2);
    let (token, _, _) = bench.token(Role::Editor, Some(&acme), far).await;
    let (gone, _, _) = bench.token(Role::Editor, Some(&acme), far).await;
    let mut tx = bench.begin().await;
    assert!(tx.token_delete(Some(acme.id), gone.id).await.unwrap());
    bench.commit(tx).await;
    bench.back_door.refuse_some_events().await;

    let mut events = bench.event_count().await;
    for (server, by, principal, expected) in [
        ("quay.io", token.id, "argo", Some(Added::Yes)),
        ("quay.io", token.id, "argo", Some(Added::ServerTaken)),
        ("ghcr.io", gone.id, "argo", Some(Added::TokenGone)),
        ("quay.io", gone.id, "argo", Some(Added::TokenGone)),
        ("ghcr.io", token.id, REFUSED, None),
        ("ghcr.io", token.id, "argo", Some(Added::Yes)),
    ] {
        let adding = Adding::new(&bench, by, &acme, server, principal).await;
        let before = bench.credentials(&acme, None, 100).await.len();
        assert_eq!(bench.store.credential_add(adding.as_new()).await.ok(), expected, "{server} by {principal}");
        let added = usize::from(expected == Some(Added::Yes));
        assert_eq!(bench.credentials(&acme, None, 100).await.len(), before + added);
        events += added;
        assert_eq!(bench.event_count().await, events, "{server} by {principal}");
        if added == 1 {
            assert_eq!(
                bench.read().await.credential_find(&acme, adding.sealed.credential.id).await.unwrap(),
                Some(adding.sealed.credential)
            );
        }
    }
    // Of a scope that is gone, it is a conflict.
    let adding = Adding::new(&bench, token.id, &acme, "docker.io", "argo").await;
    let elsewhere = NewSealedCredential { scope: bench.scope_record("other", None).id, ..adding.as_new() };
    assert!(matches!(bench.store.credential_add(elsewhere).await, Err(StoreError::Conflict(_))));
    // Where numbers of events are lost, there is no event, and so no credential.
    assert!(bench.back_door.execute("delete from audit_position").await);
    for _ in 0..3 {
        let added = bench.store.credential_add(adding.as_new()).await;
        assert!(!matches!(added, Ok(Added::Yes)), "what was tried before has not made them anew");
    }
    assert_eq!(bench.credentials(&acme, None, 100).await.len(), 2);
}

pub async fn of_many_credentials_exactly_those_are_added_against_which_nothing_stands(bench: Bench) {
    let far = at(now() * 2);
    let (acme, globex) = (bench.scope("acme", None).await, bench.scope("globex", None).await);
    let (token, _, _) = bench.token(Role::Editor, Some(&acme), far).await;
    let (theirs, _, _) = bench.token(Role::Editor, Some(&globex), far).await;
    let (gone, _, _) = bench.token(Role::Editor, Some(&acme), far).await;
    let mut tx = bench.begin().await;
    assert!(tx.token_delete(Some(acme.id), gone.id).await.unwrap());
    bench.commit(tx).await;
    bench.credential(&acme, "taken.example").await;

    // More than one statement's worth of texts: some are filled up.
    let mut cases = Vec::new();
    for (server, by, scope, expected) in [
        ("quay.io", &token, &acme, true),
        ("quay.io", &theirs, &globex, true),
        ("quay.io", &token, &acme, false),
        ("taken.example", &token, &acme, false),
        ("ghcr.io", &gone, &acme, false),
        ("ghcr.io", &token, &acme, true),
        ("docker.io", &theirs, &globex, true),
    ] {
        cases.push((Adding::new(&bench, by.id, scope, server, "argo").await, expected));
    }
    for number in 0..90 {
        let server = format!("r{number}.example");
        cases.push((Adding::new(&bench, token.id, &acme, &server, "argo").await, true));
    }
    let before = bench.event_count().await;
    let new: Vec<_> = cases.iter().map(|(adding, _)| adding.as_new()).collect();
    let expected: Vec<_> = cases.iter().map(|(_, expected)| *expected).collect();
    assert_eq!(bench.store.credential_add_many(&new).await.unwrap(), expected);

    let events = bench.read().await.audit_event_list(AuditScope::Deployment, None, Limit::try_from(500).unwrap()).await;
    let events: Vec<_> = events.unwrap().into_iter().map(|row| row.unwrap()).collect();
    let first = events[before].sequence;
    assert!(events.iter().skip(before).zip(first..).all(|(recorded, number)| recorded.sequence == number), "no holes");
    let told: HashSet<_> = events.iter().skip(before).map(|recorded| recorded.event.id).collect();
    let mut queries = bench.read().await;
    for (adding, expected) in &cases {
        let place = if adding.sealed.scope_id == acme.id { &acme } else { &globex };
        let found = queries.credential_find(place, adding.sealed.credential.id).await.unwrap();
        assert_eq!(found.as_ref(), expected.then_some(&adding.sealed.credential), "as it was, or not at all");
        assert_eq!(told.contains(&adding.event.id), *expected);
    }
    let added = expected.iter().filter(|expected| **expected).count();
    assert_eq!(events.len(), before + added, "one event each");
    // None at all leaves nothing behind that keeps others from writing.
    assert_eq!(bench.store.credential_add_many(&new[2..4]).await.unwrap(), [false, false]);
    bench.credential(&acme, "after.example").await;
}

pub async fn many_credentials_of_which_one_is_refused_are_not_added(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let (token, _, _) = bench.token(Role::Editor, Some(&acme), at(now() * 2)).await;
    bench.back_door.refuse_some_events().await;
    let good = Adding::new(&bench, token.id, &acme, "quay.io", "argo").await;
    let bad = Adding::new(&bench, token.id, &acme, "ghcr.io", REFUSED).await;
    let elsewhere = NewSealedCredential { scope: bench.scope_record("other", None).id, ..bad.as_new() };
    let before = bench.event_count().await;
    let refused = bench.store.credential_add_many(&[good.as_new(), bad.as_new()]).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    assert_eq!((bench.credentials(&acme, None, 100).await.len(), bench.event_count().await), (0, before));
    // A scope that is gone spoils nothing for others.
    assert_eq!(bench.store.credential_add_many(&[elsewhere, good.as_new()]).await.unwrap(), [false, true]);
    let next = Adding::new(&bench, token.id, &acme, "docker.io", "argo").await;
    assert_eq!(bench.store.credential_add_many(&[next.as_new(), good.as_new()]).await.unwrap(), [true, false]);
    // Where numbers of events are lost, there is no event, and so no credential.
    assert!(bench.back_door.execute("delete from audit_position").await);
    let more = Adding::new(&bench, token.id, &acme, "r1.example", "argo").await;
    let still = Adding::new(&bench, token.id, &acme, "r2.example", "argo").await;
    assert!(bench.store.credential_add_many(&[more.as_new(), still.as_new()]).await.is_err());
    assert_eq!(bench.credentials(&acme, None, 100).await.len(), 2);
}
