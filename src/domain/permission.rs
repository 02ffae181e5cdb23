//! Who may do what: by role, [`Role::may`] and [`Role::may_appoint`]; by place, [`Scope::reaches`]. One rule more stands with
//! its use case: projects come and go by leave of their organization (`service::scopes`).
//!
//! A [`Permit`] is the proof that the policy was asked: every use case wants one, and only [`Caller::permit`] makes one.

use super::{
    id::{RequestId, ScopeId, TokenId},
    scope::Scope,
};
use std::net::IpAddr;

/// Everything that can be asked of regcred. The name is what audit events and metrics call it.
macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// Everything that can be asked of regcred with a token.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action { $($(#[$doc])* $name),+ }

        impl Action {
            /// Every action, in the order of the source.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The action's name in audit events and metrics.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

actions! {
    /// Create an organization.
    OrganizationCreate = "organization.create",
    /// See one organization.
    OrganizationGet = "organization.get",
    /// List the organizations within reach.
    OrganizationList = "organization.list",
    /// Delete an organization and everything in it.
    OrganizationDelete = "organization.delete",
    /// Create a project.
    ProjectCreate = "project.create",
    /// See one project.
    ProjectGet = "project.get",
    /// List the projects of an organization that are within reach.
    ProjectList = "project.list",
    /// Delete a project and everything in it.
    ProjectDelete = "project.delete",
    /// Add a credential.
    CredentialCreate = "credential.create",
    /// See one credential.
    CredentialGet = "credential.get",
    /// List credentials.
    CredentialList = "credential.list",
    /// Ask which credential an image would get.
    CredentialResolve = "credential.resolve",
    /// Change a credential.
    CredentialUpdate = "credential.update",
    /// Delete a credential.
    CredentialDelete = "credential.delete",
    /// Have a login tried at its registry: its password is opened, and sent to the registry alone.
    CredentialVerify = "credential.verify",
    /// Make a token.
    TokenCreate = "token.create",
    /// See one token, without its text.
    TokenGet = "token.get",
    /// List tokens, without their texts.
    TokenList = "token.list",
    /// Revoke a token.
    TokenRevoke = "token.revoke",
    /// Ask who one is.
    Whoami = "whoami",
    /// Ask what kinds of registries there are.
    RegistryKindList = "registry_kind.list",
    /// Read the audit log.
    AuditList = "audit.list",
    /// Ask for how long audit events are kept.
    AuditRetentionGet = "audit_retention.get",
    /// Take old events out of the audit log.
    AuditPrune = "audit.prune",
    /// See what was taken out of the audit log.
    AuditPruningList = "audit_pruning.list",
    /// Fetch a pull secret: the one action that reveals passwords.
    PullSecretGet = "pull_secret.get",
    /// See the processes, the database and how they are.
    StatusGet = "status.get",
    /// See the master keys' names and states.
    KeyList = "key.list",
    /// Make a new master key.
    KeyAdd = "key.add",
    /// Wrap with another master key from now on.
    KeyActivate = "key.activate",
    /// Wrap the data keys anew under the active master key.
    KeyRewrap = "key.rewrap",
    /// Give up a master key for ever.
    KeyRetire = "key.retire",
    /// Put a backup into an empty database. Nobody can ask a service for it; `regcred restore` does it by itself.
    DeploymentRestore = "deployment.restore",
}

impl Action {
    /// Whether it changes something or reveals a secret. Such an action leaves an audit event, also when it is denied.
    #[must_use]
    pub const fn is_audited(self) -> bool {
        match self {
            Self::OrganizationCreate
            | Self::OrganizationDelete
            | Self::ProjectCreate
            | Self::ProjectDelete
            | Self::CredentialCreate
            | Self::CredentialUpdate
            | Self::CredentialDelete
            | Self::CredentialVerify
            | Self::TokenCreate
            | Self::TokenRevoke
            | Self::AuditPrune
            | Self::PullSecretGet
            | Self::KeyAdd
            | Self::KeyActivate
            | Self::KeyRewrap
            | Self::KeyRetire
            | Self::DeploymentRestore => true,
            Self::OrganizationGet
            | Self::OrganizationList
            | Self::ProjectGet
            | Self::ProjectList
            | Self::CredentialGet
            | Self::CredentialList
            | Self::CredentialResolve
            | Self::TokenGet
            | Self::TokenList
            | Self::Whoami
            | Self::RegistryKindList
            | Self::AuditList
            | Self::AuditRetentionGet
            | Self::AuditPruningList
            | Self::StatusGet
            | Self::KeyList => false,
        }
    }
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize, serde::Serialize)]
// By `String`, because what serde derives for an enum repeats an unknown name in its error.
#[serde(try_from = "String", into = "String")]
pub enum Role {
    /// Sees what there is, never a secret.
    Viewer,
    /// Adds, changes and deletes credentials, and never reads a secret.
    Editor,
    /// Fetches pull secrets and nothing else.
    Deployer,
    /// An editor who also makes projects and tokens.
    Admin,
    /// Sees what there is and reads the audit log.
    Auditor,
    /// Runs the whole deployment, and cannot read secrets.
    Operator,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] = [Self::Viewer, Self::Editor, Self::Deployer, Self::Admin, Self::Auditor, Self::Operator];

    /// The role's name on the wire and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Deployer => "deployer",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
        }
    }

    /// The policy: whether this role may do that within the scope of its token.
    #[must_use]
    pub const fn may(self, action: Action) -> bool {
        match action {
            Action::Whoami | Action::RegistryKindList => true,
            Action::PullSecretGet => matches!(self, Self::Deployer),
            Action::OrganizationGet
            | Action::OrganizationList
            | Action::ProjectGet
            | Action::ProjectList
            | Action::CredentialGet
            | Action::CredentialList
            | Action::CredentialResolve => !matches!(self, Self::Deployer),
            // To verify is to have a secret used, and connections made from where regcred stands. Those may who could have it
            // sent to the same registry by changing the credential; they learn no more than whether it works.
            Action::CredentialCreate
            | Action::CredentialUpdate
            | Action::CredentialDelete
            | Action::CredentialVerify => {
                matches!(self, Self::Editor | Self::Admin | Self::Operator)
            }
            Action::ProjectCreate
            | Action::ProjectDelete
            | Action::TokenCreate
            | Action::TokenGet
            | Action::TokenList
            | Action::TokenRevoke => matches!(self, Self::Admin | Self::Operator),
            Action::AuditList | Action::AuditRetentionGet | Action::AuditPruningList => {
                matches!(self, Self::Auditor | Self::Operator)
            }
            Action::OrganizationCreate
            | Action::OrganizationDelete
            | Action::AuditPrune
            | Action::StatusGet
            | Action::KeyList
            | Action::KeyAdd
            | Action::KeyActivate
            | Action::KeyRewrap
            | Action::KeyRetire => matches!(self, Self::Operator),
            Action::DeploymentRestore => false,
        }
    }

    /// Whether somebody with this role may make and revoke tokens of the other. An operator appoints anybody, an admin
    /// everybody but operators. So both can have somebody read secrets who may not read them themselves; the audit log
    /// has the appointment, and every secret that was read.
    #[must_use]
    pub const fn may_appoint(self, other: Self) -> bool {
        match self {
            Self::Operator => true,
            Self::Admin => !matches!(other, Self::Operator),
            Self::Viewer | Self::Editor | Self::Deployer | Self::Auditor => false,
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Role {
    type Err = super::text::Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|role| role.name() == text);
        found.ok_or(super::text::Invalid("must be viewer, editor, deployer, admin, auditor or operator"))
    }
}

