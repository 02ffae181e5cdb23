//! Questions that are gathered while the last ones are being answered, and then answered together.
//!
//! One task answers. While it is at it, more questions come; when it is done, it takes all that have come. So the more there is to
//! do, the more is done at once, and there is no timer to tune.

use futures_util::{FutureExt as _, future::join};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

/// How many may wait.
const LENGTH: usize = 4096;
/// How many are answered at once, at most.
const BATCH: usize = 512;
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// The way in.
pub(super) struct Queue<Q, A>(mpsc::Sender<Asked<Q, A>>);

/// A question, and where its answer goes.
struct Asked<Q, A> {
    question: Q,
    answer: oneshot::Sender<A>,
    /// Whether the question is being answered, or will not be: who is first to set it decides.
    settled: Arc<AtomicBool>,
}

/// Where the answers to some questions go, in their order.
pub(super) type Waiting<A> = Vec<oneshot::Sender<A>>;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// Nothing was done: too many wait, or nobody answers, or it was not begun within two seconds (where that is spared).
    Refused,
    /// Nothing was found out, or not within two seconds. Something may have been done.
    Lost,
}

/// The other end.
pub(super) struct Gathered<Q, A> {
    receiver: mpsc::Receiver<Asked<Q, A>>,
    batch: Vec<Asked<Q, A>>,
    /// How many are answered at once, at most.
    most: usize,
    /// Whether questions are left out whose askers have given up waiting.
    sparing: bool,
}

impl<Q, A> Queue<Q, A> {
    /// Both ends.
    pub(super) fn new() -> (Self, Gathered<Q, A>) {
        let (sender, receiver) = mpsc::channel(LENGTH);
        (Self(sender), Gathered { receiver, batch: Vec::new(), most: BATCH, sparing: false })
    }

    /// Asks, and waits for the answer.
    pub(super) async fn ask(&self, question: Q) -> Result<A, Unanswered> {
        let (answer, answered) = oneshot::channel();
        let settled = Arc::new(AtomicBool::new(false));
        let asked = Asked { question, answer, settled: Arc::clone(&settled) };
        self.0.try_send(asked).map_err(|_| Unanswered::Refused)?;
        let answer = timeout(PATIENCE, answered).await.ok().and_then(Result::ok);
        let not_begun = answer.is_none() && !settled.swap(true, Ordering::AcqRel);
        answer.ok_or(if not_begun { Unanswered::Refused } else { Unanswered::Lost })
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
    /// With so many at once, at most, and nothing done for who has given up waiting.
    pub(super) fn sparing(self, most: usize) -> Self {
        Self { most, sparing: true, ..self }
    }

    /// Has all questions answered, until nobody is left who could ask. Where `work` has no answers, those who wait learn that.
    pub(super) async fn serve(self, work: impl AsyncFnMut(Vec<Q>) -> Option<Vec<A>>) {
        self.serve_then(work, tell).await;
    }

    /// Has all questions worked at, and what came of it given `then` to those who asked, until nobody is left who could ask.
    ///
    /// They are told when the next questions are under way: those who wake up want the processors, too, and would keep the next
    /// answers waiting. So would whatever else is done only then.
    pub(super) async fn serve_then<W>(
        mut self,
        mut work: impl AsyncFnMut(Vec<Q>) -> W,
        mut then: impl FnMut(Waiting<A>, W),
    ) {
        while let Some((questions, mut waiting)) = self.next().await {
            let mut done = work(questions).await;
            while let Some((questions, others)) = self.next().now_or_never().flatten() {
                let (next, ()) = join(work(questions), async { then(waiting, done) }).await;
                (waiting, done) = (others, next);
            }
            then(waiting, done);
        }
    }

    /// All that has come, and where the answers go; nothing when everybody who could ask is gone.
    async fn next(&mut self) -> Option<(Vec<Q>, Waiting<A>)> {
        while self.receiver.recv_many(&mut self.batch, self.most).await > 0 {
            let sparing = self.sparing;
            let given_up = |asked: &Asked<Q, A>| asked.settled.swap(true, Ordering::AcqRel) || asked.answer.is_closed();
            self.batch.retain(|asked| !(given_up(asked) && sparing));
            if !self.batch.is_empty() {
                return Some(self.batch.drain(..).map(|asked| (asked.question, asked.answer)).unzip());
            }
        }
        None
    }
}

/// Gives the answers. Who is gone has given up waiting.
pub(super) fn tell<A>(waiting: Waiting<A>, answers: Option<Vec<A>>) {
    for (waiting, answer) in waiting.into_iter().zip(answers.into_iter().flatten()) {
        let _ = waiting.send(answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
            assert_eq!(first.await.unwrap(), Ok(10), "before the next is done");
            assert_eq!(begun.recv().await, Some(vec![2, 3]));
            gate.add_permits(1);
            for (other, answer) in others.into_iter().zip([20, 30]) {
                assert_eq!(other.await.unwrap(), Ok(answer));
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
            assert_eq!(queue.ask(1).await, Err(Unanswered::Lost));
            assert!(begun.elapsed() < PATIENCE, "nothing is waited for");
            assert_eq!(queue.ask(2).await, Ok(2));
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
            assert_eq!(queue.ask(4).await, Ok(4));
            assert_eq!(queue.ask(8).now_or_never(), None);
        };
        join!(asking, gathered.sparing(BATCH).serve(work));
    }

    #[tokio::test]
    async fn who_waits_too_long_learns_whether_anything_may_have_been_done() {
        let (queue, gathered) = Queue::<u32, u32>::new();
        let work = async |questions: Vec<u32>| {
            tokio::time::sleep(PATIENCE + PATIENCE / 2).await;
            Some(questions)
        };
        let asking = async {
            let queue = queue;
            let both = join!(queue.ask(1), async {
                yield_now().await;
                queue.ask(2).await
            });
            assert_eq!(both, (Err(Unanswered::Lost), Err(Unanswered::Refused)), "one was begun");
        };
        join!(gathered.sparing(1).serve(work), asking);
    }
}
