//! The program: what was typed goes to [`regcred::cli`], and its exit code to the shell.

use anyhow::Context as _;
use regcred::cli::{self, Cli};
use std::process::ExitCode;

/// A hand-out's event is made in one thread, written by a second, and dropped in a third. The system's allocator pays for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::read();
    // It fails only if there is a provider already, and nothing ran before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads()).enable_all().build();
    let runtime = runtime.context("cannot start threads")?;
    let exit = runtime.block_on(cli::run(cli));
    // What is left was given up: all that is waited for has ended by now.
    runtime.shutdown_background();
    Ok(exit.into())
}

/// Half of the processors, for what goes on beside the requests, which have threads of their own. More would only take turns with
/// those.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| processors.get().div_ceil(2))
}
