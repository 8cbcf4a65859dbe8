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

use std::collections::HashSet;
use std::fmt;

use crate::entry::{Entry, Tail};
use crate::ids::{AccountId, CallId, Epoch};
use crate::price::PriceBook;

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

/// Something that should have been otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The entry, or the place in the journal, that it is about.
    pub seq: u64,
    /// The call, when it is about one.
    pub call: Option<CallId>,
    /// What it is.
    pub code: Code,
    /// For people: what was expected and what was there.
    pub detail: String,
}

/// The kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// The journal's store is another one than before.
    EpochChanged,
    /// The journal ends before the cursor: its store was restored from an old copy.
    JournalBehind,
    /// An entry is missing.
    Gap,
    /// Entries are not in the order of their numbers, or go on behind the head.
    OutOfOrder,
    /// An entry is not what its predecessor's hash makes it.
    HashBroken,
    /// The journal's running total is not the sum of the amounts.
    TotalMismatch,
    /// A call is charged twice.
    CallDoubled,
    /// The charge is not what its terms and reading give, or its terms are not what the book says.
    ChargeDiffers,
    /// The price book of the charge is not known here.
    UnknownBook,
    /// The account is not known here.
    UnknownAccount,
    /// The call succeeded, or may have, and its usage stayed unknown.
    UsageMissing,
    /// The price is made of upstream's cost, and upstream states it in another currency.
    CostCurrency,
    /// Total and parts of the usage contradict each other.
    UsageMismatched,
    /// An earlier usage in the same stream was larger.
    UsageFell,
    /// The edge has applied changes that this ledger does not know: the ledger was restored from an
    /// old copy.
    LedgerBehind,
    /// A call came again out of a journal's old copy, with another amount than it was posted with.
    AgainDiffers,
    /// A drift that was made on purpose was not noticed.
    SelfTest,
}

impl Code {
    /// Every code, for tables and tests.
    pub const ALL: [Self; 17] = [
        Self::EpochChanged,
        Self::JournalBehind,
        Self::Gap,
        Self::OutOfOrder,
        Self::HashBroken,
        Self::TotalMismatch,
        Self::CallDoubled,
        Self::ChargeDiffers,
        Self::UnknownBook,
        Self::UnknownAccount,
        Self::UsageMissing,
        Self::CostCurrency,
        Self::UsageMismatched,
        Self::UsageFell,
        Self::LedgerBehind,
        Self::AgainDiffers,
        Self::SelfTest,
    ];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EpochChanged => "epoch_changed",
            Self::JournalBehind => "journal_behind",
            Self::Gap => "gap",
            Self::OutOfOrder => "out_of_order",
            Self::HashBroken => "hash_broken",
            Self::TotalMismatch => "total_mismatch",
            Self::CallDoubled => "call_doubled",
            Self::ChargeDiffers => "charge_differs",
            Self::UnknownBook => "unknown_book",
            Self::UnknownAccount => "unknown_account",
            Self::UsageMissing => "usage_missing",
            Self::CostCurrency => "cost_currency",
            Self::UsageMismatched => "usage_mismatched",
            Self::UsageFell => "usage_fell",
            Self::LedgerBehind => "ledger_behind",
            Self::AgainDiffers => "again_differs",
            Self::SelfTest => "self_test",
        }
    }

    /// The code with this stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.name() == name)
    }

    /// Whether it may mean that the journal's store is another one than before: a new one, or one that
    /// was put back from an old copy.
    pub const fn is_of_another_store(self) -> bool {
        matches!(
            self,
            Self::EpochChanged | Self::JournalBehind | Self::HashBroken | Self::TotalMismatch
        )
    }

    /// Whether nothing of the page is posted because of it.
    pub const fn stops(self) -> bool {
        match self {
            Self::EpochChanged
            | Self::JournalBehind
            | Self::Gap
            | Self::OutOfOrder
            | Self::HashBroken
            | Self::TotalMismatch
            | Self::CallDoubled => true,
            Self::ChargeDiffers
            | Self::UnknownBook
            | Self::UnknownAccount
            | Self::UsageMissing
            | Self::CostCurrency
            | Self::UsageMismatched
            | Self::UsageFell
            | Self::LedgerBehind
            | Self::AgainDiffers
            | Self::SelfTest => false,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.code.name(), self.seq, self.detail)
    }
}

