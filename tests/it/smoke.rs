//! The one line from the command line to the disk and back.

use crate::support::{Server, login, pull, store};
use regcred::domain::{permission::Role, scope::Scope};

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_in_as_a_credential_comes_out_as_a_pull_secret() {
    let server = Server::start().await;
    let shop = server.project("acme/shop").await;
    let scope = Scope::Project(shop.clone());
    let editor = server.client(Role::Editor, &scope).await;
    let credential = store(&editor, &scope, &login("https://GHCR.io/acme/", "bot", "hunter2")).await;
    assert_eq!((credential.server.as_str(), credential.version), ("ghcr.io/acme", 1));

    let deployer = server.client(Role::Deployer, &scope).await;
    let expected = r#"{"auths":{"ghcr.io/acme":{"username":"bot","password":"hunter2","auth":"Ym90Omh1bnRlcjI="}}}"#;
    assert_eq!(pull(&deployer, &shop, &[]).await.unwrap(), expected);
}
