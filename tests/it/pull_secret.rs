//! Pull secrets: what is in them, when their tag changes, and what happens to a row that cannot be read.

mod altered;
mod choice;
mod recalled;

use crate::support::{Server, id, login, scope, secret_password, store};
use regcred::{
    client::{Change, Client, CredentialChange, PullSecret},
    domain::{
        id::CredentialId,
        permission::Role,
        scope::{ProjectPath, Scope},
    },
    http::wire,
};

/// A project with somebody who writes, somebody who fetches, and somebody who watches.
struct Shop {
    server: Server,
    project: ProjectPath,
    scope: Scope,
    editor: Client,
    deployer: Client,
    auditor: Client,
}

/// A document, its tag, and what was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fetched {
    body: String,
    tag: String,
    omitted: Vec<(CredentialId, String)>,
}

impl Shop {
    async fn open() -> Self {
        let server = Server::start().await;
        let project = server.project("acme/shop").await;
        let scope = scope("acme/shop");
        let editor = server.client(Role::Editor, &scope).await;
        let deployer = server.client(Role::Deployer, &scope).await;
        let auditor = server.client(Role::Auditor, &scope).await;
        Self { server, project, scope, editor, deployer, auditor }
    }

    /// Starts the server again, and connects to it anew.
    async fn reopen(&mut self) {
        self.server.restart();
        self.editor = self.server.client(Role::Editor, &self.scope).await;
        self.deployer = self.server.client(Role::Deployer, &self.scope).await;
        self.auditor = self.server.client(Role::Auditor, &self.scope).await;
    }

    async fn add(&self, server: &str, password: &str) -> CredentialId {
        id(&store(&self.editor, &self.scope, &login(server, "bot", password)).await)
    }

    async fn change(&self, id: CredentialId, change: CredentialChange<'_>) -> wire::Credential {
        let changed = self.editor.credential_update(&self.scope, id, &change, None).await;
        changed.expect("the credential is changed").value
    }

    async fn fetch(&self, images: &[&str]) -> Fetched {
        self.fetch_unless(images, None).await.expect("nothing was said of what is known")
    }

    /// The document, or nothing if it is still the known one.
    async fn fetch_unless(&self, images: &[&str], known: Option<&str>) -> Option<Fetched> {
        let images: Vec<_> = images.iter().map(ToString::to_string).collect();
        let answer = self.deployer.pull_secret(&self.project, &images, known).await.expect("it is handed out");
        let PullSecret::Document { body, etag, omitted } = answer else { return None };
        Some(Fetched {
            body: String::from_utf8(body.expose().to_vec()).expect("JSON is UTF-8"),
            tag: etag.expect("every pull secret has a tag"),
            omitted: omitted.into_iter().map(|omitted| (omitted.id, omitted.reason)).collect(),
        })
    }

    /// How many hand-outs the audit log knows.
    async fn hand_outs(&self) -> usize {
        let events = self.auditor.audit_list_all(&self.scope).await.expect("the audit log is read").items;
        events.iter().filter(|event| event.operation == "pull_secret.get").count()
    }
}

/// The members of `auths`, in their order.
fn keys(fetched: &Fetched) -> Vec<String> {
    let value: serde_json::Value = serde_json::from_str(&fetched.body).expect("a docker config is JSON");
    value["auths"].as_object().expect("it has logins").keys().cloned().collect()
}

