//! What is counted at every hand-out, by handles that were looked up once.

use metrics::{Counter, counter};

pub(super) struct Counts {
    hand_outs: Counter,
    passwords: Counter,
    recalled: Counter,
    lapsed: Counter,
}

impl Counts {
    pub(super) fn new() -> Self {
        Self {
            hand_outs: counter!("regcred_hand_outs_total"),
            passwords: counter!("regcred_passwords_handed_out_total"),
            recalled: counter!("regcred_recalls_total", "outcome" => "proved"),
            lapsed: counter!("regcred_recalls_total", "outcome" => "lapsed"),
        }
    }

    /// A pull secret with so many passwords was handed out.
    pub(super) fn hand_out(&self, passwords: usize) {
        self.hand_outs.increment(1);
        self.passwords.increment(passwords as u64);
    }

    /// What was remembered was asked to be proved.
    pub(super) fn recall(&self, proved: bool) {
        if proved { &self.recalled } else { &self.lapsed }.increment(1);
    }
}
