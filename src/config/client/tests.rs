use super::*;
use crate::domain::source::Random;
use std::{ffi::OsString, fs};

struct Bytes(u8);

impl Random for Bytes {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(self.0);
    }
}

/// A home directory with a contexts file, and an environment that points there.
struct Home {
    directory: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Home {
    fn new(contexts: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join(".config/regcred")).unwrap();
        fs::write(directory.path().join(".config/regcred/config.toml"), contexts).unwrap();
        let home = directory.path().to_str().unwrap().to_owned();
        Self { directory, variables: vec![("HOME".to_owned(), home)] }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn token_file(&self, name: &str, byte: u8, end: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, format!("{}{end}", TokenText::generate(&Bytes(byte)).expose())).unwrap();
        path
    }

    fn resolve(&self, options: ClientOptions) -> Result<ClientSettings, ConfigError> {
        let find =
            |name: &str| self.variables.iter().find(|(key, _)| key == name).map(|(_, value)| OsString::from(value));
        options.resolve_in(Environment(&find), self.directory.path())
    }
}

const CONTEXTS: &str = "current = \"work\"\n\
    [contexts.work]\nurl = \"https://work.example\"\nproject = \"acme/shop\"\n\
    [contexts.lab]\nurl = \"https://lab.example\"\n";

#[test]
fn flags_win_over_environment_over_context_over_defaults() {
    let settings = Home::new("").resolve(ClientOptions::default()).unwrap();
    assert_eq!(settings.url.to_string(), DEFAULT_URL);
    assert_eq!(settings.token_origin, TokenOrigin::Nowhere);

    let settings = Home::new(CONTEXTS).resolve(ClientOptions::default()).unwrap();
    assert_eq!(settings.url.to_string(), "https://work.example");
    assert_eq!(settings.internal_url.to_string(), DEFAULT_INTERNAL_URL);
    assert_eq!(settings.project.unwrap().to_string(), "acme/shop");

    let home = Home::new(CONTEXTS).with("REGCRED_URL", "https://env.example").with("REGCRED_PROJECT", "a/b");
    let settings = home.resolve(ClientOptions::default()).unwrap();
    assert_eq!(settings.url.to_string(), "https://env.example");
    assert_eq!(settings.project.unwrap().to_string(), "a/b");

    let flag = ClientOptions { url: Some("https://flag.example".parse().unwrap()), ..ClientOptions::default() };
    assert_eq!(home.resolve(flag).unwrap().url.to_string(), "https://flag.example");
}

#[test]
fn a_context_named_by_flag_wins_over_the_environment() {
    let home = Home::new(CONTEXTS).with("REGCRED_URL", "https://env.example");
    let lab = || ClientOptions { context: Some("lab".to_owned()), ..ClientOptions::default() };
    assert_eq!(home.resolve(lab()).unwrap().url.to_string(), "https://lab.example");
    let home = Home::new(CONTEXTS).with("REGCRED_CONTEXT", "lab").with("REGCRED_URL", "https://env.example");
    assert_eq!(home.resolve(ClientOptions::default()).unwrap().url.to_string(), "https://env.example");
    let nowhere = ClientOptions { context: Some("nowhere".to_owned()), ..ClientOptions::default() };
    assert!(matches!(home.resolve(nowhere), Err(ConfigError::NoContext(_))));
}

#[test]
fn a_token_comes_from_one_place() {
    let home = Home::new("");
    let file = home.token_file("token", 1, "\n");
    let options = || ClientOptions { token_file: Some(file.clone()), ..ClientOptions::default() };
    assert!(home.resolve(options()).unwrap().token.is_some(), "the line end goes");

    let text = TokenText::generate(&Bytes(2));
    let home = Home::new("").with("REGCRED_TOKEN", text.expose());
    let settings = home.resolve(options()).unwrap();
    assert_eq!(settings.token_origin, TokenOrigin::File(file.clone()), "flags win");
    assert_eq!(home.resolve(ClientOptions::default()).unwrap().token_origin, TokenOrigin::Variable);

    let home = home.with("REGCRED_TOKEN_FILE", file.to_str().unwrap());
    assert!(matches!(home.resolve(ClientOptions::default()), Err(ConfigError::GivenTwice { .. })));
}

#[test]
fn a_mistyped_token_is_refused_and_not_repeated() {
    let home = Home::new("").with("REGCRED_TOKEN", "rgc_hunter2");
    let error = home.resolve(ClientOptions::default()).unwrap_err().to_string();
    assert_eq!(error, "REGCRED_TOKEN must be a regcred token, typed without a mistake");
}

#[test]
fn an_operators_token_nearby_is_named_and_not_used() {
    let home = Home::new("");
    fs::create_dir(home.directory.path().join("regcred-data")).unwrap();
    let file = home.token_file("regcred-data/operator.token", 3, "");
    let settings = home.resolve(ClientOptions::default()).unwrap();
    assert!(settings.token.is_none());
    assert_eq!(settings.token_origin, TokenOrigin::Nearby(file));
}

#[test]
fn contexts_are_written_as_they_are_read() {
    let home = Home::new(CONTEXTS);
    let path = home.directory.path().join(".config/regcred/config.toml");
    let mut contexts = Contexts::read(&path).unwrap();
    contexts.contexts.entry("new".to_owned()).or_default().token_file = Some("/t".into());
    contexts.write(&path).unwrap();
    assert_eq!(Contexts::read(&path).unwrap(), contexts);
    fs::write(&path, "currant = \"work\"").unwrap();
    assert!(matches!(Contexts::read(&path), Err(ConfigError::File { line: 1, .. })));
}