/// The password under a key.
fn password(fetched: &Fetched, key: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(&fetched.body).expect("a docker config is JSON");
    value["auths"][key]["password"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_state_gives_equal_bytes_and_is_answered_304_without_an_event() {
    let mut shop = Shop::open().await;
    for server in ["quay.io", "ghcr.io/acme", "docker.io"] {
        shop.add(server, "hunter2").await;
    }
    let first = shop.fetch(&[]).await;
    assert_eq!(shop.fetch(&[]).await, first);
    let narrowed = shop.fetch(&["quay.io/x"]).await;
    assert_ne!((&narrowed.body, &narrowed.tag), (&first.body, &first.tag));
    assert_eq!(shop.hand_outs().await, 3);

    assert_eq!(shop.fetch_unless(&[], Some(&first.tag)).await, None);
    assert_eq!(shop.fetch_unless(&[], Some(&format!("\"other\", W/{}", first.tag))).await, None);
    assert_eq!(shop.fetch_unless(&["quay.io/x"], Some(&narrowed.tag)).await, None);
    assert_eq!(shop.hand_outs().await, 3, "nothing was handed out");
    assert_eq!(
        shop.fetch_unless(&["quay.io/x"], Some(&first.tag)).await,
        Some(narrowed),
        "the tag of another document"
    );
    assert_eq!(shop.hand_outs().await, 4);

    shop.server.stop();
    shop.reopen().await;
    assert_eq!(shop.fetch(&[]).await, first, "also from another process");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tag_changes_exactly_when_the_bytes_do() {
    let shop = Shop::open().await;
    let id = shop.add("ghcr.io", "hunter2").await;
    let mut before = shop.fetch(&[]).await;
    let (original, other) = (secret_password("hunter2"), secret_password("hunter3"));
    let (email, prefix) = ("ops@acme.example".parse().unwrap(), "ghcr.io/acme".parse().unwrap());
    let time = |text: &str| Change::Set(text.parse().expect("it is a time"));
    let none = CredentialChange::default;
    for (what, change, changes) in [
        ("the same password again", CredentialChange { password: Some(&original), ..none() }, false),
        ("another password", CredentialChange { password: Some(&other), ..none() }, true),
        ("an image prefix", CredentialChange { image_prefix: Change::Set(&prefix), ..none() }, false),
        ("an e-mail address", CredentialChange { email: Change::Set(&email), ..none() }, true),
        ("an end in the future", CredentialChange { expires_at: time("2999-01-01T00:00:00Z"), ..none() }, false),
        ("an end in the past", CredentialChange { expires_at: time("2020-01-01T00:00:00Z"), ..none() }, true),
        ("no end", CredentialChange { expires_at: Change::Clear, ..none() }, true),
        ("off", CredentialChange { enabled: Some(false), ..none() }, true),
        ("another password while it is off", CredentialChange { password: Some(&original), ..none() }, false),
        ("on", CredentialChange { enabled: Some(true), ..none() }, true),
    ] {
        shop.change(id, change).await;
        let after = shop.fetch(&[]).await;
        assert_eq!(after.tag != before.tag, changes, "{what}: the tag");
        assert_eq!(after.body != before.body, changes, "{what}: the bytes");
        let known = shop.fetch_unless(&[], Some(&before.tag)).await;
        assert_eq!(known.is_some(), changes, "{what}: what a poll is answered");
        before = after;
    }
    let second = shop.add("quay.io", "hunter2").await;
    let two = shop.fetch(&[]).await;
    assert_ne!(two.tag, before.tag, "one more");
    shop.editor.credential_delete(&shop.scope, second, None).await.expect("it is deleted");
    assert_eq!(shop.fetch(&[]).await, before, "as it was before");
}

#[tokio::test(flavor = "multi_thread")]
async fn rotating_the_master_key_changes_neither_bytes_nor_tag() {
    let shop = Shop::open().await;
    shop.add("ghcr.io", "hunter2").await;
    let before = shop.fetch(&[]).await;
    let operator = shop.server.operator();
    let key = operator.key_add().await.expect("a key is made");
    operator.key_activate(regcred::domain::id::MasterKeyId::from_uuid(key.id)).await.expect("it is activated");
    assert!(operator.key_rewrap().await.expect("all is wrapped anew").rewrapped > 0);
    assert_eq!(shop.fetch(&[]).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_out_is_seen_at_the_credential_and_a_304_is_not() {
    let shop = Shop::open().await;
    let (used, unused) = (shop.add("ghcr.io", "hunter2").await, shop.add("quay.io", "hunter2").await);
    let last_used =
        async |id| shop.editor.credential_get(&shop.scope, id).await.expect("it is found").value.last_used_at;
    assert_eq!((last_used(used).await, last_used(unused).await), (None, None));
    let etag = shop.editor.credential_get(&shop.scope, used).await.unwrap().etag;
    let fetched = shop.fetch(&["ghcr.io/x"]).await;
    // It is marked once the answer is out.
    let mut handed_out = None;
    while handed_out.is_none() {
        handed_out = last_used(used).await;
    }
    assert_eq!(last_used(unused).await, None, "only what was handed out");
    assert_eq!(shop.editor.credential_get(&shop.scope, used).await.unwrap().etag, etag, "a use is no change");
    assert_eq!(shop.fetch_unless(&["ghcr.io/x"], Some(&fetched.tag)).await, None);
    assert_eq!(last_used(used).await, handed_out);
}
