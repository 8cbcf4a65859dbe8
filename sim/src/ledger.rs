//! The origin's database, in memory: rows that a transaction changes all at once.
//!
//! It decides as the origin's own SQL does, with the same rules of `meter`: what goes down with a pull, and
//! whether a page that came is posted. Each function that changes something is one transaction; a caller
//! that dies before it has changed nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use meter::account::Account;
use meter::entry::{Entry, Facts, Tail};
use meter::ids::{AccountId, CallId, Epoch, KeyId};
use meter::ledger::{Movements, Rollup, RollupKey, Spending};
use meter::money::Nanos;
use meter::price::PriceBook;
use meter::reconcile::{self, Code, Cursor, Finding, Known, Page, Verified};
use meter::time::UnixMs;
use meter::wire::WireError;
use meter::wire::book::BookDoc;
use meter::wire::explained::OpenDoc;
use meter::wire::pull::{
    AccountDoc, Changes, OPEN_UNNAMED_MAX, OrderDoc, PAGE_ENTRIES_MAX, PULL_VERSION, PullReply,
    PullRequest,
};

use crate::mutant::Mutant;

/// A journal's row.
#[derive(Debug, Clone)]
pub struct Journal {
    /// How far it is posted.
    pub cursor: Cursor,
    /// How many changes were made here.
    pub revision: u64,
    /// How many of them the edge has, by its last word.
    pub applied: u64,
    /// When its book was decided.
    pub book_revision: u64,
    /// The epoch that it named last.
    pub seen_epoch: Option<Epoch>,
    /// Why nothing more of it is posted.
    pub stopped_by: Option<Code>,
}

/// An account's row.
#[derive(Debug, Clone)]
pub struct AccountRow {
    /// What the journal is told of it.
    pub account: Account,
    /// Which journal.
    pub journal: usize,
    /// When it changed last.
    pub revision: u64,
    /// What its entries sum up to.
    pub spent: Spending,
}

/// What the bill says of one call.
#[derive(Debug, Clone)]
pub struct BillCall {
    /// Whose it is, by number.
    pub account: usize,
    /// Tokens in.
    pub input: u64,
    /// Tokens out.
    pub output: u64,
    /// When its last record came.
    pub billed_at: u64,
    /// From when on it is looked at.
    pub look_at: u64,
}

/// Where a call was posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Of which journal.
    pub journal: usize,
    /// As which entry.
    pub seq: u64,
    /// For how much.
    pub amount: Nanos,
}

/// All rows.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// By number.
    pub journals: Vec<Journal>,
    /// By number.
    pub accounts: Vec<AccountRow>,
    /// Keys that are no longer good: where, since which revision.
    pub revoked: Vec<(KeyId, usize, u64)>,
    /// Every book there was.
    pub books: BTreeMap<u32, PriceBook>,
    /// Where each call was posted.
    pub postings: HashMap<CallId, Place>,
    /// The sums by hour.
    pub hours: BTreeMap<RollupKey, Rollup>,
    /// The sums by day.
    pub days: BTreeMap<RollupKey, Rollup>,
    /// The sums by hour alone.
    pub course: BTreeMap<UnixMs, Rollup>,
    /// What was noticed.
    pub findings: BTreeMap<(usize, Code), Vec<Finding>>,
    /// Calls whose usage is known to be missing, with what they were.
    pub lacking: HashMap<CallId, Facts>,
    /// What the bill took for calls that had been given up.
    pub corrected: HashMap<CallId, Nanos>,
    /// Orders: for which journal, since which revision.
    pub orders: Vec<(OrderDoc, usize, u64)>,
    /// The calls that they are about.
    pub ordered: BTreeSet<CallId>,
    /// What the bill names.
    pub bill: HashMap<CallId, BillCall>,
    /// The calls of it that are not done with.
    pub waiting: BTreeSet<CallId>,
    /// The open calls that each journal listed last.
    pub open: Vec<HashMap<CallId, OpenDoc>>,
    /// References that credits were given by.
    pub references: BTreeSet<String>,
}

