//! What a file is, told by its content: a docker config, an older one, or Secrets of Kubernetes in JSON or YAML.

use super::{
    FoundEntry,
    docker::{self, in_file},
    helper::Request,
    kubernetes::{self, Manifest},
    lenient::Object,
};
use crate::domain::text::Invalid;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{error::Category, value::RawValue};
use serde_saphyr::{DuplicateKeyPolicy, NonFiniteFloatPolicy};

/// What stands in a file.
#[derive(Debug, Default)]
pub struct Contents {
    /// Its entries, in their order.
    pub entries: Vec<FoundEntry>,
    /// What it leaves to helpers.
    pub requests: Vec<Request>,
    /// How many Secrets of other types it has.
    pub others: usize,
}

/// Why a file cannot be read. Of what stands in it only the place is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It is not text.
    #[error("is not UTF-8 text")]
    NotText,
    /// There is nothing in it.
    #[error("is empty")]
    Empty,
    /// It is not JSON.
    #[error("is not JSON: line {line}, column {column}")]
    Json {
        /// Where it ends to be, from 1.
        line: usize,
        /// Where in the line, from 1.
        column: usize,
    },
    /// It is JSON, and something in it is not where it should be.
    #[error("is no docker config: line {line}, column {column}")]
    Shape {
        /// Where, from 1.
        line: usize,
        /// Where in the line, from 1.
        column: usize,
    },
    /// It is not YAML, or YAML that takes too much to read.
    #[error("is not YAML that can be read: line {line}, column {column}")]
    Yaml {
        /// Where it ends to be, from 1.
        line: u64,
        /// Where in the line, from 1.
        column: u64,
    },
    /// It is something else.
    #[error("is neither a docker config nor a Secret of Kubernetes")]
    Unknown,
    /// It breaks a rule.
    #[error("{0}")]
    Rule(Invalid),
}

impl ReadError {
    pub(super) fn json(error: &serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        match error.classify() {
            Category::Data => Self::Shape { line, column },
            Category::Io | Category::Syntax | Category::Eof => Self::Json { line, column },
        }
    }

    fn yaml(error: &serde_saphyr::Error) -> Self {
        let (line, column) = error.location().map_or((1, 1), |place| (place.line(), place.column()));
        Self::Yaml { line, column }
    }
}

/// The members that tell what an object is.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Marks {
    auths: Option<IgnoredAny>,
    #[serde(rename = "credsStore")]
    store: Option<IgnoredAny>,
    #[serde(rename = "credHelpers")]
    helpers: Option<IgnoredAny>,
    kind: Option<IgnoredAny>,
    items: Option<IgnoredAny>,
}

/// Reads a file. `name` is what people call it.
///
/// # Errors
/// It is none of the known ones, or there is a mistake in it.
pub fn read(name: &str, bytes: &[u8]) -> Result<Contents, ReadError> {
    let text = without_mark(str::from_utf8(bytes).map_err(|_| ReadError::NotText)?);
    let mut reader = Reader { name, contents: Contents::default(), secrets: kubernetes::Found::default() };
    match text.trim_start().as_bytes().first() {
        None => return Err(ReadError::Empty),
        Some(b'{' | b'[') => reader.json(text)?,
        Some(_) => reader.yaml(text)?,
    }
    let Reader { mut contents, secrets, .. } = reader;
    contents.entries.extend(secrets.entries);
    contents.others = secrets.others;
    Ok(contents)
}

/// The text without the mark that some editors of Windows put in front.
pub(super) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

struct Reader<'a> {
    name: &'a str,
    contents: Contents,
    secrets: kubernetes::Found,
}

impl Reader<'_> {
    /// One object, several behind each other, or a list of them.
    fn json(&mut self, text: &str) -> Result<(), ReadError> {
        for value in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
            let value = value.map_err(|error| ReadError::json(&error))?.get();
            if value.starts_with('[') {
                let items: Vec<&RawValue> = serde_json::from_str(value).map_err(|error| ReadError::json(&error))?;
                items.into_iter().try_for_each(|item| self.object(item.get()))?;
            } else {
                self.object(value)?;
            }
        }
        Ok(())
    }

    fn object(&mut self, text: &str) -> Result<(), ReadError> {
        if !text.starts_with('{') {
            return Err(ReadError::Unknown);
        }
        let marks: Marks = serde_json::from_str(text).map_err(|error| ReadError::json(&error))?;
        if marks.kind.is_some() || marks.items.is_some() {
            let manifest: Manifest = serde_json::from_str(text).map_err(|error| ReadError::json(&error))?;
            if !manifest.is_known() {
                return Err(ReadError::Unknown);
            }
            self.secrets.add(manifest, self.name);
        } else if marks.auths.is_some() || marks.store.is_some() || marks.helpers.is_some() {
            let found = docker::config(text, &in_file(self.name))?;
            self.contents.entries.extend(found.entries);
            self.contents.requests.extend(found.requests);
        } else if docker::is_bare(text) {
            self.contents.entries.extend(docker::bare(text, &in_file(self.name))?);
        } else {
            return Err(ReadError::Unknown);
        }
        Ok(())
    }

    /// One document or several. Docker configs are never YAML.
    fn yaml(&mut self, text: &str) -> Result<(), ReadError> {
        let documents: Vec<Object<Manifest>> =
            serde_saphyr::from_multiple_with_options(text, options()).map_err(|error| ReadError::yaml(&error))?;
        if documents.is_empty() {
            return Err(ReadError::Empty);
        }
        for document in documents {
            if !document.0.is_known() {
                return Err(ReadError::Unknown);
            }
            self.secrets.add(document.0, self.name);
        }
        Ok(())
    }
}

/// What all Secrets of a large cluster take is allowed. That aliases do not multiply is seen to by the reader itself.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 10_000_000,
            max_nodes: 5_000_000,
            max_documents: 100_000,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
    }
}
