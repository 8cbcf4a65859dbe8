//! Whether a page continues what is posted, and what in it does not add up.
//!
//! Path: wire → **reconcile** → ledger. The cursor says how far the ledger is; a page says what the
//! journal has behind it. [`check`] gives back the entries that may be posted and every difference it
//! noticed, or the one difference because of which nothing of the page may be posted.
//!
//! # Invariants
//! - What is given back chains onto the cursor without a gap: seq, running total and hash.
//! - A page that comes again gives back nothing new and no finding. What lies behind the cursor is
//!   skipped without a look, since whatever comes after it must continue the cursor's own chain.
//! - A difference inside one entry never stops the entry: the ledger says what the journal said, and
//!   the finding says what is wrong with it.

mod finding;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::HashSet;

use crate::entry::{Entry, Tail};
use crate::ids::{AccountId, Epoch};
use crate::price::PriceBook;

pub use finding::{Code, Finding};

/// How far the ledger has posted a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The journal's epoch; `None` before the first page, which decides it.
    pub epoch: Option<Epoch>,
    /// The last entry posted.
    pub tail: Tail,
}

/// What one pull brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The journal's epoch.
    pub epoch: Epoch,
    /// Entries in order; some may be behind the cursor already.
    pub entries: Vec<Entry>,
    /// The journal's newest entry, which may be far ahead of the page.
    pub head: Tail,
}

/// What the origin knows, to check entries against.
pub trait Known {
    /// The price book with this version.
    fn book(&self, version: u32) -> Option<&PriceBook>;
    /// Whether there is such an account.
    fn has_account(&self, account: &AccountId) -> bool;
}

/// Entries that may be posted: they continue the cursor's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    entries: Vec<Entry>,
    tail: Tail,
}

impl Verified {
    /// The entries that are not posted yet, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Where the cursor stands once they are.
    pub fn tail(&self) -> &Tail {
        &self.tail
    }
}

/// Checks a page against the cursor.
///
/// `Ok` holds what may be posted and what was noticed in it; `Err` is the finding that stops posting.
pub fn check(
    cursor: &Cursor,
    page: Page,
    known: &impl Known,
) -> Result<(Verified, Vec<Finding>), Finding> {
    check_place(cursor, &page)?;
    let head = page.head;
    let verified = continue_chain(cursor.tail, page)?;
    check_head(&verified.tail, &head)?;
    let mut findings = Vec::new();
    for entry in &verified.entries {
        note_differences(entry, known, &mut findings);
    }
    Ok((verified, findings))
}

/// The page must come from the store we know, at a time not before the cursor.
fn check_place(cursor: &Cursor, page: &Page) -> Result<(), Finding> {
    let seq = cursor.tail.seq;
    if let Some(epoch) = cursor.epoch.as_ref().filter(|epoch| **epoch != page.epoch) {
        let detail = format!("posted from epoch {epoch}, the journal is now {}", page.epoch);
        return Err(Finding::at(seq, Code::EpochChanged, detail));
    }
    if page.head.seq < seq {
        let detail = format!("posted up to {seq}, the journal ends at {}", page.head.seq);
        return Err(Finding::at(seq, Code::JournalBehind, detail));
    }
    if page.entries.is_empty() && page.head.seq > seq {
        let detail = format!("posted up to {seq} of {}, and nothing more came", page.head.seq);
        return Err(Finding::at(seq, Code::Gap, detail));
    }
    Ok(())
}

/// The page's entries behind `tail`, each one the unaltered successor of the one before.
fn continue_chain(mut tail: Tail, page: Page) -> Result<Verified, Finding> {
    let mut entries = Vec::with_capacity(page.entries.len());
    let mut calls = HashSet::with_capacity(page.entries.len());
    let mut last_seq = 0;
    for entry in page.entries {
        let seq = entry.tail.seq;
        if seq <= last_seq {
            let detail = format!("entry {seq} follows entry {last_seq}");
            return Err(Finding::of(&entry, Code::OutOfOrder, detail));
        }
        last_seq = seq;
        if seq <= tail.seq {
            continue;
        }
        check_link(&tail, &entry)?;
        if !calls.insert(entry.facts.call.clone()) {
            let detail = format!("call {} is in the page twice", entry.facts.call);
            return Err(Finding::of(&entry, Code::CallDoubled, detail));
        }
        tail = entry.tail;
        entries.push(entry);
    }
    Ok(Verified { entries, tail })
}

