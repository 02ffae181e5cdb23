//! Disks that take nothing more: what cannot be recorded is not done, and what can be read is still read.

use crate::support::{
    Binary, Server, StopOnDrop,
    disk::Disk,
    raw::{self, Answer},
    scope,
};
use regcred::domain::{permission::Role, scope::Scope};
use std::{
    collections::HashSet,
    thread,
    time::{Duration, Instant},
};

const CREDENTIALS: &str = "/v1/organizations/acme/projects/shop/credentials";
const PULL_SECRET: &str = "/internal/v1/organizations/acme/projects/shop/pull-secret";
/// Far above the two seconds after which a request is refused that cannot be recorded.
const FOR_EVER: Duration = Duration::from_secs(20);

/// A server on a disk, its callers, and what they were told.
struct Scene {
    server: Server,
    editor: String,
    deployer: String,
    acknowledged: HashSet<String>,
    fetched: HashSet<String>,
    refused: usize,
    made: usize,
}

impl Scene {
    async fn on(disk: &Disk) -> Self {
        let server = Binary::new().serve(&disk.data()).unwrap_or_else(|output| panic!("it does not start: {output:?}"));
        server.project("acme/shop").await;
        let shop = scope("acme/shop");
        let editor = server.token(Role::Editor, &shop).await.expose().to_owned();
        let deployer = server.token(Role::Deployer, &shop).await.expose().to_owned();
        let (acknowledged, fetched) = (HashSet::new(), HashSet::new());
        let mut scene = Self { server, editor, deployer, acknowledged, fetched, refused: 0, made: 0 };
        assert_eq!((scene.create(), scene.fetch()), (201, 200));
        scene
    }

    fn create(&mut self) -> u16 {
        self.made += 1;
        let server = format!("registry-{}.example", self.made);
        let request = raw::post(CREDENTIALS, &self.editor, &raw::credential(&server, &"x".repeat(1000)));
        let status = self.judge(&self.server.public.clone(), &request, 201).status;
        if status == 201 {
            self.acknowledged.insert(server);
        }
        status
    }

    fn fetch(&mut self) -> u16 {
        let request = raw::get(PULL_SECRET, &self.deployer);
        let answer = self.judge(&self.server.internal.clone(), &request, 200);
        if answer.status == 200 {
            self.fetched.insert(answer.request_id());
        }
        answer.status
    }

    /// Either it is done, or the caller is told that it cannot be done now. Nothing else, and not after a long wait.
    fn judge(&mut self, url: &str, request: &[u8], done: u16) -> Answer {
        let begun = Instant::now();
        let answer = raw::once(url, request);
        assert!(begun.elapsed() < FOR_EVER, "{:?}", begun.elapsed());
        if answer.status != done {
            let problem = answer.problem();
            let told = ["unavailable", "outcome-unknown"].contains(&problem.as_str());
            assert!(answer.status == 503 && told, "{} {problem}\n{}", answer.status, self.server.log());
            assert!(!String::from_utf8_lossy(&answer.body).contains("xxx"), "nothing leaves with a refusal");
            self.refused += 1;
        }
        answer
    }

    /// Writes and reads until both are refused: room that was taken before may last for a few.
    fn until_refused(&mut self) {
        let begun = Instant::now();
        while (self.create(), self.fetch()) != (503, 503) {
            assert!(begun.elapsed() < FOR_EVER, "it goes on for ever");
        }
    }

