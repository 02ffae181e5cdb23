//! API tokens: making, listing and revoking them.

use super::{Error, Service, Thing};
use crate::domain::{
    id::TokenId,
    page::{Page, PageRequest},
    permission::{Action, Caller, Role},
    scope::Scope,
    token::{NewToken, Token, TokenText},
};

impl Service {
    /// Makes a token of that scope. Its text is in the answer and nowhere else.
    ///
    /// # Errors
    /// There is no such scope, the caller may not make tokens there or not of that role, or the store failed.
    pub async fn token_create(
        &self,
        caller: &Caller,
        scope: &Scope,
        new: NewToken,
    ) -> Result<(Token, TokenText), Error> {
        let permit = self.permit(caller, Action::TokenCreate, scope).await?;
        let operator_elsewhere = new.role == Role::Operator && *scope != Scope::Deployment;
        if operator_elsewhere || !caller.role.may_appoint(new.role) {
            return Err(self.deny(caller, Action::TokenCreate, scope, "role", Error::RoleNotAppointable).await);
        }
        let text = TokenText::generate(&*self.random);
        let now = self.clock.now();
        let token = Token {
            id: TokenId::new(&*self.clock, &*self.random),
            name: new.name,
            role: new.role,
            scope: scope.clone(),
            expires_at: new.lifetime.from_now(now),
            created_at: now,
        };
        let mut tx = self.begin(&permit).await?;
        let place = self.place_or_deployment(&mut *tx, &permit).await?;
        let mac = self.token_key.mac(&text);
        tx.token_insert(&token, place.as_ref().map(|place| place.id), &mac).await?;
        tx.commit(self.event(&permit, place.as_ref(), vec![token.id.as_uuid()])).await?;
        Ok((token, text))
    }

    /// The tokens that belong to exactly that scope, oldest first.
    ///
    /// # Errors
    /// There is no such scope, the caller may not, or the store failed.
    pub async fn token_list(&self, caller: &Caller, scope: &Scope, page: &PageRequest) -> Result<Page<Token>, Error> {
        let permit = self.permit(caller, Action::TokenList, scope).await?;
        let after = super::after(page)?;
        let mut queries = self.store.read().await?;
        let place = self.place_or_deployment(&mut *queries, &permit).await?;
        let rows = queries.token_list(place.map(|place| place.id), after, page.limit).await?;
        Ok(super::page(rows, page, |token| token.id, |lost| lost.id.parse().ok()))
    }

    /// One token, without its text.
    ///
    /// # Errors
    /// There is none in exactly that scope, the caller may not, or the store failed.
    pub async fn token_get(&self, caller: &Caller, scope: &Scope, id: TokenId) -> Result<Token, Error> {
        let permit = self.permit(caller, Action::TokenGet, scope).await?;
        let mut queries = self.store.read().await?;
        let place = self.place_or_deployment(&mut *queries, &permit).await?;
        let token = queries.token_get(place.map(|place| place.id), id).await?;
        token.ok_or(Error::NotFound(Thing::Token))
    }

    /// Revokes a token: from the moment this returns it is refused everywhere.
    ///
    /// # Errors
    /// There is none in exactly that scope, the caller may not or could not have made one of its role, or the store failed.
    pub async fn token_revoke(&self, caller: &Caller, scope: &Scope, id: TokenId) -> Result<(), Error> {
        let permit = self.permit(caller, Action::TokenRevoke, scope).await?;
        let mut tx = self.begin(&permit).await?;
        let place = self.place_or_deployment(&mut *tx, &permit).await?;
        let scope_id = place.as_ref().map(|place| place.id);
        let token = tx.token_get(scope_id, id).await?.ok_or(Error::NotFound(Thing::Token))?;
        if !caller.role.may_appoint(token.role) {
            drop(tx);
            return Err(self.deny(caller, Action::TokenRevoke, scope, "role", Error::RoleNotAppointable).await);
        }
        if !tx.token_delete(scope_id, id).await? {
            return Err(Error::NotFound(Thing::Token));
        }
        tx.commit(self.event(&permit, place.as_ref(), vec![id.as_uuid()])).await?;
        Ok(())
    }
}
