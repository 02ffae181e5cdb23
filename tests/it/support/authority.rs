//! An authority of the tests' own, and the certificates that it gives.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use std::sync::Arc;

/// Who vouches for the tests' servers.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub pem: String,
}

/// A certificate and its key.
pub struct Identity {
    pub certificate: rcgen::Certificate,
    pub key: KeyPair,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("it has no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key is made");
        let pem = params.self_signed(&key).expect("it is signed").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate that is good for this name or address.
    pub fn identity(&self, name: &str) -> Identity {
        self.signed(&CertificateParams::new([name.to_owned()]).expect("a test names hosts well"))
    }

    /// One whose time is over.
    pub fn expired(&self, name: &str) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a test names hosts well");
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        self.signed(&params)
    }

    fn signed(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("a key is made");
        Identity { certificate: params.signed_by(&key, &self.issuer).expect("it is signed"), key }
    }
}

impl Identity {
    /// How a server shows it.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().expect("the versions are known");
        let config = builder.with_no_client_auth().with_single_cert(vec![self.certificate.der().clone()], key);
        Arc::new(config.expect("key and certificate belong together"))
    }
}
