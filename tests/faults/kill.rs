//! A replica dies as in a power cut, while it and another one are called.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_replica_loses_nothing_and_is_soon_back() {
    let mut fault = Fault::new("kill -9 of a replica", 20, 1000);
    let database = Cluster::shared().database();
    let mut replicas = Replicas::on(&database, 2);
    let mut traffic = Traffic::new(&replicas[0], 8, 4).await;
    let (mut dice, mut losses, mut slowest) = (Dice(1), Losses::default(), Duration::ZERO);
    let (mut others_refused, mut others_slowest) = (0, Duration::ZERO);
    for round in 0..fault.rounds {
        let victim = round % 2;
        let servers = listeners(&replicas);
        let ((), tallies) = traffic.flow(&servers, || {
            thread::sleep(Duration::from_millis(150) + dice.milliseconds(150));
            replicas[victim].kill();
            let begun = Instant::now();
            replicas[victim].restart();
            assert_eq!(raw::once(&replicas[victim].public, &raw::get("/readyz", "")).status, 200);
            slowest = slowest.max(begun.elapsed());
        });
        others_refused += tallies[1 - victim].refused;
        others_slowest = others_slowest.max(tallies[1 - victim].slowest);
        losses.add(traffic.check(&replicas[round / 2 % 2]).await);
    }
    let (idle, waiting) = stuck(&database);
    let tally = &traffic.tally;
    assert!(tally.acknowledged > fault.rounds && tally.fetched > fault.rounds, "{tally:?}: there was nothing to lose");
    fault.figure("writes", tally.acknowledged);
    fault.none("lost", &losses.lost);
    fault.figure("hand-outs", tally.fetched);
    fault.none("unaudited", &losses.unaudited);
    fault.zero("stuck", idle + waiting);
    fault.figure("503 from the other replica", others_refused);
    fault.time("its slowest answer", others_slowest);
    fault.within("ready again", slowest, Duration::from_secs(3));
    fault.report();
}
