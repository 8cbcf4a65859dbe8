//! A second opinion on what a journal should do: maps and sums, worked out anew each time.
//!
//! What a report means and what it costs is taken from `outcome` and `price`, which have tests of their
//! own; here it is counted.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use meter::account::{Account, Overdraft, Status};
use meter::entry::Ending;
use meter::ids::{AccountId, CallId, KeyId, UpstreamId};
use meter::journal::{
    ASK_PAUSE_MAX_MS, Admission, Admitted, Change, Entrance, HOLD_LIFE_MAX_MS, IDEMPOTENCY_KEEP_MS,
    IdempotencyKey, Kept, KeptReply, Order, QUIET_MAX_MS, RECENT_MAX, Report, Settled,
    UNNAMED_LIFE_MAX_MS,
};
use meter::money::Nanos;
use meter::outcome::{Outcome, Reading, Source, Told, decide};
use meter::price::{PriceBook, Terms};
use meter::refusal::Reason;
use meter::request::Asked;
use meter::time::UnixMs;
use meter::usage::{Stage, Usage, WorkIds};

use crate::command::{Command, Reply, admission, call_id, chat_id, ids, order, reply_of, report};

/// A call that was admitted once.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) account: AccountId,
    pub(crate) asked: Asked,
    pub(crate) terms: Terms,
    pub(crate) hold: Nanos,
    pub(crate) ids: WorkIds,
    /// The key under which its reply is kept.
    key: Option<IdempotencyKey>,
    /// What a chat used until it began to wait for its tools.
    pub(crate) used: Option<Usage>,
    /// What was billed for the earlier legs of the same execution.
    pub(crate) billed: Option<Usage>,
    pub(crate) admitted_at: UnixMs,
    /// The last sign of life.
    seen_at: UnixMs,
    /// Whether its work is known to go on in nobody's hands.
    is_left_alone: bool,
    /// When upstream has to be asked about it, if that is possible, at the latest.
    pub(crate) ask_by: UnixMs,
    pub(crate) ended: Option<(Ending, Nanos)>,
    /// The usage it was settled with.
    settled_usage: Option<Usage>,
}

impl Call {
    /// What it used in all, when upstream states so much of it or of its whole execution.
    fn in_all(&self, stated: Option<Usage>, told: Told) -> Option<Usage> {
        let own = match (told, self.billed) {
            (Told::ByAsking, Some(billed)) => stated.map(|stated| stated.less(billed)),
            _ => stated,
        };
        own.map(|own| self.used.map_or(own, |used| own.larger(used)))
    }

    fn leave_alone(&mut self, ask_by: UnixMs) {
        self.is_left_alone = true;
        self.ask_by = ask_by;
    }
}

pub(crate) struct Opinion {
    accounts: BTreeMap<AccountId, Account>,
    revoked: BTreeSet<KeyId>,
    book: PriceBook,
    pub(crate) applied: u64,
    pub(crate) calls: BTreeMap<CallId, Call>,
    /// Finished calls that the journal promises to remember.
    remembered: VecDeque<CallId>,
    keys: BTreeMap<IdempotencyKey, Kept>,
}

impl Opinion {
    pub(crate) fn new() -> Self {
        Self {
            accounts: BTreeMap::new(),
            revoked: BTreeSet::new(),
            book: PriceBook::initial(),
            applied: 0,
            calls: BTreeMap::new(),
            remembered: VecDeque::new(),
            keys: BTreeMap::new(),
        }
    }

    pub(crate) fn open(&self) -> impl Iterator<Item = (&CallId, &Call)> {
        self.calls.iter().filter(|(_, call)| call.ended.is_none())
    }

    pub(crate) fn account(&self, account: &AccountId) -> Option<&Account> {
        self.accounts.get(account)
    }

    pub(crate) fn spent(&self, account: &AccountId) -> i128 {
        let of_account = self.calls.values().filter(|call| call.account == *account);
        of_account.filter_map(|call| call.ended).map(|(_, amount)| i128::from(amount.get())).sum()
    }

    pub(crate) fn held(&self, account: &AccountId) -> i128 {
        let open = self.open().filter(|(_, call)| call.account == *account);
        open.map(|(_, call)| i128::from(call.hold.get())).sum()
    }

    fn balance(&self, account: &AccountId) -> Nanos {
        let Some(known) = self.accounts.get(account) else { return Nanos::ZERO };
        let balance = i128::from(known.credits.get()) - self.spent(account);
        Nanos::new(i64::try_from(balance).unwrap())
    }

    /// Whether a call is finished for so long that the journal may have forgotten it.
    pub(crate) fn is_forgotten(&self, call: &CallId) -> bool {
        let is_finished = self.calls.get(call).is_some_and(|call| call.ended.is_some());
        is_finished && !self.remembered.contains(call)
    }

