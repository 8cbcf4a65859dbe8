//! A journal, its store and the second opinion, told the same and held against each other.

use std::collections::{BTreeMap, BTreeSet};

use meter::account::{Overdraft, Standing};
use meter::entry::{Entry, Tail};
use meter::ids::{AccountId, CallId};
use meter::journal::{
    Decision, Effect, Entrance, Explained, HOLD_LIFE_MAX_MS, Hold, Journal, Question,
};
use meter::time::UnixMs;
use meter::usage::Stage;

use crate::command::{
    CALLS, Command, Event, FIRST_BURST_CALL, Reply, Said, Work, admission, call_id, put, root,
};
use crate::news::{ACCOUNTS, BEGAN_MS, account_id, first_change};
use crate::opinion::Opinion;
use crate::store::Store;

/// How much later each event is than the one before.
const STEP_MS: u64 = 1_000;
/// How a call of a burst ends.
pub(crate) const WELL: Said =
    Said { status: Some(200), stage: Stage::Completed, tokens: Some(7), work: Work::Nothing };

/// Everything that can be seen of a journal.
#[derive(Debug, PartialEq, Eq)]
struct Picture {
    tail: Tail,
    applied: u64,
    standings: BTreeMap<AccountId, Standing>,
    holds: Vec<Hold>,
}

pub(crate) struct World {
    journal: Journal,
    store: Store,
    opinion: Opinion,
    now: UnixMs,
    /// The commands that came, for those that come again.
    past: Vec<Command>,
    next_burst_call: u32,
    /// The last entry; it and all before it were found to follow each other.
    verified: Tail,
}

impl World {
    pub(crate) fn new() -> Self {
        let store = Store::default();
        let now = UnixMs::new(BEGAN_MS);
        let (stored, next) = store.stored();
        let mut world = Self {
            journal: Journal::load(stored, next, now),
            store,
            opinion: Opinion::new(),
            now,
            past: Vec::new(),
            next_burst_call: FIRST_BURST_CALL,
            verified: Tail::START,
        };
        let decision = world.journal.apply(first_change());
        world.keep(decision);
        world.opinion.apply(first_change());
        world
    }

    pub(crate) fn meet(&mut self, event: Event) {
        self.now = self.now.plus_ms(STEP_MS);
        match event {
            Event::Told(command) => {
                self.tell_twice(&command);
                self.past.push(command);
            }
            Event::Again(which) if !self.past.is_empty() => {
                self.tell_twice(&which.get(&self.past).clone());
            }
            Event::Lost(which) if !self.past.is_empty() => {
                self.lose(&which.get(&self.past).clone());
            }
            Event::Again(_) | Event::Lost(_) => {}
            Event::Reload => self.reload(),
            Event::Burst(calls) => self.burst(calls),
        }
        self.check();
    }

    /// Lets every call that is still open come to its end.
    pub(crate) fn run_out_of_time(&mut self) {
        self.tell_twice(&Command::LookAfter(HOLD_LIFE_MAX_MS));
        self.check();
        assert_eq!(self.journal.holds().len(), 0, "a call outlives its time");
        assert_eq!(self.journal.wake_at(), None);
        let mut entries: BTreeMap<&CallId, usize> = BTreeMap::new();
        for entry in self.store.entries() {
            *entries.entry(&entry.facts.call).or_default() += 1;
        }
        let each_once = self.opinion.calls.keys().map(|call| (call, 1)).collect();
        assert_eq!(entries, each_once, "entries of each call");
        self.store.check();
        self.reload();
    }

    /// A command comes; then it comes a second time, and changes nothing.
    fn tell_twice(&mut self, command: &Command) {
        if self.is_beyond_memory(command) || self.is_beside_its_work(command) {
            return;
        }
        self.tell(command);
        let before = self.picture();
        let again = self.put(command);
        // A reply may be kept once more: it is the same.
        let changes = again.effects.iter().filter(|it| !matches!(it, Effect::SaveReply(_, _)));
        assert_eq!(changes.count(), 0, "the second time: {:?}", again.effects);
        assert_eq!(self.picture(), before, "the second time");
    }

    /// The edge draws a new id for every call, and never one that was finished so long ago.
    fn is_beyond_memory(&self, command: &Command) -> bool {
        matches!(command, Command::Admit(call) if self.opinion.is_forgotten(&call_id(*call)))
    }

