//! Master keys are rotated through any replica while all are called, and now and then one dies.

use super::*;
use regcred::domain::permission::Role;
use std::sync::atomic::{AtomicBool, Ordering};

const KEYS: &str = "/internal/v1/keys";

/// A call that is made again, through any replica, until it is done. A replica may be dead, or not know the new key yet.
fn insist(urls: &[String], dice: &mut Dice, what: &str, request: &[u8], done: u16) -> Answer {
    let begun = Instant::now();
    loop {
        let answer = raw::attempt(&urls[dice.below(urls.len())], request);
        match answer {
            Some(answer) if answer.status == done => return answer,
            Some(answer) if [409, 503].contains(&answer.status) => {
                assert!(begun.elapsed() < FOR_EVER * 2, "{what} is refused for ever: {answer:?}");
            }
            Some(answer) => panic!("{what}: {answer:?}"),
            None => assert!(begun.elapsed() < FOR_EVER * 2, "{what} is never answered"),
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// The way of a rotation: add, activate, rewrap, retire. How many data keys did not open.
fn rotate(urls: &[String], operator: &str, dice: &mut Dice) -> u64 {
    let post = |path: &str| raw::head("POST", path, operator, "Content-Length: 0\r\n").into_bytes();
    let added = insist(urls, dice, "adding a key", &post(KEYS), 201).text("id");
    insist(urls, dice, "activating it", &post(&format!("{KEYS}/{added}/activate")), 200);
    let mut unreadable = 0;
    let begun = Instant::now();
    loop {
        let rewrapped = insist(urls, dice, "rewrapping", &post(&format!("{KEYS}/rewrap")), 200).json();
        unreadable += rewrapped["unreadable"].as_u64().expect("it is counted");
        let keys = insist(urls, dice, "listing keys", &raw::get(KEYS, operator), 200).json();
        let standby = |key: &&serde_json::Value| key["state"] == "standby";
        let old: Vec<_> = keys["items"].as_array().expect("keys are listed").iter().filter(standby).cloned().collect();
        if old.is_empty() {
            return unreadable;
        }
        for key in old {
            let path = format!("{KEYS}/{}", key["id"].as_str().expect("a key has an id"));
            // Somebody may have wrapped under it meanwhile, or be dead: then it is the next time.
            let url = &urls[dice.below(urls.len())];
            let answer = raw::attempt(url, raw::head("DELETE", &path, operator, "").as_bytes());
            let status = answer.as_ref().map_or(503, |answer| answer.status);
            assert!([204, 409, 503].contains(&status), "{answer:?}");
        }
        assert!(begun.elapsed() < FOR_EVER * 2, "the old key is never given up: {keys}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// Makes projects with a credential each, so that there are always new data keys. Those that were acknowledged.
fn furnish(urls: &[String], tokens: [&str; 2], mut dice: Dice, round: usize, stop: &AtomicBool) -> Vec<String> {
    let [operator, editor] = tokens;
    let mut made = Vec::new();
    for count in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let url = &urls[dice.below(urls.len())];
        let name = format!("r{round}-{count}");
        let path = format!("/v1/organizations/load/projects/{name}");
        let project = raw::attempt(url, raw::head("PUT", &path, operator, "Content-Length: 0\r\n").as_bytes());
        match project {
            Some(answer) if [200, 201].contains(&answer.status) => {}
            Some(answer) if [409, 503].contains(&answer.status) => continue,
            Some(answer) => panic!("{answer:?}"),
            None => continue,
        }
        let request = raw::post(&format!("{path}/credentials"), editor, &raw::credential("ghcr.io", &name));
        match raw::attempt(url, &request) {
            Some(answer) if answer.status == 201 => made.push(name),
            Some(answer) => assert_eq!(answer.status, 503, "{answer:?}"),
            None => {}
        }
        thread::sleep(Duration::from_millis(20));
    }
    made
}

/// Which of these do not give their password through this replica.
fn undecryptable(server: &Server, deployer: &str, projects: &[String]) -> Vec<String> {
    let opens = |name: &&String| {
        let path = format!("/internal/v1/organizations/load/projects/{name}/pull-secret");
        let answer = raw::once(&server.internal, &raw::get(&path, deployer));
        answer.status == 200 && answer.json()["auths"]["ghcr.io"]["password"] == name.as_str()
    };
    projects.iter().filter(|name| !opens(name)).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rotating_master_keys_on_three_replicas_that_die_leaves_nothing_shut() {
    let mut fault = Fault::new("key rotation, replicas killed", 10, 200);
    let database = Cluster::shared().database();
    let mut replicas = Replicas::on(&database, 3);
    let mut traffic = Traffic::new(&replicas[0], 3, 3).await;
    let load = crate::support::organization("load");
    let operator = replicas[0].operator_token().expose().to_owned();
    let editor = replicas[0].token(Role::Editor, &load).await.expose().to_owned();
    let deployer = replicas[0].token(Role::Deployer, &load).await.expose().to_owned();
    let (mut dice, mut losses, mut slowest) = (Dice(7), Losses::default(), Duration::ZERO);
    let (mut shut, mut unreadable, mut made) = (Vec::new(), 0, Vec::new());
    for round in 0..fault.rounds {
        let servers = listeners(&replicas);
        let urls: [Vec<_>; 2] = [
            servers.iter().map(|server| server.public.clone()).collect(),
            servers.iter().map(|server| server.internal.clone()).collect(),
        ];
        let (victim, at, down) = (dice.below(3), dice.milliseconds(1500), dice.milliseconds(500));
        let (mut others, makers) = (Dice(round as u64 + 1), Dice(round as u64 + 1000));
        let stop = AtomicBool::new(false);
        let ((found, new), _) = traffic.flow(&servers, || {
            thread::scope(|threads| {
                let making = threads.spawn(|| furnish(&urls[0], [&operator, &editor], makers, round, &stop));
                let victim = &mut replicas[victim];
                threads.spawn(move || {
                    thread::sleep(at);
                    victim.kill();
                    thread::sleep(down);
                    victim.restart();
                });
                let over = crate::support::StopOnDrop(&stop);
                let begun = Instant::now();
                let found = rotate(&urls[1], &operator, &mut others);
                slowest = slowest.max(begun.elapsed());
                drop(over);
                (found, making.join().expect("a maker is answered well"))
            })
        });
        unreadable += found;
        for server in replicas.iter() {
            losses.add(traffic.check(server).await);
            shut.extend(undecryptable(server, &deployer, &new));
        }
        made.extend(new);
    }
    let last = replicas.iter_mut().last().expect("there are three");
    last.kill();
    last.restart();
    shut.extend(undecryptable(last, &deployer, &made));
    assert!(made.len() > fault.rounds && traffic.tally.acknowledged > fault.rounds, "there was nothing to shut");
    fault.figure("projects", made.len());
    fault.figure("writes", traffic.tally.acknowledged);
    fault.figure("hand-outs", traffic.tally.fetched);
    fault.none("undecryptable", &shut);
    let lacking = replicas.iter().map(|server| server.log().matches("is not in the keyring").count()).sum();
    fault.zero("requests whose key a replica lacked", lacking);
    fault.zero("data keys not rewrapped", usize::try_from(unreadable).expect("it is counted"));
    fault.none("lost", &losses.lost);
    fault.none("unaudited", &losses.unaudited);
    fault.figure("503", traffic.tally.refused);
    fault.time("slowest rotation", slowest);
    fault.report();
}
