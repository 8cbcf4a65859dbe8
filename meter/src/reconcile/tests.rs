//! Pages that continue what is posted, and pages that do not.

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
        chain((1..).zip(calls).map(|(number, (account, tokens))| facts(number, account, tokens)))
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
