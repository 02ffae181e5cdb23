//! What is printed of the types that hold a secret, when somebody prints them after all.

use crate::support::{login, secret_password};
use regcred::{
    client::{BaseUrl, Client, CredentialChange, PlainHttp, PullSecret},
    config::client::{ClientSettings, TokenOrigin},
    config::server::KeyringSource,
    domain::{credential, docker_config, import, secret::SecretDocument, token::TokenText},
    http::wire,
    service,
};
use std::fmt::Debug;
use zeroize::Zeroizing;

const CANARY: &str = "correct horse battery";

fn says_nothing(value: &impl Debug) {
    let (short, long) = (format!("{value:?}"), format!("{value:#?}"));
    for text in [&short, &long] {
        assert!(!text.is_empty());
        for form in super::needles::forms(CANARY) {
            let form = String::from_utf8_lossy(&form.1).into_owned();
            assert!(!text.contains(&form[..12]), "{text}");
        }
        assert!(!text.contains("99, 111, 114"), "{text}");
    }
}

#[test]
fn printing_what_holds_a_password_says_nothing_of_it() {
    let password = secret_password(CANARY);
    says_nothing(&password);
    says_nothing(&login("ghcr.io", "bot", CANARY).request());
    says_nothing(&CredentialChange { password: Some(&password), ..CredentialChange::default() });
    let body = format!(r#"{{"server": "ghcr.io", "password": "{CANARY}"}}"#);
    says_nothing(&serde_json::from_str::<wire::CredentialCreate>(&body).unwrap());
    says_nothing(&credential::NewCredential::from(serde_json::from_str::<wire::CredentialCreate>(&body).unwrap()));
    let body = format!(r#"{{"password": "{CANARY}"}}"#);
    says_nothing(&serde_json::from_str::<wire::CredentialUpdate>(&body).unwrap());
    says_nothing(&credential::CredentialPatch::from(serde_json::from_str::<wire::CredentialUpdate>(&body).unwrap()));
    let entry = docker_config::KeyedLogin { key: "ghcr.io", username: None, email: None, password: &password };
    says_nothing(&entry);
    says_nothing(&docker_config::render(&[entry]));
    let document = || SecretDocument::new(Zeroizing::new(CANARY.as_bytes().to_vec()));
    says_nothing(&PullSecret::Document { body: document(), etag: None, omitted: Vec::new() });
    says_nothing(&service::PullSecret::Fresh { document: document(), tag: String::new(), omitted: Vec::new() });
    for text in [
        format!(r#"{{"auths":{{"r.io":{{"username":"bot","password":"{CANARY}"}}}}}}"#),
        format!(
            r#"{{"auths":{{"https://bot:{CANARY}@r.io":{{}}}},"credHelpers":{{"{CANARY}@r.io":"x","r.io":"{CANARY}"}}}}"#
        ),
    ] {
        says_nothing(&import::read("f", text.as_bytes()).unwrap());
        let entries = import::read("f", text.as_bytes()).unwrap().entries;
        says_nothing(&import::plan(entries, &[], import::Overwrite::No, "2027-01-01T00:00:00Z".parse().unwrap()));
    }
    says_nothing(&KeyringSource::Text(Zeroizing::new(CANARY.to_owned())));
}

#[test]
fn printing_what_holds_a_token_says_nothing_of_it() {
    let text = "rgc_0000000000000000000000000000000000000000000";
    let check = crc32fast_base62(text);
    let token = || TokenText::parse(&Zeroizing::new(format!("{text}{check}"))).expect("it is a token");
    let url = || "http://127.0.0.1:1".parse::<BaseUrl>().unwrap();
    let client = Client::new(url(), url(), Some(token()), PlainHttp::LoopbackOnly).unwrap();
    let settings = ClientSettings {
        url: url(),
        internal_url: url(),
        token: Some(token()),
        token_origin: TokenOrigin::Variable,
        project: None,
        context: None,
        plain_http: PlainHttp::LoopbackOnly,
    };
    for printed in [format!("{:?}", token()), format!("{client:?}"), format!("{settings:?}")] {
        assert!(!printed.contains("rgc_") && !printed.contains("0000000"), "{printed}");
    }
}

/// The checksum of a token's text, in six digits of base 62.
fn crc32fast_base62(text: &str) -> String {
    let digits: Vec<char> = ('0'..='9').chain('A'..='Z').chain('a'..='z').collect();
    let mut rest = crc32fast::hash(text.as_bytes()) as usize;
    let mut check = Vec::new();
    for _ in 0..6 {
        check.insert(0, digits[rest % 62]);
        rest /= 62;
    }
    check.into_iter().collect()
}
