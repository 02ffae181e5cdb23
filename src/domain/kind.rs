//! Stub.
use super::server::RegistryServer;
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistryKind {
    Generic,
}
impl RegistryKind {
    pub fn agree(stated: Option<Self>, _server: &RegistryServer) -> Option<Self> {
        stated.or(Some(Self::Generic))
    }
}
