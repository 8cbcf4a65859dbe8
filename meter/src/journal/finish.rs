//! Ending calls: settle, release, expire.

use crate::entry::{Ending, Entry, Facts};
use crate::ids::{AccountId, CallId};
use crate::money::Nanos;
use crate::outcome::{Outcome, Reading, Source, Told, decide, is_gateways};
use crate::route::{Operation, Provider};
use crate::time::UnixMs;
use crate::usage::{Observed, Stage, Usage, WorkIds};

use super::idempotency::KeptReply;
use super::{
    CallNo, Decision, Effect, Hold, Journal, MARK_EVERY, Mark, Open, SIGN_STORED_EVERY_MS, Spent,
};

/// What was learned about a call's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The HTTP status of the reply, when there was one.
    pub status: Option<u16>,
    /// What the reply said.
    pub observed: Observed,
}

/// How a call stands after a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It is finished, now or since earlier.
    Finished {
        /// How it ended.
        ending: Ending,
        /// What it cost.
        amount: Nanos,
        /// The account's balance.
        balance: Nanos,
    },
    /// Its work goes on; upstream will be asked.
    Open,
    /// No running call and none of the recent ones is meant.
    Unknown,
}

/// Who else may tell of a call when its reply does not, and upstream cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Nobody.
    Nobody,
    /// Upstream's bill, which the call is stamped for.
    Bill,
}

impl Journal {
    /// Takes in what the reply to a call said.
    ///
    /// `reply` is kept for replaying, when the call came with an idempotency key.
    pub fn settle(
        &mut self,
        call: &CallId,
        report: Report,
        reply: Option<KeptReply>,
        now: UnixMs,
    ) -> Decision<Settled> {
        self.settle_or_wait(call, report, reply, Last::Nobody, now)
    }

    /// The same for a call that upstream's bill will name. Where nothing else tells how it went, its hold
    /// stays open for the bill's word, for as long as that of a call that has no id yet.
    pub fn settle_stamped(
        &mut self,
        call: &CallId,
        report: Report,
        reply: Option<KeptReply>,
        now: UnixMs,
    ) -> Decision<Settled> {
        self.settle_or_wait(call, report, reply, Last::Bill, now)
    }

    fn settle_or_wait(
        &mut self,
        call: &CallId,
        report: Report,
        reply: Option<KeptReply>,
        last: Last,
        now: UnixMs,
    ) -> Decision<Settled> {
        let Some(&call_no) = self.by_call.get(call) else { return self.remembered(call) };
        let hold = self.open.get(&call_no).map(|open| &open.hold);
        let key = hold.and_then(|hold| hold.idempotency.clone());
        let mut decision = self.report(call_no, report, Told::ByReply, last, now);
        decision.effects.extend(key.zip(reply).map(|(key, reply)| Effect::SaveReply(key, reply)));
        decision
    }

    /// Takes in what upstream said of a piece of work when it was asked, by the caller or by us.
    ///
    /// Only a call of the account that asked is settled by it.
    pub fn follow(
        &mut self,
        account: &AccountId,
        report: Report,
        now: UnixMs,
    ) -> Decision<Settled> {
        let ids = [&report.observed.ids.chat, &report.observed.ids.execution];
        let found = ids.into_iter().flatten().find_map(|id| self.call_of(account, id));
        match found {
            Some(call_no) if self.is_read(call_no) => Decision::unchanged(Settled::Open),
            Some(call_no) => self.report(call_no, report, Told::ByAsking, Last::Nobody, now),
            None => Decision::unchanged(Settled::Unknown),
        }
    }

    /// Whether the call's own reply still comes in and tells more than an answer does. The detail of a
    /// Dify run knows no cost: whoever asks for it at the right moment would otherwise pay nothing.
    fn is_read(&self, call_no: CallNo) -> bool {
        self.open.get(&call_no).is_some_and(|open| {
            open.hold.asked.operation.provider() == Provider::Dify && open.ask_at.is_none()
        })
    }

    /// Takes in an answer to one of our own questions.
    pub fn answer(&mut self, call: &CallId, report: Report, now: UnixMs) -> Decision<Settled> {
        let Some(&call_no) = self.by_call.get(call) else { return self.remembered(call) };
        self.report(call_no, report, Told::ByAsking, Last::Nobody, now)
    }

