//! A storage in memory: what effects said, with transactions, and nothing else.
//!
//! It keeps what the object's tables keep, by the same marks and with the same clearing up.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::rc::Rc;

use meter::account::Account;
use meter::entry::{Entry, Hash};
use meter::ids::{AccountId, KeyId, UpstreamId};
use meter::journal::{
    CallNo, Closed, Effect, Hold, IDEMPOTENCY_KEEP_MS, IdempotencyKey, Kept, Mark, MemoName,
    OWNED_KEEP_MS, OwnedName, Prints, RECENT_MAX, Rows as Between, Spent, Stored,
};
use meter::oauth::Redemption;
use meter::price::PriceBook;
use meter::price::plan::Dated;
use meter::time::{DAY_MS, UnixMs};
use meter::wire::desk::Storage;
use meter::wire::entry::EntryDoc;
use meter::wire::registered::RegisteredKeyDoc;

use crate::shelf::{Opened, Shelf};

/// How long a finished call is kept after it was posted: as the object does.
const KEEP_MS: u64 = 7 * DAY_MS;
/// Most rows that are deleted at once: as the object does.
const DELETE_ROWS_MAX: usize = 500;

#[derive(Debug, Clone)]
enum Row {
    Held(Box<Hold>),
    Finished(Box<Entry>),
}

/// A mark, when it was made, and what was made before it.
#[derive(Debug, Clone)]
struct Marked {
    mark: Mark,
    made_at: UnixMs,
    prints: Prints,
}

/// Everything stored.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    epoch: Option<String>,
    calls: BTreeMap<CallNo, Row>,
    by_seq: BTreeMap<u64, CallNo>,
    marks: Vec<Marked>,
    accounts: BTreeMap<AccountId, (Account, Spent)>,
    revoked: Vec<KeyId>,
    book: Option<PriceBook>,
    next_book: Option<Dated>,
    applied: u64,
    owned: BTreeMap<OwnedName, UnixMs>,
    keys: BTreeMap<IdempotencyKey, Kept>,
}

/// How one change is taken back.
#[derive(Debug)]
enum Undo {
    Call(CallNo, Option<Row>),
    Seq(u64, Option<CallNo>),
    Marks(Vec<Marked>),
    Account(AccountId, Option<(Account, Spent)>),
    Revoked,
    Book(Option<PriceBook>),
    NextBook(Option<Dated>),
    Applied(u64),
    Owned(OwnedName, Option<UnixMs>),
    Key(IdempotencyKey, Option<Kept>),
}

#[derive(Debug, Default)]
struct Inner {
    rows: Rows,
    undo: Option<Vec<Undo>>,
    /// No idempotency key is older than this, where that is known.
    oldest_key: Option<u64>,
}

/// A storage in memory. A clone is the same one.
#[derive(Debug, Clone, Default)]
pub struct Memory(Rc<RefCell<Inner>>);

impl Inner {
    fn remember(&mut self, undo: impl FnOnce(&Rows) -> Undo) {
        if let Some(undone) = &mut self.undo {
            undone.push(undo(&self.rows));
        }
    }

    fn put(&mut self, call_no: CallNo, row: Row) {
        let before = self.rows.calls.insert(call_no, row);
        self.remember(|_| Undo::Call(call_no, before));
    }

