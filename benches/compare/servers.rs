//! regcred as processes: where a deployment keeps its things, and starting and ending its servers.

use anyhow::{Context as _, Result, bail, ensure};
use regcred::{
    client::{Client, Listener, PlainHttp},
    crypto::{keyring::MasterKey, keyring_file},
    domain::{
        id::MasterKeyId,
        source::{Clock, Random},
        timestamp::Timestamp,
        token::TokenText,
    },
    store::sql::{Database, PostgresSettings},
};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::time::sleep;
use zeroize::Zeroizing;

const PROGRAM: &str = env!("CARGO_BIN_EXE_regcred");
/// How long a server may take to start or to end.
const PATIENCE: Duration = Duration::from_mins(2);

/// The system's time and randomness.
pub struct System;

impl Clock for System {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "here the clock is made that all else is handed")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
        let microseconds = i64::try_from(since.as_micros()).expect("microseconds fit for 292,000 years");
        Timestamp::from_microseconds(microseconds).expect("the clock is before the year 10000")
    }
}

impl Random for System {
    fn fill(&self, buffer: &mut [u8]) {
        #[expect(clippy::disallowed_methods, reason = "here the randomness is made that all else is handed")]
        getrandom::fill(buffer).expect("the system has randomness");
    }
}

/// Where a deployment is: one folder for all its servers, and its database if that is not in the folder.
#[derive(Debug, Clone)]
pub struct Place {
    folder: PathBuf,
    postgres: Option<String>,
}

impl Place {
    /// A deployment in this folder, on SQLite or on the PostgreSQL at this URL.
    pub fn new(folder: &Path, postgres: Option<String>) -> Self {
        Self { folder: folder.to_owned(), postgres }
    }

    /// Makes the keyring that all servers share.
    pub fn make_keyring(&self) -> Result<()> {
        let key = MasterKey::generate(MasterKeyId::new(&System, &System), &System);
        Ok(keyring_file::add(&self.keyring(), &key, &[])?)
    }

    /// The keyring file.
    pub fn keyring(&self) -> PathBuf {
        self.folder.join("keyring")
    }

    /// The data folder of a server. SQLite's database is in the first.
    pub fn data(&self, number: usize) -> PathBuf {
        self.folder.join(format!("server-{number}"))
    }

    /// What the store knows the database by.
    pub fn database(&self) -> Result<Database> {
        Ok(match &self.postgres {
            None => Database::Sqlite(self.data(0).join("regcred.db")),
            Some(url) => {
                let settings = PostgresSettings::parse(&Zeroizing::new(url.clone()));
                Database::Postgres(Box::new(settings.map_err(|invalid| anyhow::anyhow!("{}", invalid.0))?))
            }
        })
    }

    /// The first operator's token.
    pub fn operator_token(&self) -> Result<TokenText> {
        let text = fs::read_to_string(self.data(0).join("operator.token"))?;
        let text = Zeroizing::new(text.trim_end().to_owned());
        TokenText::parse(&text).map_err(|invalid| anyhow::anyhow!("the operator's token {}", invalid.0))
    }
}

/// A running server. Killed when dropped.
pub struct Server {
    child: Child,
    /// The public listener's URL.
    pub public: String,
    /// The internal listener's URL.
    pub internal: String,
    log: PathBuf,
    begun: Instant,
    /// From its start to the line that says it is ready.
    pub until_line: Duration,
}

impl Server {
    /// Starts one of a deployment's servers with the default settings, its log in a file as an operator would have it.
    pub fn start(place: &Place, number: usize) -> Result<Self> {
        let data = place.data(number);
        let log = data.with_extension("log");
        let mut command = Command::new(PROGRAM);
        command.env_clear().env("HOME", "/nonexistent").arg("serve").stdin(Stdio::null()).stdout(Stdio::piped());
        command.env("REGCRED_DATA_DIR", &data).env("REGCRED_KEYRING_FILE", place.keyring());
        command.env("REGCRED_PUBLIC_LISTEN", "127.0.0.1:0").env("REGCRED_INTERNAL_LISTEN", "127.0.0.1:0");
        if let Some(url) = &place.postgres {
            command.env("REGCRED_DATABASE_URL", url);
        }
        command.stderr(File::options().create(true).append(true).open(&log)?);
        let begun = Instant::now();
        let child = command.spawn().context("regcred does not start")?;
        let (public, internal) = (String::new(), String::new());
        let mut server = Self { child, public, internal, log, begun, until_line: Duration::ZERO };
        let line = server.ready_line()?;
        server.until_line = begun.elapsed();
        let part = |name| line.split(' ').find_map(|part| part.strip_prefix(name)).map(str::to_owned);
        server.public = part("public=").context("the ready line names the public listener")?;
        server.internal = part("internal=").context("the ready line names the internal listener")?;
        Ok(server)
    }

    fn ready_line(&mut self) -> Result<String> {
        let output = self.child.stdout.take().context("its output is piped")?;
        let (found, wait) = mpsc::channel();
        std::thread::spawn(move || {
            // To the end, so that the server is never held up by what nobody reads.
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if line.starts_with("regcred is ready: ") {
                    // Nobody waits any more if it took too long.
                    let _ = found.send(line);
                }
            }
        });
        let Ok(line) = wait.recv_timeout(PATIENCE) else {
            bail!("regcred was not ready in time; its log: {}", fs::read_to_string(&self.log).unwrap_or_default());
        };
        Ok(line)
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A client that presents this token.
    pub fn client(&self, token: Option<TokenText>) -> Result<Client> {
        Ok(Client::new(self.public.parse()?, self.internal.parse()?, token, PlainHttp::LoopbackOnly)?)
    }

    /// From its start to the first time that it says it can serve.
    pub async fn until_ready(&self) -> Result<Duration> {
        let client = self.client(None)?;
        while client.readyz(Listener::Public).await.is_err() {
            ensure!(self.begun.elapsed() < PATIENCE, "the server does not become ready");
            sleep(Duration::from_millis(1)).await;
        }
        Ok(self.begun.elapsed())
    }

    /// Ends it in order.
    pub async fn stop(mut self) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("a process has a number")?;
        kill_process(pid, Signal::TERM)?;
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                ensure!(ExitStatus::success(&status), "regcred ended with {status}");
                return Ok(());
            }
            ensure!(begun.elapsed() < PATIENCE, "regcred does not end");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