    /// Work is open under one call at a time: a run is resumed after it was interrupted.
    fn is_beside_its_work(&self, command: &Command) -> bool {
        let Command::Admit(call) = *command else { return false };
        let others = (0..CALLS).filter(|other| *other != call && root(*other) == root(call));
        others.map(call_id).any(|other| self.opinion.open().any(|(open, _)| *open == other))
    }

    fn put(&mut self, command: &Command) -> Decision<Reply> {
        let kept = match command {
            Command::Admit(call) => {
                admission(*call).attempt.and_then(|attempt| self.store.kept(&attempt.key))
            }
            _ => None,
        };
        put(&mut self.journal, kept, command, self.now)
    }

    /// The journal and the opinion say the same, and what follows is stored.
    fn tell(&mut self, command: &Command) {
        match *command {
            Command::Admit(call) => self.check_entrance(call),
            Command::LookAfter(after_ms) => {
                self.now = self.now.plus_ms(after_ms);
                return self.look_after(command);
            }
            _ => {}
        }
        let decision = self.put(command);
        let is_new = !decision.effects.is_empty();
        let reply = self.keep(decision);
        assert_eq!(reply, self.opinion.put(command, self.now));
        if let (Reply::Entrance(Entrance::Admitted(_)), Command::Admit(call), true) =
            (reply, command, is_new)
        {
            self.check_bound(&admission(*call).account);
        }
    }

    fn check_entrance(&self, call: u32) {
        let asks = admission(call);
        let entered = self.journal.enter(&asks.account, &asks.key);
        assert_eq!(entered, self.opinion.enter(&asks.account, &asks.key));
    }

    /// Right after an admission, what was spent and what is held are within the account's means.
    fn check_bound(&self, account: &AccountId) {
        let standing = self.journal.standing(account).expect("an admitted account is known");
        if let Overdraft::Limit(limit) = standing.account.overdraft {
            let used = i128::from(standing.spent.get()) + i128::from(standing.held.get());
            let means = i128::from(standing.account.credits.get()) + i128::from(limit.get());
            assert!(used <= means, "{standing:?} after an admission");
        }
    }

    fn look_after(&mut self, command: &Command) {
        let now = self.now;
        let is_time = self.journal.wake_at().is_some_and(|at| at <= now);
        let decision = self.put(command);
        let questions = match &decision.reply {
            Reply::Questions(questions) => questions.clone(),
            other => panic!("{other:?} in answer to a look"),
        };
        assert!(is_time || questions.is_empty() && decision.effects.is_empty(), "before its time");
        assert!(self.journal.wake_at().is_none_or(|at| at > now), "something was left undone");
        self.keep(decision);
        self.opinion.put(command, now);
        self.check_questions(&questions);
    }

    /// What is asked concerns calls that are open, can be asked about and are in nobody's hands or have
    /// been quiet for long; and none of them is left out when its time has come.
    fn check_questions(&mut self, questions: &[Question]) {
        let asked: BTreeSet<&CallId> = questions.iter().map(|question| &question.call).collect();
        assert_eq!(asked.len(), questions.len(), "a call is asked about twice");
        let now = self.now;
        for (id, call) in self.opinion.open().filter(|(_, call)| call.ids.can_be_asked()) {
            assert!(call.ask_by > now || asked.contains(id), "nobody asks about {id}");
        }
        for question in questions {
            let call = &self.opinion.calls[&question.call];
            assert!(call.ended.is_none() && call.ids.can_be_asked(), "{question:?}");
            assert!(call.is_left_alone || call.ask_by <= now, "too early to ask: {question:?}");
            assert_eq!(question.ids, call.ids);
            assert_eq!((&question.account, &question.sender), (&call.account, &call.sender));
            self.opinion.asked_about(&question.call, now);
        }
    }

    /// Memory is lost and rebuilt, and looks as before.
    fn reload(&mut self) {
        let before = self.picture();
        let (stored, next) = self.store.stored();
        let remembered = stored.earlier.iter().chain(&stored.entries);
        let remembered = remembered.map(|entry| entry.facts.call.clone()).collect();
        self.journal = Journal::load(stored, next, self.now);
        assert_eq!(self.picture(), before, "after a reload");
        self.opinion.reload(&remembered, self.now);
    }

