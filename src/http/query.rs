//! Query strings: every parameter is known, given once unless it may repeat, and parsed into a domain type.

use super::problem::{Kind, Problem};
use crate::{
    domain::{
        page::{Cursor, Limit, PageRequest},
        timestamp::Timestamp,
    },
    service::AuditOrder,
};
use std::str::FromStr;

/// The parameters of a request that have not been taken yet.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        Self(url::form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// Takes a parameter that may be given once.
    pub(super) fn one<T: FromStr>(&mut self, name: &'static str) -> Result<Option<T>, Problem>
    where
        T::Err: ToString,
    {
        let mut values = self.all(name)?;
        if values.len() > 1 {
            return Err(Problem::at(Kind::InvalidParameter, name, "must be given only once"));
        }
        Ok(values.pop())
    }

    /// Takes a parameter that may be given several times.
    pub(super) fn all<T: FromStr>(&mut self, name: &'static str) -> Result<Vec<T>, Problem>
    where
        T::Err: ToString,
    {
        let (taken, rest) = std::mem::take(&mut self.0).into_iter().partition::<Vec<_>, _>(|(key, _)| key == name);
        self.0 = rest;
        let parse = |(_, value): &(String, String)| {
            value.parse().map_err(|rule: T::Err| Problem::at(Kind::InvalidParameter, name, rule.to_string()))
        };
        taken.iter().map(parse).collect()
    }

    /// Takes a parameter that is a yes or a no; a no if it is not given.
    pub(super) fn flag(&mut self, name: &'static str) -> Result<bool, Problem> {
        let given = self.one::<String>(name)?;
        match given.as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::at(Kind::InvalidParameter, name, "must be true or false")),
        }
    }

    /// Takes `limit` and `cursor`.
    pub(super) fn page(&mut self) -> Result<PageRequest, Problem> {
        let limit = self.one::<LimitText>("limit")?.map_or_else(Limit::default, |text| text.0);
        let cursor = self.one::<CursorText>("cursor")?.map(|text| text.0);
        Ok(PageRequest { limit, cursor })
    }

    /// Takes `order` and `before` of a list of audit events.
    pub(super) fn audit_order(&mut self) -> Result<AuditOrder, Problem> {
        let before = self.one::<Timestamp>("before")?;
        match (self.one::<Order>("order")?.unwrap_or(Order::Oldest), before) {
            (Order::Oldest, before) => Ok(AuditOrder::OldestFirst(before)),
            (Order::Newest, None) => Ok(AuditOrder::NewestFirst),
            (Order::Newest, Some(_)) => {
                Err(Problem::at(Kind::InvalidParameter, "before", "must not be given with order=newest"))
            }
        }
    }

    /// Refuses whatever is left.
    pub(super) fn end(self, known: &str) -> Result<(), Problem> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(Problem::new(
            Kind::InvalidParameter,
            format!("there is a parameter that this path does not know; it knows {known}"),
        ))
    }
}

struct LimitText(Limit);

impl FromStr for LimitText {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let limit = text.parse::<u32>().ok().and_then(|number| Limit::try_from(number).ok());
        limit.map(Self).ok_or("must be between 1 and 500")
    }
}

enum Order {
    Oldest,
    Newest,
}

impl FromStr for Order {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "oldest" => Ok(Self::Oldest),
            "newest" => Ok(Self::Newest),
            _ => Err("must be oldest or newest"),
        }
    }
}

struct CursorText(Cursor);

impl FromStr for CursorText {
    type Err = crate::domain::text::Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Cursor::try_from(text.to_owned()).map(Self)
    }
}