    fn keep_one(&mut self, effect: &Effect, now: UnixMs) {
        match effect {
            Effect::InsertHold(hold) | Effect::UpdateHold(hold) => {
                self.put(hold.call_no, Row::Held(Box::new(hold.clone())));
            }
            Effect::Finish(call_no, entry) => {
                self.put(*call_no, Row::Finished(Box::new(entry.clone())));
                let seq = entry.tail.seq;
                let before = self.rows.by_seq.insert(seq, *call_no);
                self.remember(|_| Undo::Seq(seq, before));
            }
            Effect::Mark(mark, spent, prints) => {
                self.remember(|rows| Undo::Marks(rows.marks.clone()));
                self.rows.marks.push(Marked { mark: *mark, made_at: now, prints: prints.clone() });
                for (account, spent) in spent {
                    self.keep_account(account, |known| known.1 = spent.clone());
                }
            }
            Effect::SaveKey(kept) => self.keep_key(&kept.key, Some(kept.clone())),
            Effect::SaveReply(key, reply) => {
                let kept = self.rows.keys.get(key).cloned();
                let replied = kept.map(|kept| Kept { reply: Some(reply.clone()), ..kept });
                self.keep_key(key, replied);
            }
            Effect::SaveAccount(account) => {
                let known = self.rows.accounts.get(&account.id).cloned();
                let spent = known.as_ref().map_or_else(Spent::default, |known| known.1.clone());
                self.remember(|_| Undo::Account(account.id.clone(), known));
                self.rows.accounts.insert(account.id.clone(), (account.clone(), spent));
            }
            Effect::SaveRevoked(key) => {
                self.remember(|_| Undo::Revoked);
                self.rows.revoked.push(key.clone());
            }
            Effect::SaveBook(book) => {
                self.remember(|rows| Undo::Book(rows.book.clone()));
                self.rows.book = Some(book.clone());
            }
            Effect::SaveNextBook(next) => {
                self.remember(|rows| Undo::NextBook(rows.next_book.clone()));
                self.rows.next_book.clone_from(next);
            }
            Effect::SaveApplied(applied) => {
                self.remember(|rows| Undo::Applied(rows.applied));
                self.rows.applied = *applied;
            }
        }
    }

    fn keep_account(&mut self, id: &AccountId, change: impl FnOnce(&mut (Account, Spent))) {
        let before = self.rows.accounts.get(id).cloned();
        if let Some(known) = self.rows.accounts.get_mut(id) {
            change(known);
        }
        self.remember(|_| Undo::Account(id.clone(), before));
    }

    fn keep_key(&mut self, key: &IdempotencyKey, kept: Option<Kept>) {
        let used_at = kept.as_ref().map_or(u64::MAX, |kept| kept.used_at.get());
        self.oldest_key = self.oldest_key.map(|oldest| oldest.min(used_at));
        let before = match kept {
            Some(kept) => self.rows.keys.insert(key.clone(), kept),
            None => self.rows.keys.remove(key),
        };
        self.remember(|_| Undo::Key(key.clone(), before));
    }

    fn clear_up(&mut self, ack: u64, now: UnixMs) -> u64 {
        let before = now.get().saturating_sub(KEEP_MS);
        let is_old = |it: &&Marked| it.mark.tail.seq <= ack && it.made_at.get() <= before;
        let Some(old) = self.rows.marks.iter().rfind(is_old).map(|it| it.mark) else {
            return 0;
        };
        let Some((first, _)) = self.rows.calls.first_key_value() else { return 0 };
        let end = old.low.min(first.saturating_add(DELETE_ROWS_MAX as u64));
        while let Some((call_no, _)) = self.rows.calls.first_key_value() {
            let call_no = *call_no;
            if call_no >= end {
                break;
            }
            let row = self.rows.calls.remove(&call_no);
            if let Some(Row::Finished(entry)) = &row {
                let seq = entry.tail.seq;
                self.rows.by_seq.remove(&seq);
                self.remember(|_| Undo::Seq(seq, Some(call_no)));
            }
            self.remember(|_| Undo::Call(call_no, row));
        }
        if self.rows.marks.first().is_some_and(|it| it.mark.tail.seq < old.tail.seq) {
            self.remember(|rows| Undo::Marks(rows.marks.clone()));
            self.rows.marks.retain(|it| it.mark.tail.seq >= old.tail.seq);
        }
        old.tail.seq
    }

