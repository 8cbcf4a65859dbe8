//! The laws, and a record of what became durable to hold against them.
//!
//! The court believes neither the journals nor the ledger. It knows what upstream did, because the world
//! made it; it sees what each journal stored, once that is durable; and it knows the few things that
//! excuse a call from being charged: that its work was never named and its reply never read, or that
//! upstream itself said that the work is over and not what it used. Whatever is not excused is owed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use meter::account::{Account, Overdraft, Status};
use meter::entry::{Ending, Entry, Tail};
use meter::ids::{CallId, KeyId};
use meter::journal::{
    ASK_PAUSE_MIN_MS, CallNo, HOLD_LIFE_MAX_MS, Hold, IdempotencyKey, Journal, RECENT_MAX,
    SIGN_STORED_EVERY_MS, UNNAMED_LIFE_MAX_MS,
};
use meter::money::Nanos;
use meter::outcome::Source;
use meter::price::{Price, Terms};
use meter::time::UnixMs;
use meter::usage::{Stage, WorkIds};
use meter::wire::command::CommandDoc;
use meter::wire::pull::Changes;

use crate::ledger::Ledger;
use crate::shelf::Seen;
use crate::upstream::Work;
use crate::world::{Call, START};

/// So many rows back every call is known to its journal, the finished ones too: more than so many never
/// overtake a call that is open.
const KNOWN_ROWS_MIN: CallNo = RECENT_MAX as CallNo / 2;

