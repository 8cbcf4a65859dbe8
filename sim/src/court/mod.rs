//! The laws, and a record of what became durable to hold against them.
//!
//! The court believes neither the journals nor the ledger. It knows what upstream did, because the world
//! made it; it sees what each journal stored, once that is durable; and it knows the few things that
//! excuse a call from being charged: that its work was never named and its reply never read, or that
//! upstream itself said that the work is over and not what it used. Whatever is not excused is owed.

mod judge;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use meter::account::Account;
use meter::entry::Tail;
use meter::ids::{CallId, KeyId};
use meter::journal::{ASK_PAUSE_MIN_MS, CallNo, IdempotencyKey, Journal, SIGN_STORED_EVERY_MS};
use meter::money::Nanos;
use meter::price::Terms;
use meter::time::UnixMs;
use meter::usage::Stage;
use meter::wire::command::CommandDoc;
use meter::wire::pull::Changes;

use crate::ledger::Ledger;
use crate::upstream::Work;
use crate::world::{Call, START};

pub(crate) use judge::charge;

/// A law that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which one.
    pub law: &'static str,
    /// What was seen instead.
    pub detail: String,
    /// When, in milliseconds from the beginning.
    pub at: u64,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { law, detail, at } = self;
        write!(f, "{law}: {detail} (at {}.{:03} s)", at / 1_000, at % 1_000)
    }
}

/// What is known of a call.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own that a law looks at")]
pub(crate) struct Docket {
    pub(crate) hold: Option<Nanos>,
    terms: Option<Terms>,
    pub(crate) ended: Option<Ended>,
    /// Its row in its journal.
    row: CallNo,
    admitted_at: UnixMs,
    /// When it was last known to be in somebody's hands.
    seen_at: UnixMs,
    /// The same, as far as it outlives its object.
    stored_at: UnixMs,
    /// Its journal's clock jumped while it was open.
    jumped: bool,
    /// The journal knows how to ask about it.
    named: bool,
    /// It ended under its work's name, or goes on under it: its account may name it.
    is_known: bool,
    /// Its reply was read, and told nothing that anything follows from.
    told_nothing: bool,
    /// When upstream was asked about it last, and in which life of its object.
    asked_at: Option<(u32, UnixMs, u64)>,
}

/// How a call ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    pub(crate) amount: Nanos,
    /// Nobody could learn what it used.
    pub(crate) is_unknown: bool,
    /// It was charged without regard to tokens.
    pub(crate) is_by_call: bool,
    /// It was as old as a call may get, and ended by what had been told until then.
    pub(crate) is_old: bool,
}

/// Something that a command says, once it was carried out.
#[derive(Debug)]
pub(crate) enum Fact {
    /// A sign of life.
    Sign(String),
    /// A call's reply was read; it told nothing.
    ToldNothing(String),
    /// The origin said what changed.
    Changes(Box<Changes>),
}

impl Fact {
    /// What of a command matters.
    pub(crate) fn of(command: &CommandDoc) -> Option<Self> {
        match command {
            CommandDoc::Note { call, .. } => Some(Self::Sign(call.clone())),
            CommandDoc::Settle { call, report, .. } => {
                let silent = [Stage::Unknown, Stage::Cut, Stage::Running, Stage::Interrupted];
                let is_silent = silent.iter().any(|stage| stage.name() == report.stage)
                    || report.stage == Stage::Canceled.name();
                let tells = report.total_tokens.is_some_and(|tokens| tokens > 0);
                (is_silent && !tells).then(|| Self::ToldNothing(call.clone()))
            }
            CommandDoc::Pull(pull) => pull.changes.clone().map(Box::new).map(Self::Changes),
            _ => None,
        }
    }
}

/// What a journal was told, and has stored.
#[derive(Debug, Clone, Default)]
struct Bench {
    tail: Option<Tail>,
    applied: u64,
    accounts: BTreeMap<usize, Account>,
    revoked: BTreeSet<KeyId>,
    book: u32,
    open: BTreeSet<usize>,
    /// The row that was written last.
    newest: CallNo,
    /// When each of its entries was made, by its number.
    made_at: Vec<u64>,
    /// A page of it was spoiled on its way.
    garbled: bool,
    /// Its storage was put back or lost: how far it was posted then.
    excepted: Option<Excepted>,
}

/// Why a journal is left out of the sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Excepted {
    /// The ledger has posted what the storage does not have: that has to be noticed.
    pub(crate) must_be_noticed: bool,
    /// The storage is another one, and not an older copy.
    pub(crate) is_lost: bool,
}

