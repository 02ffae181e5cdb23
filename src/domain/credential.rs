//! A login for a container registry, without its password.

use super::{
    check::{CaCertificates, Check},
    convention::{self, Examination, Remark},
    id::CredentialId,
    identity::Identity,
    kind::RegistryKind,
    scope::Scope,
    secret::Password,
    server::{ImagePrefix, RegistryServer, StatedServer},
    text::{Invalid, text_type},
    timestamp::Timestamp,
};

text_type! {
    /// The user name of a login: 1 to 255 bytes, no control characters, and no `:`, which would end it in the base64
    /// pair that registries are sent (RFC 7617 section 2).
    Username, username
}

text_type! {
    /// The e-mail address of a login: 3 to 254 bytes with an `@` inside, no white space or control characters. Registries
    /// ignore it; it is listed, and handed out when set, for tools that still want the field.
    Email, email
}

fn username(text: &str) -> Result<String, Invalid> {
    if text.is_empty() || text.len() > 255 {
        return Err(Invalid("must be 1 to 255 bytes"));
    }
    if text.contains(':') {
        return Err(Invalid("must not contain ':', which separates user name and password in a registry login"));
    }
    if text.chars().any(char::is_control) {
        return Err(Invalid("must not contain control characters"));
    }
    Ok(text.to_owned())
}

fn email(text: &str) -> Result<String, Invalid> {
    let form = text.rsplit_once('@').is_some_and(|(local, host)| !local.is_empty() && !host.is_empty());
    if form && text.len() <= 254 && !text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        Ok(text.to_owned())
    } else {
        Err(Invalid("must be an e-mail address of at most 254 bytes"))
    }
}

/// How exact it is when a credential was last used: one write in so many minutes, however often it is handed out.
pub const LAST_USED_STEP_MINUTES: u32 = 1;

/// A credential as everybody who may see it sees it: the password is not part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Stays the same over every change.
    pub id: CredentialId,
    /// The scope that it belongs to, which may be the organization of the project it is listed for.
    pub scope: Scope,
    /// The registry, in normal form. At most one credential of a scope has the same.
    pub server: RegistryServer,
    /// What sort of registry it is.
    pub kind: RegistryKind,
    /// The user name, if the registry wants one.
    pub username: Option<Username>,
    /// The e-mail address, if one was given.
    pub email: Option<Email>,
    /// Narrows the images that this login is offered for, where images are named; a whole project's pull secret has it in
    /// any case.
    pub image_prefix: Option<ImagePrefix>,
    /// From then on it is handed out no more.
    pub expires_at: Option<Timestamp>,
    /// While false it is handed out no more.
    pub enabled: bool,
    /// Counts passwords, from 1: each new password is one more.
    pub version: u32,
    /// Counts changes of any kind, from 1. What `ETag` and `If-Match` compare.
    pub revision: u32,
    /// When it was added.
    pub created_at: Timestamp,
    /// When anything about it was changed last.
    pub updated_at: Timestamp,
    /// When its password was set last.
    pub rotated_at: Timestamp,
    /// When it was handed out last, to within a minute; none if never.
    pub last_used_at: Option<Timestamp>,
    /// Whose key the password is, if it is a key that says so.
    pub identity: Option<Identity>,
    /// Who may vouch for the registry, besides those whom all trust. Left out of lists.
    pub ca_certificates: Option<CaCertificates>,
    /// What became of trying the login with its present password. Left out where logins are only handed out.
    pub last_check: Option<Check>,
}

impl Credential {
    /// Whether it may be handed out at that time, and if not, why.
    #[must_use]
    pub fn availability(&self, now: Timestamp) -> Availability {
        if !self.enabled {
            Availability::Disabled
        } else if self.expires_at.is_some_and(|end| end <= now) {
            Availability::Expired
        } else {
            Availability::Available
        }
    }

    /// Whether it is a cloud's access key, which no registry takes as it is.
    #[must_use]
    pub fn is_access_key(&self) -> bool {
        let username = self.username.as_ref().map_or("", Username::as_str);
        self.kind == RegistryKind::AwsEcr && convention::shape::is_aws_key_id(username)
    }
}