/// How long after its time a call without a name is ended at the latest.
const LATE_MAX_MS: u64 = 60 * 60 * 1_000;

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

    // --- what happens ----------------------------------------------------------------------------

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

    // --- what was stored ------------------------------------------------------------------------

    /// Looks at something that is durable now.
    pub(crate) fn judge(&mut self, case: &Case<'_>, seen: Seen) {
        if self.benches[case.journal].excepted.is_some() {
            // Enough is kept in mind that upstream's own law can still be looked at.
            if let Seen::Held(hold) = seen {
                self.dockets[case.number].hold = Some(hold.amount);
            }
            return;
        }
        match seen {
            Seen::Held(hold) => self.judge_hold(case, &hold),
            Seen::Learned(hold) => {
                self.dockets[case.number].named |= hold.ids.can_be_asked();
                self.dockets[case.number].is_known |= is_made(&hold.ids);
            }
            Seen::Ended(entry) => self.judge_entry(case, &entry),
        }
    }

    fn judge_hold(&mut self, case: &Case<'_>, hold: &Hold) {
        let Case { number, call, journal, local, .. } = *case;
        if self.dockets[number].hold.is_some() {
            return self.break_law("a call is let in once", call.id.to_string());
        }
        self.dockets[number] = Docket {
            hold: Some(hold.amount),
            terms: Some(hold.terms),
            row: hold.call_no,
            admitted_at: local,
            seen_at: local,
            stored_at: local,
            named: hold.ids.can_be_asked(),
            ..Docket::default()
        };
        self.held[call.account] += i128::from(hold.amount.get());
        self.benches[journal].open.insert(number);
        self.benches[journal].newest = hold.call_no;
        self.check_entrance(case, hold);
    }

    /// The call was let in by what its journal had been told.
    fn check_entrance(&mut self, case: &Case<'_>, hold: &Hold) {
        let Case { call, journal, ledger, .. } = *case;
        let bench = &self.benches[journal];
        let id = &call.id;
        let Some(account) = bench.accounts.get(&call.account) else {
            return self.break_law("an account that is not known may not call", id.to_string());
        };
        if account.status == Status::Suspended {
            return self.break_law("a suspended account may not call", id.to_string());
        }
        if bench.revoked.contains(&call.key) {
            return self.break_law("a revoked key may not call", id.to_string());
        }
        let book = ledger.books.get(&bench.book);
        let terms = book.and_then(|book| book.terms(&account.id, &account.group, &call.asked).ok());
        if book.is_some() && terms != Some(hold.terms) {
            let detail = format!("{id}: {:?}, the book says {terms:?}", hold.terms);
            return self.break_law("a price is the one in force at admission", detail);
        }
        if let Overdraft::Limit(limit) = account.overdraft {
            let used = self.spent[call.account] + self.held[call.account];
            let means = i128::from(account.credits.get()) + i128::from(limit.get());
            if used > means {
                let detail = format!("{id}: {used} of {means} nanos are spent and held");
                self.break_law("no account is let in beyond its means", detail);
            }
        }
    }

    fn judge_entry(&mut self, case: &Case<'_>, entry: &Entry) {
        let Case { number, call, journal, .. } = *case;
        let id = &call.id;
        let tail = self.tail(journal);
        let facts = &entry.facts;
        let is_next = entry.tail.seq == tail.seq + 1;
        if !is_next || tail.total.plus(facts.amount) != Ok(entry.tail.total) {
            let detail = format!("{id}: {:?} behind {tail:?}", entry.tail);
            return self.break_law("entries follow each other", detail);
        }
        self.benches[journal].tail = Some(entry.tail);
        self.benches[journal].made_at.push(case.now);
        let docket = &self.dockets[number];
        if let Some(ended) = docket.ended {
            let detail = format!("{id}: {ended:?}, and then {:?} {}", facts.ending, facts.amount);
            return self.break_law("a call ends once", detail);
        }
        let Some(hold) = docket.hold else {
            return self.break_law("a call that ends was held", id.to_string());
        };
        let tokens = facts.reading.usage.map(|usage| usage.total);
        let charged = charge(docket.terms, call, facts.ending, tokens);
        if charged != i128::from(facts.amount.get()) {
            let detail = format!("{id}: {} nanos, its terms give {charged}", facts.amount);
            return self.break_law("a charge is what its terms and reading give", detail);
        }
        let is_unknown = facts.lacks_usage();
        let is_old = self.is_old(case);
        let is_by_call = facts.ending == Ending::Settled && tokens.is_none();
        let ended = Ended { amount: facts.amount, is_unknown, is_by_call, is_old };
        self.dockets[number].ended = Some(ended);
        self.dockets[number].is_known = is_made(&facts.ids);
        self.spent[call.account] += i128::from(facts.amount.get());
        self.held[call.account] -= i128::from(hold.get());
        self.benches[journal].open.remove(&number);
        match facts.ending {
            Ending::Settled => self.judge_settled(case, entry, tokens),
            Ending::Released => self.judge_released(case),
            Ending::Expired => self.judge_expired(case),
        }
    }

    fn judge_settled(&mut self, case: &Case<'_>, entry: &Entry, tokens: Option<u64>) {
        let Case { number, call, work, now, .. } = *case;
        let id = &call.id;
        let Some(work) = work else {
            return self.break_law("nothing is charged for what never began", id.to_string());
        };
        let Some(tokens) = tokens else {
            let is_excused = work.told_no_usage
                || entry.facts.reading.source == Source::Bill
                || self.is_share_lost(case);
            let needs = entry.facts.terms.price.needs_usage();
            if needs && !is_excused {
                self.break_law("usage is asked for before it is given up", id.to_string());
            }
            return;
        };
        let used = work.used(now);
        let billed = self.billed.entry(call.work.unwrap_or_default()).or_default();
        *billed += tokens;
        let billed = *billed;
        if billed > used {
            let detail =
                format!("{id}: {billed} tokens are billed for {}, {used} were used", work.name());
            return self.break_law("nothing is charged twice", detail);
        }
        let is_old = self.is_old(case);
        if !work.kind.is_run() && billed < used && !is_old {
            let detail = format!("{id}: {billed} of {used} tokens are billed for {}", work.name());
            self.break_law("nothing that was used is lost", detail);
        }
        let _ = number;
    }

    /// Only what used nothing is let go for nothing. A run's leg may have been charged with another one;
    /// its legs are looked at together when all is over.
    fn judge_released(&mut self, case: &Case<'_>) {
        let Case { number, call, work, now, .. } = *case;
        let Some(work) = work.filter(|work| !work.kind.is_run()) else { return };
        let own = work.legs.iter().filter(|leg| leg.call == number).map(Work::charged).sum::<u64>();
        if own > 0 || work.is_running(now) {
            let detail = format!("{}: {own} tokens of {}", call.id, work.name());
            self.break_law("nothing that was used is let go", detail);
        }
    }

    /// A call is given up only when nobody could have learned more.
    fn judge_expired(&mut self, case: &Case<'_>) {
        let Case { number, call, work, local, .. } = *case;
        let docket = &self.dockets[number];
        let is_quiet = local.since(docket.seen_at) >= UNNAMED_LIFE_MAX_MS;
        let is_unnamed = !docket.named && (is_quiet || docket.told_nothing);
        let was_told = work.is_some_and(|work| work.told_no_usage);
        let is_late = local.since(docket.seen_at) >= UNNAMED_LIFE_MAX_MS + LATE_MAX_MS;
        if !docket.named && !docket.jumped && is_late {
            let detail = format!("{}: {docket:?}", call.id);
            return self.break_law("a call without a name is not waited for longer", detail);
        }
        if !is_unnamed && !was_told && !self.is_old(case) && !self.is_share_lost(case) {
            let detail = format!("{}: {docket:?}", call.id);
            self.break_law("a call is given up only when nobody can tell", detail);
        }
    }

    /// Upstream states a run as a whole, and how much of it is this leg's cannot be known: what another leg
    /// used could not be learned, or the first one ended so long ago that its journal need not know of it.
    fn is_share_lost(&self, case: &Case<'_>) -> bool {
        let Some(work) = case.work.filter(|work| work.kind.is_run()) else { return false };
        let mut others = work.legs.iter().filter(|leg| leg.call != case.number);
        let is_unknown = |call: usize| self.dockets[call].ended.is_some_and(|it| it.is_unknown);
        let first = work.legs.first().map_or(case.number, |leg| leg.call);
        let rows_since = self.benches[case.journal].newest.saturating_sub(self.dockets[first].row);
        others.any(|leg| is_unknown(leg.call))
            || first != case.number && rows_since >= KNOWN_ROWS_MIN
    }

    /// The call is as old as a call may get.
    fn is_old(&self, case: &Case<'_>) -> bool {
        case.local.since(self.dockets[case.number].admitted_at) >= HOLD_LIFE_MAX_MS
    }
}

