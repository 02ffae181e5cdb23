//! Getting a token for a login from a registry's token server.

use super::{
    dial::Dialer,
    exchange::{Answer, Ask, exchange},
    login::Login,
    reading,
    realm::Realm,
};
use crate::domain::check::{Finding, Stage};
use hyper::{Method, header::HeaderValue};
use rustls::ClientConfig;
use std::sync::Arc;

/// Asks for a token, first as all registries know it, and by a form where that way is not known.
///
/// A token proves nothing but the login: token servers give one with less access than was asked for, or with none. And that there is
/// none proves nothing, unless the server refuses the login in so many words.
pub(super) async fn token(
    dialer: &Dialer,
    tls: &Arc<ClientConfig>,
    login: &Login<'_>,
    (realm, service): (&Realm, Option<&str>),
    scope: Option<&str>,
) -> Result<HeaderValue, Finding> {
    let account = login.username.map(|username| ("account", username.as_str()));
    let mut url = realm.url.clone();
    url.query_pairs_mut()
        .extend_pairs(service.map(|service| ("service", service)))
        .extend_pairs(scope.map(|scope| ("scope", scope)))
        .extend_pairs(account);
    let ask = |method, path, authorization, form| Ask {
        method,
        host: &realm.host,
        path,
        accept: "application/json",
        authorization,
        form,
    };
    let path = path_and_query(&url);
    let get = ask(Method::GET, &path, Some(login.basic()), None);
    let answer = exchange(dialer, Arc::clone(tls), get).await.and_then(Answer::check).map_err(of_the_server)?;
    let by_form = [404, 405].contains(&answer.status.as_u16());
    let answer = if by_form {
        let path = path_and_query(&realm.url);
        let form = login.form(service, scope);
        let post = ask(Method::POST, &path, None, Some(form));
        exchange(dialer, Arc::clone(tls), post).await.and_then(Answer::check).map_err(of_the_server)?
    } else {
        answer
    };
    match answer.status.as_u16() {
        200 => reading::token(&answer.body).ok_or(Finding::NoToken),
        401 => Err(Finding::LoginRefused),
        403 => Err(Finding::Forbidden),
        // By the form, a wrong password is `invalid_grant` with this status (RFC 6749 section 5.2). Otherwise it is about what
        // was asked for: DigitalOcean says so of a registry that is not there.
        400 if by_form => Err(Finding::LoginRefused),
        _ => Err(Finding::NoToken),
    }
}

/// What a fault of the token server's is called, which may be another host than its registry. For the login it means nothing.
fn of_the_server(finding: Finding) -> Finding {
    match finding.stage() {
        // The operator says what is allowed.
        _ if finding == Finding::AddressNotAllowed => Finding::TokenServerNotAllowed,
        _ if finding == Finding::RealmNotAllowed => finding,
        Stage::Dns | Stage::Connect => Finding::TokenServerUnreachable,
        Stage::Tls | Stage::NotARegistry => Finding::NoToken,
        Stage::Unavailable => Finding::TokenServerFailed,
        Stage::RateLimited | Stage::Unauthorized | Stage::NoPullAccess | Stage::Ok => finding,
    }
}

fn path_and_query(url: &url::Url) -> String {
    match url.query() {
        Some(query) if !query.is_empty() => format!("{}?{query}", url.path()),
        Some(_) | None => url.path().to_owned(),
    }
}
