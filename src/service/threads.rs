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

/// The same for one who answers many at once, on a connection that nobody else uses. He hears of it himself, and not from the thread that
/// listens for all; and he takes the processor from nobody, since those whom he would stop are about to ask him, too. What he spawns
/// ends with him.
pub(super) fn apart<F: Future<Output = ()>>(task: impl FnOnce() -> F + Send + 'static) -> JoinHandle<()> {
    let shared = Handle::current();
    spawn_blocking(move || {
        give_way();
        match Builder::new_current_thread().enable_all().build() {
            Ok(own) => own.block_on(task()),
            // There are no more file descriptors. It goes the slower way then.
            Err(_) => shared.block_on(task()),
        }
    })
}

/// From here on this thread does not preempt others when it is woken (`SCHED_BATCH`, sched(7)). Where that is not allowed, batches
/// are smaller and nothing else is different.
#[cfg(target_os = "linux")]
fn give_way() {
    use thread_priority::{
        NormalThreadSchedulePolicy::Batch, ThreadPriority::Os, ThreadPriorityOsValue, ThreadSchedulePolicy::Normal,
        set_thread_priority_and_policy, thread_native_id,
    };
    let niceness = Os(ThreadPriorityOsValue::default());
    let _ = set_thread_priority_and_policy(thread_native_id(), niceness, Normal(Batch));
}

#[cfg(not(target_os = "linux"))]
fn give_way() {}
