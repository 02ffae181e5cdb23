//! A command's connection to the service: the client, the scope that is meant, and what to advise when a call fails.

use super::{failure::Failure, scope::ScopeArgs};
use crate::{
    client::{BaseUrl, Client, ClientError, Listener},
    config::{
        client::{ClientOptions, TokenOrigin},
        is_operators,
    },
    domain::scope::{ProjectPath, Scope},
    http::wire::Problem,
};

/// A command's connection to the service.
pub(super) struct Session {
    /// Makes the calls.
    pub(super) client: Client,
    token: TokenOrigin,
    project: Option<ProjectPath>,
    url: BaseUrl,
    internal_url: BaseUrl,
}

impl Session {
    /// Reads the settings. Opens no connection yet.
    pub(super) fn open(options: ClientOptions) -> Result<Self, Failure> {
        let settings = options.resolve()?;
        let (url, internal_url) = (settings.url, settings.internal_url);
        let client = Client::new(url.clone(), internal_url.clone(), settings.token, settings.plain_http);
        let client = client.map_err(|error| {
            Failure::from(error).hint("https:// needs the system's root certificates; SSL_CERT_FILE names others")
        })?;
        Ok(Self { client, token: settings.token_origin, project: settings.project, url, internal_url })
    }

    /// The project or organization that is meant.
    pub(super) fn scope(&self, args: &ScopeArgs) -> Result<Scope, Failure> {
        args.named().or_else(|| self.project.clone().map(Scope::Project)).ok_or_else(|| {
            Failure::usage("no project is named")
                .hint("add --project ORG/PROJECT (or --org ORG), or set REGCRED_PROJECT or a context")
        })
    }

    /// The project that is meant.
    pub(super) fn project(&self, named: Option<&ProjectPath>) -> Result<ProjectPath, Failure> {
        named.or(self.project.as_ref()).cloned().ok_or_else(|| {
            Failure::usage("no project is named").hint("add --project ORG/PROJECT, or set REGCRED_PROJECT or a context")
        })
    }

    /// Turns a failed call in that scope into what people are told.
    pub(super) fn explain(&self, scope: &Scope) -> impl Fn(ClientError) -> Failure {
        move |error| {
            let hint = match &error {
                ClientError::Problem(problem) if kind(problem) == "no-such-path" => {
                    Some(format!("{} is regcred's internal listener; the public one belongs in --url", self.url))
                }
                error => hint(error, &self.token, scope),
            };
            self.told(error, hint)
        }
    }

    /// The same for a call to the internal listener, about a project or about the master keys.
    pub(super) fn explain_internal(&self, project: Option<&ProjectPath>) -> impl Fn(ClientError) -> Failure {
        move |error| {
            let hint = match &error {
                ClientError::Problem(problem) if kind(problem) == "no-such-path" => Some(format!(
                    "{} is regcred's public listener; the internal one belongs in --internal-url",
                    self.internal_url
                )),
                ClientError::Problem(problem) if problem.status == 404 => Some(match project {
                    Some(_) => "see what your token reaches with `regcred token whoami`".to_owned(),
                    None => "see what there is with `regcred keys list`".to_owned(),
                }),
                error => hint(error, &self.token, &project.cloned().map_or(Scope::Deployment, Scope::Project)),
            };
            self.told(error, hint)
        }
    }

