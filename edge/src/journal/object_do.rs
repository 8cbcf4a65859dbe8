//! The Durable Object: loads, has `meter` decide, stores, answers.
//!
//! # Invariants
//! - Between loading and storing there is no await, so that no other command comes in between.
//! - What was decided is stored before it is answered; when storing fails, memory is thrown away and the
//!   next command rebuilds it from what is stored.
//! - While calls are open, an alarm is set for when the first of them has to be looked after.

#![expect(missing_docs, reason = "`durable_object` adds methods for the platform to call")]

use std::cell::{Cell, RefCell};

use futures_util::future::join_all;
use meter::ids::AccountId;
use meter::journal::{
    Admission, Change, Decision, Entrance, Journal as State, MemoName, Question, Report,
};
use meter::refusal::{Reason, Refusal};
use meter::time::UnixMs;
use meter::wire::WireError;
use meter::wire::command::{CommandDoc, ReplyDoc, StandingDoc};
use meter::wire::credential::SenderDoc;
use meter::wire::explained::ExplainedDoc;
use meter::wire::pull::{
    Changes, OPEN_CALLS_MAX, OPEN_UNNAMED_MAX, PAGE_ENTRIES_MAX, PULL_VERSION, PullReply,
    PullRequest,
};
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::js_sys::{Date, Object};
use worker::{DurableObject, Env, Request, Response, SqlStorage, durable_object};

use super::sql::SqlError;
use super::store::Store;
use crate::config::Config;
use crate::{call, log, platform};

/// Most questions to upstream in one run of the alarm.
const QUESTIONS_MAX: usize = 32;
/// How often memos whose time has passed are looked for.
const FORGET_MEMOS_EVERY_MS: u64 = 60 * 60 * 1_000;

/// One journal.
#[durable_object(alarm)]
pub struct Journal {
    state: worker::State,
    env: Env,
    memory: RefCell<Option<Memory>>,
    /// When the alarm is set for, as far as this instance knows.
    alarm_at: Cell<Option<UnixMs>>,
}

struct Memory {
    store: Store<SqlStorage>,
    epoch: String,
    journal: State,
    /// When memos whose time has passed were looked for last.
    forgot_memos_at: UnixMs,
}

impl DurableObject for Journal {
    fn new(state: worker::State, env: Env) -> Self {
        Self { state, env, memory: RefCell::new(None), alarm_at: Cell::new(None) }
    }

    async fn fetch(&self, _: Request) -> worker::Result<Response> {
        Response::error("a journal is spoken to by command", 405)
    }

    async fn alarm(&self) -> worker::Result<Response> {
        self.alarm_at.set(None);
        let looked = self.with(|memory, now| {
            let decision = memory.journal.look_after(now, QUESTIONS_MAX);
            memory.kept(decision, now)
        });
        let questions = looked.map_err(worker::Error::from)?;
        let config = Config::of(&self.env)?;
        let asked = questions.iter().map(|question| call::ask(&self.env, &config, question));
        let answers = join_all(asked).await;
        for (question, report) in questions.iter().zip(answers) {
            self.take_answer(question, report).map_err(worker::Error::from)?;
        }
        self.set_alarm()?;
        Response::empty()
    }
}

#[wasm_bindgen]
impl Journal {
    /// Does what a [`CommandDoc`] says and gives a [`ReplyDoc`], both as JSON.
    ///
    /// What it stores is one transaction, which an error takes back. Memory is then thrown away with
    /// it, at whatever point the command failed: it may be ahead of what is stored.
    pub fn command(&self, json: &str) -> Result<String, JsError> {
        let command: CommandDoc = serde_json::from_str(json)?;
        let answer = self.carry_out(command);
        if answer.is_err() {
            self.forget();
        }
        answer
    }
}

impl Journal {
    fn carry_out(&self, command: CommandDoc) -> Result<String, JsError> {
        let is_note = matches!(command, CommandDoc::Note { .. });
        let is_new = self.memory.borrow().is_none();
        let reply = self
            .with(|memory, now| memory.obey(command, now))
            .map_err(|problem| JsError::new(&problem.to_string()))?;
        // A new call has to be looked after later than all the others, so that for it any alarm will
        // do; a call that is asked about, or that can be from now on, is due sooner.
        let is_due_sooner = match reply {
            ReplyDoc::Admitted { .. } => is_new || self.alarm_at.get().is_none(),
            ReplyDoc::Open => true,
            // What was left open by an earlier instance is looked after at once.
            _ => is_note || is_new,
        };
        if is_due_sooner {
            self.set_alarm().map_err(|error| JsError::new(&error.to_string()))?;
        }
        Ok(serde_json::to_string(&reply)?)
    }

