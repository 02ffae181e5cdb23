//! One replica cannot reach the database any more, and is not told so. The other one can.

use super::*;
use crate::support::Proxy;

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_cut_off_says_so_in_time_and_comes_back() {
    let mut fault = Fault::new("one replica cut off, for seconds", 5, 60);
    let database = Cluster::shared().database();
    let proxy = Proxy::to(&Cluster::shared().address());
    let replicas = Replicas::by_urls(&[database.through(&proxy.address).url, database.url.clone()]);
    let mut traffic = Traffic::new(&replicas[0], 16, 8).await;
    let lasts = Duration::from_secs(fault.rounds as u64);
    let pull = traffic.pull();
    let probe = |path: &str| {
        let asked = Instant::now();
        (raw::once(&replicas[0].public, &raw::get(path, "")), asked.elapsed())
    };
    let ((mut ready, dead, mut slowest, good), tallies) = traffic.flow(&listeners(&replicas), || {
        thread::sleep(Duration::from_millis(500));
        proxy.cut();
        let (mut ready, mut dead, mut slowest, cut) = (0, 0, Duration::ZERO, Instant::now());
        while cut.elapsed() < lasts {
            let (answer, took) = probe("/readyz");
            assert!(answer.status == 200 || answer.problem() == "unavailable", "{answer:?}");
            ready += usize::from(answer.status == 200);
            slowest = slowest.max(took);
            let (answer, took) = probe("/livez");
            dead += usize::from(answer.status != 200);
            slowest = slowest.max(took);
        }
        proxy.heal();
        let good = time_until_good(&replicas, &pull);
        thread::sleep(Duration::from_millis(300));
        (ready, dead, slowest, good)
    });
    assert!(tallies[0].refused > 0, "nobody met the cut");
    let (idle, waiting) = stuck(&database);
    let mut losses = traffic.check(&replicas[1]).await;
    losses.add(traffic.check(&replicas[0]).await);
    slowest = slowest.max(tallies[0].slowest);
    // A wire can be cut between a question and its answer.
    ready = ready.saturating_sub(1);
    fault.zero("readyz 200 while cut off", ready);
    fault.zero("livez not 200", dead);
    // Whoever waits until the wire is whole again hangs.
    fault.zero("waited for the wire", usize::from(slowest >= lasts.max(Duration::from_secs(5))));
    fault.figure("503", tallies[0].refused);
    fault.within("slowest answer", slowest, Duration::from_millis(2500));
    let others = &tallies[1];
    assert!(others.acknowledged > fault.rounds && others.fetched > fault.rounds, "the other one goes on: {others:?}");
    fault.figure("the other one did", others.acknowledged + others.fetched);
    fault.figure("and refused", others.refused);
    fault.within("its slowest answer", others.slowest, Duration::from_millis(2500));
    fault.none("lost", &losses.lost);
    fault.none("unaudited", &losses.unaudited);
    fault.zero("stuck", idle + waiting);
    fault.within("good again", good, Duration::from_secs(5));
    fault.report();
}
