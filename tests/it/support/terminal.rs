//! A command at a terminal: `script` gives it one, and a test plays the person in front of it.

use super::Binary;
use std::{
    fs,
    io::{Read as _, Write as _},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

/// A command that runs at a terminal of its own.
pub struct Terminal {
    child: Child,
    keyboard: Option<ChildStdin>,
    screen: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
    /// The file that the terminal's device is named in.
    device: PathBuf,
    _folder: TempDir,
}

impl Terminal {
    /// Starts a command. No argument may hold a character that a shell gives a meaning.
    pub fn start(binary: &Binary, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a file");
        let device = folder.path().join("device");
        let program = binary.command();
        let line = format!(
            "tty >{}; exec {} {}",
            device.display(),
            program.get_program().to_string_lossy(),
            arguments.join(" ")
        );
        assert!(!line.contains(['\'', '"', '$', '*', '\\']), "{line}");
        let mut command = Command::new("script");
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.env("SHELL", "/bin/sh").env("TERM", "xterm");
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().expect("script is a part of every Debian");
        let screen = Arc::new(Mutex::new(Vec::new()));
        let mut output = child.stdout.take().expect("it is piped");
        let shown = Arc::clone(&screen);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                shown.lock().expect("no reader panics").extend_from_slice(&buffer[..count]);
            }
        });
        let keyboard = child.stdin.take();
        Self { child, keyboard, screen, reader: Some(reader), device, _folder: folder }
    }

    /// Everything on the screen so far.
    pub fn screen(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().expect("no reader panics")).into_owned()
    }

    /// Waits until the screen shows this.
    pub fn wait_for(&self, text: &str) {
        self.wait_until(&format!("the screen shows '{text}'"), || self.screen().contains(text));
    }

    /// Waits until what is typed is not shown.
    pub fn wait_for_echo_off(&self) {
        self.wait_until("the terminal does not echo", || {
            let device = fs::read_to_string(&self.device).unwrap_or_default();
            let settings = Command::new("stty").args(["-a", "-F", device.trim_end()]).output().expect("stty runs");
            String::from_utf8_lossy(&settings.stdout).split_whitespace().any(|setting| setting == "-echo")
        });
    }

    fn wait_until(&self, what: &str, holds: impl Fn() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}; it shows: {}", self.screen());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Types this and the key that ends a line.
    pub fn type_line(&mut self, text: &str) {
        let keyboard = self.keyboard.as_mut().expect("the keyboard is there until the end");
        keyboard.write_all(format!("{text}\r").as_bytes()).expect("the terminal takes what is typed");
        keyboard.flush().expect("the terminal takes what is typed");
    }

    /// Waits for the command's end: its exit code, and all that was on the screen.
    pub fn end(mut self) -> (i32, String) {
        let begun = Instant::now();
        let status = loop {
            match self.child.try_wait().expect("the command can be asked") {
                Some(status) => break status,
                None if begun.elapsed() > PATIENCE => panic!("the command does not end; it shows: {}", self.screen()),
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        let reader = self.reader.take().expect("it was not waited for before");
        reader.join().expect("no reader panics");
        (status.code().unwrap_or(-1), self.screen())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
