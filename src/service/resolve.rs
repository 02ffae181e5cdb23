//! Which credential an image would get, and why. No password is opened for it.

use super::{Error, Service, report};
use crate::{
    domain::{
        credential::Credential,
        image::ImageReference,
        page::Limit,
        permission::{Action, Caller},
        resolution::{Resolution, resolve},
        scope::{Scope, ScopeRecord},
    },
    store::{CredentialFilter, Queries},
};
use std::collections::HashSet;

/// A resolution, and how many credentials could not be looked at.
#[derive(Debug)]
pub struct Resolved {
    /// What was found out.
    pub resolution: Resolution,
    /// How many rows could not be read; the log names them.
    pub unreadable: u64,
}

impl Service {
    /// Which of a scope's credentials an image would get, and why.
    ///
    /// # Errors
    /// There is no such scope, the caller may not, or the store failed.
    pub async fn credential_resolve(
        &self,
        caller: &Caller,
        scope: &Scope,
        image: &ImageReference,
    ) -> Result<Resolved, Error> {
        let permit = self.permit(caller, Action::CredentialResolve, scope).await?;
        let mut queries = self.store.read().await?;
        let place = self.place(&mut *queries, &permit).await?;
        let (mut credentials, mut unreadable) = all(&mut *queries, &place).await?;
        // A project's list leaves out what it overrides, which belongs to the answer.
        if let (Scope::Project(path), Some(organization)) = (&place.scope, place.parent_id) {
            let above = queries.scope_find(&Scope::Organization(path.organization.clone())).await?;
            if let Some(above) = above.filter(|above| above.id == organization) {
                let known: HashSet<_> = credentials.iter().map(|credential| credential.id).collect();
                let (theirs, lost) = all(&mut *queries, &above).await?;
                credentials.extend(theirs.into_iter().filter(|credential| !known.contains(&credential.id)));
                unreadable.extend(lost);
            }
        }
        let resolution = resolve(image, credentials, self.clock.now());
        Ok(Resolved { resolution, unreadable: unreadable.len() as u64 })
    }
}

/// All credentials in force in a scope, and the rows that cannot be read, by their identifiers.
async fn all(queries: &mut dyn Queries, place: &ScopeRecord) -> Result<(Vec<Credential>, HashSet<String>), Error> {
    let (mut found, mut lost, mut after) = (Vec::new(), HashSet::new(), None);
    let limit = Limit::MOST;
    loop {
        let rows = queries.credential_list(&CredentialFilter { place, server: None, after, limit }).await?;
        let more = rows.len() > limit.as_usize();
        let before = after;
        for row in rows.into_iter().take(limit.as_usize()) {
            match row {
                Ok(credential) => {
                    after = Some(credential.id);
                    found.push(credential);
                }
                Err(corrupt) => {
                    report(&corrupt);
                    after = corrupt.id.parse().ok().or(after);
                    lost.insert(corrupt.id);
                }
            }
        }
        // A whole page of rows without even a name leaves nowhere to go on.
        if !more || after == before {
            return Ok((found, lost));
        }
    }
}
