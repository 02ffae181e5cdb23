//! Whether a login works, told by real registries and by servers that only look like one.

mod all;
mod crowd;
mod guard;
mod hub;
mod keeping;
mod limit;
mod names;
mod real;
mod schedule;
mod seen;
mod stages;
mod token_servers;
mod turns;

use crate::support::{Binary, Login, Peer, Server, id, login, scope, store};
use regcred::{
    client::Client,
    domain::{check::PullTarget, permission::Role, scope::Scope},
    http::wire,
};

/// A server that may verify registries on this machine's own address, and an editor of a project in it.
struct Shop {
    server: Server,
    scope: Scope,
    editor: Client,
}

impl Shop {
    /// These hosts are spoken to without TLS, and these token servers get logins.
    async fn open(insecure: &[&str], token_servers: &[&str]) -> Self {
        Self::with(Binary::new().env("REGCRED_REGISTRY_NETWORKS", "127.0.0.1"), insecure, token_servers).await
    }

    async fn with(binary: Binary, insecure: &[&str], token_servers: &[&str]) -> Self {
        let binary = binary
            .env("REGCRED_REGISTRY_INSECURE", insecure.join(","))
            .env("REGCRED_REGISTRY_TOKEN_SERVERS", token_servers.join(","))
            .env("REGCRED_LOG", "trace");
        let server = Server::start_with(binary).await;
        server.project("acme/shop").await;
        let scope = scope("acme/shop");
        let editor = server.client(Role::Editor, &scope).await;
        Self { server, scope, editor }
    }

    /// What becomes of a login for that server.
    async fn try_login(&self, login: &Login, image: Option<&str>) -> wire::LastCheck {
        let stored = store(&self.editor, &self.scope, login).await;
        self.try_stored(&stored, image).await
    }

    async fn try_stored(&self, stored: &wire::Credential, image: Option<&str>) -> wire::LastCheck {
        let image: Option<PullTarget> = image.map(|image| image.parse().expect("a test names images well"));
        let check = self.editor.credential_verify(&self.scope, id(stored), image.as_ref()).await;
        let check = check.expect("a check has a result");
        let shown = self.editor.credential_get(&self.scope, id(stored)).await.expect("it is there").value.last_check;
        assert_eq!(as_json(&shown), as_json(&Some(&check)), "it is kept as it was told");
        check
    }
}

fn as_json(value: &impl serde::Serialize) -> serde_json::Value {
    serde_json::to_value(value).expect("it is JSON")
}

/// The stage and the reason.
fn told(check: &wire::LastCheck) -> (&str, &str) {
    (&check.result, &check.reason)
}

/// What becomes of a login at a peer without TLS.
async fn at_peer(peer: &Peer, image: Option<&str>) -> wire::LastCheck {
    let shop = Shop::open(&[&peer.host()], &[]).await;
    let image = image.map(|path| format!("{}/{path}", peer.host()));
    shop.try_login(&login(&peer.host(), "bot", "s3cret-pw"), image.as_deref()).await
}