    /// Notes a sign of life of a running call, and the ids of its work as soon as they are known, so
    /// that a crash cannot orphan it.
    pub fn note(&mut self, call: &CallId, ids: WorkIds, now: UnixMs) -> Decision<()> {
        let found = self.by_call.get(call).and_then(|call_no| self.open.get_mut(call_no));
        let Some(open) = found else { return Decision::unchanged(()) };
        open.seen_at = now;
        let mut hold = open.hold.clone();
        let ids = hold.ids.clone().or(ids);
        if !ids.can_be_asked() && now.since(hold.seen_at) >= SIGN_STORED_EVERY_MS {
            hold.seen_at = now;
        }
        let known = self.named(&hold, ids);
        Decision { reply: (), effects: self.learn(known) }
    }

    pub(super) fn remembered(&self, call: &CallId) -> Decision<Settled> {
        Decision::unchanged(self.recent.get(call).map_or(Settled::Unknown, |known| {
            let balance = self.balance(&known.account);
            Settled::Finished { ending: known.ending, amount: known.amount, balance }
        }))
    }

    fn report(
        &mut self,
        no: CallNo,
        report: Report,
        told: Told,
        last: Last,
        now: UnixMs,
    ) -> Decision<Settled> {
        let Some(open) = self.open.get(&no) else { return Decision::unchanged(Settled::Unknown) };
        let Report { status, mut observed } = report;
        let ids = open.hold.ids.clone().or(observed.ids.clone());
        if told == Told::ByReply && self.is_told_twice(open, &observed.ids) {
            // One piece of work, one charge: another call has it.
            let end = (Ending::Released, Reading { usage: None, source: Source::Reported });
            return self.finish(no, end, status, &observed, now);
        }
        // What answers a chatflow is a chat of its own, so this one is over and there is nothing more
        // to ask about (contract §9 no. 13).
        let is_over = open.hold.asked.operation == Operation::Chatflow
            && observed.stage == Stage::AwaitsTools;
        let can_ask = ids.can_be_asked() && !is_over;
        let hold = self.named(&open.hold, ids.clone());
        let is_over_by_asking = told == Told::ByAsking
            && matches!(observed.stage, Stage::Completed | Stage::Failed | Stage::Canceled);
        let share_is_unknown = is_over_by_asking
            && observed.usage.is_some_and(Usage::is_some_used)
            && self.has_unknown_share(&hold);
        if share_is_unknown {
            if self.may_have_begun(&hold) {
                return self.keep_asking(no, ids, open.hold.status, None, now);
            }
            observed.usage = None;
        }
        observed.usage = hold.usage_in_all(told, observed.usage);
        let fails = is_told_failure(told, status, &observed);
        if fails && observed.usage.is_none() {
            // What upstream reported before the failure was used all the same.
            observed.usage = hold.used;
        }
        let used_so_far = observed.usage.filter(|_| observed.stage == Stage::AwaitsTools);
        let status_kept = match told {
            Told::ByReply => status,
            // A question of ours that failed is another reply.
            Told::ByAsking => open.hold.status,
        };
        let is_interrupt = told == Told::ByAsking && observed.stage == Stage::Interrupted;
        // Work that has a name already may go on: what failed is perhaps only the request to go on.
        let is_turned_down = told == Told::ByReply && fails && open.hold.has_begun();
        if is_interrupt && self.is_one_of_legs(&open.hold) || is_turned_down {
            return self.keep_asking(no, ids, status_kept, used_so_far, now);
        }
        let reading = |source| Reading { usage: observed.usage, source };
        let end = match decide(status, &observed, told, can_ask) {
            Outcome::AskLater => {
                return self.keep_asking(no, ids, status_kept, used_so_far, now);
            }
            Outcome::Bill(reading) => (Ending::Settled, open.hold.reading(reading)),
            Outcome::Release if share_is_unknown => (Ending::Expired, reading(Source::Missing)),
            Outcome::Release => (Ending::Released, reading(Source::Reported)),
            Outcome::GiveUp if last == Last::Bill => {
                return self.wait_for_bill(no, ids, status_kept, now);
            }
            Outcome::GiveUp => (Ending::Expired, reading(Source::Missing)),
        };
        self.finish(no, end, status_kept, &observed, now)
    }