/// What became of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posted {
    /// So many entries were posted, and there are more.
    Entries(usize, bool),
    /// Nothing of it was.
    Stopped(Code),
    /// Another page was posted meanwhile.
    Overtaken,
}

struct Looked<'a>(&'a Ledger);

impl Known for Looked<'_> {
    fn book(&self, version: u32) -> Option<&PriceBook> {
        self.0.books.get(&version)
    }
    fn has_account(&self, account: &AccountId) -> bool {
        self.0.account(account).is_some()
    }
}

impl Ledger {
    /// A ledger of so many journals, and this book.
    pub fn new(journals: usize, book: PriceBook) -> Self {
        let journal = Journal {
            cursor: Cursor { epoch: None, tail: Tail::START },
            revision: 1,
            applied: 0,
            book_revision: 1,
            seen_epoch: None,
            stopped_by: None,
        };
        Self {
            journals: vec![journal; journals],
            books: BTreeMap::from([(book.version, book)]),
            open: vec![HashMap::new(); journals],
            ..Self::default()
        }
    }

    /// The account of this id.
    pub fn account(&self, id: &AccountId) -> Option<&AccountRow> {
        self.accounts.iter().find(|row| row.account.id == *id)
    }

    /// Counts one more change of a journal.
    pub fn bump(&mut self, journal: usize) -> u64 {
        let row = &mut self.journals[journal];
        row.revision += 1;
        row.revision
    }

    /// Changes an account, and has its journal told.
    pub fn change_account(&mut self, number: usize, change: impl FnOnce(&mut Account)) {
        let revision = self.bump(self.accounts[number].journal);
        let row = &mut self.accounts[number];
        change(&mut row.account);
        row.revision = revision;
    }

    /// Gives a credit, once for each reference; says whether it was given now.
    pub fn credit(&mut self, number: usize, amount: Nanos, reference: &str) -> bool {
        if !self.references.insert(reference.to_owned()) {
            return false;
        }
        self.change_account(number, |account| {
            account.credits = account.credits.plus(amount).expect("credits that fit");
        });
        true
    }

    /// Puts a book into force.
    pub fn price(&mut self, book: PriceBook) {
        self.books.insert(book.version, book);
        for journal in 0..self.journals.len() {
            self.journals[journal].book_revision = self.bump(journal);
        }
    }

    /// Takes a key back.
    pub fn revoke(&mut self, key: KeyId, journal: usize) {
        let revision = self.bump(journal);
        self.revoked.push((key, journal, revision));
    }

    /// Whether the edge has not said yet that it has everything.
    pub fn has_news(&self, journal: usize) -> bool {
        let row = &self.journals[journal];
        row.revision > row.applied && self.is_the_store_we_know(journal)
    }

    fn is_the_store_we_know(&self, journal: usize) -> bool {
        let row = &self.journals[journal];
        match (&row.cursor.epoch, &row.seen_epoch) {
            (Some(known), Some(seen)) => known == seen,
            (None, _) | (_, None) => true,
        }
    }

    /// What to ask a journal, and to tell it; and the cursor that this is asked with.
    pub fn prepare(&self, journal: usize) -> (Cursor, PullRequest) {
        let row = &self.journals[journal];
        let request = PullRequest {
            v: PULL_VERSION,
            epoch: row.cursor.epoch.as_ref().map(ToString::to_string),
            ack: row.cursor.tail.seq,
            limit: PAGE_ENTRIES_MAX,
            changes: self.has_news(journal).then(|| self.changes(journal)),
            billed: self.billed(journal),
        };
        (row.cursor.clone(), request)
    }

