//! Where a journal's storage stands, and the tap that watches what is put into it.
//!
//! A [`Shelf`] is one object's storage from the platform's point of view: it outlives the object's memory,
//! knows transactions, and can be copied and put back. [`Watched`] lies between the desk and the store:
//! it remembers what a command stored, so that the laws can look at it once that is durable; it refuses
//! when the disk is full; and it is where mutants sit that store something else than they were told.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use meter::entry::{Entry, Hash};
use meter::ids::{AccountId, CallId, Epoch, UpstreamId};
use meter::journal::{
    CallNo, Effect, Hold, IdempotencyKey, Kept, MemoName, OwnedName, Prints, Rows, Stored,
};
use meter::money::Nanos;
use meter::oauth::Redemption;
use meter::time::UnixMs;
use meter::wire::desk::Storage;
use meter::wire::entry::EntryDoc;
use meter::wire::registered::RegisteredKeyDoc;

use crate::mutant::Mutant;

/// What comes of opening a store.
#[derive(Debug)]
pub struct Opened<S> {
    /// The store.
    pub store: S,
    /// Its epoch.
    pub epoch: Epoch,
    /// What memory is rebuilt from.
    pub stored: Stored,
    /// The number of the next row.
    pub next: CallNo,
}

/// One object's storage.
pub trait Shelf {
    /// The store that a desk is given.
    type Store: Storage;
    /// A copy of everything stored.
    type Copy;

    /// Opens the storage. `new_epoch` is what a storage that was never opened is called by.
    fn open(&self, new_epoch: &str) -> Result<Opened<Self::Store>, String>;
    /// Begins a transaction.
    fn begin(&self);
    /// Ends it, and what was stored stays.
    fn commit(&self);
    /// Ends it, and nothing of it was stored.
    fn roll_back(&self);
    /// Copies all that is stored.
    fn copy(&self) -> Self::Copy;
    /// Puts a copy in the place of what is stored.
    fn restore(&self, copy: &Self::Copy);
    /// Forgets everything that was ever stored.
    fn lose(&self);
}

/// Something that was stored.
#[derive(Debug, Clone)]
pub enum Seen {
    /// A new call is held.
    Held(Box<Hold>),
    /// More is known of a running call.
    Learned(Box<Hold>),
    /// A call ended.
    Ended(Box<Entry>),
}

/// What one object's commands store, and whether they can.
#[derive(Debug, Default)]
pub struct Tap {
    seen: RefCell<Vec<Seen>>,
    /// Storage refuses.
    pub is_full: Cell<bool>,
    /// Storage refuses in the next command, behind its first row.
    pub fills_halfway: Cell<bool>,
    /// Which mistake is made.
    pub mutant: Cell<Option<Mutant>>,
}

impl Tap {
    /// What was stored since this was asked last.
    pub fn drain(&self) -> Vec<Seen> {
        self.seen.take()
    }
}

/// A store that is watched.
#[derive(Debug)]
pub struct Watched<S> {
    store: S,
    tap: Rc<Tap>,
}

