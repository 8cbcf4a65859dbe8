//! A journal's desk: takes commands in, has the journal decide, stores what follows, and answers.
//!
//! Nothing is decided here; commands are read, handed on, and what the journal says is written down. What
//! is stored for one command belongs into one transaction, which the shell begins and ends. When a
//! command fails, memory may be ahead of what is stored: the shell takes back what was stored, and throws
//! the desk away.
//!
//! # Bounds
//! A page has at most [`PAGE_ENTRIES_MAX`] entries and lists at most [`OPEN_CALLS_MAX`] open calls, and
//! [`OPEN_UNNAMED_MAX`] further ones without a name.

mod whose;

use std::fmt;
use std::str::FromStr;

use crate::entry::Hash;
use crate::ids::{AccountId, Epoch, IdError, KeyId, UpstreamId};
use crate::journal::{
    Admission, Change, Decision, Effect, Entrance, IdempotencyKey, Journal, Kept, MemoName,
    OwnedName, Question, Report, Rows,
};
use crate::oauth::Redemption;
use crate::refusal::{Reason, Refusal};
use crate::time::UnixMs;

use super::command::{AdmitDoc, CommandDoc, ReplyDoc, StandingDoc};
use super::credential::SenderDoc;
use super::entry::EntryDoc;
use super::explained::ExplainedDoc;
use super::pull::{
    Changes, OPEN_CALLS_MAX, OPEN_UNNAMED_MAX, PAGE_ENTRIES_MAX, PULL_VERSION, PullReply,
    PullRequest,
};
use super::registered::RegisteredKeyDoc;
use super::{WireError, parse};

/// How often memos whose time has passed are looked for.
const FORGET_MEMOS_EVERY_MS: u64 = 60 * 60 * 1_000;

/// Where a journal is stored.
pub trait Storage {
    /// Why something was not stored or read.
    type Error: fmt::Display;

