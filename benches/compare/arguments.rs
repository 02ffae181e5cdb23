//! What to measure, as the command line says it.

use clap::{Parser, ValueEnum};
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// How many credentials each project has.
pub const CREDENTIALS_OF_A_PROJECT: usize = 5;
/// How many projects requests go over, where there are so many.
pub const WORKING_SET: usize = 1_000;
/// What is measured where nothing else is asked for.
pub const USUAL_CONNECTIONS: usize = 64;
/// The credentials of the working set.
pub const USUAL_CREDENTIALS: usize = WORKING_SET * CREDENTIALS_OF_A_PROJECT;

/// Compares regcred with a bare actix-web handler that answers the same bytes, on this machine, in one run.
#[derive(Debug, Clone, Parser)]
#[command(name = "compare")]
pub struct Arguments {
    /// Databases to measure on.
    #[arg(long, value_delimiter = ',', default_value = "sqlite,postgres")]
    pub databases: Vec<Engine>,
    /// How many regcred processes share the database; more than one on PostgreSQL only.
    #[arg(long, value_delimiter = ',', default_value = "1", value_parser = at_least_one)]
    pub replicas: Vec<usize>,
    /// Connections that are open at once.
    #[arg(long, value_delimiter = ',', default_values_t = [USUAL_CONNECTIONS], value_parser = at_least_one)]
    pub connections: Vec<usize>,
    /// Credentials in the database, five a project. Requests go over the first 1,000 projects.
    #[arg(long, value_delimiter = ',', default_values_t = [USUAL_CREDENTIALS], value_parser = at_least_one)]
    pub credentials: Vec<usize>,
    /// Cases to measure.
    #[arg(long, value_delimiter = ',', default_value = "pull,image,304,list,create")]
    pub cases: Vec<Case>,
    /// Rounds of each case; each measures bare first, then regcred.
    #[arg(long, default_value_t = 3, value_parser = at_least_one)]
    pub rounds: usize,
    /// How long either is measured in a round.
    #[arg(long, default_value_t = 4, value_parser = at_least_one)]
    pub seconds: usize,
    /// Sweeps connections, replicas and sizes, one at a time, in place of the product of the lists above.
    #[arg(long, conflicts_with_all = ["replicas", "connections", "credentials"])]
    pub full: bool,
    /// Also measures pulls over all projects of the database, in random order, with one token for each organization.
    #[arg(long)]
    pub scatter: bool,
    /// Where the figures and the plot are written.
    #[arg(long, default_value_os_t = default_out())]
    pub out: PathBuf,
    /// Where the databases are while it runs; must be on a disk, and open to the user who runs PostgreSQL.
    #[arg(long, default_value = "/var/tmp")]
    pub work: PathBuf,
    /// A folder in which filled SQLite databases are kept for the next run.
    #[arg(long)]
    pub keep: Option<PathBuf>,
    /// Serves the recorded answer in this file: how the baseline is started.
    #[arg(long, hide = true)]
    pub bare: Option<PathBuf>,
    /// What cargo passes.
    #[arg(long, hide = true)]
    pub bench: bool,
}

/// A database that regcred can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// The embedded one.
    Sqlite,
    /// The one that replicas share.
    Postgres,
}

/// What is asked of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Case {
    /// A project's whole pull secret.
    Pull,
    /// What one image needs.
    Image,
    /// The whole pull secret, by somebody who has it.
    #[value(name = "304")]
    NotModified,
    /// The list of a project's credentials.
    List,
    /// The whole pull secret, over every project that there is.
    #[value(skip)]
    Scatter,
    /// A new credential. It comes last, because it changes what the others answer.
    Create,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        })
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pull => "pull",
            Self::Image => "image",
            Self::NotModified => "304",
            Self::List => "list",
            Self::Scatter => "scatter",
            Self::Create => "create",
        })
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be 1 or more".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}

/// Beside what cargo builds.
fn default_out() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("compare")
}