/// Why something was not stored.
#[derive(Debug)]
pub struct Refused(pub String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<S> Watched<S> {
    /// Watches a store.
    pub fn new(store: S, tap: Rc<Tap>) -> Self {
        Self { store, tap }
    }

    fn note(&self, effect: &Effect) {
        let seen = match effect {
            Effect::InsertHold(hold) => Seen::Held(Box::new(hold.clone())),
            Effect::UpdateHold(hold) => Seen::Learned(Box::new(hold.clone())),
            Effect::Finish(_, entry) => Seen::Ended(Box::new(entry.clone())),
            _ => return,
        };
        self.tap.seen.borrow_mut().push(seen);
    }

    /// What a mistaken store keeps in place of this; `None` keeps nothing.
    fn mistaken(&self, effect: &Effect) -> Option<Effect> {
        let as_told = || Some(effect.clone());
        match (self.tap.mutant.get(), effect) {
            (Some(Mutant::StoresNoIds), Effect::UpdateHold(_)) => None,
            (Some(Mutant::StoresHoldsOfNothing), Effect::InsertHold(hold)) => {
                Some(Effect::InsertHold(Hold { amount: Nanos::ZERO, ..hold.clone() }))
            }
            (Some(Mutant::LosesSpentOfMark), Effect::Mark(mark, _, prints)) => {
                Some(Effect::Mark(*mark, Vec::new(), prints.clone()))
            }
            (Some(Mutant::LosesPrintsOfMark), Effect::Mark(mark, spent, _)) => {
                Some(Effect::Mark(*mark, spent.clone(), Prints::default()))
            }
            _ => as_told(),
        }
    }
}

impl<S: Storage> Storage for Watched<S> {
    type Error = Refused;

    fn keep(&self, effects: &[Effect], now: UnixMs) -> Result<(), Refused> {
        let full = || Refused("the disk is full".to_owned());
        for (at, effect) in effects.iter().enumerate() {
            if self.tap.is_full.get() || (at > 0 && self.tap.fills_halfway.replace(false)) {
                return Err(full());
            }
            let stored = match self.tap.mutant.get() {
                None => self.store.keep(std::slice::from_ref(effect), now),
                Some(_) => match self.mistaken(effect) {
                    Some(effect) => self.store.keep(&[effect], now),
                    None => Ok(()),
                },
            };
            stored.map_err(|error| Refused(error.to_string()))?;
            self.note(effect);
        }
        Ok(())
    }

    fn kept(&self, key: &IdempotencyKey) -> Result<Option<Kept>, Refused> {
        if self.tap.mutant.get() == Some(Mutant::ForgetsIdempotencyKeys) {
            return Ok(None);
        }
        self.store.kept(key).map_err(refused)
    }

    fn page(&self, ack: u64, limit: u32) -> Result<Vec<EntryDoc>, Refused> {
        self.store.page(ack, limit).map_err(refused)
    }

    fn clear_up(&self, ack: u64, now: UnixMs) -> Result<u64, Refused> {
        if self.tap.is_full.get() {
            return Err(Refused("the disk is full".to_owned()));
        }
        let is_mistaken = self.tap.mutant.get() == Some(Mutant::ClearsUpWhatWasNotPosted);
        // Nobody waits until it is posted, or old.
        let (ack, now) = if is_mistaken { (FAR, UnixMs::new(FAR)) } else { (ack, now) };
        self.store.clear_up(ack, now).map_err(refused)
    }

    fn forget_keys(&self, now: UnixMs) -> Result<(), Refused> {
        self.store.forget_keys(now).map_err(refused)
    }

    fn keep_memo(&self, name: &MemoName, value: Option<&str>, now: UnixMs) -> Result<(), Refused> {
        self.store.keep_memo(name, value, now).map_err(refused)
    }

    fn memo(&self, name: &MemoName, now: UnixMs) -> Result<Option<(String, UnixMs)>, Refused> {
        self.store.memo(name, now).map_err(refused)
    }

    fn forget_memos(&self, now: UnixMs) -> Result<(), Refused> {
        self.store.forget_memos(now).map_err(refused)
    }

    fn owned_at(&self, name: &OwnedName, now: UnixMs) -> Result<Option<UnixMs>, Refused> {
        self.store.owned_at(name, now).map_err(refused)
    }

    fn keep_owned(&self, name: &OwnedName, now: UnixMs) -> Result<(), Refused> {
        if self.tap.is_full.get() {
            return Err(Refused("the disk is full".to_owned()));
        }
        self.store.keep_owned(name, now).map_err(refused)
    }

    fn made_in(&self, rows: Rows, account: &AccountId, work: &UpstreamId) -> Result<bool, Refused> {
        self.store.made_in(rows, account, work).map_err(refused)
    }

    fn forget_owned(&self, behind: Option<&str>, now: UnixMs) -> Result<Option<String>, Refused> {
        self.store.forget_owned(behind, now).map_err(refused)
    }

    fn keep_registered(&self, keys: &[RegisteredKeyDoc]) -> Result<(), Refused> {
        self.store.keep_registered(keys).map_err(refused)
    }

    fn registered(&self) -> Result<Vec<RegisteredKeyDoc>, Refused> {
        self.store.registered().map_err(refused)
    }

    fn redeem(&self, statement: Hash, until: UnixMs, now: UnixMs) -> Result<Redemption, Refused> {
        self.store.redeem(statement, until, now).map_err(refused)
    }

    fn forget_redeemed(&self, now: UnixMs) -> Result<(), Refused> {
        self.store.forget_redeemed(now).map_err(refused)
    }
}

/// Later than any time and any number, and still exact in a JavaScript number.
const FAR: u64 = 1 << 52;

fn refused(error: impl fmt::Display) -> Refused {
    Refused(error.to_string())
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
