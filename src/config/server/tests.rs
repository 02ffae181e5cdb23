use super::*;
use std::ffi::OsString;

fn resolve(options: ServerOptions, file: Option<&str>, variables: &[(&str, &str)]) -> Result<ServerSettings, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("regcred.toml");
    if let Some(text) = file {
        fs::write(&path, text).unwrap();
    }
    let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
    let resolved = options.resolve_in(Environment(&find), file.map(|_| path.as_path()));
    resolved.map_err(|error| error.to_string())
}

#[test]
fn nothing_said_is_a_whole_configuration() {
    let settings = resolve(ServerOptions::default(), None, &[]).unwrap();
    assert!(matches!(settings.database, Database::Sqlite(file) if file == Path::new("regcred-data/regcred.db")));
    assert_eq!(settings.public_listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.internal_listen.to_string(), "127.0.0.1:8081");
    assert!(matches!(settings.keyring, KeyringSource::File { configured: false, .. }));
    assert_eq!((settings.log_filter.as_str(), settings.log_format), ("info", LogFormat::Text));
    assert_eq!(settings.audit_retention.days(), 400);
}

#[test]
fn flags_win_over_the_file_and_the_file_over_defaults() {
    let flags = ServerOptions { log: Some("debug".to_owned()), ..ServerOptions::default() };
    let file = "log = \"warn\"\nlog_format = \"json\"\npublic_listen = \"[::1]:0\"\ndata_dir = \"data\"\n";
    let settings = resolve(flags, Some(file), &[]).unwrap();
    assert_eq!(settings.log_filter, "debug");
    assert_eq!(settings.log_format, LogFormat::Json);
    assert_eq!(settings.public_listen.to_string(), "[::1]:0");
    assert!(settings.data_dir.is_absolute(), "relative to the file");
}

#[test]
fn audit_events_are_kept_for_a_day_at_least() {
    let days = |days| ServerOptions { audit_retention_days: Some(days), ..ServerOptions::default() };
    assert_eq!(resolve(days(1), Some("audit_retention_days = 7"), &[]).unwrap().audit_retention.days(), 1);
    let said = resolve(ServerOptions::default(), Some("audit_retention_days = 7"), &[]).unwrap();
    assert_eq!(said.audit_retention.days(), 7);
    let error = resolve(days(0), None, &[]).unwrap_err();
    assert_eq!(error, "REGCRED_AUDIT_RETENTION_DAYS must be between 1 and 36500 days");
}

#[test]
fn an_internal_listener_off_loopback_needs_a_word() {
    let listen = |word| ServerOptions {
        internal_listen: Some("0.0.0.0:8081".parse().unwrap()),
        internal_listen_plaintext: word,
        ..ServerOptions::default()
    };
    assert!(resolve(listen(None), None, &[]).is_err());
    assert!(resolve(listen(Some(false)), None, &[]).is_err());
    assert!(resolve(listen(Some(true)), None, &[]).is_ok());
    assert!(resolve(listen(Some(false)), Some("internal_listen_plaintext = true"), &[]).is_err(), "flags win");
}

#[test]
fn a_secret_is_given_one_way() {
    let keyring = ServerOptions { keyring_file: Some("/k".into()), ..ServerOptions::default() };
    let error = resolve(keyring, None, &[("REGCRED_KEYRING", "x")]).unwrap_err();
    assert!(error.contains("REGCRED_KEYRING_FILE") && error.ends_with("both set"), "{error}");
    let error = resolve(ServerOptions::default(), Some("passphrase_file = \"p\""), &[("REGCRED_PASSPHRASE", "x")]);
    assert!(error.unwrap_err().contains("REGCRED_PASSPHRASE_FILE"));
    let settings = resolve(ServerOptions::default(), None, &[("REGCRED_KEYRING", "hunter2")]).unwrap();
    assert!(!format!("{settings:?}").contains("hunter2"));
    let settings = resolve(ServerOptions::default(), None, &[("REGCRED_KEYRING", "")]).unwrap();
    assert!(matches!(settings.keyring, KeyringSource::File { .. }), "empty is not set");
}

#[test]
fn what_is_not_understood_is_refused() {
    for file in ["pasword = 1", "log = \"=;=\"", "public_listen = \"8080\"", "log_format = \"xml\""] {
        assert!(resolve(ServerOptions::default(), Some(file), &[]).is_err(), "{file}");
    }
    let same = "public_listen = \"127.0.0.1:1\"\ninternal_listen = \"127.0.0.1:1\"";
    assert!(resolve(ServerOptions::default(), Some(same), &[]).is_err());
    assert!(resolve(ServerOptions::default(), Some("data_dir = \"x\""), &[("REGCRED_PASSPHRASE", "p")]).is_ok());
}

