//! A journal of many accounts, as a state machine.
//!
//! Path: outcome → price → **journal** → pull. A command changes the state in memory and gives back a
//! reply and the [`Effect`]s that make the change durable; the shell stores the effects before anybody
//! sees the reply, or throws the state away. Knows nothing of SQL, objects or HTTP.
//!
//! # Invariants
//! - Every admitted call ends in exactly one entry: settled, released or expired.
//! - An entry's `seq` is its predecessor's plus one; an entry never changes.
//! - For an account with a bounded overdraft, spent + held ≤ credits + overdraft after every admission.
//! - Any command may come twice; the second changes nothing.
//!
//! # Shape
//! A call is one row for life: written when it is held, overwritten when it is finished. What is known of
//! running calls and balances is kept in memory and rebuilt by [`Journal::load`] from the last [`Mark`].
//!
//! Limits are counted in memory, too: by the rows of calls that were admitted, and what was spent today.
//!
//! # Bounds
//! At most [`HOLDS_MAX`] calls run at once; the last [`RECENT_MAX`] finished calls are remembered for
//! commands that come twice; every [`MARK_EVERY`] entries a mark bounds what a load has to read.

mod admit;
mod asking;
mod changes;
mod explain;
mod finish;
mod idempotency;
mod legs;
mod load;
mod memo;
mod order;
mod owned;
mod recent;
mod tally;
mod works;

use std::collections::{BTreeMap, BTreeSet};

use crate::account::{Account, DAY_OFFSET_DEFAULT, Standing};
use crate::credential::Sender;
use crate::entry::{Entry, Tail};
use crate::ids::{AccountId, CallId, Group, KeyId, UpstreamId};
use crate::money::Nanos;
use crate::price::plan::Dated;
use crate::price::{PriceBook, Terms};
use crate::rate::Rate;
use crate::request::Asked;
use crate::time::UnixMs;
use crate::usage::{Usage, WorkIds};

pub use admit::{Admission, Admitted, Entrance};
pub use asking::Question;
pub use changes::Change;
pub use explain::Explained;
pub use finish::{Report, Settled};
pub use idempotency::{
    Attempt, IDEMPOTENCY_KEEP_MS, IDEMPOTENT_REPLY_BYTES_MAX, IdempotencyKey, Kept, KeptReply,
};
pub use load::Stored;
pub use memo::{MEMO_KEEP_MS, MEMO_NAME_BYTES_MAX, MEMO_VALUE_BYTES_MAX, MemoName};
pub use order::Order;
pub use owned::{OWNED_KEEP_MS, OWNED_REFRESH_MS, OwnedName, Whose};
use recent::{Recent, Refused};
pub use tally::{KEYS_TODAY_MAX, SpentToday, Today};
use tally::{Limited, Tallies};
use works::Works;
pub use works::{Closed, Prints, Rows};

/// Most calls that may run at once in one journal.
pub const HOLDS_MAX: usize = 20_000;
/// How many finished calls are remembered for commands that come twice.
pub const RECENT_MAX: usize = 2_000;
/// How many refused calls are remembered for whoever asks why.
pub const REFUSED_MAX: usize = 500;
/// After how many entries a mark is written.
pub const MARK_EVERY: u64 = 1_000;
/// How long a call is followed before it is given up: Coze keeps a run for up to 24 hours (contract §3),
/// and an hour is added for a slow end.
pub const HOLD_LIFE_MAX_MS: u64 = 25 * 60 * 60 * 1_000;
/// How long a call whose work has no id yet is waited for, from the last sign of life. A synchronous run
/// is stopped by Coze after 10 minutes (contract §3).
pub const UNNAMED_LIFE_MAX_MS: u64 = 20 * 60 * 1_000;
/// How old the stored sign of life of a call whose work has no id yet may get before the next one is stored,
/// too. What memory knows beyond it is lost with the object, so such a call is waited for this much less.
pub const SIGN_STORED_EVERY_MS: u64 = 5 * 60 * 1_000;
/// How long after the last sign of life of a running call upstream is asked about it.
pub const QUIET_MAX_MS: u64 = 90 * 1_000;
/// First pause between two questions about the same call; it doubles up to [`ASK_PAUSE_MAX_MS`].
pub const ASK_PAUSE_MIN_MS: u64 = 1_000;
/// Longest pause between two questions about the same call.
pub const ASK_PAUSE_MAX_MS: u64 = 60_000;

/// Where a call stands in its journal: rows are numbered in the order of admission.
pub type CallNo = u64;

/// A call that was admitted and is not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Its row.
    pub call_no: CallNo,
    /// Which call.
    pub call: CallId,
    /// Who pays.
    pub account: AccountId,
    /// Which key was used.
    pub key: KeyId,
    /// What was called.
    pub asked: Asked,
    /// The account's group at admission.
    pub group: Group,
    /// The price frozen at admission.
    pub terms: Terms,
    /// What is set aside.
    pub amount: Nanos,
    /// When it was let in.
    pub admitted_at: UnixMs,
    /// When it was last known to be in somebody's hands, as far as that was worth a row.
    pub seen_at: UnixMs,
    /// The HTTP status of upstream's reply, once there was one.
    pub status: Option<u16>,
    /// Upstream's ids of the work, as far as they are known.
    pub ids: WorkIds,
    /// What the work was seen to use while it is not over: a chat that waits for its tools.
    pub used: Option<Usage>,
    /// What was billed for the same execution under other calls: the other legs of a run that was
    /// interrupted. What upstream says of the whole execution is billed less this. Absent for a resume
    /// while it is not known what was billed for the run's first leg.
    pub billed: Option<Usage>,
    /// The execution is over, and what was billed for it under another call is the whole: this call's
    /// own leg with it.
    pub is_billed_whole: bool,
    /// The caller's idempotency key.
    pub idempotency: Option<IdempotencyKey>,
    /// As whom the call goes upstream. Whoever asks about its work has to ask as the same.
    pub sender: Sender,
}

