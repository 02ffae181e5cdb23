//! Which login an image gets, and why.

use crate::{
    plain::{self, bearer},
    support::{Server, id, login, organization, project, pull, scope, store},
};
use regcred::{
    client::{Change, Client, CredentialChange},
    domain::{permission::Role, scope::Scope},
    http::wire::{Credential, Resolution},
};
use serde_json::{Value, json};

/// A server with the project acme/shop, and an editor for its organization.
struct Shop {
    server: Server,
    editor: Client,
    scope: Scope,
    above: Scope,
}

impl Shop {
    async fn open() -> Self {
        let server = Server::start().await;
        server.project("acme/shop").await;
        let above = organization("acme");
        let editor = server.client(Role::Editor, &above).await;
        Self { server, editor, scope: scope("acme/shop"), above }
    }

    async fn add(&self, scope: &Scope, name: &str) -> Credential {
        store(&self.editor, scope, &login(name, "bot", "hunter2")).await
    }

    async fn change(&self, scope: &Scope, credential: &Credential, change: CredentialChange<'_>) {
        self.editor.credential_update(scope, id(credential), &change, None).await.unwrap();
    }

    async fn resolve(&self, scope: &Scope, image: &str) -> Resolution {
        let viewer = self.server.client(Role::Viewer, scope).await;
        viewer.credential_resolve(scope, image).await.unwrap()
    }
}

