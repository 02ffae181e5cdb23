//! Who sees what of a check: its caller, those who inherit the login, and whoever reads the log.

use super::{Shop, told};
use crate::support::{Peer, Response, id, login, organization, problem, slug, store};
use regcred::domain::permission::Role;

#[tokio::test(flavor = "multi_thread")]
async fn where_somebody_has_had_a_connection_made_to_stands_in_the_log() {
    let site = Peer::start(|_| Response::with(200, &[("content-type", "text/html")], "<html>welcome</html>"));
    let shop = Shop::open(&[&site.host()], &[]).await;
    let new = login(&format!("{}/team", site.host()), "scanning-user", "guessed-password");
    let refused = problem(shop.editor.credential_create_verified(&shop.scope, &new.request(), None).await);
    assert_eq!(slug(&refused), "login-not-verified");
    let stored = store(&shop.editor, &shop.scope, &new).await;
    shop.try_stored(&stored, None).await;

    let log = shop.server.log();
    let told: Vec<_> = log.lines().filter(|line| line.contains("a login was tried")).collect();
    assert_eq!(told.len(), 2, "{log}");
    for line in &told {
        assert!(line.contains(" INFO ") && line.contains("no_registry_api"), "{line}");
        assert!(line.contains(&format!("server=\"{}\"", site.host())), "{line}");
        assert!(!line.contains("scanning-user") && !line.contains("guessed-password"), "{line}");
    }
    // By the request's identifier it is found from the audit event, which names a credential that never came to be.
    let request = refused.request_id.expect("it has one");
    assert!(told[0].contains(&request.to_string()), "{}", told[0]);
    let events = shop.server.operator().audit_list_all(&shop.scope).await.unwrap().items;
    let event = events.iter().find(|event| event.request_id == request).expect("it is in the log");
    assert_eq!(event.operation, "credential.verify");
    assert!(told[0].contains(&event.object_ids[0].to_string()) && told[1].contains(&stored.id.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_inherited_login_was_tried_for_is_not_shown_to_those_who_inherit_it() {
    let peer = Peer::start(|_| Response::welcome());
    let shop = Shop::open(&[&peer.host()], &[]).await;
    let acme = organization("acme");
    let editor = shop.server.client(Role::Editor, &acme).await;
    let stored = store(&editor, &acme, &login(&peer.host(), "bot", "pw")).await;
    let image = format!("{}/secret-project/app:1", peer.host());
    let check = editor.credential_verify(&acme, id(&stored), Some(&image.parse().unwrap())).await.unwrap();
    assert_eq!((told(&check), check.image.as_deref()), (("ok", "no_login_needed"), Some(image.as_str())));

    let own = editor.credential_get(&acme, id(&stored)).await.unwrap().value.last_check.unwrap();
    assert_eq!(own.image, Some(image));
    let viewer = shop.server.client(Role::Viewer, &shop.scope).await;
    let shown = viewer.credential_get(&shop.scope, id(&stored)).await.unwrap().value;
    let listed = viewer.credential_list_all(&shop.scope, None).await.unwrap().items.remove(0);
    for seen in [shown, listed] {
        assert!(seen.inherited);
        let seen = seen.last_check.expect("that it works is shown");
        assert_eq!((told(&seen), seen.image.as_deref()), (told(&own), None));
    }
}
