//! Organizations and projects.

use super::{Error, Service, Thing};
use crate::{
    domain::{
        id::ScopeId,
        page::{Page, PageRequest},
        permission::{Action, Caller, Permit},
        scope::{ProjectPath, Scope, ScopeName, ScopeRecord},
    },
    store::{Rows, Tx},
};

/// Whether something had to be made.
#[derive(Debug)]
pub enum Put<T> {
    /// It is new.
    Created(T),
    /// It was there already.
    Found(T),
}

impl Service {
    /// Makes an organization, or finds it if it is there.
    ///
    /// # Errors
    /// The caller may not, or the store failed.
    pub async fn organization_put(&self, caller: &Caller, name: &ScopeName) -> Result<Put<ScopeRecord>, Error> {
        // Asked in the deployment's name: whoever may create one may also learn whether it exists.
        let permit = self.permit(caller, Action::OrganizationCreate, &Scope::Deployment).await?;
        let tx = self.begin(&permit).await?;
        self.scope_put(tx, &permit, Scope::Organization(name.clone()), None).await
    }

    /// Makes a project with a data key of its own, or finds it if it is there.
    ///
    /// # Errors
    /// The caller may not, there is no such organization, or the store failed.
    pub async fn project_put(&self, caller: &Caller, path: &ProjectPath) -> Result<Put<ScopeRecord>, Error> {
        let organization = Scope::Organization(path.organization.clone());
        let permit = self.permit_project_change(caller, Action::ProjectCreate, path).await?;
        let mut tx = self.begin(&permit).await?;
        let parent = tx.scope_find(&organization).await?.filter(|parent| permit.covers(parent));
        let parent = parent.ok_or(Error::NotFound(Thing::Organization))?;
        self.scope_put(tx, &permit, Scope::Project(path.clone()), Some(parent.id)).await
    }

    /// Projects come and go by leave of their organization. Whoever reaches the project only is told that he may not;
    /// whoever does not reach it is told nothing.
    async fn permit_project_change(
        &self,
        caller: &Caller,
        action: Action,
        path: &ProjectPath,
    ) -> Result<Permit, Error> {
        let project = Scope::Project(path.clone());
        let permit = self.permit(caller, action, &project).await?;
        if caller.scope != project {
            return Ok(permit);
        }
        Err(self.deny(caller, action, &project, "role", Error::Forbidden(action)).await)
    }

    async fn scope_put(
        &self,
        mut tx: Box<dyn Tx>,
        permit: &Permit,
        scope: Scope,
        parent_id: Option<ScopeId>,
    ) -> Result<Put<ScopeRecord>, Error> {
        let id = ScopeId::new(&*self.clock, &*self.random);
        let record = ScopeRecord { scope, id, parent_id, created_at: self.clock.now() };
        if !tx.scope_insert(&record).await? {
            return tx.scope_find(&record.scope).await?.map(Put::Found).ok_or(Error::TryAgain);
        }
        let sources = (&*self.clock, &*self.random);
        Self::data_key_create(&mut *tx, &self.keyring, sources, self.deployment, Some(&record)).await?;
        tx.commit(self.event(permit, Some(&record), vec![id.as_uuid()])).await?;
        Ok(Put::Created(record))
    }

    /// An organization or a project.
    ///
    /// # Errors
    /// There is none, the caller may not see it, or the store failed.
    pub async fn scope_get(&self, caller: &Caller, scope: &Scope) -> Result<ScopeRecord, Error> {
        let action = match scope {
            Scope::Deployment | Scope::Organization(_) => Action::OrganizationGet,
            Scope::Project(_) => Action::ProjectGet,
        };
        let permit = self.permit(caller, action, scope).await?;
        self.place(&mut *self.store.read().await?, &permit).await
    }

    /// The organizations that the caller's token reaches, by name.
    ///
    /// # Errors
    /// The caller may not, or the store failed.
    pub async fn organization_list(&self, caller: &Caller, page: &PageRequest) -> Result<Page<ScopeRecord>, Error> {
        let permit = self.permit(caller, Action::OrganizationList, &caller.scope).await?;
        let after = super::after::<ScopeName>(page)?;
        let mut queries = self.store.read().await?;
        match permit.scope() {
            Scope::Deployment => Ok(name_page(queries.organization_list(after.as_ref(), page.limit).await?, page)),
            Scope::Organization(name) => {
                let record = self.place(&mut *queries, &permit).await?;
                let items = if after.is_none_or(|after| *name > after) { vec![record] } else { Vec::new() };
                Ok(Page { items, next: None, unreadable: 0 })
            }
            Scope::Project(_) => Ok(Page { items: Vec::new(), next: None, unreadable: 0 }),
        }
    }

    /// An organization's projects, by name.
    ///
    /// # Errors
    /// There is no such organization, the caller may not, or the store failed.
    pub async fn project_list(
        &self,
        caller: &Caller,
        organization: &ScopeName,
        page: &PageRequest,
    ) -> Result<Page<ScopeRecord>, Error> {
        let permit = self.permit(caller, Action::ProjectList, &Scope::Organization(organization.clone())).await?;
        let after = super::after::<ScopeName>(page)?;
        let mut queries = self.store.read().await?;
        let place = self.place(&mut *queries, &permit).await?;
        Ok(name_page(queries.project_list(place.id, after.as_ref(), page.limit).await?, page))
    }

    /// Deletes an organization that has no projects, with its credentials, tokens and data key.
    ///
    /// # Errors
    /// There is none, it still has projects, the caller may not, or the store failed.
    pub async fn organization_delete(&self, caller: &Caller, name: &ScopeName) -> Result<(), Error> {
        let scope = Scope::Organization(name.clone());
        let permit = self.permit(caller, Action::OrganizationDelete, &scope).await?;
        let mut tx = self.begin(&permit).await?;
        let place = self.place(&mut *tx, &permit).await?;
        if !tx.project_list(place.id, None, crate::domain::page::Limit::default()).await?.is_empty() {
            return Err(Error::OrganizationNotEmpty);
        }
        self.scope_delete(tx, &permit, &place).await
    }

    /// Deletes a project with its credentials, tokens and data key: what was sealed in it cannot be opened again.
    ///
    /// # Errors
    /// There is none, the caller may not, or the store failed.
    pub async fn project_delete(&self, caller: &Caller, path: &ProjectPath) -> Result<(), Error> {
        let permit = self.permit_project_change(caller, Action::ProjectDelete, path).await?;
        let mut tx = self.begin(&permit).await?;
        let place = self.place(&mut *tx, &permit).await?;
        self.scope_delete(tx, &permit, &place).await
    }

    async fn scope_delete(&self, mut tx: Box<dyn Tx>, permit: &Permit, place: &ScopeRecord) -> Result<(), Error> {
        tx.scope_delete(place.id).await?;
        tx.commit(self.event(permit, Some(place), vec![place.id.as_uuid()])).await?;
        Ok(())
    }
}

fn name_page(rows: Rows<ScopeRecord>, page: &PageRequest) -> Page<ScopeRecord> {
    let name = |record: &ScopeRecord| record.name().map(ToString::to_string).unwrap_or_default();
    super::page(rows, page, name, |_| None)
}
