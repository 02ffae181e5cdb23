//! Where things belong: the deployment, an organization, or a project of an organization.

use super::{
    id::ScopeId,
    text::{Invalid, text_type},
};
use std::{fmt, str::FromStr};

text_type! {
    /// The name of an organization or of a project: a DNS-1123 label (1 to 63 of `a-z`, `0-9` and `-`, starting and
    /// ending with a letter or a digit), as in <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/>.
    ScopeName, dns_label
}

fn dns_label(text: &str) -> Result<String, Invalid> {
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends = bytes.first().zip(bytes.last()).is_some_and(|(first, last)| alphanumeric(first) && alphanumeric(last));
    if ends && bytes.len() <= 63 && bytes.iter().all(|byte| alphanumeric(byte) || *byte == b'-') {
        Ok(text.to_owned())
    } else {
        Err(Invalid("must be 1 to 63 lower-case letters, digits or '-', starting and ending with a letter or digit"))
    }
}

/// A place in the tree of ownership, by name.
///
/// Its text is the path of the REST API without the version: `deployment`, `organizations/acme` or
/// `organizations/acme/projects/shop`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The whole installation. Only tokens and audit events belong to it.
    Deployment,
    /// An organization.
    Organization(ScopeName),
    /// A project of an organization.
    Project(ProjectPath),
}

/// A project, named as people write it: `acme/shop`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProjectPath {
    /// The organization that the project belongs to.
    pub organization: ScopeName,
    /// The project's own name within it.
    pub project: ScopeName,
}

impl Scope {
    /// Whether a token of this scope reaches the other one: itself and everything below it.
    #[must_use]
    pub fn reaches(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Deployment, _) => true,
            (Self::Organization(own), Self::Organization(name)) => own == name,
            (Self::Organization(own), Self::Project(path)) => *own == path.organization,
            (Self::Project(own), Self::Project(path)) => own == path,
            (Self::Organization(_), Self::Deployment)
            | (Self::Project(_), Self::Deployment | Self::Organization(_)) => false,
        }
    }

    /// The organization that this scope is or lies in.
    #[must_use]
    pub fn organization(&self) -> Option<&ScopeName> {
        match self {
            Self::Deployment => None,
            Self::Organization(name) => Some(name),
            Self::Project(path) => Some(&path.organization),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deployment => f.write_str("deployment"),
            Self::Organization(name) => write!(f, "organizations/{name}"),
            Self::Project(path) => write!(f, "organizations/{}/projects/{}", path.organization, path.project),
        }
    }
}

impl FromStr for Scope {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let parts: Vec<_> = text.split('/').collect();
        match parts.as_slice() {
            ["deployment"] => Ok(Self::Deployment),
            ["organizations", organization] => Ok(Self::Organization(organization.parse()?)),
            ["organizations", organization, "projects", project] => {
                Ok(Self::Project(ProjectPath { organization: organization.parse()?, project: project.parse()? }))
            }
            _ => Err(Invalid("must be 'deployment', 'organizations/NAME' or 'organizations/NAME/projects/NAME'")),
        }
    }
}

impl fmt::Display for ProjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.organization, self.project)
    }
}

impl FromStr for ProjectPath {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (organization, project) = text.split_once('/').ok_or(Invalid("must be ORGANIZATION/PROJECT"))?;
        Ok(Self { organization: organization.parse()?, project: project.parse()? })
    }
}

/// A scope together with the identifiers that it has now. Made by the store only, from what exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeRecord {
    /// The scope by name; never [`Scope::Deployment`].
    pub scope: Scope,
    /// The organization's or project's own identifier.
    pub id: ScopeId,
    /// For a project, its organization's identifier; for an organization, none.
    pub parent_id: Option<ScopeId>,
    /// When it was made.
    pub created_at: super::timestamp::Timestamp,
}

impl ScopeRecord {
    /// The identifier of the organization that this scope is or lies in.
    #[must_use]
    pub fn organization_id(&self) -> ScopeId {
        self.parent_id.unwrap_or(self.id)
    }

    /// The last part of the scope's name.
    #[must_use]
    pub fn name(&self) -> Option<&ScopeName> {
        match &self.scope {
            Scope::Deployment => None,
            Scope::Organization(name) => Some(name),
            Scope::Project(path) => Some(&path.project),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels() {
        for good in ["a", "0", "acme", "a-b", &"x".repeat(63)] {
            assert!(good.parse::<ScopeName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a/b", "a b", "ä", &"x".repeat(64)] {
            assert!(bad.parse::<ScopeName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_scope_reaches_itself_and_what_is_below() {
        let scopes = [
            "deployment",
            "organizations/a",
            "organizations/b",
            "organizations/a/projects/p",
            "organizations/a/projects/q",
        ]
        .map(|text| text.parse::<Scope>().unwrap());
        let reach = scopes.clone().map(|from| scopes.iter().map(|to| u8::from(from.reaches(to))).collect::<Vec<_>>());
        assert_eq!(reach, [[1, 1, 1, 1, 1], [0, 1, 0, 1, 1], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]]);
        for scope in scopes {
            assert_eq!(scope.to_string().parse::<Scope>().unwrap(), scope);
        }
    }
}