#[test]
fn a_database_url_names_a_file_or_a_server() {
    let parse = |url: &str| parse_database(&Zeroizing::new(url.to_owned()));
    assert!(matches!(parse("sqlite:///var/r.db").unwrap(), Database::Sqlite(file) if file == Path::new("/var/r.db")));
    assert!(matches!(parse("sqlite://r.db").unwrap(), Database::Sqlite(file) if file == Path::new("r.db")));
    assert!(matches!(parse("postgres://u:p@h/d").unwrap(), Database::Postgres(_)));
    for url in
        ["sqlite://", "sqlite://:memory:", "sqlite://r.db?mode=ro", "r.db", "mysql://h/d", "postgres://h?mode=ro"]
    {
        let error = parse(url).unwrap_err().to_string();
        assert!(!error.contains("mode=ro"), "{error}");
    }
}

#[test]
fn a_database_is_named_one_way_and_flags_win() {
    let url = |url: &str| ServerOptions { database_url: Some(url.to_owned()), ..ServerOptions::default() };
    let both = ServerOptions { database_url_file: Some("/u".into()), ..url("sqlite://r.db") };
    assert!(resolve(both, None, &[]).unwrap_err().ends_with("both set"));
    let settings = resolve(url("sqlite://r.db"), Some("database_url_file = \"u\""), &[]).unwrap();
    assert!(matches!(settings.database, Database::Sqlite(file) if file == Path::new("r.db")));
    let missing = ServerOptions { database_url_file: Some("/nonexistent/u".into()), ..ServerOptions::default() };
    let error = resolve(missing, Some("database_url = \"sqlite://r.db\""), &[]).unwrap_err();
    assert!(error.contains("/nonexistent/u"), "{error}");
}

#[test]
fn where_registries_may_be_is_said_in_lists() {
    let list = |text: &str| Some(text.split(',').map(str::to_owned).collect());
    let options = ServerOptions {
        registry_networks: list("10.0.0.0/8, fd00::1"),
        registry_networks_deny: list("203.0.113.0/24"),
        registry_insecure: list(""),
        ..ServerOptions::default()
    };
    let file = "registry_insecure = [\"registry.local:5000\"]\nregistry_token_servers = [\"r.example.com=t.example.com\"]\n\
                registry_networks_deny = [\"10.1.0.0/16\", \"fd00::2\"]\nverify_per_minute = 5\nrecheck_hours = 24\n";
    let settings = resolve(options, Some(file), &[]).unwrap();
    assert_eq!(settings.registry.networks.len(), 2);
    assert!(settings.registry.insecure.is_empty(), "flags win, also with nothing");
    assert_eq!(settings.registry.token_servers.len(), 1);
    assert_eq!(settings.registry.denied, ["203.0.113.0/24".parse().unwrap()]);
    assert_eq!(settings.checks_per_minute.number().get(), 5);
    assert_eq!(settings.recheck, Some(Duration::from_hours(24)));

    let nothing = resolve(ServerOptions::default(), None, &[]).unwrap();
    assert_eq!((nothing.registry.denied.len(), nothing.checks_per_minute.number().get()), (0, 60));
    assert!(nothing.registry.networks.is_empty() && nothing.registry.insecure.is_empty() && nothing.recheck.is_none());
}

#[test]
fn a_list_with_a_mistake_is_refused_by_its_rule() {
    for (options, setting) in [
        (ServerOptions { registry_networks: Some(vec!["10.0.0.1/8".into()]), ..Default::default() }, "NETWORKS"),
        (ServerOptions { registry_networks_deny: Some(vec!["ten".into()]), ..Default::default() }, "NETWORKS_DENY"),
        (ServerOptions { registry_insecure: Some(vec!["registry.local".into()]), ..Default::default() }, "INSECURE"),
        (
            ServerOptions { registry_token_servers: Some(vec!["a.example.com".into()]), ..Default::default() },
            "TOKEN_SERVERS",
        ),
    ] {
        let error = resolve(options, None, &[]).unwrap_err();
        assert!(error.starts_with(&format!("REGCRED_REGISTRY_{setting} must be")), "{error}");
    }
    for number in [0, 100_001] {
        let options = ServerOptions { verify_per_minute: Some(number), ..Default::default() };
        let error = resolve(options, None, &[]).unwrap_err();
        assert_eq!(error, "REGCRED_VERIFY_PER_MINUTE must be between 1 and 100000");
    }
    for hours in [0, 8761] {
        let error = resolve(ServerOptions { recheck_hours: Some(hours), ..Default::default() }, None, &[]).unwrap_err();
        assert_eq!(error, "REGCRED_RECHECK_HOURS must be between 1 and 8760 hours");
    }
}
