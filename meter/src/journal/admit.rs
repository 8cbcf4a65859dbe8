//! Letting calls in.

use crate::ids::{AccountId, CallId, KeyId};
use crate::money::Nanos;
use crate::refusal::Reason;
use crate::request::Asked;
use crate::time::UnixMs;
use crate::usage::WorkIds;

use super::{Decision, Effect, HOLDS_MAX, Hold, Journal, Open};

/// A call that asks to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// Its id, drawn by the edge.
    pub call: CallId,
    /// Who is to pay.
    pub account: AccountId,
    /// The key that was used.
    pub key: KeyId,
    /// What is called.
    pub asked: Asked,
}

/// A call that was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    /// What is set aside for it.
    pub hold: Nanos,
    /// The account's balance, without regard to holds.
    pub balance: Nanos,
}

impl Journal {
    /// Whether this key may be used at all: for calls that are not metered.
    pub fn enter(&self, account: &AccountId, key: &KeyId) -> Result<(), Reason> {
        let standing = self.standings.get(account).ok_or(Reason::AccountUnknown)?;
        if self.revoked.contains(key) {
            return Err(Reason::KeyRevoked);
        }
        match standing.check(Nanos::ZERO) {
            // Looking at earlier work costs nothing and needs no money.
            Err(Reason::BalanceExhausted) => Ok(()),
            checked => checked,
        }
    }

    /// Lets a call in and holds what it may cost, or says why not.
    pub fn admit(&mut self, asks: Admission, now: UnixMs) -> Decision<Result<Admitted, Reason>> {
        if let Some(open) = self.by_call.get(&asks.call).and_then(|no| self.open.get(no)) {
            let hold = open.hold.amount;
            let balance = self.balance(&asks.account);
            return Decision::unchanged(Ok(Admitted { hold, balance }));
        }
        match self.hold_for(asks, now) {
            Err(reason) => Decision::unchanged(Err(reason)),
            Ok(hold) => {
                let reply = Admitted { hold: hold.amount, balance: self.balance(&hold.account) };
                let effects = vec![Effect::InsertHold(hold.clone())];
                self.open_hold(hold, now);
                Decision { reply: Ok(reply), effects }
            }
        }
    }

    /// The hold for a call, when nothing speaks against it. Changes nothing.
    fn hold_for(&self, asks: Admission, now: UnixMs) -> Result<Hold, Reason> {
        let Admission { call, account, key, asked } = asks;
        self.enter(&account, &key)?;
        if self.recent.get(&call).is_some() {
            // A finished call cannot begin again; the edge draws a new id for every request.
            return Err(Reason::Internal);
        }
        if self.open.len() >= HOLDS_MAX {
            return Err(Reason::JournalFull);
        }
        let standing = self.standings.get(&account).ok_or(Reason::AccountUnknown)?;
        let group = standing.account.group.clone();
        let terms = self.book.terms(&account, &group, &asked).map_err(|_| Reason::Unpriced)?;
        let amount = terms.hold().map_err(|_| Reason::BalanceExhausted)?;
        standing.check(amount)?;
        Ok(Hold {
            call_no: self.next_call_no,
            call,
            account,
            key,
            asked,
            group,
            terms,
            amount,
            admitted_at: now,
            status: None,
            ids: WorkIds::default(),
        })
    }

    /// Takes a hold into memory.
    pub(super) fn open_hold(&mut self, hold: Hold, seen_at: UnixMs) {
        self.next_call_no = self.next_call_no.max(hold.call_no.saturating_add(1));
        if let Some(standing) = self.standings.get_mut(&hold.account) {
            standing.held = standing.held.saturating_plus(hold.amount);
        }
        self.by_call.insert(hold.call.clone(), hold.call_no);
        self.index_work(hold.call_no, &hold.ids);
        self.open.insert(hold.call_no, Open { hold, seen_at, asked: 0, ask_at: None });
    }

    /// Makes a call findable by its work. The first call that names a piece of work keeps it.
    pub(super) fn index_work(&mut self, call_no: super::CallNo, ids: &WorkIds) {
        for id in [&ids.chat, &ids.execution].into_iter().flatten() {
            self.by_work.entry(id.clone()).or_insert(call_no);
        }
    }
}
