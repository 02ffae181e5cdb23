//! Several servers on one database, as behind a load balancer.

use super::{Binary, Output, Server, postgres::Database};
use regcred::{
    client::Client,
    crypto::{keyring::MasterKey, keyring_file},
    domain::{id::MasterKeyId, source::Random},
};
use std::{
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
    thread,
};
use tempfile::TempDir;
use uuid::Uuid;

/// Servers on one database, with one keyring file and a data folder each.
pub struct Replicas {
    servers: Vec<Server>,
    /// Removed after the servers have ended.
    folder: TempDir,
}

impl Replicas {
    /// Starts some on an empty database, one after the other.
    pub fn on(database: &Database, count: usize) -> Self {
        Self::by_urls(&vec![database.url.clone(); count])
    }

    /// Starts one for each of these ways to one empty database.
    pub fn by_urls(urls: &[String]) -> Self {
        let folder = folder();
        let start = |(number, url): (usize, &String)| serve(folder.path(), number, url);
        let servers = urls.iter().enumerate().map(start).map(ready).collect();
        Self { servers, folder }.with_one_operator()
    }

    /// Starts all of them at the same time.
    pub fn at_once(database: &Database, count: usize) -> Self {
        let folder = folder();
        let servers = thread::scope(|threads| {
            let starts: Vec<_> = (0..count)
                .map(|number| {
                    let (folder, url) = (folder.path(), &database.url);
                    threads.spawn(move || serve(folder, number, url))
                })
                .collect();
            starts.into_iter().map(|start| ready(start.join().expect("a start ends"))).collect()
        });
        Self { servers, folder }.with_one_operator()
    }

    fn with_one_operator(mut self) -> Self {
        let files = self.operator_tokens();
        assert_eq!(files.len(), 1, "one replica makes the operator's token: {files:?}");
        for server in &mut self.servers {
            server.share_operator(&files[0]);
        }
        self
    }

    /// The files with an operator's token.
    pub fn operator_tokens(&self) -> Vec<PathBuf> {
        let files = self.servers.iter().map(|server| server.data().join("operator.token"));
        files.filter(|file| file.exists()).collect()
    }

    /// The operator's client, which speaks with one of them.
    pub fn operator(&self, number: usize) -> Client {
        self.servers[number].operator()
    }

    /// The keyring file of all.
    pub fn keyring(&self) -> PathBuf {
        self.folder.path().join("keyring")
    }
}

impl Deref for Replicas {
    type Target = Vec<Server>;

    fn deref(&self) -> &Vec<Server> {
        &self.servers
    }
}

impl DerefMut for Replicas {
    fn deref_mut(&mut self) -> &mut Vec<Server> {
        &mut self.servers
    }
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("there is room for data folders");
    keyring_file(&folder.path().join("keyring"));
    folder
}

fn serve(folder: &Path, number: usize, url: &str) -> Result<Server, Output> {
    Binary::new().on(url, &folder.join("keyring")).serve(&folder.join(format!("replica-{number}")))
}

fn ready(started: Result<Server, Output>) -> Server {
    started.unwrap_or_else(|output| panic!("a replica did not start: {output:?}"))
}

struct Chance;

impl Random for Chance {
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("there is randomness");
    }
}

/// Makes a keyring file with one key.
pub fn keyring_file(path: &Path) {
    let key = MasterKey::generate(MasterKeyId::from_uuid(Uuid::now_v7()), &Chance);
    keyring_file::add(path, &key, &[]).expect("a keyring is written");
}