/// Whether a credential may be handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// It may.
    Available,
    /// Somebody switched it off.
    Disabled,
    /// Its time is over.
    Expired,
}

/// What it takes to add a credential.
#[derive(Debug)]
pub struct NewCredential {
    /// The registry. May be absent for a kind that has a usual one.
    pub server: Option<StatedServer>,
    /// The kind as its owner states it; must agree with what the server shows.
    pub kind: Option<RegistryKind>,
    /// The user name.
    pub username: Option<Username>,
    /// The e-mail address.
    pub email: Option<Email>,
    /// Narrows the images; must lie on the same server.
    pub image_prefix: Option<ImagePrefix>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// Whether it may be handed out.
    pub enabled: bool,
    /// Who may vouch for the registry, besides those whom all trust.
    pub ca_certificates: Option<CaCertificates>,
    /// The secret.
    pub password: Password,
}

/// A change of a credential (RFC 7396): `None` keeps a member, `Some(None)` clears it.
#[derive(Debug, Default)]
pub struct CredentialPatch {
    /// Another server; needs the password again.
    pub server: Option<StatedServer>,
    /// Another kind.
    pub kind: Option<RegistryKind>,
    /// Another user name; needs the password again.
    pub username: Option<Option<Username>>,
    /// Another e-mail address.
    pub email: Option<Option<Email>>,
    /// Another prefix.
    pub image_prefix: Option<Option<ImagePrefix>>,
    /// Another end.
    pub expires_at: Option<Option<Timestamp>>,
    /// Switches it on or off.
    pub enabled: Option<bool>,
    /// Other certificates; needs the password again.
    pub ca_certificates: Option<Option<CaCertificates>>,
    /// A new password. Absent keeps the one that is stored.
    pub password: Option<Password>,
}

/// Why a credential cannot be as its owner wants it, although each part alone is well formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// No server is stated, and the kind has no usual one.
    #[error("there is no server")]
    ServerNeeded,
    /// The stated server is one for another kind only.
    #[error(transparent)]
    Server(Invalid),
    /// User name and password cannot belong together.
    #[error(transparent)]
    Login(Remark),
    /// The stated kind is not what the server shows.
    #[error("kind does not agree with server")]
    Kind,
    /// The image prefix names images that are not on the server.
    #[error("image_prefix does not lie on server")]
    ImagePrefix,
    /// Server, user name or CA certificates would change while the password stays.
    #[error("changing server, username or ca_certificates needs the password again")]
    PasswordNeeded,
    /// The image that a login is to be tried for is not one that it would be offered for.
    #[error("image is not one of the login's")]
    Image,
    /// The image is one of the registry's, but the login's own image prefix leaves it out.
    #[error("image is not below the login's image_prefix")]
    ImageOutsidePrefix,
}

/// A credential with what was derived from its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The registry, in normal form.
    pub server: RegistryServer,
    /// What sort of registry it is.
    pub kind: RegistryKind,
    /// When it ends, if its owner has said so or its password does.
    pub expires_at: Option<Timestamp>,
    /// Whose key the password is.
    pub identity: Option<Identity>,
    /// What its owner should know.
    pub warnings: Vec<Remark>,
}

impl NewCredential {
    /// What the new credential will be at that time, with what its parts say of the rest.
    ///
    /// # Errors
    /// The parts contradict each other.
    pub fn check(&self, now: Timestamp) -> Result<Checked, Contradiction> {
        let usual = || self.kind.and_then(RegistryKind::default_server).and_then(|text| text.parse().ok());
        let server = match &self.server {
            Some(stated) => stated.complete(self.kind).map_err(Contradiction::Server)?,
            None => usual().ok_or(Contradiction::ServerNeeded)?,
        };
        let kind = check(&server, self.kind, self.image_prefix.as_ref())?;
        let found = convention::examine(kind, &server, self.username.as_ref(), Some(&self.password), now);
        let found = found.map_err(Contradiction::Login)?;
        let (expires_at, warnings) = ended(self.expires_at, found.ends_at, found.warnings);
        Ok(Checked { server, kind, expires_at, identity: found.identity, warnings })
    }
}

