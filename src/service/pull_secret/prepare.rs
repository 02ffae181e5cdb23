//! The long way to a pull secret: from what the database holds now.

use super::{Omission, OmissionReason, PullSecret, PullSecretRequest};
use crate::{
    crypto::{data_key::DataKey, keyring::KeyError},
    domain::{
        credential::{Availability, Credential},
        docker_config::{self, Entry, KeyedLogin},
        id::{CredentialId, DataKeyId, ScopeId},
        permission::{Action, Caller},
        scope::Scope,
        secret::Password,
        timestamp::Timestamp,
    },
    service::{
        Error, Service,
        memory::{Answer, Lasting, Question},
        report,
    },
    store::{Corrupt, SealedCredential, SealedPassword, StoreError},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use std::{
    collections::{HashMap, hash_map},
    sync::Arc,
};

/// The form of the document, which is part of its tag. To be changed with `docker_config::render`.
const FORM: &[u8] = b"docker-config/1";

impl Service {
    /// The pull secret of a project: what is in force there, or what the given images need of it.
    ///
    /// # Errors
    /// There is no such project, the caller may not, the one credential that an image needs cannot be read, the audit event
    /// could not be made durable, or the store failed.
    pub async fn pull_secret_get(&self, caller: &Caller, request: &PullSecretRequest) -> Result<PullSecret, Error> {
        let Question { project, images } = &request.question;
        let permit = self.permit(caller, Action::PullSecretGet, &Scope::Project(project.clone())).await?;
        let mut queries = self.store.read().await?;
        let place = self.place(&mut *queries, &permit).await?;
        // Before what they are of: what changes in between makes them lapse.
        let premises = queries.premise_list(&place).await?;
        let rows = queries.sealed_credential_list(&place).await?;
        drop(queries);

        let mut found = Found::default();
        for row in rows {
            found.take(row);
        }
        let Found { credentials, passwords, mut omitted, mut unreadable } = found;
        let now = self.clock.now();
        let selection = docker_config::select(&credentials, images, now);
        omitted.extend(selection.omitted.iter().filter_map(|(id, why)| omission(*id, *why)));
        let lasting = Lasting { from: now, until: first_end(&credentials, now) };
        if let Some(tag) = tag(selection.entries.iter(), &passwords).filter(|tag| request.knows(tag)) {
            if unreadable.is_none() {
                let answer = Answer::new(place, premises, lasting, tag.clone(), omitted, None);
                self.memory.keep_answer(request.question.clone(), answer);
            }
            return Ok(PullSecret::Known(tag));
        }

        let mut opened = Vec::with_capacity(selection.entries.len());
        let mut keys = HashMap::new();
        for entry in selection.entries {
            match self.open(entry.credential, &passwords, &mut keys).await {
                Ok(password) => opened.push((entry, password)),
                // Without images, one bad row must not keep the others from their users. With images it is needed.
                Err(Error::Store(StoreError::Corrupt(corrupt))) if images.is_empty() => {
                    omitted.push(Omission { id: entry.credential.id, reason: OmissionReason::Unreadable });
                    unreadable = Some(corrupt);
                }
                Err(error) => return Err(error),
            }
        }
        if opened.is_empty()
            && images.is_empty()
            && let Some(corrupt) = unreadable
        {
            // An empty document would be taken for the truth, and put in the place of a good one.
            return Err(corrupt.into());
        }
        let tag = tag(opened.iter().map(|(entry, _)| entry), &passwords).ok_or(Error::TryAgain)?;
        if request.knows(&tag) {
            return Ok(PullSecret::Known(tag));
        }
        let logins: Vec<_> = opened.iter().map(|(entry, password)| login(entry, password)).collect();
        let document = docker_config::render(&logins);
        let handed_out: Arc<[_]> = opened.iter().map(|(entry, _)| entry.credential.id.as_uuid()).collect();
        self.audit.record(self.event(&permit, Some(&place), Arc::clone(&handed_out))).await?;
        self.counts.hand_out(handed_out.len());
        // What cannot be read is told in the log each time, and may be mended without the database's knowledge.
        if unreadable.is_none() {
            let kept = self.memory.seal(place.id, &document, handed_out);
            let answer = Answer::new(place, premises, lasting, tag.clone(), omitted.clone(), Some(kept));
            self.memory.keep_answer(request.question.clone(), answer);
        }
        Ok(PullSecret::Fresh { document, tag, omitted })
    }

    /// The password of a credential, in the place where it was found. Data keys that were opened on the way are kept for the
    /// next one of the same scope.
    async fn open(
        &self,
        credential: &Credential,
        passwords: &Passwords,
        keys: &mut HashMap<DataKeyId, DataKey>,
    ) -> Result<Password, Error> {
        let (scope, password) = &passwords[&credential.id];
        let password = password.as_ref().map_err(Corrupt::clone)?;
        let data_key = match keys.entry(password.data_key.id) {
            hash_map::Entry::Occupied(opened) => opened.into_mut(),
            hash_map::Entry::Vacant(place) => place.insert(match self.data_key_open(&password.data_key).await {
                // Since the row was read, the data key may have been wrapped anew, and its old master key given up.
                Err(Error::Key(KeyError::Unknown(_))) => self.data_key(&mut *self.store.read().await?, *scope).await?,
                opened => opened?,
            }),
        };
        let opened = data_key.open(&password.sealed, &self.password_binding(*scope, credential));
        opened.map_err(|fault| Error::unopened("credentials", "sealed", &credential.id, &fault))
    }
}

/// The passwords of a project as they are kept, each with the scope that it belongs to.
type Passwords = HashMap<CredentialId, (ScopeId, Result<SealedPassword, Corrupt>)>;

/// What was found in a project.
#[derive(Default)]
struct Found {
    credentials: Vec<Credential>,
    passwords: Passwords,
    omitted: Vec<Omission>,
    /// The last row of which nothing can be said.
    unreadable: Option<Corrupt>,
}

impl Found {
    fn take(&mut self, row: Result<SealedCredential, Corrupt>) {
        match row {
            Ok(SealedCredential { credential, scope_id, password }) => {
                password.as_ref().err().into_iter().for_each(report);
                self.passwords.insert(credential.id, (scope_id, password));
                self.credentials.push(credential);
            }
            Err(corrupt) => {
                report(&corrupt);
                // A row without even a name cannot be named to the caller.
                let id = corrupt.id.parse();
                self.omitted.extend(id.map(|id| Omission { id, reason: OmissionReason::Unreadable }));
                self.unreadable = Some(corrupt);
            }
        }
    }
}

/// When the first of these expires that has not yet.
fn first_end(credentials: &[Credential], now: Timestamp) -> Option<Timestamp> {
    credentials.iter().filter_map(|credential| credential.expires_at).filter(|end| *end > now).min()
}

fn omission(id: CredentialId, availability: Availability) -> Option<Omission> {
    let reason = match availability {
        Availability::Available => return None,
        Availability::Disabled => OmissionReason::Disabled,
        Availability::Expired => OmissionReason::Expired,
    };
    Some(Omission { id, reason })
}

fn login<'a>(entry: &'a Entry<'_>, password: &'a Password) -> KeyedLogin<'a> {
    let Credential { username, email, .. } = entry.credential;
    KeyedLogin { key: &entry.key, username: username.as_ref(), email: email.as_ref(), password }
}

/// What the document will be, without opening anything: key, e-mail address and fingerprint of each entry, hashed. `None` if
/// the password of one of them cannot be read.
fn tag<'a>(entries: impl Iterator<Item = &'a Entry<'a>>, passwords: &Passwords) -> Option<String> {
    let mut hash = Sha256::new();
    let mut field = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    field(FORM);
    let mut keys = Vec::new();
    for entry in entries {
        keys.push(entry.key.as_str());
        let (_, password) = passwords.get(&entry.credential.id)?;
        field(entry.key.as_bytes());
        field(entry.credential.email.as_ref().map_or(b"", |email| email.as_str().as_bytes()));
        field(&password.as_ref().ok()?.fingerprint);
    }
    // They follow from the keys; a document that had none of them is not the same.
    for host in docker_config::stops(&keys) {
        field(host.as_bytes());
    }
    Some(URL_SAFE_NO_PAD.encode(&hash.finalize()[..16]))
}
