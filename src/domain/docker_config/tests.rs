use super::*;
use crate::domain::consumer::auth;
use crate::domain::matching::tests::{ORGANIZATION, PROJECT, credential, image, time};
use proptest::prelude::*;
use serde_json::Value;

fn password(text: &str) -> Password {
    Password::new(&Zeroizing::new(text.to_owned())).unwrap()
}

type Keys = Vec<(String, u128)>;

/// Keys and credentials' numbers of what goes out, and numbers and reasons of what does not.
fn selected(credentials: &[Credential], images: &[&str]) -> (Keys, Vec<(u128, Availability)>) {
    let images: Vec<_> = images.iter().map(|text| image(text)).collect();
    let selection = select(credentials, &images, time(100));
    let entries = selection.entries.into_iter().map(|entry| (entry.key, entry.credential.id.as_uuid().as_u128()));
    let omitted = selection.omitted.into_iter().map(|(id, reason)| (id.as_uuid().as_u128(), reason));
    (entries.collect(), omitted.collect())
}

fn keys(credentials: &[Credential], images: &[&str]) -> Keys {
    selected(credentials, images).0
}

fn pairs(expected: &[(&str, u128)]) -> Keys {
    expected.iter().map(|(key, id)| ((*key).to_owned(), *id)).collect()
}

fn disabled(mut credential: Credential) -> Credential {
    credential.enabled = false;
    credential
}

fn ending_at(microseconds: i64, mut credential: Credential) -> Credential {
    credential.expires_at = Some(time(microseconds));
    credential
}

#[test]
fn a_whole_project_has_every_available_login_under_its_own_key() {
    let credentials = [
        credential(9, PROJECT, "quay.io/acme"),
        credential(2, PROJECT, "docker.io"),
        credential(3, ORGANIZATION, "docker.io/acme"),
        disabled(credential(8, PROJECT, "ghcr.io")),
        ending_at(100, credential(5, PROJECT, "gcr.io")),
        ending_at(101, credential(6, PROJECT, "r.io:5000")),
    ];
    let expected = [("docker.io/acme", 3), ("https://index.docker.io/v1/", 2), ("quay.io/acme", 9), ("r.io:5000", 6)];
    let (entries, omitted) = selected(&credentials, &[]);
    assert_eq!(entries, pairs(&expected));
    assert_eq!(omitted, [(5, Availability::Expired), (8, Availability::Disabled)]);
}

#[test]
fn the_only_login_of_a_host_stands_under_the_registrys_key() {
    let credentials = [
        credential(1, PROJECT, "quay.io/acme"),
        credential(2, PROJECT, "quay.io/beta"),
        credential(3, PROJECT, "docker.io/acme"),
        credential(4, PROJECT, "ghcr.io"),
    ];
    assert_eq!(keys(&credentials, &["quay.io/acme/app"]), pairs(&[("quay.io", 1)]));
    assert_eq!(keys(&credentials, &["quay.io/acme/app:1", "quay.io/acme/web"]), pairs(&[("quay.io", 1)]));
    assert_eq!(keys(&credentials, &["acme/app"]), pairs(&[("https://index.docker.io/v1/", 3)]));
    assert_eq!(
        keys(&credentials, &["quay.io/beta/app", "ghcr.io/x", "quay.io/acme/app"]),
        pairs(&[("ghcr.io", 4), ("quay.io/acme", 1), ("quay.io/beta", 2)])
    );
    assert_eq!(keys(&credentials, &["quay.io/other/app", "nginx"]), pairs(&[]));
}

