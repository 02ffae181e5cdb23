//! A writer that knows what was acknowledged, and what was sent and not acknowledged.

use super::{
    raw,
    traffic::{Lane, ORGANIZATION, Outcome},
};
use regcred::{client::Listing, http::wire};
use std::collections::{HashMap, HashSet};

/// How many credentials a writer keeps, so that reading them all stays short.
const KEPT: usize = 5;

/// What a writer knows of one credential.
struct Known {
    id: String,
    server: String,
    /// The version that was last acknowledged.
    version: u32,
    /// Whether a newer version was sent and not acknowledged.
    doubtful: bool,
    deletion: Deletion,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Deletion {
    No,
    Sent,
    Acknowledged,
}

/// A writer with a project of its own.
pub struct Writer {
    pub(super) project: String,
    token: String,
    made: usize,
    known: Vec<Known>,
    /// Creations that were sent and not acknowledged.
    doubtful: HashSet<String>,
}

impl Writer {
    pub(super) fn new(project: String, token: String) -> Self {
        Self { project, token, made: 0, known: Vec::new(), doubtful: HashSet::new() }
    }

    fn path(&self) -> String {
        format!("/v1/organizations/{ORGANIZATION}/projects/{}/credentials", self.project)
    }

    /// A request for all that it keeps.
    pub(super) fn list(&self) -> Vec<u8> {
        raw::get(&self.path(), &self.token)
    }

    /// One write.
    pub fn step(&mut self, lane: &mut Lane) -> Outcome {
        // What it is not sure of, a writer leaves alone until somebody has looked.
        let certain = |known: &Known| known.deletion == Deletion::No && !known.doubtful;
        let live: Vec<_> = (0..self.known.len()).filter(|at| certain(&self.known[*at])).collect();
        if live.len() > KEPT {
            return self.delete(lane, live[0]);
        }
        match live.last() {
            Some(last) if self.made.is_multiple_of(2) && self.known[*last].version < 3 => {
                let middle = live[live.len() / 2];
                let at = if middle != *last && self.known[middle].version < 3 { middle } else { *last };
                self.update(lane, at)
            }
            Some(_) | None => self.create(lane),
        }
    }

    fn create(&mut self, lane: &mut Lane) -> Outcome {
        self.made += 1;
        let server = format!("{}-{}.example", self.project, self.made);
        self.doubtful.insert(server.clone());
        let body = raw::credential(&server, &password(&server, 1));
        let outcome = lane.exchange(&raw::post(&self.path(), &self.token, &body), 201);
        if let Outcome::Done(answer) = &outcome {
            self.doubtful.remove(&server);
            let id = answer.text("id");
            self.known.push(Known { id, server, version: 1, doubtful: false, deletion: Deletion::No });
        }
        outcome
    }

    fn update(&mut self, lane: &mut Lane, at: usize) -> Outcome {
        let path = format!("{}/{}", self.path(), self.known[at].id);
        let known = &mut self.known[at];
        known.doubtful = true;
        let body = format!(r#"{{"password":"{}"}}"#, password(&known.server, known.version + 1));
        let request = raw::with_body("PATCH", &path, &self.token, &body);
        let outcome = lane.exchange(request.as_bytes(), 200);
        if matches!(outcome, Outcome::Done(_)) {
            known.version += 1;
            known.doubtful = false;
        }
        outcome
    }

    fn delete(&mut self, lane: &mut Lane, at: usize) -> Outcome {
        let request = raw::head("DELETE", &format!("{}/{}", self.path(), self.known[at].id), &self.token, "");
        self.known[at].deletion = Deletion::Sent;
        let outcome = lane.exchange(request.as_bytes(), 204);
        if matches!(outcome, Outcome::Done(_)) {
            self.known[at].deletion = Deletion::Acknowledged;
        }
        outcome
    }

    /// Holds what was acknowledged against what is there, and takes over what is there. Returns what is not as it must be.
    pub(super) fn check(&mut self, listed: Listing<wire::Credential>, auths: &serde_json::Value) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut must = |holds: bool, what: String| {
            if !holds {
                wrong.push(format!("{}: {what}", self.project));
            }
        };
        must(listed.unreadable == 0, format!("{} rows are unreadable", listed.unreadable));
        let mut found: HashMap<_, _> = listed.items.into_iter().map(|found| (found.id.to_string(), found)).collect();
        let handed_out = auths.as_object().map_or(0, serde_json::Map::len);
        must(handed_out == found.len(), format!("{handed_out} of {} passwords were handed out", found.len()));
        for known in &mut self.known {
            let Some(found) = found.remove(&known.id) else {
                must(known.deletion != Deletion::No, format!("{} was acknowledged and is lost", known.server));
                known.deletion = Deletion::Acknowledged;
                continue;
            };
            must(known.deletion != Deletion::Acknowledged, format!("{} was deleted and is there", known.server));
            let newest = known.version + u32::from(known.doubtful);
            let may_be = (known.version..=newest).contains(&found.version);
            must(may_be, format!("{} at {} and not {newest}", known.server, found.version));
            let opens = auths[&known.server]["password"] == password(&known.server, found.version);
            must(opens, format!("{} has another password", known.server));
            (known.version, known.doubtful, known.deletion) = (found.version, false, Deletion::No);
        }
        for (id, found) in found {
            let sent = self.doubtful.remove(&found.server);
            must(sent, format!("{} was never sent, or has another id", found.server));
            let opens = auths[&found.server]["password"] == password(&found.server, found.version);
            must(opens, format!("{} has another password", found.server));
            let (server, version) = (found.server, found.version);
            self.known.push(Known { id, server, version, doubtful: false, deletion: Deletion::No });
        }
        self.doubtful.clear();
        self.known.retain(|known| known.deletion == Deletion::No);
        wrong
    }
}

fn password(server: &str, version: u32) -> String {
    format!("{server}-secret-{version}")
}