impl CredentialPatch {
    /// The credential as it is after this change at that time, with what its owner should know; equal to the one given if
    /// nothing changes.
    ///
    /// A stored password stays bound to the server and user name it was given for, so that nobody who cannot read it can
    /// send it to a host of his own; nor to one that only a certificate of his own makes the registry.
    ///
    /// # Errors
    /// The parts contradict each other, or the password would have to be given again.
    pub fn apply(&self, old: &Credential, now: Timestamp) -> Result<(Credential, Vec<Remark>), Contradiction> {
        let server = match &self.server {
            Some(stated) => stated.complete(self.kind.or(Some(old.kind))).map_err(Contradiction::Server)?,
            None => old.server.clone(),
        };
        let username = self.username.clone().unwrap_or_else(|| old.username.clone());
        let ca_certificates = self.ca_certificates.clone().unwrap_or_else(|| old.ca_certificates.clone());
        let moved = server != old.server || username != old.username || ca_certificates != old.ca_certificates;
        if self.password.is_none() && moved {
            return Err(Contradiction::PasswordNeeded);
        }
        let stated_kind = self.kind.or_else(|| (server == old.server).then_some(old.kind));
        let image_prefix = self.image_prefix.clone().unwrap_or_else(|| old.image_prefix.clone());
        let kind = check(&server, stated_kind, image_prefix.as_ref())?;
        let rotated = self.password.is_some();
        let found = if rotated || kind != old.kind {
            let found = convention::examine(kind, &server, username.as_ref(), self.password.as_ref(), now);
            found.map_err(Contradiction::Login)?
        } else {
            Examination::default()
        };
        let stated_end = self.expires_at.unwrap_or(if found.ends_at.is_some() { None } else { old.expires_at });
        let (mut expires_at, mut warnings) = ended(stated_end, found.ends_at, found.warnings);
        if self.expires_at == Some(None) {
            expires_at = None;
        }
        if rotated && self.expires_at.is_none() && found.ends_at.is_none() && expires_at.is_some_and(|end| end <= now) {
            let detail = "is in the past and stays: the new password is not handed out until it is cleared or changed";
            warnings.push(Remark { pointer: "/expires_at", detail });
        }
        let new = Credential {
            server,
            kind,
            username,
            image_prefix,
            expires_at,
            ca_certificates,
            email: self.email.clone().unwrap_or_else(|| old.email.clone()),
            enabled: self.enabled.unwrap_or(old.enabled),
            version: old.version + u32::from(rotated),
            rotated_at: if rotated { now } else { old.rotated_at },
            identity: if rotated { found.identity } else { old.identity.clone() },
            // What was found out of the old password says nothing of a new one.
            last_check: old.last_check.clone().filter(|_| !rotated),
            ..old.clone()
        };
        let changed = Credential { revision: old.revision + 1, updated_at: now, ..new.clone() };
        Ok((if new == *old { new } else { changed }, warnings))
    }
}

/// When a credential ends: as its owner says, else as its password says. He is told where the two do not agree.
fn ended(
    stated: Option<Timestamp>,
    by_password: Option<Timestamp>,
    mut warnings: Vec<Remark>,
) -> (Option<Timestamp>, Vec<Remark>) {
    if let (Some(stated), Some(end)) = (stated, by_password)
        && stated > end
    {
        warnings.push(Remark { pointer: "/expires_at", detail: "is later than the end of the password itself" });
    }
    (stated.or(by_password), warnings)
}

fn check(
    server: &RegistryServer,
    kind: Option<RegistryKind>,
    prefix: Option<&ImagePrefix>,
) -> Result<RegistryKind, Contradiction> {
    if prefix.is_some_and(|prefix| !prefix.lies_on(server)) {
        return Err(Contradiction::ImagePrefix);
    }
    RegistryKind::agree(kind, server).ok_or(Contradiction::Kind)
}
