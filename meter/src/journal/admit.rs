//! Letting calls in.

use crate::account::Limits;
use crate::credential::Sender;
use crate::ids::{AccountId, CallId, KeyId, SessionId, UpstreamId};
use crate::money::Nanos;
use crate::rate::Rate;
use crate::refusal::{Reason, Refusal};
use crate::request::Asked;
use crate::time::UnixMs;
use crate::usage::WorkIds;

use super::idempotency::{Attempt, IDEMPOTENCY_KEEP_MS, Kept, KeptReply};
use super::tally::{Clock, Limited};
use super::{ASK_PAUSE_MIN_MS, CallNo, Decision, Effect, HOLDS_MAX, Hold, Journal, Open};

/// A call that asks to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// Its id, drawn by the edge.
    pub call: CallId,
    /// Who is to pay.
    pub account: AccountId,
    /// The key that was used.
    pub key: KeyId,
    /// How much the key may do, as it says itself.
    pub limits: Limits,
    /// What is called.
    pub asked: Asked,
    /// The caller's idempotency key, when it sent one.
    pub attempt: Option<Attempt>,
    /// Which of its sessions the caller speaks for, when it told them apart.
    pub session: Option<SessionId>,
}

/// A call that was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// What is set aside for it.
    pub hold: Nanos,
    /// The account's balance, without regard to holds.
    pub balance: Nanos,
    /// How the caller stands with its calls a minute, where those are limited.
    pub rate: Option<Rate>,
    /// As whom it goes upstream.
    pub sender: Sender,
}