impl Finding {
    /// A finding about a place in the journal.
    pub fn at(seq: u64, code: Code, detail: impl fmt::Display) -> Self {
        Self { seq, call: None, code, detail: detail.to_string() }
    }

    /// A finding about an entry.
    fn of(entry: &Entry, code: Code, detail: impl fmt::Display) -> Self {
        let call = Some(entry.facts.call.clone());
        Self { call, ..Self::at(entry.tail.seq, code, detail) }
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

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::entry::{Ending, Facts, Hash};
    use crate::ids::Group;
    use crate::money::{NANOS_PER_QUOTA, Nanos};
    use crate::outcome::{Reading, Source};
    use crate::price::Price;
    use crate::request::{Asked, SubjectKind};
    use crate::route::Operation;
    use crate::time::UnixMs;
    use crate::usage::{Usage, WorkIds};

    /// Version 0 of the price book, and the accounts `acc_0` to `acc_9`.
    struct Fresh(PriceBook);

    impl Known for Fresh {
        fn book(&self, version: u32) -> Option<&PriceBook> {
            Some(&self.0).filter(|book| book.version == version)
        }
        fn has_account(&self, account: &AccountId) -> bool {
            account.as_str().starts_with("acc_")
        }
    }

    /// A chat of this many tokens, charged as it should be.
    pub(crate) fn facts(number: u64, account: u8, tokens: u64) -> Facts {
        let asked = Asked::new(Operation::Chat, SubjectKind::Bot, "7490".parse().unwrap());
        let account: AccountId = format!("acc_{account}").parse().unwrap();
        let terms = PriceBook::initial().terms(&account, &Group::standard(), &asked).unwrap();
        let usage = Usage::from_counts(None, None, Some(tokens));
        Facts {
            call: format!("c{number}").parse().unwrap(),
            account,
            key: "key_1".parse().unwrap(),
            asked,
            group: Group::standard(),
            terms,
            admitted_at: UnixMs::new(1_763_700_000_000 + number * 60_000),
            finished_at: UnixMs::new(1_763_700_001_000 + number * 60_000),
            ending: Ending::Settled,
            status: Some(200),
            code: Some(0),
            reading: Reading { usage, source: Source::Reported },
            usage_fell: false,
            ids: WorkIds::default(),
            amount: Nanos::from_quota(i64::try_from(tokens).unwrap()).unwrap(),
        }
    }

    pub(crate) fn chain(facts: impl IntoIterator<Item = Facts>) -> Vec<Entry> {
        let mut tail = Tail::START;
        let link = |facts| {
            let entry = Entry::chain(facts, &tail).unwrap();
            tail = entry.tail;
            entry
        };
        facts.into_iter().map(link).collect()
    }

    fn three() -> Vec<Entry> {
        chain([facts(1, 0, 1), facts(2, 1, 20), facts(3, 0, 300)])
    }

    fn epoch() -> Epoch {
        "e1".parse().unwrap()
    }

    fn start() -> Cursor {
        Cursor { epoch: Some(epoch()), tail: Tail::START }
    }

    pub(crate) fn page(entries: &[Entry]) -> Page {
        let head = entries.last().map_or(Tail::START, |entry| entry.tail);
        Page { epoch: epoch(), entries: entries.to_vec(), head }
    }

    pub(crate) fn verify(cursor: &Cursor, page: Page) -> Result<Verified, Finding> {
        check(cursor, page, &Fresh(PriceBook::initial())).map(|(verified, _)| verified)
    }

    #[track_caller]
    fn stops(cursor: &Cursor, page: Page, want: (u64, Code)) {
        let finding = verify(cursor, page).expect_err("the page was let through");
        assert_eq!((finding.seq, finding.code), want, "{finding}");
        assert!(finding.code.stops());
    }

    #[test]
    fn a_page_that_does_not_continue_the_cursor_stops() {
        let entries = three();
        let other = Cursor { epoch: Some("e0".parse().unwrap()), ..start() };
        stops(&other, page(&entries), (0, Code::EpochChanged));
        let ahead = Cursor { tail: entries[2].tail, ..start() };
        stops(&ahead, page(&entries[..2]), (3, Code::JournalBehind));
        stops(&start(), page(&entries[1..]), (2, Code::Gap));
        stops(&start(), page(&[entries[0].clone(), entries[2].clone()]), (3, Code::Gap));
        stops(&start(), Page { entries: Vec::new(), ..page(&entries) }, (0, Code::Gap));
        let reversed: Vec<_> = entries.iter().rev().cloned().collect();
        stops(&ahead, Page { head: entries[2].tail, ..page(&reversed) }, (2, Code::OutOfOrder));
        stops(&start(), Page { head: entries[1].tail, ..page(&entries) }, (3, Code::OutOfOrder));
    }

    #[test]
    fn an_altered_page_stops() {
        let mut entries = three();
        entries[1].facts.usage_fell = true;
        stops(&start(), page(&entries), (2, Code::HashBroken));
        entries[1].facts.amount = Nanos::new(1);
        stops(&start(), page(&entries), (2, Code::TotalMismatch));
        let doubled = chain([facts(1, 0, 1), facts(1, 0, 1)]);
        stops(&start(), page(&doubled), (2, Code::CallDoubled));
    }

    #[test]
    fn a_head_of_another_chain_stops() {
        let entries = three();
        let end = entries[2].tail;
        let head = |head| Page { head, ..page(&entries) };
        stops(&start(), head(Tail { hash: Hash([1; 32]), ..end }), (3, Code::HashBroken));
        stops(&start(), head(Tail { total: Nanos::ZERO, ..end }), (3, Code::TotalMismatch));
        let ahead = head(Tail { seq: 4, ..end });
        assert_eq!(verify(&start(), ahead).unwrap().entries(), entries);
    }

    #[test]
    fn entries_of_another_chain_behind_the_cursor_are_noticed_by_the_next_one() {
        let other = chain([facts(9, 0, 1), facts(2, 1, 20), facts(3, 0, 300)]);
        let cursor = Cursor { tail: three()[1].tail, ..start() };
        stops(&cursor, page(&other), (3, Code::HashBroken));
    }

    #[track_caller]
    fn notes(change: impl FnOnce(&mut Facts), want: &[Code]) {
        let mut facts = facts(1, 0, 100);
        change(&mut facts);
        let (verified, findings) =
            check(&start(), page(&chain([facts])), &Fresh(PriceBook::initial())).unwrap();
        assert_eq!(verified.entries().len(), 1);
        assert_eq!(findings.iter().map(|finding| finding.code).collect::<Vec<_>>(), want);
        assert!(findings.iter().all(|finding| !finding.code.stops() && finding.call.is_some()));
    }

    #[test]
    fn what_is_wrong_with_a_single_entry_is_noted_and_the_entry_is_posted() {
        let usage = |usage, source| Reading { usage, source };
        let parts = Usage { input: Some(1), output: Some(1), total: 100, cost: None };
        notes(|facts| facts.amount = Nanos::new(-1), &[Code::ChargeDiffers]);
        notes(|facts| facts.ending = Ending::Released, &[Code::ChargeDiffers]);
        notes(|facts| facts.terms.price = Price::Free, &[Code::ChargeDiffers, Code::ChargeDiffers]);
        notes(|facts| facts.terms.book = 7, &[Code::UnknownBook]);
        notes(|facts| facts.account = "other".parse().unwrap(), &[Code::UnknownAccount]);
        notes(
            |facts| {
                facts.reading = usage(None, Source::Missing);
                facts.amount = Nanos::ZERO;
            },
            &[Code::UsageMissing],
        );
        notes(
            |facts| {
                facts.reading = usage(Some(parts), Source::Retrieved);
                facts.amount = Nanos::new(2 * NANOS_PER_QUOTA);
            },
            &[Code::UsageMismatched],
        );
        notes(|facts| facts.usage_fell = true, &[Code::UsageFell]);
        notes(|_| (), &[]);
    }

    #[test]
    fn the_first_page_may_come_from_any_epoch() {
        let fresh = Cursor { epoch: None, tail: Tail::START };
        assert_eq!(verify(&fresh, page(&three())).unwrap().tail(), &three()[2].tail);
    }

    #[test]
    fn every_code_is_unique_and_found_again() {
        for code in Code::ALL {
            assert_eq!(Code::from_name(code.name()), Some(code));
        }
    }

    /// A journal of calls of three accounts.
    pub(crate) fn any_chain() -> impl Strategy<Value = Vec<Entry>> {
        prop::collection::vec((0..3u8, 0..5_000u64), 1..40).prop_map(|calls| {
            chain(
                (1..).zip(calls).map(|(number, (account, tokens))| facts(number, account, tokens)),
            )
        })
    }

    /// How a chain is cut into pages: how far back each one begins, and how many entries it has.
    pub(crate) fn any_cuts() -> impl Strategy<Value = Vec<(usize, usize)>> {
        prop::collection::vec((0..5usize, 0..9usize), 0..30)
    }

    /// The pages that a journal with these entries answers, overlapping and repeating, to the last.
    pub(crate) fn cut<'a>(
        entries: &'a [Entry],
        cuts: &'a [(usize, usize)],
    ) -> impl Iterator<Item = Page> + 'a {
        let mut posted = 0;
        let rest = std::iter::once((0, entries.len()));
        cuts.iter().copied().chain(rest).map(move |(back, length)| {
            let from = posted - back.min(posted);
            let to = (from + length.max(back + 1)).min(entries.len());
            posted = posted.max(to);
            Page { head: entries.last().unwrap().tail, ..page(&entries[from..to]) }
        })
    }

    proptest! {
        #[test]
        fn however_a_chain_is_cut_into_pages_each_entry_comes_through_once(
            entries in any_chain(),
            cuts in any_cuts(),
        ) {
            let mut cursor = Cursor { epoch: None, tail: Tail::START };
            let mut seen = Vec::new();
            for page in cut(&entries, &cuts) {
                let verified = verify(&cursor, page).unwrap();
                cursor = Cursor { epoch: Some(epoch()), tail: *verified.tail() };
                seen.extend_from_slice(verified.entries());
            }
            prop_assert_eq!(seen, entries);
        }

        #[test]
        fn an_entry_that_was_dropped_doubled_or_altered_never_passes(
            entries in any_chain(),
            place in any::<prop::sample::Index>(),
            fault in 0..4u8,
        ) {
            let at = place.index(entries.len());
            let mut bad = entries.clone();
            match fault {
                0 => drop(bad.remove(at)),
                1 => bad.insert(at, entries[at].clone()),
                2 => bad[at].facts.finished_at = UnixMs::new(1),
                _ => bad[at].facts.amount = bad[at].facts.amount.plus(Nanos::new(1)).unwrap(),
            }
            let bad = Page { head: entries.last().unwrap().tail, ..page(&bad) };
            match verify(&start(), bad) {
                Err(finding) => prop_assert!(finding.code.stops()),
                // The last entry was left out: the head shows that more is to come.
                Ok(verified) => prop_assert_eq!(verified.entries(), &entries[..at]),
            }
        }
    }
}
