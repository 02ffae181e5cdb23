//! Each rule of the consumers, row by row. The rows were read in the programs' sources, named in their modules.

use super::{Choice::*, Consumer::*, kubelet::index_key, *};
use crate::domain::server::RegistryServer;
use proptest::prelude::*;
use std::net::Ipv6Addr;

const HUB: &str = "https://index.docker.io/v1/";

fn full<'a>(keys: &[&'a str]) -> Vec<ConfigEntry<'a>> {
    keys.iter().map(|key| ConfigEntry { key, login: LoginParts::Full }).collect()
}

fn choice(consumer: Consumer, keys: &[&str], image: &str) -> Choice {
    consumer.choose(&full(keys), &image.parse().unwrap())
}

/// The keys that a program tries, in turn.
fn tried<'a>(consumer: Consumer, keys: &[&'a str], image: &str) -> Vec<&'a str> {
    match choice(consumer, keys, image) {
        Nothing => Vec::new(),
        InTurn(places) => places.into_iter().map(|place| keys[place]).collect(),
        AnyOf(_) => panic!("{consumer} takes any for {image} of {keys:?}"),
    }
}

#[test]
fn the_kubelet_makes_an_index_key_of_a_key() {
    for (key, expected) in [
        ("r.io", Some("r.io")),
        ("r.io/", Some("r.io")),
        ("https://r.io", Some("r.io")),
        ("http://r.io", Some("r.io")),
        // Only lower-case schemes are known; what is left of another one is read as a host with an empty port.
        ("HTTPS://r.io", Some("HTTPS://r.io")),
        ("ftp://r.io", Some("ftp://r.io")),
        ("https://https://r.io", Some("https://r.io")),
        ("https://r.io/v1/", Some("r.io")),
        ("https://r.io/v2/", Some("r.io")),
        ("https://r.io/v1/foo", Some("r.io/foo")),
        // One version goes, not two; and only with the slash behind it.
        ("https://r.io/v2/v1/foo", Some("r.io/v1/foo")),
        ("https://r.io/v1", Some("r.io/v1")),
        ("r.io/v3/foo", Some("r.io/v3/foo")),
        ("r.io/foo/", Some("r.io/foo/")),
        ("user:pass@r.io/foo", Some("r.io/foo")),
        ("r.io/foo?x=1", Some("r.io/foo")),
        ("r.io/foo#x", Some("r.io/foo")),
        ("r.io/fo%6f", Some("r.io/foo")),
        ("r.io:443", Some("r.io:443")),
        ("R.io", Some("R.io")),
        ("[::1]:5000/a", Some("[::1]:5000/a")),
        ("*.r.io", Some("*.r.io")),
        // What Go cannot read is skipped.
        ("r.io/%zz", None),
        ("r.io/%6", None),
        ("r io", None),
        ("r.io\n", None),
        ("r.io:x", None),
        ("[::1", None),
        ("r{.io", None),
    ] {
        assert_eq!(index_key(key).as_deref(), expected, "{key}");
    }
}

#[test]
fn the_kubelet_compares_ports_labels_and_bytes_of_paths() {
    for (key, image, expected) in [
        ("r.io", "r.io/foo", true),
        ("r.io:443", "r.io/foo", false),
        ("r.io", "r.io:443/foo", false),
        ("r.io:5000", "r.io:5000/foo", true),
        ("r.io:05000", "r.io:5000/foo", false),
        ("R.io", "r.io/foo", false),
        ("r.io", "R.io/foo", false),
        ("r.io", "x.r.io/foo", false),
        ("x.r.io", "r.io/foo", false),
        ("*.r.io", "x.r.io/foo", true),
        ("*.r.io", "r.io/foo", false),
        ("*.r.io", "x.y.r.io/foo", false),
        ("*.*.r.io", "x.y.r.io/foo", true),
        ("a*z.r.io", "abcz.r.io/foo", true),
        ("a*z.r.io", "abc.r.io/foo", false),
        ("x[a-c].r.io", "xb.r.io/foo", true),
        ("x[a-c].r.io", "xd.r.io/foo", false),
        // In front, a bracket begins an address; and what follows a '?' is a query.
        ("[a-c]x.r.io", "bx.r.io/foo", false),
        ("x?.r.io", "xa.r.io/foo", false),
        ("*", "localhost/foo", true),
        ("r.io/foo", "r.io/foo", true),
        ("r.io/foo", "r.io/foo/x", true),
        ("r.io/foo", "r.io/foobar", true),
        ("r.io/foo/", "r.io/foobar", false),
        ("r.io/foo/", "r.io/foo", false),
        ("r.io/foo", "r.io/fo", false),
        ("r.io/*", "r.io/foo", false),
        ("[::1]:5000", "[::1]:5000/foo", true),
        // Without a port the brackets stay, and are a class of characters.
        ("[::1]", "[::1]/foo", false),
    ] {
        assert_eq!(!tried(Kubelet, &[key], image).is_empty(), expected, "{key} for {image}");
    }
}

