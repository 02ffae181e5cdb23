//! The real program as a process, on free ports, with a data folder of its own.

use super::{postgres::Database, traffic::Listeners};
use regcred::{
    client::{Client, NewToken, PlainHttp},
    domain::{
        permission::Role,
        scope::{ProjectPath, Scope},
        token::TokenText,
    },
};
use std::{
    ffi::OsString,
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use zeroize::Zeroizing;

/// How long a process may take to do what it was asked before a test gives up waiting. No measure of speed.
const PATIENCE: Duration = Duration::from_mins(1);

/// How to start the program.
#[derive(Clone)]
pub struct Binary {
    environment: Vec<(String, OsString)>,
    arguments: Vec<String>,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub struct Output {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Binary {
    pub fn new() -> Self {
        Self { environment: Vec::new(), arguments: Vec::new() }
    }

    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    pub fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// On this database, with the keys in this file.
    pub fn on(self, url: &str, keyring: &Path) -> Self {
        self.env("REGCRED_DATABASE_URL", url).env("REGCRED_KEYRING_FILE", keyring)
    }

    /// The command, with nothing of this process's settings.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_regcred"));
        for (name, _) in std::env::vars() {
            if ["REGCRED_", "XDG_", "PG", "DOCKER_", "REGISTRY_"].iter().any(|prefix| name.starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        command.env("HOME", "/nonexistent").env("NO_PROXY", "*").envs(self.environment.iter().cloned());
        command.args(&self.arguments).stdin(Stdio::null());
        command
    }

    /// Runs it to its end, with this on its standard input.
    pub fn run(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut command = self.command();
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        // It may end without reading everything.
        let _ = child.stdin.take().expect("it is piped").write_all(input);
        let output = child.wait_with_output().expect("the program ends");
        Output {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Starts a server in this data folder and waits until it is ready.
    pub fn serve(self, data: &Path) -> Result<Server, Output> {
        let logs = data.with_extension("log");
        let log = File::options().create(true).append(true).open(&logs).expect("the log can be written");
        let before = log.metadata().map_or(0, |metadata| metadata.len());
        let mut command = self.command();
        command.arg("serve").arg("--data-dir").arg(data);
        for (name, flag) in
            [("REGCRED_PUBLIC_LISTEN", "--public-listen"), ("REGCRED_INTERNAL_LISTEN", "--internal-listen")]
        {
            if self.environment.iter().all(|(known, _)| known != name) {
                command.args([flag, "127.0.0.1:0"]);
            }
        }
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("the program starts");
        let Some(ready) = ready_line(&mut child) else {
            let status = child.wait().expect("the program ends");
            let text = fs::read_to_string(&logs).unwrap_or_default();
            let stderr = text[usize::try_from(before).unwrap_or_default()..].to_owned();
            return Err(Output { status: status.code().unwrap_or(-1), stdout: String::new(), stderr });
        };
        let part = |name: &str| {
            let value =
                ready.split(' ').find_map(|part| part.strip_prefix(name)).expect("the ready line names both listeners");
            value.to_owned()
        };
        let (public, internal) = (part("public="), part("internal="));
        let operator = data.join("operator.token");
        let data = data.to_owned();
        Ok(Server { binary: self, child: Some(child), data, logs, public, internal, operator, folder: None })
    }
}

/// What the program says when it is ready; nothing if it ends before. One that does neither for long is killed.
fn ready_line(child: &mut Child) -> Option<String> {
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let (found, wait) = mpsc::channel();
    std::thread::spawn(move || {
        let ready = lines.find_map(|line| line.ok().filter(|line| line.starts_with("regcred is ready: ")));
        // Nobody waits any more if it took too long.
        let _ = found.send(ready);
    });
    wait.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        let _ = child.kill();
        None
    })
}

/// A running server. Killed when dropped.
pub struct Server {
    binary: Binary,
    child: Option<Child>,
    data: PathBuf,
    logs: PathBuf,
    /// The public listener's URL.
    pub public: String,
    /// The internal listener's URL.
    pub internal: String,
    /// The file with the first operator's token.
    operator: PathBuf,
    /// Removed with the server, if it was made for it.
    folder: Option<TempDir>,
}

impl Server {
    /// A fresh server with nothing in it.
    pub async fn start() -> Self {
        Self::start_with(Binary::new()).await
    }

    /// A fresh server with settings.
    #[expect(clippy::unused_async, reason = "so that every start reads the same, whatever it will have to wait for")]
    pub async fn start_with(binary: Binary) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a data folder");
        match binary.serve(&folder.path().join("data")) {
            Ok(mut server) => {
                server.folder = Some(folder);
                server
            }
            Err(output) => panic!("the server did not start: {output:?}"),
        }
    }

    /// A server on an empty database, with keys of its own.
    pub fn on(database: &Database) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a data folder");
        let keyring = folder.path().join("keyring");
        super::keyring_file(&keyring);
        let started = Binary::new().on(&database.url, &keyring).serve(&folder.path().join("data"));
        let mut server = started.unwrap_or_else(|output| panic!("the server did not start: {output:?}"));
        server.folder = Some(folder);
        server
    }

    /// Takes the operator's token from where another replica wrote it.
    pub fn share_operator(&mut self, file: &Path) {
        file.clone_into(&mut self.operator);
    }

    /// Whether the process still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().is_ok_and(|ended| ended.is_none()))
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The database file.
    pub fn database(&self) -> PathBuf {
        self.data.join("regcred.db")
    }

    /// Where it listens, as long as it is not started again.
    pub fn listeners(&self) -> Listeners {
        Listeners { public: self.public.clone(), internal: self.internal.clone() }
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// Everything that was logged so far, over all starts in this folder.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.logs).unwrap_or_default()
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status().expect("kill runs");
        assert!(status.success(), "the server takes SIG{name}");
    }

    /// Waits for the process to end by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            let child = self.child.as_mut().expect("the server runs");
            if let Some(status) = child.try_wait().expect("the process can be asked") {
                self.child = None;
                return status;
            }
            if begun.elapsed() > PATIENCE {
                // Whoever waits for its end in another thread must not wait for ever.
                self.kill();
                panic!("the server did not end; its log: {}", self.log());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends the process in order.
    pub fn stop(&mut self) {
        self.signal("TERM");
        let status = self.wait();
        assert!(status.success(), "the server ended with {status}; its log: {}", self.log());
    }

    /// Ends the process as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts again on the same data, after [`Self::stop`] or [`Self::kill`].
    pub fn restart(&mut self) {
        assert!(self.child.is_none(), "the server still runs");
        let mut again = self.binary.clone().serve(&self.data).unwrap_or_else(|output| panic!("no restart: {output:?}"));
        self.child = again.child.take();
        (self.public, self.internal) = (again.public.clone(), again.internal.clone());
    }

    /// The same with one more setting.
    pub fn restart_with(&mut self, name: &str, value: &str) {
        self.binary = self.binary.clone().env(name, value);
        self.restart();
    }

    /// A client that presents this token.
    pub fn client_with(&self, token: Option<TokenText>) -> Client {
        let url = |text: &str| text.parse().expect("the ready line holds URLs");
        Client::new(url(&self.public), url(&self.internal), token, PlainHttp::LoopbackOnly).expect("a client is made")
    }

    /// The first operator's token.
    pub fn operator_token(&self) -> TokenText {
        let text = fs::read_to_string(&self.operator).expect("there is an operator's token");
        TokenText::parse(&Zeroizing::new(text.trim_end().to_owned())).expect("it is a token")
    }

    /// The operator's client.
    pub fn operator(&self) -> Client {
        self.client_with(Some(self.operator_token()))
    }

    /// A new token's text.
    pub async fn token(&self, role: Role, scope: &Scope) -> TokenText {
        let name = format!("test-{role}").parse().expect("it is a valid name");
        let new = NewToken { name: &name, role, expires_in_days: None };
        self.operator().token_create(scope, &new).await.expect("a token is made").token
    }

    /// A client with a new token of that role.
    pub async fn client(&self, role: Role, scope: &Scope) -> Client {
        self.client_with(Some(self.token(role, scope).await))
    }

    /// Makes a project and its organization.
    pub async fn project(&self, name: &str) -> ProjectPath {
        let path = super::project(name);
        let operator = self.operator();
        operator.organization_create(&path.organization).await.expect("an organization is made");
        operator.project_create(&path).await.expect("a project is made");
        path
    }

    /// The command line, set up to talk to this server as its operator.
    pub fn cli(&self) -> Binary {
        Binary::new()
            .env("REGCRED_URL", &self.public)
            .env("REGCRED_INTERNAL_URL", &self.internal)
            .env("REGCRED_TOKEN_FILE", &self.operator)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- log of the server in {}\n{}", self.data.display(), self.log());
        }
    }
}
