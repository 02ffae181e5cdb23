//! The guides in docs/registries, held against what regcred does: nothing here starts a server.

use clap::Parser as _;
use regcred::{
    cli::Cli,
    domain::{
        convention,
        credential::Username,
        kind::RegistryKind,
        server::{RegistryServer, StatedServer},
        timestamp::Timestamp,
    },
};
use std::{
    fs,
    path::{Path, PathBuf},
};

const FOLDER: &str = "docs/registries";

/// A page by its path.
struct Page {
    path: PathBuf,
    text: String,
}

fn page(path: impl Into<PathBuf>) -> Page {
    let path = path.into();
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Page { path, text }
}

fn guide(kind: RegistryKind) -> Page {
    page(kind.form().guide)
}

fn pages() -> Vec<Page> {
    fs::read_dir(FOLDER).unwrap().map(|entry| page(entry.unwrap().path())).collect()
}

impl Page {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Everything in blocks for a shell, a command on each line.
    fn shell(&self) -> String {
        let blocks = self.text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
        blocks.collect::<String>().replace("\\\n", " ").replace("|\n", "| ")
    }

    /// The commands of regcred, in words.
    fn commands(&self) -> Vec<Vec<String>> {
        let shell = self.shell();
        let parts = shell.lines().flat_map(parts);
        parts.filter(|words| words.first().is_some_and(|word| word == "regcred")).collect()
    }

    /// The commands that add a login.
    fn additions(&self) -> Vec<Vec<String>> {
        self.commands().into_iter().filter(|words| words[1] == "add").collect()
    }

    /// The rows of tables, in cells.
    fn rows(&self) -> impl Iterator<Item = Vec<&str>> {
        let rows = self.text.lines().filter_map(|line| line.trim().strip_prefix("| ")?.strip_suffix(" |"));
        rows.map(|row| row.split(" | ").map(str::trim).collect())
    }
}

/// The commands of one line, in words, without what is redirected. It knows what the guides use: quotes, pipes, comments.
fn parts(line: &str) -> Vec<Vec<String>> {
    let (mut parts, mut words, mut word, mut quote) = (Vec::new(), Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (c, quote) {
            (c, Some(end)) if c == end => quote = None,
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            ('#', None) if word.is_none() => break,
            (' ', None) => words.extend(word.take()),
            ('|', None) => {
                words.extend(word.take());
                parts.push(std::mem::take(&mut words));
            }
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    parts.push(words);
    for words in &mut parts {
        words.retain(|word| !word.starts_with(['<', '>']));
    }
    parts
}

fn value<'a>(words: &'a [String], flag: &str) -> Option<&'a str> {
    words.iter().position(|word| word == flag).map(|at| words[at + 1].as_str())
}

#[test]
fn each_kind_has_its_page_and_its_row_and_no_page_is_left_over() {
    let table = page(format!("{FOLDER}/README.md"));
    for kind in RegistryKind::ALL {
        let guide = guide(kind);
        let file = guide.path.file_name().unwrap().to_str().unwrap();
        let row = table.rows().find(|cells| cells[0] == format!("`{kind}`"));
        assert!(row.is_some_and(|cells| cells[1].ends_with(&format!("]({file})"))), "{kind} has no row");
        for heading in
            ["What regcred wants", "Add it", "How long it lives", "Usual mistakes", "How it is used", "Sources"]
        {
            assert!(guide.text.contains(&format!("\n## {heading}")), "{}: {heading}", guide.name());
        }
        let sources = guide.text.split("\n## Sources\n").nth(1).unwrap();
        assert!(sources.lines().all(|line| line.starts_with("- <https://")), "{}", guide.name());
    }
    assert_eq!(pages().len(), RegistryKind::ALL.len() + 1);
}

#[test]
fn each_command_of_the_guides_is_one_that_the_command_line_takes() {
    let mut commands = 0;
    for page in pages() {
        for words in page.commands() {
            assert!(Cli::try_parse_from(&words).is_ok(), "{}: {words:?}", page.name());
            assert!(!words.iter().any(|word| word == "--password"), "{}: {words:?}", page.name());
            commands += 1;
        }
    }
    assert!(commands > 30, "{commands}");
}

#[test]
fn each_guide_adds_a_login_of_its_kind_that_is_as_its_registry_wants_it_and_replaces_it() {
    let now = Timestamp::from_microseconds(1_800_000_000_000_000).unwrap();
    for kind in RegistryKind::ALL {
        let guide = guide(kind);
        let mut stated = 0;
        for words in guide.additions() {
            let said = value(&words, "--kind").map(|text| text.parse::<RegistryKind>().unwrap());
            stated += usize::from(said == Some(kind));
            let usual = || kind.default_server().unwrap().parse::<RegistryServer>().unwrap();
            let server = value(&words, "--server").map_or_else(usual, |text| {
                text.parse::<StatedServer>().unwrap().complete(said).unwrap_or_else(|rule| panic!("{words:?}: {rule}"))
            });
            assert_eq!(RegistryKind::agree(said, &server), Some(kind), "{}: {words:?}", guide.name());
            let username: Username = value(&words, "--username").unwrap().parse().unwrap();
            let found = convention::examine(kind, &server, Some(&username), None, now).unwrap();
            assert_eq!(found.warnings, [], "{}: {words:?}", guide.name());
        }
        assert!(stated > 0, "{} adds nothing with its kind", guide.name());
        assert!(guide.commands().iter().any(|words| words[1] == "update"), "{} replaces nothing", guide.name());
    }
}

#[test]
fn what_regcred_says_in_the_guides_it_says() {
    let mut said = String::new();
    let mut folders = vec![PathBuf::from("src/domain")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("tests.rs") {
                said += &fs::read_to_string(path).unwrap();
            }
        }
    }
    let subjects = ["the user name ", "the password ", "the end ", "the server ", "--username ", "--password "];
    let mut messages = 0;
    for page in pages() {
        for cells in page.rows().filter(|cells| cells.len() == 2) {
            let Some(message) = cells[1].strip_prefix("warning: ").or_else(|| cells[1].strip_prefix("error: ")) else {
                continue;
            };
            // Said of a contradiction by the listener, and of no value.
            if message == "--kind must agree with the server's host" {
                continue;
            }
            let rule = subjects.iter().find_map(|subject| message.strip_prefix(subject)).unwrap_or(message);
            assert!(said.contains(&format!("\"{rule}\"")), "{}: nobody says: {rule}", page.name());
            messages += 1;
        }
    }
    assert!(messages > 30, "{messages}");
}

#[test]
fn each_link_of_the_guides_leads_somewhere() {
    let mut links = 0;
    for page in pages() {
        for target in page.text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            if target.starts_with("https://") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let found = page.path.parent().unwrap().join(Path::new(file));
            let text = fs::read_to_string(&found).unwrap_or_else(|error| panic!("{}: {target}: {error}", page.name()));
            let slug = |line: &str| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
            let headings = text.lines().filter(|line| line.starts_with('#')).map(slug);
            assert!(
                heading.is_empty() || headings.into_iter().any(|known| known == heading),
                "{}: {target}",
                page.name()
            );
            links += 1;
        }
    }
    assert!(links > 20, "{links}");
}
