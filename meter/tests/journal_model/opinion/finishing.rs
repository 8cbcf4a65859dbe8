//! How calls end.

use meter::entry::Ending;
use meter::ids::{AccountId, CallId};
use meter::journal::{
    ASK_PAUSE_MAX_MS, HOLD_LIFE_MAX_MS, KeptReply, Order, RECENT_MAX, Report, Settled,
    UNNAMED_LIFE_MAX_MS,
};
use meter::money::Nanos;
use meter::outcome::{Outcome, Reading, Source, Told, decide, is_gateways};
use meter::time::UnixMs;
use meter::usage::{Observed, Stage, Usage, WorkIds};

use super::{Call, Opinion};

impl Opinion {
    pub(super) fn keep_reply(&mut self, id: &CallId, reply: KeptReply) {
        let open = self.calls.get(id).filter(|call| call.ended.is_none());
        if let Some(key) = open.and_then(|call| call.key.as_ref()) {
            self.keys.get_mut(key).unwrap().reply = Some(reply);
        }
    }

    pub(super) fn report(
        &mut self,
        id: &CallId,
        report: Report,
        told: Told,
        now: UnixMs,
    ) -> Settled {
        let Some(call) = self.calls.get(id) else { return Settled::Unknown };
        let Report { status, mut observed } = report;
        if call.ended.is_none() {
            let is_told_twice = told == Told::ByReply && self.is_told_twice(id, &observed.ids);
            let had_begun = self.calls[id].ids.can_be_asked();
            if !is_told_twice {
                self.name(id, &observed.ids);
            }
            let share_is_unknown = told == Told::ByAsking && self.share_is_unknown(id, &observed);
            let waits = share_is_unknown && self.may_have_begun(id);
            let call = self.calls.get_mut(id).unwrap();
            if waits {
                call.leave_alone(now.plus_ms(ASK_PAUSE_MAX_MS));
                return Settled::Open;
            }
            if share_is_unknown {
                observed.usage = None;
            }
            observed.usage = call.in_all(observed.usage, told);
            let is_answer = |status: &u16| *status >= 400 && !is_gateways(*status);
            let is_refused = told == Told::ByReply && status.as_ref().is_some_and(is_answer);
            let has_failed = is_refused || observed.stage == Stage::Failed;
            let fails_for_nothing = has_failed && !observed.usage.is_some_and(Usage::is_some_used);
            if fails_for_nothing {
                observed.usage = observed.usage.or(call.used);
            }
            let mut outcome = decide(status, &observed, told, call.ids.can_be_asked());
            // An interrupt may be the very one that this resume is about to answer.
            let may_not_have_begun = call.asked.resumes.is_some() && told == Told::ByAsking;
            if may_not_have_begun && observed.stage == Stage::Interrupted {
                outcome = Outcome::AskLater;
            }
            // Tools were handed in, and turned down: the chat waits on. A resume is no such request.
            if fails_for_nothing
                && told == Told::ByReply
                && had_begun
                && call.asked.resumes.is_none()
            {
                outcome = Outcome::AskLater;
            }
            match outcome {
                _ if is_told_twice => self.end(id, Ending::Released, None),
                Outcome::AskLater => {
                    call.leave_alone(now.plus_ms(ASK_PAUSE_MAX_MS));
                    if observed.stage == Stage::AwaitsTools {
                        call.used = observed.usage.or(call.used);
                    }
                    return Settled::Open;
                }
                Outcome::Bill(reading) => {
                    let counts_tokens = call.asked.operation.counts_tokens();
                    call.is_unknown = reading.source == Source::Missing
                        && counts_tokens
                        && call.terms.price.needs_usage();
                    call.settled_by = counts_tokens.then_some(reading.source);
                    self.end(id, Ending::Settled, reading.usage);
                }
                Outcome::Release if share_is_unknown => self.end(id, Ending::Expired, None),
                Outcome::Release => self.end(id, Ending::Released, None),
                Outcome::GiveUp => self.end(id, Ending::Expired, None),
            }
        }
        self.told_end(id)
    }

    /// Upstream states what a whole run used, and this is one of its later legs; the first one is neither
    /// open under its name nor known to have been charged.
    fn share_is_unknown(&self, id: &CallId, observed: &Observed) -> bool {
        let call = &self.calls[id];
        let is_over = matches!(observed.stage, Stage::Completed | Stage::Failed | Stage::Canceled);
        let is_stated = is_over && observed.usage.is_some_and(Usage::is_some_used);
        let is_left = call.ids.execution.as_ref().is_some_and(|it| self.unknown.contains_key(it));
        is_stated && (is_left || self.lacks_beginning(id))
    }

    fn lacks_beginning(&self, id: &CallId) -> bool {
        let call = &self.calls[id];
        let Some(execution) = call.asked.resumed_execution() else { return false };
        let mut open = self.open().map(|(_, other)| other).filter(|it| it.account == call.account);
        let is_first = |other: &Call| {
            let names = [&other.ids.chat, &other.ids.execution];
            other.asked.resumes.is_none() && names.contains(&&Some(execution.clone()))
        };
        call.billed.is_none() && !open.any(is_first)
    }

    /// An open call of the same account and workflow has no name yet and is older.
    fn may_have_begun(&self, id: &CallId) -> bool {
        let call = &self.calls[id];
        self.lacks_beginning(id)
            && self.open().any(|(_, other)| {
                other.asked.resumes.is_none()
                    && other.ids.execution.is_none()
                    && (&other.account, &other.asked.subject)
                        == (&call.account, &call.asked.subject)
                    && other.number < call.number
            })
    }

