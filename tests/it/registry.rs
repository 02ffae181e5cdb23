//! The whole way with programs that are not ours: a private image is pushed, and pulled with what regcred hands out.

use crate::support::{
    Binary, Registry, Server,
    token_server::{TokenServer, User},
};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A registry with an image in it, and a server with a project that wants it.
struct Stage {
    registry: Registry,
    digest: String,
    server: Server,
    folder: TempDir,
}

impl Stage {
    async fn set() -> Self {
        let registry = Registry::start("bot", "right horse");
        let digest = registry.push("team/app:1.0");
        Self::with(registry, digest).await
    }

    async fn with(registry: Registry, digest: String) -> Self {
        let server = Server::start().await;
        server.project("acme/shop").await;
        Self { registry, digest, server, folder: tempfile::tempdir().expect("there is room for a folder") }
    }

    fn cli(&self) -> Binary {
        self.server.cli().env("REGCRED_PROJECT", "acme/shop")
    }

    /// Runs a command that must succeed, and returns what it printed.
    fn regcred(&self, arguments: &[&str], input: &str) -> String {
        let output = self.cli().run(arguments, input.as_bytes());
        assert_eq!(output.status, 0, "{arguments:?}: {}", output.stderr);
        output.stdout.trim_end().to_owned()
    }

    /// A deployer's token, in a file.
    fn deployer(&self) -> PathBuf {
        let path = self.folder.path().join("deployer.token");
        let text = path.to_string_lossy();
        self.regcred(&["token", "create", "--name", "argo", "--role", "deployer", "--output-file", &text], "");
        path
    }

    /// Fetches the docker config for one image into a file of its own.
    fn pull_secret_as(&self, token: &Path, image: &str) -> PathBuf {
        let path = self.folder.path().join(image.replace(['/', ':'], "-"));
        std::fs::rename(self.pull_secret(token, &[image]), &path).expect("it lies in the same folder");
        path
    }

    /// Fetches the docker config into a file.
    fn pull_secret(&self, token: &Path, images: &[&str]) -> PathBuf {
        let path = self.folder.path().join("config.json");
        let (token, text) = (token.to_string_lossy(), path.to_string_lossy());
        let mut arguments = vec!["pull-secret", "--token-file", &token, "--output-file", &text];
        arguments.extend(images.iter().flat_map(|image| ["--image", image]));
        self.regcred(&arguments, "");
        path
    }
}