    /// What a command should be answered; of a look at the calls, only what it ends is worked out.
    pub(crate) fn put(&mut self, command: &Command, now: UnixMs) -> Reply {
        match *command {
            Command::Admit(call) => Reply::Entrance(self.admit(admission(call), now)),
            Command::GoOn(asker, call) => {
                let (account, key) = (asker.account(call), admission(call).key);
                Reply::GoesOn(self.go_on(&account, &key, &chat_id(call), now))
            }
            Command::Note(call, work) => {
                self.note(&call_id(call), ids(call, work), now);
                Reply::Done
            }
            Command::Settle(call, said) => {
                self.keep_reply(&call_id(call), reply_of(call));
                let report = report(call, said);
                Reply::Settled(self.report(&call_id(call), report, Told::ByReply, now))
            }
            Command::Follow(asker, call, said) => {
                Reply::Settled(self.follow(&asker.account(call), report(call, said), now))
            }
            Command::Answer(call, said) => {
                let report = report(call, said);
                Reply::Settled(self.report(&call_id(call), report, Told::ByAsking, now))
            }
            Command::LookAfter(_) => {
                self.end_what_is_over(now);
                Reply::Done
            }
            Command::Apply(upto, ref news) => {
                self.apply(news.change(upto));
                Reply::Done
            }
            Command::Obey(call, tokens) => Reply::Settled(self.obey(&call_id(call), order(tokens))),
        }
    }

    pub(crate) fn enter(&self, account: &AccountId, key: &KeyId) -> Result<(), Reason> {
        let account = self.accounts.get(account).ok_or(Reason::AccountUnknown)?;
        if self.revoked.contains(key) {
            return Err(Reason::KeyRevoked);
        }
        match account.status {
            Status::Active => Ok(()),
            Status::Suspended => Err(Reason::AccountSuspended),
        }
    }

    fn admit(&mut self, asks: Admission, now: UnixMs) -> Entrance {
        let balance = self.balance(&asks.account);
        if let Some(open) = self.calls.get(&asks.call).filter(|call| call.ended.is_none()) {
            return Entrance::Admitted(Admitted { hold: open.hold, balance });
        }
        if let Err(reason) = self.enter(&asks.account, &asks.key) {
            return Entrance::Refused(reason);
        }
        if let Some(attempt) = &asks.attempt {
            let kept = self.keys.get(&attempt.key);
            match kept.filter(|kept| now.since(kept.used_at) < IDEMPOTENCY_KEEP_MS).cloned() {
                None => {}
                Some(kept) if kept.request != attempt.request => {
                    return Entrance::Refused(Reason::IdempotencyConflict);
                }
                Some(Kept { call, reply: Some(reply), .. }) => {
                    return Entrance::Replayed(call, reply);
                }
                Some(Kept { call, .. }) => return Entrance::Used(call),
            }
        }
        if self.calls.contains_key(&asks.call) {
            return Entrance::Refused(Reason::Internal);
        }
        match self.hold(asks, now) {
            Ok(hold) => Entrance::Admitted(Admitted { hold, balance }),
            Err(reason) => Entrance::Refused(reason),
        }
    }

    fn hold(&mut self, asks: Admission, now: UnixMs) -> Result<Nanos, Reason> {
        let Admission { call, account, key: _, asked, attempt } = asks;
        let known = &self.accounts[&account];
        let terms =
            self.book.terms(&account, &known.group, &asked).map_err(|_| Reason::Unpriced)?;
        let hold = terms.hold(asked.units).unwrap();
        if let Overdraft::Limit(limit) = known.overdraft {
            let needed = self.spent(&account) + self.held(&account) + i128::from(hold.get());
            if needed > i128::from(known.credits.get()) + i128::from(limit.get()) {
                return Err(Reason::BalanceExhausted);
            }
        }
        let execution = asked.resumed_execution();
        let billed = execution.as_ref().and_then(|execution| self.billed(execution));
        let admitted = Call {
            account,
            asked,
            terms,
            hold,
            ids: WorkIds { execution, ..WorkIds::default() },
            key: attempt.as_ref().map(|attempt| attempt.key.clone()),
            used: None,
            billed,
            admitted_at: now,
            seen_at: now,
            is_left_alone: false,
            ask_by: now.plus_ms(QUIET_MAX_MS),
            ended: None,
            settled_usage: None,
        };
        self.calls.insert(call.clone(), admitted);
        if let Some(attempt) = attempt {
            let (key, request) = (attempt.key, attempt.request);
            let kept = Kept { key: key.clone(), request, call, used_at: now, reply: None };
            self.keys.insert(key, kept);
        }
        Ok(hold)
    }

    /// The finished calls that are remembered, were charged and name this work.
    fn charged_for(&self, work: &UpstreamId) -> impl Iterator<Item = &Call> {
        let calls = self.remembered.iter().map(|id| &self.calls[id]);
        calls.filter(move |call| {
            let is_settled = matches!(call.ended, Some((Ending::Settled, _)));
            is_settled && names(&call.ids, work)
        })
    }

    fn billed(&self, execution: &UpstreamId) -> Option<Usage> {
        let usages = self.charged_for(execution).filter_map(|call| call.settled_usage);
        usages.reduce(Usage::plus)
    }

