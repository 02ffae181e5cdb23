//! What this process remembers of earlier hand-outs: who asked, and what he was given.
//!
//! Nothing here is ever believed as it is. Everything comes with its premises, and is used only after the database has said, once
//! more and for this very request, that they hold. Documents lie here sealed. What was not made anew for [`KEPT`] is dropped, so
//! that what was deleted does not stay for as long as the process runs.

use super::Omission;
use crate::{
    crypto::{
        data_key::TokenMac,
        envelope::OpenError,
        shelf::{Shelf, Shelved},
    },
    domain::{
        id::ScopeId,
        image::ImageReference,
        permission::{Caller, RequestContext},
        scope::{ProjectPath, ScopeRecord},
        secret::SecretDocument,
        source::Random,
        timestamp::Timestamp,
    },
    store::Premise,
};
use quick_cache::{Weighter, sync::Cache};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use uuid::Uuid;

/// How long something is kept, used or not.
const KEPT: Duration = Duration::from_mins(10);
/// How many callers are remembered. Each takes about half a kilobyte.
const CALLERS: usize = 20_000;
/// How many bytes of answers are remembered: those of some 20,000 projects with five credentials each.
const ANSWER_BYTES: u64 = 40 << 20;
/// What an answer takes besides its document, roughly: names, identifiers, the map's own.
const ANSWER_OVERHEAD: usize = 768;

/// What an image takes besides its text.
const IMAGE_OVERHEAD: usize = 128;

/// Those of an answer: a project's and its organization's.
const PREMISES: usize = 2;

/// What is asked for: what of a project's credentials is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    /// The project.
    pub project: ProjectPath,
    /// Only what these images need; everything if there are none.
    pub images: Vec<ImageReference>,
}

/// What is remembered.
pub(super) struct Memory {
    callers: Cache<TokenMac, Arc<KnownCaller>>,
    answers: Cache<Question, Arc<Answer>, Weigh>,
    shelf: Shelf,
}

/// Somebody whose token was found to be good.
pub(super) struct KnownCaller {
    caller: Caller,
    pub(super) premise: Premise,
    since: Instant,
}

/// What somebody was given.
pub(super) struct Answer {
    /// Where it was found.
    pub(super) place: ScopeRecord,
    /// That nothing has changed there.
    pub(super) premises: Vec<Premise>,
    /// When nothing of it expires.
    lasting: Lasting,
    /// The document's tag.
    pub(super) tag: String,
    /// What was left out.
    pub(super) omitted: Vec<Omission>,
    /// The document; none if nobody has needed it yet.
    pub(super) document: Option<KeptDocument>,
    since: Instant,
}

/// A time in which no credential of an answer begins or ceases to be good, by this process's clock.
#[derive(Clone, Copy)]
pub(super) struct Lasting {
    /// When the answer was made. A clock that was put back may have brought expired ones back.
    pub(super) from: Timestamp,
    /// When the first of them expires.
    pub(super) until: Option<Timestamp>,
}

/// A document, and whose passwords are in it.
pub(super) struct KeptDocument {
    sealed: Shelved,
    /// The identifiers of the credentials.
    pub(super) handed_out: Arc<[Uuid]>,
}

#[derive(Clone)]
struct Weigh;

impl Weighter<Question, Arc<Answer>> for Weigh {
    fn weight(&self, question: &Question, answer: &Arc<Answer>) -> u64 {
        let images: usize = question.images.iter().map(|image| image.repository().len() + IMAGE_OVERHEAD).sum();
        let document =
            answer.document.as_ref().map_or(0, |document| document.sealed.length() + document.handed_out.len() * 16);
        (ANSWER_OVERHEAD + images + document + answer.omitted.len() * 24) as u64
    }
}

impl Memory {
    pub(super) fn new(random: &dyn Random) -> Self {
        let estimate = usize::try_from(ANSWER_BYTES).expect("it is small") / (ANSWER_OVERHEAD * 2);
        Self {
            callers: Cache::new(CALLERS),
            answers: Cache::with_weighter(estimate, ANSWER_BYTES, Weigh),
            shelf: Shelf::new(random),
        }
    }

    /// Remembers whose token has that code.
    pub(super) fn keep_caller(&self, mac: TokenMac, caller: Caller, premise: Premise) {
        self.callers.insert(mac, Arc::new(KnownCaller { caller, premise, since: Instant::now() }));
    }

    /// Whose token had that code. The map compares codes as everybody does, in constant time.
    pub(super) fn caller(&self, mac: &TokenMac) -> Option<Arc<KnownCaller>> {
        self.callers.get(mac)
    }

    /// Remembers an answer. One without its document does not take the place of one that has it.
    pub(super) fn keep_answer(&self, question: Question, answer: Answer) {
        let as_good = |kept: Arc<Answer>| kept.premises == answer.premises && kept.is_in_time(answer.lasting.from);
        // Without all premises it could never be proved.
        let provable = answer.premises.len() == PREMISES;
        if !provable || (answer.document.is_none() && self.answers.get(&question).is_some_and(as_good)) {
            return;
        }
        self.answers.insert(question, Arc::new(answer));
    }

    /// What was answered to that.
    pub(super) fn answer(&self, question: &Question) -> Option<Arc<Answer>> {
        self.answers.get(question)
    }

    /// Seals a document of that place.
    pub(super) fn seal(&self, place: ScopeId, document: &SecretDocument, handed_out: Arc<[Uuid]>) -> KeptDocument {
        KeptDocument { sealed: self.shelf.put(place.as_uuid().as_bytes(), document), handed_out }
    }

    /// Opens a document of that place.
    pub(super) fn open(&self, place: ScopeId, document: &KeptDocument) -> Result<SecretDocument, OpenError> {
        self.shelf.open(place.as_uuid().as_bytes(), &document.sealed)
    }

    /// Drops what is old.
    pub(super) fn forget_old(&self) {
        self.callers.retain(|_, known| known.since.elapsed() < KEPT);
        self.answers.retain(|_, answer| answer.since.elapsed() < KEPT);
    }
}

impl KnownCaller {
    /// The caller in another request.
    pub(super) fn in_request(&self, request: RequestContext) -> Caller {
        Caller { request, ..self.caller.clone() }
    }
}

impl Answer {
    pub(super) fn new(
        place: ScopeRecord,
        premises: Vec<Premise>,
        lasting: Lasting,
        tag: String,
        omitted: Vec<Omission>,
        document: Option<KeptDocument>,
    ) -> Self {
        Self { place, premises, lasting, tag, omitted, document, since: Instant::now() }
    }

    /// Whether no credential has expired since.
    pub(super) fn is_in_time(&self, now: Timestamp) -> bool {
        self.lasting.from <= now && self.lasting.until.is_none_or(|until| now < until)
    }
}
