//! Who is let in.

use meter::account::{Overdraft, Status};
use meter::credential::Sender;
use meter::ids::{AccountId, CallId, KeyId, UpstreamId};
use meter::journal::{Admission, Admitted, Entrance, IDEMPOTENCY_KEEP_MS, Kept, QUIET_MAX_MS};
use meter::money::Nanos;
use meter::outcome::Source;
use meter::refusal::Reason;
use meter::time::UnixMs;
use meter::usage::{Usage, WorkIds};

use super::{Call, Opinion};

impl Opinion {
    pub(crate) fn enter(&self, account: &AccountId, key: &KeyId) -> Result<(), Reason> {
        let account = self.accounts.get(account).ok_or(Reason::AccountUnknown)?;
        if self.revoked.contains(key) {
            return Err(Reason::KeyRevoked);
        }
        match account.status {
            Status::Active => Ok(()),
            Status::Suspended => Err(Reason::AccountSuspended),
        }
    }

    pub(super) fn admit(&mut self, asks: &Admission, now: UnixMs) -> Entrance {
        let balance = self.balance(&asks.account);
        if let Some(open) = self.calls.get(&asks.call).filter(|call| call.ended.is_none()) {
            return Entrance::Admitted(Admitted {
                hold: open.hold,
                balance,
                rate: self.rate(asks, now),
                sender: open.sender.clone(),
            });
        }
        if let Err(reason) = self.enter(&asks.account, &asks.key) {
            return Entrance::Refused(reason.into());
        }
        if let Some(attempt) = &asks.attempt {
            let kept = self.keys.get(&attempt.key);
            match kept.filter(|kept| now.since(kept.used_at) < IDEMPOTENCY_KEEP_MS).cloned() {
                None => {}
                Some(kept) if kept.request != attempt.request => {
                    return Entrance::Refused(Reason::IdempotencyConflict.into());
                }
                Some(Kept { call, reply: Some(reply), .. }) => {
                    return Entrance::Replayed(call, reply);
                }
                Some(Kept { call, .. }) => return Entrance::Used(call),
            }
        }
        if self.calls.contains_key(&asks.call) {
            return Entrance::Refused(Reason::Internal.into());
        }
        match self.hold(asks, now) {
            Ok((hold, sender)) => {
                let rate = self.rate(asks, now);
                Entrance::Admitted(Admitted { hold, balance, rate, sender })
            }
            Err(reason) => Entrance::Refused(reason.into()),
        }
    }

    fn hold(&mut self, asks: &Admission, now: UnixMs) -> Result<(Nanos, Sender), Reason> {
        let Admission { call, account, key, limits: _, asked, attempt, session } = asks.clone();
        let known = &self.accounts[&account];
        let (_, book) = self.books.iter().rfind(|(from, _)| *from <= now).unwrap();
        let terms = book.terms(&account, &known.group, &asked).map_err(|_| Reason::Unpriced)?;
        let sender = Sender { credential: known.settings.credential.clone(), session };
        let hold = terms.hold(asked.units).unwrap();
        if let Overdraft::Limit(limit) = known.overdraft {
            let needed = self.spent(&account) + self.held(&account) + i128::from(hold.get());
            if needed > i128::from(known.credits.get()) + i128::from(limit.get()) {
                return Err(Reason::BalanceExhausted);
            }
        }
        self.check_limits(asks, hold, now)?;
        let execution = asked.resumed_execution();
        let billed = execution.as_ref().and_then(|execution| {
            let mut charged = self.charged_for(execution);
            let is_known = charged.any(|call| call.asked.resumes.is_none());
            is_known.then(|| self.billed(execution).unwrap_or_default())
        });
        let admitted = Call {
            account,
            number: self.calls.len(),
            made_with: key,
            began_is_known: true,
            asked,
            terms,
            hold,
            ids: WorkIds { execution, ..WorkIds::default() },
            key: attempt.as_ref().map(|attempt| attempt.key.clone()),
            used: None,
            billed,
            is_billed_whole: false,
            admitted_at: now,
            seen_at: now,
            stored_at: now,
            is_left_alone: false,
            ask_by: now.plus_ms(QUIET_MAX_MS),
            ended: None,
            ended_at: now,
            settled_usage: None,
            is_unknown: false,
            settled_by: None,
            sender: sender.clone(),
        };
        self.calls.insert(call.clone(), admitted);
        if let Some(attempt) = attempt {
            let (key, request) = (attempt.key, attempt.request);
            let kept = Kept { key: key.clone(), request, call, used_at: now, reply: None };
            self.keys.insert(key, kept);
        }
        Ok((hold, sender))
    }

    pub(super) fn billed(&self, execution: &UpstreamId) -> Option<Usage> {
        let usages = self.charged_for(execution).filter_map(|call| call.settled_usage);
        usages.reduce(Usage::plus)
    }

    /// Whether a resume of this execution was charged by what upstream said when the run was over: that
    /// is every leg of it.
    pub(super) fn is_billed_whole(&self, execution: &UpstreamId) -> bool {
        let is_of_all_legs = |call: &Call| {
            call.asked.resumes.is_some() && call.settled_by == Some(Source::Retrieved)
        };
        self.charged_for(execution).any(is_of_all_legs)
    }

    pub(super) fn go_on(
        &mut self,
        account: &AccountId,
        key: &KeyId,
        chat: &UpstreamId,
        now: UnixMs,
    ) -> Result<(CallId, Sender), Reason> {
        self.enter(account, key)?;
        let is_meant =
            |call: &Call| call.ids.chat.as_ref() == Some(chat) && call.account == *account;
        let found = self.open().find(|(_, call)| is_meant(call)).map(|(id, _)| id.clone());
        let id = found.ok_or(Reason::WorkUnknown)?;
        let call = self.calls.get_mut(&id).unwrap();
        call.seen_at = now;
        call.is_left_alone = false;
        call.ask_by = now.plus_ms(QUIET_MAX_MS);
        Ok((id, call.sender.clone()))
    }
}