/// Whether these name a chat or a run.
fn is_made(ids: &WorkIds) -> bool {
    ids.chat.is_some() || ids.execution.is_some()
}

/// What a call costs, by an arithmetic of its own: prices here are whole nanos, ratios whole numbers.
pub(crate) fn charge(
    terms: Option<Terms>,
    call: &Call,
    ending: Ending,
    tokens: Option<u64>,
) -> i128 {
    let Some(Terms { price, ratio, .. }) = terms else { return 0 };
    if ending != Ending::Settled {
        return 0;
    }
    let ratio = i128::from(ratio.ppm()) / 1_000_000;
    let plain = match price {
        Price::PerCall { amount } => i128::from(amount.get()),
        Price::PerToken { input_per_million, .. } => {
            let rate = i128::from(input_per_million.get()) / 1_000_000;
            i128::from(tokens.unwrap_or_default()) * rate
        }
        Price::PerUnit { amount } => i128::from(amount.get()) * i128::from(call.asked.units),
        Price::CostPlus { .. } | Price::Free => 0,
    };
    plain * ratio
}

impl Docket {
    /// The terms that were frozen.
    pub(crate) fn terms(&self) -> Option<Terms> {
        self.terms
    }
}

impl Seen {
    /// In a few words.
    pub(crate) fn in_short(&self) -> String {
        match self {
            Self::Held(hold) => format!("  holds {} nanos for {}", hold.amount, hold.call),
            Self::Learned(hold) => format!("  knows more of {}", hold.call),
            Self::Ended(entry) => {
                let facts = &entry.facts;
                let tokens = facts.reading.usage.map(|usage| usage.total);
                format!(
                    "  entry {}: {} {} by {tokens:?} tokens, {} nanos",
                    entry.tail.seq,
                    facts.call,
                    facts.ending.name(),
                    facts.amount
                )
            }
        }
    }

    /// The call that it is about.
    pub(crate) fn call(&self) -> &CallId {
        match self {
            Self::Held(hold) | Self::Learned(hold) => &hold.call,
            Self::Ended(entry) => &entry.facts.call,
        }
    }
}
