//! What is known of registries by their kinds. The same for everybody, and no secret.

use super::{Error, Service};
use crate::domain::{
    kind::RegistryKind,
    permission::{Action, Caller},
};

impl Service {
    /// The kinds of registries.
    ///
    /// # Errors
    /// None that the policy knows today: everybody with a token may ask.
    pub async fn registry_kind_list(&self, caller: &Caller) -> Result<&'static [RegistryKind], Error> {
        self.permit(caller, Action::RegistryKindList, &caller.scope).await?;
        Ok(&RegistryKind::ALL)
    }
}
