//! Names that have other addresses from one moment to the next. What they are is said by the test, in the place of the system.

use crate::support::{Peer, Response, secret_password};
use async_trait::async_trait;
use regcred::{
    domain::check::Finding,
    registry::{Attempt, Resolve, Rules, SystemResolver, Verifier},
};
use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::Notify;

const ALLOWED: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const FORBIDDEN: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// It may be dialled, and nobody listens there.
const DESERTED: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));

/// Gives one answer after another, and the last one for ever.
struct Names {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        assert_eq!(name, "registry.test");
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(self.answers[asked.min(self.answers.len() - 1)].clone())
    }
}

/// A registry at the address that may be dialled, and a sink on the same port of the one that may not.
fn registry_and_sink() -> (Peer, Peer) {
    loop {
        let registry = Peer::start(|seen| match seen.header("authorization") {
            Some(_) => Response::welcome(),
            None => Response::challenge("Basic realm=\"x\""),
        });
        let address = format!("127.0.0.2:{}", registry.address.port());
        if std::net::TcpListener::bind(&address).is_ok() {
            return (registry, Peer::sink(&address));
        }
    }
}

/// What is found out of a name with these answers, with how often each of the two was come to, and how often the name was asked for.
async fn visit(answers: Vec<Vec<IpAddr>>) -> (Finding, [usize; 3]) {
    let (registry, sink) = registry_and_sink();
    let host = format!("registry.test:{}", registry.address.port());
    let rules = Rules {
        networks: [ALLOWED, DESERTED].iter().map(|address| address.to_string().parse().unwrap()).collect(),
        insecure: vec![host.parse().unwrap()],
        ..Rules::default()
    };
    let names = Arc::new(Names { answers, asked: AtomicUsize::new(0) });
    let verifier = Verifier::new(rules, Arc::<Names>::clone(&names));
    let (server, password) = (host.parse().unwrap(), secret_password("pw"));
    let attempt = Attempt { server: &server, username: None, password: &password, ca: None, image: None };
    let finding = verifier.verify(attempt, ()).await.finding;
    assert!(sink.seen().is_empty());
    assert!(registry.seen().iter().all(|seen| seen.header("host") == Some(host.as_str())), "it is called by its name");
    (finding, [registry.connections(), sink.connections(), names.asked.load(Ordering::SeqCst)])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_asked_for_once_a_connection() {
    assert_eq!(visit(vec![vec![ALLOWED]]).await, (Finding::LoginAccepted, [2, 0, 2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_changes_between_the_look_and_the_connection_leads_where_was_looked() {
    // Whoever asked again to connect would get the other answer.
    assert_eq!(visit(vec![vec![ALLOWED], vec![FORBIDDEN]]).await, (Finding::BrokenOff, [1, 0, 2]));
    assert_eq!(visit(vec![vec![FORBIDDEN], vec![ALLOWED]]).await, (Finding::AddressNotAllowed, [0, 0, 1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_cannot_be_reached_before_the_login_was_sent_is_said_to_be_out_of_reach() {
    // What comes later, the login may have brought about, and the schedule would keep others from this registry.
    for (answer, at_once) in [
        (vec![], Finding::NameNotFound),
        (vec![DESERTED], Finding::NoConnection),
        (vec![FORBIDDEN], Finding::AddressNotAllowed),
    ] {
        assert_eq!(visit(vec![answer.clone()]).await, (at_once, [0, 0, 1]));
        assert_eq!(visit(vec![vec![ALLOWED], answer]).await, (Finding::BrokenOff, [1, 0, 2]), "{at_once:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_with_one_address_that_may_not_be_dialled_is_not_dialled_at_all() {
    for answer in [vec![ALLOWED, FORBIDDEN], vec![FORBIDDEN, ALLOWED]] {
        assert_eq!(visit(vec![answer]).await, (Finding::AddressNotAllowed, [0, 0, 1]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_without_an_address_or_with_far_too_many_leads_nowhere() {
    for answer in [vec![], vec![ALLOWED; 65]] {
        assert_eq!(visit(vec![answer]).await, (Finding::NameNotFound, [0, 0, 1]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_system_says_of_a_name_goes_under_the_same_guard() {
    let found = SystemResolver::default().resolve("localhost").await.unwrap();
    assert!(found.iter().all(IpAddr::is_loopback) && !found.is_empty(), "{found:?}");
    assert!(SystemResolver::default().resolve("registry.invalid").await.is_err());
}

/// Takes its time, as long as nobody tells it otherwise.
#[derive(Default)]
struct Slow {
    released: Notify,
}

#[async_trait]
impl Resolve for Slow {
    async fn resolve(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
        self.released.notified().await;
        Ok(vec![ALLOWED])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_lasts_until_the_name_server_has_answered() {
    let names = Arc::new(Slow::default());
    let verifier = Verifier::new(Rules::default(), Arc::<Slow>::clone(&names));
    let (server, password) = ("registry.test".parse().unwrap(), secret_password("pw"));
    let attempt = Attempt { server: &server, username: None, password: &password, ca: None, image: None };
    let turn = Arc::new(());
    let held = Arc::downgrade(&turn);
    assert_eq!(verifier.verify(attempt, turn).await.finding, Finding::TimedOut);
    assert!(held.upgrade().is_some(), "somebody is still asked");
    names.released.notify_one();
    let given_up = async {
        while held.upgrade().is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), given_up).await.expect("it is given up");
}
