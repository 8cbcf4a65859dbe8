//! Rebuilding a journal's memory from what was stored.

use std::collections::{BTreeMap, BTreeSet};

use crate::account::{Account, Standing};
use crate::entry::Entry;
use crate::ids::KeyId;
use crate::money::Nanos;
use crate::price::PriceBook;
use crate::price::plan::Dated;
use crate::time::UnixMs;

use super::recent::{Recent, Refused};
use super::tally::Tallies;
use super::works::{Closed, Works};
use super::{Hold, Journal, Mark, Spent};

/// What the shell reads back. Everything before the mark is already summed up in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The last mark.
    pub mark: Mark,
    /// Accounts, and what each had spent at the mark.
    pub accounts: Vec<(Account, Spent)>,
    /// Keys that are no longer good.
    pub revoked: Vec<KeyId>,
    /// The price book in force; the initial one when none was ever sent.
    pub book: Option<PriceBook>,
    /// The price book that follows it.
    pub next_book: Option<Dated>,
    /// The revision up to which changes are applied.
    pub applied: u64,
    /// The calls that are not finished.
    pub holds: Vec<Hold>,
    /// The last entries before the mark, by number: for commands that come twice.
    pub earlier: Vec<Entry>,
    /// The entries behind the mark, by number.
    pub entries: Vec<Entry>,
    /// What was made before the mark, by the marks that are kept, oldest first.
    pub closed: Vec<Closed>,
}

impl Stored {
    /// A journal that has never been used.
    pub fn nothing() -> Self {
        Self {
            mark: Mark::START,
            accounts: Vec::new(),
            revoked: Vec::new(),
            book: None,
            next_book: None,
            applied: 0,
            holds: Vec::new(),
            earlier: Vec::new(),
            entries: Vec::new(),
            closed: Vec::new(),
        }
    }
}

impl Journal {
    /// The journal as it was when it was last stored.
    ///
    /// `next_call_no` is one more than the highest row ever written. Nobody may be left who looks after
    /// the calls that are still open, so those that can be asked about are due at once. The others go on
    /// waiting from where they were: an object is loaded anew whenever it was idle for a while.
    pub fn load(stored: Stored, next_call_no: u64, now: UnixMs) -> Self {
        let Stored {
            mark,
            accounts,
            revoked,
            book,
            next_book,
            applied,
            holds,
            earlier,
            entries,
            closed,
        } = stored;
        let mut tallies = Tallies::default();
        let standings = accounts.into_iter().map(|(account, spent)| {
            tallies.restore(&account.id, spent.today);
            (account.id.clone(), Standing { account, spent: spent.ever, held: Nanos::ZERO })
        });
        let standings = standings.collect();
        let mut journal = Self {
            tail: mark.tail,
            next_call_no: next_call_no.max(mark.high),
            standings,
            tallies,
            revoked: revoked.into_iter().collect(),
            book: book.unwrap_or_else(PriceBook::initial),
            next_book,
            applied,
            open: BTreeMap::new(),
            by_call: BTreeMap::new(),
            by_work: BTreeMap::new(),
            recent: Recent::default(),
            refused: Refused::default(),
            works: Works::load(closed),
            marked: mark,
            charged_since_mark: BTreeSet::new(),
        };
        for entry in &earlier {
            journal.recent.remember(&entry.facts);
            journal.tallies.recall(&entry.facts);
        }
        for entry in &entries {
            journal.append(entry);
            journal.tallies.recall(&entry.facts);
        }
        for hold in holds {
            let call_no = hold.call_no;
            journal.tallies.note_budget(&hold.account, &hold.key);
            journal.open_hold(hold);
            if let Some(open) = journal.open.get_mut(&call_no) {
                open.ask_anew(now);
            }
        }
        journal
    }
}
