//! Callers hang up in the middle of what they asked for.

use super::*;
use crate::support::traffic::{Lane, Outcome};

/// How many hang up before somebody looks what has become of it.
const BATCH: usize = 250;
const CALLERS: usize = 8;
/// Longer than most answers take.
const LONGEST_MILLISECONDS: usize = 25;

/// What callers saw of their calls.
#[derive(Default)]
struct Seen {
    fetched: Vec<Answer>,
    answered: usize,
    hung_up: usize,
    refused: usize,
}

impl Seen {
    fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Done(_) => self.answered += 1,
            Outcome::Broken => self.hung_up += 1,
            Outcome::Refused => self.refused += 1,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_who_hang_up_leave_nothing_open_and_lose_nothing() {
    let mut fault = Fault::new("callers hang up", 1000, 10_000);
    let database = Cluster::shared().database();
    let mut replicas = Replicas::on(&database, 2);
    let mut traffic = Traffic::new(&replicas[0], CALLERS, 0).await;
    let (mut losses, mut seen, mut idle, mut waiting) = (Losses::default(), Seen::default(), 0, 0);
    while seen.hung_up < fault.rounds {
        let (servers, pull, round) = (listeners(&replicas), traffic.pull(), seen.hung_up as u64);
        let batch = thread::scope(|threads| {
            let callers: Vec<_> = (traffic.writers().iter_mut().zip(1..))
                .map(|(writer, number)| {
                    let (servers, pull) = (&servers, &pull);
                    let mut dice = Dice(round << 8 | number);
                    threads.spawn(move || {
                        let (mut seen, mut stay) =
                            (Seen::default(), servers.iter().map(|at| Lane::to(&at.public)).collect::<Vec<_>>());
                        while seen.hung_up < BATCH / CALLERS {
                            let at = dice.below(servers.len());
                            let after = Duration::from_micros(dice.below(LONGEST_MILLISECONDS * 1000) as u64 + 1);
                            if dice.below(4) == 0 {
                                let outcome = Lane::hanging_up(&servers[at].internal, after).exchange(pull, 200);
                                seen.add(&outcome);
                                if let Outcome::Done(answer) = outcome {
                                    seen.fetched.push(answer);
                                }
                            } else {
                                seen.add(&writer.step(&mut Lane::hanging_up(&servers[at].public, after)));
                            }
                            // Whoever comes next may get the connection to the database that was in use.
                            match writer.step(&mut stay[at]) {
                                Outcome::Done(_) => seen.answered += 1,
                                Outcome::Refused => seen.refused += 1,
                                Outcome::Broken => panic!("who stays is answered"),
                            }
                        }
                        seen
                    })
                })
                .collect();
            callers.into_iter().map(|caller| caller.join().expect("a caller is answered well")).collect::<Vec<_>>()
        });
        for Seen { fetched, answered, hung_up, refused } in batch {
            traffic.fetched(fetched);
            (seen.answered, seen.hung_up, seen.refused) =
                (seen.answered + answered, seen.hung_up + hung_up, seen.refused + refused);
        }
        let left = stuck(&database);
        (idle, waiting) = (idle + left.0, waiting + left.1);
        losses.add(traffic.check(&replicas[seen.hung_up / BATCH % 2]).await);
    }
    for replica in replicas.iter_mut() {
        replica.kill();
        replica.restart();
        losses.add(traffic.check(replica).await);
    }
    assert!(seen.answered > fault.rounds / 2, "there was nothing to lose");
    fault.figure("hung up", seen.hung_up);
    fault.figure("answered", seen.answered);
    fault.none("lost", &losses.lost);
    fault.none("unaudited", &losses.unaudited);
    fault.zero("idle in transaction", idle);
    fault.zero("waiting for locks", waiting);
    fault.figure("503", seen.refused);
    fault.report();
}
