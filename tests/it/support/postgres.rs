//! A PostgreSQL of the tests' own: nothing of the machine's is used but the programs, and nothing stays when the tests end.

use super::disk::Disk;
use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread::sleep,
    time::{Duration, Instant},
};

/// What Debian's packages put there is not in `PATH`.
const VERSIONS: &str = "/usr/lib/postgresql";

/// Does what its standard input tells it, one word a line, and answers each with an exit code. When the input ends, which
/// it also does when the tests are killed, it ends PostgreSQL and removes all that there was of it. As every start and stop
/// goes through it, none is under way then.
const KEEPER: &str = r#"
trap : PIPE HUP INT TERM
log=$FOLDER/log
while read -r word; do
    case $word in
        make) "$BIN/initdb" --pgdata="$DATA" --waldir="$LOG" --username=postgres --auth=trust --no-sync \
                --encoding=UTF8 --locale=C.UTF-8 --locale-provider=icu --icu-locale=en-US-u-ka-shifted &&
            printf '%s\n' "$SETTINGS" >>"$DATA/postgresql.conf" ;;
        copy) "$BIN/pg_basebackup" --pgdata="$DATA" --waldir="$LOG" --write-recovery-conf --checkpoint=fast \
                --no-sync --dbname="$PRIMARY" &&
            printf '%s\n' "$SETTINGS" >>"$DATA/postgresql.conf" ;;
        start) "$BIN/pg_ctl" start --wait --pgdata="$DATA" --log="$log" ;;
        status) "$BIN/pg_ctl" status --pgdata="$DATA" ;;
        *) "$BIN/pg_ctl" stop --wait --pgdata="$DATA" --mode="$word" ;;
    esac >>"$FOLDER/keeper.log" 2>&1 </dev/null
    echo "$?"
done
"$BIN/pg_ctl" stop --wait --pgdata="$DATA" --mode=immediate >/dev/null 2>&1
rm -rf "$FOLDER"
"#;

/// A PostgreSQL with any number of databases. It ends when it is dropped, or with the process.
pub struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
    data: PathBuf,
    port: u16,
    keeper: Mutex<Keeper>,
    databases: AtomicUsize,
}

struct Keeper {
    child: Child,
    answers: BufReader<ChildStdout>,
}

/// A database of its own, which was empty.
pub struct Database {
    pub url: String,
    psql: PathBuf,
}

impl Cluster {
    /// The one that all tests share which leave it as it is.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(Self::private)
    }

    /// One for a test that does something to it.
    pub fn private() -> Self {
        Self::make(None, None, None)
    }

    /// One whose tables are on this disk, and its write-ahead log is not.
    pub fn with_tables_on(disk: &Disk) -> Self {
        Self::make(Some(&disk.place()), None, None)
    }

    /// One that is on this disk with all it has.
    pub fn on(disk: &Disk) -> Self {
        Self::make(Some(&disk.place()), Some(&disk.place()), None)
    }

    /// One that follows this one, and takes no changes but from it.
    pub fn standby(&self) -> Self {
        Self::make(None, None, Some(&self.named("postgres").url))
    }

    fn make(tables: Option<&Path>, log: Option<&Path>, primary: Option<&str>) -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new().prefix("regcred-postgres-").tempdir().expect("there is room").keep();
        let data = tables.unwrap_or(&folder).join("postgres");
        let port = super::free_port();
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{}'\nmax_connections = 300\n\
             fsync = on\nlog_lock_waits = on",
            folder.display()
        );
        let mut command = unprivileged(&[&folder, tables.unwrap_or(&folder)]);
        command.args(["sh", "-c", KEEPER]).env("FOLDER", &folder).env("DATA", &data).env("BIN", &programs);
        command.env("LOG", log.unwrap_or(&folder).join("write-ahead-log"));
        command.env("PRIMARY", primary.unwrap_or_default());
        command.env("SETTINGS", settings).env("LC_ALL", "C").current_dir("/");
        // A group of its own: who ends the tests at a terminal does not end it before its work is done.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap_or_else(|error| missing("sh", &error.to_string()));
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        let keeper = Mutex::new(Keeper { child, answers });
        let cluster = Self { programs, folder, data, port, keeper, databases: AtomicUsize::new(0) };
        cluster.tell(if primary.is_some() { "copy" } else { "make" });
        cluster.tell("start");
        cluster
    }

    fn attempt(&self, word: &str) -> bool {
        let mut keeper = self.keeper.lock().expect("no one panics with the keeper in hand");
        let input = keeper.child.stdin.as_mut().expect("it is piped");
        input.write_all(format!("{word}\n").as_bytes()).expect("the keeper listens");
        let mut answer = String::new();
        keeper.answers.read_line(&mut answer).expect("the keeper answers");
        answer == "0\n"
    }

    fn tell(&self, word: &str) {
        let done = self.attempt(word);
        let said = fs::read_to_string(self.folder.join("keeper.log")).unwrap_or_default();
        assert!(done, "PostgreSQL does not {word}: {said}\n{}", self.log());
    }

    /// Starts it after it was stopped, or stopped by itself. Returns when it takes connections.
    pub fn start(&self) {
        self.tell("start");
    }

    /// Whether it could be started.
    pub fn try_start(&self) -> bool {
        self.attempt("start")
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.attempt("status")
    }

    /// Ends it in order.
    pub fn stop(&self) {
        self.tell("fast");
    }

    /// Ends it as a power cut would, and starts it again.
    pub fn restart_immediate(&self) {
        self.tell("immediate");
        self.tell("start");
    }

    /// Everything that it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Changes a setting for all connections that come from now on.
    pub fn set(&self, name: &str, value: &str) {
        let database = self.named("postgres");
        database.psql(&format!("alter system set {name} = '{value}'"));
        database.psql("select pg_reload_conf()");
        let begun = Instant::now();
        while database.psql(&format!("show {name}")) != value {
            assert!(begun.elapsed() < Duration::from_mins(1), "PostgreSQL does not take {name} = {value}");
            sleep(Duration::from_millis(10));
        }
    }

    /// Gives it a file that only it can read.
    pub fn file(&self, name: &str, text: &[u8]) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, text).expect("there is room");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
        unprivileged(&[&path]);
        path
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A new database with nothing in it.
    pub fn database(&self) -> Database {
        let name = format!("regcred_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.named("postgres").psql(&format!("create database {name}"));
        self.named(&name)
    }

    fn named(&self, name: &str) -> Database {
        let psql = Some(self.programs.join("psql")).filter(|path| path.exists()).unwrap_or_else(|| "psql".into());
        Database { url: format!("postgres://postgres@{}/{name}?sslmode=disable", self.address()), psql }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let Ok(keeper) = self.keeper.get_mut() else { return };
        drop(keeper.child.stdin.take());
        let _ = keeper.child.wait();
    }
}

