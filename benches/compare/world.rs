//! A deployment to measure: its projects and what they are called, its servers, its tokens.

use crate::{
    arguments::{CREDENTIALS_OF_A_PROJECT, Engine, WORKING_SET},
    cluster::{Cluster, Database},
    filler,
    plan::Plan,
    servers::{Place, Server, System},
};
use anyhow::{Context as _, Result};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use regcred::{
    client::{Client, NewToken, PageQuery},
    domain::{
        permission::Role,
        scope::{ProjectPath, Scope},
        source::random_bytes,
    },
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;
use tokio::time::sleep;
use zeroize::Zeroizing;

/// How many projects an organization has.
pub const PROJECTS_OF_AN_ORGANIZATION: usize = 100;
/// The user name of every credential.
pub const USERNAME: &str = "robot";
/// The e-mail address of every credential.
pub const EMAIL: &str = "team@example.com";
const STARTS: usize = 5;
/// How many things are asked of a server at once while a world is made.
const AT_ONCE: usize = 16;
const MOST_RETRIES: u32 = 5;

/// An organization by its number.
pub fn organization(number: usize) -> Scope {
    Scope::Organization(format!("organization-{number:05}").parse().expect("it is a DNS label"))
}

/// A project by its number, of all in the deployment.
pub fn project(number: usize) -> ProjectPath {
    let organization = number / PROJECTS_OF_AN_ORGANIZATION;
    format!("organization-{organization:05}/project-{number:06}").parse().expect("both are DNS labels")
}

/// The server of a project's credential.
pub fn server(login: usize) -> String {
    format!("registry-{login}.example.com")
}

/// A password as registries make them.
pub fn password() -> Zeroizing<String> {
    let bytes = Zeroizing::new(random_bytes::<40>(&System));
    Zeroizing::new(bytes.iter().map(|byte| char::from(b'a' + byte % 26)).collect())
}

/// A deployment with its servers running. Everything of it is gone when it is dropped.
pub struct World {
    /// All servers, ready.
    pub servers: Vec<Server>,
    /// The process that all others of PostgreSQL are children of.
    pub postmaster: Option<u32>,
    /// The version of PostgreSQL.
    pub version: Option<String>,
    /// How long a server took to start.
    pub start: Start,
    /// How many projects there are.
    pub projects: usize,
    /// The operator's client.
    operator: Client,
    tokens: Vec<(Role, Vec<String>)>,
    // Dropped after the servers, in this order.
    _cluster: Option<Cluster>,
    folder: TempDir,
}

/// How long a server takes until it serves, on the filled database: the median of some starts.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// Until its line says so.
    pub line: Duration,
    /// Until it says so itself.
    pub ready: Duration,
}

impl World {
    /// Makes the world that a plan asks for.
    pub async fn make(plan: &Plan, keep: Option<&Path>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("regcred-compare-").tempdir()?;
        let cluster = (plan.engine == Engine::Postgres).then(Cluster::private);
        let database = cluster.as_ref().map(Cluster::database);
        let place = Place::new(folder.path(), database.as_ref().map(|database| database.url.clone()));
        let projects = plan.credentials / CREDENTIALS_OF_A_PROJECT;
        let kept = keep.filter(|_| cluster.is_none()).map(|keep| keep.join(format!("sqlite-{}", plan.credentials)));
        match &kept {
            Some(kept) if kept.exists() => copy(kept, folder.path())?,
            _ => {
                place.make_keyring()?;
                Server::start(&place, 0)?.stop().await?;
                filler::fill(&place, projects).await?;
                kept.map(|kept| keep_copy(folder.path(), &kept)).transpose()?;
            }
        }
        // What a database does by itself in its first minutes would fall into one round and not into another.
        if let Some(database) = &database {
            database.psql("vacuum (analyze)");
            database.psql("checkpoint");
        }
        let start = starts(&place).await?;
        let servers = (0..plan.replicas).map(|number| Server::start(&place, number)).collect::<Result<Vec<_>>>()?;
        for server in &servers {
            server.until_ready().await?;
        }
        let operator = servers[0].client(Some(place.operator_token()?))?;
        let postmaster = database.as_ref().map(postmaster).transpose()?;
        let version = database.map(|database| database.psql("show server_version"));
        let tokens = Vec::new();
        Ok(Self { servers, postmaster, version, start, projects, operator, tokens, _cluster: cluster, folder })
    }

