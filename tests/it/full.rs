//! How many credentials a scope takes.

use crate::support::{Server, log, login, problem, project, pull, scope, slug, store};
use regcred::domain::permission::Role;

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_has_ten_thousand_credentials_and_no_more() {
    let mut server = Server::start().await;
    server.project("acme/shop").await;
    server.project("acme/other").await;
    let shop = scope("acme/shop");
    let editor = server.client(Role::Editor, &shop).await;
    store(&editor, &shop, &login("ghcr.io", "bot", "pw")).await;
    server.stop();
    // They cannot be opened, and need not be: all are switched off.
    let columns = "scope_id, kind, username, email, image_prefix, expires_at, version, revision, sealed, fingerprint, \
                   created_at, updated_at, rotated_at, last_used_at";
    let text = format!(
        "with recursive n (i) as (select 1 union all select i + 1 from n where i < 9998) \
         insert into credentials (id, server, enabled, {columns}) \
         select randomblob(16), 'r' || i || '.example.com', 0, {columns} from n, credentials"
    );
    log::run(&server.database(), text).await;
    server.restart();

    let editor = server.client(Role::Editor, &shop).await;
    let added = store(&editor, &shop, &login("quay.io", "bot", "pw")).await;
    for try_first in [false, true] {
        let new = login("gcr.io", "bot", "pw");
        let refused = if try_first {
            editor.credential_create_verified(&shop, &new.request(), None).await
        } else {
            editor.credential_create(&shop, &new.request()).await
        };
        let refused = problem(refused);
        assert_eq!((refused.status, slug(&refused)), (409, "scope-full"));
        assert!(refused.detail.contains("10000"), "{}", refused.detail);
    }
    // What is there is named all the same, for who would rather change it.
    let there = problem(editor.credential_create(&shop, &login("https://quay.io/", "bot", "pw").request()).await);
    assert_eq!((slug(&there), there.existing_id), ("credential-exists", Some(added.id)));
    let events = server.operator().audit_list_all(&shop).await.unwrap().items;
    assert!(events.iter().all(|event| event.operation != "credential.verify"), "nothing was tried");
    // Others have their own, and what is deleted makes room.
    let other = scope("acme/other");
    store(&server.client(Role::Editor, &other).await, &other, &login("gcr.io", "bot", "pw")).await;
    editor.credential_delete(&shop, crate::support::id(&added), None).await.unwrap();
    store(&editor, &shop, &login("gcr.io", "bot", "pw")).await;
    let deployer = server.client(Role::Deployer, &shop).await;
    let document = pull(&deployer, &project("acme/shop"), &[]).await.unwrap();
    assert!(document.contains("ghcr.io") && document.contains("gcr.io") && !document.contains("example.com"));
}