    /// Keeps a call open whose reply is over and told nothing. Its end is the last sign of life.
    fn wait_for_bill(
        &mut self,
        no: CallNo,
        ids: WorkIds,
        status: Option<u16>,
        now: UnixMs,
    ) -> Decision<Settled> {
        let Some(open) = self.open.get_mut(&no) else {
            return Decision::unchanged(Settled::Unknown);
        };
        open.seen_at = now;
        let hold = Hold { status, seen_at: now, ..open.hold.clone() };
        let known = self.named(&hold, ids);
        Decision { reply: Settled::Open, effects: self.learn(known) }
    }

    fn keep_asking(
        &mut self,
        no: CallNo,
        ids: WorkIds,
        status: Option<u16>,
        used: Option<Usage>,
        now: UnixMs,
    ) -> Decision<Settled> {
        let Some(open) = self.open.get_mut(&no) else {
            return Decision::unchanged(Settled::Unknown);
        };
        open.ask_again(now);
        let hold = Hold { status, used: used.or(open.hold.used), ..open.hold.clone() };
        let known = self.named(&hold, ids);
        Decision { reply: Settled::Open, effects: self.learn(known) }
    }

    /// Takes in what is known of a running call by now, if that is news.
    fn learn(&mut self, known: Hold) -> Vec<Effect> {
        let open = self.open.get_mut(&known.call_no).filter(|open| open.hold != known);
        let Some(open) = open else { return Vec::new() };
        open.hold = known.clone();
        self.index_work(known.call_no, &known.ids);
        vec![Effect::UpdateHold(known)]
    }

    /// Ends a call whose outcome cannot be found out any more.
    pub(super) fn expire(&mut self, no: CallNo, now: UnixMs) -> Decision<Settled> {
        let hold = self.open.get(&no).map(|open| &open.hold);
        let (status, used) = hold.map_or((None, None), |hold| (hold.status, hold.used));
        let end = match used.filter(|used| used.is_some_used()) {
            // The chat was never continued, but what it used until then was reported.
            Some(used) => {
                let reading = Reading { usage: Some(used), source: Source::Reported };
                (Ending::Settled, reading)
            }
            None => (Ending::Expired, Reading { usage: None, source: Source::Missing }),
        };
        self.finish(no, end, status, &Observed::nothing(), now)
    }

    pub(super) fn finish(
        &mut self,
        no: CallNo,
        (ending, reading): (Ending, Reading),
        status: Option<u16>,
        observed: &Observed,
        now: UnixMs,
    ) -> Decision<Settled> {
        let Some(open) = self.open.get(&no) else { return Decision::unchanged(Settled::Unknown) };
        let Open { hold, sighted, .. } = open.clone();
        let billed_before = self.named(&hold, hold.ids.clone()).billed;
        let charge = match ending {
            Ending::Settled => hold.terms.charge(hold.asked.units, &reading),
            Ending::Released | Ending::Expired => Ok(Nanos::ZERO),
        };
        // A charge that does not fit in 64 bits is no charge anybody can pay: it is left to people.
        let (ending, amount) =
            charge.map_or((Ending::Expired, Nanos::ZERO), |amount| (ending, amount));
        let facts = Facts {
            call: hold.call,
            account: hold.account,
            key: hold.key,
            asked: hold.asked,
            group: hold.group,
            terms: hold.terms,
            admitted_at: hold.admitted_at,
            finished_at: now,
            ending,
            status,
            code: observed.code,
            reading,
            usage_fell: observed.usage_fell,
            ids: hold.ids.or(observed.ids.clone()).or(sighted),
            amount,
        };
        let Ok(entry) = Entry::chain(facts, &self.tail) else {
            // The journal's total is full. The call stays open, and no entry is lost or made up.
            return Decision::unchanged(Settled::Open);
        };
        self.close_hold(no);
        self.append(&entry);
        let balance = self.balance(&entry.facts.account);
        let other_legs = self.tell_other_legs(&entry, observed.stage, billed_before);
        let mut effects = vec![Effect::Finish(no, entry)];
        effects.extend(other_legs);
        effects.extend(self.mark_when_due(now));
        Decision { reply: Settled::Finished { ending, amount, balance }, effects }
    }

