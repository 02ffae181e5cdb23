//! Credentials: adding, listing, changing and deleting them. No method here can answer a password.

use super::{Error, Service, Thing, Unauthenticated, adding::Adding};
use crate::{
    crypto::binding::PasswordBinding,
    domain::{
        check::{CaCertificates, PullTarget},
        convention::Remark,
        credential::{Checked, Credential, CredentialPatch, NewCredential, Username},
        id::{CredentialId, ScopeId},
        page::{Page, PageRequest},
        permission::{Action, Caller, Permit},
        scope::{Scope, ScopeRecord},
        server::RegistryServer,
    },
    store::{Added, CredentialFilter, Queries, StoreError, Tx},
};
use std::sync::Arc;

/// A credential as it was written.
#[derive(Debug)]
pub struct Written {
    /// As it is now.
    pub credential: Credential,
    /// What its owner should know.
    pub warnings: Vec<Remark>,
}

/// What a writer last saw of the thing that he changes (RFC 9110 section 13.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// He does not say, or only that it must exist.
    Any,
    /// One of these revisions.
    Revisions(Vec<u32>),
}

/// Whether a new login is tried before it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TryFirst {
    /// It is kept as it is.
    #[default]
    No,
    /// It is kept unless it is proven to be of no use, perhaps for an image. That nothing could be proven is no reason.
    Yes(Option<PullTarget>),
}

impl IfMatch {
    fn holds(&self, revision: u32) -> bool {
        match self {
            Self::Any => true,
            Self::Revisions(seen) => seen.contains(&revision),
        }
    }

    /// What it means that another change came between the look and the change.
    fn overtaken(&self) -> Error {
        match self {
            Self::Any => Error::TryAgain,
            Self::Revisions(_) => Error::Stale,
        }
    }
}

