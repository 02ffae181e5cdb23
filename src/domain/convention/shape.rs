//! What the form of a password says: that it is a token with an end, or a key file.

use crate::domain::{identity::Identity, timestamp::Timestamp};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde::Deserialize;
use zeroize::Zeroizing;

/// Whether it is a JSON Web Token (RFC 7519): three parts, of which the first names an algorithm.
#[must_use]
pub fn is_jwt(text: &str) -> bool {
    jwt(text).is_some()
}

/// When a JSON Web Token ends by its own word. The signature is not looked at: a wrong end harms only its owner.
#[must_use]
pub fn jwt_end(text: &str) -> Option<Timestamp> {
    seconds(&jwt(text)?.exp?)
}

/// When a token of Amazon's registries ends by its own word.
#[must_use]
pub fn ecr_token_end(text: &str) -> Option<Timestamp> {
    seconds(&object::<EcrToken>(&STANDARD.decode(text.trim()).map(Zeroizing::new).ok()?)?.expiration)
}

/// Whether it is a token of Amazon's registries, which are always long.
#[must_use]
pub fn is_ecr_token(text: &str) -> bool {
    ecr_token_end(text).is_some() || (text.len() > 500 && STANDARD.decode(text.trim()).is_ok())
}

/// Whether it is the id of an access key of Amazon's.
#[must_use]
pub fn is_aws_key_id(text: &str) -> bool {
    text.len() == 20
        && ["AKIA", "ASIA"].iter().any(|prefix| text.starts_with(prefix))
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Whether it is a secret access key of Amazon's.
#[must_use]
pub fn is_aws_secret(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/+".contains(&byte))
}

/// A key file of Google's.
#[derive(Debug, PartialEq, Eq)]
pub struct KeyFile {
    /// Whether it says that it is the key of a service account.
    pub is_service_account: bool,
    /// Whose it is.
    pub identity: Option<Identity>,
}

/// Reads a key file.
#[must_use]
pub fn key_file(text: &str) -> Option<KeyFile> {
    let file = object::<GoogleKey>(text.as_bytes())?;
    let identity = file.client_email.zip(file.private_key_id);
    Some(KeyFile {
        is_service_account: file.kind.as_deref() == Some("service_account"),
        identity: identity.and_then(|(email, key)| Identity::new(&email, &key)),
    })
}

/// Reads a key file in base64, which may have been broken into lines.
#[must_use]
pub fn key_file_in_base64(text: &str) -> Option<KeyFile> {
    let mut digits = Zeroizing::new(Vec::with_capacity(text.len()));
    digits.extend(text.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    let bytes = Zeroizing::new(STANDARD.decode(&*digits).ok()?);
    key_file(str::from_utf8(&bytes).ok()?)
}

#[derive(Deserialize)]
struct Header {
    #[serde(rename = "alg")]
    _algorithm: String,
}

#[derive(Deserialize)]
struct Claims {
    exp: Option<serde_json::Number>,
}

#[derive(Deserialize)]
struct EcrToken {
    expiration: serde_json::Number,
}

#[derive(Deserialize)]
struct GoogleKey {
    #[serde(rename = "type")]
    kind: Option<String>,
    client_email: Option<String>,
    private_key_id: Option<String>,
}

fn jwt(text: &str) -> Option<Claims> {
    let mut parts = text.trim().split('.');
    let (header, claims, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let decoded = |part| URL_SAFE_NO_PAD.decode(part).map(Zeroizing::new).ok();
    object::<Header>(&decoded(header)?)?;
    object(&decoded(claims)?)
}

/// An object and nothing else: serde would also read the members out of a list.
fn object<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    bytes.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice(bytes).ok()).flatten()
}

/// A time in seconds, which may have a fraction.
fn seconds(number: &serde_json::Number) -> Option<Timestamp> {
    #[expect(clippy::cast_possible_truncation, reason = "a fraction of a second is of no interest, and casts saturate")]
    let whole = number.as_i64().or_else(|| number.as_f64().map(|seconds| seconds as i64))?;
    Timestamp::from_microseconds(whole.checked_mul(1_000_000)?).filter(|_| whole > 0)
}