#[test]
fn a_login_is_not_sent_for_an_image_of_its_host_that_gets_none() {
    let credentials = [
        credential(1, PROJECT, "quay.io/acme"),
        credential(2, PROJECT, "docker.io/acme"),
        disabled(credential(3, PROJECT, "ghcr.io/secret")),
        credential(4, PROJECT, "ghcr.io/acme"),
        credential(5, PROJECT, "gcr.io"),
    ];
    assert_eq!(keys(&credentials, &["quay.io/acme/app", "quay.io/public/app"]), pairs(&[("quay.io/acme", 1)]));
    assert_eq!(keys(&credentials, &["nginx", "acme/app"]), pairs(&[("docker.io/acme", 2)]));
    assert_eq!(keys(&credentials, &["ghcr.io/acme/app", "ghcr.io/secret/app"]), pairs(&[("ghcr.io/acme", 4)]));
    // Images of other hosts do not matter, nor does one without a login beside a login for the whole host.
    assert_eq!(keys(&credentials, &["quay.io/acme/app", "nginx", "r.io/x"]), pairs(&[("quay.io", 1)]));
    assert_eq!(keys(&credentials, &["gcr.io/x", "quay.io/y"]), pairs(&[("gcr.io", 5)]));
}

#[test]
fn the_next_candidate_stands_in_for_one_that_cannot_go_out_and_that_one_is_reported() {
    let credentials = [
        disabled(credential(1, PROJECT, "quay.io/acme/team")),
        ending_at(7, credential(2, PROJECT, "quay.io/acme")),
        credential(3, ORGANIZATION, "quay.io"),
        disabled(credential(4, PROJECT, "ghcr.io")),
    ];
    let (entries, omitted) = selected(&credentials, &["quay.io/acme/team/app", "quay.io/acme/web"]);
    assert_eq!(entries, pairs(&[("quay.io", 3)]));
    assert_eq!(omitted, [(1, Availability::Disabled), (2, Availability::Expired)]);
    assert_eq!(selected(&credentials, &["quay.io/x"]).1, []);
    assert_eq!(selected(&credentials, &["ghcr.io/x"]), (vec![], vec![(4, Availability::Disabled)]));
}

#[test]
fn two_spellings_of_one_registry_never_give_two_keys() {
    for images in [&[][..], &["gcr.io/x"]] {
        let credentials = [credential(1, ORGANIZATION, "gcr.io"), credential(2, PROJECT, "https://gcr.io")];
        assert_eq!(keys(&credentials, images).first(), Some(&("gcr.io".to_owned(), 2)));
        assert_eq!(keys(&credentials, images).len(), 1);
    }
}