    /// How many projects the requests go over.
    pub fn working_set(&self) -> usize {
        self.projects.min(WORKING_SET)
    }

    /// A file of this world's, gone with it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The numbers of all servers' processes.
    pub fn pids(&self) -> Vec<u32> {
        self.servers.iter().map(Server::pid).collect()
    }

    /// The texts of tokens of that role, one for each project of the working set.
    pub async fn project_tokens(&mut self, role: Role) -> Result<Vec<String>> {
        if let Some((_, tokens)) = self.tokens.iter().find(|(known, _)| *known == role) {
            return Ok(tokens.clone());
        }
        let scopes = (0..self.working_set()).map(|number| Scope::Project(project(number)));
        let tokens = self.make_tokens(role, scopes).await?;
        self.tokens.push((role, tokens.clone()));
        Ok(tokens)
    }

    /// The texts of deployers' tokens, one for each organization.
    pub async fn organization_tokens(&self) -> Result<Vec<String>> {
        let organizations = self.projects.div_ceil(PROJECTS_OF_AN_ORGANIZATION);
        self.make_tokens(Role::Deployer, (0..organizations).map(organization)).await
    }

    async fn make_tokens(&self, role: Role, scopes: impl Iterator<Item = Scope>) -> Result<Vec<String>> {
        let name = "compare".parse()?;
        let new = NewToken { name: &name, role, expires_in_days: Some(1) };
        stream::iter(scopes.map(|scope| self.make_token(scope, new))).buffered(AT_ONCE).try_collect().await
    }

    /// Tries again, for a disk that others keep busy is slower at times than the service waits. A token too many does no harm.
    async fn make_token(&self, scope: Scope, new: NewToken<'_>) -> Result<String> {
        let mut tries = 0;
        loop {
            match self.operator.token_create(&scope, &new).await {
                Ok(made) => return Ok(made.token.expose().to_owned()),
                Err(error) if tries == MOST_RETRIES => return Err(error.into()),
                Err(_) => tries += 1,
            }
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// How many events the audit log has seen.
    pub async fn audited(&self) -> Result<u64> {
        let page = PageQuery { limit: Some(1), cursor: None };
        let newest = self.operator.audit_list_newest(&Scope::Deployment, page).await?;
        let newest = newest.items.first().and_then(|event| event.sequence).context("operators see the number")?;
        Ok(u64::try_from(newest)?)
    }
}

async fn starts(place: &Place) -> Result<Start> {
    let (mut lines, mut readies) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let server = Server::start(place, 0)?;
        lines.push(server.until_line);
        readies.push(server.until_ready().await?);
        server.stop().await?;
    }
    lines.sort();
    readies.sort();
    Ok(Start { line: lines[STARTS / 2], ready: readies[STARTS / 2] })
}

fn postmaster(database: &Database) -> Result<u32> {
    let file = Path::new(&database.psql("show data_directory")).join("postmaster.pid");
    let text = fs::read_to_string(file)?;
    Ok(text.lines().next().context("the file begins with the process's number")?.parse()?)
}

/// Complete or not at all: a half of a database would be taken for one the next time.
fn keep_copy(from: &Path, to: &Path) -> Result<()> {
    let part = to.with_extension("part");
    if part.exists() {
        fs::remove_dir_all(&part)?;
    }
    copy(from, &part)?;
    Ok(fs::rename(part, to)?)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    // Servers refuse a folder and files that others may read.
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (old, new) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy(&old, &new)?;
        } else {
            fs::copy(old, new)?;
        }
    }
    Ok(())
}