    /// A reply after which the bill may still tell: what would be given up for lost is left open.
    pub(super) fn report_stamped(&mut self, id: &CallId, report: Report, now: UnixMs) -> Settled {
        let before = self.clone();
        let ids = report.observed.ids.clone();
        let settled = self.report(id, report, Told::ByReply, now);
        let was_open = before.calls.get(id).is_some_and(|call| call.ended.is_none());
        let is_over = |call: &Call| matches!(call.ended, Some((Ending::Expired, _)));
        // A charge that fits in no amount expires too, but not for want of a word.
        let charged = self.calls.get(id).is_some_and(|call| call.settled_usage.is_some());
        if !was_open || charged || !self.calls.get(id).is_some_and(is_over) {
            return settled;
        }
        *self = before;
        self.name(id, &ids);
        let call = self.calls.get_mut(id).unwrap();
        (call.seen_at, call.stored_at) = (now, now);
        Settled::Open
    }

    /// These ids of a call's work are known now. A run that had no name may have been resumed, and billed
    /// under other calls, meanwhile.
    pub(super) fn name(&mut self, id: &CallId, told: &WorkIds) {
        let call = &self.calls[id];
        let named = told.execution.as_ref().filter(|_| call.ids.execution.is_none());
        let billed = named.and_then(|execution| self.billed(execution));
        let whole = named.is_some_and(|execution| self.is_billed_whole(execution));
        let call = self.calls.get_mut(id).unwrap();
        call.billed = call.billed.or(billed);
        call.is_billed_whole |= whole;
        call.ids = call.ids.clone().or(told.clone());
    }

    /// How a call ended, when it is remembered.
    fn told_end(&self, id: &CallId) -> Settled {
        match self.calls.get(id).and_then(|call| call.ended) {
            Some((ending, amount)) if !self.is_forgotten(id) => {
                let balance = self.balance(&self.calls[id].account);
                Settled::Finished { ending, amount, balance }
            }
            _ => Settled::Unknown,
        }
    }

    /// Whether a reply is about work that another call of the account was charged for. A resume is work
    /// of its own beside what it continues.
    fn is_told_twice(&self, id: &CallId, told: &WorkIds) -> bool {
        let call = &self.calls[id];
        let told = [&told.chat, &told.execution].into_iter().flatten();
        let mut charged = told.flat_map(|work| self.charged_for(work));
        call.asked.resumes.is_none()
            && charged.any(|other| other.account == call.account && other.asked.resumes.is_none())
    }

    pub(super) fn obey(&mut self, id: &CallId, order: Order) -> Settled {
        if let Some(call) = self.calls.get(id).filter(|call| call.ended.is_none()) {
            if matches!(order, Order::Bill(_)) && call.ids.can_be_asked() {
                return Settled::Open;
            }
            match order {
                Order::Settle(usage) | Order::Bill(usage) => self.end(id, Ending::Settled, usage),
                Order::Release => self.end(id, Ending::Released, None),
            }
        }
        self.told_end(id)
    }

    /// What an account was told about some work, which may be that of one of its own running calls.
    pub(super) fn follow(&mut self, account: &AccountId, report: Report, now: UnixMs) -> Settled {
        let told = &report.observed.ids;
        let is_named = |call: &Call| {
            let is_chat = told.chat.is_some() && told.chat == call.ids.chat;
            is_chat || told.execution.is_some() && told.execution == call.ids.execution
        };
        let found = self.open().find(|(_, call)| is_named(call) && call.account == *account);
        match found.map(|(id, _)| id.clone()) {
            Some(id) => self.report(&id, report, Told::ByAsking, now),
            None => Settled::Unknown,
        }
    }

    /// Ends the calls about which nothing more can be found out.
    pub(super) fn end_what_is_over(&mut self, now: UnixMs) {
        let is_over = |call: &Call| {
            let is_unnamed = !call.ids.can_be_asked();
            now.since(call.admitted_at) >= HOLD_LIFE_MAX_MS
                || is_unnamed && now.since(call.seen_at) >= UNNAMED_LIFE_MAX_MS
        };
        let over = self.open().filter(|(_, call)| is_over(call));
        let over: Vec<CallId> = over.map(|(id, _)| id.clone()).collect();
        for id in &over {
            // A chat that was never given what its tools had to say is charged for what it used.
            match self.calls[id].used.filter(|used| used.is_some_used()) {
                Some(used) => self.end(id, Ending::Settled, Some(used)),
                None => self.end(id, Ending::Expired, None),
            }
        }
    }

    fn end(&mut self, id: &CallId, ending: Ending, usage: Option<Usage>) {
        let call = self.calls.get_mut(id).unwrap();
        let charge =
            call.terms.charge(call.asked.units, &Reading { usage, source: Source::Reported });
        let (ending, amount) = match (ending, charge) {
            (Ending::Settled, Ok(charge)) => (Ending::Settled, charge),
            // Nobody can pay what does not fit in an amount.
            (Ending::Settled, Err(_)) => (Ending::Expired, Nanos::ZERO),
            (ending, _) => (ending, Nanos::ZERO),
        };
        call.is_unknown |= ending == Ending::Expired;
        call.ended = Some((ending, amount));
        call.ended_at = self.now;
        call.settled_usage = usage;
        self.remembered.push_back(id.clone());
        self.keep_with_work(id);
        if self.remembered.len() > RECENT_MAX {
            self.remembered.pop_front();
            self.forget_works();
        }
    }
}
