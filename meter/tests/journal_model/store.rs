//! A store as plain as can be: what effects said, and nothing else.

use std::collections::BTreeMap;

use meter::account::Account;
use meter::entry::Entry;
use meter::ids::{AccountId, KeyId};
use meter::journal::{
    CallNo, Effect, Hold, IdempotencyKey, Kept, MARK_EVERY, Mark, RECENT_MAX, Spent, Stored,
};
use meter::price::PriceBook;
use meter::price::plan::Dated;

enum Row {
    Held(Hold),
    Finished(Entry),
}

#[derive(Default)]
pub(crate) struct Store {
    rows: BTreeMap<CallNo, Row>,
    marks: Vec<Mark>,
    accounts: BTreeMap<AccountId, (Account, Spent)>,
    revoked: Vec<KeyId>,
    book: Option<PriceBook>,
    next_book: Option<Dated>,
    applied: u64,
    keys: BTreeMap<IdempotencyKey, Kept>,
}

impl Store {
    pub(crate) fn keep(&mut self, effects: &[Effect]) {
        for effect in effects {
            self.keep_one(effect.clone());
        }
    }

    fn keep_one(&mut self, effect: Effect) {
        match effect {
            Effect::InsertHold(hold) => {
                let before = self.rows.insert(hold.call_no, Row::Held(hold));
                assert!(before.is_none(), "a new hold took a row that was in use");
            }
            Effect::UpdateHold(hold) => self.overwrite(hold.call_no, Row::Held(hold)),
            Effect::Finish(call_no, entry) => self.overwrite(call_no, Row::Finished(entry)),
            Effect::Mark(mark, spent, _) => {
                self.marks.push(mark);
                for (account, spent) in spent {
                    self.accounts.get_mut(&account).expect("a charged account is stored").1 = spent;
                }
            }
            Effect::SaveKey(kept) => {
                self.keys.insert(kept.key.clone(), kept);
            }
            Effect::SaveReply(key, reply) => {
                self.keys.get_mut(&key).expect("a key is stored before its reply").reply =
                    Some(reply);
            }
            Effect::SaveAccount(account) => {
                let known = self.accounts.remove(&account.id);
                let spent = known.map_or_else(Spent::default, |known| known.1);
                self.accounts.insert(account.id.clone(), (account, spent));
            }
            Effect::SaveRevoked(key) => self.revoked.push(key),
            Effect::SaveBook(book) => self.book = Some(book),
            Effect::SaveNextBook(next) => self.next_book = next,
            Effect::SaveApplied(applied) => self.applied = applied,
        }
    }

    fn overwrite(&mut self, call_no: CallNo, row: Row) {
        let before = self.rows.insert(call_no, row);
        assert!(
            matches!(before, Some(Row::Held(_))),
            "row {call_no} was not that of a running call"
        );
    }

    /// What a journal is rebuilt from: of what the last mark sums up, only the last entries.
    pub(crate) fn stored(&self) -> (Stored, CallNo) {
        let mark = self.mark();
        let mut holds = Vec::new();
        let (mut earlier, mut entries) = (Vec::new(), Vec::new());
        let low = mark.low.saturating_sub(RECENT_MAX as u64);
        for row in self.rows.range(low..).map(|(_, row)| row) {
            match row {
                Row::Held(hold) => holds.push(hold.clone()),
                Row::Finished(entry) if entry.tail.seq > mark.tail.seq => {
                    entries.push(entry.clone());
                }
                Row::Finished(entry) => earlier.push(entry.clone()),
            }
        }
        earlier.sort_by_key(|entry: &Entry| entry.tail.seq);
        entries.sort_by_key(|entry| entry.tail.seq);
        let stored = Stored {
            mark,
            accounts: self.accounts.values().cloned().collect(),
            revoked: self.revoked.clone(),
            book: self.book.clone(),
            next_book: self.next_book.clone(),
            applied: self.applied,
            holds,
            earlier,
            entries,
            closed: Vec::new(),
        };
        let next = self.rows.last_key_value().map_or(1, |(call_no, _)| call_no + 1);
        (stored, next)
    }

    fn mark(&self) -> Mark {
        self.marks.last().copied().unwrap_or(Mark::START)
    }

    /// What is stored under an idempotency key.
    pub(crate) fn kept(&self, key: &IdempotencyKey) -> Option<Kept> {
        self.keys.get(key).cloned()
    }

    /// Every entry there is, by number.
    pub(crate) fn entries(&self) -> Vec<&Entry> {
        let mut entries: Vec<&Entry> = self
            .rows
            .values()
            .filter_map(|row| match row {
                Row::Held(_) => None,
                Row::Finished(entry) => Some(entry),
            })
            .collect();
        entries.sort_by_key(|entry| entry.tail.seq);
        entries
    }

    /// What marks promise: they are [`MARK_EVERY`] entries apart; every entry behind one is in a row at
    /// or above its low, every other one in a row below its high.
    pub(crate) fn check(&self) {
        for (number, mark) in (1..).zip(&self.marks) {
            assert_eq!(mark.tail.seq, number * MARK_EVERY);
        }
        for (call_no, row) in &self.rows {
            let Row::Finished(entry) = row else { continue };
            for mark in &self.marks {
                let is_behind = entry.tail.seq > mark.tail.seq;
                let is_in_place =
                    if is_behind { *call_no >= mark.low } else { *call_no < mark.high };
                assert!(is_in_place, "entry {} in row {call_no}, {mark:?}", entry.tail.seq);
            }
        }
    }
}