    fn go_on(
        &mut self,
        account: &AccountId,
        key: &KeyId,
        chat: &UpstreamId,
        now: UnixMs,
    ) -> Result<CallId, Reason> {
        self.enter(account, key)?;
        let is_meant =
            |call: &Call| call.ids.chat.as_ref() == Some(chat) && call.account == *account;
        let found = self.open().find(|(_, call)| is_meant(call)).map(|(id, _)| id.clone());
        let id = found.ok_or(Reason::WorkUnknown)?;
        let call = self.calls.get_mut(&id).unwrap();
        call.seen_at = now;
        call.is_left_alone = false;
        call.ask_by = now.plus_ms(QUIET_MAX_MS);
        Ok(id)
    }

    fn keep_reply(&mut self, id: &CallId, reply: KeptReply) {
        let open = self.calls.get(id).filter(|call| call.ended.is_none());
        if let Some(key) = open.and_then(|call| call.key.as_ref()) {
            self.keys.get_mut(key).unwrap().reply = Some(reply);
        }
    }

    fn note(&mut self, call: &CallId, ids: WorkIds, now: UnixMs) {
        let running = self.calls.get_mut(call).filter(|call| call.ended.is_none());
        if let Some(call) = running {
            call.ids = call.ids.clone().or(ids);
            call.seen_at = now;
            if !call.is_left_alone {
                call.ask_by = now.plus_ms(QUIET_MAX_MS);
            }
        }
    }

    fn report(&mut self, id: &CallId, report: Report, told: Told, now: UnixMs) -> Settled {
        let Some(call) = self.calls.get(id) else { return Settled::Unknown };
        let Report { status, mut observed } = report;
        if call.ended.is_none() {
            let is_told_twice = told == Told::ByReply && self.is_told_twice(id, &observed.ids);
            let call = self.calls.get_mut(id).unwrap();
            call.ids = call.ids.clone().or(observed.ids.clone());
            observed.usage = call.in_all(observed.usage, told);
            let outcome = decide(status, &observed, told, call.ids.can_be_asked());
            match outcome {
                _ if is_told_twice => self.end(id, Ending::Released, None),
                Outcome::AskLater => {
                    call.leave_alone(now.plus_ms(ASK_PAUSE_MAX_MS));
                    if observed.stage == Stage::AwaitsTools {
                        call.used = observed.usage.or(call.used);
                    }
                    return Settled::Open;
                }
                Outcome::Bill(reading) => self.end(id, Ending::Settled, reading.usage),
                Outcome::Release => self.end(id, Ending::Released, None),
                Outcome::GiveUp => self.end(id, Ending::Expired, None),
            }
        }
        self.told_end(id)
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

    /// Whether a reply is about work that another call of the account was charged for.
    fn is_told_twice(&self, id: &CallId, told: &WorkIds) -> bool {
        let call = &self.calls[id];
        let told = [&told.chat, &told.execution].into_iter().flatten();
        let mut charged = told.flat_map(|work| self.charged_for(work));
        call.asked.resumes.is_none() && charged.any(|other| other.account == call.account)
    }

    fn obey(&mut self, id: &CallId, order: Order) -> Settled {
        if self.calls.get(id).is_some_and(|call| call.ended.is_none()) {
            match order {
                Order::Settle(usage) => self.end(id, Ending::Settled, usage),
                Order::Release => self.end(id, Ending::Released, None),
            }
        }
        self.told_end(id)
    }

    /// What an account was told about some work, which may be that of one of its own running calls.
    fn follow(&mut self, account: &AccountId, report: Report, now: UnixMs) -> Settled {
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
    fn end_what_is_over(&mut self, now: UnixMs) {
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

    /// Upstream is asked about this call.
    pub(crate) fn asked_about(&mut self, call: &CallId, now: UnixMs) {
        self.calls.get_mut(call).unwrap().leave_alone(now.plus_ms(ASK_PAUSE_MAX_MS));
    }

    pub(crate) fn apply(&mut self, change: Change) {
        if change.upto <= self.applied {
            return;
        }
        self.applied = change.upto;
        for account in change.accounts {
            self.accounts.insert(account.id.clone(), account);
        }
        self.revoked.extend(change.revoked_keys);
        if let Some(book) = change.book {
            self.book = book;
        }
    }

    /// After a restart the open calls are in new hands, and only these finished ones are remembered.
    pub(crate) fn reload(&mut self, remembered: &BTreeSet<CallId>, now: UnixMs) {
        self.remembered.retain(|call| remembered.contains(call));
        for call in self.calls.values_mut() {
            call.seen_at = now;
            call.leave_alone(now);
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
        call.ended = Some((ending, amount));
        call.settled_usage = usage;
        self.remembered.push_back(id.clone());
        if self.remembered.len() > RECENT_MAX {
            self.remembered.pop_front();
        }
    }
}

fn names(ids: &WorkIds, work: &UpstreamId) -> bool {
    ids.chat.as_ref() == Some(work) || ids.execution.as_ref() == Some(work)
}
