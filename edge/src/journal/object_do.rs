//! The Durable Object: loads, has `meter` carry out what it is told, answers.
//!
//! # Invariants
//! - Between loading and storing there is no await, so that no other command comes in between.
//! - What was decided is stored before it is answered; when storing fails, memory is thrown away and the
//!   next command rebuilds it from what is stored.
//! - While calls are open, an alarm is set for when the first of them has to be looked after.

#![expect(missing_docs, reason = "`durable_object` adds methods for the platform to call")]

use std::cell::{Cell, RefCell};

use futures_util::future::join_all;
use meter::journal::{Journal as State, Question, Report};
use meter::time::UnixMs;
use meter::wire::command::{CommandDoc, ReplyDoc};
use meter::wire::desk::Desk;
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::js_sys::{Date, Object};
use worker::{DurableObject, Env, Request, Response, SqlStorage, durable_object};

use super::sql::SqlError;
use super::store::Store;
use crate::config::Config;
use crate::{call, log, platform};

/// Most questions to upstream in one run of the alarm.
pub(super) const QUESTIONS_MAX: usize = 32;

/// One journal.
#[durable_object(alarm)]
pub struct Journal {
    state: worker::State,
    env: Env,
    memory: RefCell<Option<Memory>>,
    /// When the alarm is set for, as far as this instance knows.
    alarm_at: Cell<Option<UnixMs>>,
}

/// The journal in memory, over its store.
type Memory = Desk<Store<SqlStorage>>;

impl DurableObject for Journal {
    fn new(state: worker::State, env: Env) -> Self {
        Self { state, env, memory: RefCell::new(None), alarm_at: Cell::new(None) }
    }

    async fn fetch(&self, _: Request) -> worker::Result<Response> {
        Response::error("a journal is spoken to by command", 405)
    }

    async fn alarm(&self) -> worker::Result<Response> {
        self.alarm_at.set(None);
        let looked = self.with(|memory, now| memory.look_after(now, QUESTIONS_MAX));
        let questions = looked.map_err(|problem| failed(&problem))?;
        let config = Config::of(&self.env)?;
        let asked = questions.iter().map(|question| call::ask(&self.env, &config, question));
        let answers = join_all(asked).await;
        for (question, report) in questions.iter().zip(answers) {
            self.take_answer(question, report).map_err(|problem| failed(&problem))?;
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
type Problem = meter::wire::desk::Problem<SqlError>;

/// A problem as the platform takes it.
fn failed(problem: &Problem) -> worker::Error {
    worker::Error::RustError(problem.to_string())
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
        let (store, epoch) = Store::open(sql, platform::new_name).map_err(Problem::Storage)?;
        let (stored, next_call_no) = store.load().map_err(Problem::Storage)?;
        let journal = State::load(stored, next_call_no, now);
        Ok(Desk::new(store, epoch, journal, now))
    }

    fn take_answer(&self, question: &Question, report: Report) -> Result<(), Problem> {
        self.with(|memory, now| memory.take_answer(question, report, now))
    }

    /// Sets the alarm for when something has to be done, unless it is set sooner already.
    fn set_alarm(&self) -> worker::Result<()> {
        let memory = self.memory.borrow();
        let wake_at = memory.as_ref().and_then(|memory| memory.journal().wake_at());
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