    fn take_back(&mut self, undo: Undo) {
        let Rows { calls, by_seq, marks, accounts, revoked, keys, owned, .. } = &mut self.rows;
        match undo {
            Undo::Call(call_no, row) => put_back(calls, call_no, row),
            Undo::Seq(seq, call_no) => put_back(by_seq, seq, call_no),
            Undo::Marks(before) => *marks = before,
            Undo::Account(id, before) => put_back(accounts, id, before),
            Undo::Revoked => drop(revoked.pop()),
            Undo::Book(before) => self.rows.book = before,
            Undo::NextBook(before) => self.rows.next_book = before,
            Undo::Applied(before) => self.rows.applied = before,
            Undo::Owned(name, before) => put_back(owned, name, before),
            Undo::Key(key, before) => put_back(keys, key, before),
        }
    }
}

fn put_back<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => drop(map.insert(key, value)),
        None => drop(map.remove(&key)),
    }
}

impl Rows {
    fn stored(&self) -> (Stored, CallNo) {
        let mark = self.marks.last().map_or(Mark::START, |it| it.mark);
        let mut stored = Stored {
            mark,
            accounts: self.accounts.values().cloned().collect(),
            revoked: self.revoked.clone(),
            book: self.book.clone(),
            next_book: self.next_book.clone(),
            closed: self.closed(),
            applied: self.applied,
            ..Stored::nothing()
        };
        let low = mark.low.saturating_sub(RECENT_MAX as u64);
        let forgotten = mark.tail.seq.saturating_sub(RECENT_MAX as u64);
        for row in self.calls.range(low..).map(|(_, row)| row) {
            match row {
                Row::Held(hold) => stored.holds.push(hold.as_ref().clone()),
                Row::Finished(entry) if entry.tail.seq > mark.tail.seq => {
                    stored.entries.push(entry.as_ref().clone());
                }
                Row::Finished(entry) if entry.tail.seq <= forgotten => {}
                Row::Finished(entry) => stored.earlier.push(entry.as_ref().clone()),
            }
        }
        stored.earlier.sort_by_key(|entry| entry.tail.seq);
        stored.entries.sort_by_key(|entry| entry.tail.seq);
        let next = self.calls.last_key_value().map_or(1, |(call_no, _)| call_no + 1);
        (stored, next.max(mark.high))
    }
}

impl Rows {
    /// The marks, as far as they say what was made.
    fn closed(&self) -> Vec<Closed> {
        let mut low = 0;
        let closed = self.marks.iter().map(|Marked { mark, prints, .. }| {
            let rows = Between { low, high: mark.high };
            low = mark.low;
            Closed { seq: mark.tail.seq, rows, prints: Some(prints.clone()) }
        });
        closed.collect()
    }
}

impl Shelf for Memory {
    type Store = Self;
    type Copy = Rows;

    fn open(&self, new_epoch: &str) -> Result<Opened<Self>, String> {
        let mut inner = self.0.borrow_mut();
        let epoch = inner.rows.epoch.get_or_insert_with(|| new_epoch.to_owned()).clone();
        let epoch = epoch.parse().map_err(|error| format!("epoch {error}"))?;
        let (stored, next) = inner.rows.stored();
        Ok(Opened { store: self.clone(), epoch, stored, next })
    }

    fn begin(&self) {
        self.0.borrow_mut().undo = Some(Vec::new());
    }

    fn commit(&self) {
        self.0.borrow_mut().undo = None;
    }

    fn roll_back(&self) {
        let mut inner = self.0.borrow_mut();
        let undone = inner.undo.take().unwrap_or_default();
        undone.into_iter().rev().for_each(|undo| inner.take_back(undo));
    }

    fn copy(&self) -> Rows {
        self.0.borrow().rows.clone()
    }

    fn restore(&self, copy: &Rows) {
        let mut inner = self.0.borrow_mut();
        inner.rows = copy.clone();
        inner.oldest_key = None;
    }

    fn lose(&self) {
        self.0.borrow_mut().rows = Rows::default();
    }
}

impl Storage for Memory {
    type Error = Infallible;

    fn keep(&self, effects: &[Effect], now: UnixMs) -> Result<(), Infallible> {
        let mut inner = self.0.borrow_mut();
        for effect in effects {
            inner.keep_one(effect, now);
        }
        Ok(())
    }

    fn kept(&self, key: &IdempotencyKey) -> Result<Option<Kept>, Infallible> {
        Ok(self.0.borrow().rows.keys.get(key).cloned())
    }

