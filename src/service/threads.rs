//! Threads of their own for those who wait for a database all the time.

use tokio::{
    runtime::{Builder, Handle},
    task::{JoinHandle, spawn_blocking},
};

/// Runs a task in a thread of its own. Who waits for a database all the time is woken there at half the cost.
pub(super) fn in_a_thread<F: Future<Output = ()>>(task: impl FnOnce() -> F + Send + 'static) -> JoinHandle<()> {
    let runtime = Handle::current();
    spawn_blocking(move || runtime.block_on(task()))
}

/// The same for one whose connection nobody else uses: he hears of it himself, and not from the thread that listens for all. It must be
/// made and used within, and none of a pool's: its socket, and whatever is spawned, ends with the task.
pub(super) fn apart<F: Future<Output = ()>>(task: impl FnOnce() -> F + Send + 'static) -> JoinHandle<()> {
    let shared = Handle::current();
    spawn_blocking(move || match Builder::new_current_thread().enable_all().build() {
        Ok(own) => {
            own.block_on(task());
            // A name that is being looked up for a connection that nobody wants any more is not waited for.
            own.shutdown_background();
        }
        Err(error) => {
            tracing::warn!(%error, "a thread hears of its database by the slower way");
            shared.block_on(task());
        }
    })
}

/// From here on this thread, and those that it starts, do not preempt others when they are woken (`SCHED_BATCH`, sched(7)). For one who
/// answers many at once, and briefly: those whom he would stop are about to ask him, too. Where it is not allowed, batches are smaller
/// and nothing else is different. Where somebody has given the process a niceness, it is left alone: the call would take that away.
#[cfg(target_os = "linux")]
pub(super) fn give_way() {
    use thread_priority::{
        NormalThreadSchedulePolicy::Batch, ThreadPriority::Os, ThreadPriorityOsValue, ThreadSchedulePolicy::Normal,
        set_thread_priority_and_policy, thread_native_id,
    };
    if rustix::process::getpriority_process(None) != Ok(0) {
        return;
    }
    let none = Os(ThreadPriorityOsValue::default());
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), none, Normal(Batch)) {
        tracing::debug!(?error, "the prover takes the processor from those who ask him");
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn give_way() {}
