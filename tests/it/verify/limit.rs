//! How many of an organization's logins are tried in a minute.

use super::{Shop, told};
use crate::support::{Binary, Peer, Response, exchange, id, login, organization, problem, slug, store};
use regcred::{client::ClientError, domain::permission::Role, http::wire};

/// As many as a test can use up at once, and slowly enough that it does.
const PER_MINUTE: usize = 20;

/// What it is refused with in the end, and how often it was done before.
async fn until_refused<T: std::fmt::Debug>(
    mut attempt: impl AsyncFnMut(usize) -> Result<T, ClientError>,
) -> (usize, wire::Problem) {
    for number in 0..10 * PER_MINUTE {
        if let refused @ Err(_) = attempt(number).await {
            return (number, problem(refused));
        }
    }
    panic!("nobody is ever refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_has_so_many_logins_tried_in_a_minute_and_verify_all_goes_on_in_time() {
    let peer = Peer::start(|seen| match seen.header("authorization") {
        Some(_) => Response::welcome(),
        None => Response::challenge("Basic realm=\"x\""),
    });
    let binary = Binary::new().env("REGCRED_REGISTRY_NETWORKS", "127.0.0.1");
    let binary = binary.env("REGCRED_VERIFY_PER_MINUTE", PER_MINUTE.to_string());
    let shop = Shop::with(binary, &[&peer.host()], &[]).await;
    let stored = store(&shop.editor, &shop.scope, &login(&peer.host(), "bot", "pw")).await;
    for part in ["a", "b"] {
        store(&shop.editor, &shop.scope, &login(&format!("{}/{part}", peer.host()), "bot", "pw")).await;
    }
    shop.server.project("globex/app").await;

    let (number, refused) =
        until_refused(async |_| shop.editor.credential_verify(&shop.scope, id(&stored), None).await).await;
    assert!(number >= PER_MINUTE, "{number}");
    assert_eq!((refused.status, slug(&refused)), (429, "check-limit"));
    assert!((1..=4).contains(&refused.retry_after.unwrap()), "{refused:?}");
    // A login that is only to be added counts, too, and so does what another project of the organization has tried.
    let acme = organization("acme");
    let admin = shop.server.client(Role::Admin, &acme).await;
    let mut before = 0;
    let (_, refused) = until_refused(async |number| {
        before = peer.connections();
        let new = login(&format!("{}/new-{number}", peer.host()), "bot", "pw");
        admin.credential_create_verified(&acme, &new.request(), None).await
    })
    .await;
    assert_eq!((refused.status, slug(&refused), peer.connections()), (429, "check-limit", before));
    let verify = || {
        let token = format!("Bearer {}", shop.server.operator_token().expose());
        let path = format!("/v1/{}/credentials/{}/verify", shop.scope, stored.id);
        let headers = [("authorization", token.as_str())];
        exchange(&shop.server.public, "POST", &path, &headers, b"")
    };
    let reply = (0..10 * PER_MINUTE).map(|_| verify()).find(|reply| reply.status == 429).expect("it is refused, too");
    let wait: u64 = reply.header("retry-after").expect("it is said when").parse().unwrap();
    assert!((1..=4).contains(&wait), "{wait}");
    // Others have theirs.
    let globex = organization("globex");
    let theirs = shop.server.client(Role::Editor, &globex).await;
    let their_login = store(&theirs, &globex, &login(&peer.host(), "bot", "pw")).await;
    let check = theirs.credential_verify(&globex, id(&their_login), None).await.unwrap();
    assert_eq!(told(&check), ("ok", "login_accepted"));

    let cli = shop.server.cli().env("REGCRED_PROJECT", "acme/shop");
    let all = tokio::task::spawn_blocking(move || cli.run(&["verify", "--all"], b"")).await.unwrap();
    assert_eq!((all.status, all.stdout.matches("accepts the login").count()), (0, 3), "{all:?}");
}