    fn page(&self, ack: u64, limit: u32) -> Result<Vec<EntryDoc>, Infallible> {
        let rows = &self.0.borrow().rows;
        let last = ack.saturating_add(limit.into());
        let numbers = rows.by_seq.range(ack.saturating_add(1)..=last).map(|(_, call_no)| call_no);
        let entries = numbers.filter_map(|call_no| match rows.calls.get(call_no) {
            Some(Row::Finished(entry)) => Some(EntryDoc::from(entry.as_ref())),
            Some(Row::Held(_)) | None => None,
        });
        Ok(entries.collect())
    }

    fn clear_up(&self, ack: u64, now: UnixMs) -> Result<u64, Infallible> {
        Ok(self.0.borrow_mut().clear_up(ack, now))
    }

    fn forget_keys(&self, now: UnixMs) -> Result<(), Infallible> {
        let mut inner = self.0.borrow_mut();
        let before = now.get().saturating_sub(IDEMPOTENCY_KEEP_MS);
        if inner.oldest_key.is_some_and(|oldest| oldest >= before) {
            return Ok(());
        }
        let old = inner.rows.keys.values().filter(|kept| kept.used_at.get() < before);
        let old: Vec<_> = old.take(DELETE_ROWS_MAX).map(|kept| kept.key.clone()).collect();
        for key in &old {
            inner.keep_key(key, None);
        }
        inner.oldest_key = inner.rows.keys.values().map(|kept| kept.used_at.get()).min();
        Ok(())
    }

    fn owned_at(&self, name: &OwnedName, now: UnixMs) -> Result<Option<UnixMs>, Infallible> {
        let kept_at = self.0.borrow().rows.owned.get(name).copied();
        Ok(kept_at.filter(|kept_at| now.since(*kept_at) <= OWNED_KEEP_MS))
    }

    fn keep_owned(&self, name: &OwnedName, now: UnixMs) -> Result<(), Infallible> {
        let mut inner = self.0.borrow_mut();
        let before = inner.rows.owned.insert(name.clone(), now);
        inner.remember(|_| Undo::Owned(name.clone(), before));
        Ok(())
    }

    fn made_in(
        &self,
        rows: Between,
        account: &AccountId,
        work: &UpstreamId,
    ) -> Result<bool, Infallible> {
        let is_its = |row: &Row| match row {
            Row::Held(_) => false,
            Row::Finished(entry) => {
                let facts = &entry.facts;
                let made = [&facts.ids.chat, &facts.ids.execution];
                facts.account == *account && made.into_iter().flatten().any(|id| id == work)
            }
        };
        let inner = self.0.borrow();
        Ok(inner.rows.calls.range(rows.low..rows.high).any(|(_, row)| is_its(row)))
    }

    // No world lasts for half a year.
    fn forget_owned(&self, _: Option<&str>, _: UnixMs) -> Result<Option<String>, Infallible> {
        Ok(None)
    }

    // Doors keep memos and registered keys; no money depends on them, and nobody here comes by a door.

    fn keep_memo(&self, _: &MemoName, _: Option<&str>, _: UnixMs) -> Result<(), Infallible> {
        Ok(())
    }

    fn memo(&self, _: &MemoName, _: UnixMs) -> Result<Option<(String, UnixMs)>, Infallible> {
        Ok(None)
    }

    fn forget_memos(&self, _: UnixMs) -> Result<(), Infallible> {
        Ok(())
    }

    fn keep_registered(&self, _: &[RegisteredKeyDoc]) -> Result<(), Infallible> {
        Ok(())
    }

    fn registered(&self) -> Result<Vec<RegisteredKeyDoc>, Infallible> {
        Ok(Vec::new())
    }

    fn redeem(&self, _: Hash, _: UnixMs, _: UnixMs) -> Result<Redemption, Infallible> {
        Ok(Redemption::Done)
    }

    fn forget_redeemed(&self, _: UnixMs) -> Result<(), Infallible> {
        Ok(())
    }
}
