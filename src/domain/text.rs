//! The one way in which text from outside becomes a domain type.
//!
//! [`Invalid`] names the rule that was broken and never the value, because the value may be a password in the wrong
//! field. [`text_type!`] gives a newtype its conversions, so that each type only states its rule.

/// Why a text was refused. The message names the rule and never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub &'static str);

/// Declares a validated text that is cheap to clone: a private `Arc<str>`, `FromStr` by the given rule, `Display`, and serde both ways.
///
/// The rule takes the text and answers the form to keep, or [`Invalid`].
macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $rule:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize, serde::Serialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The text in its normal form.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The text, for who keeps it too.
            #[must_use]
            pub fn shared(&self) -> std::sync::Arc<str> {
                std::sync::Arc::clone(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::domain::text::Invalid;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let rule: fn(&str) -> Result<String, $crate::domain::text::Invalid> = $rule;
                rule(text).map(|text| Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::domain::text::Invalid;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.as_str().to_owned()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

pub(crate) use text_type;
