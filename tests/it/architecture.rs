//! The borders that ARCHITECTURE.md draws, held against the source itself.

mod source;

use regcred::{
    crypto::{data_key::DataKey, keyring::MasterKey},
    domain::{
        secret::{Password, SecretDocument},
        token::TokenText,
    },
};
use source::{Source, sources};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

/// Every top-level module and the others that it may name. Imports run one way: nothing here goes round in a circle.
const IMPORTS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("draft", &[]),
    ("crypto", &["domain"]),
    ("registry", &["domain"]),
    ("store", &["crypto", "domain"]),
    ("service", &["crypto", "domain", "registry", "store"]),
    ("http", &["domain", "service", "store"]),
    ("client", &["domain", "http"]),
    ("config", &["client", "domain", "draft", "registry", "store"]),
    ("telemetry", &["config"]),
    ("lifecycle", &["config", "domain", "draft", "http", "registry", "service", "store", "telemetry"]),
    ("cli", &["client", "config", "domain", "draft", "http", "lifecycle", "service"]),
    ("main", &["cli"]),
];

/// The libraries that stay in one place, and that place.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("sqlx", &["store/sql/"]),
    ("libsqlite3_sys", &["store/sql/"]),
    ("actix_web", &["http/"]),
    ("actix_http", &["http/"]),
    ("utoipa", &["http/"]),
    ("utoipa_swagger_ui", &["http/"]),
    ("reqwest", &["client.rs", "client/"]),
    ("hyper", &["registry/"]),
    ("hyper_util", &["registry/"]),
    ("http_body_util", &["registry/"]),
    ("http_auth", &["registry/"]),
    ("tokio_rustls", &["registry/"]),
    ("ipnet", &["registry/"]),
    ("aes_gcm", &["crypto/"]),
    ("hkdf", &["crypto/"]),
    ("hmac", &["crypto/"]),
    ("argon2", &["crypto/"]),
    ("clap", &["main.rs", "cli/", "config/"]),
    ("indicatif", &["cli/"]),
    ("serde_saphyr", &["domain/import/"]),
    ("metrics_exporter_prometheus", &["telemetry.rs", "http/"]),
];

/// How many places of a file take a secret out of its type. Each more is one more place where it can get lost.
const EXPOSED: &[(&str, usize)] = &[
    // The types themselves.
    ("domain/secret.rs", 1),
    ("domain/token.rs", 1),
    // Sealing and fingerprinting a password, and the code of a token.
    ("crypto/data_key.rs", 3),
    ("crypto/shelf.rs", 1),
    // Looking at the form of a new password.
    ("domain/convention.rs", 1),
    // Trying a login at its registry.
    ("registry/login.rs", 2),
    // Telling whether two files have the same login.
    ("domain/import/plan.rs", 1),
    // Writing a docker config, and handing it out.
    ("domain/docker_config.rs", 1),
    ("http/internal/pull_secret.rs", 1),
    // Showing a new token once.
    ("http/wire/mod.rs", 1),
    ("lifecycle.rs", 1),
    ("cli/token.rs", 1),
    // What the command line sends and prints.
    ("client/request.rs", 1),
    ("client/transport.rs", 1),
    ("cli/pull_secret.rs", 1),
];

/// How many places of a file read the bytes of a key.
const KEY_BYTES: &[(&str, usize)] = &[("crypto/key.rs", 1), ("crypto/keyring.rs", 1), ("crypto/keyring_file.rs", 1)];

const MOST_LINES: usize = 400;

