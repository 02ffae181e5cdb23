//! The program: what was typed goes to [`regcred::cli`], and its exit code to the shell.

use anyhow::Context as _;
use regcred::cli::{self, Cli};
use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::read();
    // It fails only if there is a provider already, and nothing ran before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    Ok(runtime.context("cannot start threads")?.block_on(cli::run(cli)).into())
}