#[test]
fn the_kubelet_tries_all_keys_that_fit_in_reverse_byte_order() {
    let keys = ["quay.io", "quay.io/acme", "*.io", "quay.io/acme/app", "quay.io/b", "https://quay.io/acme"];
    assert_eq!(
        tried(Kubelet, &keys, "quay.io/acme/app:1"),
        ["quay.io/acme/app", "quay.io/acme", "https://quay.io/acme", "quay.io", "*.io"]
    );
    // One key twice stands in the order of the secrets, and is not taken out.
    assert_eq!(choice(Kubelet, &["r.io", "http://r.io", "r.io"], "r.io/x"), InTurn(vec![0, 1, 2]));
    // One key that it cannot read does no harm to the others.
    assert_eq!(tried(Kubelet, &["r.io/%zz", "r.io"], "r.io/x"), ["r.io"]);
    let empty = ConfigEntry { key: "r.io", login: LoginParts::Empty };
    assert_eq!(Kubelet.choose(&[empty], &"r.io/x".parse().unwrap()), InTurn(vec![0]), "'{{}}' counts as found");
}

#[test]
fn the_kubelet_falls_back_to_one_key_for_docker_hub() {
    for (key, image, expected) in [
        (HUB, "nginx", true),
        (HUB, "acme/app", true),
        (HUB, "docker.io/acme/app", true),
        (HUB, "index.docker.io/acme/app", true),
        ("index.docker.io", "nginx", true),
        ("https://index.docker.io/v2/", "nginx", true),
        ("https://index.docker.io/v1", "nginx", false),
        ("registry-1.docker.io", "nginx", false),
        ("*.docker.io", "nginx", false),
        ("docker.io", "nginx", true),
        ("docker.io/library", "nginx", true),
        ("docker.io/acme", "nginx", false),
        (HUB, "r.io/nginx", false),
        (HUB, "localhost:5000/nginx", false),
        // It takes a host without a dot for a part of a Hub repository.
        (HUB, "localhost/nginx", true),
    ] {
        assert_eq!(!tried(Kubelet, &[key], image).is_empty(), expected, "{key} for {image}");
    }
    assert_eq!(tried(Kubelet, &[HUB, "docker.io"], "nginx"), ["docker.io"], "what fits suppresses the fallback");
    assert_eq!(tried(Kubelet, &[HUB, "docker.io/acme"], "nginx"), [HUB]);
    assert_eq!(tried(Kubelet, &[HUB, "docker.io/acme"], "acme/app"), ["docker.io/acme"]);
}

#[test]
fn docker_knows_registries_and_no_paths() {
    for (key, image, expected) in [
        (HUB, "nginx", true),
        ("docker.io", "nginx", false),
        ("index.docker.io", "nginx", false),
        ("https://index.docker.io/v1", "nginx", false),
        ("docker.io/acme", "acme/app", false),
        ("r.io", "r.io/a", true),
        ("r.io:443", "r.io/a", false),
        ("r.io:443", "r.io:443/a", true),
        ("*.io", "r.io/a", false),
        // Old keys are found by their hosts, whatever comes behind.
        ("https://r.io", "r.io/a", true),
        ("https://r.io/v1/", "r.io/a", true),
        ("https://r.io:5000/v2/", "r.io:5000/a", true),
        ("r.io/a/b/c", "r.io/x", true),
        ("R.io", "r.io/a", false),
        ("[::1]:5000", "[::1]:5000/a", true),
    ] {
        assert_eq!(!tried(Docker, &[key], image).is_empty(), expected, "{key} for {image}");
    }
    assert_eq!(tried(Docker, &["r.io/a", "r.io", "https://r.io"], "r.io/a/b"), ["r.io"], "the very key goes first");
    assert_eq!(choice(Docker, &["r.io/a", "x.io", "r.io/b"], "r.io/b/c"), AnyOf(vec![0, 2]), "it walks over a map");
}