fn allowed<'a>(table: &[(&str, &'a [&'a str])], name: &str) -> Option<&'a [&'a str]> {
    table.iter().find(|(row, _)| *row == name).map(|(_, others)| *others)
}

#[test]
fn imports_run_one_way() {
    let mut seen = BTreeSet::new();
    for source in sources() {
        let own = source.module();
        if own == "lib" {
            continue;
        }
        let others = allowed(IMPORTS, own).unwrap_or_else(|| panic!("{own} has no row: say what it may name"));
        for other in source.imports() {
            assert!(
                other == own || others.contains(&other.as_str()),
                "{} names {other}, which {own} must not know",
                source.path
            );
            seen.insert((own.to_owned(), other));
        }
    }
    for (own, others) in IMPORTS {
        for other in *others {
            assert!(seen.contains(&((*own).to_owned(), (*other).to_owned())), "{own} does not name {other}: forbid it");
        }
    }
}

#[test]
fn the_table_of_imports_has_every_module_and_no_circle() {
    let lib = fs::read_to_string("src/lib.rs").unwrap();
    let modules = lib.lines().filter_map(|line| line.strip_prefix("pub mod ").or(line.strip_prefix("mod ")));
    let modules = modules.map(|rest| rest.trim_end_matches(|c: char| !c.is_alphanumeric()));
    let declared: BTreeSet<_> = modules.chain(["main"]).collect();
    assert_eq!(IMPORTS.iter().map(|(own, _)| *own).collect::<BTreeSet<_>>(), declared);
    let mut below = BTreeSet::new();
    let mut left: Vec<_> = IMPORTS.to_vec();
    while !left.is_empty() {
        let (leaves, rest): (Vec<_>, Vec<_>) =
            left.iter().partition(|(_, others)| others.iter().all(|other| below.contains(other)));
        assert!(!leaves.is_empty(), "these go round in a circle: {rest:?}");
        below.extend(leaves.iter().map(|(own, _)| *own));
        left = rest;
    }
}

#[test]
fn each_library_is_named_in_its_own_place_alone() {
    for (library, places) in LIBRARIES {
        let mut used = false;
        for source in sources().iter().filter(|source| source.names(library)) {
            let at_home = places.iter().any(|place| source.path.starts_with(place));
            assert!(at_home, "{} names {library}, which belongs into {places:?}", source.path);
            used = true;
        }
        assert!(used || *library == "actix_http" || *library == "libsqlite3_sys", "nothing names {library} any more");
    }
}

#[test]
fn the_domain_names_no_library_that_talks_to_the_outside() {
    for source in sources().iter().filter(|source| source.module() == "domain") {
        for library in ["sqlx", "actix_web", "utoipa", "reqwest", "tokio", "tracing", "metrics", "std::env", "std::fs"]
        {
            assert!(!source.names(library), "{} names {library}", source.path);
        }
    }
}

#[test]
fn no_file_is_longer_than_400_lines() {
    for folder in ["src", "tests"] {
        for (path, text) in source::files(folder) {
            let lines = text.lines().count();
            assert!(lines <= MOST_LINES, "{path} has {lines} lines: it is asking to be two");
        }
    }
}

#[test]
fn secrets_are_exposed_in_the_places_of_the_table_alone() {
    assert_eq!(counted(&[".expose()", "::expose(", "::expose)", "expose_secret()"]), table(EXPOSED));
    assert_eq!(counted(&["self.bytes()", "key().bytes()"]), table(KEY_BYTES));
}

fn counted(patterns: &[&str]) -> BTreeMap<String, usize> {
    let count = |source: &Source| patterns.iter().map(|pattern| source.code.matches(pattern).count()).sum::<usize>();
    sources().iter().map(|source| (source.path.clone(), count(source))).filter(|(_, count)| *count > 0).collect()
}

fn table(rows: &[(&str, usize)]) -> BTreeMap<String, usize> {
    rows.iter().map(|(path, count)| ((*path).to_owned(), *count)).collect()
}

/// Does not compile if the type implements the trait: then it is not clear which `marker` is meant.
macro_rules! lacks {
    ($type:ty: $($missing:path),+) => {$({
        trait Ambiguous<A> {
            fn marker() {}
        }
        struct Implemented;
        impl<T: ?Sized> Ambiguous<()> for T {}
        impl<T: ?Sized + $missing> Ambiguous<Implemented> for T {}
        <$type as Ambiguous<_>>::marker();
    })+};
}

#[test]
fn no_secret_can_be_copied_printed_compared_or_serialised() {
    macro_rules! secret {
        ($($type:ty),+) => {$(
            lacks!($type: Clone, Copy, ToString, std::fmt::Display, serde::Serialize, PartialEq, PartialOrd, std::hash::Hash);
            lacks!($type: Default, AsRef<str>, AsRef<[u8]>, std::ops::Deref);
        )+};
    }
    secret!(Password, SecretDocument, TokenText, DataKey, MasterKey);
}

/// Columns whose names say it all.
const PLAIN_COLUMNS: [&str; 16] = [
    "id",
    "created_at",
    "updated_at",
    "expires_at",
    "at",
    "name",
    "state",
    "role",
    "operation",
    "outcome",
    "scope_id",
    "token_id",
    "organization_id",
    "project_id",
    "username",
    "email",
];

#[test]
fn every_column_says_what_it_is_and_every_encrypted_one_that_it_is_sealed() {
    let (mut columns, mut sealed) = (0, 0);
    for entry in fs::read_dir("migrations").unwrap().flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap()) {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        for table in text.split("\ncreate table ").skip(1) {
            let body = table.split_once("\n)").expect("a table ends").0;
            let (name, body) = body.split_once(" (\n").expect("a table has columns");
            for line in body.lines().map(str::trim).filter(|line| !line.starts_with("check ") && !line.is_empty()) {
                let column = line.split(' ').next().unwrap();
                let comment = line.split_once("--").map(|(_, comment)| comment.trim());
                let place = format!("{}: {name}.{column}", path.display());
                assert!(comment.is_some_and(|text| !text.is_empty()) || PLAIN_COLUMNS.contains(&column), "{place}");
                let is_sealed = ["sealed", "wrapped"].contains(&column);
                assert_eq!(is_sealed, comment.is_some_and(|text| text.starts_with("sealed: ")), "{place}");
                columns += 1;
                sealed += usize::from(is_sealed);
            }
        }
    }
    assert!(columns > 40 && sealed > 1, "{columns} columns, {sealed} of them sealed");
}
