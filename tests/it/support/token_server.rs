//! A small token server for a real registry: signs what each user may do.

use super::{
    authority::{Authority, Identity},
    peer::{Peer, Response, Seen},
};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// What tokens are for.
pub const SERVICE: &str = "tests";
/// Who makes them.
pub const ISSUER: &str = "tests' token server";

/// A token server on a free port, which knows some users.
pub struct TokenServer {
    pub peer: Peer,
    /// The certificates that the registry tells its tokens by, in PEM.
    pub bundle: String,
}

/// A user, his password, and the repository that he may pull from and push to.
#[derive(Debug, Clone)]
pub struct User {
    pub name: &'static str,
    pub password: &'static str,
    pub repository: &'static str,
}

impl TokenServer {
    pub fn start(users: &'static [User]) -> Self {
        let authority = Authority::new();
        let identity = authority.identity("tokens.example.com");
        let bundle = authority.pem.clone();
        let peer = Peer::start(move |request| answer(request, users, &identity));
        Self { peer, bundle }
    }

    /// Its URL, as a registry's challenge has it.
    pub fn realm(&self) -> String {
        format!("http://{}/token", self.peer.host())
    }
}

fn answer(request: &Seen, users: &[User], identity: &Identity) -> Response {
    let query = request.path.split_once('?').map_or("", |(_, query)| query);
    let scopes: Vec<_> = url::form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == "scope")
        .map(|(_, scope)| scope)
        .collect();
    let known = users.iter().find(|user| {
        let pair = STANDARD.encode(format!("{}:{}", user.name, user.password));
        request.header("authorization") == Some(&format!("Basic {pair}"))
    });
    let Some(user) = known else { return Response::with(401, &[], r#"{"errors":[{"code":"UNAUTHORIZED"}]}"#) };
    // As real ones do: what is not allowed is left out without a word.
    let access: Vec<_> = scopes
        .iter()
        .flat_map(|scope| scope.split(' '))
        .filter_map(|scope| scope.strip_prefix("repository:")?.rsplit_once(':'))
        .filter(|(name, _)| *name == user.repository)
        .map(|(name, actions)| json!({"type": "repository", "name": name, "actions": actions.split(',').collect::<Vec<_>>()}))
        .collect();
    let token = token(user.name, &access, identity);
    let body = json!({"token": token, "access_token": token, "expires_in": 300}).to_string();
    Response::with(200, &[("content-type", "application/json")], &body)
}

fn token(subject: &str, access: &[Value], identity: &Identity) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is past 1970").as_secs();
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({"typ": "JWT", "alg": "ES256", "x5c": [STANDARD.encode(identity.certificate.der())]});
    let claims = json!({
        "iss": ISSUER, "aud": SERVICE, "sub": subject, "exp": now + 300, "nbf": now - 60, "iat": now, "jti": now.to_string(),
        "access": access,
    });
    let text = format!("{}.{}", part(header), part(claims));
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &identity.key.serialize_der());
    let signature =
        key.expect("it is a key of that kind").sign(&SystemRandom::new(), text.as_bytes()).expect("it is signed");
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}