impl Service {
    /// Adds a credential.
    ///
    /// # Errors
    /// The scope has one for that server or as many as it may have, the parts contradict each other, the login was tried and does not work, the caller may
    /// not, or the store failed.
    pub async fn credential_create(
        &self,
        caller: &Caller,
        scope: &Scope,
        new: NewCredential,
        try_first: &TryFirst,
    ) -> Result<Written, Error> {
        let permit = self.permit(caller, Action::CredentialCreate, scope).await?;
        let now = self.clock.now();
        let Checked { server, kind, expires_at, identity, warnings } = new.check(now)?;
        // Before the turn to write, which others wait for. A scope and its data key go together and never come back.
        let mut queries = self.store.read().await?;
        let place = self.place(&mut *queries, &permit).await?;
        let data_key = self.data_key(&mut *queries, place.id).await?;
        // It is found out for certain when it is added. But what will not be added is better not sent anywhere.
        if *try_first != TryFirst::No && queries.credential_find_id(place.id, &server).await?.is_some() {
            return Err(exists(&mut *queries, &place, &server).await?);
        }
        if let Err(error) = self.room.take(&mut *queries, place.id).await {
            // Whoever wants to change what is there is told where it is, also where there is no room for more.
            let is_there = queries.credential_find_id(place.id, &server).await?.is_some();
            return Err(if is_there { exists(&mut *queries, &place, &server).await? } else { error });
        }
        drop(queries);
        let NewCredential { username, email, image_prefix, enabled, ca_certificates, password, .. } = new;
        let mut credential = Credential {
            id: CredentialId::new(&*self.clock, &*self.random),
            scope: place.scope.clone(),
            server,
            kind,
            username,
            email,
            image_prefix,
            expires_at,
            enabled,
            version: 1,
            revision: 1,
            created_at: now,
            updated_at: now,
            rotated_at: now,
            last_used_at: None,
            identity,
            ca_certificates,
            last_check: None,
        };
        if let TryFirst::Yes(image) = try_first {
            credential.last_check =
                Some(self.check_new(&permit, &place, &credential, &password, image.as_ref()).await?);
        }
        let sealed = data_key.seal(&password, &self.password_binding(place.id, &credential), &*self.random);
        let username = credential.username.as_ref().map(Username::as_str);
        let fingerprint = data_key.fingerprint(&password, credential.server.as_str(), username);
        drop(password);
        let event = self.event(&permit, Some(&place), vec![credential.id.as_uuid()]);
        let token = permit.caller().token_id;
        let new = Arc::new(Adding { token, credential, scope: place.id, sealed, fingerprint, event });
        match self.adding.add(&new).await {
            Ok(Added::Yes) => {
                let credential = new.credential.clone();
                if let Some(check) = &credential.last_check {
                    self.keep_check(&credential, check).await;
                }
                Ok(Written { credential, warnings })
            }
            Ok(Added::TokenGone) => Err(Error::Unauthenticated(Unauthenticated::Unknown)),
            Ok(Added::ServerTaken) => {
                Err(exists(&mut *self.store.read().await?, &place, &new.credential.server).await?)
            }
            Err(conflict @ StoreError::Conflict(_)) => {
                // Somebody may have deleted the scope meanwhile.
                self.place(&mut *self.store.read().await?, &permit).await?;
                Err(conflict.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What a password of this credential is bound to.
    pub(super) fn password_binding<'a>(&self, scope: ScopeId, credential: &'a Credential) -> PasswordBinding<'a> {
        PasswordBinding {
            deployment: self.deployment,
            scope,
            credential: credential.id,
            version: credential.version,
            server: credential.server.as_str(),
            username: credential.username.as_ref().map(Username::as_str),
            ca_certificates: credential.ca_certificates.as_ref().map(CaCertificates::as_str),
        }
    }

    /// The credentials in force in a scope, oldest first: its own, and those of its organization that it does not override.
    ///
    /// # Errors
    /// There is no such scope, the caller may not, or the store failed.
    pub async fn credential_list(
        &self,
        caller: &Caller,
        scope: &Scope,
        server: Option<&RegistryServer>,
        page: &PageRequest,
    ) -> Result<Page<Credential>, Error> {
        let permit = self.permit(caller, Action::CredentialList, scope).await?;
        let after = super::after(page)?;
        let mut queries = self.store.read().await?;
        let place = self.place(&mut *queries, &permit).await?;
        let filter = CredentialFilter { place: &place, server, after, limit: page.limit };
        let rows = queries.credential_list(&filter).await?;
        Ok(super::page(rows, page, |credential| credential.id, |lost| lost.id.parse().ok()))
    }

    /// One credential of a scope, own or inherited.
    ///
    /// # Errors
    /// There is none, the caller may not, or the store failed.
    pub async fn credential_get(&self, caller: &Caller, scope: &Scope, id: CredentialId) -> Result<Credential, Error> {
        let permit = self.permit(caller, Action::CredentialGet, scope).await?;
        let mut queries = self.store.read().await?;
        let place = self.place(&mut *queries, &permit).await?;
        queries.credential_find(&place, id).await?.ok_or(Error::NotFound(Thing::Credential))
    }

    /// Changes a credential. A patch that changes nothing succeeds and leaves no event.
    ///
    /// # Errors
    /// There is none, it is inherited, it was changed meanwhile, the parts contradict each other, the password would have to
    /// be given again, another credential has the server, the caller may not, or the store failed.
    pub async fn credential_update(
        &self,
        caller: &Caller,
        scope: &Scope,
        id: CredentialId,
        if_match: &IfMatch,
        patch: CredentialPatch,
    ) -> Result<Written, Error> {
        let permit = self.permit(caller, Action::CredentialUpdate, scope).await?;
        let (mut tx, place, old) = self.own_credential(&permit, id, if_match).await?;
        let (new, warnings) = patch.apply(&old, self.clock.now())?;
        if new == old {
            return Ok(Written { credential: old, warnings });
        }
        if new.server != old.server && tx.credential_find_id(place.id, &new.server).await?.is_some() {
            return Err(exists(&mut *tx, &place, &new.server).await?);
        }
        let password = match &patch.password {
            None => None,
            Some(password) => {
                let data_key = self.data_key(&mut *tx, place.id).await?;
                let username = new.username.as_ref().map(Username::as_str);
                let fingerprint = data_key.fingerprint(password, new.server.as_str(), username);
                Some((data_key.seal(password, &self.password_binding(place.id, &new), &*self.random), fingerprint))
            }
        };
        let stored = password.as_ref().map(|(sealed, fingerprint)| (sealed, fingerprint));
        if !tx.credential_update(&new, old.revision, stored).await? {
            return Err(if_match.overtaken());
        }
        tx.commit(self.event(&permit, Some(&place), vec![id.as_uuid()])).await?;
        Ok(Written { credential: new, warnings })
    }

    /// Deletes a credential.
    ///
    /// # Errors
    /// There is none, it is inherited, it was changed meanwhile, the caller may not, or the store failed.
    pub async fn credential_delete(
        &self,
        caller: &Caller,
        scope: &Scope,
        id: CredentialId,
        if_match: &IfMatch,
    ) -> Result<(), Error> {
        let permit = self.permit(caller, Action::CredentialDelete, scope).await?;
        let (mut tx, place, old) = self.own_credential(&permit, id, if_match).await?;
        if !tx.credential_delete(id, old.revision).await? {
            return Err(if_match.overtaken());
        }
        tx.commit(self.event(&permit, Some(&place), vec![id.as_uuid()])).await?;
        Ok(())
    }

    /// Begins a change of a credential that belongs to the permitted scope, and is as the caller last saw it.
    async fn own_credential(
        &self,
        permit: &Permit,
        id: CredentialId,
        if_match: &IfMatch,
    ) -> Result<(Box<dyn Tx>, ScopeRecord, Credential), Error> {
        let mut tx = self.begin(permit).await?;
        let place = self.place(&mut *tx, permit).await?;
        let credential = tx.credential_find(&place, id).await?.ok_or(Error::NotFound(Thing::Credential))?;
        if credential.scope != place.scope {
            drop(tx);
            return Err(self.deny(permit.caller(), permit.action(), permit.scope(), "role", Error::Inherited).await);
        }
        if !if_match.holds(credential.revision) {
            return Err(Error::Stale);
        }
        Ok((tx, place, credential))
    }
}

/// The error that names the credential which has the server already.
async fn exists(queries: &mut dyn Queries, place: &ScopeRecord, server: &RegistryServer) -> Result<Error, Error> {
    let id = queries.credential_find_id(place.id, server).await?;
    Ok(id.map_or(Error::TryAgain, Error::CredentialExists))
}