impl TryFrom<String> for Role {
    type Error = super::text::Invalid;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Role> for String {
    fn from(role: Role) -> Self {
        role.name().to_owned()
    }
}

/// The request on whose behalf something is done.
#[derive(Debug, Clone, Copy)]
pub struct RequestContext {
    /// Names the request.
    pub request_id: RequestId,
    /// Where it came from, if it came over a network.
    pub address: Option<IpAddr>,
}

/// Somebody whose token was found to be good in this very request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The request that he made.
    pub request: RequestContext,
    /// His token.
    pub token_id: TokenId,
    /// His token's name.
    pub token_name: super::token::TokenName,
    /// Until when his token is good.
    pub expires_at: super::timestamp::Timestamp,
    /// What his token is for.
    pub role: Role,
    /// The scope of his token, by name.
    pub scope: Scope,
    /// The identifier of that scope; none for the deployment.
    pub scope_id: Option<ScopeId>,
}

/// Why somebody may not do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// The scope is outside his reach: he may not even know whether it exists.
    OutOfReach,
    /// The scope is his, but his role does not allow the action.
    Role,
}

impl Caller {
    /// Asks the policy whether the caller may do that there.
    ///
    /// # Errors
    /// He may not.
    pub fn permit(&self, action: Action, scope: &Scope) -> Result<Permit, Denial> {
        // A deployment-wide question tells nobody of a tenant that he should not know of: there, only the role counts.
        let hidden = *scope != Scope::Deployment;
        if !self.scope.reaches(scope) && hidden {
            return Err(Denial::OutOfReach);
        }
        if !self.scope.reaches(scope) || !self.role.may(action) {
            return Err(Denial::Role);
        }
        Ok(Permit { caller: self.clone(), action, scope: scope.clone() })
    }
}

/// The proof that a caller may do one thing in one scope.
#[derive(Debug)]
pub struct Permit {
    caller: Caller,
    action: Action,
    scope: Scope,
}

impl Permit {
    /// Who may.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What he may do.
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
    }

    /// Where.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Whether the scope that was found under the permitted name is still the one the token belongs to, or lies in it.
    ///
    /// A scope may be deleted and made anew under its old name while a request is under way; the new one is a stranger.
    #[must_use]
    pub fn covers(&self, found: &super::scope::ScopeRecord) -> bool {
        self.caller.scope_id.is_none_or(|own| own == found.id || Some(own) == found.parent_id)
    }
}
