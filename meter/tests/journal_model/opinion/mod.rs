//! A second opinion on what a journal should do: maps and sums, worked out anew each time.
//!
//! What a report means and what it costs is taken from `outcome` and `price`, which have tests of their
//! own; here it is counted.

mod admitting;
mod finishing;
mod limits;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use meter::account::Account;
use meter::credential::Sender;
use meter::entry::Ending;
use meter::ids::{AccountId, CallId, KeyId, UpstreamId};
use meter::journal::{
    ASK_PAUSE_MAX_MS, Change, IdempotencyKey, Kept, QUIET_MAX_MS, SIGN_STORED_EVERY_MS,
};
use meter::money::Nanos;
use meter::outcome::{Source, Told};
use meter::price::{PriceBook, Terms};
use meter::request::Asked;
use meter::time::UnixMs;
use meter::usage::{Usage, WorkIds};

use crate::command::{
    Command, Reply, admission, bill, call_id, chat_id, ids, order, reply_of, report,
};

/// A call that was admitted once.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own that a test looks at")]
pub(crate) struct Call {
    pub(crate) account: AccountId,
    /// How many calls were let in before it.
    number: usize,
    made_with: KeyId,
    /// Whether the journal still knows that it began.
    began_is_known: bool,
    pub(crate) asked: Asked,
    pub(crate) terms: Terms,
    pub(crate) hold: Nanos,
    pub(crate) ids: WorkIds,
    /// The key under which its reply is kept.
    key: Option<IdempotencyKey>,
    /// What a chat used until it began to wait for its tools.
    pub(crate) used: Option<Usage>,
    /// What was billed for the earlier legs of the same execution, known from the first one on.
    pub(crate) billed: Option<Usage>,
    /// What was billed for them is the whole execution, with this call's own leg.
    is_billed_whole: bool,
    pub(crate) admitted_at: UnixMs,
    /// The last sign of life.
    seen_at: UnixMs,
    /// The last one that a reload leaves.
    stored_at: UnixMs,
    /// Whether its work is known to go on in nobody's hands.
    pub(crate) is_left_alone: bool,
    /// When upstream has to be asked about it, if that is possible, at the latest.
    pub(crate) ask_by: UnixMs,
    pub(crate) ended: Option<(Ending, Nanos)>,
    ended_at: UnixMs,
    /// The usage it was settled with.
    settled_usage: Option<Usage>,
    /// Nobody could learn what it used.
    is_unknown: bool,
    /// Who told of it, unless nobody had to.
    settled_by: Option<Source>,
    pub(crate) sender: Sender,
}

impl Call {
    /// What it used in all, when upstream states so much of it or of its whole execution.
    fn in_all(&self, stated: Option<Usage>, told: Told) -> Option<Usage> {
        let is_of_all_legs = told == Told::ByAsking || self.is_billed_whole;
        let own = match self.billed {
            Some(billed) if is_of_all_legs => stated.map(|stated| stated.less(billed)),
            _ => stated,
        };
        own.map(|own| self.used.map_or(own, |used| own.larger(used)))
    }

    fn leave_alone(&mut self, ask_by: UnixMs) {
        self.is_left_alone = true;
        self.ask_by = ask_by;
    }
}

#[derive(Clone)]
pub(crate) struct Opinion {
    accounts: BTreeMap<AccountId, Account>,
    revoked: BTreeSet<KeyId>,
    /// The price books that were told of, each with the time from which it counts.
    books: Vec<(UnixMs, PriceBook)>,
    pub(crate) applied: u64,
    pub(crate) calls: BTreeMap<CallId, Call>,
    /// Finished calls that the journal promises to remember.
    remembered: VecDeque<CallId>,
    /// The calls that were charged for a piece of work, of which at least one is remembered.
    works: BTreeMap<UpstreamId, Vec<CallId>>,
    /// The same of the calls whose usage stayed unknown.
    unknown: BTreeMap<UpstreamId, Vec<CallId>>,
    keys: BTreeMap<IdempotencyKey, Kept>,
    now: UnixMs,
}

