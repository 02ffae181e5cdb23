//! Logs and metrics: set up once, before anything else happens.
//!
//! Logs go to standard error, as text for people or JSON for machines. What may be in them is decided where they are written:
//! identifiers, names of rows, outcomes; never a secret, a body, a query string or a database's own words about values.

use crate::config::server::LogFormat;
use metrics::{describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use std::{io::IsTerminal as _, time::Duration};
use tokio::time::sleep;
use tracing_subscriber::{EnvFilter, filter::ParseError, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// Why telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("the log filter is not valid; it is written like info or regcred=debug,info")]
    Filter(#[from] ParseError),
    /// Another subscriber is installed.
    #[error("logging was set up twice")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
    /// The recorder could not be made.
    #[error("metrics cannot be recorded")]
    Metrics(#[from] BuildError),
}

/// Upper bounds in seconds: from what memory answers to where a deployment gives up.
const BUCKETS: [f64; 14] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// How often times are worked into their histograms: some 50,000 of them take a millisecond, and no request waits longer.
const UPKEEP: Duration = Duration::from_secs(1);

/// Starts logging.
///
/// # Errors
/// The filter is not valid, or logging was started before.
pub fn start_logs(filter: &str, format: LogFormat) -> Result<(), TelemetryError> {
    // The server library tells of its workers at every start, and below `info` repeats what it cannot read of a request's
    // head. Whoever wants to know names it in his filter.
    let filter = EnvFilter::try_new(format!("actix_server=warn,actix_http=info,{filter}"))?;
    let registry = tracing_subscriber::registry().with(filter);
    let layer =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => registry.with(layer.with_target(false)).try_init()?,
        LogFormat::Json => {
            registry.with(layer.json().flatten_event(true).with_current_span(true).with_span_list(false)).try_init()?;
        }
    }
    Ok(())
}

/// Starts counting.
///
/// # Errors
/// Another recorder is installed.
pub fn start_metrics() -> Result<PrometheusHandle, TelemetryError> {
    let builder = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)?;
    let handle = builder.install_recorder()?;
    describe_counter!("regcred_http_requests_total", "Answers by listener, method, route and status.");
    describe_histogram!(
        "regcred_http_request_seconds",
        "Time from a request's head to its answer, by listener, method and route."
    );
    describe_counter!("regcred_hand_outs_total", "Pull secrets handed out, each with a durable audit event.");
    describe_counter!("regcred_passwords_handed_out_total", "Passwords in the pull secrets handed out.");
    describe_counter!(
        "regcred_recalls_total",
        "Pull secrets that were remembered, by what the database said of them: proved, lapsed."
    );
    describe_counter!("regcred_checks_total", "Logins that were tried at their registries, by how far they got.");
    describe_counter!("regcred_denials_total", "Refusals by reason: unauthenticated, out_of_reach, role.");
    describe_counter!(
        "regcred_unreadable_rows_total",
        "Rows that were altered or cut off, each time one was met, by table."
    );
    describe_counter!(
        "regcred_idle_connections_closed_total",
        "Connections shut down because nothing happened on them."
    );
    describe_gauge!("regcred_audit_queue_length", "Audit events that wait to be made durable.");
    describe_histogram!("regcred_audit_commit_seconds", "Time to make a batch of audit events durable.");
    describe_counter!("regcred_audit_failures_total", "Batches of audit events that could not be made durable.");
    describe_gauge!(
        "regcred_master_key_active",
        "1 for the master key that wraps, 0 for each that only unwraps, by id."
    );
    Ok(handle)
}

/// Works recorded times into their histograms, for as long as the process lives. Each one takes memory until that is done, and
/// otherwise it is done only when somebody asks for the metrics.
pub async fn keep_up(metrics: PrometheusHandle) {
    loop {
        sleep(UPKEEP).await;
        metrics.run_upkeep();
    }
}
