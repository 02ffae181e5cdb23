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

/// The same for one whose connection nobody else uses: he hears of it himself, and not from the thread that listens for all. What he spawns
/// ends with him.
pub(super) fn apart<F: Future<Output = ()>>(task: impl FnOnce() -> F + Send + 'static) -> JoinHandle<()> {
    let shared = Handle::current();
    spawn_blocking(move || match Builder::new_current_thread().enable_all().build() {
        Ok(own) => own.block_on(task()),
        // There are no more file descriptors. It goes the slower way then.
        Err(_) => shared.block_on(task()),
    })
}

/// From here on this thread does not preempt others when it is woken (`SCHED_BATCH`, sched(7)). For one who answers many at once, and
/// briefly: those whom he would stop are about to ask him, too. Where it is not allowed, batches are smaller and nothing else is
/// different.
#[cfg(target_os = "linux")]
pub(super) fn give_way() {
    use thread_priority::{
        NormalThreadSchedulePolicy::Batch, ThreadPriority::Os, ThreadPriorityOsValue, ThreadSchedulePolicy::Normal,
        set_thread_priority_and_policy, thread_native_id,
    };
    let niceness = Os(ThreadPriorityOsValue::default());
    let _ = set_thread_priority_and_policy(thread_native_id(), niceness, Normal(Batch));
}

#[cfg(not(target_os = "linux"))]
pub(super) fn give_way() {}