    /// Stores effects in their order.
    fn keep(&self, effects: &[Effect], now: UnixMs) -> Result<(), Self::Error>;
    /// What is known of an idempotency key.
    fn kept(&self, key: &IdempotencyKey) -> Result<Option<Kept>, Self::Error>;
    /// The entries behind `ack`, in order.
    fn page(&self, ack: u64, limit: u32) -> Result<Vec<EntryDoc>, Self::Error>;
    /// Deletes some of the calls that were posted and are old enough, oldest first. Gives the entry of the
    /// oldest mark that is left.
    fn clear_up(&self, ack: u64, now: UnixMs) -> Result<u64, Self::Error>;
    /// Deletes some of the idempotency keys whose time has passed.
    fn forget_keys(&self, now: UnixMs) -> Result<(), Self::Error>;
    /// Keeps a memo in place of the one that had its name. `None` forgets it.
    fn keep_memo(
        &self,
        name: &MemoName,
        value: Option<&str>,
        now: UnixMs,
    ) -> Result<(), Self::Error>;
    /// A memo's value, and when it was written last.
    fn memo(&self, name: &MemoName, now: UnixMs) -> Result<Option<(String, UnixMs)>, Self::Error>;
    /// Deletes some of the memos whose time has passed.
    fn forget_memos(&self, now: UnixMs) -> Result<(), Self::Error>;
    /// When a row was written last that says whose this is; `None` when there is none.
    fn owned_at(&self, name: &OwnedName, now: UnixMs) -> Result<Option<UnixMs>, Self::Error>;
    /// Keeps whose a thing is.
    fn keep_owned(&self, name: &OwnedName, now: UnixMs) -> Result<(), Self::Error>;
    /// Whether one of these rows is a finished call of the account with this chat or run.
    fn made_in(
        &self,
        rows: Rows,
        account: &AccountId,
        work: &UpstreamId,
    ) -> Result<bool, Self::Error>;
    /// Looks through some of the rows that say whose things are, from behind the one that was looked at
    /// last, and deletes those whose time has passed. Gives where it stopped; `None` at the end.
    fn forget_owned(
        &self,
        behind: Option<&str>,
        now: UnixMs,
    ) -> Result<Option<String>, Self::Error>;
    /// Keeps what the origin says of registered keys.
    fn keep_registered(&self, keys: &[RegisteredKeyDoc]) -> Result<(), Self::Error>;
    /// Every registered key.
    fn registered(&self) -> Result<Vec<RegisteredKeyDoc>, Self::Error>;
    /// Redeems a statement, unless it was redeemed before or there is no room to remember it.
    fn redeem(
        &self,
        statement: Hash,
        until: UnixMs,
        now: UnixMs,
    ) -> Result<Redemption, Self::Error>;
    /// Deletes some of the statements that are refused for their age by now.
    fn forget_redeemed(&self, now: UnixMs) -> Result<(), Self::Error>;
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Problem<E> {
    /// The store did not do its part.
    #[error("storage: {0}")]
    Storage(E),
    /// The command means nothing.
    #[error("command: {0}")]
    Command(#[from] WireError),
}

/// A journal in memory, over its store.
#[derive(Debug)]
pub struct Desk<S> {
    store: S,
    epoch: Epoch,
    journal: Journal,
    /// When memos whose time has passed were looked for last.
    forgot_memos_at: UnixMs,
    /// Up to which row things whose time has passed were looked for.
    forgot_owned_to: Option<String>,
}

impl<S: Storage> Desk<S> {
    /// The desk of a journal that was just loaded.
    pub fn new(store: S, epoch: Epoch, journal: Journal, now: UnixMs) -> Self {
        Self { store, epoch, journal, forgot_memos_at: now, forgot_owned_to: None }
    }

    /// The journal.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Ends the calls that are over, and gives up to `questions_max` questions for upstream.
    pub fn look_after(
        &mut self,
        now: UnixMs,
        questions_max: usize,
    ) -> Result<Vec<Question>, Problem<S::Error>> {
        let decision = self.journal.look_after(now, questions_max);
        self.kept(decision, now)
    }

    /// Takes in upstream's answer to a question.
    pub fn take_answer(
        &mut self,
        question: &Question,
        report: Report,
        now: UnixMs,
    ) -> Result<(), Problem<S::Error>> {
        let decision = self.journal.answer(&question.call, report, now);
        self.kept(decision, now).map(|_| ())
    }

    /// Stores what a decision needs and gives its reply.
    fn kept<T>(&self, decision: Decision<T>, now: UnixMs) -> Result<T, Problem<S::Error>> {
        self.store.keep(&decision.effects, now).map_err(Problem::Storage)?;
        for effect in &decision.effects {
            if let Effect::Finish(_, entry) = effect {
                self.own_conversation(entry, now)?;
            }
        }
        Ok(decision.reply)
    }

    /// Carries out a command and gives its answer.
    pub fn obey(
        &mut self,
        command: CommandDoc,
        now: UnixMs,
    ) -> Result<ReplyDoc, Problem<S::Error>> {
        match command {
            CommandDoc::Enter { account, key, names } => {
                let (account, key) = (id("account", &account)?, id("key", &key)?);
                self.enter(&account, &key, &names, now)
            }
            CommandDoc::Admit(doc) => self.admit(&doc, now),
            CommandDoc::GoOn { account, key, chat, names } => {
                let (account, key) = (id("account", &account)?, id("key", &key)?);
                self.go_on(&account, &key, &id("chat", &chat)?, &names, now)
            }
            CommandDoc::Sight { call, ids } => {
                self.journal.sight(&id("call", &call)?, &(&ids).try_into()?, now);
                Ok(taken())
            }
            CommandDoc::Own { account, made } => {
                let name = OwnedName::new(&id("account", &account)?, &(&made).try_into()?);
                self.store.keep_owned(&name, now).map_err(Problem::Storage)?;
                Ok(taken())
            }
            CommandDoc::Explain { account, key, call } => {
                let (account, key) = (id("account", &account)?, id("key", &key)?);
                if let Err(reason) = self.journal.enter(&account, &key) {
                    return Ok(refused(reason));
                }
                let explained = self.journal.explain(&account, &id("call", &call)?);
                Ok(explained
                    .map_or(ReplyDoc::Unknown, |known| ReplyDoc::Explained((&known).into())))
            }
            CommandDoc::Note { call, ids } => {
                let decision = self.journal.note(&id("call", &call)?, (&ids).try_into()?, now);
                self.kept(decision, now)?;
                Ok(taken())
            }
            CommandDoc::Settle { call, report, reply, stamped } => {
                let (report, reply) = ((&report).try_into()?, reply.map(Into::into));
                let call = id("call", &call)?;
                let decision = if stamped {
                    self.journal.settle_stamped(&call, report, reply, now)
                } else {
                    self.journal.settle(&call, report, reply, now)
                };
                self.kept(decision, now).map(|settled| (&settled).into())
            }
            CommandDoc::Follow { account, report } => {
                let report = (&report).try_into()?;
                let decision = self.journal.follow(&id("account", &account)?, report, now);
                self.kept(decision, now).map(|settled| (&settled).into())
            }
            CommandDoc::Stand { account, key } => {
                let (account, key) = (id("account", &account)?, id("key", &key)?);
                Ok(self.stand(&account, &key))
            }
            CommandDoc::KeepMemo { account, name, value } => {
                let name = memo_name(&id("account", &account)?, &name)?;
                self.store.keep_memo(&name, value.as_deref(), now).map_err(Problem::Storage)?;
                Ok(taken())
            }
            CommandDoc::RecallMemo { account, key, name } => {
                let (account, key) = (id("account", &account)?, id("key", &key)?);
                if let Err(reason) = self.journal.enter(&account, &key) {
                    return Ok(refused(reason));
                }
                let memo =
                    self.store.memo(&memo_name(&account, &name)?, now).map_err(Problem::Storage)?;
                Ok(memo.map_or(ReplyDoc::Unknown, |(value, kept_at)| ReplyDoc::Memo {
                    value,
                    kept_at_ms: kept_at.get(),
                }))
            }
            CommandDoc::Registered => {
                let keys = self.store.registered().map_err(Problem::Storage)?;
                Ok(ReplyDoc::Registered { keys })
            }
            CommandDoc::Redeem { account, key, statement, until_ms } => {
                let (account, key) = (id("account", &account)?, id("key", &key)?);
                match self.journal.enter(&account, &key) {
                    Ok(()) => self.redeem(&statement, UnixMs::new(until_ms), now),
                    Err(reason) => Ok(refused(reason)),
                }
            }
            CommandDoc::Pull(pull) => self.pull(pull, now),
        }
    }

    fn admit(&mut self, doc: &AdmitDoc, now: UnixMs) -> Result<ReplyDoc, Problem<S::Error>> {
        let admission: Admission = doc.try_into()?;
        if self.journal.enter(&admission.account, &admission.key).is_ok()
            && let Some(refused) = self.not_theirs(&admission.account, &doc.names, now)?
        {
            return Ok(refused);
        }
        let kept = match &admission.attempt {
            Some(attempt) => self.store.kept(&attempt.key).map_err(Problem::Storage)?,
            None => None,
        };
        let account = admission.account.clone();
        let decision = self.journal.admit(admission, kept, now);
        Ok(match self.kept(decision, now)? {
            Entrance::Admitted(admitted) => ReplyDoc::Admitted {
                hold_nanos: admitted.hold.get(),
                balance_nanos: admitted.balance.get(),
                rate: admitted.rate.map(Into::into),
                sender: (&admitted.sender).into(),
                balance_events: self
                    .journal
                    .standing(&account)
                    .is_some_and(|standing| standing.account.settings.balance_events),
                keeps_user_ids: self.keeps_user_ids(&account),
            },
            Entrance::Replayed(call, reply) => {
                ReplyDoc::Replayed { call: call.to_string(), reply: (&reply).into() }
            }
            Entrance::Used(call) => ReplyDoc::Used { call: call.to_string() },
            Entrance::Refused(refusal) => ReplyDoc::Refused(refusal.into()),
        })
    }

    fn stand(&self, account: &AccountId, key: &KeyId) -> ReplyDoc {
        match (self.journal.enter(account, key), self.journal.standing(account)) {
            (Ok(()), Some(standing)) => ReplyDoc::Standing(StandingDoc {
                credits_nanos: standing.account.credits.get(),
                spent_nanos: standing.spent.get(),
                held_nanos: standing.held.get(),
            }),
            (Err(reason), _) => refused(reason),
            (Ok(()), None) => refused(Reason::AccountUnknown),
        }
    }

    fn redeem(
        &self,
        statement: &str,
        until: UnixMs,
        now: UnixMs,
    ) -> Result<ReplyDoc, Problem<S::Error>> {
        let statement = parse("statement", statement)?;
        Ok(match self.store.redeem(statement, until, now).map_err(Problem::Storage)? {
            Redemption::Done => taken(),
            Redemption::Repeated => ReplyDoc::Redeemed,
            Redemption::Full => refused(Reason::JournalFull),
        })
    }

    fn pull(&mut self, pull: PullRequest, now: UnixMs) -> Result<ReplyDoc, Problem<S::Error>> {
        let PullRequest { v: _, epoch, ack, limit, changes, billed } = pull;
        let orders = changes.as_ref().map(|changes| changes.orders.clone()).unwrap_or_default();
        if let Some(changes) = changes {
            if changes.upto > self.journal.applied() {
                let told = self.store.keep_registered(&changes.registered_keys);
                told.map_err(Problem::Storage)?;
            }
            let decision = self.journal.apply(change(&changes)?);
            self.kept(decision, now)?;
        }
        for order in orders {
            let decision = self.journal.obey(&id("call", &order.call)?, (&order).try_into()?, now);
            self.kept(decision, now)?;
        }
        self.store.forget_keys(now).map_err(Problem::Storage)?;
        if now.since(self.forgot_memos_at) >= FORGET_MEMOS_EVERY_MS {
            self.store.forget_memos(now).map_err(Problem::Storage)?;
            self.forgot_memos_at = now;
        }
        self.store.forget_redeemed(now).map_err(Problem::Storage)?;
        // An acknowledgement of another epoch says nothing about these entries.
        if epoch.as_deref() == Some(self.epoch.as_str()) {
            let oldest = self.store.clear_up(ack, now).map_err(Problem::Storage)?;
            self.journal.forget_works(oldest);
        }
        let behind = self.forgot_owned_to.as_deref();
        self.forgot_owned_to = self.store.forget_owned(behind, now).map_err(Problem::Storage)?;
        let entries =
            self.store.page(ack, limit.min(PAGE_ENTRIES_MAX)).map_err(Problem::Storage)?;
        let billed = billed.iter().take(OPEN_UNNAMED_MAX).filter_map(|call| call.parse().ok());
        let billed: Vec<_> = billed.collect();
        let open = self.journal.open_calls(OPEN_CALLS_MAX, &billed, OPEN_UNNAMED_MAX);
        let open = open.iter().filter_map(|call| match ExplainedDoc::from(call) {
            ExplainedDoc::Open(open) => Some(*open),
            ExplainedDoc::Finished { .. } | ExplainedDoc::Refused { .. } => None,
        });
        let open = open.collect();
        let mut holds = self.journal.holds();
        let open_holds = holds.len() as u64;
        let oldest_hold_at_ms = holds.next().map(|hold| hold.admitted_at.get());
        Ok(ReplyDoc::Page(PullReply {
            v: PULL_VERSION,
            journal: String::new(),
            epoch: self.epoch.to_string(),
            applied: self.journal.applied(),
            entries,
            head: self.journal.tail().into(),
            open_holds,
            open,
            oldest_hold_at_ms,
        }))
    }
}

/// The answer to what is only taken in.
fn taken() -> ReplyDoc {
    ReplyDoc::Ok { sender: SenderDoc::default(), keeps_user_ids: false }
}

fn refused(reason: Reason) -> ReplyDoc {
    ReplyDoc::Refused(Refusal::from(reason).into())
}

fn memo_name(account: &AccountId, name: &str) -> Result<MemoName, WireError> {
    let problem = || "is no name of a memo".to_owned();
    MemoName::new(account, name).ok_or_else(|| WireError { field: "name", problem: problem() })
}

fn id<T: FromStr<Err = IdError>>(field: &'static str, text: &str) -> Result<T, WireError> {
    text.parse().map_err(|error: IdError| WireError::new(field, error))
}

fn change(changes: &Changes) -> Result<Change, WireError> {
    let Changes { upto, accounts, revoked_keys, book, next_book, registered_keys: _, orders: _ } =
        changes;
    Ok(Change {
        upto: *upto,
        accounts: accounts.iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
        revoked_keys: revoked_keys
            .iter()
            .map(|key| id("revoked_keys", key))
            .collect::<Result<_, _>>()?,
        book: book.as_ref().map(TryInto::try_into).transpose()?,
        next_book: next_book.as_ref().map(TryInto::try_into).transpose()?,
    })
}