/// The court.
#[derive(Debug)]
pub(crate) struct Court {
    now: u64,
    broken: Option<Broken>,
    pub(crate) dockets: Vec<Docket>,
    benches: Vec<Bench>,
    pub(crate) spent: Vec<i128>,
    held: Vec<i128>,
    /// How often the work of an idempotency key was begun.
    keys: BTreeMap<IdempotencyKey, u32>,
    /// Tokens billed so far for each piece of work.
    pub(crate) billed: HashMap<usize, u64>,
    /// The ledger was restored: what each journal's edge had applied, and the revision it was set back to.
    pub(crate) restored: Option<Vec<Restored>>,
}

/// What a journal's edge knew when the ledger was set back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Restored {
    pub(crate) applied: u64,
    pub(crate) revision: u64,
}

/// The parts of the world that a judgement needs.
pub(crate) struct Case<'a> {
    pub(crate) number: usize,
    pub(crate) call: &'a Call,
    pub(crate) work: Option<&'a Work>,
    pub(crate) ledger: &'a Ledger,
    pub(crate) journal: usize,
    pub(crate) local: UnixMs,
    pub(crate) now: u64,
}

impl Court {
    pub(crate) fn new(journals: usize, accounts: usize) -> Self {
        Self {
            now: START,
            broken: None,
            dockets: Vec::new(),
            benches: vec![Bench::default(); journals],
            spent: vec![0; accounts],
            held: vec![0; accounts],
            keys: BTreeMap::new(),
            billed: HashMap::new(),
            restored: None,
        }
    }

    pub(crate) fn date(&mut self, now: u64) {
        self.now = now;
    }

    pub(crate) fn broken(&self) -> Option<&Broken> {
        self.broken.as_ref()
    }

    pub(crate) fn take_broken(&mut self) -> Option<Broken> {
        self.broken.take()
    }

    /// Notes that a law was broken; the first one counts.
    pub(crate) fn break_law(&mut self, law: &'static str, detail: String) {
        let at = self.now - START;
        self.broken.get_or_insert(Broken { law, detail, at });
    }

    pub(crate) fn expect_call(&mut self) {
        self.dockets.push(Docket::default());
    }

    pub(crate) fn excepted(&self, journal: usize) -> Option<Excepted> {
        self.benches[journal].excepted
    }

    pub(crate) fn except(&mut self, journal: usize, excepted: Excepted) {
        self.benches[journal].excepted.get_or_insert(excepted);
    }

    pub(crate) fn tail(&self, journal: usize) -> Tail {
        self.benches[journal].tail.unwrap_or(Tail::START)
    }

    /// When the entry of this number was made.
    pub(crate) fn made_at(&self, journal: usize, seq: u64) -> Option<u64> {
        let at = usize::try_from(seq).ok()?.checked_sub(1)?;
        self.benches[journal].made_at.get(at).copied()
    }

    pub(crate) fn applied(&self, journal: usize) -> u64 {
        self.benches[journal].applied
    }

    pub(crate) fn was_garbled(&self, journal: usize) -> bool {
        self.benches[journal].garbled
    }

    pub(crate) fn garbled(&mut self, journal: usize) {
        self.benches[journal].garbled = true;
    }

    /// Upstream has a request in hand: its hold has to be durable.
    pub(crate) fn check_held(&mut self, call: usize, id: &CallId) {
        if self.dockets[call].hold.is_none() {
            self.break_law("a hold is durable before anything goes upstream", id.to_string());
        }
    }

    /// Work was begun for an idempotency key. A storage that was put back does not know the keys that were
    /// used since.
    pub(crate) fn key_did_work(&mut self, key: &IdempotencyKey, journal: usize) {
        if self.benches[journal].excepted.is_some() {
            return;
        }
        let times = self.keys.entry(key.clone()).or_default();
        *times += 1;
        if *times > 1 {
            self.break_law("a request with a key is done once", key.to_string());
        }
    }

    /// Upstream is asked about a call.
    pub(crate) fn is_asked(&mut self, call: usize, life: u32, local: UnixMs) {
        let before = self.dockets[call].asked_at.replace((life, local, self.now));
        if let Some((_, at, truly_at)) = before.filter(|(before, ..)| *before == life)
            && local.since(at) < ASK_PAUSE_MIN_MS
            // A clock that jumped makes a pause look shorter or longer than it was.
            && self.now - truly_at < ASK_PAUSE_MIN_MS
        {
            let detail = format!("c{call} after {} ms", self.now - truly_at);
            self.break_law("upstream is not asked without a pause", detail);
        }
    }