fn keys(docker_config: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(docker_config).expect("the docker config was written");
    let value: serde_json::Value = serde_json::from_str(&text).expect("a docker config is JSON");
    value["auths"].as_object().expect("it has logins").keys().cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_pulled_with_what_was_stored_and_not_with_a_wrong_password() {
    let stage = Stage::set().await;
    let (registry, token) = (&stage.registry, stage.deployer());
    let id =
        stage.regcred(&["add", "--server", &registry.host, "--username", "bot", "--password-stdin"], "right horse\n");
    let pulled = registry.pull("team/app:1.0", &stage.pull_secret(&token, &[]));
    assert_eq!(pulled.as_ref(), Ok(&stage.digest));

    let updated = stage.regcred(&["update", &id, "--password-stdin"], "wrong horse\n");
    assert_eq!(updated, id);
    let refused = registry.pull("team/app:1.0", &stage.pull_secret(&token, &[])).expect_err("the password is wrong");
    assert!(refused.contains("unauthorized: authentication required"), "{refused}");

    let updated = stage.regcred(&["update", &id, "--password-stdin"], "right horse\n");
    assert_eq!(updated, id, "the same credential, with another password");
    assert_eq!(registry.pull("team/app:1.0", &stage.pull_secret(&token, &[])), Ok(stage.digest));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_for_a_part_of_a_registry_pulls_its_images_under_either_key() {
    let stage = Stage::set().await;
    let (registry, token) = (&stage.registry, stage.deployer());
    let server = format!("{}/team", registry.host);
    stage.regcred(&["add", "--server", &server, "--username", "bot", "--password-stdin"], "right horse");

    let whole = stage.pull_secret(&token, &[]);
    assert_eq!(keys(&whole), [server.as_str()]);
    assert_eq!(registry.pull("team/app:1.0", &whole).as_ref(), Ok(&stage.digest));

    let image = format!("{}/team/app:1.0", registry.host);
    let narrowed = stage.pull_secret(&token, &[&image]);
    assert_eq!(keys(&narrowed), [registry.host.as_str()]);
    assert_eq!(registry.pull("team/app:1.0", &narrowed).as_ref(), Ok(&stage.digest));

    // Beside an image that gets no login, the login keeps its path, and still pulls what it is for.
    let both = stage.pull_secret(&token, &[&image, &format!("{}/other/app", registry.host)]);
    assert_eq!(keys(&both), [server.as_str()]);
    assert_eq!(registry.pull("team/app:1.0", &both), Ok(stage.digest.clone()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_another_registry_gets_nothing_to_log_in_with() {
    let stage = Stage::set().await;
    let (registry, token) = (&stage.registry, stage.deployer());
    stage.regcred(&["add", "--server", &registry.host, "--username", "bot", "--password-stdin"], "right horse");
    let nothing = stage.pull_secret(&token, &["ghcr.io/team/app:1.0"]);
    assert_eq!(std::fs::read_to_string(&nothing).expect("it was written"), r#"{"auths":{}}"#);
    let refused = registry.pull("team/app:1.0", &nothing).expect_err("there is no login");
    assert!(refused.contains("unauthorized: authentication required"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_logins_for_one_registry_each_image_gets_its_own() {
    let stage = Stage::set().await;
    let (registry, token) = (&stage.registry, stage.deployer());
    let other = registry.push("other/app:1.0");
    let part = format!("{}/team", registry.host);
    for server in [&registry.host, &part] {
        stage.regcred(&["add", "--server", server, "--username", "bot", "--password-stdin"], "wrong horse");
    }
    let refused = |pulled: Result<String, String>| {
        let error = pulled.expect_err("its login has the wrong password");
        assert!(error.contains("unauthorized"), "{error}");
    };
    let (in_part, beside) = (format!("{part}/app:1.0"), format!("{}/other/app:1.0", registry.host));
    // The right password in one of the two: it pulls its own images, and the other ones get the other login.
    for (right, wrong, part_works) in [(&part, &registry.host, true), (&registry.host, &part, false)] {
        stage.regcred(&["update", right, "--password-stdin"], "right horse");
        stage.regcred(&["update", wrong, "--password-stdin"], "wrong horse");
        let whole = stage.pull_secret(&token, &[]);
        let (pulled, from_beside) = (registry.pull("team/app:1.0", &whole), registry.pull("other/app:1.0", &whole));
        let narrowed = [&in_part, &beside].map(|image| stage.pull_secret_as(&token, image));
        let alone = [registry.pull("team/app:1.0", &narrowed[0]), registry.pull("other/app:1.0", &narrowed[1])];
        let (works, fails) =
            if part_works { ((pulled, &stage.digest), from_beside) } else { ((from_beside, &other), pulled) };
        assert_eq!(works.0.as_ref(), Ok(works.1));
        refused(fails);
        assert_eq!(alone.map(|pulled| pulled.is_ok()), [part_works, !part_works]);
    }

    // Two parts and no login for the whole: an empty entry stands there, and disturbs neither.
    stage.regcred(&["update", &part, "--password-stdin"], "right horse");
    stage.regcred(&["delete", &registry.host, "--yes"], "");
    let second = format!("{}/second", registry.host);
    stage.regcred(&["add", "--server", &second, "--username", "bot", "--password-stdin"], "wrong horse");
    let whole = stage.pull_secret(&token, &[]);
    assert_eq!(keys(&whole), [registry.host.as_str(), second.as_str(), part.as_str()]);
    assert_eq!(registry.pull("team/app:1.0", &whole).as_ref(), Ok(&stage.digest));
    refused(registry.pull("other/app:1.0", &whole));
}

/// Each may have what is his, and nothing else.
static USERS: [User; 2] = [
    User { name: "bot", password: "right horse", repository: "team/app" },
    User { name: "other", password: "other horse", repository: "other/app" },
];

#[tokio::test(flavor = "multi_thread")]
async fn with_a_token_server_each_image_is_pulled_with_the_login_that_may() {
    let tokens = TokenServer::start(&USERS);
    // What pushes and pulls waits for the token server, which runs in the other threads.
    let registry = Registry::with_tokens(&tokens, &USERS[0]);
    let team = registry.push("team/app:1.0");
    let other = registry.push_as(USERS[1].name, USERS[1].password, "other/app:1.0");
    let stage = Stage::with(registry, team.clone()).await;
    let (registry, token) = (&stage.registry, stage.deployer());
    let part = format!("{}/team", registry.host);
    let images = [format!("{part}/app:1.0"), format!("{}/other/app:1.0", registry.host)];
    let set = |verb: &[&str], server: &str, user: &User| {
        let login = [verb, &[server, "--username", user.name, "--password-stdin"]].concat();
        stage.regcred(&login, user.password);
    };
    let pull =
        |configs: [&Path; 2]| [registry.pull("team/app:1.0", configs[0]), registry.pull("other/app:1.0", configs[1])];
    let pull_both_ways = || {
        let whole = stage.pull_secret(&token, &[]);
        let with_whole = pull([&whole, &whole]);
        let narrowed = images.each_ref().map(|image| stage.pull_secret_as(&token, image));
        [with_whole, pull([&narrowed[0], &narrowed[1]])]
    };

    set(&["add", "--server"], &part, &USERS[0]);
    set(&["add", "--server"], &registry.host, &USERS[1]);
    for pulled in pull_both_ways() {
        assert_eq!(pulled, [Ok(team.clone()), Ok(other.clone())]);
    }
    // The other way round each gets a token, which is good for nothing there.
    set(&["update"], &part, &USERS[1]);
    set(&["update"], &registry.host, &USERS[0]);
    for refused in pull_both_ways().into_iter().flatten() {
        let error = refused.expect_err("it is the other one's image");
        assert!(error.contains("denied") || error.contains("unauthorized"), "{error}");
    }
}