    /// Holds what callers were told against what is there.
    async fn check(&self) {
        let operator = self.server.operator();
        let listed = operator.credential_list_all(&scope("acme/shop"), None).await.expect("lists work");
        let there: HashSet<_> = listed.items.into_iter().map(|credential| credential.server).collect();
        assert_eq!(
            (there, listed.unreadable),
            (self.acknowledged.clone(), 0),
            "all that was acknowledged, nothing else"
        );
        let log = operator.audit_list_all(&Scope::Deployment).await.expect("the audit log can be read");
        let of = |name: &'static str| log.items.iter().filter(move |event| event.operation == name);
        assert_eq!(of("credential.create").count(), self.acknowledged.len(), "one row a change");
        let recorded: HashSet<_> = of("pull_secret.get").map(|event| event.request_id.to_string()).collect();
        assert_eq!(recorded, self.fetched, "one row a secret");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_what_cannot_be_recorded_and_heals_without_a_restart() {
    let disk = Disk::in_memory("2m");
    let mut scene = Scene::on(&disk).await;
    for _ in 0..3 {
        disk.fill();
        scene.until_refused();
        for _ in 0..20 {
            assert_eq!((scene.create(), scene.fetch()), (503, 503));
        }
        scene.check().await;
        assert_eq!(raw::once(&scene.server.public, &raw::get("/livez", "")).status, 200);
        disk.free();
        assert_eq!((scene.create(), scene.fetch()), (201, 200), "it heals at once");
        scene.check().await;
    }
    let (created, fetched) = (scene.acknowledged.len(), scene.fetched.len());
    eprintln!("full disk: {} refused, {created} created, {fetched} fetched, all recorded", scene.refused);
    scene.server.kill();
    scene.server.restart();
    scene.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_and_empties_under_load_leaves_nothing_half_done() {
    let disk = Disk::in_memory("3m");
    let scene = Scene::on(&disk).await;
    let (public, internal) = (scene.server.public.clone(), scene.server.internal.clone());
    let (editor, deployer) = (scene.editor.clone(), scene.deployer.clone());
    let scene = std::sync::Mutex::new(scene);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let statuses = std::sync::Mutex::new(HashSet::new());
    thread::scope(|threads| {
        for number in 0..6_usize {
            let (public, internal, editor, deployer) = (&public, &internal, &editor, &deployer);
            let (scene, stop, statuses) = (&scene, &stop, &statuses);
            threads.spawn(move || {
                for count in 0.. {
                    if stop.load(std::sync::atomic::Ordering::Relaxed) {
                        return;
                    }
                    let server = format!("c{number}-{count}.example");
                    let answer = if number < 4 {
                        raw::once(public, &raw::post(CREDENTIALS, editor, &raw::credential(&server, "x")))
                    } else {
                        raw::once(internal, &raw::get(PULL_SECRET, deployer))
                    };
                    statuses.lock().unwrap().insert(answer.status);
                    match (answer.status, answer.problem().as_str()) {
                        (201, _) => drop(scene.lock().unwrap().acknowledged.insert(server)),
                        (200, _) => drop(scene.lock().unwrap().fetched.insert(answer.request_id())),
                        (503, "unavailable") => {}
                        _ => panic!("{answer:?}"),
                    }
                }
            });
        }
        let over = StopOnDrop(&stop);
        for _ in 0..5 {
            thread::sleep(Duration::from_millis(300));
            disk.fill();
            thread::sleep(Duration::from_millis(300));
            disk.free();
        }
        thread::sleep(Duration::from_millis(300));
        drop(over);
    });
    assert_eq!(*statuses.lock().unwrap(), HashSet::from([200, 201, 503]), "it was full now and then");
    let mut scene = scene.into_inner().unwrap();
    scene.check().await;
    eprintln!("disk full now and then: {} created, {} fetched", scene.acknowledged.len(), scene.fetched.len());
    scene.server.kill();
    scene.server.restart();
    scene.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_turns_read_only_refuses_what_cannot_be_recorded_and_loses_nothing() {
    let mut disk = Disk::in_file();
    let mut scene = Scene::on(&disk).await;
    for _ in 0..10 {
        assert_eq!((scene.create(), scene.fetch()), (201, 200));
    }
    disk.break_down();
    scene.until_refused();
    for _ in 0..20 {
        assert_eq!((scene.create(), scene.fetch()), (503, 503));
    }
    scene.check().await;
    scene.server.kill();

    let refusal = Binary::new().serve(&disk.data()).err().expect("it does not start on a read-only disk");
    assert!(
        refusal.status > 0 && refusal.stderr.contains("check that it exists and that this user may write there"),
        "{refusal:?}"
    );
    disk.unmount();
    disk.mount_image();
    scene.server.restart();
    scene.check().await;
    assert_eq!((scene.create(), scene.fetch()), (201, 200));
    eprintln!("read-only disk: {} refused, {} kept", scene.refused, scene.acknowledged.len());
    scene.server.kill();
}
