//! Questions that are gathered while the last ones are being answered, and then answered together.
//!
//! One task answers. While it is at it, more questions come; when it is done, it takes all that have come. So the more there is to
//! do, the more is done at once, and there is no timer to tune.

use futures_util::{FutureExt as _, future::join};
use std::time::Duration;
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};

/// How many may wait.
const LENGTH: usize = 4096;
/// How many are answered at once.
const BATCH: usize = 512;
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// The way in.
pub(super) struct Queue<Q, A>(mpsc::Sender<Asked<Q, A>>);

/// A question, and where its answer goes.
struct Asked<Q, A> {
    question: Q,
    answer: oneshot::Sender<A>,
}

/// The other end.
pub(super) struct Gathered<Q, A> {
    receiver: mpsc::Receiver<Asked<Q, A>>,
    batch: Vec<Asked<Q, A>>,
}

impl<Q, A> Queue<Q, A> {
    /// Both ends.
    pub(super) fn new() -> (Self, Gathered<Q, A>) {
        let (sender, receiver) = mpsc::channel(LENGTH);
        (Self(sender), Gathered { receiver, batch: Vec::new() })
    }

    /// Asks, and waits for the answer. None if the queue is full, nothing could be found out, or it took longer than two seconds.
    pub(super) async fn ask(&self, question: Q) -> Option<A> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send(Asked { question, answer }).ok()?;
        timeout(PATIENCE, answered).await.ok()?.ok()
    }

    /// Whether there is somebody who answers. He goes only with the process, or by a defect.
    pub(super) fn is_open(&self) -> bool {
        !self.0.is_closed()
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.0.max_capacity() - self.0.capacity()
    }
}

impl<Q, A> Gathered<Q, A> {
    /// Has all questions answered, until nobody is left who could ask. Where `work` has no answers, those who wait learn that.
    ///
    /// They are told when the next questions are under way: those who wake up want the processors, too, and would keep the next
    /// answers waiting.
    pub(super) async fn serve(mut self, mut work: impl AsyncFnMut(Vec<Q>) -> Option<Vec<A>>) {
        while let Some((questions, waiting)) = self.next().await {
            let mut told = (waiting, work(questions).await);
            while let Some((questions, waiting)) = self.next().now_or_never().flatten() {
                let (answers, ()) = join(work(questions), async { tell(told) }).await;
                told = (waiting, answers);
            }
            tell(told);
        }
    }

    /// All that has come of those who still wait, and where the answers go; nothing when everybody who could ask is gone.
    async fn next(&mut self) -> Option<(Vec<Q>, Vec<oneshot::Sender<A>>)> {
        while self.receiver.recv_many(&mut self.batch, BATCH).await > 0 {
            self.batch.retain(|asked| !asked.answer.is_closed());
            if !self.batch.is_empty() {
                return Some(self.batch.drain(..).map(|asked| (asked.question, asked.answer)).unzip());
            }
        }
        None
    }
}

/// Gives the answers. Who is gone has given up waiting.
fn tell<A>((waiting, answers): (Vec<oneshot::Sender<A>>, Option<Vec<A>>)) {
    for (waiting, answer) in waiting.into_iter().zip(answers.into_iter().flatten()) {
        let _ = waiting.send(answer);
    }
}

/// Runs a task in a thread of its own. Who waits for a database all the time is woken there at half the cost.
pub(super) fn in_a_thread<F: Future<Output = ()>>(task: impl FnOnce() -> F + Send + 'static) -> JoinHandle<()> {
    let runtime = Handle::current();
    spawn_blocking(move || runtime.block_on(task()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::{join, sync::Semaphore, task::yield_now};

    #[tokio::test]
    async fn who_waits_is_told_his_own_answer_while_the_next_questions_are_under_way() {
        let (queue, gathered) = Queue::<u32, u32>::new();
        let (queue, gate) = (Arc::new(queue), Semaphore::new(0));
        let (batches, mut begun) = mpsc::unbounded_channel();
        let work = async |questions: Vec<u32>| {
            batches.send(questions.clone()).expect("somebody looks");
            gate.acquire().await.expect("it stays open").forget();
            Some(questions.into_iter().map(|question| question * 10).collect())
        };
        let asking = async {
            let queue = queue;
            let ask = |question| {
                let queue = Arc::clone(&queue);
                tokio::spawn(async move { queue.ask(question).await })
            };
            let first = ask(1);
            assert_eq!(begun.recv().await, Some(vec![1]));
            let others = [ask(2), ask(3)];
            yield_now().await;
            gate.add_permits(1);
            assert_eq!(first.await.unwrap(), Some(10), "before the next is done");
            assert_eq!(begun.recv().await, Some(vec![2, 3]));
            gate.add_permits(1);
            for (other, answer) in others.into_iter().zip([20, 30]) {
                assert_eq!(other.await.unwrap(), Some(answer));
            }
        };
        join!(gathered.serve(work), asking);
    }

    #[tokio::test]
    async fn who_gets_no_answer_learns_it_at_once_and_others_are_answered() {
        let (queue, gathered) = Queue::<u32, u32>::new();
        let work = async |questions: Vec<u32>| (questions != [1]).then_some(questions);
        let asking = async {
            let queue = queue;
            let begun = std::time::Instant::now();
            assert_eq!(queue.ask(1).await, None);
            assert!(begun.elapsed() < PATIENCE, "nothing is waited for");
            assert_eq!(queue.ask(2).await, Some(2));
        };
        join!(gathered.serve(work), asking);
    }

    #[tokio::test]
    async fn nothing_is_done_for_who_has_given_up() {
        let (queue, gathered) = Queue::<u32, u32>::new();
        let work = async |questions: Vec<u32>| Some(questions.iter().map(|_| questions.iter().sum()).collect());
        let asking = async {
            let queue = queue;
            let (gone, gone_too) = (queue.ask(1).now_or_never(), queue.ask(2).now_or_never());
            assert_eq!((gone, gone_too), (None, None), "nobody has answered yet");
            assert_eq!(queue.ask(4).await, Some(4));
            assert_eq!(queue.ask(8).now_or_never(), None);
        };
        join!(asking, gathered.serve(work));
    }
}