#[test]
fn the_bytes_are_compact_json_with_a_fixed_order_of_fields() {
    let (username, email) = ("bot".parse().unwrap(), "ops@acme.example".parse().unwrap());
    let (first, second) = (password("s3cret\"\n"), password("pässword<&>:x"));
    let logins = [
        KeyedLogin { key: "quay.io/acme", username: Some(&username), email: Some(&email), password: &first },
        KeyedLogin { key: "gcr.io", username: None, email: None, password: &second },
    ];
    let expected = concat!(
        r#"{"auths":{"quay.io/acme":{"username":"bot","password":"s3cret\"\n","email":"ops@acme.example","auth":"Ym90OnMzY3JldCIK"},"#,
        r#""gcr.io":{"username":"","password":"pässword<&>:x","auth":"OnDDpHNzd29yZDwmPjp4"}}}"#
    );
    assert_eq!(str::from_utf8(render(&logins).expose()).unwrap(), expected);
    assert_eq!(render(&[]).expose(), br#"{"auths":{}}"#);
}

#[test]
fn several_logins_of_one_registry_are_not_taken_by_chance() {
    for (keys, expected) in [
        (&["quay.io/acme", "quay.io/beta"][..], &["quay.io"][..]),
        (&["quay.io", "quay.io/acme", "quay.io/beta"], &[]),
        (&["quay.io/acme"], &[]),
        (&["quay.io/acme", "quay.io:443/acme"], &[]),
        (&["docker.io/acme", "docker.io/beta", "https://index.docker.io/v1/"], &[]),
        (&["a.io/x", "a.io/y", "b.io/x", "b.io/y"], &["a.io", "b.io"]),
        (&[], &[]),
    ] {
        assert_eq!(stops(keys), expected, "{keys:?}");
    }
    let secret = password("s3cret");
    let login = |key| KeyedLogin { key, username: None, email: None, password: &secret };
    let document = render(&[login("quay.io/acme"), login("quay.io/beta"), login("r.io")]);
    let value: Value = serde_json::from_slice(document.expose()).unwrap();
    assert_eq!(value["auths"]["quay.io"], serde_json::json!({}));
    let keys: Vec<_> = value["auths"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["quay.io", "quay.io/acme", "quay.io/beta", "r.io"]);
    assert!(document.expose().starts_with(br#"{"auths":{"quay.io":{},"quay.io/acme":{"#));
    assert!(document.expose().ends_with(b"}}}"));
}

#[test]
fn the_buffer_is_never_too_small() {
    let username = "\"".repeat(255).parse().unwrap();
    let email = format!("{}@\\", "\"".repeat(252)).parse().unwrap();
    for text in ["x".to_owned(), "\"".repeat(Password::MAX_BYTES), "\n\t\r\\".repeat(1000), "ä".repeat(99)] {
        let password = password(&text);
        let login = |key| KeyedLogin { key, username: Some(&username), email: Some(&email), password: &password };
        let logins = [login("a"), login("b"), login("c")];
        let most: usize = logins.iter().map(|login| most_bytes(login, &text)).sum();
        assert!(render(&logins).expose().len() <= most + FRAME.len());
    }
}

proptest! {
    #[test]
    fn every_login_is_read_back_as_it_was_given(
        logins in proptest::collection::vec(("[ -9;-~\u{a0}-\u{ffff}]{0,12}", "[ -~\t\r\n\u{a0}-\u{10ffff}]{1,80}", any::<bool>()), 0..4)
    ) {
        let logins: Vec<_> = logins.into_iter().enumerate().map(|(index, (username, text, email))| {
            (format!("r{index}.io"), username.parse::<Username>().ok(), email.then(|| "a@b".parse::<Email>().unwrap()), text)
        }).collect();
        let passwords: Vec<_> = logins.iter().map(|(.., text)| password(text)).collect();
        let rendered: Vec<_> = logins.iter().zip(&passwords).map(|((key, username, email, _), password)| {
            KeyedLogin { key, username: username.as_ref(), email: email.as_ref(), password }
        }).collect();
        let (document, again) = (render(&rendered), render(&rendered));
        prop_assert_eq!(document.expose(), again.expose());

        let value: Value = serde_json::from_slice(document.expose()).unwrap();
        let auths = value["auths"].as_object().unwrap();
        prop_assert_eq!(auths.len(), logins.len());
        for (key, username, email, text) in &logins {
            let (entry, username) = (&auths[key], username.as_ref().map_or("", Username::as_str));
            prop_assert_eq!(entry["username"].as_str(), Some(username));
            prop_assert_eq!(entry["password"].as_str(), Some(text.as_str()));
            prop_assert_eq!(entry.get("email").and_then(Value::as_str), email.as_ref().map(Email::as_str));
            let pair = String::from_utf8(STANDARD.decode(entry["auth"].as_str().unwrap()).unwrap()).unwrap();
            prop_assert_eq!(pair.split_once(':'), Some((username, text.as_str())));
            let read = auth::read(entry["auth"].as_str().unwrap()).unwrap();
            prop_assert_eq!((read.username(), read.password()), (username.as_bytes(), text.as_bytes()));
        }
    }

    #[test]
    fn equal_state_gives_an_equal_selection(
        list in Just(["docker.io", "docker.io/acme", "quay.io/acme", "quay.io", "gcr.io", "r.io:5000"].into_iter().enumerate().collect::<Vec<_>>()).prop_shuffle(),
        images in proptest::sample::subsequence(vec!["acme/app", "nginx", "quay.io/acme/x", "quay.io/y", "gcr.io/z"], 0..5).prop_shuffle(),
    ) {
        let make = |list: &[(usize, &str)]| list.iter().map(|(id, server)| {
            let credential = credential(u128::try_from(*id).unwrap(), PROJECT, server);
            if *server == "quay.io/acme" { disabled(credential) } else { credential }
        }).collect::<Vec<_>>();
        let (given, mut list, mut sorted) = (make(&list), list, images.clone());
        list.sort_unstable();
        sorted.sort_unstable();
        prop_assert_eq!(selected(&given, &images), selected(&make(&list), &sorted));
        prop_assert!(keys(&given, &images).is_sorted_by(|a, b| a.0 < b.0));
    }
}
