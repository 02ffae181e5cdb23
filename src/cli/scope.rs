//! The flags that say where: in which project or organization, or in the whole deployment.

use crate::domain::scope::{ProjectPath, Scope, ScopeName};
use clap::{Args, ValueHint};

/// A project or an organization.
#[derive(Debug, Clone, Args)]
pub(super) struct ScopeArgs {
    /// The project [env: REGCRED_PROJECT, or the context's]
    #[arg(short, long, value_name = "ORG/PROJECT", conflicts_with = "org", value_hint = ValueHint::Other)]
    project: Option<ProjectPath>,
    /// The organization itself; its projects inherit what it has
    #[arg(long, value_name = "ORG", value_hint = ValueHint::Other)]
    org: Option<ScopeName>,
}

/// A project, an organization or everything.
#[derive(Debug, Clone, Args)]
pub(super) struct WideScopeArgs {
    #[command(flatten)]
    narrow: ScopeArgs,
    /// The whole deployment
    #[arg(long, conflicts_with_all = ["project", "org"])]
    deployment: bool,
}

/// A scope as the service names it, in the form that people type: `acme/shop` for `organizations/acme/projects/shop`.
pub(super) fn short(scope: &str) -> String {
    match scope.parse() {
        Ok(Scope::Organization(name)) => name.to_string(),
        Ok(Scope::Project(path)) => path.to_string(),
        Ok(Scope::Deployment) | Err(_) => scope.to_owned(),
    }
}

impl ScopeArgs {
    /// The scope that was named, if one was.
    pub(super) fn named(&self) -> Option<Scope> {
        let project = self.project.clone().map(Scope::Project);
        project.or_else(|| self.org.clone().map(Scope::Organization))
    }
}

impl WideScopeArgs {
    /// The scope that is meant.
    pub(super) fn scope(&self, session: &super::session::Session) -> Result<Scope, super::failure::Failure> {
        if self.deployment { Ok(Scope::Deployment) } else { session.scope(&self.narrow) }
    }
}
