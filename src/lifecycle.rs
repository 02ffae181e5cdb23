//! The life of the service's process. Being built.

use crate::config::server::ServerSettings;
use std::{net::SocketAddr, path::PathBuf};

/// What is known once both listeners accept connections.
#[derive(Debug)]
pub struct Ready {
    /// Where the public listener is.
    pub public: SocketAddr,
    /// Where the internal listener is.
    pub internal: SocketAddr,
    /// Where the service keeps its files.
    pub data_dir: PathBuf,
    /// The file with the first operator's token, if it was made by this start.
    pub new_operator_token: Option<PathBuf>,
    /// The key file, if it was made by this start.
    pub new_keyring: Option<PathBuf>,
}

/// Why the service does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It is not there yet.
    #[error("this build has no server yet")]
    Missing,
}

impl ServeError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        None
    }
}

/// Runs the service until it is told to stop.
#[expect(clippy::unused_async, reason = "the service will await")]
pub async fn serve(settings: ServerSettings, on_ready: impl FnOnce(&Ready) + Send + 'static) -> Result<(), ServeError> {
    on_ready(&Ready {
        public: settings.public_listen,
        internal: settings.internal_listen,
        data_dir: settings.data_dir,
        new_operator_token: None,
        new_keyring: None,
    });
    Err(ServeError::Missing)
}