impl Opinion {
    pub(crate) fn new() -> Self {
        Self {
            accounts: BTreeMap::new(),
            revoked: BTreeSet::new(),
            books: vec![(UnixMs::new(0), PriceBook::initial())],
            applied: 0,
            calls: BTreeMap::new(),
            remembered: VecDeque::new(),
            works: BTreeMap::new(),
            unknown: BTreeMap::new(),
            keys: BTreeMap::new(),
            now: UnixMs::new(0),
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

    /// The calls that were charged and name this work, as long as one of them is remembered.
    fn charged_for(&self, work: &UpstreamId) -> impl Iterator<Item = &Call> {
        self.works.get(work).into_iter().flatten().map(|id| &self.calls[id])
    }

    /// Keeps a charged call with its work.
    fn keep_with_work(&mut self, id: &CallId) {
        let call = &self.calls[id];
        let is_settled = matches!(call.ended, Some((Ending::Settled, _)));
        let WorkIds { chat, execution, .. } = call.ids.clone();
        for work in [chat, execution].into_iter().flatten() {
            if self.calls[id].is_unknown {
                self.unknown.entry(work.clone()).or_default().push(id.clone());
            }
            if is_settled {
                self.works.entry(work).or_default().push(id.clone());
            }
        }
    }

    /// Works of which no call is remembered are not known any more.
    fn forget_works(&mut self) {
        let Self { works, unknown, remembered, .. } = self;
        let is_known = |work: &UpstreamId, of: &BTreeMap<UpstreamId, Vec<CallId>>| {
            of.get(work).into_iter().flatten().any(|call| remembered.contains(call))
        };
        let names = works.keys().chain(unknown.keys()).cloned();
        let known: BTreeSet<UpstreamId> =
            names.filter(|work| is_known(work, works) || is_known(work, unknown)).collect();
        works.retain(|work, _| known.contains(work));
        unknown.retain(|work, _| known.contains(work));
    }

    /// What a command should be answered; of a look at the calls, only what it ends is worked out.
    pub(crate) fn put(&mut self, command: &Command, now: UnixMs) -> Reply {
        self.now = now;
        match *command {
            Command::Admit(call) => Reply::Entrance(self.admit(&admission(call), now)),
            Command::GoOn(asker, call) => {
                let (account, key) = (asker.account(call), admission(call).key);
                Reply::GoesOn(self.go_on(&account, &key, &chat_id(call), now))
            }
            Command::Note(call, work) => {
                self.note(&call_id(call), &ids(call, work), now);
                Reply::Done
            }
            Command::Settle(call, said) => {
                self.keep_reply(&call_id(call), reply_of(call));
                let report = report(call, said);
                Reply::Settled(self.report(&call_id(call), report, Told::ByReply, now))
            }
            Command::SettleStamped(call, said) => {
                self.keep_reply(&call_id(call), reply_of(call));
                let report = report(call, said);
                Reply::Settled(self.report_stamped(&call_id(call), report, now))
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
            Command::Bill(call, tokens) => Reply::Settled(self.obey(&call_id(call), bill(tokens))),
        }
    }

    fn note(&mut self, call: &CallId, ids: &WorkIds, now: UnixMs) {
        if self.calls.get(call).is_some_and(|call| call.ended.is_none()) {
            self.name(call, ids);
            let call = self.calls.get_mut(call).unwrap();
            call.seen_at = now;
            if !call.ids.can_be_asked() && now.since(call.stored_at) >= SIGN_STORED_EVERY_MS {
                call.stored_at = now;
            }
            if !call.is_left_alone {
                call.ask_by = now.plus_ms(QUIET_MAX_MS);
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
            let next = change.next_book.map(|next| (next.starts_at, next.book));
            self.books = [Some((UnixMs::new(0), book)), next].into_iter().flatten().collect();
        }
    }

    /// After a restart the open calls are in new hands, only these finished ones are remembered, and what
    /// was heard of the open ones since it was last stored is forgotten.
    pub(crate) fn reload(&mut self, remembered: &BTreeSet<CallId>, now: UnixMs) {
        self.remembered.retain(|call| remembered.contains(call));
        self.works.clear();
        self.unknown.clear();
        for id in self.remembered.clone() {
            self.keep_with_work(&id);
        }
        for (id, call) in &mut self.calls {
            call.began_is_known &= call.ended.is_none() || remembered.contains(id);
            call.seen_at = call.stored_at;
            call.leave_alone(now);
        }
    }
}