    /// Whether the work that a reply names belongs to another call already. A resume names the run it
    /// continues, and is work of its own beside it.
    fn is_told_twice(&self, open: &Open, ids: &WorkIds) -> bool {
        let Hold { call_no, account, asked, .. } = &open.hold;
        let has_it = |other: &CallNo| {
            let other = self.open.get(other).map(|open| &open.hold);
            other.is_some_and(|other| {
                other.call_no != *call_no
                    && other.account == *account
                    && other.asked.resumes.is_none()
            })
        };
        asked.resumes.is_none()
            && [&ids.chat, &ids.execution].into_iter().flatten().any(|id| {
                self.by_work.get(id).is_some_and(|calls| calls.iter().any(has_it))
                    || self.recent.was_claimed(account, id)
            })
    }

    /// Takes a finished call out of what is running.
    fn close_hold(&mut self, no: CallNo) {
        let Some(Open { hold, sighted, .. }) = self.open.remove(&no) else { return };
        if let Some(standing) = self.standings.get_mut(&hold.account) {
            // What was added when the hold was opened is taken away again.
            standing.held = standing.held.minus(hold.amount).unwrap_or_default();
        }
        self.tallies.close(&hold);
        self.by_call.remove(&hold.call);
        let ids = [&hold.ids, &sighted].into_iter();
        for id in ids.flat_map(|ids| [&ids.chat, &ids.execution]).flatten() {
            let left = self.by_work.get_mut(id).map(|calls| {
                calls.remove(&no);
                calls.len()
            });
            if left == Some(0) {
                self.by_work.remove(id);
            }
        }
    }

    /// Takes an entry into memory: the tail, the account's spending, the recent calls.
    pub(super) fn append(&mut self, entry: &Entry) {
        let facts = &entry.facts;
        self.tail = entry.tail;
        if let Some(standing) = self.standings.get_mut(&facts.account) {
            standing.spent = standing.spent.saturating_plus(facts.amount);
        }
        let day = facts.finished_at.day(self.day_offset_minutes(&facts.account));
        self.tallies.charge(facts, day);
        self.charged_since_mark.insert(facts.account.clone());
        self.recent.remember(facts);
        self.works.remember(facts);
    }

    fn mark_when_due(&mut self, now: UnixMs) -> Option<Effect> {
        if self.tail.seq < self.marked.tail.seq.saturating_add(MARK_EVERY) {
            return None;
        }
        let high = self.next_call_no;
        let low = self.open.keys().next().copied().unwrap_or(high);
        let charged = std::mem::take(&mut self.charged_since_mark);
        let mut spent = Vec::with_capacity(charged.len());
        for account in charged {
            let Some(standing) = self.standings.get(&account) else { continue };
            let ever = standing.spent;
            let day = now.day(standing.account.settings.day_offset_minutes);
            let today = self.tallies.spent_today(&account, now, day);
            spent.push((account, Spent { ever, today }));
        }
        let mark = Mark { tail: self.tail, low, high };
        let prints = self.works.close(&mark, &self.marked);
        self.marked = mark;
        Some(Effect::Mark(mark, spent, prints))
    }
}

impl Hold {
    /// Whether upstream can tell of the work itself, apart from the reply at hand. A resume knows the name
    /// of the run from the beginning, and is one of its legs.
    fn has_begun(&self) -> bool {
        self.asked.resumes.is_none() && self.ids.can_be_asked()
    }

    /// The reading of a call that is billed. Usage that upstream never counts is not missing.
    fn reading(&self, reading: Reading) -> Reading {
        if self.asked.operation.counts_tokens() {
            reading
        } else {
            Reading { source: Source::Reported, ..reading }
        }
    }
}

/// Whether a report says that something failed, and not what that has used.
fn is_told_failure(told: Told, status: Option<u16>, observed: &Observed) -> bool {
    // What a gateway says in upstream's place is no word about the work.
    let status = status.filter(|status| !is_gateways(*status));
    let is_refused = told == Told::ByReply && status.is_some_and(|status| status >= 400);
    let is_used = observed.usage.is_some_and(Usage::is_some_used);
    (is_refused || observed.stage == Stage::Failed) && !is_used
}
