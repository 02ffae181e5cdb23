//! What the workers of a listener share.

use crate::{
    domain::source::{Clock, Random},
    service::Service,
};
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::{Arc, atomic::AtomicBool};

/// Which of the two listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// No secret can be asked for here.
    Public,
    /// Where secrets leave.
    Internal,
}

impl Listener {
    /// Its name in logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
        }
    }
}

/// What every worker of a listener needs.
#[derive(Clone)]
pub struct Shared {
    /// Which listener it is.
    pub listener: Listener,
    /// The use cases.
    pub service: Arc<Service>,
    /// Where database work runs, safe from callers who hang up.
    pub runtime: tokio::runtime::Handle,
    /// Whether the process is on its way out.
    pub draining: Arc<AtomicBool>,
    /// What has been counted.
    pub metrics: PrometheusHandle,
    /// For request identifiers.
    pub clock: Arc<dyn Clock>,
    /// For request identifiers.
    pub random: Arc<dyn Random>,
}
