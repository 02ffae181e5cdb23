//! How many requests were answered, with what and how fast, as one worker counts them.
//!
//! Finding a metric by its labels takes an allocation for each label and a lock. So a worker keeps those that it has counted
//! before, and finds them by what the request has at hand. There are few: routes are patterns, methods are known ones, and
//! statuses are those that regcred answers with.

use super::shared::Listener;
use metrics::{Counter, Histogram};
use std::{cell::RefCell, collections::HashMap, time::Duration};

/// What a worker of one listener has counted. Lives among its application's data.
pub(super) struct Counts {
    listener: &'static str,
    by_route: RefCell<HashMap<String, Vec<Count>>>,
}

/// The answers that one method of a route gave with one status.
struct Count {
    method: &'static str,
    status: u16,
    answers: Counter,
    seconds: Histogram,
}

impl Counts {
    pub(super) fn new(listener: Listener) -> Self {
        Self { listener: listener.name(), by_route: RefCell::default() }
    }

    /// Counts an answer.
    pub(super) fn add(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let mut by_route = self.by_route.borrow_mut();
        if let Some(counts) = by_route.get(route)
            && let Some(count) = counts.iter().find(|count| count.method == method && count.status == status)
        {
            return count.add(took);
        }
        let count = self.count(method, route, status);
        count.add(took);
        by_route.entry(route.to_owned()).or_default().push(count);
    }

    fn count(&self, method: &'static str, route: &str, status: u16) -> Count {
        let labels =
            [("listener", self.listener.to_owned()), ("method", method.to_owned()), ("route", route.to_owned())];
        let seconds = metrics::histogram!("regcred_http_request_seconds", &labels);
        let labels = labels.into_iter().chain([("status", status.to_string())]).collect::<Vec<_>>();
        let answers = metrics::counter!("regcred_http_requests_total", &labels);
        Count { method, status, answers, seconds }
    }
}

impl Count {
    fn add(&self, took: Duration) {
        self.answers.increment(1);
        self.seconds.record(took);
    }
}