/// A hold, and when to look after it. The second part is not stored: after a restart every call that
/// upstream can be asked about is looked after at once, and any other by its stored sign of life.
#[derive(Debug, Clone)]
struct Open {
    hold: Hold,
    /// When the call was last known to be in somebody's hands.
    seen_at: UnixMs,
    /// Questions asked so far.
    asked: u32,
    /// The pause after the next one, in milliseconds.
    pause_ms: u64,
    /// When to ask the next one, once the work is known to go on without us.
    ask_at: Option<UnixMs>,
    /// The ids that the caller has seen while the reply comes, and that no row has yet.
    sighted: WorkIds,
}

/// A place in the journal from which memory can be rebuilt, and by which a page is found.
///
/// Every entry behind `tail` is in a row numbered `low` or more, since calls were either running when
/// the mark was made or admitted later. Every entry up to `tail` is in a row numbered below `high`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The newest entry when the mark was made.
    pub tail: Tail,
    /// The oldest row that was still running, or `high` when none was.
    pub low: CallNo,
    /// The next row to be written.
    pub high: CallNo,
}

impl Mark {
    /// Before the first call.
    pub const START: Self = Self { tail: Tail::START, low: 1, high: 1 };
}

/// What an account has spent when a mark is made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spent {
    /// Ever.
    pub ever: Nanos,
    /// On the day of the mark, for budgets.
    pub today: SpentToday,
}

/// What the shell must store for a command to have happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A new row: the call is held.
    InsertHold(Hold),
    /// The row of a running call, again.
    UpdateHold(Hold),
    /// The row of a running call becomes an entry.
    Finish(CallNo, Entry),
    /// A mark, what each account that was charged since the last one has spent, and the prints of what
    /// was made meanwhile.
    Mark(Mark, Vec<(AccountId, Spent)>, Prints),
    /// An idempotency key, at its first use.
    SaveKey(Kept),
    /// The reply that a later use of the key is to get.
    SaveReply(IdempotencyKey, KeptReply),
    /// What the origin says of an account.
    SaveAccount(Account),
    /// A key that is no longer good.
    SaveRevoked(KeyId),
    /// The price book now in force.
    SaveBook(PriceBook),
    /// The price book that follows it, or that there is none any more.
    SaveNextBook(Option<Dated>),
    /// The revision up to which changes are applied.
    SaveApplied(u64),
}

/// A reply, and what makes it true.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "the effects have to be stored before the reply is given"]
pub struct Decision<T> {
    /// What to answer.
    pub reply: T,
    /// What to store first, all of it or none.
    pub effects: Vec<Effect>,
}

impl<T> Decision<T> {
    fn unchanged(reply: T) -> Self {
        Self { reply, effects: Vec::new() }
    }
}

/// The state of one journal.
#[derive(Debug)]
pub struct Journal {
    tail: Tail,
    next_call_no: CallNo,
    standings: BTreeMap<AccountId, Standing>,
    tallies: Tallies,
    revoked: BTreeSet<KeyId>,
    book: PriceBook,
    next_book: Option<Dated>,
    applied: u64,
    open: BTreeMap<CallNo, Open>,
    by_call: BTreeMap<CallId, CallNo>,
    by_work: BTreeMap<UpstreamId, BTreeSet<CallNo>>,
    recent: Recent,
    refused: Refused,
    works: Works,
    marked: Mark,
    charged_since_mark: BTreeSet<AccountId>,
}

impl Journal {
    /// The newest entry.
    pub fn tail(&self) -> &Tail {
        &self.tail
    }

    /// The revision up to which the origin's changes are applied.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// The calls that are not finished, oldest first.
    pub fn holds(&self) -> impl ExactSizeIterator<Item = &Hold> {
        self.open.values().map(|open| &open.hold)
    }

    /// How an account stands, when this journal knows it.
    pub fn standing(&self, account: &AccountId) -> Option<&Standing> {
        self.standings.get(account)
    }

    /// What was charged to an account on the day that it is there.
    pub fn spent_today(&self, account: &AccountId, now: UnixMs) -> Nanos {
        self.tallies.spent_on(account, now.day(self.day_offset_minutes(account)))
    }

    /// How a caller with limits like these stands with its calls a minute.
    fn rate(&self, asks: &Admission, now: UnixMs) -> Option<Rate> {
        let standing = self.standings.get(&asks.account)?;
        self.tallies.rate(Limited::of(standing, &asks.key, asks.limits), now)
    }

    fn day_offset_minutes(&self, account: &AccountId) -> i16 {
        let standing = self.standings.get(account);
        standing.map_or(DAY_OFFSET_DEFAULT, |known| known.account.settings.day_offset_minutes)
    }

    /// The account's balance; zero for one that is not known or does not fit, for display only.
    fn balance(&self, account: &AccountId) -> Nanos {
        self.standings.get(account).and_then(|standing| standing.balance().ok()).unwrap_or_default()
    }
}