/// Server, reason and what overrides it of each candidate.
fn candidates(found: &Resolution) -> Vec<(&str, &str, Option<uuid::Uuid>)> {
    found.candidates.iter().map(|one| (one.server.as_str(), one.reason.as_str(), one.overridden_by)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_login_is_listed_with_the_reason_for_it_in_the_order_of_trying() {
    let shop = Shop::open().await;
    let inherited = shop.add(&shop.above, "quay.io").await;
    let hidden = shop.add(&shop.above, "quay.io/acme").await;
    let own = shop.add(&shop.scope, "quay.io/acme").await;
    let off = shop.add(&shop.scope, "quay.io/acme/team").await;
    let over = shop.add(&shop.scope, "quay.io/acme/team/app").await;
    shop.change(&shop.scope, &off, CredentialChange { enabled: Some(false), ..CredentialChange::default() }).await;
    let past = Change::Set("2020-01-01T00:00:00Z".parse().unwrap());
    shop.change(&shop.scope, &over, CredentialChange { expires_at: past, ..CredentialChange::default() }).await;
    for other in ["ghcr.io", "quay.io:443", "quay.io/beta"] {
        shop.add(&shop.scope, other).await;
    }
    let narrow = shop.add(&shop.scope, "quay.io/acme/t").await;
    let prefix = "quay.io/acme/t/x".parse().unwrap();
    shop.change(
        &shop.scope,
        &narrow,
        CredentialChange { image_prefix: Change::Set(&prefix), ..CredentialChange::default() },
    )
    .await;

    let found = shop.resolve(&shop.scope, "quay.io/acme/team/app:1.0").await;
    assert_eq!(found.repository, "quay.io/acme/team/app");
    assert_eq!(found.credential_id, Some(own.id));
    assert_eq!(
        candidates(&found),
        [
            ("quay.io/acme/team/app", "expired", None),
            ("quay.io/acme/team", "disabled", None),
            ("quay.io/acme", "chosen", None),
            ("quay.io/acme", "overridden", Some(own.id)),
            ("quay.io", "overridden", Some(own.id)),
            ("quay.io/acme/t", "path_is_not_a_prefix", None),
            ("quay.io/beta", "path_is_not_a_prefix", None),
            ("quay.io:443", "port_differs", None),
            ("ghcr.io", "host_differs", None),
        ]
    );
    let of = |id| found.candidates.iter().find(|one| one.credential_id == id).unwrap();
    assert!(of(hidden.id).inherited && of(inherited.id).inherited && !of(own.id).inherited);
    assert_eq!(of(hidden.id).scope, "organizations/acme");
    let narrowed = shop.resolve(&shop.scope, "quay.io/acme/t/y").await;
    assert_eq!(narrowed.candidates[3].reason, "image_prefix_differs", "{narrowed:?}");

    let above = shop.resolve(&shop.above, "quay.io/acme/team/app").await;
    assert_eq!(candidates(&above), [("quay.io/acme", "chosen", None), ("quay.io", "overridden", Some(hidden.id))]);
    let none = shop.resolve(&shop.above, "nginx").await;
    assert_eq!((none.repository.as_str(), none.credential_id), ("docker.io/library/nginx", None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_explained_is_what_is_handed_out() {
    let shop = Shop::open().await;
    let deployer = shop.server.client(Role::Deployer, &shop.scope).await;
    for (above, name) in [(true, "quay.io"), (false, "quay.io/acme"), (true, "docker.io/acme"), (false, "ghcr.io")] {
        let scope = if above { &shop.above } else { &shop.scope };
        let own = login(name, &format!("user-of-{}", name.replace('/', "-")), "hunter2");
        store(&shop.editor, scope, &own).await;
    }
    for image in ["quay.io/acme/app", "quay.io/x", "acme/app", "nginx", "ghcr.io/x:1", "r.io/x"] {
        let found = shop.resolve(&shop.scope, image).await;
        let config = pull(&deployer, &project("acme/shop"), &[image]).await.unwrap();
        let config: Value = serde_json::from_str(&config).unwrap();
        let handed_out = config["auths"].as_object().unwrap().values().next().map(|login| login["username"].clone());
        let chosen = found.candidates.iter().find(|one| one.reason == "chosen");
        assert_eq!(chosen.map(|one| one.credential_id), found.credential_id, "{image}");
        let expected = chosen.map(|one| json!(format!("user-of-{}", one.server.replace('/', "-"))));
        assert_eq!(handed_out, expected, "{image}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_what_programs_do_otherwise_with_the_whole_config() {
    let shop = Shop::open().await;
    let (whole, part) = (shop.add(&shop.scope, "quay.io").await, shop.add(&shop.scope, "quay.io/acme").await);
    let found = shop.resolve(&shop.scope, "quay.io/acme/app").await;
    let does = |found: &Resolution, name: &str| {
        let consumer = found.consumers.iter().find(|one| one.name == name).unwrap();
        (consumer.credential_ids.clone(), consumer.difference.is_some())
    };
    assert_eq!(does(&found, "docker"), (vec![whole.id], true));
    assert_eq!(does(&found, "podman"), (vec![part.id], false));
    assert_eq!(does(&found, "kubelet"), (vec![part.id, whole.id], false));
    assert_eq!(does(&found, "containerd"), (vec![part.id, whole.id], false));
    assert_eq!(found.consumers.len(), 4);
    let beside = shop.resolve(&shop.scope, "quay.io/acmes/app").await;
    assert_eq!(does(&beside, "kubelet"), (vec![part.id, whole.id], true));
    assert_eq!(does(&beside, "docker"), (vec![whole.id], false));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_logins_of_one_registry_are_told_apart_or_not_taken() {
    let shop = Shop::open().await;
    let deployer = shop.server.client(Role::Deployer, &shop.scope).await;
    let fetch = || async {
        let config = pull(&deployer, &project("acme/shop"), &[]).await.unwrap();
        serde_json::from_str::<Value>(&config).unwrap()["auths"].clone()
    };
    shop.add(&shop.scope, "quay.io/acme").await;
    assert_eq!(fetch().await.as_object().unwrap().len(), 1);
    shop.add(&shop.scope, "quay.io/beta").await;
    let config = fetch().await;
    assert_eq!((config.as_object().unwrap().len(), &config["quay.io"]), (3, &json!({})), "docker is held up");
    let found = shop.resolve(&shop.scope, "quay.io/acme/app").await;
    let docker = &found.consumers[0];
    assert_eq!((docker.credential_ids.len(), docker.difference.is_some()), (0, true));
    shop.add(&shop.scope, "quay.io").await;
    let config = fetch().await;
    assert_eq!((config.as_object().unwrap().len(), &config["quay.io"]["username"]), (3, &json!("bot")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_without_one_good_image_is_refused_and_not_repeated() {
    let shop = Shop::open().await;
    let headers = [bearer(shop.server.token(Role::Viewer, &shop.scope).await.expose())];
    for query in ["", "?image=", "?image=correct%20horse", "?image=a&image=b", "?image=a&x=correct", "?images=correct"]
    {
        let url = format!("{}/v1/{}/resolve{query}", shop.server.public, shop.scope);
        let reply = plain::send(&plain::client(), "GET", &url, &headers, None).await;
        assert_eq!((reply.status, reply.slug().as_str()), (400, "invalid-parameter"), "{query}");
        assert!(!reply.text().contains("correct"), "{reply:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_shows_the_reasons_and_the_differences() {
    let shop = Shop::open().await;
    let (whole, part) = (shop.add(&shop.above, "quay.io").await, shop.add(&shop.scope, "quay.io/acme").await);
    shop.add(&shop.above, "quay.io/acme").await;
    shop.add(&shop.scope, "ghcr.io").await;
    let cli = shop.server.cli().env("REGCRED_PROJECT", "acme/shop");
    let shown = cli.run(&["resolve", "quay.io/acme/app:1.0"], b"");
    assert_eq!(shown.status, 0, "{shown:?}");
    let rows: Vec<_> =
        shown.stdout.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>()[1..].join(" ")).collect();
    assert_eq!(
        rows,
        [
            "quay.io/acme chosen",
            "quay.io/acme overridden by the project's own",
            "quay.io overridden by quay.io/acme",
            "ghcr.io host differs",
        ],
        "{shown:?}"
    );
    let note = "With the whole docker configuration docker takes quay.io: it knows no paths, and takes the login of the whole registry.\n";
    assert_eq!(shown.stderr, note);
    assert_eq!(cli.run(&["resolve", "quay.io/acme/app", "-o", "name"], b"").stdout, format!("{}\n", part.id));
    let as_json: Value = serde_json::from_str(&cli.run(&["resolve", "quay.io/x", "-o", "json"], b"").stdout).unwrap();
    assert_eq!(as_json["credential_id"], json!(whole.id));
    let nothing = cli.run(&["resolve", "nginx", "-o", "name"], b"");
    assert_eq!((nothing.status, nothing.stdout.as_str()), (0, ""));
    assert_eq!(nothing.stderr, "acme/shop gives no login for docker.io/library/nginx.\n");
    // Where regcred gives no login, a program may take one all the same.
    shop.add(&shop.scope, "docker.io").await;
    let image = "registry-1.docker.io/library/nginx";
    let taken = cli.run(&["resolve", image], b"");
    let notes = format!(
        "acme/shop gives no login for {image}.\nWith the whole docker configuration podman takes docker.io: it takes all names of \
         Docker Hub for one registry.\n"
    );
    assert_eq!((taken.status, taken.stderr), (0, notes));
    let refused = cli.run(&["resolve", "Hunter2 hunter2"], b"");
    assert!(refused.status != 0 && !refused.stderr.contains("unter2 h"), "{refused:?}");
}
