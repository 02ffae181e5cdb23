//! Secrets of Kubernetes with a docker config in them, alone, in lists, or among other things.

use super::{
    Content, FoundEntry, Keeper, Key, Origin, Refusal, docker,
    lenient::{Field, List, Object},
    read::{ReadError, without_mark},
};
use crate::domain::text::Invalid;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use zeroize::Zeroizing;

/// Anything of Kubernetes, with the members that matter here.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Manifest {
    kind: Field,
    #[serde(rename = "type")]
    sort: Field,
    metadata: Object<Metadata>,
    data: Object<Data>,
    #[serde(rename = "stringData")]
    plain: Object<Data>,
    items: List<Object<Manifest>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    name: Field,
    namespace: Field,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Data {
    #[serde(rename = ".dockerconfigjson")]
    config: Field,
    #[serde(rename = ".dockercfg")]
    bare: Field,
}

/// What the manifests of a file hold.
#[derive(Default)]
pub(super) struct Found {
    pub(super) entries: Vec<FoundEntry>,
    /// How many Secrets are of other types.
    pub(super) others: usize,
    /// How many Secrets there were.
    number: usize,
}

impl Manifest {
    /// Whether it is anything of Kubernetes at all.
    pub(super) fn is_known(&self) -> bool {
        self.kind.text().is_some() || self.items.0.is_some()
    }
}

impl Found {
    /// Takes the logins out of a manifest.
    pub(super) fn add(&mut self, manifest: Manifest, file: &str) {
        for item in manifest.items.0.into_iter().flatten() {
            self.add(item.0, file);
        }
        if manifest.kind.text().is_none_or(|kind| kind.as_str() != "Secret") {
            return;
        }
        self.number += 1;
        let origin = Origin {
            file: file.to_owned(),
            secret: Some(name(&manifest.metadata.0).unwrap_or_else(|| self.number.to_string())),
            keeper: Keeper::File,
        };
        let found = match manifest.sort.text().map(|sort| sort.as_str()) {
            Some("kubernetes.io/dockerconfigjson") => {
                document(&manifest.plain.0.config, &manifest.data.0.config).and_then(|text| {
                    // A cluster does not say which programs run here: its helpers are not asked.
                    docker::config(without_mark(&text), &origin).map(|found| found.entries).map_err(Refusal::Secret)
                })
            }
            Some("kubernetes.io/dockercfg") => document(&manifest.plain.0.bare, &manifest.data.0.bare)
                .and_then(|text| docker::bare(without_mark(&text), &origin).map_err(Refusal::Secret)),
            Some(_) | None => {
                self.others += 1;
                return;
            }
        };
        match found {
            Ok(entries) => self.entries.extend(entries),
            Err(refusal) => {
                self.entries.push(FoundEntry { origin, key: Key::default(), content: Content::Refused(refusal) });
            }
        }
    }
}

/// The docker config of a Secret: `stringData` goes before `data`, which is in base64.
fn document(plain: &Field, data: &Field) -> Result<Zeroizing<String>, Refusal> {
    if let Some(text) = plain.text() {
        return Ok(text.clone());
    }
    let encoded = data.text().ok_or(Refusal::Secret(ReadError::Empty))?;
    let mut digits = Zeroizing::new(Vec::with_capacity(encoded.len()));
    digits.extend(encoded.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    let mut bytes = Zeroizing::new(vec![0; digits.len() / 4 * 3 + 3]);
    let length = STANDARD.decode_slice(&*digits, &mut bytes);
    let length = length.map_err(|_| Refusal::Secret(ReadError::Rule(Invalid("must be base64"))))?;
    let text = str::from_utf8(&bytes[..length]).map_err(|_| Refusal::Secret(ReadError::NotText))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// `namespace/name`, if both are what Kubernetes allows: then they can be shown.
fn name(metadata: &Metadata) -> Option<String> {
    let is_name = |text: &str| {
        text.len() <= 253 && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
    };
    let name = metadata.name.text().filter(|text| is_name(text))?;
    match metadata.namespace.text() {
        Some(namespace) if is_name(namespace) => Some(format!("{}/{}", namespace.as_str(), name.as_str())),
        Some(_) => None,
        None => Some(name.as_str().to_owned()),
    }
}
