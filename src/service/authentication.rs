//! Who is it? A token's text becomes a [`Caller`], anew in every request, so that a revoked token is refused at once.

use super::{Error, Service, Unauthenticated};
use crate::{
    domain::{
        permission::{Action, Caller, RequestContext, Role},
        token::TokenText,
    },
    store::Premise,
};
use zeroize::Zeroizing;

impl Service {
    /// Finds out who presents this text. A typing mistake costs no lookup.
    ///
    /// # Errors
    /// The text is not a token that is good now, or the store failed.
    pub async fn authenticate(
        &self,
        text: Option<&Zeroizing<String>>,
        request: RequestContext,
    ) -> Result<Caller, Error> {
        let caller = self.find(text, request).await;
        if let Err(Error::Unauthenticated(_)) = &caller {
            metrics::counter!("regcred_denials_total", "reason" => "unauthenticated").increment(1);
        }
        caller
    }

    async fn find(&self, text: Option<&Zeroizing<String>>, request: RequestContext) -> Result<Caller, Error> {
        let text = text.ok_or(Error::Unauthenticated(Unauthenticated::Missing))?;
        let token = TokenText::parse(text).map_err(|_| Error::Unauthenticated(Unauthenticated::Malformed))?;
        let mac = self.token_key.mac(&token);
        let found = self.store.read().await?.token_find(&mac).await?;
        // The database has compared the codes already, but not in constant time and not by our rules.
        let found = found.filter(|found| found.mac == mac).ok_or(Error::Unauthenticated(Unauthenticated::Unknown))?;
        if found.expired {
            return Err(Error::Unauthenticated(Unauthenticated::Expired));
        }
        let token = found.token;
        let caller = Caller {
            request,
            token_id: token.id,
            token_name: token.name,
            expires_at: token.expires_at,
            role: token.role,
            scope: token.scope,
            scope_id: found.scope_id,
        };
        // Only those who pull secrets are recalled.
        if let Some(stamp) = found.stamp.filter(|_| caller.role == Role::Deployer) {
            let premise = Premise { subject: caller.token_id.as_uuid(), stamp, until: Some(caller.expires_at) };
            self.memory.keep_caller(mac, caller.clone(), premise);
        }
        Ok(caller)
    }

    /// Tells a caller who he is.
    ///
    /// # Errors
    /// None that the policy knows today: everybody may ask.
    pub async fn whoami(&self, caller: &Caller) -> Result<Caller, Error> {
        let permit = self.permit(caller, Action::Whoami, &caller.scope).await?;
        Ok(permit.caller().clone())
    }
}
