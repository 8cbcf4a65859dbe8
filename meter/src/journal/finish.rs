//! Ending calls: settle, release, expire.

use crate::entry::{Ending, Entry, Facts};
use crate::ids::{AccountId, CallId};
use crate::money::Nanos;
use crate::outcome::{Outcome, Reading, Source, Told, decide};
use crate::time::UnixMs;
use crate::usage::{Observed, WorkIds};

use super::{CallNo, Decision, Effect, Journal, MARK_EVERY, Mark, Open};

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

impl Journal {
    /// Takes in what the reply to a call said.
    pub fn settle(&mut self, call: &CallId, report: Report, now: UnixMs) -> Decision<Settled> {
        let Some(&call_no) = self.by_call.get(call) else { return self.remembered(call) };
        self.report(call_no, report, Told::ByReply, now)
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
        let found = ids.into_iter().flatten().find_map(|id| self.by_work.get(id)).copied();
        let open = found.and_then(|call_no| self.open.get(&call_no));
        match open {
            Some(open) if open.hold.account == *account => {
                self.report(open.hold.call_no, report, Told::ByAsking, now)
            }
            _ => Decision::unchanged(Settled::Unknown),
        }
    }

    /// Takes in an answer to one of our own questions.
    pub fn answer(&mut self, call: &CallId, report: Report, now: UnixMs) -> Decision<Settled> {
        let Some(&call_no) = self.by_call.get(call) else { return self.remembered(call) };
        self.report(call_no, report, Told::ByAsking, now)
    }

    /// Notes a sign of life of a running call, and the ids of its work as soon as they are known, so
    /// that a crash cannot orphan it.
    pub fn note(&mut self, call: &CallId, ids: WorkIds, now: UnixMs) -> Decision<()> {
        let found = self.by_call.get(call).and_then(|call_no| self.open.get_mut(call_no));
        let Some(open) = found else { return Decision::unchanged(()) };
        open.seen_at = now;
        let known = open.hold.ids.clone().or(ids);
        if known == open.hold.ids {
            return Decision::unchanged(());
        }
        open.hold.ids = known.clone();
        let hold = open.hold.clone();
        self.index_work(hold.call_no, &known);
        Decision { reply: (), effects: vec![Effect::UpdateHold(hold)] }
    }

    fn remembered(&self, call: &CallId) -> Decision<Settled> {
        Decision::unchanged(self.recent.get(call).map_or(Settled::Unknown, |known| {
            let balance = self.balance(&known.account);
            Settled::Finished { ending: known.ending, amount: known.amount, balance }
        }))
    }

    fn report(&mut self, no: CallNo, report: Report, told: Told, now: UnixMs) -> Decision<Settled> {
        let Some(open) = self.open.get(&no) else { return Decision::unchanged(Settled::Unknown) };
        let Report { status, observed } = report;
        let ids = open.hold.ids.clone().or(observed.ids.clone());
        let status_kept = match told {
            Told::ByReply => status,
            Told::ByAsking => open.hold.status.or(status),
        };
        let reading = |source| Reading { usage: observed.usage, source };
        let end = match decide(status, &observed, told, ids.can_be_asked()) {
            Outcome::AskLater => return self.keep_asking(no, ids, status_kept, now),
            Outcome::Bill(reading) => (Ending::Settled, reading),
            Outcome::Release => (Ending::Released, reading(Source::Reported)),
            Outcome::GiveUp => (Ending::Expired, reading(Source::Missing)),
        };
        self.finish(no, end, status_kept, &observed, now)
    }

    fn keep_asking(
        &mut self,
        no: CallNo,
        ids: WorkIds,
        status: Option<u16>,
        now: UnixMs,
    ) -> Decision<Settled> {
        let Some(open) = self.open.get_mut(&no) else {
            return Decision::unchanged(Settled::Unknown);
        };
        open.ask_again(now);
        if open.hold.ids == ids && open.hold.status == status {
            return Decision::unchanged(Settled::Open);
        }
        open.hold.ids = ids;
        open.hold.status = status;
        let hold = open.hold.clone();
        self.index_work(no, &hold.ids);
        Decision { reply: Settled::Open, effects: vec![Effect::UpdateHold(hold)] }
    }

    /// Ends a call whose outcome cannot be found out any more.
    pub(super) fn expire(&mut self, no: CallNo, now: UnixMs) -> Decision<Settled> {
        let status = self.open.get(&no).and_then(|open| open.hold.status);
        let reading = Reading { usage: None, source: Source::Missing };
        self.finish(no, (Ending::Expired, reading), status, &Observed::nothing(), now)
    }

    fn finish(
        &mut self,
        no: CallNo,
        (ending, reading): (Ending, Reading),
        status: Option<u16>,
        observed: &Observed,
        now: UnixMs,
    ) -> Decision<Settled> {
        let Some(open) = self.open.get(&no) else { return Decision::unchanged(Settled::Unknown) };
        let hold = open.hold.clone();
        let charge = match ending {
            Ending::Settled => hold.terms.charge(&reading),
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
            ids: hold.ids.or(observed.ids.clone()),
            amount,
        };
        let Ok(entry) = Entry::chain(facts, &self.tail) else {
            // The journal's total is full. The call stays open, and no entry is lost or made up.
            return Decision::unchanged(Settled::Open);
        };
        self.close_hold(no);
        self.append(&entry);
        let balance = self.balance(&entry.facts.account);
        let mut effects = vec![Effect::Finish(no, entry)];
        effects.extend(self.mark_when_due());
        Decision { reply: Settled::Finished { ending, amount, balance }, effects }
    }

    /// Takes a finished call out of what is running.
    fn close_hold(&mut self, no: CallNo) {
        let Some(Open { hold, .. }) = self.open.remove(&no) else { return };
        if let Some(standing) = self.standings.get_mut(&hold.account) {
            // What was added when the hold was opened is taken away again.
            standing.held = standing.held.minus(hold.amount).unwrap_or_default();
        }
        self.by_call.remove(&hold.call);
        for id in [&hold.ids.chat, &hold.ids.execution].into_iter().flatten() {
            if self.by_work.get(id) == Some(&no) {
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
        self.charged_since_mark.insert(facts.account.clone());
        self.recent.remember(facts);
    }

    fn mark_when_due(&mut self) -> Option<Effect> {
        if self.tail.seq < self.marked.saturating_add(MARK_EVERY) {
            return None;
        }
        self.marked = self.tail.seq;
        let high = self.next_call_no;
        let low = self.open.keys().next().copied().unwrap_or(high);
        let charged = std::mem::take(&mut self.charged_since_mark);
        let spent = charged.into_iter().filter_map(|account| {
            let spent = self.standings.get(&account)?.spent;
            Some((account, spent))
        });
        Some(Effect::Mark(Mark { tail: self.tail, low, high }, spent.collect()))
    }
}
