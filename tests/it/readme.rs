//! The README's transcript is what really happens.

use crate::support::Binary;
use regcred::domain::{id::EventId, timestamp::Timestamp};
use std::{path::Path, process::Command};

/// A command of the transcript and what it prints.
struct Step {
    command: String,
    output: String,
}

#[test]
fn the_transcript_of_the_readme_is_what_really_happens() {
    let readme = std::fs::read_to_string("README.md").unwrap();
    let mut steps = steps(&readme);
    let serve = steps.remove(0);
    assert_eq!(serve.command, "cargo run --release -- serve");
    assert!(steps.len() > 10, "{}", steps.len());

    let folder = tempfile::tempdir().unwrap();
    let server = Binary::new().serve(&folder.path().join("regcred-data")).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_regcred")).parent().unwrap();
    let mut script =
        format!("exec 2>&1\nexport PATH={}:$PATH\nmark() {{ printf '\\n%s\\n' '{MARK}'; }}\n", program.display());
    for step in &steps {
        script += &step.command;
        script += "\nmark\n";
    }
    let mut command = Command::new("bash");
    command.arg("-c").arg(script).current_dir(folder.path()).env("HOME", folder.path());
    command.env("REGCRED_URL", &server.public).env("REGCRED_INTERNAL_URL", &server.internal);
    let output = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let printed: Vec<_> = output.split(MARK).collect();
    let said = server.log();
    for line in serve.output.lines().skip(1).map(str::trim).filter(|line| !line.contains('/')) {
        assert!(said.contains(line), "serve did not say: {line}\n{said}");
    }
    for (step, printed) in steps.iter().zip(printed) {
        assert_eq!(masked(printed, folder.path()), masked(&step.output, folder.path()), "after: {}", step.command);
    }
}

const MARK: &str = "--- the next command ---";

fn steps(readme: &str) -> Vec<Step> {
    let blocks = readme.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut steps: Vec<Step> = Vec::new();
    for line in blocks.flat_map(str::lines) {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { command: command.to_owned(), output: String::new() });
            continue;
        }
        let step = steps.last_mut().expect("a transcript begins with a command");
        step.output.push_str(line);
        step.output.push('\n');
    }
    steps
}

/// The words that matter: what differs from run to run has one form, and columns may have any width.
fn masked(text: &str, folder: &Path) -> Vec<String> {
    let text = text.replace(&folder.display().to_string(), "/home/you/regcred");
    text.split_whitespace().map(mask).collect()
}

fn mask(word: &str) -> String {
    let bare = word.trim_end_matches(['.', ',', ';', ')']);
    if bare.parse::<EventId>().is_ok() {
        "ID".to_owned()
    } else if bare.parse::<Timestamp>().is_ok() {
        "TIME".to_owned()
    } else {
        word.to_owned()
    }
}