#[test]
fn podman_looks_for_the_repository_then_above_it_then_for_the_registry() {
    let keys = ["quay.io", "quay.io/acme", "quay.io/acme/team/app", HUB];
    for (image, expected) in [
        ("quay.io/acme/team/app:1", &keys[2..3]),
        ("quay.io/acme/team/other", &keys[1..2]),
        ("quay.io/acme", &keys[1..2]),
        ("quay.io/acmes", &keys[..1]),
        ("nginx", &keys[3..]),
        ("r.io/x", &[]),
    ] {
        assert_eq!(tried(Podman, &keys, image), expected, "{image}");
    }
    for (key, image, expected) in [
        ("docker.io", "nginx", true),
        ("index.docker.io", "nginx", true),
        ("registry-1.docker.io", "nginx", true),
        ("https://docker.io/v1/", "nginx", true),
        ("docker.io/library", "nginx", true),
        ("docker.io/acme", "nginx", false),
        ("https://r.io/v2/", "r.io/x", true),
        ("http://r.io", "r.io/x", true),
        // Without a scheme a path is a namespace, not a spelling of the registry.
        ("r.io/y", "r.io/x", false),
        ("r.io:443", "r.io/x", false),
        ("*.io", "r.io/x", false),
        ("[::1]", "[::1]/x", true),
    ] {
        assert_eq!(!tried(Podman, &[key], image).is_empty(), expected, "{key} for {image}");
    }
    let empty =
        [ConfigEntry { key: "r.io/a", login: LoginParts::Empty }, ConfigEntry { key: "r.io", login: LoginParts::Full }];
    assert_eq!(Podman.choose(&empty, &"r.io/a/b".parse().unwrap()), InTurn(vec![0]), "the first found ends the search");
    assert_eq!(choice(Podman, &["https://r.io/v1/", "http://r.io"], "r.io/x"), AnyOf(vec![0, 1]));
}

#[test]
fn crane_asks_for_the_repository_and_then_as_docker() {
    let keys = ["r.io", "r.io/a", "r.io/a/b", HUB];
    assert_eq!(tried(Crane, &keys, "r.io/a/b:1"), ["r.io/a/b"]);
    assert_eq!(tried(Crane, &keys, "r.io/a/b/c"), ["r.io"], "what is between is no key");
    assert_eq!(tried(Crane, &keys, "nginx"), [HUB]);
    assert_eq!(tried(Crane, &["index.docker.io/acme/app", HUB], "acme/app"), ["index.docker.io/acme/app"]);
    assert_eq!(tried(Crane, &["docker.io/acme/app"], "acme/app"), [""; 0]);
    assert_eq!(choice(Crane, &["r.io/a", "r.io/b"], "r.io/x"), AnyOf(vec![0, 1]));
    let empty =
        [ConfigEntry { key: "r.io/a", login: LoginParts::Empty }, ConfigEntry { key: "r.io", login: LoginParts::Full }];
    assert_eq!(Crane.choose(&empty, &"r.io/a".parse().unwrap()), InTurn(vec![1]), "what is empty is passed over");
}

#[test]
fn containerd_sends_nothing_to_another_host_and_no_password_without_a_name() {
    use Presented::{Auth, IdentityToken, Nothing, Password};
    for (server, username, token, auth, expected) in [
        ("", "u", "t", "a", Password),
        ("", "", "t", "a", IdentityToken),
        ("", "", "", "a", Auth),
        ("", "", "", "", Nothing),
        ("https://r.io", "u", "", "", Password),
        ("https://r.io/v2/", "u", "", "", Password),
        ("https://other.io", "u", "t", "a", Nothing),
        ("https://r.io:443", "u", "", "", Nothing),
        ("r.io", "u", "", "", Nothing),
    ] {
        assert_eq!(presented(server, username, token, auth, "r.io"), expected, "{server} {username} {token} {auth}");
    }
    let entries = [
        ConfigEntry { key: "r.io/a", login: LoginParts::Nameless },
        ConfigEntry { key: "r.io", login: LoginParts::Full },
        ConfigEntry { key: "q.io", login: LoginParts::Nameless },
    ];
    assert_eq!(Kubelet.choose(&entries, &"r.io/a".parse().unwrap()), InTurn(vec![0, 1]));
    assert_eq!(Containerd.choose(&entries, &"r.io/a".parse().unwrap()), InTurn(vec![1]));
    assert_eq!(Containerd.choose(&entries, &"q.io/a".parse().unwrap()), Choice::Nothing);
}