    /// The calls that the bill waits for, as `origin/src/bill/waiting.rs` finds them.
    fn billed(&self, journal: usize) -> Vec<String> {
        let waiting = self.waiting.iter().filter(|call| !self.postings.contains_key(call));
        let waiting = waiting.filter_map(|call| Some((self.bill.get(call)?, call)));
        let ours = waiting.filter(|(billed, _)| self.accounts[billed.account].journal == journal);
        let mut ours: Vec<_> = ours.map(|(billed, call)| (billed.look_at, call)).collect();
        ours.sort_unstable();
        ours.into_iter().take(OPEN_UNNAMED_MAX).map(|(_, call)| call.to_string()).collect()
    }

    fn changes(&self, journal: usize) -> Changes {
        let row = &self.journals[journal];
        let is_news = |of: usize, revision: u64| of == journal && revision > row.applied;
        let accounts = self.accounts.iter().filter(|it| is_news(it.journal, it.revision));
        let revoked = self.revoked.iter().filter(|(_, of, revision)| is_news(*of, *revision));
        let orders = self.orders.iter().filter(|(_, of, revision)| is_news(*of, *revision));
        let book = self.books.last_key_value().map(|(_, book)| BookDoc::from(book));
        Changes {
            upto: row.revision,
            accounts: accounts.map(|it| AccountDoc::from(&it.account)).collect(),
            revoked_keys: revoked.map(|(key, ..)| key.to_string()).collect(),
            book: book.filter(|_| row.book_revision > row.applied),
            next_book: None,
            registered_keys: Vec::new(),
            orders: orders.map(|(order, ..)| order.clone()).collect(),
        }
    }

    /// Posts a page that was asked for with this cursor, or notes why not. One transaction.
    pub fn post(
        &mut self,
        journal: usize,
        asked: &Cursor,
        reply: &PullReply,
        mutant: Option<Mutant>,
    ) -> Result<Posted, WireError> {
        let page = read(reply)?;
        let is_stale = self.journals[journal].cursor != *asked;
        if is_stale && mutant != Some(Mutant::PostsByTheCursorThatWasAsked) {
            return Ok(Posted::Overtaken);
        }
        self.note_said(journal, &page, reply);
        let head = page.head;
        let epoch = page.epoch.clone();
        let cursor = match mutant {
            Some(Mutant::PostsByTheCursorThatWasAsked) => asked.clone(),
            _ => self.journals[journal].cursor.clone(),
        };
        let checked = match mutant {
            Some(Mutant::PostsAcrossGaps) => {
                Ok(Checked::unchecked(&cursor, page.entries)).map(|all| (all, Vec::new()))
            }
            _ => reconcile::check(&cursor, page, &Looked(self))
                .map(|(verified, findings)| (Checked::of(&verified), findings)),
        };
        let doubled = |checked: &Checked| {
            // What a unique constraint refuses.
            let minds = !mutant.is_some_and(Mutant::drops_the_constraint);
            checked.entries.iter().filter(|_| minds).find_map(|entry| self.doubled(entry))
        };
        let checked = checked.and_then(|(checked, findings)| match doubled(&checked) {
            None => Ok((checked, findings)),
            Some(finding) => Err(finding),
        });
        match checked {
            Err(finding) => {
                let code = finding.code;
                self.journals[journal].stopped_by = Some(code);
                self.note(journal, finding);
                Ok(Posted::Stopped(code))
            }
            Ok((checked, findings)) => {
                let count = checked.entries.len();
                let Checked { mut entries, tail } = checked;
                if mutant == Some(Mutant::DropsTheLastOfAPage) {
                    entries.pop();
                }
                self.write(journal, &entries);
                for finding in findings {
                    self.note(journal, finding);
                }
                let row = &mut self.journals[journal];
                row.cursor.epoch = Some(epoch);
                if mutant != Some(Mutant::PostsWithoutTheCursor) {
                    row.cursor.tail = tail;
                }
                row.stopped_by = None;
                Ok(Posted::Entries(count, head.seq > tail.seq))
            }
        }
    }

