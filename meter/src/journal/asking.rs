//! Looking after calls that went quiet: when to ask upstream, and when to give up.

use crate::credential::Sender;
use crate::ids::{AccountId, CallId};
use crate::request::Asked;
use crate::time::UnixMs;
use crate::usage::WorkIds;

use super::{
    ASK_PAUSE_MAX_MS, ASK_PAUSE_MIN_MS, CallNo, Decision, Effect, HOLD_LIFE_MAX_MS, Hold, Journal,
    Open, QUIET_MAX_MS, UNNAMED_LIFE_MAX_MS,
};

/// A question to upstream about one call's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Which call the answer is for.
    pub call: CallId,
    /// What was called; a run is asked for under its workflow.
    pub asked: Asked,
    /// By which ids upstream knows the work.
    pub ids: WorkIds,
    /// For whom it was done.
    pub account: AccountId,
    /// As whom it was sent.
    pub sender: Sender,
}

impl Open {
    /// Plans the next question: after a second at first, later after up to a minute.
    pub(super) fn ask_again(&mut self, now: UnixMs) {
        self.ask_at = Some(now.plus_ms(self.pause_ms));
        self.pause_ms = self.pause_ms.saturating_mul(2).min(ASK_PAUSE_MAX_MS);
        self.asked = self.asked.saturating_add(1);
    }

    /// Has upstream asked at once, by a journal that was loaded anew. How often it was asked before is not
    /// known; pauses that double are together about as long as the call is old.
    pub(super) fn ask_anew(&mut self, now: UnixMs) {
        self.ask_at = Some(now);
        let age_ms = now.since(self.hold.admitted_at);
        self.pause_ms = age_ms.clamp(ASK_PAUSE_MIN_MS, ASK_PAUSE_MAX_MS);
    }

    /// When something has to be done about this call next.
    pub(super) fn due_at(&self) -> UnixMs {
        let end = self.hold.admitted_at.plus_ms(HOLD_LIFE_MAX_MS);
        let next = if self.hold.ids.can_be_asked() {
            self.ask_at.unwrap_or_else(|| self.seen_at.plus_ms(QUIET_MAX_MS))
        } else {
            self.seen_at.plus_ms(UNNAMED_LIFE_MAX_MS)
        };
        next.min(end)
    }

    /// Whether nothing more will be found out.
    fn is_over(&self, now: UnixMs) -> bool {
        now.since(self.hold.admitted_at) >= HOLD_LIFE_MAX_MS || !self.hold.ids.can_be_asked()
    }
}

impl Journal {
    /// When [`Journal::look_after`] has something to do next, if ever.
    pub fn wake_at(&self) -> Option<UnixMs> {
        self.open.values().map(Open::due_at).min()
    }

    /// Ends the calls that are over, and gives up to `questions_max` questions about those that went
    /// quiet. Each question counts as asked; its answer goes to [`Journal::answer`].
    pub fn look_after(&mut self, now: UnixMs, questions_max: usize) -> Decision<Vec<Question>> {
        let due = |open: &&Open| open.due_at() <= now;
        let over: Vec<CallNo> = self
            .open
            .values()
            .filter(|open| due(open) && open.is_over(now))
            .map(|open| open.hold.call_no)
            .take(questions_max)
            .collect();
        let effects: Vec<Effect> =
            over.into_iter().flat_map(|no| self.expire(no, now).effects).collect();
        let quiet =
            self.open.values_mut().filter(|open| open.due_at() <= now && !open.is_over(now));
        let questions = quiet.take(questions_max).map(|open| {
            open.ask_again(now);
            let Hold { call, asked, ids, account, sender, .. } = open.hold.clone();
            Question { call, asked, ids, account, sender }
        });
        Decision { reply: questions.collect(), effects }
    }
}
