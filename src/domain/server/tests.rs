use super::*;
use proptest::prelude::*;

fn normal(text: &str) -> Result<String, Invalid> {
    text.parse::<RegistryServer>().map(String::from)
}

#[test]
fn every_name_of_docker_hub_is_one_server() {
    for host in ["docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com", "hub.docker.com"] {
        for scheme in ["", "https://", "http://", "HTTPS://"] {
            for path in ["", "/", "/v1", "/v1/", "/v2", "/v2/", "//"] {
                let text = format!("{scheme}{host}{path}");
                assert_eq!(normal(&text).unwrap(), "docker.io", "{text}");
                assert_eq!(normal(&text.to_uppercase().replace("/V", "/v")).unwrap(), "docker.io", "{text}");
            }
        }
    }
    assert_eq!(normal("https://index.docker.io/acme/").unwrap(), "docker.io/acme");
    assert_eq!(normal("docker.io/acme").unwrap(), "docker.io/acme");
    // A port is never dropped, so this is not the host that Docker Hub's images have.
    assert_eq!(normal("docker.io:443").unwrap(), "docker.io:443");
    for bad in [
        "https://hub.docker.com/r/acme/app",
        "https://hub.docker.com/v2/repositories",
        "https://index.docker.io/v1/access-token",
        "https://registry-1.docker.io/v2/library/nginx/manifests/latest",
    ] {
        assert!(normal(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_server_has_one_normal_form() {
    for (text, expected) in [
        ("ghcr.io", "ghcr.io"),
        ("GHCR.IO", "ghcr.io"),
        ("ghcr.io.", "ghcr.io"),
        ("ghcr.io.:5000", "ghcr.io:5000"),
        ("https://ghcr.io", "ghcr.io"),
        ("http://ghcr.io/", "ghcr.io"),
        ("https://host:5000/v2/", "host:5000"),
        ("r.io/v2/acme", "r.io/acme"),
        ("r.io/acme/v2", "r.io/acme/v2"),
        ("r.io/v1beta/x", "r.io/v1beta/x"),
        ("quay.io/acme/", "quay.io/acme"),
        ("https://quay.io/acme/a.b_c__d---e", "quay.io/acme/a.b_c__d---e"),
        ("localhost", "localhost"),
        ("LOCALHOST:5000", "localhost:5000"),
        ("myreg:5000", "myreg:5000"),
        ("https://r.io:443", "r.io:443"),
        ("http://r.io:80/v2/", "r.io:80"),
        ("r.io:1", "r.io:1"),
        ("r.io:65535", "r.io:65535"),
        ("192.168.0.1", "192.168.0.1"),
        ("192.168.0.1:5000", "192.168.0.1:5000"),
        ("[::1]:5000", "[::1]:5000"),
        ("[0:0:0:0:0:0:0:1]:5000", "[::1]:5000"),
        ("https://[2001:DB8::0:1]/v2/", "[2001:db8::1]"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("a--b.example", "a--b.example"),
    ] {
        assert_eq!(normal(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_no_server_is_refused_without_being_repeated() {
    let long_label = format!("{}.io", "a".repeat(64));
    let long_host = format!("{}io", "abcdefg.".repeat(32));
    let long_path = format!("r.io/{}", "a".repeat(256));
    let huge = "https://".to_owned() + &"a".repeat(2000);
    for text in [
        "",
        " ",
        "not a host",
        " r.io",
        "r.io ",
        "r.io\n",
        "r.io\0",
        "r.\u{a0}io",
        "r.io/\u{7f}",
        "http://",
        "https:///x",
        "://r.io",
        "//r.io",
        "/",
        "/v2/",
        "ftp://r.io",
        "oci://r.io/x",
        "https://https://r.io",
        "-bad-.io",
        "bad-.io",
        "-bad.io",
        "a..b",
        ".r.io",
        "r.io..",
        ".",
        "r_x.io",
        "1.2.3.999",
        "1.2.3",
        "127.1",
        "0x7f.0.0.1",
        "010.0.0.1",
        "2130706433",
        "2130706433:5000",
        "\u{ff11}.2.3.4",
        "foo:bar",
        "r.io:",
        "r.io:0",
        "r.io:05000",
        "r.io:65536",
        "r.io:+5",
        "r.io:1:2",
        "r.io:99999999999",
        "myreg",
        "acme/app",
        "https://myreg/v2/",
        "::1",
        "[::1",
        "::1]",
        "[::1]5000",
        "[]:5000",
        "[::g]",
        "[::1%eth0]",
        "[1.2.3.4]",
        "[::ffff:1.2.3.4]",
        "[fe80::1]:",
        "user@r.io",
        "user:pass@r.io",
        "https://user:pass@r.io/v2/",
        "r.io?x=1",
        "r.io/a?x",
        "r.io#x",
        "r%2eio",
        "r.io\\a",
        "*.r.io",
        "*.gcr.io",
        "r.io/*",
        "r.io/Acme",
        "r.io/a//b",
        "r.io/a_",
        "r.io/.a",
        "r.io/a..b",
        "r.io/a___b",
        "r.io/a:tag",
        "r.io/a/../b",
        "r.io/ä",
        "r.io/v2/_catalog",
        "r.io/v2/v2",
        "r.io/v1/v2/acme",
        "r.io/v2//acme",
        "xn--a.io",
        &long_label,
        &long_host,
        &long_path,
        &huge,
    ] {
        let error = normal(text).expect_err(text).to_string();
        assert!(text.len() < 5 || !error.contains(text), "{text}");
    }
    assert!(normal(&long_label[1..]).is_ok());
    assert!(normal(&long_path[..long_path.len() - 1]).is_ok());
    assert!(normal(&long_host[5..]).is_ok(), "253 bytes");
    assert!(normal(&long_host[4..]).is_err(), "254 bytes");
    for (text, rule) in [
        ("myreg", "must have the full host name, such as registry.example.com, or a port"),
        ("*.gcr.io", "must not contain wildcards"),
        ("r.io/a b", "must not contain white space or control characters"),
        ("user:pass@r.io", "must not contain '@': user name and password have their own fields"),
        ("acme/app", "must have the full host name, such as registry.example.com, or a port"),
        (&huge, "must be 1 to 1024 bytes"),
    ] {
        assert_eq!(normal(text), Err(Invalid(rule)), "{text}");
    }
}

#[test]
fn keys_are_those_that_consumers_look_for() {
    for (text, host, path, config_key, registry_key) in [
        ("docker.io", "docker.io", None, "https://index.docker.io/v1/", "https://index.docker.io/v1/"),
        ("docker.io/acme", "docker.io", Some("acme"), "docker.io/acme", "https://index.docker.io/v1/"),
        ("r.io:5000/a/b", "r.io:5000", Some("a/b"), "r.io:5000/a/b", "r.io:5000"),
        ("[::1]:5000", "[::1]:5000", None, "[::1]:5000", "[::1]:5000"),
        ("docker.io:443", "docker.io:443", None, "docker.io:443", "docker.io:443"),
    ] {
        let server: RegistryServer = text.parse().unwrap();
        assert_eq!((server.host(), server.path()), (host, path), "{text}");
        assert_eq!((server.config_key(), server.registry_key()), (config_key, registry_key), "{text}");
    }
}

#[test]
fn a_prefix_begins_with_a_host_and_lies_on_its_server_only() {
    for (text, expected) in [
        ("quay.io/acme", "quay.io/acme"),
        ("QUAY.io/acme/", "quay.io/acme"),
        ("quay.io", "quay.io"),
        ("index.docker.io/acme", "docker.io/acme"),
        ("r.io:5000/v2/acme", "r.io:5000/v2/acme"),
    ] {
        assert_eq!(text.parse::<ImagePrefix>().unwrap().as_str(), expected);
    }
    for bad in [
        "",
        "nginx",
        "acme/app",
        "https://quay.io/acme",
        "quay.io/acme:1",
        "quay.io/Acme",
        "quay.io/a//",
        "quay.io/*",
        "quay.io/acme@sha256",
        "quay.io /a",
        "hub.docker.com/r/acme",
    ] {
        assert!(bad.parse::<ImagePrefix>().is_err(), "{bad}");
    }
    for (prefix, server, expected) in [
        ("quay.io/acme", "quay.io", true),
        ("quay.io/acme", "quay.io/acme", true),
        ("quay.io/acme/app", "quay.io/acme", true),
        ("docker.io/acme", "https://index.docker.io/v1/", true),
        ("quay.io/acmex", "quay.io/acme", false),
        ("quay.io", "quay.io/acme", false),
        ("quay.io:443/acme", "quay.io", false),
        ("ghcr.io/acme", "quay.io", false),
        ("quay.io.example/acme", "quay.io", false),
    ] {
        let (prefix, server): (ImagePrefix, RegistryServer) = (prefix.parse().unwrap(), server.parse().unwrap());
        assert_eq!(prefix.lies_on(&server), expected, "{prefix} on {server}");
    }
}

#[test]
fn a_name_alone_is_a_server_of_azures_only() {
    for text in ["myreg", "MYREG", "myreg-a1b2", "2130706433", &"a".repeat(50)] {
        let stated: StatedServer = text.parse().unwrap();
        let expected = format!("{}.azurecr.io", text.to_lowercase());
        assert_eq!(stated.complete(Some(RegistryKind::Azure)).unwrap().as_str(), expected);
        for kind in [None, Some(RegistryKind::Quay), Some(RegistryKind::Generic)] {
            assert_eq!(stated.complete(kind), Err(NAME_ALONE), "{text}");
        }
    }
    for text in [
        "abcd",
        "abcd-a1b2",
        "-myreg",
        "myreg-",
        "myreg--a1",
        "myreg-a1-b2",
        "my_reg",
        "xn--abcde",
        "my.reg/",
        "myreg/x",
        "myrég",
    ] {
        assert!(!matches!(text.parse(), Ok(StatedServer::Name(_))), "{text}");
    }
    let full: StatedServer = "https://GHCR.io/v2/".parse().unwrap();
    assert_eq!(full.complete(Some(RegistryKind::Azure)).unwrap().as_str(), "ghcr.io");
}

#[test]
fn json_goes_through_the_same_rule() {
    let server: RegistryServer = serde_json::from_str(r#""https://GHCR.io/v2/""#).unwrap();
    assert_eq!(serde_json::to_string(&server).unwrap(), r#""ghcr.io""#);
    assert!(
        !serde_json::from_str::<RegistryServer>(r#""hunter2 hunter2""#).unwrap_err().to_string().contains("hunter2")
    );
}

/// Texts out of the pieces that the rules are about; plain random text is hardly ever near a valid server.
fn pieces() -> impl Strategy<Value = String> {
    const PIECES: [&str; 34] = [
        "https://",
        "http://",
        "/",
        "//",
        ":",
        ".",
        "-",
        "_",
        "__",
        "@",
        "?",
        "%",
        "*",
        "[",
        "]",
        "::1",
        "[::1]",
        "v1",
        "v2",
        "r",
        "io",
        "R.IO",
        "docker.io",
        "index.docker.io",
        "hub.docker.com",
        "5000",
        "443",
        "0",
        "127.0.0.1",
        "ä",
        "ß",
        "。",
        "\u{ad}",
        "xn--",
    ];
    proptest::collection::vec(proptest::sample::select(PIECES.to_vec()), 0..8).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics_and_normalising_twice_changes_nothing(text in prop_oneof![any::<String>(), pieces(), "[a-zß-ü.]{1,12}\\.[a-z]{2,3}(:[0-9]{1,5})?(/[a-z0-9._/-]{0,12})?"]) {
        if let Ok(once) = normal(&text) {
            prop_assert_eq!(normal(&once), Ok(once.clone()));
            let image = format!("{once}/app").parse::<crate::domain::image::ImageReference>();
            prop_assert!(image.is_ok(), "no image could be on it");
            let image = image.unwrap();
            prop_assert_eq!(image.host(), split_host(&once).0);
        }
        if let Ok(prefix) = text.parse::<ImagePrefix>() {
            prop_assert_eq!(prefix.as_str().parse::<ImagePrefix>(), Ok(prefix.clone()));
        }
    }

    #[test]
    fn spellings_of_one_server_are_equal(
        host in "([a-z][a-z0-9]{0,5}\\.){1,3}[a-z]{2,4}",
        port in proptest::option::of(1_u16..),
        path in proptest::option::of("[a-z]{3,6}(/[a-z]{3,6}){0,2}"),
        scheme in proptest::sample::select(vec!["", "https://", "http://", "HTTPS://", "Http://"]),
        dot in proptest::sample::select(vec!["", "."]),
        version in proptest::sample::select(vec!["", "/v1", "/v2"]),
        slashes in "/{0,3}",
        upper in any::<bool>(),
    ) {
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let path = path.map(|path| format!("/{path}")).unwrap_or_default();
        let typed = if upper { host.to_uppercase() } else { host.clone() };
        let text = format!("{scheme}{typed}{dot}{port}{version}{path}{slashes}");
        prop_assert_eq!(normal(&text), Ok(format!("{host}{port}{path}")));
    }

    #[test]
    fn spellings_of_one_address_are_equal(address in any::<std::net::Ipv6Addr>(), port in proptest::option::of(1_u16..)) {
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let groups = address.segments().map(|group| format!("{group:04X}")).join(":");
        let (short, long) = (normal(&format!("[{address}]{port}")), normal(&format!("https://[{groups}]{port}/v2/")));
        prop_assert_eq!(&short, &long);
        prop_assert_eq!(short.is_ok(), address.to_ipv4_mapped().is_none());
        if let Ok(text) = short {
            prop_assert_eq!(text, format!("[{address}]{port}"));
        }
    }

    #[test]
    fn spellings_of_one_international_name_are_equal(label in "[ä-ün-pα-ω]{1,8}", port in proptest::option::of(1_u16..)) {
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        if let Ok(ascii) = normal(&format!("{label}.example{port}")) {
            prop_assert!(ascii.is_ascii());
            prop_assert_eq!(normal(&ascii), Ok(ascii.clone()));
            prop_assert_eq!(normal(&format!("HTTPS://{}.EXAMPLE.{port}/v1/", label.to_uppercase())), normal(&format!("{}.example{port}", label.to_uppercase())));
            // Another dot of those that IDNA takes for one.
            prop_assert_eq!(normal(&format!("{label}\u{3002}example{port}")), Ok(ascii));
        }
    }
}
