//! Kinds of registries: what a form is told of them, and how a login is held to what its registry wants.

use crate::{
    plain::{self, Reply, bearer, json},
    support::{Server, project, pull, scope},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use regcred::domain::{kind::RegistryKind, permission::Role, timestamp::Timestamp};
use serde_json::{Value, json};

const KEY_FILE: &str = "{\n\t\"type\": \"service_account\",\r\n  \"private_key_id\": \"0123abcd\",\n  \"private_key\": \
                        \"-----BEGIN hunter2\\n\",\n  \"client_email\": \"puller@acme.iam.gserviceaccount.com\" }\n\n";
const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
const AWS_SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// A server with the project acme/shop, as an editor sees it.
struct Shop {
    server: Server,
    token: String,
}

impl Shop {
    async fn open() -> Self {
        let server = Server::start().await;
        server.project("acme/shop").await;
        let token = server.token(Role::Editor, &scope("acme/shop")).await.expose().to_owned();
        Self { server, token }
    }

    async fn send(&self, method: &str, below: &str, media_type: &str, body: &Value) -> Reply {
        let url = format!("{}/v1/{}/credentials{below}", self.server.public, scope("acme/shop"));
        let headers = [bearer(&self.token), ("content-type", media_type.to_owned())];
        let body = (!body.is_null()).then(|| body.to_string());
        plain::send(&plain::client(), method, &url, &headers, body.as_deref().map(str::as_bytes)).await
    }

    async fn create(&self, body: &Value) -> Reply {
        self.send("POST", "", &json().1, body).await
    }

    async fn created(&self, body: &Value) -> Value {
        let reply = self.create(body).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.json()
    }

    async fn patched(&self, id: &Value, body: &Value) -> Value {
        let below = format!("/{}", id.as_str().unwrap());
        let reply = self.send("PATCH", &below, "application/merge-patch+json", body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    async fn read(&self, id: &Value) -> Value {
        let reply = self.send("GET", &format!("/{}", id.as_str().unwrap()), &json().1, &Value::Null).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    /// The password that is handed out under a key.
    async fn password(&self, key: &str) -> String {
        let deployer = self.server.client(Role::Deployer, &scope("acme/shop")).await;
        let config: Value = serde_json::from_str(&pull(&deployer, &project("acme/shop"), &[]).await.unwrap()).unwrap();
        config["auths"][key]["password"].as_str().unwrap_or_else(|| panic!("no {key}")).to_owned()
    }
}

fn pointers(credential: &Value) -> Vec<&str> {
    let warnings = credential["warnings"].as_array().into_iter().flatten();
    warnings.map(|warning| warning["pointer"].as_str().unwrap()).collect()
}

fn jwt(exp: i64) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.c2ln", part(json!({"alg": "RS256"})), part(json!({"exp": exp})))
}

fn hours_from(start: &Value, hours: i64) -> String {
    let start: Timestamp = start.as_str().unwrap().parse().unwrap();
    Timestamp::from_microseconds(start.microseconds() + hours * 3_600_000_000).unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_told_of_every_kind_and_what_it_is_told_is_taken() {
    let shop = Shop::open().await;
    let viewer = shop.server.client(Role::Viewer, &scope("acme/shop")).await;
    let kinds = viewer.registry_kind_list().await.unwrap();
    assert_eq!(
        kinds.iter().map(|kind| kind.name.as_str()).collect::<Vec<_>>(),
        RegistryKind::ALL.map(RegistryKind::name)
    );
    for kind in kinds {
        let mut body = json!({"kind": kind.name, "username": "robot$acme+bot", "password": "hunter2"});
        let expected = match (kind.server.as_str(), &kind.default_server) {
            ("no" | "optional", Some(server)) => server.clone(),
            ("required", None) => {
                let refused = shop.create(&body).await;
                assert_eq!(
                    (refused.status, &refused.json()["errors"][0]["pointer"]),
                    (422, &json!("/server")),
                    "{}",
                    kind.name
                );
                body["server"] = json!(kind.server_example);
                if kind.name == "azure" { format!("{}.azurecr.io", kind.server_example) } else { kind.server_example }
            }
            other => panic!("{other:?}"),
        };
        let created = shop.created(&body).await;
        assert_eq!((&created["server"], &created["kind"]), (&json!(expected), &json!(kind.name)));
        assert!(kind.logins.iter().all(|login| login.username.is_some() != login.username_hint.is_some()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn azures_registries_go_by_their_names_and_nobody_elses_do() {
    let shop = Shop::open().await;
    let body = |server: &str, kind: Value| json!({"server": server, "kind": kind, "username": "bot", "password": "pw"});
    let created = shop.created(&body("MyReg", json!("azure"))).await;
    assert_eq!(created["server"], "myreg.azurecr.io");
    let moved = shop.patched(&created["id"], &json!({"server": "other", "password": "pw"})).await;
    assert_eq!((&moved["server"], &moved["kind"]), (&json!("other.azurecr.io"), &json!("azure")));
    for kind in [Value::Null, json!("github"), json!("generic")] {
        let refused = shop.create(&body("myreg2", kind)).await;
        assert_eq!((refused.status, &refused.json()["errors"][0]["pointer"]), (422, &json!("/server")));
        assert!(refused.body.contains("kind azure") && !refused.body.contains("myreg2"), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_google_key_file_keeps_its_bytes_and_shows_whose_it_is() {
    let shop = Shop::open().await;
    let google = |server: &str, username: &str, password: &str| json!({"server": server, "username": username, "password": password});
    let created = shop.created(&google("gcr.io", "_json_key", KEY_FILE)).await;
    let identity = json!({"client_email": "puller@acme.iam.gserviceaccount.com", "key_id": "0123abcd"});
    assert_eq!((&created["identity"], pointers(&created)), (&identity, vec![]));
    assert_eq!(shop.read(&created["id"]).await, created);
    assert_eq!(shop.password("gcr.io").await, KEY_FILE);
    let encoded = STANDARD.encode(KEY_FILE);
    let second = shop.created(&google("eu.gcr.io", "_json_key_base64", &encoded)).await;
    assert_eq!(second["identity"], identity);
    assert_eq!(shop.password("eu.gcr.io").await, encoded);

    // It goes with the password that it was read in, and stays as long as that.
    let kept = shop.patched(&created["id"], &json!({"email": "ops@acme.example"})).await;
    assert_eq!(kept["identity"], identity);
    let token = shop.patched(&created["id"], &json!({"username": "oauth2accesstoken", "password": "ya29.x"})).await;
    assert_eq!((token.get("identity"), pointers(&token)), (None, vec!["/password"]));
    assert_eq!(token["expires_at"], hours_from(&token["updated_at"], 1));

    for (username, password, pointer) in [
        ("_json_key", "hunter2", "/password"),
        ("_json_key", encoded.as_str(), "/username"),
        ("_json_key_base64", KEY_FILE, "/username"),
        ("oauth2accesstoken", KEY_FILE, "/username"),
    ] {
        let refused = shop.create(&google("us.gcr.io", username, password)).await;
        assert_eq!((refused.status, refused.slug().as_str()), (422, "invalid-body"), "{username}");
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{username}");
        assert!(!refused.body.contains("hunter2") && !refused.body.contains(&encoded), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn amazons_tokens_end_and_its_access_keys_are_told_apart() {
    let shop = Shop::open().await;
    let ecr = |server: &str, username: &str, password: &str| json!({"server": server, "username": username, "password": password});
    let token = shop.created(&ecr(ECR, "AWS", &"x".repeat(900))).await;
    assert_eq!(token["expires_at"], hours_from(&token["created_at"], 12));
    assert_eq!(pointers(&token), ["/password"]);
    assert_eq!(shop.read(&token["id"]).await.get("warnings"), None, "warnings are told to the writer");
    let stated = STANDARD.encode(r#"{"type":"DATA_KEY","expiration":4102444800}"#);
    let renewed = shop.patched(&token["id"], &json!({"password": stated})).await;
    assert_eq!(renewed["expires_at"], "2100-01-01T00:00:00.000000Z");
    let key = shop.created(&ecr("public.ecr.aws", "AKIAIOSFODNN7EXAMPLE", AWS_SECRET)).await;
    assert_eq!((&key["expires_at"], pointers(&key)), (&Value::Null, vec!["/username"]));
    for (username, password) in [("AWS", AWS_SECRET), ("AKIAIOSFODNN7EXAMPLE", stated.as_str())] {
        assert_eq!(shop.create(&ecr("ecr-public.aws.com", username, password)).await.status, 422, "{username}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_states_its_end_sets_it_unless_the_caller_does() {
    let shop = Shop::open().await;
    let body = |server: &str, password: &str| json!({"server": server, "username": "bot", "password": password});
    let (soon, late) = ("2100-01-01T00:00:00.000000Z", "2100-01-01T00:00:01.000000Z");
    let created = shop.created(&body("r1.example.com", &jwt(4_102_444_800))).await;
    assert_eq!((&created["expires_at"], pointers(&created)), (&json!(soon), vec![]));
    let renewed = shop.patched(&created["id"], &json!({"password": jwt(4_102_444_801)})).await;
    assert_eq!(renewed["expires_at"], late);
    let kept = shop.patched(&created["id"], &json!({"password": "plain"})).await;
    assert_eq!(kept["expires_at"], late, "what a password does not say stays");
    let cleared = shop.patched(&created["id"], &json!({"password": jwt(4_102_444_800), "expires_at": null})).await;
    assert_eq!(cleared["expires_at"], Value::Null);

    let mut stated = body("r2.example.com", &jwt(4_102_444_800));
    stated["expires_at"] = json!(late);
    let stated = shop.created(&stated).await;
    assert_eq!((&stated["expires_at"], pointers(&stated)), (&json!(late), vec!["/expires_at"]));
    let over = shop.created(&body("r3.example.com", &jwt(1_000_000_000))).await;
    assert_eq!((&over["expires_at"], pointers(&over)), (&json!("2001-09-09T01:46:40.000000Z"), vec!["/password"]));
    let still = shop.patched(&over["id"], &json!({"password": "plain"})).await;
    assert_eq!(pointers(&still), ["/expires_at"], "the new password is not handed out either");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_takes_kinds_and_shows_warnings() {
    let shop = Shop::open().await;
    let cli = shop.server.cli().env("REGCRED_PROJECT", "acme/shop");
    let run = |arguments: &[&str]| cli.run(&[&["add", "--password-stdin", "-u"], arguments].concat(), b"hunter2");
    let hub = run(&["acme", "--kind", "docker_hub"]);
    assert_eq!((hub.status, hub.stderr.as_str()), (0, "Added docker.io (acme) to acme/shop.\n"));
    let azure = run(&["bot", "--kind", "azure", "--server", "myreg"]);
    assert_eq!((azure.status, azure.stderr.as_str()), (0, "Added myreg.azurecr.io (bot) to acme/shop.\n"));
    let quay = run(&["acme", "--server", "quay.io"]);
    assert_eq!(quay.status, 0, "{quay:?}");
    assert_eq!(quay.stdout.lines().count(), 1, "{quay:?}");
    let warning = "warning: the user name is no robot account such as namespace+robot, nor $oauthtoken or $app\n";
    assert_eq!(quay.stderr, format!("Added quay.io (acme) to acme/shop.\n{warning}"));
    let moved = cli.run(&["update", "myreg.azurecr.io", "--server", "other", "--password-stdin"], b"hunter3");
    assert_eq!(
        (moved.status, moved.stderr.as_str()),
        (0, "Updated other.azurecr.io (bot) in acme/shop, with a new password.\n")
    );
    let nameless = cli.run(&["update", "quay.io", "--server", "myreg", "--password-stdin"], b"hunter3");
    assert!(nameless.status != 0 && nameless.stderr.contains("kind azure"), "{nameless:?}");
    let updated = cli.run(&["update", "quay.io", "--password-stdin"], b"hunter3");
    assert!(updated.stderr.ends_with(warning), "{updated:?}");
    for (arguments, word) in [
        (&["bot"][..], "no registry is named"),
        (&["bot", "--kind", "azure"], "no registry is named"),
        (&["bot", "--server", "myreg"], "kind azure"),
        (&["bot", "--server", "myreg", "--kind", "quay"], "kind azure"),
    ] {
        let refused = run(arguments);
        assert_eq!((refused.status, refused.stdout.as_str()), (2, ""), "{refused:?}");
        assert!(refused.stderr.contains(word) && !refused.stderr.contains("myreg"), "{refused:?}");
    }
}
