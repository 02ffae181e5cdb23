//! What a ciphertext is bound to: the place in the database where it belongs, and the login that it belongs to.
//!
//! The binding is the associated data of AES-GCM (RFC 5116 section 2.1): it is not stored with the ciphertext, has to be
//! given again to open it, and has to be the same. A row that was moved, swapped, rolled back to an earlier version or
//! pointed at another server does not open.

use super::label;
use crate::domain::id::{CredentialId, DataKeyId, DeploymentId, ScopeId};
use sha2::{
    Digest, Sha256,
    digest::{Output, Update},
};
use uuid::Uuid;

/// What a sealed password is bound to.
#[derive(Clone, Copy)]
pub struct PasswordBinding<'a> {
    /// The installation that it belongs to.
    pub deployment: DeploymentId,
    /// The organization or project that the credential belongs to.
    pub scope: ScopeId,
    /// The credential that it is the password of.
    pub credential: CredentialId,
    /// The version of that credential.
    pub version: u32,
    /// The server that the password may be sent to, in its normal form.
    pub server: &'a str,
    /// The username that it goes with. None is not the same as an empty one.
    pub username: Option<&'a str>,
    /// The certificates that make a host that server, besides those that all trust.
    pub ca_certificates: Option<&'a str>,
}

/// What a wrapped data key is bound to.
#[derive(Debug, Clone, Copy)]
pub struct KeyBinding {
    /// The installation that it belongs to.
    pub deployment: DeploymentId,
    /// The organization or project whose key it is; none for the deployment's own key.
    pub scope: Option<ScopeId>,
    /// The data key itself.
    pub data_key: DataKeyId,
    /// The version of that data key.
    pub version: u32,
}

/// A binding of either kind in the form that the envelope knows.
pub(super) struct Place<'a> {
    purpose: &'static [u8],
    deployment: Uuid,
    scope: Uuid,
    object: Uuid,
    version: u32,
    field: &'static [u8],
    server: &'a str,
    username: Option<&'a str>,
    ca_certificates: Option<&'a str>,
}

impl<'a> From<&PasswordBinding<'a>> for Place<'a> {
    fn from(binding: &PasswordBinding<'a>) -> Self {
        Self {
            purpose: label::PURPOSE_CREDENTIAL,
            deployment: binding.deployment.as_uuid(),
            scope: binding.scope.as_uuid(),
            object: binding.credential.as_uuid(),
            version: binding.version,
            field: label::FIELD_PASSWORD,
            server: binding.server,
            username: binding.username,
            ca_certificates: binding.ca_certificates,
        }
    }
}

impl From<&KeyBinding> for Place<'static> {
    fn from(binding: &KeyBinding) -> Self {
        Self {
            purpose: label::PURPOSE_DATA_KEY,
            deployment: binding.deployment.as_uuid(),
            scope: binding.scope.map_or(Uuid::nil(), |scope| scope.as_uuid()),
            object: binding.data_key.as_uuid(),
            version: binding.version,
            field: label::FIELD_KEY,
            server: "",
            username: None,
            ca_certificates: None,
        }
    }
}

impl Place<'_> {
    /// The associated data of an envelope with this header: every field behind its length, so that no two bindings
    /// give the same bytes.
    pub(super) fn associated_data(&self, header: &[u8]) -> Vec<u8> {
        let login = self.login_hash();
        let fields: [&[u8]; 8] = [
            self.purpose,
            header,
            self.deployment.as_bytes(),
            self.scope.as_bytes(),
            self.object.as_bytes(),
            &self.version.to_be_bytes(),
            self.field,
            &login,
        ];
        let mut data = Vec::with_capacity(fields.iter().map(|field| field.len() + 4).sum());
        for field in fields {
            data.extend_from_slice(&length_prefix(field));
            data.extend_from_slice(field);
        }
        data
    }

    /// Without certificates the bytes are those of before there were any.
    fn login_hash(&self) -> Output<Sha256> {
        let mut hash = Sha256::default();
        absorb_login(&mut hash, self.server, self.username);
        if let Some(certificates) = self.ca_certificates {
            absorb(&mut hash, &Sha256::digest(certificates));
        }
        hash.finalize()
    }
}

/// Feeds a login to a hash or a MAC: no two logins feed the same bytes.
pub(super) fn absorb_login(digest: &mut impl Update, server: &str, username: Option<&str>) {
    absorb(digest, server.as_bytes());
    digest.update(&[u8::from(username.is_some())]);
    absorb(digest, username.unwrap_or_default().as_bytes());
}

/// Feeds a field behind its length to a hash or a MAC.
pub(super) fn absorb(digest: &mut impl Update, field: &[u8]) {
    digest.update(&length_prefix(field));
    digest.update(field);
}

/// The length of a field as it stands before the field, in a binding and in a plaintext.
pub(super) fn length_prefix(field: &[u8]) -> [u8; 4] {
    u32::try_from(field.len()).expect("no field comes near 4 GiB: requests are limited to far less").to_be_bytes()
}