/// One link of the chain. The total is looked at before the hash, which covers it, so that a wrong sum
/// is called by its name.
fn check_link(before: &Tail, entry: &Entry) -> Result<(), Finding> {
    let Tail { seq, total, .. } = entry.tail;
    if before.seq.checked_add(1) != Some(seq) {
        let detail = format!("entry {} is followed by entry {seq}", before.seq);
        return Err(Finding::of(entry, Code::Gap, detail));
    }
    let amount = entry.facts.amount;
    if before.total.plus(amount) != Ok(total) {
        let detail = format!("{} and {amount} nanos do not make {total}", before.total);
        return Err(Finding::of(entry, Code::TotalMismatch, detail));
    }
    if !entry.follows(before) {
        let detail = format!("entry {seq} has not the hash that its facts give");
        return Err(Finding::of(entry, Code::HashBroken, detail));
    }
    Ok(())
}

/// The head is an entry of the same chain, at or ahead of where the page ends.
fn check_head(tail: &Tail, head: &Tail) -> Result<(), Finding> {
    let seq = tail.seq;
    if head.seq < seq {
        let detail = format!("the page goes up to {seq}, the journal only to {}", head.seq);
        return Err(Finding::at(seq, Code::OutOfOrder, detail));
    }
    if head.seq > seq {
        return Ok(());
    }
    if head.total != tail.total {
        let detail = format!("{} nanos up to {seq}, the journal says {}", tail.total, head.total);
        return Err(Finding::at(seq, Code::TotalMismatch, detail));
    }
    if head.hash != tail.hash {
        let detail = format!("entry {seq} has another hash in the journal");
        return Err(Finding::at(seq, Code::HashBroken, detail));
    }
    Ok(())
}

/// Notes what is wrong with an entry that is posted all the same.
fn note_differences(entry: &Entry, known: &impl Known, findings: &mut Vec<Finding>) {
    let facts = &entry.facts;
    let mut note = |code, detail: String| findings.push(Finding::of(entry, code, detail));
    match facts.derived_amount() {
        Ok(derived) if derived == facts.amount => {}
        Ok(derived) => {
            let detail = format!("charged {} nanos, its terms give {derived}", facts.amount);
            note(Code::ChargeDiffers, detail);
        }
        Err(_) => {
            let detail = format!("charged {} nanos, its terms give too much", facts.amount);
            note(Code::ChargeDiffers, detail);
        }
    }
    match known.book(facts.terms.book) {
        None => note(Code::UnknownBook, format!("price book {}", facts.terms.book)),
        Some(book) => match book.terms(&facts.account, &facts.group, &facts.asked) {
            Ok(terms) if terms == facts.terms => {}
            Ok(terms) => {
                let detail = format!("priced {:?}, the book says {terms:?}", facts.terms);
                note(Code::ChargeDiffers, detail);
            }
            Err(unpriced) => {
                let detail = format!("priced {:?}, in the book {unpriced}", facts.terms);
                note(Code::ChargeDiffers, detail);
            }
        },
    }
    if !known.has_account(&facts.account) {
        note(Code::UnknownAccount, format!("account {}", facts.account));
    }
    if facts.lacks_usage() {
        note(Code::UsageMissing, format!("{} and its usage is unknown", facts.ending.name()));
    }
    if let Some(currency) = facts.foreign_currency() {
        note(Code::CostCurrency, format!("upstream states its cost in {currency}"));
    }
    if let Some(usage) = facts.reading.usage.filter(|usage| usage.is_mismatched()) {
        note(Code::UsageMismatched, format!("{usage:?}"));
    }
    if facts.usage_fell {
        note(Code::UsageFell, "an earlier usage in the stream was larger".to_owned());
    }
}
