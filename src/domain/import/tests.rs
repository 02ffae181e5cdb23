use super::{
    helper::{self, Request, Wanted},
    *,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

const HUB: &str = "https://index.docker.io/v1/";

fn auth(pair: &str) -> String {
    STANDARD.encode(pair)
}

fn config(entries: &str) -> String {
    format!(r#"{{"auths":{{{entries}}}}}"#)
}

/// An entry in few words: key, user name, password, or what else it is.
fn told(entry: &FoundEntry) -> String {
    match &entry.content {
        Content::Login(login) => {
            let username = login.username.as_ref().map_or("-", Username::as_str);
            let email = login.email.as_ref().map(|email| format!(" {}", email.as_str())).unwrap_or_default();
            format!("{} {username} {}{email}", entry.key.as_str(), login.password.expose())
        }
        Content::Refused(refusal) => format!("{} refused: {refusal}", entry.key.as_str()),
        Content::Skipped(skip) => format!("{} skipped: {skip}", entry.key.as_str()),
    }
}

fn contents(text: &str) -> Vec<String> {
    let contents = read("f", text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
    contents.entries.iter().map(told).collect()
}

fn secret(name: &str, text: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n  namespace: team\ntype: kubernetes.io/dockerconfigjson\n\
         data:\n  .dockerconfigjson: {}\n",
        STANDARD.encode(text)
    )
}

#[test]
fn an_entry_is_read_as_the_kubelet_reads_it() {
    for (member, expected) in [
        (format!(r#"{{"auth":"{}"}}"#, auth("bot:pa:ss")), "k bot pa:ss"),
        (format!(r#"{{"auth":"{}"}}"#, auth("bot:pw").trim_end_matches('=')), "k bot pw"),
        (format!(r#"{{"auth":"{}","username":"x","password":"y"}}"#, auth("bot:pw")), "k bot pw"),
        (r#"{"username":"bot","password":"pw","email":"a@b.example"}"#.to_owned(), "k bot pw a@b.example"),
        (r#"{"username":"bot","password":"pw","email":"none","auth":""}"#.to_owned(), "k bot pw"),
        (r#"{"password":"pw"}"#.to_owned(), "k - pw"),
        (format!(r#"{{"auth":"{}"}}"#, auth(":pw")), "k - pw"),
        (format!(r#"{{"auth":"{}"}}"#, auth("bot:pw\0\0")), "k bot pw"),
        (format!(r#"{{"auth":"{}","identitytoken":"t"}}"#, auth("bot:pw")), "k bot pw"),
        ("{}".to_owned(), "k skipped: holds no login"),
        ("null".to_owned(), "k skipped: holds no login"),
        (r#"{"email":"a@b.example"}"#.to_owned(), "k skipped: holds no login"),
        (
            format!(r#"{{"auth":"{}","identitytoken":"t"}}"#, auth("<token>:")),
            "k refused: has an identity token and no password: regcred keeps user names and passwords",
        ),
        (
            r#"{"registrytoken":"t"}"#.to_owned(),
            "k refused: has a registry token and no password: regcred keeps user names and passwords",
        ),
        (r#"{"username":"bot"}"#.to_owned(), "k refused: has a user name and no password"),
        (
            r#"{"auth":"aHVudGVyMg=="}"#.to_owned(),
            "k refused: its auth must hold a user name and a password with ':' between them",
        ),
        (r#"{"auth":"hunter2!"}"#.to_owned(), "k refused: its auth must be base64"),
        (r#"{"auth":"/zp4"}"#.to_owned(), "k refused: its auth must be UTF-8 text"),
        (r#"{"auth":7}"#.to_owned(), "k refused: has a member that is no text"),
        (r#"{"username":"bot","password":["x"]}"#.to_owned(), "k refused: has a member that is no text"),
        (
            r#"{"username":"b:t","password":"x"}"#.to_owned(),
            "k refused: the user name must not contain ':', which separates user name and password in a registry login",
        ),
        (
            r#"{"username":"bot","password":"a\u0001b"}"#.to_owned(),
            "k refused: the password must not contain control characters other than tabs and line ends",
        ),
    ] {
        assert_eq!(contents(&config(&format!(r#""k":{member}"#))), [expected], "{member}");
        if member != "null" && read("f", format!(r#"{{"k":{member}}}"#).as_bytes()).is_ok() {
            assert_eq!(contents(&format!(r#"{{"k":{member}}}"#)), [expected], "before there was auths: {member}");
        }
    }
}

#[test]
fn a_file_is_told_by_what_is_in_it() {
    let login = format!(r#"{{"auth":"{}"}}"#, auth("bot:pw"));
    let (one, two) = (config(&format!(r#""a.io":{login}"#)), config(&format!(r#""b.io":{login}"#)));
    let plain =
        format!("kind: Secret\ntype: kubernetes.io/dockerconfigjson\nstringData:\n  .dockerconfigjson: '{two}'\n");
    let old = format!(
        "kind: Secret\ntype: kubernetes.io/dockercfg\ndata:\n  .dockercfg: {}\n",
        STANDARD.encode(format!(r#"{{"b.io":{login}}}"#))
    );
    let json = format!(
        r#"{{"kind":"Secret","type":"kubernetes.io/dockerconfigjson","data":{{".dockerconfigjson":"{}"}}}}"#,
        STANDARD.encode(&one)
    );
    let list =
        format!("apiVersion: v1\nkind: List\nitems:\n- {}\n- {}", indented(&secret("x", &one)), indented(&plain));
    for (text, expected) in [
        (one.clone(), &["a.io bot pw"][..]),
        (format!("\u{feff}{one}\n"), &["a.io bot pw"]),
        (format!("{one}\n{two}"), &["a.io bot pw", "b.io bot pw"]),
        (format!("[{one}, {two}]"), &["a.io bot pw", "b.io bot pw"]),
        (format!(r#"{{"a.io":{login},"b.io":{login}}}"#), &["a.io bot pw", "b.io bot pw"]),
        (secret("x", &one), &["a.io bot pw"]),
        (secret("x", &format!("\u{feff}{one}")), &["a.io bot pw"]),
        (plain.clone(), &["b.io bot pw"]),
        (old.clone(), &["b.io bot pw"]),
        (json.clone(), &["a.io bot pw"]),
        (format!(r#"{{"kind":"List","items":[{json}, {json}]}}"#), &["a.io bot pw", "a.io bot pw"]),
        (list, &["a.io bot pw", "b.io bot pw"]),
        (format!("---\n# nothing\n---\n{}---\n{old}...\n", secret("x", &one)), &["a.io bot pw", "b.io bot pw"]),
        (r#"{"credsStore":"x"}"#.to_owned(), &[]),
        ("kind: List\nitems: []\n".to_owned(), &[]),
        ("kind: ConfigMap\ndata: {x: y}\n".to_owned(), &[]),
        ("kind: Strange\ntype: {a: 1}\ndata: [1, .nan]\nitems: 7\nmetadata: x\nstringData: true\n".to_owned(), &[]),
    ] {
        assert_eq!(contents(&text), expected, "{text}");
    }
}

fn indented(text: &str) -> String {
    text.replace('\n', "\n  ")
}

#[test]
fn what_is_none_of_them_is_refused_by_its_place_and_not_repeated() {
    for (text, expected) in [
        ("", "is empty"),
        (" \n", "is empty"),
        ("# only a comment\n", "is empty"),
        ("hunter2", "is neither a docker config nor a Secret of Kubernetes"),
        ("password: hunter2\n", "is neither a docker config nor a Secret of Kubernetes"),
        (r#"{"password":"hunter2"}"#, "is neither a docker config nor a Secret of Kubernetes"),
        (r#"{"a.io":{"auth":"x"},"hunter2":1}"#, "is neither a docker config nor a Secret of Kubernetes"),
        (r#"{"a.io":{}}"#, "is neither a docker config nor a Secret of Kubernetes"),
        ("{}", "is neither a docker config nor a Secret of Kubernetes"),
        (r#"["hunter2"]"#, "is neither a docker config nor a Secret of Kubernetes"),
        ("{\n \"auths\": hunter2", "is not JSON: line 2, column 11"),
        (r#"{"auths": {"a.io": "hunter2"}}"#, "is no docker config: line 1, column 28"),
        (r#"{"auths": "hunter2"}"#, "is no docker config: line 1, column 19"),
        (r#"{"auths": {"a.io": {"auth": "hunter2", "auth": "hunter2"}}}"#, "is no docker config: line 1, column 45"),
        ("kind: Secret\n\tdata: hunter2\n", "is not YAML that can be read: line 1, column 7"),
        ("kind: [Secret, hunter2\n", "is not YAML that can be read: line 1, column 7"),
        ("kind: Secret\nkind: hunter2\n", "is not YAML that can be read: line 2, column 1"),
    ] {
        let error = read("f", text.as_bytes()).expect_err(text);
        assert_eq!(error.to_string(), expected, "{text}");
    }
    assert_eq!(read("f", b"kind: \xff").unwrap_err(), ReadError::NotText);
}

#[test]
fn aliases_do_not_multiply() {
    let mut text = "kind: List\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let alias = format!("*a{}, ", level - 1).repeat(10);
        text += &["a", &level.to_string(), ": &a", &level.to_string(), " [", &alias, "]\n"].concat();
    }
    assert!(matches!(read("f", text.as_bytes()), Err(ReadError::Yaml { .. })));
    let deep = format!("kind: {}{}", "[".repeat(5000), "]".repeat(5000));
    assert!(matches!(read("f", deep.as_bytes()), Err(ReadError::Yaml { .. })));
    let deep = format!(r#"{{"kind": {}{}}}"#, "[".repeat(5000), "]".repeat(5000));
    assert_eq!(read("f", deep.as_bytes()).unwrap_err(), ReadError::Unknown);
    let deep = format!("{}{}", r#"{"items": ["#.repeat(5000), "]}".repeat(5000));
    assert!(matches!(read("f", deep.as_bytes()), Err(ReadError::Json { .. })));
}

#[test]
fn a_secret_is_named_and_one_that_is_broken_is_refused_alone() {
    let good = config(&format!(r#""a.io":{{"auth":"{}"}}"#, auth("bot:pw")));
    let broken =
        ["data: {.dockerconfigjson: hunter2}", "data: {}", "stringData: {.dockerconfigjson: '{\"auths\": hunter2'}"];
    let mut text = secret("good", &good);
    for rest in broken {
        text += "---\nkind: Secret\ntype: kubernetes.io/dockerconfigjson\nmetadata: {name: \"\\e[2J\"}\n";
        text += &[rest, "\n"].concat();
    }
    text += "---\nkind: Secret\ntype: Opaque\ndata: {.dockerconfigjson: x}\n---\nkind: Secret\n";
    let contents = read("f", text.as_bytes()).unwrap();
    let found: Vec<_> = contents.entries.iter().map(|entry| format!("{} {}", entry.origin, told(entry))).collect();
    assert_eq!(
        found,
        [
            "f Secret team/good a.io bot pw",
            "f Secret 2  refused: what the Secret holds must be base64",
            "f Secret 3  refused: what the Secret holds is empty",
            "f Secret 4  refused: what the Secret holds is not JSON: line 1, column 11",
        ]
    );
    assert_eq!(contents.others, 2);
}

#[test]
fn a_file_names_helpers_and_a_secret_cannot() {
    let text =
        r#"{"auths":{},"credsStore":"desktop","credHelpers":{"gcr.io":"gcloud","a.io":"../x","b.io":"","c.io":7}}"#;
    let requests = read("f", text.as_bytes()).unwrap().requests;
    let told: Vec<_> = requests
        .iter()
        .map(|request| {
            let name = request.name.as_ref().map_or_else(ToString::to_string, HelperName::program);
            match &request.wanted {
                Wanted::Everything => name,
                Wanted::Server(key) => format!("{name} for {}", key.as_str()),
            }
        })
        .collect();
    let rule = "must be the plain name of a helper: 1 to 64 letters, digits, '.', '_' or '-'";
    assert_eq!(
        told,
        [
            "docker-credential-desktop".to_owned(),
            "docker-credential-gcloud for gcr.io".to_owned(),
            format!("{rule} for a.io"),
            "must be a text for c.io".to_owned(),
        ]
    );
    assert_eq!(read("f", secret("x", text).as_bytes()).unwrap().requests, []);
}

#[test]
fn the_name_of_a_helper_names_no_place() {
    for name in ["desktop", "ecr-login", "osxkeychain", "a.b_c", "7"] {
        assert_eq!(name.parse::<HelperName>().unwrap().program(), format!("docker-credential-{name}"));
    }
    for name in ["", ".", "..", "../x", "/bin/sh", "a/b", "a\\b", "-x", "a b", "a\0", "ä", &"x".repeat(65)] {
        assert!(name.parse::<HelperName>().is_err(), "{name:?}");
    }
}

#[test]
fn a_helper_s_answer_is_a_login_or_a_reason_without_what_it_said() {
    let name: HelperName = "x".parse().unwrap();
    let request = Request { file: "f".to_owned(), name: Ok(name.clone()), wanted: Wanted::Everything };
    let failed = "k refused: docker-credential-x failed; run it by hand to see why";
    let strange = "k refused: docker-credential-x did not answer as a credential helper does";
    for (answer, success, expected) in [
        (r#"{"ServerURL":"k","Username":"bot","Secret":"pw"}"#, true, "k bot pw"),
        (r#"{"Username":"","Secret":"pw"}"#, true, "k - pw"),
        (r#"{"Username":"bot","Secret":""}"#, true, "k skipped: docker-credential-x has no login for it"),
        (
            r#"{"Username":"<token>","Secret":"t"}"#,
            true,
            "k refused: has an identity token and no password: regcred keeps user names and passwords",
        ),
        ("credentials not found in native keychain\n", false, "k skipped: docker-credential-x has no login for it"),
        ("hunter2", false, failed),
        (r#"{"Username":"bot","Secret":"pw"}"#, false, failed),
        ("hunter2", true, strange),
        ("", true, strange),
        (r#"{"Username":"bot","Secret":7}"#, true, strange),
    ] {
        let content = helper::login(&name, answer.as_bytes(), success);
        assert_eq!(told(&request.entry(&name, "k".to_owned().into(), content)), expected, "{answer}");
    }
    let list = format!(r#"{{"{HUB}":"bot","{HUB}access-token":"bot","{HUB}refresh-token":"bot","a.io":null}}"#);
    assert_eq!(
        helper::servers(&name, list.as_bytes()).unwrap().iter().map(Key::as_str).collect::<Vec<_>>(),
        [HUB, "a.io"]
    );
    assert_eq!(helper::servers(&name, b"null").unwrap(), []);
    assert!(helper::servers(&name, b"hunter2").is_err() && helper::servers(&name, b"[\"a.io\"]").is_err());
}

#[test]
fn a_server_is_shown_as_it_is_written_unless_it_could_hold_a_secret_or_move_the_cursor() {
    for key in [HUB, "ghcr.io", "[::1]:5000", "bücher.example", "*.example.com"] {
        assert_eq!(Key::from(key.to_owned()).shown(), Some(key));
    }
    for key in ["", "https://bot:hunter2@r.io", "a b", "a\u{1b}[2J", "a\nb", "a\u{202e}b", &"x".repeat(256)] {
        let key = Key::from(key.to_owned());
        assert_eq!((key.shown(), format!("{key:?}").as_str()), (None, "Key(\"..\")"), "{}", key.as_str());
    }
}
