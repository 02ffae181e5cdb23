//! What the tests stand on: the real program as a process, and short ways to say things.

#![allow(dead_code, unused_imports, reason = "each test uses the part of the harness that it needs")]

mod authority;
pub mod disk;
mod exchange;
mod gate;
pub mod log;
mod peer;
pub mod postgres;
mod proxy;
pub mod raw;
mod registry;
mod replicas;
mod server;
mod terminal;
pub mod token_server;
pub mod traffic;
mod writer;

pub use authority::{Authority, Identity};
pub use exchange::{Reply, exchange};
pub use gate::{Gate, Pass};
pub use peer::{Peer, Response, Seen};
pub use proxy::Proxy;
pub use registry::Registry;
pub use replicas::{Replicas, keyring_file};
pub use server::{Binary, Output, Server};
pub use terminal::Terminal;

use regcred::{
    client::{Client, ClientError, NewCredential, PullSecret},
    domain::{
        check::CaCertificates,
        credential::Username,
        id::CredentialId,
        scope::{ProjectPath, Scope},
        secret,
        server::RegistryServer,
    },
    http::wire,
};
use std::{
    net::TcpListener,
    sync::atomic::{AtomicBool, AtomicU16, Ordering},
};
use zeroize::Zeroizing;

/// Tells threads to stop when it is dropped, also by a panic: a test that fails must end.
pub struct StopOnDrop<'a>(pub &'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A port for something that will listen there again after it was stopped. It is below those that the system gives to
/// whoever names none, so that nobody else has it meanwhile.
pub fn free_port() -> u16 {
    const FIRST: u16 = 15_000;
    const COUNT: u16 = 15_000;
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() * 101 % u32::from(COUNT)).expect("it is below the count");
    loop {
        let port = FIRST + (start + TAKEN.fetch_add(1, Ordering::Relaxed)) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A project by its name as people write it.
pub fn project(name: &str) -> ProjectPath {
    name.parse().expect("a test names projects well")
}

/// The scope of a project.
pub fn scope(name: &str) -> Scope {
    Scope::Project(project(name))
}

/// The scope of an organization.
pub fn organization(name: &str) -> Scope {
    Scope::Organization(name.parse().expect("a test names organizations well"))
}

/// A credential's identifier, as the domain's own type.
pub fn id(credential: &wire::Credential) -> CredentialId {
    CredentialId::from_uuid(credential.id)
}

/// A login to store, in words that a test can say on one line.
pub struct Login {
    server: RegistryServer,
    username: Username,
    password: secret::Password,
    ca: Option<CaCertificates>,
}

/// A login of a user for a server.
pub fn login(server: &str, username: &str, password: &str) -> Login {
    Login {
        server: server.parse().expect("a test names servers well"),
        username: username.parse().expect("a test names users well"),
        password: secret_password(password),
        ca: None,
    }
}

/// A password as the domain keeps it.
pub fn secret_password(text: &str) -> secret::Password {
    secret::Password::new(&Zeroizing::new(text.to_owned())).expect("a test gives valid passwords")
}

impl Login {
    /// The same with the certificate of the registry's authority.
    pub fn vouched_by(self, ca: &str) -> Self {
        Self { ca: Some(ca.parse().expect("a test gives valid certificates")), ..self }
    }

    /// What the client sends.
    pub fn request(&self) -> NewCredential<'_> {
        NewCredential {
            server: &self.server,
            kind: None,
            username: Some(&self.username),
            email: None,
            image_prefix: None,
            expires_at: None,
            enabled: true,
            ca_certificates: self.ca.as_ref(),
            password: &self.password,
        }
    }
}

/// Stores a login.
pub async fn store(client: &Client, scope: &Scope, login: &Login) -> wire::Credential {
    client.credential_create(scope, &login.request()).await.expect("the login is stored")
}

/// A project's pull secret as text.
pub async fn pull(client: &Client, project: &ProjectPath, images: &[&str]) -> Result<String, ClientError> {
    let images: Vec<_> = images.iter().map(ToString::to_string).collect();
    match client.pull_secret(project, &images, None).await? {
        PullSecret::Document { body, .. } => Ok(String::from_utf8_lossy(body.expose()).into_owned()),
        PullSecret::NotModified => panic!("nothing was said of what is known"),
    }
}

/// Bytes as digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// The problem that a call was refused with.
pub fn problem<T: std::fmt::Debug>(result: Result<T, ClientError>) -> wire::Problem {
    match result {
        Err(ClientError::Problem(problem)) => *problem,
        other => panic!("expected a problem, got {other:?}"),
    }
}

/// The last part of a problem's type.
pub fn slug(problem: &wire::Problem) -> &str {
    problem.kind.strip_prefix("urn:regcred:problem:").expect("every problem's type begins so")
}
