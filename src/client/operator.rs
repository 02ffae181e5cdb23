//! What the operator asks of the internal listener.

use super::{Client, ClientError, Listing};
use crate::{
    domain::id::MasterKeyId,
    http::wire::{self, PageOf as _},
};
use reqwest::Method;

impl Client {
    /// How the installation is.
    pub async fn status(&self) -> Result<wire::Status, ClientError> {
        self.internal.send(self.internal_call(Method::GET, "/internal/v1/status")?).await?.json()
    }

    /// All master keys.
    pub async fn key_list(&self) -> Result<Listing<wire::MasterKey>, ClientError> {
        let call = self.internal_call(Method::GET, "/internal/v1/keys")?;
        let (items, _, unreadable) = self.internal.send(call).await?.json::<wire::MasterKeyPage>()?.into_parts();
        Ok(Listing { items, unreadable })
    }

    /// Makes a standby master key.
    pub async fn key_add(&self) -> Result<wire::MasterKey, ClientError> {
        self.internal.send(self.internal_call(Method::POST, "/internal/v1/keys")?).await?.json()
    }

    /// Wraps with this master key from now on.
    pub async fn key_activate(&self, id: MasterKeyId) -> Result<(), ClientError> {
        let call = self.internal_call(Method::POST, &format!("/internal/v1/keys/{id}/activate"))?;
        self.internal.send(call).await.map(drop)
    }

    /// Wraps all data keys anew under the active master key.
    pub async fn key_rewrap(&self) -> Result<wire::Rewrapped, ClientError> {
        self.internal.send(self.internal_call(Method::POST, "/internal/v1/keys/rewrap")?).await?.json()
    }

    /// Gives a master key up for ever.
    pub async fn key_retire(&self, id: MasterKeyId) -> Result<(), ClientError> {
        let call = self.internal_call(Method::DELETE, &format!("/internal/v1/keys/{id}"))?;
        self.internal.send(call).await.map(drop)
    }
}
