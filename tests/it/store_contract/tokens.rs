//! Tokens: found by the code of their text, and by nothing else.

use super::bench::{Bench, at, now};
use regcred::{
    crypto::data_key::TokenMac,
    domain::{page::Limit, permission::Role, token::Token},
};

const HOUR: i64 = 3_600_000_000;

pub async fn a_token_is_found_by_its_code_alone(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let shop = bench.scope("shop", Some(&acme)).await;
    for place in [None, Some(&acme), Some(&shop)] {
        let (token, text, key) = bench.token(Role::Viewer, place, at(now() + HOUR)).await;
        let mut queries = bench.read().await;
        let found = queries.token_find(&key.mac(&text)).await.unwrap().expect("it is there");
        assert_eq!(found.token, token);
        assert_eq!(found.scope_id, place.map(|place| place.id));
        assert!(found.mac == key.mac(&text) && !found.expired);
        let mut other = *key.mac(&text).as_bytes();
        other[31] ^= 1;
        assert!(queries.token_find(&TokenMac::from_bytes(other)).await.unwrap().is_none());
    }
}

pub async fn a_token_ends_by_the_clock_of_the_database(bench: Bench) {
    for (from_now, expired) in [(-HOUR, true), (-1_000_000, true), (HOUR, false)] {
        let (_, text, key) = bench.token(Role::Viewer, None, at(now() + from_now)).await;
        let found = bench.read().await.token_find(&key.mac(&text)).await.unwrap().expect("it is there");
        assert_eq!(found.expired, expired, "{from_now} microseconds from now");
    }
    // Between one question and the next. The database may know the time to the millisecond only.
    let end = now() + 300_000;
    let (_, text, key) = bench.token(Role::Viewer, None, at(end)).await;
    loop {
        let asked = now();
        if bench.read().await.token_find(&key.mac(&text)).await.unwrap().unwrap().expired {
            assert!(now() >= end, "it ended before its time");
            break;
        }
        assert!(asked < end + 1000, "it goes on after its time");
    }
}

pub async fn tokens_belong_to_exactly_one_scope(bench: Bench) {
    let acme = bench.scope("acme", None).await;
    let shop = bench.scope("shop", Some(&acme)).await;
    let places = [None, Some(&acme), Some(&shop)];
    let mut tokens: Vec<Vec<Token>> = Vec::new();
    for place in places {
        let mut of_place = Vec::new();
        for _ in 0..3 {
            of_place.push(bench.token(Role::Viewer, place, at(now() + HOUR)).await.0);
        }
        tokens.push(of_place);
    }
    let one = Limit::try_from(1).unwrap();
    let mut queries = bench.read().await;
    for (place, own) in places.iter().zip(&tokens) {
        let scope = place.map(|place| place.id);
        let page = queries.token_list(scope, None, one).await.unwrap();
        assert_eq!(page.into_iter().map(Result::unwrap).collect::<Vec<_>>(), own[..2], "one more than the page");
        let rest = queries.token_list(scope, Some(own[0].id), Limit::default()).await.unwrap();
        assert_eq!(rest.into_iter().map(Result::unwrap).collect::<Vec<_>>(), own[1..]);
        for other in tokens.iter().flatten() {
            let found = queries.token_get(scope, other.id).await.unwrap();
            assert_eq!(found.as_ref(), own.contains(other).then_some(other), "{:?} in {scope:?}", other.scope);
        }
    }
    drop(queries);
    let mut tx = bench.begin().await;
    for (place, own) in places.iter().zip(&tokens) {
        let scope = place.map(|place| place.id);
        for other in tokens.iter().flatten().filter(|token| !own.contains(token)) {
            assert!(!tx.token_delete(scope, other.id).await.unwrap(), "another scope's stays");
        }
        assert!(tx.token_delete(scope, own[0].id).await.unwrap());
        assert!(!tx.token_delete(scope, own[0].id).await.unwrap(), "it is gone");
        assert_eq!(tx.token_list(scope, None, Limit::default()).await.unwrap().len(), 2);
    }
}

pub async fn an_operator_token_that_is_good_is_told_from_one_that_has_ended(bench: Bench) {
    let exists = async || bench.read().await.operator_token_exists().await.unwrap();
    bench.token(Role::Admin, None, at(now() + HOUR)).await;
    bench.token(Role::Operator, None, at(now() - HOUR)).await;
    assert!(!exists().await);
    let (token, ..) = bench.token(Role::Operator, None, at(now() + HOUR)).await;
    assert!(exists().await);
    let mut tx = bench.begin().await;
    assert!(tx.token_delete(None, token.id).await.unwrap());
    bench.commit(tx).await;
    assert!(!exists().await);
}
