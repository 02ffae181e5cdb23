//! Identifiers. Each kind of thing has its own type, so that one cannot stand where another belongs.

use super::{
    source::{Clock, Random},
    text::Invalid,
};
use std::{fmt, str::FromStr};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize, serde::Serialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh `UUIDv7` (RFC 9562 section 5.7): ordered by time of making, 74 random bits.
            pub fn new(clock: &dyn Clock, random: &dyn Random) -> Self {
                Self(uuid_v7(clock, random))
            }

            /// An identifier that was made before.
            #[must_use]
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            /// The identifier for a codec or a column.
            #[must_use]
            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                Uuid::try_parse(text).map(Self).map_err(|_| Invalid("must be a UUID"))
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;

            fn try_from(text: String) -> Result<Self, Invalid> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    )+};
}

ids! {
    /// Names one installation of regcred: all processes on one database.
    DeploymentId,
    /// Names an organization or a project for as long as it exists; a later one of the same name gets another.
    ScopeId,
    /// Names a credential for all its life, over every rotation of its password.
    CredentialId,
    /// Names an API token; says nothing about its text.
    TokenId,
    /// Names an audit event.
    EventId,
    /// Names one request in answers, logs and audit events.
    RequestId,
    /// Names a data key: the key of one scope, under which its passwords are sealed.
    DataKeyId,
    /// Names a master key: one that wraps data keys.
    MasterKeyId,
    /// Names a running process, from its start to its end.
    ReplicaId,
    /// Names a pruning of the audit log.
    PruningId,
}

fn uuid_v7(clock: &dyn Clock, random: &dyn Random) -> Uuid {
    let milliseconds = u64::try_from(clock.now().microseconds() / 1000).unwrap_or_default();
    let mut bytes = [0; 10];
    random.fill_public(&mut bytes);
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &bytes).into_uuid()
}
