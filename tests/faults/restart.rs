//! The database goes down as in a power cut and comes back, while all replicas are called.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_database_is_used_again_by_every_replica() {
    let mut fault = Fault::new("PostgreSQL restarted (immediate)", 5, 100);
    let cluster = Cluster::private();
    let database = cluster.database();
    let replicas = Replicas::on(&database, 2);
    let mut traffic = Traffic::new(&replicas[0], 8, 4).await;
    let (mut dice, mut losses, mut slowest) = (Dice(2), Losses::default(), Duration::ZERO);
    let (mut idle, mut waiting, mut answer) = (0, 0, Duration::ZERO);
    for round in 0..fault.rounds {
        let pull = traffic.pull();
        let (good, tallies) = traffic.flow(&listeners(&replicas), || {
            thread::sleep(Duration::from_millis(200) + dice.milliseconds(300));
            cluster.restart_immediate();
            let good = time_until_good(&replicas, &pull);
            thread::sleep(Duration::from_millis(200));
            good
        });
        slowest = slowest.max(good);
        answer = tallies.iter().map(|tally| tally.slowest).fold(answer, Duration::max);
        let left = stuck(&database);
        (idle, waiting) = (idle + left.0, waiting + left.1);
        losses.add(traffic.check(&replicas[round % 2]).await);
    }
    let tally = &traffic.tally;
    assert!(tally.acknowledged > fault.rounds && tally.fetched > fault.rounds, "{tally:?}: there was nothing to lose");
    assert!(tally.refused > 0, "nobody met a database that was down");
    fault.figure("writes", tally.acknowledged);
    fault.none("lost", &losses.lost);
    fault.figure("hand-outs", tally.fetched);
    fault.none("unaudited", &losses.unaudited);
    fault.zero("idle in transaction", idle);
    fault.zero("waiting for locks", waiting);
    fault.figure("503", tally.refused);
    fault.within("slowest answer", answer, Duration::from_millis(2500));
    fault.within("good again", slowest, Duration::from_secs(5));
    fault.report();
}
