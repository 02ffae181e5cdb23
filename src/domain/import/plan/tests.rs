use super::*;
use crate::domain::import::Login;

const HUB: &str = "https://index.docker.io/v1/";

/// An entry of a file: `file [Secret] [helper!] key user password`.
fn entry(origin: (&str, Keeper), key: &str, username: &str, password: &str) -> FoundEntry {
    let origin = Origin { file: origin.0.to_owned(), secret: None, keeper: origin.1 };
    let password = Password::new(&zeroize::Zeroizing::new(password.to_owned())).unwrap();
    let username = (!username.is_empty()).then(|| username.parse().unwrap());
    FoundEntry {
        origin,
        key: key.to_owned().into(),
        content: Content::Login(Login { username, password, email: None }),
    }
}

fn store() -> Keeper {
    Keeper::Store("desktop".parse().unwrap())
}

fn registry_helper() -> Keeper {
    Keeper::RegistryHelper("ecr-login".parse().unwrap())
}

fn planned(entries: Vec<FoundEntry>, existing: &[Existing], overwrite: Overwrite) -> Vec<String> {
    let now = Timestamp::from_microseconds(1_800_000_000_000_000).unwrap();
    let rows = plan(entries, existing, overwrite, now);
    rows.iter()
        .map(|row| {
            let origins: Vec<_> = row.origins.iter().map(ToString::to_string).collect();
            let server = row.server.as_ref().map_or("-", RegistryServer::as_str);
            let why = match &row.action {
                Action::Add(password) | Action::Replace(_, password) => format!(" {}", password.expose()),
                Action::Conflict(_, username) => format!(" {}", username.as_ref().map_or("-", Username::as_str)),
                Action::Same(_) => String::new(),
                Action::Refused(refusal) => format!(": {refusal}"),
                Action::Skipped(skip) => format!(": {skip}"),
            };
            format!("[{}] {} {server} {}{why}", origins.join(", "), row.key.as_str(), row.action.name())
        })
        .collect()
}

#[test]
fn logins_that_are_the_same_are_one_and_those_that_disagree_are_refused_by_their_files() {
    let file = |name| (name, Keeper::File);
    let rows = planned(
        vec![
            entry(file("a"), HUB, "bot", "pw"),
            entry(file("b"), "docker.io", "bot", "pw"),
            entry(file("b"), "docker.io/acme", "other", "pw"),
            entry(file("a"), "ghcr.io", "bot", "pw"),
            entry(file("b"), "https://ghcr.io/", "else", "pw"),
            entry(file("a"), "quay.io", "acme+x", "pw"),
            entry(file("b"), "quay.io", "acme+x", "pw2"),
            entry(file("c"), "quay.io", "acme+x", "pw2"),
            entry(file("a"), "*.example.com", "bot", "pw"),
        ],
        &[],
        Overwrite::No,
    );
    assert_eq!(
        rows,
        [
            "[a, b] https://index.docker.io/v1/ docker.io add pw",
            "[b] docker.io/acme docker.io/acme add pw",
            "[a] ghcr.io ghcr.io refused: another user name than in b",
            "[b] https://ghcr.io/ ghcr.io refused: another user name than in a",
            "[a] quay.io quay.io refused: another password than in b",
            "[b, c] quay.io quay.io refused: another password than in a",
            "[a] *.example.com - refused: the server must not contain wildcards",
        ]
    );
}

#[test]
fn a_helper_goes_before_what_stands_in_its_own_file_and_in_no_other() {
    let rows = planned(
        vec![
            entry(("a", Keeper::File), "r.example", "old", "pw"),
            entry(("a", store()), "r.example", "stored", "pw"),
            entry(("a", registry_helper()), "r.example", "helped", "pw"),
            entry(("a", Keeper::File), "s.example", "old", "pw"),
            entry(("b", store()), "s.example", "stored", "pw"),
        ],
        &[],
        Overwrite::No,
    );
    assert_eq!(
        rows,
        [
            "[a] r.example r.example skipped: docker asks docker-credential-desktop instead",
            "[a docker-credential-desktop] r.example r.example skipped: docker asks docker-credential-ecr-login instead",
            "[a docker-credential-ecr-login] r.example r.example add pw",
            "[a] s.example s.example refused: another user name than in b docker-credential-desktop",
            "[b docker-credential-desktop] s.example s.example refused: another user name than in a",
        ]
    );
}

#[test]
fn what_is_there_is_the_same_in_conflict_or_written_over() {
    let id: CredentialId = "0197a000-0000-7000-8000-000000000001".parse().unwrap();
    let existing = |server: &str, username: &str| Existing {
        id,
        server: server.parse().unwrap(),
        kind: RegistryKind::Generic,
        username: (!username.is_empty()).then(|| username.parse().unwrap()),
    };
    let there = [existing("a.io", "bot"), existing("b.io", "else"), existing("c.io", ""), existing("d.io/x", "bot")];
    let entries = || {
        let servers = ["a.io", "b.io", "c.io", "d.io"];
        servers.map(|server| entry(("f", Keeper::File), server, "bot", "pw")).into_iter().collect::<Vec<_>>()
    };
    let rows = planned(entries(), &there, Overwrite::No);
    assert_eq!(
        rows,
        ["[f] a.io a.io same", "[f] b.io b.io conflict else", "[f] c.io c.io conflict -", "[f] d.io d.io add pw"]
    );
    let rows = planned(entries(), &there, Overwrite::Yes);
    let over = |server: &str| format!("[f] {server} {server} replace pw");
    assert_eq!(rows, [over("a.io"), over("b.io"), over("c.io"), "[f] d.io d.io add pw".to_owned()]);
}

#[test]
fn a_login_is_held_to_the_conventions_of_its_kind_or_of_the_one_that_is_there() {
    let login = |server: &str| vec![entry(("f", Keeper::File), server, "00000000-0000-0000-0000-000000000000", "pw")];
    let why = "must be a token of `az acr login --expose-token` with a user name of zeros; a client secret goes with the application's id";
    let refused = format!("[f] r.azurecr.io r.azurecr.io refused: the password {why}");
    assert_eq!(planned(login("r.azurecr.io"), &[], Overwrite::No), [refused]);
    assert_eq!(planned(login("r.example"), &[], Overwrite::No), ["[f] r.example r.example add pw"]);
    let azure = Existing {
        id: "0197a000-0000-7000-8000-000000000001".parse().unwrap(),
        server: "r.example".parse().unwrap(),
        kind: RegistryKind::Azure,
        username: None,
    };
    let refused = format!("[f] r.example r.example refused: the password {why}");
    assert_eq!(planned(login("r.example"), &[azure], Overwrite::Yes), [refused], "under a name of its owner's");
}