    /// A settlement was answered: no such call.
    pub(crate) fn is_unknown(&mut self, call: usize, id: &CallId, journal: usize) {
        let docket = &self.dockets[call];
        if docket.ended.is_none() && self.benches[journal].excepted.is_none() {
            self.break_law("a call that is held is known", id.to_string());
        }
    }

    /// An account was told that it made no such thing as this call did.
    pub(crate) fn not_theirs(&mut self, call: usize, id: &CallId, journal: usize) {
        if self.dockets[call].is_known && self.benches[journal].excepted.is_none() {
            self.break_law("what an account made is its own", id.to_string());
        }
    }

    /// A journal's posting went on after it had been stopped.
    pub(crate) fn went_on(&mut self, journal: usize) {
        let must = self.benches[journal].excepted.is_some_and(|it| it.must_be_noticed);
        if must {
            let detail = format!("journal {journal} was posted again by itself");
            self.break_law("a journal that was set back is not posted", detail);
        }
    }

    /// A command was carried out.
    pub(crate) fn learn(&mut self, journal: usize, fact: Fact, local: UnixMs) {
        let number = |call: &str| call.strip_prefix('c').and_then(|number| number.parse().ok());
        match fact {
            Fact::Sign(call) => {
                let docket = number(&call).and_then(|at: usize| self.dockets.get_mut(at));
                if let Some(docket) = docket {
                    docket.seen_at = local;
                    if local.since(docket.stored_at) >= SIGN_STORED_EVERY_MS {
                        docket.stored_at = local;
                    }
                }
            }
            Fact::ToldNothing(call) => {
                let docket = number(&call).and_then(|at: usize| self.dockets.get_mut(at));
                if let Some(docket) = docket.filter(|docket| docket.ended.is_none()) {
                    docket.told_nothing = true;
                }
            }
            Fact::Changes(changes) => self.apply(journal, &changes),
        }
    }

    fn apply(&mut self, journal: usize, changes: &Changes) {
        let bench = &mut self.benches[journal];
        if changes.upto <= bench.applied {
            return;
        }
        bench.applied = changes.upto;
        for doc in &changes.accounts {
            let number = doc.id.strip_prefix("acc_").and_then(|number| number.parse().ok());
            if let (Some(number), Ok(account)) = (number, Account::try_from(doc)) {
                bench.accounts.insert(number, account);
            }
        }
        bench.revoked.extend(changes.revoked_keys.iter().filter_map(|key| key.parse().ok()));
        if let Some(book) = &changes.book {
            bench.book = book.version;
        }
    }

    /// A journal's memory was built anew: what was not stored of its calls is not known any more.
    pub(crate) fn reloaded(&mut self, journal: usize) {
        for call in &self.benches[journal].open {
            let docket = &mut self.dockets[*call];
            docket.seen_at = docket.stored_at;
        }
    }

    /// A journal's clock jumped.
    pub(crate) fn clock_jumped(&mut self, journal: usize) {
        for call in &self.benches[journal].open {
            self.dockets[*call].jumped = true;
        }
    }

    /// What a journal says of its accounts is what was told and what was stored.
    pub(crate) fn check_standings(&mut self, journal: usize, loaded: &Journal, ledger: &Ledger) {
        if self.benches[journal].excepted.is_some() {
            return;
        }
        let rows = ledger.accounts.iter().enumerate().filter(|(_, row)| row.journal == journal);
        for (number, row) in rows {
            let Some(standing) = loaded.standing(&row.account.id) else { continue };
            let is_right = i128::from(standing.spent.get()) == self.spent[number]
                && i128::from(standing.held.get()) == self.held[number]
                && self.benches[journal].accounts.get(&number) == Some(&standing.account);
            if !is_right {
                let (spent, held) = (self.spent[number], self.held[number]);
                let detail = format!("{standing:?}; stored: spent {spent}, held {held}");
                return self.break_law("memory is what was stored", detail);
            }
        }
        if loaded.tail() != &self.tail(journal) {
            let detail = format!("{:?} and {:?}", loaded.tail(), self.tail(journal));
            self.break_law("memory is what was stored", detail);
        }
    }
}

impl Docket {
    /// The terms that were frozen.
    pub(crate) fn terms(&self) -> Option<Terms> {
        self.terms
    }
}