    /// Forgets everything, so that the next command begins with what is stored.
    fn forget(&self) {
        self.memory.replace(None);
        self.alarm_at.set(None);
    }
}

/// Why a command was not carried out. Nothing of it was stored.
#[derive(Debug)]
enum Problem {
    Storage(SqlError),
    Command(WireError),
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Storage(error) => write!(f, "storage: {error}"),
            Self::Command(error) => write!(f, "command: {error}"),
        }
    }
}

impl From<SqlError> for Problem {
    fn from(error: SqlError) -> Self {
        Self::Storage(error)
    }
}

impl From<WireError> for Problem {
    fn from(error: WireError) -> Self {
        Self::Command(error)
    }
}

impl From<Problem> for worker::Error {
    fn from(problem: Problem) -> Self {
        Self::RustError(problem.to_string())
    }
}

impl Journal {
    /// Runs something on the journal's memory, loading it first where needed.
    fn with<T>(
        &self,
        run: impl FnOnce(&mut Memory, UnixMs) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let now = platform::now();
        let mut memory = self.memory.borrow_mut();
        let loaded = match memory.take() {
            Some(loaded) => Ok(loaded),
            None => self.load(now),
        };
        let mut loaded = loaded?;
        let done = run(&mut loaded, now);
        match &done {
            Ok(_) => *memory = Some(loaded),
            // Memory may be ahead of storage now, so it is not kept.
            Err(problem) => log::error("command_failed", None, &problem.to_string()),
        }
        done
    }

    fn load(&self, now: UnixMs) -> Result<Memory, Problem> {
        let sql = self.state.storage().sql();
        let (store, epoch) = Store::open(sql, platform::new_name)?;
        let (stored, next_call_no) = store.load()?;
        let journal = State::load(stored, next_call_no, now);
        Ok(Memory { store, epoch: epoch.to_string(), journal, forgot_memos_at: now })
    }

    fn take_answer(&self, question: &Question, report: Report) -> Result<(), Problem> {
        self.with(|memory, now| {
            let decision = memory.journal.answer(&question.call, report, now);
            memory.kept(decision, now).map(|_| ())
        })
    }

    /// Sets the alarm for when something has to be done, unless it is set sooner already.
    fn set_alarm(&self) -> worker::Result<()> {
        let memory = self.memory.borrow();
        let wake_at = memory.as_ref().and_then(|memory| memory.journal.wake_at());
        let Some(wake_at) = wake_at else { return Ok(()) };
        if self.alarm_at.get().is_some_and(|set| set <= wake_at) {
            return Ok(());
        }
        let at = Date::from(worker::Date::new(worker::DateInit::Millis(wake_at.get())));
        // Not awaited: the platform's output gate holds the answer back until it is stored.
        let _ = self.state.storage().as_raw().set_alarm(at, Object::new())?;
        self.alarm_at.set(Some(wake_at));
        Ok(())
    }
}

impl Memory {
    /// Stores what a decision needs and gives its reply.
    fn kept<T>(&self, decision: Decision<T>, now: UnixMs) -> Result<T, Problem> {
        self.store.keep(&decision.effects, now)?;
        Ok(decision.reply)
    }

