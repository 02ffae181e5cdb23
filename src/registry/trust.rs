//! Whom a registry's certificate must be from.

use crate::domain::check::CaCertificates;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use std::sync::Arc;

/// The authorities that are trusted for every registry.
pub(super) struct Trust {
    roots: RootCertStore,
    /// For all logins without a CA certificate of their own.
    config: Arc<ClientConfig>,
}

impl Trust {
    /// The authorities that this system trusts; where it has none, as in many containers, those that browsers do.
    pub(super) fn of_the_system() -> Self {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        Self { config: Arc::new(config(roots.clone())), roots }
    }

    /// How to speak TLS to a registry whose owner gave these certificates of its authority, as well as the system's. Those
    /// that cannot be read are left out: the registry's own will then not be trusted.
    pub(super) fn with(&self, own: Option<&CaCertificates>) -> Arc<ClientConfig> {
        let Some(own) = own else { return Arc::clone(&self.config) };
        let mut roots = self.roots.clone();
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(own.as_str().as_bytes()).flatten());
        Arc::new(config(roots))
    }
}

fn config(roots: RootCertStore) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder =
        builder.with_safe_default_protocol_versions().expect("the provider speaks the versions that are built in");
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A session of one login is not to be taken up by another.
    config.resumption = rustls::client::Resumption::disabled();
    config
}
