use super::*;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use proptest::prelude::*;
use zeroize::Zeroizing;

const KEY_FILE: &str = "{\n  \"type\": \"service_account\",\n  \"private_key_id\": \"0123abcd\",\n  \"private_key\": \"hunter2\",\n  \
                        \"client_email\": \"puller@acme.iam.gserviceaccount.com\"\n}\n";
const AWS_SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const NOW: i64 = 1_800_000_000;

fn now() -> Timestamp {
    Timestamp::from_microseconds(NOW * 1_000_000).unwrap()
}

fn in_hours(hours: u32) -> Timestamp {
    now().plus_hours(hours)
}

fn jwt(claims: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.c2ln", part(r#"{"alg":"RS256","typ":"JWT"}"#), part(claims))
}

fn ecr_token(expiration: i64) -> String {
    STANDARD
        .encode(format!(r#"{{"payload":"x","datakey":"y","version":"2","type":"DATA_KEY","expiration":{expiration}}}"#))
}

fn found(server: &str, username: &str, password: Option<&str>) -> Result<Examination, Remark> {
    let server: RegistryServer = server.parse().unwrap();
    let username = (!username.is_empty()).then(|| username.parse().unwrap());
    let password = password.map(|text| Password::new(&Zeroizing::new(text.to_owned())).unwrap());
    let kind = if server.host() == "harbor.example" { RegistryKind::Harbor } else { RegistryKind::infer(&server) };
    examine(kind, &server, username.as_ref(), password.as_ref(), now())
}

/// Where the warnings are about, and a word that the first of them must have.
fn warned(server: &str, username: &str, password: &str, expected: &[(&str, &str)]) {
    let found =
        found(server, username, Some(password)).unwrap_or_else(|finding| panic!("{server} {username}: {finding}"));
    let matching = found.warnings.iter().zip(expected);
    let right =
        matching.filter(|(found, (pointer, word))| found.pointer == *pointer && found.detail.contains(word)).count();
    assert_eq!(
        (right, found.warnings.len()),
        (expected.len(), expected.len()),
        "{server} {username}: {:?}",
        found.warnings
    );
}

#[test]
fn a_login_in_the_convention_of_its_registry_gives_no_warning() {
    let base64 = STANDARD.encode(KEY_FILE);
    for (server, username, password) in [
        ("docker.io", "acme", "dckr_pat_x"),
        ("gcr.io", "_json_key", KEY_FILE),
        ("europe-docker.pkg.dev/p/r", "_json_key_base64", &base64),
        ("acme.azurecr.io", "8ac1d6b5-7a1e-4d1f-9a0b-2c3d4e5f6a7b", "secret"),
        ("acme.azurecr.io", "token", "secret"),
        ("ghcr.io", "bot", "ghp_x"),
        ("registry.gitlab.com", "gitlab+deploy-token-1", "gldt-x"),
        ("quay.io", "acme+puller", "x"),
        ("quay.io", "$oauthtoken", "x"),
        ("quay.io", "$app", "x"),
        ("harbor.example", "robot$shop+puller", "x"),
        ("harbor.example", "acme$shop+puller", "x"),
        ("registry.digitalocean.com", "ops@acme.example", "dop_v1_x"),
        ("registry.digitalocean.com", "bot", "dop_v1_x"),
        ("registry.cn-hangzhou.aliyuncs.com", "puller@acme", "x"),
        ("de.icr.io", "iamapikey", "x"),
        ("cp.icr.io", "cp", "x"),
        ("registry.example.com", "", "x"),
        ("registry.example.com", "_json_key", "x"),
    ] {
        warned(server, username, password, &[]);
        assert_eq!(found(server, username, Some(password)).unwrap().ends_at, None, "{server} {username}");
    }
}

#[test]
fn a_wrong_convention_is_a_warning_that_names_the_right_one() {
    const USERNAME: &str = "/username";
    const PASSWORD: &str = "/password";
    let base64 = STANDARD.encode(KEY_FILE);
    let ecr = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
    for (server, username, password, pointer, word) in [
        ("docker.io", "", "x", USERNAME, "Docker ID"),
        ("docker.io", "ops@acme.example", "x", USERNAME, "Docker ID"),
        (ecr, "bot", "x", USERNAME, "AWS"),
        (ecr, "", "x", USERNAME, "AWS"),
        ("public.ecr.aws", "bot", AWS_SECRET, USERNAME, "access key"),
        (ecr, "AKIAIOSFODNN7EXAMPLE", AWS_SECRET, USERNAME, "fetched"),
        ("gcr.io", "bot", "x", USERNAME, "_json_key"),
        ("gcr.io", "", "x", USERNAME, "_json_key"),
        ("gcr.io", "bot", KEY_FILE, USERNAME, "must be _json_key for"),
        ("gcr.io", "bot", &base64, USERNAME, "_json_key_base64 for"),
        ("gcr.io", "_json_key", r#"{"type":"authorized_user"}"#, PASSWORD, "service account"),
        ("acme.azurecr.io", "", "x", USERNAME, "service principal"),
        ("acme.azurecr.io", "acme", &jwt("{}"), USERNAME, "00000000-0000-0000-0000-000000000000"),
        ("ghcr.io", "", "ghp_x", USERNAME, "user name"),
        ("ghcr.io", "bot", "github_pat_x", PASSWORD, "classic"),
        ("ghcr.io", "bot", "ghs_x", PASSWORD, "classic"),
        ("registry.gitlab.com", "", "x", USERNAME, "deploy token"),
        ("registry.gitlab.com", "gitlab-ci-token", "x", USERNAME, "deploy token"),
        ("quay.io", "acme", "x", USERNAME, "namespace+robot"),
        ("quay.io", "acme+", "x", USERNAME, "namespace+robot"),
        ("quay.io", "", "x", USERNAME, "namespace+robot"),
        ("harbor.example", "", "x", USERNAME, "robot$project+name"),
        ("harbor.example", "admin", "x", USERNAME, "robot$project+name"),
        ("harbor.example", "robot+puller", "x", USERNAME, "single quotes"),
        ("registry.digitalocean.com", "", "dop_v1_x", USERNAME, "e-mail address"),
        ("registry.digitalocean.com", "dop_v1_y", "dop_v1_x", USERNAME, "is an API token"),
        ("registry.digitalocean.com", "dop_v1_x", "dop_v1_x", USERNAME, "shown to everybody"),
        ("registry.cn-hangzhou.aliyuncs.com", "", "x", USERNAME, "RAM"),
        ("icr.io", "bot", "x", USERNAME, "iamapikey"),
        ("de.icr.io", "cp", "x", USERNAME, "iamapikey"),
        ("cp.icr.io", "iamapikey2", "x", USERNAME, "must be cp"),
        ("r.example.com", "same", "same", USERNAME, "shown to everybody"),
    ] {
        warned(server, username, password, &[(pointer, word)]);
    }
    warned(ecr, "ASIAIOSFODNN7EXAMPLE", AWS_SECRET, &[(USERNAME, "temporary"), (USERNAME, "fetched")]);
    warned(ecr, "AKIAIOSFODNN7EXAMPLE", "short", &[(PASSWORD, "40"), (USERNAME, "fetched")]);
}

#[test]
fn what_contradicts_itself_is_refused() {
    let base64 = STANDARD.encode(KEY_FILE);
    let (ecr, token) = ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", ecr_token(NOW));
    let nobody = "00000000-0000-0000-0000-000000000000";
    for (server, username, password, pointer, word) in [
        (ecr, "AWS", AWS_SECRET, "/password", "access key id"),
        ("public.ecr.aws", "AWS", AWS_SECRET, "/password", "access key id"),
        (ecr, "AWS", "AKIAIOSFODNN7EXAMPLE", "/password", "is a user name"),
        (ecr, "AKIAIOSFODNN7EXAMPLE", &token, "/username", "AWS"),
        ("gcr.io", "_json_key", "hunter2", "/password", "JSON"),
        ("gcr.io", "_json_key", "[]", "/password", "JSON"),
        ("gcr.io", "_json_key", &base64, "/username", "_json_key_base64"),
        ("gcr.io", "_json_key_base64", KEY_FILE, "/username", "_json_key"),
        ("gcr.io", "_json_key_base64", "aHVudGVyMg==", "/password", "base64"),
        ("gcr.io", "_json_key_base64", "hunter2", "/password", "base64"),
        ("gcr.io", "oauth2accesstoken", KEY_FILE, "/username", "_json_key"),
        ("gcr.io", "oauth2accesstoken", &base64, "/username", "_json_key_base64"),
        ("acme.azurecr.io", nobody, "hunter2", "/password", "az acr login"),
    ] {
        let finding = found(server, username, Some(password)).expect_err(username);
        assert_eq!(finding.pointer, pointer, "{server} {username}: {finding}");
        assert!(finding.detail.contains(word), "{server} {username}: {finding}");
    }
}

#[test]
fn tokens_end_as_they_say_or_as_their_sort_does() {
    let ecr = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
    let nobody = "00000000-0000-0000-0000-000000000000";
    let end = |seconds: i64| Timestamp::from_microseconds(seconds * 1_000_000);
    for (server, username, password, expected) in [
        (ecr, "AWS", ecr_token(NOW + 60), end(NOW + 60)),
        (ecr, "AWS", "x".repeat(900), Some(in_hours(12))),
        ("public.ecr.aws", "AWS", ecr_token(NOW + 61), end(NOW + 61)),
        ("gcr.io", "oauth2accesstoken", "ya29.x".to_owned(), Some(in_hours(1))),
        ("acme.azurecr.io", nobody, jwt(&format!(r#"{{"exp":{}}}"#, NOW + 62)), end(NOW + 62)),
        ("acme.azurecr.io", nobody, jwt("{}"), Some(in_hours(3))),
        ("registry.cn-hangzhou.aliyuncs.com", "cr_temp_user", "x".to_owned(), Some(in_hours(1))),
        ("icr.io", "iambearer", jwt(&format!(r#"{{"exp":{}}}"#, NOW + 63)), end(NOW + 63)),
        ("icr.io", "iambearer", "x".to_owned(), Some(in_hours(1))),
        ("r.example.com", "bot", jwt(&format!(r#"{{"exp":{}.7}}"#, NOW + 64)), end(NOW + 64)),
        ("r.example.com", "bot", jwt(r#"{"exp":null}"#), None),
        ("r.example.com", "bot", jwt(r#"{"exp":"soon"}"#), None),
        ("r.example.com", "bot", jwt(r#"{"exp":-1}"#), None),
        ("r.example.com", "bot", jwt(r#"{"exp":99999999999999}"#), None),
        ("r.example.com", "bot", jwt(r#"{"exp":1e300}"#), None),
        ("r.example.com", "bot", "a.b.c".to_owned(), None),
        ("r.example.com", "bot", format!("{}.x", jwt(&format!(r#"{{"exp":{NOW}}}"#))), None),
    ] {
        assert_eq!(
            found(server, username, Some(&password)).unwrap().ends_at,
            expected,
            "{server} {username} {password}"
        );
    }
    let late = found("r.example.com", "bot", Some(&jwt(&format!(r#"{{"exp":{NOW}}}"#)))).unwrap();
    assert_eq!(late.warnings, [Remark { pointer: "/password", detail: "says that it has expired already" }]);
}

#[test]
fn a_key_file_says_whose_it_is_and_nothing_else_of_it_is_kept() {
    let identity = |text: &str| shape::key_file(text).and_then(|file| file.identity);
    let google = identity(KEY_FILE).unwrap();
    assert_eq!((google.client_email(), google.key_id()), ("puller@acme.iam.gserviceaccount.com", "0123abcd"));
    assert_eq!(google.to_text().parse::<Identity>(), Ok(google.clone()));
    let encoded = STANDARD.encode(KEY_FILE);
    let lines = encoded.as_bytes().chunks(60).map(|line| str::from_utf8(line).unwrap()).collect::<Vec<_>>().join("\n");
    for (username, password) in [("_json_key", KEY_FILE), ("_json_key_base64", &encoded), ("_json_key_base64", &lines)]
    {
        assert_eq!(found("gcr.io", username, Some(password)).unwrap().identity, Some(google.clone()), "{username}");
    }
    // Projects below a domain have a dot in the address of their own account.
    let appspot = r#"{"client_email":"shop.acme.example@appspot.gserviceaccount.com","private_key_id":"00"}"#;
    assert_eq!(identity(appspot).unwrap().client_email(), "shop.acme.example@appspot.gserviceaccount.com");
    for text in [
        "{}",
        r#"{"client_email":"a@b.iam.gserviceaccount.com"}"#,
        r#"{"client_email":"hunter2@evil.example","private_key_id":"00"}"#,
        r#"{"client_email":"hunter2","private_key_id":"00"}"#,
        r#"{"client_email":"a@b.iam.gserviceaccount.com","private_key_id":"-----BEGIN"}"#,
        r#"{"client_email":"a@b.iam.gserviceaccount.com","private_key_id":7}"#,
        r#"["service_account","a@b.iam.gserviceaccount.com","00"]"#,
    ] {
        assert_eq!(identity(text), None, "{text}");
    }
    for text in ["", "{}", "null", r#"{"client_email":"x","key_id":"00"}"#] {
        assert!(text.parse::<Identity>().is_err(), "{text}");
    }
}

#[test]
fn without_the_password_only_the_user_name_is_looked_at() {
    for (server, username, warnings) in [
        ("gcr.io", "_json_key", 0),
        ("gcr.io", "_json_key_base64", 0),
        ("gcr.io", "oauth2accesstoken", 0),
        ("gcr.io", "bot", 1),
        ("acme.azurecr.io", "00000000-0000-0000-0000-000000000000", 0),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "AWS", 0),
        ("icr.io", "iambearer", 0),
        ("registry.digitalocean.com", "bot", 0),
        ("registry.digitalocean.com", "dop_v1_x", 1),
        ("registry.cn-hangzhou.aliyuncs.com", "cr_temp_user", 0),
    ] {
        let found = found(server, username, None).unwrap();
        assert_eq!((found.warnings.len(), found.ends_at), (warnings, None), "{server} {username}");
    }
}

#[test]
fn every_fixed_user_name_of_a_form_is_in_its_convention() {
    use crate::domain::kind::form::Name;
    for kind in RegistryKind::ALL {
        let form = kind.form();
        for login in form.logins {
            let Name::Fixed(name) = login.username else { continue };
            let server = if name == "cp" { "cp.icr.io" } else { form.example };
            let server: crate::domain::server::StatedServer = server.parse().unwrap();
            let found = examine(kind, &server.complete(Some(kind)).unwrap(), Some(&name.parse().unwrap()), None, now());
            assert_eq!(found, Ok(Examination::default()), "{kind} {name}");
        }
    }
}

/// What must not be shown: no name of a service account and of a key may have such characters.
const SECRET: &str = "hunter/2+=";

/// Key files in which a secret stands where it belongs, or where something else does.
fn some_key_file() -> impl Strategy<Value = String> {
    let one_of = |good: &'static str| {
        prop_oneof![Just(good.to_owned()), Just(SECRET.to_owned()), Just(format!("{SECRET}{good}"))]
    };
    let members =
        (one_of("service_account"), one_of("0123abcd"), one_of("puller@acme.iam.gserviceaccount.com"), any::<bool>());
    members.prop_map(|(sort, key_id, email, encoded)| {
        let file = serde_json::json!({
            "type": sort, "private_key_id": key_id, "private_key": SECRET, "client_email": email, "client_id": SECRET,
        });
        if encoded { STANDARD.encode(file.to_string()) } else { file.to_string() }
    })
}

proptest! {
    #[test]
    fn of_a_key_file_nothing_is_kept_but_whose_it_is(username in proptest::sample::select(vec!["_json_key", "_json_key_base64", "bot"]), password in some_key_file()) {
        let told = format!("{:?}", found("gcr.io", username, Some(&password)));
        prop_assert!(!told.contains(SECRET), "{}", told);
    }

    // What is said of a password is written in the source, so that it cannot be repeated; but its form is looked at by its bytes.
    #[test]
    fn no_password_makes_a_rule_panic(
        username in proptest::sample::select(vec!["AWS", "_json_key", "_json_key_base64", "oauth2accesstoken", "iambearer", "bot", "AKIAIOSFODNN7EXAMPLE"]),
        password in prop_oneof!["[ -~]{1,60}", "\\PC{1,60}", "(dckr_|ghp_|github_|dop_v1_|AKIA|eyJ)\\PC{0,20}", "[A-Za-z0-9_=-]{1,20}\\.[A-Za-z0-9_=-]{1,40}\\.[A-Za-z0-9_-]{0,9}", "\\{[ -~]{0,40}\\}"],
        server in proptest::sample::select(vec!["gcr.io", "public.ecr.aws", "acme.azurecr.io", "icr.io", "quay.io", "r.example.com"]),
    ) {
        let _ = found(server, username, Some(&password));
    }
}
