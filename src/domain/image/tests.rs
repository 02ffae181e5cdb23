use super::*;
use proptest::prelude::*;

fn repository(text: &str) -> Result<String, Invalid> {
    text.parse::<ImageReference>().map(|image| image.repository().to_owned())
}

#[test]
fn a_reference_is_completed_as_docker_does() {
    let digest = format!("@sha256:{}", "0a".repeat(32));
    for (text, expected) in [
        ("nginx", "docker.io/library/nginx"),
        ("nginx:1.25", "docker.io/library/nginx"),
        (&format!("nginx{digest}"), "docker.io/library/nginx"),
        (&format!("nginx:1.25{digest}"), "docker.io/library/nginx"),
        (&format!("r.io/a@sha384:{}", "0".repeat(96)), "r.io/a"),
        (&format!("r.io/a@sha512:{}", "0".repeat(128)), "r.io/a"),
        ("acme/app", "docker.io/acme/app"),
        ("docker.io/nginx", "docker.io/library/nginx"),
        ("index.docker.io/nginx:1", "docker.io/library/nginx"),
        ("index.docker.io/acme/app", "docker.io/acme/app"),
        ("registry-1.docker.io/acme/app", "registry-1.docker.io/acme/app"),
        ("docker.io:443/app", "docker.io:443/app"),
        ("r.io:5000/a/b:tag", "r.io:5000/a/b"),
        ("localhost/a", "localhost/a"),
        ("localhost:5000", "docker.io/library/localhost"),
        ("localhost:5000/a", "localhost:5000/a"),
        ("[::1]:5000/a:1", "[::1]:5000/a"),
        ("[::1]/a", "[::1]/a"),
        ("R.io/a", "R.io/a"),
        ("Foo/a", "Foo/a"),
        ("a.b-c--d/e", "a.b-c--d/e"),
        ("r.io:5000", "docker.io/library/r.io"),
        ("a__b/c--d", "docker.io/a__b/c--d"),
        ("nginx:_x.Y-z", "docker.io/library/nginx"),
    ] {
        assert_eq!(repository(text).as_deref(), Ok(expected), "{text}");
    }
    let image: ImageReference = "r.io:5000/a/b:tag".parse().unwrap();
    assert_eq!(image.host(), "r.io:5000");
    assert_eq!("nginx".parse::<ImageReference>().unwrap().host(), "docker.io");
    assert_eq!("nginx:1".parse::<ImageReference>(), "docker.io/library/nginx:2".parse());
}

#[test]
fn what_is_no_reference_is_refused_without_being_repeated() {
    let identifier = "0a".repeat(32);
    let long_tag = format!("r.io/a:{}", "x".repeat(129));
    let long_path = format!("r.io/{}", "a".repeat(256));
    let long_official = "a".repeat(248);
    let upper_digest = format!("r.io/a@sha256:{}", "0A".repeat(32));
    let short_digest = format!("r.io/a@sha256:{}", "0".repeat(63));
    let md5 = format!("r.io/a@md5:{}", "0".repeat(32));
    let wrong_length = format!("r.io/a@sha512:{}", "0".repeat(64));
    for text in [
        "",
        " ",
        "Nginx",
        "nginx ",
        "a b",
        "nginx\n",
        "a\0b",
        "https://r.io/a",
        "r.io/",
        "/a",
        "r.io//a",
        "r.io/a/",
        "r.io/A",
        "r.io/a:",
        "r.io/a:-x",
        "r.io/a:.x",
        "r.io/a:b:c",
        "r.io/a:ä",
        "r.io/a@",
        "r.io/a@sha256:",
        "r.io:/a",
        "r.io:x/a",
        "a.b_c/d",
        ":5000/a",
        "-r.io/a",
        "r-.io/a",
        "r..io/a",
        ".io/a",
        "r_x.io/a",
        "[::1/a",
        "[]/a",
        "[::g]/a",
        "[::1]x/a",
        "*.io/a",
        "r.io/-a",
        "r.io/a-",
        "r.io/a._b",
        "r.io/a___b",
        "r.io/a..b",
        "r.io/a_-b",
        "user@r.io/a",
        "ä/a",
        &identifier,
        &long_tag,
        &long_path,
        &long_official,
        &upper_digest,
        &short_digest,
        &md5,
        &wrong_length,
    ] {
        let error = repository(text).expect_err(text).to_string();
        assert!(text.len() < 7 || !error.contains(text), "{text}");
    }
    assert!(repository(&long_tag[..long_tag.len() - 1]).is_ok());
    assert!(repository(&long_path[..long_path.len() - 1]).is_ok());
    assert!(repository(&long_official[1..]).is_ok(), "255 bytes with 'library/'");
    assert!(repository(&identifier[1..]).is_ok(), "63 digits are a name");
    assert!(repository(&format!("acme/{identifier}")).is_ok());
}

#[test]
fn json_goes_through_the_same_rule() {
    assert_eq!(serde_json::from_str::<ImageReference>(r#""nginx""#).unwrap().repository(), "docker.io/library/nginx");
    assert!(
        !serde_json::from_str::<ImageReference>(r#""hunter2 hunter2""#).unwrap_err().to_string().contains("hunter2")
    );
}

fn pieces() -> impl Strategy<Value = String> {
    const PIECES: [&str; 22] = [
        "a",
        "nginx",
        "library",
        "docker.io",
        "index.docker.io",
        "localhost",
        "r.io",
        "R",
        "[::1]",
        "/",
        "/",
        ":",
        ":5000",
        "@",
        "sha256:",
        ".",
        "_",
        "__",
        "-",
        "0",
        "ä",
        "0000000000000000000000000000000000000000000000000000000000000000",
    ];
    proptest::collection::vec(proptest::sample::select(PIECES.to_vec()), 0..8).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics_and_a_repository_is_its_own_reference(text in prop_oneof![any::<String>(), pieces(), "[a-zA-Z0-9.:/_-]{1,16}"]) {
        if let Ok(image) = text.parse::<ImageReference>() {
            prop_assert_eq!(image.repository().parse::<ImageReference>(), Ok(image.clone()));
            prop_assert_eq!(image.repository().split('/').next(), Some(image.host()));
        }
    }
}
