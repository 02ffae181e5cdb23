//! Credential helpers: running them. What they print on standard output is parsed and never shown; their standard error goes where
//! this program's goes.

use crate::{
    cli::output,
    domain::import::{
        FoundEntry, HelperName, Key,
        helper::{self, HelperFailure, Request, Wanted},
    },
};
use std::{io, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
};
use zeroize::Zeroizing;

/// The longest list, and the longest login, that is read.
const MOST_BYTES: usize = 1024 * 1024;
/// What is kept free behind it, so that the buffer does not grow and leave a copy.
const SPARE_BYTES: usize = 4 * 1024;
/// What regcred's own environment may hold that is no helper's business.
const SECRETS: [&str; 3] = ["REGCRED_TOKEN", "REGCRED_KEYRING", "REGCRED_PASSPHRASE"];

/// What a program printed, and whether it ended well.
struct Answer {
    bytes: Zeroizing<Vec<u8>>,
    success: bool,
}

/// Asks a helper for what a file leaves to it. Nothing here fails as a whole: what went wrong becomes an entry.
pub(super) async fn ask(request: &Request, limit: Duration) -> Vec<FoundEntry> {
    let name = match &request.name {
        Ok(name) => name,
        Err(rule) => return vec![request.failed(HelperFailure::Name(*rule))],
    };
    let servers = match &request.wanted {
        Wanted::Server(key) => vec![key.clone()],
        Wanted::Everything => match list(name, limit).await {
            Ok(servers) => servers,
            Err(failure) => return vec![request.failed(failure)],
        },
    };
    let mut entries = Vec::with_capacity(servers.len());
    for key in servers {
        output::note(&format!("Running {} get for {}.", name.program(), key.shown().unwrap_or("a server")));
        entries.push(match run(name, "get", key.as_str(), limit).await {
            Ok(answer) => request.entry(name, key, helper::login(name, &answer.bytes, answer.success)),
            Err(failure) => Request { wanted: Wanted::Server(key), ..request.clone() }.failed(failure),
        });
    }
    entries
}

async fn list(name: &HelperName, limit: Duration) -> Result<Vec<Key>, HelperFailure> {
    output::note(&format!("Running {} list.", name.program()));
    let answer = run(name, "list", "", limit).await?;
    if !answer.success {
        return Err(HelperFailure::Failed(name.program()));
    }
    helper::servers(name, &answer.bytes)
}

/// Runs the helper to its end, or to the end of its time; then it is killed.
async fn run(name: &HelperName, verb: &str, input: &str, limit: Duration) -> Result<Answer, HelperFailure> {
    let program = name.program();
    let mut command = Command::new(&program);
    command.arg(verb).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    for name in SECRETS {
        command.env_remove(name);
    }
    let child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => HelperFailure::Missing(program.clone()),
        _ => HelperFailure::Broken(program.clone()),
    })?;
    match tokio::time::timeout(limit, talk(child, input)).await {
        Ok(Ok(answer)) if answer.bytes.len() > MOST_BYTES => Err(HelperFailure::Answer(program)),
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(HelperFailure::Broken(program)),
        Err(_) => Err(HelperFailure::Late(program)),
    }
}

async fn talk(mut child: Child, input: &str) -> io::Result<Answer> {
    if let Some(mut stdin) = child.stdin.take() {
        // It may end without reading.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(MOST_BYTES + SPARE_BYTES));
    if let Some(stdout) = child.stdout.take() {
        let most = u64::try_from(MOST_BYTES + 1).unwrap_or(u64::MAX);
        stdout.take(most).read_to_end(&mut bytes).await?;
    }
    Ok(Answer { bytes, success: child.wait().await?.success() })
}
