//! Whether a login is what its registry wants: most of the failed pulls of private images come from a user name or password of
//! the wrong sort.
//!
//! What cannot work because its two halves contradict each other is refused. What is unusual is accepted with a warning that
//! names the usual. Passwords are looked at here and in [`shape`] alone, and only for what their form says: nothing is asked of
//! a registry, no signature is checked, and no message repeats a part of them.

mod clouds;
mod hosts;
pub mod shape;

#[cfg(test)]
mod tests;

use super::{
    credential::Username, identity::Identity, kind::RegistryKind, secret::Password, server::RegistryServer,
    timestamp::Timestamp,
};

/// Something about a login that its owner should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Remark {
    /// The member that it is about, as a JSON pointer.
    pub pointer: &'static str,
    /// What is to be known, without any value.
    pub detail: &'static str,
}

/// What was found out about a login that may be kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Examination {
    /// What will perhaps not work, or not for long.
    pub warnings: Vec<Remark>,
    /// When the password ends by its own word, or by the rule of its sort.
    pub ends_at: Option<Timestamp>,
    /// Whose key the password is, if it is a key that says so.
    pub identity: Option<Identity>,
}

/// A login as the rules see it.
struct Login<'a> {
    server: &'a RegistryServer,
    username: &'a str,
    /// None if the one that is stored stays: it is not opened for this.
    password: Option<&'a str>,
    now: Timestamp,
}

/// Holds a login to the conventions of its kind.
///
/// # Errors
/// User name and password contradict each other.
pub fn examine(
    kind: RegistryKind,
    server: &RegistryServer,
    username: Option<&Username>,
    password: Option<&Password>,
    now: Timestamp,
) -> Result<Examination, Remark> {
    let login = Login {
        server,
        username: username.map_or("", Username::as_str),
        password: password.map(Password::expose),
        now,
    };
    let mut found = Examination { ends_at: login.password.and_then(shape::jwt_end), ..Examination::default() };
    match kind {
        RegistryKind::DockerHub => hosts::docker_hub(&login, &mut found),
        RegistryKind::AwsEcr => clouds::aws_ecr(&login, &mut found)?,
        RegistryKind::Google => clouds::google(&login, &mut found)?,
        RegistryKind::Azure => clouds::azure(&login, &mut found)?,
        RegistryKind::Github => hosts::github(&login, &mut found),
        RegistryKind::Gitlab => hosts::gitlab(&login, &mut found),
        RegistryKind::Quay => hosts::quay(&login, &mut found),
        RegistryKind::Harbor => hosts::harbor(&login, &mut found),
        RegistryKind::Digitalocean => clouds::digitalocean(&login, &mut found),
        RegistryKind::Alibaba => clouds::alibaba(&login, &mut found),
        RegistryKind::Ibm => clouds::ibm(&login, &mut found),
        RegistryKind::Generic => {}
    }
    if login.password.is_some_and(|password| password == login.username) {
        found.warn(USERNAME, "is the same as the password, and is shown to everybody who may see this login");
    }
    if found.ends_at.is_some_and(|end| end <= now) {
        found.warn(PASSWORD, "says that it has expired already");
    }
    Ok(found)
}

/// The member with the user name.
const USERNAME: &str = "/username";
/// The member with the password.
const PASSWORD: &str = "/password";

impl Examination {
    fn warn(&mut self, pointer: &'static str, detail: &'static str) {
        self.warnings.push(Remark { pointer, detail });
    }

    /// The password ends so long after it was made, and it may have been made just now; unless it says itself when.
    fn ends_after(&mut self, now: Timestamp, hours: u32) {
        self.ends_at = self.ends_at.or(Some(now.plus_hours(hours)));
    }
}
