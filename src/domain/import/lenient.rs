//! Shapes that take whatever stands there: a file of another make is told by what is missing, not by an error.

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use std::{fmt, marker::PhantomData};
use zeroize::Zeroizing;

/// A member that should be a text, and may be a secret.
#[derive(Default)]
pub(super) enum Field {
    #[default]
    Missing,
    Text(Zeroizing<String>),
    Other,
}

/// A member that should be an object; anything else counts as an empty one.
#[derive(Default)]
pub(super) struct Object<T>(pub(super) T);

/// A member that should be a list; anything else counts as none.
pub(super) struct List<T>(pub(super) Option<Vec<T>>);

/// The members of an object, in their order, also those that stand there twice.
pub(super) struct Members<T>(pub(super) Vec<(String, T)>);

impl Field {
    /// The text, unless it is empty, as docker writes members that it has nothing for.
    pub(super) fn text(&self) -> Option<&Zeroizing<String>> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text),
            Self::Text(_) | Self::Missing | Self::Other => None,
        }
    }

    pub(super) fn is_other(&self) -> bool {
        matches!(self, Self::Other)
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Default for Members<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// The visits of what is neither a text nor an object nor a list.
macro_rules! scalars {
    ($value:expr) => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_bytes<E>(self, _: &[u8]) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
}

fn pass_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<(), A::Error> {
    while list.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

fn pass_object<'de, A: MapAccess<'de>>(mut object: A) -> Result<(), A::Error> {
    while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Field;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }

            fn visit_str<E>(self, text: &str) -> Result<Field, E> {
                Ok(Field::Text(Zeroizing::new(text.to_owned())))
            }

            fn visit_string<E>(self, text: String) -> Result<Field, E> {
                Ok(Field::Text(Zeroizing::new(text)))
            }

            fn visit_unit<E>(self) -> Result<Field, E> {
                Ok(Field::Missing)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Field, A::Error> {
                pass_list(list).map(|()| Field::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Field, A::Error> {
                pass_object(object).map(|()| Field::Other)
            }

            scalars!(Field::Other);
        }

        deserializer.deserialize_any(Any)
    }
}

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for Any<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(object)).map(Object)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Object<T>, A::Error> {
                pass_list(list).map(|()| Object::default())
            }

            fn visit_str<E>(self, _: &str) -> Result<Object<T>, E> {
                Ok(Object::default())
            }

            fn visit_unit<E>(self) -> Result<Object<T>, E> {
                Ok(Object::default())
            }

            scalars!(Object::default());
        }

        deserializer.deserialize_any(Any(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Any<T> {
            type Value = List<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<List<T>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(List(Some(items)))
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<List<T>, A::Error> {
                pass_object(object).map(|()| List(None))
            }

            fn visit_str<E>(self, _: &str) -> Result<List<T>, E> {
                Ok(List(None))
            }

            fn visit_unit<E>(self) -> Result<List<T>, E> {
                Ok(List(None))
            }

            scalars!(List(None));
        }

        deserializer.deserialize_any(Any(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Members<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
            type Value = Members<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Members<T>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = object.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }

            fn visit_unit<E>(self) -> Result<Members<T>, E> {
                Ok(Members::default())
            }
        }

        deserializer.deserialize_any(Object(PhantomData))
    }
}
