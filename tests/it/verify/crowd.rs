//! What one organization has tried at once does not keep the others waiting.

use super::{Shop, told};
use crate::support::{Peer, Response, id, login, organization, problem, slug, store};
use futures_util::future::join_all;
use regcred::domain::permission::Role;

/// How many of one organization's logins are tried at once.
const EACH: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_whose_registries_do_not_answer_waits_for_itself_alone() {
    let (silent, quick) = (Peer::start(|_| Response::Silence), Peer::start(|_| Response::welcome()));
    let shop = Shop::open(&[&silent.host(), &quick.host()], &[]).await;
    let stored = store(&shop.editor, &shop.scope, &login(&silent.host(), "bot", "pw")).await;
    shop.server.project("globex/app").await;
    let globex = organization("globex");
    let theirs = shop.server.client(Role::Editor, &globex).await;
    let their_login = store(&theirs, &globex, &login(&quick.host(), "bot", "pw")).await;

    let many = join_all((0..3 * EACH).map(|_| shop.editor.credential_verify(&shop.scope, id(&stored), None)));
    let other = async {
        while silent.connections() < EACH {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let check = theirs.credential_verify(&globex, id(&their_login), None).await.unwrap();
        assert_eq!(told(&check), ("ok", "no_login_needed"));
        assert_eq!(
            silent.connections(),
            EACH,
            "those of the others are still under way, and no more of them than that"
        );
        let first = login(&format!("{}/part", quick.host()), "bot", "pw");
        theirs.credential_create_verified(&globex, &first.request(), None).await.unwrap();
        // Who has many tried comes again.
        let cli = shop.server.cli().env("REGCRED_PROJECT", "acme/shop");
        tokio::task::spawn_blocking(move || cli.run(&["verify", "--all"], b"")).await.unwrap()
    };
    let (many, all) = tokio::join!(many, other);
    assert!(all.stdout.contains("the registry did not answer in time"), "{all:?}");
    let (tried, refused): (Vec<_>, Vec<_>) = many.into_iter().partition(Result::is_ok);
    assert!(tried.into_iter().all(|check| told(&check.unwrap()) == ("unavailable", "timed_out")));
    assert!(!refused.is_empty());
    for refused in refused.into_iter().map(problem) {
        assert_eq!((refused.status, slug(&refused)), (429, "too-many-checks"));
    }
}