    /// A command whose effects were never stored has not happened.
    fn lose(&mut self, command: &Command) {
        let before = self.picture();
        let _ = self.put(command);
        let (stored, next) = self.store.stored();
        self.journal = Journal::load(stored, next, self.now);
        assert_eq!(self.picture(), before, "after a command was lost");
        self.reload();
    }

    fn burst(&mut self, calls: u32) {
        for _ in 0..calls {
            let call = self.next_burst_call;
            self.next_burst_call += 1;
            self.tell(&Command::Admit(call));
            self.tell(&Command::Settle(call, WELL));
        }
    }

    /// Stores a decision's effects and gives its reply.
    fn keep<T>(&mut self, decision: Decision<T>) -> T {
        for effect in &decision.effects {
            if let Effect::Finish(_, entry) = effect {
                self.verify(entry);
            }
        }
        self.store.keep(&decision.effects);
        decision.reply
    }

    fn verify(&mut self, entry: &Entry) {
        assert!(entry.follows(&self.verified), "{entry:?} does not follow {:?}", self.verified);
        assert_eq!(entry.facts.derived_amount(), Ok(entry.facts.amount));
        self.verified = entry.tail;
    }

    /// The laws that hold after every event.
    fn check(&self) {
        assert_eq!(*self.journal.tail(), self.verified);
        assert_eq!(self.journal.applied(), self.opinion.applied);
        let ended: Vec<_> = self.opinion.calls.values().filter_map(|call| call.ended).collect();
        assert_eq!(self.verified.seq, ended.len() as u64, "one entry for each finished call");
        let total: i128 = ended.iter().map(|(_, amount)| i128::from(amount.get())).sum();
        assert_eq!(i128::from(self.verified.total.get()), total);
        for account in (0..ACCOUNTS).map(account_id) {
            let standing = self.journal.standing(&account);
            assert_eq!(standing.map(|it| &it.account), self.opinion.account(&account));
            let Some(standing) = standing else { continue };
            assert_eq!(i128::from(standing.spent.get()), self.opinion.spent(&account));
            assert_eq!(i128::from(standing.held.get()), self.opinion.held(&account));
            let today = self.journal.spent_today(&account, self.now);
            assert_eq!(i128::from(today.get()), self.opinion.spent_today(&account, self.now));
        }
        let holds: BTreeMap<_, _> = self.journal.holds().map(|hold| (&hold.call, hold)).collect();
        assert_eq!(holds.len(), self.journal.holds().len(), "a call is open twice");
        assert_eq!(holds.len(), self.opinion.open().count());
        for (id, call) in self.opinion.open() {
            let hold = holds[id];
            assert_eq!((&hold.account, hold.terms), (&call.account, call.terms));
            assert_eq!((hold.amount, hold.admitted_at), (call.hold, call.admitted_at));
            assert_eq!((&hold.ids, &hold.asked), (&call.ids, &call.asked));
            assert_eq!((hold.used, hold.billed), (call.used, call.billed));
        }
        (0..CALLS).for_each(|call| self.check_explanation(call));
    }

    /// What the journal says of a call to its account is how it stands; to others it says nothing.
    fn check_explanation(&self, call: u32) {
        let id = call_id(call);
        let Some(known) = self.opinion.calls.get(&id) else { return };
        let explained = self.journal.explain(&known.account, &id);
        match (explained, known.ended) {
            (Some(Explained::Open { hold, .. }), None) => assert_eq!(hold.call, id),
            (Some(Explained::Finished { ending, amount }), Some(ended)) => {
                assert_eq!((ending, amount), ended);
            }
            (other, _) => assert!(self.opinion.is_forgotten(&id), "{other:?} of {known:?}"),
        }
        assert_eq!(self.journal.explain(&account_id(ACCOUNTS), &id), None);
    }

    fn picture(&self) -> Picture {
        let standings = (0..ACCOUNTS).map(account_id).filter_map(|account| {
            let standing = self.journal.standing(&account)?.clone();
            Some((account, standing))
        });
        Picture {
            tail: *self.journal.tail(),
            applied: self.journal.applied(),
            standings: standings.collect(),
            holds: self.journal.holds().cloned().collect(),
        }
    }
}
