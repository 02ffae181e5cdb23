//! The source as the borders are held against it: code alone, without comments, texts and unit tests.

use std::{fs, path::Path};

/// A file of `src`.
pub struct Source {
    /// Its path below `src`.
    pub path: String,
    /// What is left of it without comments, texts and unit tests.
    pub code: String,
}

/// Every file of the library and its programs, but those that are unit tests.
pub fn sources() -> Vec<Source> {
    let files = files("src").into_iter().filter(|(path, _)| {
        let name = path.rsplit('/').next().unwrap_or_default();
        !["tests.rs", "testing.rs", "vectors.rs"].contains(&name)
    });
    let sources: Vec<_> = files
        .map(|(path, text)| Source {
            path: path.trim_start_matches("src/").to_owned(),
            code: without_tests(&code_of(&text)),
        })
        .collect();
    assert!(sources.len() > 60, "the source is where it was");
    sources
}

/// Every Rust file below a folder.
pub fn files(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(Path::new(folder), &mut found);
    found.sort();
    found
}

fn collect(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
}

impl Source {
    /// The top-level module that it belongs to.
    pub fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        if first == "bin" { "main" } else { first.trim_end_matches(".rs") }
    }

    /// Whether it names this crate, module or path.
    pub fn names(&self, name: &str) -> bool {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        self.code.match_indices(name).any(|(at, _)| {
            let before = &self.code[..at];
            // `::sqlx` is the crate, `own::sqlx` and `own.sqlx` are not.
            let member = before.strip_suffix("::").unwrap_or(before).ends_with(|c| is_word(c) || c == '.');
            !member && !self.code[at + name.len()..].starts_with(is_word)
        })
    }

    /// The top-level modules that it names, by whatever path.
    pub fn imports(&self) -> Vec<String> {
        let mut found = Vec::new();
        let depth = self.depth();
        for root in ["crate::", "regcred::"] {
            for (at, _) in self.code.match_indices(root) {
                found.extend(heads(&self.code[at + root.len()..]));
            }
        }
        // As many steps up as lead to the crate's root, and no part of a longer chain.
        let up = "super::".repeat(depth);
        for (at, _) in self.code.match_indices(&up) {
            let rest = &self.code[at + up.len()..];
            if depth > 0 && !self.code[..at].ends_with("super::") && !rest.starts_with("super::") {
                found.extend(heads(rest));
            }
        }
        found
    }

    /// How many modules it lies below the crate's root.
    fn depth(&self) -> usize {
        let name = self.path.trim_end_matches(".rs").trim_end_matches("/mod");
        if ["lib", "main"].contains(&name) || name.starts_with("bin/") { 0 } else { name.split('/').count() }
    }
}

/// The first names of a path or of a group of paths.
fn heads(text: &str) -> Vec<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = text.strip_prefix('{') else { return vec![name(text)] };
    let (mut level, mut start, mut found) = (0_u32, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => level += 1,
            '}' if level > 0 => level -= 1,
            ',' | '}' if level == 0 => {
                found.push(name(group[start..at].trim_start()));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    found.into_iter().filter(|name| !name.is_empty()).collect()
}

/// A file without its comments and with its texts emptied.
fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let raw = rest.strip_prefix('r').map(|hashes| hashes.len() - hashes.trim_start_matches('#').len());
        let ends_word = code.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        if rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if rest.starts_with("/*") {
            rest = rest.find("*/").map_or("", |end| &rest[end + 2..]);
        } else if let Some(hashes) = raw.filter(|hashes| !ends_word && rest[1 + hashes..].starts_with('"')) {
            let end = format!("\"{}", "#".repeat(hashes));
            let body = &rest[hashes + 2..];
            rest = body.find(&end).map_or("", |at| &body[at + end.len()..]);
            code.push_str("\"\"");
        } else if c == '"' {
            rest = after_text(&rest[1..]);
            code.push_str("\"\"");
        } else if let Some(after) = after_character(rest) {
            rest = after;
            code.push_str("' '");
        } else {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    code
}

fn after_text(body: &str) -> &str {
    let mut characters = body.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => drop(characters.next()),
            '"' => return &body[at + 1..],
            _ => {}
        }
    }
    ""
}

/// What follows a character such as `'"'`; none for a lifetime.
fn after_character(text: &str) -> Option<&str> {
    let body = text.strip_prefix('\'')?;
    if let Some(escaped) = body.strip_prefix('\\') {
        return escaped[1..].find('\'').map(|end| &escaped[end + 2..]);
    }
    body.strip_prefix(|_| true)?.strip_prefix('\'')
}

/// Unit tests stand last in a file, in a module of their own.
fn without_tests(code: &str) -> String {
    let tests = code.find("#[cfg(test)]\nmod tests {").unwrap_or(code.len());
    code[..tests].to_owned()
}

#[test]
fn what_stands_in_comments_texts_and_tests_is_not_code() {
    let text = "use a; // sqlx\n/* sqlx */ let b = \"sqlx \\\" sqlx\"; let c = r#\"sqlx\"#; let d = '\"'; fn e<'f>() {}\n\
                #[cfg(test)]\nmod tests {\n    use sqlx;\n}\n";
    let code = without_tests(&code_of(text));
    assert_eq!(code, "use a; \n let b = \"\"; let c = \"\"; let d = ' '; fn e<'f>() {}\n");
}

#[test]
fn every_way_to_name_a_module_is_seen() {
    let imports = |path: &str, code: &str| Source { path: path.to_owned(), code: code.to_owned() }.imports();
    assert_eq!(imports("a/b.rs", "use crate::{c::{d, e}, f::g};"), ["c", "f"]);
    assert_eq!(imports("a/b.rs", "use crate::c::d; fn e(f: crate::g::H) {}"), ["c", "g"]);
    assert_eq!(imports("a/b.rs", "super::super::c::d(); super::e();"), ["c"]);
    assert_eq!(imports("a/mod.rs", "use super::{c::d, e};"), ["c", "e"]);
    assert_eq!(imports("main.rs", "regcred::cli::run()"), ["cli"]);
    let source = Source { path: "a.rs".to_owned(), code: "use a::Pool; let x = ::b::c(d.e, f2, fg)".to_owned() };
    assert!(["a", "b", "d", "f2"].into_iter().all(|name| source.names(name)));
    assert!(!["Pool", "c", "e", "f", "g", "ool"].into_iter().any(|name| source.names(name)));
}