    fn obey(&mut self, command: CommandDoc, now: UnixMs) -> Result<ReplyDoc, Problem> {
        match command {
            CommandDoc::Enter { account, key } => {
                let (account, key) = (id("account", &account)?, id("key", &key)?);
                Ok(self.journal.enter(&account, &key).map_or_else(refused, |()| {
                    let sender = self.journal.sender(&account, None);
                    ReplyDoc::Ok { sender: (&sender).into() }
                }))
            }
            CommandDoc::Admit(doc) => {
                let admission: Admission = (&doc).try_into()?;
                let kept = match &admission.attempt {
                    Some(attempt) => self.store.kept(&attempt.key)?,
                    None => None,
                };
                let decision = self.journal.admit(admission, kept, now);
                Ok(match self.kept(decision, now)? {
                    Entrance::Admitted(admitted) => ReplyDoc::Admitted {
                        hold_nanos: admitted.hold.get(),
                        balance_nanos: admitted.balance.get(),
                        rate: admitted.rate.map(Into::into),
                        sender: (&admitted.sender).into(),
                    },
                    Entrance::Replayed(call, reply) => {
                        ReplyDoc::Replayed { call: call.to_string(), reply: (&reply).into() }
                    }
                    Entrance::Used(call) => ReplyDoc::Used { call: call.to_string() },
                    Entrance::Refused(refusal) => ReplyDoc::Refused(refusal.into()),
                })
            }
            CommandDoc::GoOn { account, key, chat } => {
                let (account, key) = (id("account", &account)?, id("key", &key)?);
                let gone_on = self.journal.go_on(&account, &key, &id("chat", &chat)?, now);
                Ok(gone_on.map_or_else(refused, |(call, sender)| ReplyDoc::GoesOn {
                    call: call.to_string(),
                    sender: (&sender).into(),
                }))
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
                Ok(ReplyDoc::Ok { sender: SenderDoc::default() })
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
                Ok(match (self.journal.enter(&account, &key), self.journal.standing(&account)) {
                    (Ok(()), Some(standing)) => ReplyDoc::Standing(StandingDoc {
                        credits_nanos: standing.account.credits.get(),
                        spent_nanos: standing.spent.get(),
                        held_nanos: standing.held.get(),
                    }),
                    (Err(reason), _) => refused(reason),
                    (Ok(()), None) => refused(Reason::AccountUnknown),
                })
            }
            CommandDoc::KeepMemo { account, name, value } => {
                let name = memo_name(&id("account", &account)?, &name)?;
                self.store.keep_memo(&name, value.as_deref(), now)?;
                Ok(ReplyDoc::Ok { sender: SenderDoc::default() })
            }
            CommandDoc::RecallMemo { account, key, name } => {
                let (account, key) = (id("account", &account)?, id("key", &key)?);
                if let Err(reason) = self.journal.enter(&account, &key) {
                    return Ok(refused(reason));
                }
                let memo = self.store.memo(&memo_name(&account, &name)?, now)?;
                Ok(memo.map_or(ReplyDoc::Unknown, |(value, kept_at)| ReplyDoc::Memo {
                    value,
                    kept_at_ms: kept_at.get(),
                }))
            }
            CommandDoc::Pull(pull) => self.pull(pull, now),
        }
    }

    fn pull(&mut self, pull: PullRequest, now: UnixMs) -> Result<ReplyDoc, Problem> {
        let PullRequest { v: _, epoch, ack, limit, changes } = pull;
        let orders = changes.as_ref().map(|changes| changes.orders.clone()).unwrap_or_default();
        if let Some(changes) = changes {
            let decision = self.journal.apply(change(&changes)?);
            self.kept(decision, now)?;
        }
        for order in orders {
            let decision = self.journal.obey(&id("call", &order.call)?, (&order).try_into()?, now);
            self.kept(decision, now)?;
        }
        self.store.forget_keys(now)?;
        if now.since(self.forgot_memos_at) >= FORGET_MEMOS_EVERY_MS {
            self.store.forget_memos(now)?;
            self.forgot_memos_at = now;
        }
        // An acknowledgement of another epoch says nothing about these entries.
        if epoch.as_deref() == Some(self.epoch.as_str()) {
            self.store.clear_up(ack, now)?;
        }
        let entries = self.store.page(ack, limit.min(PAGE_ENTRIES_MAX))?;
        let open = self.journal.open_calls(OPEN_CALLS_MAX, OPEN_UNNAMED_MAX);
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
            epoch: self.epoch.clone(),
            applied: self.journal.applied(),
            entries,
            head: self.journal.tail().into(),
            open_holds,
            open,
            oldest_hold_at_ms,
        }))
    }
}

fn refused(reason: Reason) -> ReplyDoc {
    ReplyDoc::Refused(Refusal::from(reason).into())
}

fn memo_name(account: &AccountId, name: &str) -> Result<MemoName, WireError> {
    let problem = || "is no name of a memo".to_owned();
    MemoName::new(account, name).ok_or_else(|| WireError { field: "name", problem: problem() })
}

fn id<T: std::str::FromStr<Err = meter::ids::IdError>>(
    field: &'static str,
    text: &str,
) -> Result<T, WireError> {
    text.parse()
        .map_err(|error: meter::ids::IdError| WireError { field, problem: error.to_string() })
}

fn change(changes: &Changes) -> Result<Change, WireError> {
    let Changes { upto, accounts, revoked_keys, book, orders: _ } = changes;
    Ok(Change {
        upto: *upto,
        accounts: accounts.iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
        revoked_keys: revoked_keys
            .iter()
            .map(|key| id("revoked_keys", key))
            .collect::<Result<_, _>>()?,
        book: book.as_ref().map(TryInto::try_into).transpose()?,
    })
}
