//! What comes back, where it is more than one of the [`wire`](crate::http::wire) shapes.

use crate::domain::{id::CredentialId, secret::SecretDocument};
use reqwest::header::HeaderMap;

const OMITTED: &str = "Regcred-Omitted";

/// Something that was read together with the version that a later write can insist on.
#[derive(Debug, Clone)]
pub struct Versioned<T> {
    /// What was read.
    pub value: T,
    /// Give it as `if_match` to change exactly this version.
    pub etag: Option<String>,
}

/// All the items of a list.
#[derive(Debug, Clone)]
pub struct Listing<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// How many more there are that the service could not read.
    pub unreadable: u64,
}

/// The answer to the question for a pull secret.
#[derive(Debug)]
pub enum PullSecret {
    /// The pull secret as it is now.
    Document {
        /// The docker configuration, byte for byte.
        body: SecretDocument,
        /// Give it as `if_none_match` to be told whether it has changed.
        etag: Option<String>,
        /// The credentials that were left out.
        omitted: Vec<Omitted>,
    },
    /// It is still the one that the caller has.
    NotModified,
}

/// A credential that was left out of a pull secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Omitted {
    /// Which.
    pub id: CredentialId,
    /// Why: `expired`, `disabled` or `unreadable`.
    pub reason: String,
}

/// Reads `Regcred-Omitted: <id>;reason=expired, <id>;reason=disabled`; what is not of this form is passed over.
pub(super) fn omitted(headers: &HeaderMap) -> Vec<Omitted> {
    let entries = headers.get_all(OMITTED).iter().filter_map(|value| value.to_str().ok());
    entries
        .flat_map(|value| value.split(','))
        .filter_map(|entry| {
            let (id, reason) = entry.trim().split_once(";reason=")?;
            Some(Omitted { id: id.trim().parse().ok()?, reason: reason.trim().to_owned() })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn omitted_credentials_are_read_from_their_header() {
        let first = "0197a000-0000-7000-8000-000000000001";
        let second = "0197a000-0000-7000-8000-000000000002";
        let mut headers = HeaderMap::new();
        let value = format!("{first};reason=expired, {second};reason=disabled, nonsense");
        headers.append(OMITTED, HeaderValue::from_str(&value).unwrap());
        assert_eq!(
            omitted(&headers),
            [
                Omitted { id: first.parse().unwrap(), reason: "expired".to_owned() },
                Omitted { id: second.parse().unwrap(), reason: "disabled".to_owned() },
            ]
        );
        assert!(omitted(&HeaderMap::new()).is_empty());
    }
}