    fn note_said(&mut self, journal: usize, page: &Page, reply: &PullReply) {
        let row = &mut self.journals[journal];
        row.seen_epoch = Some(page.epoch.clone());
        row.applied = reply.applied;
        let same_store = row.cursor.epoch.as_ref().is_none_or(|known| *known == page.epoch);
        let (revision, seq) = (row.revision, row.cursor.tail.seq);
        if same_store && reply.applied > revision {
            self.tell_again(journal, reply.applied);
            let detail = format!("{revision} changes were made, the edge has {}", reply.applied);
            self.note(journal, Finding::at(seq, Code::LedgerBehind, detail));
        }
        let open = reply.open.iter().filter_map(|open| {
            let call = open.hold.call.parse().ok()?;
            Some((call, open.clone()))
        });
        self.open[journal] = open.collect();
    }

    /// A ledger that was behind counts on from where the edge is.
    fn tell_again(&mut self, journal: usize, applied: u64) {
        self.journals[journal].revision = applied;
    }

    fn doubled(&self, entry: &Entry) -> Option<Finding> {
        let posted = self.postings.get(&entry.facts.call)?;
        let detail = format!("posted as entry {} of journal {}", posted.seq, posted.journal);
        let call = Some(entry.facts.call.clone());
        Some(Finding { call, ..Finding::at(entry.tail.seq, Code::CallDoubled, detail) })
    }

    fn write(&mut self, journal: usize, entries: &[Entry]) {
        let movements = Movements::of(entries).expect("sums that fit");
        for entry in entries {
            let Facts { call, amount, .. } = &entry.facts;
            let place = Place { journal, seq: entry.tail.seq, amount: *amount };
            self.postings.insert(call.clone(), place);
            if entry.facts.lacks_usage() {
                self.lacking.insert(call.clone(), entry.facts.clone());
            }
        }
        for (id, spending) in movements.spending {
            let row = self.accounts.iter_mut().find(|row| row.account.id == id);
            let row = row.expect("an account that is known");
            row.spent = row.spent.plus(spending).expect("a sum that fits");
        }
        add_up(&mut self.hours, movements.hours);
        add_up(&mut self.days, movements.days);
        add_up(&mut self.course, movements.course);
    }

    fn note(&mut self, journal: usize, finding: Finding) {
        self.findings.entry((journal, finding.code)).or_default().push(finding);
    }

    /// Whether this was noticed about a journal.
    pub fn has_found(&self, journal: usize, code: Code) -> bool {
        self.findings.contains_key(&(journal, code))
    }
}

fn add_up<K: Ord>(sums: &mut BTreeMap<K, Rollup>, more: BTreeMap<K, Rollup>) {
    for (key, rollup) in more {
        let row = sums.entry(key).or_default();
        *row = row.plus(rollup).expect("a sum that fits");
    }
}

/// Entries that may be posted, and where the cursor stands then.
struct Checked {
    entries: Vec<Entry>,
    tail: Tail,
}

impl Checked {
    fn of(verified: &Verified) -> Self {
        Self { entries: verified.entries().to_vec(), tail: *verified.tail() }
    }
}

impl Checked {
    /// What a ledger posts that does not look at numbers.
    fn unchecked(cursor: &Cursor, entries: Vec<Entry>) -> Self {
        let entries: Vec<Entry> =
            entries.into_iter().filter(|entry| entry.tail.seq > cursor.tail.seq).collect();
        let tail = entries.iter().map(|entry| entry.tail).max_by_key(|tail| tail.seq);
        Self { entries, tail: tail.unwrap_or(cursor.tail) }
    }
}

/// Reads an answer as the origin does.
fn read(reply: &PullReply) -> Result<Page, WireError> {
    let entries = reply.entries.iter().map(Entry::try_from).collect::<Result<_, _>>()?;
    let epoch = reply.epoch.parse().expect("an epoch");
    Ok(Page { epoch, entries, head: Tail::try_from(&reply.head)? })
}