#[test]
fn an_auth_is_read_as_the_kubelet_reads_it() {
    for (text, expected) in [
        ("dTpw", Some(("u", "p"))),
        ("dTpwOnE=", Some(("u", "p:q"))),
        ("dTpwOnE", Some(("u", "p:q"))),
        ("dTpw\r\nOnE=\n", Some(("u", "p:q"))),
        ("dTpwOnE=\r\n", Some(("u", "p:q"))),
        ("Og==", Some(("", ""))),
        ("OnA=", Some(("", "p"))),
        ("dTo=", Some(("u", ""))),
        ("dTo9Pz8+", Some(("u", "=??>"))),
        // Bits that are left over are not looked at.
        ("dTpwOnF=", Some(("u", "p:q"))),
        ("", None),
        ("dXA=", None),
        ("dTp w", None),
        ("dTpw ", None),
        ("\tdTpw", None),
        ("dTo9Pz8-", None),
        ("dTpwOnE==", None),
        ("dTpw=", None),
        ("dTpwO", None),
        ("d", None),
    ] {
        let read = auth::read(text).ok();
        let read = read
            .as_ref()
            .map(|pair| (str::from_utf8(pair.username()).unwrap(), str::from_utf8(pair.password()).unwrap()));
        assert_eq!(read, expected, "{text:?}");
    }
    assert_eq!(format!("{:?}", auth::read("dTpw").unwrap()), "Pair(..)");
    assert!(!auth::read("dXA=").unwrap_err().to_string().contains("dXA"));
}

#[test]
fn patterns_are_gos() {
    for (pattern, text, expected) in [
        ("abc", "abc", true),
        ("*", "abc", true),
        ("*", "", true),
        ("a*b*c", "aXbYc", true),
        ("a*b*c", "aXbY", false),
        ("*a", "ba", true),
        ("*a*", "bab", true),
        ("*aab", "aaab", true),
        ("?", "", false),
        ("\\*", "*", true),
        ("\\*", "a", false),
        ("[^a]", "b", true),
        ("[^a]", "a", false),
        ("[\\]]", "]", true),
        ("[]a]", "a", false),
        ("[a", "a", false),
        ("[a-]", "a", false),
        ("a\\", "a", false),
    ] {
        assert_eq!(glob::fits(pattern, text), expected, "{pattern} for {text}");
    }
}

/// Servers as they are accepted, out of the parts that differ.
fn servers() -> impl Strategy<Value = RegistryServer> {
    let host = prop_oneof![
        "([a-z0-9][a-z0-9-]{0,4}[a-z0-9]\\.){1,3}[a-z]{2,4}",
        Just("localhost".to_owned()),
        Just("index.docker.io".to_owned()),
        any::<u32>().prop_map(|bits| std::net::Ipv4Addr::from(bits).to_string()),
        any::<Ipv6Addr>().prop_map(|address| format!("[{address}]")),
        "[ä-ü]{1,3}\\.example",
    ];
    let parts = (host, proptest::option::of(1_u16..), "(/[a-z0-9]{1,5}){0,3}");
    parts.prop_filter_map("not a server", |(host, port, path)| {
        format!("{host}{}{path}", port.map(|port| format!(":{port}")).unwrap_or_default()).parse().ok()
    })
}

proptest! {
    #[test]
    fn every_servers_key_is_found_for_the_images_below_it(server in servers(), below in "(/[a-z0-9]{1,5}){1,2}") {
        let image: ImageReference = format!("{server}{below}").parse().unwrap();
        let [by_path, by_host] = [server.config_key(), server.registry_key()].map(|key| full(&[key]));
        let found = InTurn(vec![0]);
        // What the kubelet cannot read it passes over without a word.
        for key in [server.config_key(), server.registry_key()] {
            prop_assert!(index_key(key).is_some(), "{}", key);
        }
        // The kubelet takes an address in brackets for a pattern, unless a port follows: no key can help that.
        if !image.host().ends_with(']') {
            prop_assert_eq!(Kubelet.choose(&by_path, &image), found.clone());
            prop_assert_eq!(Kubelet.choose(&by_host, &image), found.clone());
        }
        for entries in [&by_path, &by_host] {
            prop_assert_eq!(Podman.choose(entries, &image), found.clone());
        }
        for consumer in [Docker, Crane] {
            prop_assert_eq!(consumer.choose(&by_host, &image), found.clone());
        }
    }

    #[test]
    fn no_key_and_no_pattern_makes_a_model_panic(keys in proptest::collection::vec(any::<String>(), 0..4), text in any::<String>(), image in "[a-z.:/*\\[\\]]{1,20}") {
        glob::fits(&keys.concat(), &text);
        let _ = auth::read(&text);
        if let Ok(image) = image.parse::<ImageReference>() {
            let entries: Vec<_> = keys.iter().map(|key| ConfigEntry { key, login: LoginParts::Full }).collect();
            for consumer in Consumer::ALL {
                let _ = consumer.choose(&entries, &image);
            }
        }
    }
}