/// What becomes of a call that asks to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entrance {
    /// It is held and may go upstream.
    Admitted(Admitted),
    /// It was done before, and this is what came of it.
    Replayed(CallId, KeptReply),
    /// It was begun before under this id, and there is nothing to replay.
    Used(CallId),
    /// It may not.
    Refused(Refusal),
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

    /// As whom an account's calls go upstream.
    pub fn sender(&self, account: &AccountId, session: Option<SessionId>) -> Sender {
        let settings = self.standings.get(account).map(|standing| &standing.account.settings);
        Sender { credential: settings.and_then(|settings| settings.credential.clone()), session }
    }

    /// Lets a call in and holds what it may cost, or says why not.
    ///
    /// `kept` is what storage knows of the call's idempotency key.
    pub fn admit(
        &mut self,
        asks: Admission,
        kept: Option<Kept>,
        now: UnixMs,
    ) -> Decision<Entrance> {
        if let Some(open) = self.by_call.get(&asks.call).and_then(|no| self.open.get(no)) {
            // The same command again, its first answer lost.
            let (hold, balance) = (open.hold.amount, self.balance(&asks.account));
            let (rate, sender) = (self.rate(&asks, now), open.hold.sender.clone());
            let admitted = Admitted { hold, balance, rate, sender };
            return Decision::unchanged(Entrance::Admitted(admitted));
        }
        match self.hold_or_replay(&asks, kept, now) {
            Err(Entrance::Refused(refusal)) => {
                self.refused.remember(asks.call, asks.account, refusal.reason, now);
                Decision::unchanged(Entrance::Refused(refusal))
            }
            Err(entrance) => Decision::unchanged(entrance),
            Ok((hold, key)) => {
                let (amount, balance) = (hold.amount, self.balance(&asks.account));
                let sender = hold.sender.clone();
                let mut effects = vec![Effect::InsertHold(hold.clone())];
                effects.extend(key.map(Effect::SaveKey));
                self.open_hold(hold);
                if asks.limits.daily_budget.is_some() {
                    self.tallies.note_budget(&asks.account, &asks.key);
                }
                let rate = self.rate(&asks, now);
                let admitted = Admitted { hold: amount, balance, rate, sender };
                Decision { reply: Entrance::Admitted(admitted), effects }
            }
        }
    }

    /// The hold for a call, when nothing speaks against it. Changes nothing.
    fn hold_or_replay(
        &self,
        asks: &Admission,
        kept: Option<Kept>,
        now: UnixMs,
    ) -> Result<(Hold, Option<Kept>), Entrance> {
        let refused = |reason: Reason| Entrance::Refused(reason.into());
        self.enter(&asks.account, &asks.key).map_err(refused)?;
        let kept = kept.filter(|kept| now.since(kept.used_at) < IDEMPOTENCY_KEEP_MS);
        if let (Some(attempt), Some(kept)) = (&asks.attempt, kept) {
            return Err(match kept {
                Kept { request, .. } if request != attempt.request => {
                    refused(Reason::IdempotencyConflict)
                }
                Kept { call, reply: Some(reply), .. } => Entrance::Replayed(call, reply),
                Kept { call, .. } => Entrance::Used(call),
            });
        }
        self.hold_for(asks, now).map_err(Entrance::Refused)
    }

    fn hold_for(&self, asks: &Admission, now: UnixMs) -> Result<(Hold, Option<Kept>), Refusal> {
        let Admission { call, account, key, limits, asked, attempt, session } = asks.clone();
        if self.recent.get(&call).is_some() {
            // A finished call cannot begin again; the edge draws a new id for every request.
            return Err(Reason::Internal.into());
        }
        if self.open.len() >= HOLDS_MAX {
            return Err(Reason::JournalFull.into());
        }
        let standing = self.standings.get(&account).ok_or(Reason::AccountUnknown)?;
        let group = standing.account.group.clone();
        let book = self.book_at(now);
        let terms = book.terms(&account, &group, &asked).map_err(|_| Reason::Unpriced)?;
        let amount = terms.hold(asked.units).map_err(|_| Reason::BalanceExhausted)?;
        standing.check(amount)?;
        let clock = Clock::at(now, standing.account.settings.day_offset_minutes);
        self.tallies.check(Limited::of(standing, &key, limits), amount, clock)?;
        // What cannot be counted cannot be set aside.
        standing.held.plus(amount).map_err(|_| Reason::BalanceExhausted)?;
        let sender = self.sender(&account, session);
        let execution = asked.resumed_execution();
        let billed =
            execution.as_ref().and_then(|run| self.recent.billed_from_the_beginning(&account, run));
        let idempotency = attempt.as_ref().map(|attempt| attempt.key.clone());
        let kept = attempt.map(|Attempt { key, request }| Kept {
            key,
            request,
            call: call.clone(),
            used_at: now,
            reply: None,
        });
        let hold = Hold {
            call_no: self.next_call_no,
            call,
            account,
            key,
            asked,
            group,
            terms,
            amount,
            admitted_at: now,
            seen_at: now,
            status: None,
            ids: WorkIds { execution, ..WorkIds::default() },
            used: None,
            billed,
            is_billed_whole: false,
            idempotency,
            sender,
        };
        Ok((hold, kept))
    }

    /// Lets a chat that waits for its tools go on, under the call it has.
    pub fn go_on(
        &mut self,
        account: &AccountId,
        key: &KeyId,
        chat: &UpstreamId,
        now: UnixMs,
    ) -> Result<(CallId, Sender), Reason> {
        self.enter(account, key)?;
        let call_no = self.call_of(account, chat).ok_or(Reason::WorkUnknown)?;
        let open = self.open.get_mut(&call_no).ok_or(Reason::WorkUnknown)?;
        open.seen_at = now;
        open.ask_at = None;
        Ok((open.hold.call.clone(), open.hold.sender.clone()))
    }

    /// Takes a hold into memory.
    pub(super) fn open_hold(&mut self, hold: Hold) {
        self.next_call_no = self.next_call_no.max(hold.call_no.saturating_add(1));
        if let Some(standing) = self.standings.get_mut(&hold.account) {
            standing.held = standing.held.saturating_plus(hold.amount);
        }
        self.tallies.open(&hold);
        self.by_call.insert(hold.call.clone(), hold.call_no);
        self.index_work(hold.call_no, &hold.ids);
        let open = Open {
            seen_at: hold.seen_at,
            hold,
            asked: 0,
            pause_ms: ASK_PAUSE_MIN_MS,
            ask_at: None,
            sighted: WorkIds::default(),
        };
        self.open.insert(open.hold.call_no, open);
    }

    /// The account's oldest open call that has this work.
    pub(super) fn call_of(&self, account: &AccountId, work: &UpstreamId) -> Option<CallNo> {
        let calls = self.by_work.get(work)?.iter().copied();
        let mut ours = calls.filter(|call_no| {
            self.open.get(call_no).is_some_and(|open| open.hold.account == *account)
        });
        ours.next()
    }

    /// Makes a call findable by its work, which it may share with other legs of the same run.
    pub(super) fn index_work(&mut self, call_no: CallNo, ids: &WorkIds) {
        for id in [&ids.chat, &ids.execution].into_iter().flatten() {
            self.by_work.entry(id.clone()).or_default().insert(call_no);
        }
    }
}