impl Database {
    /// Runs SQL as somebody beside regcred would, and returns the values, one row a line.
    pub fn psql(&self, sql: &str) -> String {
        self.attempt(sql).unwrap_or_else(|said| panic!("{sql}: {said}"))
    }

    /// The same, or what was said against it.
    pub fn attempt(&self, sql: &str) -> Result<String, String> {
        let mut command = Command::new(&self.psql);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").stdin(Stdio::null());
        command.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"]);
        command.arg("--dbname").arg(&self.url).arg("--command").arg(sql);
        let output = command.output().unwrap_or_else(|error| missing("psql", &error.to_string()));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// The one number that a question is answered with.
    pub fn count(&self, sql: &str) -> usize {
        self.psql(sql).parse().unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Another database of the same server.
    pub fn beside(&self, name: &str) -> Self {
        let (server, rest) = self.url.rsplit_once('/').expect("the URL names a database");
        let (_, parameters) = rest.split_once('?').expect("the URL has parameters");
        Self { url: format!("{server}/{name}?{parameters}"), psql: self.psql.clone() }
    }

    /// The same database, reached at another address, such as a proxy's.
    pub fn through(&self, address: &str) -> Self {
        let (user, rest) = self.url.split_once('@').expect("the URL has a user");
        let (_, path) = rest.split_once('/').expect("the URL names a database");
        Self { url: format!("{user}@{address}/{path}"), psql: self.psql.clone() }
    }
}

/// The folder with the programs of the newest PostgreSQL that is installed.
fn programs() -> PathBuf {
    let versions = fs::read_dir(VERSIONS).into_iter().flatten().flatten().map(|entry| entry.path());
    let newest = versions
        .filter(|version| version.join("bin/initdb").exists())
        .max_by_key(|version| version.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok()));
    if let Some(version) = newest {
        return version.join("bin");
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).find_map(|folder| folder.join("initdb").canonicalize().ok());
    let found = found.unwrap_or_else(|| missing("initdb", &format!("neither below {VERSIONS} nor in PATH")));
    found.parent().expect("a program is in a folder").to_owned()
}

fn missing(program: &str, why: &str) -> ! {
    panic!("there is no PostgreSQL 15 or newer to test with ({program}: {why}): run tests/run, which installs it")
}

/// A command that runs as a user who may run PostgreSQL, which root may not, and who owns these folders.
pub fn unprivileged(folders: &[&Path]) -> Command {
    let root = fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0);
    if !root {
        return Command::new("env");
    }
    let given = Command::new("chown").arg("postgres:").args(folders).status().expect("chown runs");
    assert!(given.success(), "there is no user 'postgres': run tests/run, which installs PostgreSQL");
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
    command
}