    fn told(&self, error: ClientError, hint: Option<String>) -> Failure {
        let nobody = matches!(self.token, TokenOrigin::Nearby(_) | TokenOrigin::Nowhere);
        let failure = match error {
            ClientError::Problem(problem) if problem.status == 401 && nobody => {
                Failure::from(ClientError::Problem(problem)).message_is("no token was given")
            }
            error => error.into(),
        };
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// The last part of a problem's type.
fn kind(problem: &Problem) -> &str {
    problem.kind.rsplit(':').next().unwrap_or_default()
}

/// What to do about a failed call.
fn hint(error: &ClientError, token: &TokenOrigin, scope: &Scope) -> Option<String> {
    match error {
        ClientError::Problem(problem) => refusal_hint(problem, token, scope),
        ClientError::Unreachable { listener: Listener::Public, .. } => {
            Some("is `regcred serve` running there? Name another place with --url or REGCRED_URL".to_owned())
        }
        ClientError::Unreachable { listener: Listener::Internal, .. } => Some(
            "the internal listener is only on the server itself unless told; name it with --internal-url or \
             REGCRED_INTERNAL_URL"
                .to_owned(),
        ),
        ClientError::NoAnswer { .. } => Some("look at what is there (`regcred list`) before you try again".to_owned()),
        ClientError::Unexpected { listener: Listener::Public, .. } => {
            Some("is that URL regcred's public listener? Check it with `regcred doctor`".to_owned())
        }
        ClientError::Unexpected { listener: Listener::Internal, .. } => {
            Some("is that URL regcred's internal listener? Check it with `regcred doctor`".to_owned())
        }
        ClientError::PlainHttp { .. } => Some("use an https:// URL, or accept the risk with --insecure".to_owned()),
        ClientError::Setup(_) => None,
    }
}

fn refusal_hint(problem: &Problem, token: &TokenOrigin, scope: &Scope) -> Option<String> {
    if let Some(id) = problem.existing_id {
        return Some(format!("change that one with `regcred update {id}{}`", flag(scope)));
    }
    match problem.status {
        401 => Some(match token {
            TokenOrigin::Nearby(path) => format!("export REGCRED_TOKEN_FILE={}", quoted(&path.to_string_lossy())),
            TokenOrigin::Nowhere => "give a token with REGCRED_TOKEN_FILE, REGCRED_TOKEN or --token-file".to_owned(),
            TokenOrigin::File(path) if is_operators(path) => {
                format!("if {token} is out of date, start the service once with `regcred serve --new-operator-token`")
            }
            TokenOrigin::Variable | TokenOrigin::File(_) => {
                format!("the token from {token} may have expired or been revoked; `regcred token create` makes another")
            }
        }),
        403 => Some("see what your token is for with `regcred token whoami`".to_owned()),
        404 => match scope {
            Scope::Deployment => None,
            Scope::Organization(name) => Some(format!(
                "if it does not exist yet: `regcred org create {name}`; if it does, see what your token reaches \
                 with `regcred token whoami`"
            )),
            Scope::Project(path) => Some(format!(
                "if it does not exist yet: `regcred project create {path}`; if it does, see what your token \
                 reaches with `regcred token whoami`"
            )),
        },
        412 => Some("somebody changed it meanwhile; read it again with `regcred get`".to_owned()),
        409 if kind(problem) == "organization-not-empty" => {
            scope.organization().map(|name| format!("see them with `regcred project list {name}`"))
        }
        429 | 503 => Some("try again in a moment".to_owned()),
        _ => None,
    }
}

/// The flag that names the scope, with a space before it.
pub(super) fn flag(scope: &Scope) -> String {
    match scope {
        Scope::Deployment => " --deployment".to_owned(),
        Scope::Organization(name) => format!(" --org {name}"),
        Scope::Project(path) => format!(" --project {path}"),
    }
}

/// The scope as people write it.
pub(super) fn called(scope: &Scope) -> String {
    match scope {
        Scope::Deployment => "the deployment".to_owned(),
        Scope::Organization(name) => name.to_string(),
        Scope::Project(path) => path.to_string(),
    }
}

/// A path as a shell takes it.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%=,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn refused(status: u16, existing_id: Option<Uuid>) -> ClientError {
        ClientError::Problem(Box::new(Problem {
            kind: "urn:regcred:problem:x".to_owned(),
            title: "t".to_owned(),
            status,
            detail: "d".to_owned(),
            request_id: None,
            errors: Vec::new(),
            existing_id,
            check: None,
            retry_after: None,
        }))
    }

    fn advice(status: u16, token: &TokenOrigin, scope: &str) -> String {
        hint(&refused(status, None), token, &scope.parse().unwrap()).unwrap_or_default()
    }

    const PROJECT: &str = "organizations/acme/projects/shop";

    #[test]
    fn who_gave_no_token_is_told_how() {
        assert!(advice(401, &TokenOrigin::Nowhere, PROJECT).contains("REGCRED_TOKEN_FILE"));
        let nearby = TokenOrigin::Nearby("/srv/my data/operator.token".into());
        assert_eq!(advice(401, &nearby, PROJECT), "export REGCRED_TOKEN_FILE='/srv/my data/operator.token'");
        assert!(advice(401, &TokenOrigin::File("t.txt".into()), PROJECT).starts_with("the token from t.txt"));
    }

    #[test]
    fn what_is_missing_is_created_by_a_command_that_can_be_copied() {
        assert!(advice(404, &TokenOrigin::Variable, PROJECT).contains("`regcred project create acme/shop`"));
        assert!(advice(404, &TokenOrigin::Variable, "organizations/acme").contains("`regcred org create acme`"));
        assert_eq!(advice(404, &TokenOrigin::Variable, "deployment"), "");
    }

    #[test]
    fn what_exists_is_updated_by_its_id() {
        let scope = PROJECT.parse().unwrap();
        let advice = hint(&refused(409, Some(Uuid::nil())), &TokenOrigin::Variable, &scope).unwrap();
        assert!(advice.contains(&format!("regcred update {} --project acme/shop", Uuid::nil())), "{advice}");
    }

    #[test]
    fn a_path_survives_the_shell() {
        assert_eq!(quoted("/srv/regcred-data/operator.token"), "/srv/regcred-data/operator.token");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
