//! The process dies as in a power cut, again and again, while it is written to and read from.

use crate::support::{
    Server,
    traffic::{Losses, Traffic},
};
use std::{thread, time::Duration};

const ROUNDS: usize = 50;
const WRITERS: usize = 8;
const READERS: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn fifty_kills_lose_no_acknowledged_write_and_leave_no_fetched_secret_without_its_audit_row() {
    let mut server = Server::start().await;
    let mut traffic = Traffic::new(&server, WRITERS, READERS).await;
    for round in 0..ROUNDS {
        traffic.flow(&[server.listeners()], || {
            thread::sleep(Duration::from_millis(150 + (round as u64 * 37) % 150));
            server.kill();
        });
        server.restart();
        assert_eq!(traffic.check(&server).await, Losses::default(), "round {round}");
    }
    let tally = &traffic.tally;
    assert!(tally.acknowledged > ROUNDS && tally.fetched > ROUNDS, "{tally:?}: there was nothing to lose");
    assert_eq!(tally.refused, 0, "nothing stood in the way");
    let (writes, secrets) = (tally.acknowledged, tally.fetched);
    eprintln!("{ROUNDS} kills: {writes} acknowledged writes, none lost; {secrets} pull secrets, all recorded");
}
