//! A real registry with a password, and the program that pushes to it and pulls from it.

use super::{
    authority::Identity,
    token_server::{ISSUER, SERVICE, TokenServer, User},
};
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_mins(1);

/// A registry on a free port of this machine, which knows one login. Killed when dropped.
pub struct Registry {
    /// Its `host:port`.
    pub host: String,
    child: Child,
    folder: TempDir,
    username: String,
    password: String,
}

impl Registry {
    /// Starts a registry that lets only this user in.
    pub fn start(username: &str, password: &str) -> Self {
        Self::with_tls(username, password, None)
    }

    /// The same; it shows who it is, if it is anybody.
    pub fn with_tls(username: &str, password: &str, identity: Option<&Identity>) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a registry");
        let htpasswd = finished(Command::new("htpasswd").args(["-Bbn", username, password]));
        assert!(htpasswd.status.success(), "{htpasswd:?}");
        fs::write(folder.path().join("htpasswd"), htpasswd.stdout).expect("a file is written");
        let auth = format!("htpasswd: {{realm: test, path: {}}}", folder.path().join("htpasswd").display());
        Self::run(folder, &auth, identity, (username, password))
    }

    /// Starts a registry that believes this token server, and pushes as this user.
    pub fn with_tokens(server: &TokenServer, user: &User) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a registry");
        let bundle = folder.path().join("bundle.pem");
        fs::write(&bundle, &server.bundle).expect("a file is written");
        let auth = format!(
            "token: {{realm: '{}', service: '{SERVICE}', issuer: \"{ISSUER}\", rootcertbundle: {}}}",
            server.realm(),
            bundle.display()
        );
        Self::run(folder, &auth, None, (user.name, user.password))
    }

    fn run(folder: TempDir, auth: &str, identity: Option<&Identity>, (username, password): (&str, &str)) -> Self {
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("home")).expect("a folder is made");
        let tls = identity.map_or_else(String::new, |identity| {
            fs::write(at("tls.pem"), identity.certificate.pem()).expect("a file is written");
            fs::write(at("tls.key"), identity.key.serialize_pem()).expect("a file is written");
            format!(", tls: {{certificate: {}, key: {}}}", at("tls.pem").display(), at("tls.key").display())
        });
        let config = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http: {{addr: '127.0.0.1:0'{tls}}}\nauth: {{{auth}}}\n",
            at("storage").display(),
        );
        fs::write(at("config.yml"), config).expect("a file is written");
        let log = File::create(at("log")).expect("a file is written");
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(at("config.yml")).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a file is shared")).stderr(log);
        let mut child = command.spawn().unwrap_or_else(|error| missing("docker-registry", &error));
        let host = listening(&mut child, &at("log"));
        Self { host, child, folder, username: username.to_owned(), password: password.to_owned() }
    }

    /// Pushes a small image that was made on the spot, and returns its digest.
    pub fn push(&self, repository: &str) -> String {
        self.push_as(&self.username, &self.password, repository)
    }

    /// The same as another user.
    pub fn push_as(&self, username: &str, password: &str, repository: &str) -> String {
        let layout = self.folder.path().join("image");
        let digest = image(&layout);
        let credentials = format!("{username}:{password}");
        let pushed = finished(
            self.skopeo(&["--preserve-digests", "--dest-tls-verify=false", "--dest-creds", &credentials])
                .arg(format!("oci:{}", layout.display()))
                .arg(format!("docker://{}/{repository}", self.host)),
        );
        assert!(pushed.status.success(), "the image is pushed: {pushed:?}");
        digest
    }

    /// Pulls an image with the logins in a docker config, with skopeo and with podman, and returns its digest, or what the first of them
    /// said instead. Both do the same.
    pub fn pull(&self, repository: &str, docker_config: &Path) -> Result<String, String> {
        let pulled = self.pull_with_skopeo(repository, docker_config);
        let by_podman = self.pull_with_podman(repository, docker_config);
        match (&pulled, &by_podman) {
            (Ok(one), Ok(other)) => assert_eq!(one, other, "they have the same image"),
            // The words are the registry's.
            (Err(one), Err(other)) => {
                assert_eq!([one, other].map(|said| said.contains("authentication required")), [true; 2]);
            }
            _ => panic!("skopeo and podman do not agree: {pulled:?}, {by_podman:?}"),
        }
        pulled
    }

    fn pull_with_skopeo(&self, repository: &str, docker_config: &Path) -> Result<String, String> {
        let target = tempfile::tempdir_in(self.folder.path()).expect("there is room for an image");
        let pulled = finished(
            self.skopeo(&["--src-tls-verify=false", "--authfile"])
                .arg(docker_config)
                .arg(format!("docker://{}/{repository}", self.host))
                .arg(format!("dir:{}", target.path().display())),
        );
        if pulled.status.success() {
            Ok(digest(&fs::read(target.path().join("manifest.json")).expect("a pulled image has a manifest")))
        } else {
            Err(String::from_utf8_lossy(&pulled.stderr).into_owned())
        }
    }

    /// As a node does it, into a storage of its own.
    fn pull_with_podman(&self, repository: &str, docker_config: &Path) -> Result<String, String> {
        let storage = tempfile::tempdir_in(self.folder.path()).expect("there is room for an image");
        let image = format!("{}/{repository}", self.host);
        let policy = storage.path().join("policy.json");
        fs::write(&policy, r#"{"default":[{"type":"insecureAcceptAnything"}]}"#).expect("a file is written");
        let mut pull = self.podman(storage.path());
        pull.args(["pull", "--quiet", "--tls-verify=false", "--signature-policy"]).arg(policy);
        let pulled = finished(pull.arg("--authfile").arg(docker_config).arg(&image));
        if !pulled.status.success() {
            return Err(String::from_utf8_lossy(&pulled.stderr).into_owned());
        }
        let shown = finished(self.podman(storage.path()).args(["image", "inspect", "--format", "{{.Digest}}", &image]));
        assert!(shown.status.success(), "what was pulled is there: {shown:?}");
        Ok(String::from_utf8_lossy(&shown.stdout).trim().to_owned())
    }

    fn skopeo(&self, options: &[&str]) -> Command {
        let mut command = self.own("skopeo");
        command.args(["--insecure-policy", "copy"]).args(options);
        command
    }

    /// Without what takes a kernel's help, so that it runs in a container and as any user.
    fn podman(&self, storage: &Path) -> Command {
        let settings = storage.join("containers.conf");
        let text = "[engine]\nlock_type = \"file\"\nevents_logger = \"none\"\ncgroup_manager = \"cgroupfs\"\n";
        fs::write(&settings, text).expect("a file is written");
        let mut command = self.own("podman");
        command.env("CONTAINERS_CONF", settings).env("CONTAINERS_REGISTRIES_CONF", "/dev/null");
        command.env("XDG_RUNTIME_DIR", storage);
        for (option, name) in [("--root", "root"), ("--runroot", "run"), ("--tmpdir", "tmp")] {
            command.arg(option).arg(storage.join(name));
        }
        command.args(["--storage-driver", "vfs", "--storage-opt", "vfs.ignore_chown_errors=true"]);
        command
    }

    /// A program with nothing of this machine's own logins and settings.
    fn own(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for name in ["REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"] {
            command.env_remove(name);
        }
        command.env("HOME", self.folder.path().join("home")).env("NO_PROXY", "*");
        command
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until the registry's log says where it listens.
fn listening(child: &mut Child, log: &Path) -> String {
    let begun = Instant::now();
    loop {
        let text = fs::read_to_string(log).expect("the registry's log can be read");
        if let Some((_, rest)) = text.split_once("listening on ")
            && let Some((host, _)) = rest.split_once(['"', ','])
        {
            return host.to_owned();
        }
        let ended = child.try_wait().expect("the registry can be asked");
        assert!(ended.is_none() && begun.elapsed() < PATIENCE, "the registry does not start: {text}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn finished(command: &mut Command) -> Output {
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).output().unwrap_or_else(|error| missing(&name, &error))
}

fn missing(program: &str, error: &io::Error) -> ! {
    panic!("cannot run {program} ({error}): run tests/run, which installs what the tests need")
}

/// Makes an image of one layer with one file, as an OCI layout, and returns its digest.
fn image(layout: &Path) -> String {
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs).expect("a folder is made");
    let store = |bytes: &[u8]| {
        let name = digest(bytes);
        fs::write(blobs.join(&name["sha256:".len()..]), bytes).expect("a file is written");
        name
    };
    let (layer, content) = layer(layout);
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
        digest(&content)
    );
    let part = |kind: &str, bytes: &[u8]| {
        let media_type = format!("application/vnd.oci.image.{kind}");
        serde_json::json!({"mediaType": media_type, "digest": store(bytes), "size": bytes.len()})
    };
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": part("config.v1+json", config.as_bytes()),
        "layers": [part("layer.v1.tar+gzip", &layer)],
    });
    let manifest = manifest.to_string();
    let index = serde_json::json!({"schemaVersion": 2, "manifests": [part("manifest.v1+json", manifest.as_bytes())]});
    fs::write(layout.join("index.json"), index.to_string()).expect("a file is written");
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("a file is written");
    digest(manifest.as_bytes())
}

/// A layer as it is stored, and as it is unpacked.
fn layer(layout: &Path) -> (Vec<u8>, Vec<u8>) {
    let file: PathBuf = layout.join("hello");
    fs::write(&file, "hello from a private image\n").expect("a file is written");
    let tar = |flags: &str| {
        let packed = finished(Command::new("tar").args([flags, "-", "-C"]).arg(layout).arg("hello"));
        assert!(packed.status.success(), "{packed:?}");
        packed.stdout
    };
    (tar("-czf"), tar("-cf"))
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", super::hex(&Sha256::digest(bytes)))
}
