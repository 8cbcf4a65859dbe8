//! Around a journal's object: commands arrive, the alarm rings, upstream is asked.

use meter::journal::{Question, Report};
use meter::usage::{Observed, Stage};
use meter::wire::command::{CommandDoc, ReplyDoc};

use crate::court::Fact;
use crate::dice::Dice;
use crate::fault::{Form, Kind, Link};
use crate::mutant::Mutant;
use crate::object::{Dies, Done};
use crate::shelf::Shelf;
use crate::upstream::Work;

use super::{Back, Event, World};

/// How often the platform tries a failed alarm again, and how long it waits first.
const ALARM_RETRIES_MAX: u32 = 6;
const ALARM_RETRY_MS: u64 = 2_000;
/// How long an object is idle before the platform takes its memory: from ten seconds on where nothing keeps
/// it there, and after at most 140 (Cloudflare, "Lifecycle of a Durable Object").
const IDLE_MS_MIN: u64 = 10_000;
const IDLE_MS_MAX: u64 = 140_000;
/// The platform takes it once in so many times that it might.
const IDLE_TAKEN_ONE_IN: u64 = 8;

impl<S: Shelf> World<S> {
    /// Something is about to be done by an object, which may have been idle for too long.
    fn wake(&mut self, journal: usize) {
        let mut dice = Dice::of(self.plan.seed ^ self.order, 10);
        let place = &mut self.places[journal];
        let idle_ms = self.now - place.used_at;
        place.used_at = self.now;
        let is_idle = place.asking == 0 && idle_ms >= dice.ms(IDLE_MS_MIN, IDLE_MS_MAX);
        if is_idle && dice.one_in(IDLE_TAKEN_ONE_IN) {
            place.object.die();
        }
    }

    /// A command is carried out by its journal.
    pub(super) fn deliver(&mut self, journal: usize, command: CommandDoc, back: Back) {
        self.wake(journal);
        let local = self.local(journal);
        let fact = Fact::of(&command);
        if !matches!(&command, CommandDoc::Pull(pull) if pull.changes.is_none()) {
            self.tell(|_| format!("journal {journal}  {}", in_short(&command)));
        }
        let life = self.places[journal].object.life;
        let done = self.places[journal].object.command(command, local);
        // An alarm that was being handled has lost what it had in hand with a command that failed.
        let was_handled = self.places[journal].asking > 0;
        if was_handled && self.places[journal].object.life != life {
            self.alarm_failed(journal);
        }
        let mut dice = Dice::of(self.plan.seed ^ self.order, 3);
        let mut ms = dice.ms(1, 40);
        if self.now < self.places[journal].slow_until {
            ms += dice.ms(1_000, 20_000);
        }
        let reply = self.took(journal, fact, done);
        if !matches!(back, Back::Nobody) {
            self.after(ms, Event::Answered { back, reply: reply.map(Box::new) });
        }
    }

    /// Looks at what is durable now, and sees to the alarm.
    fn took<T>(&mut self, journal: usize, fact: Option<Fact>, done: Done<T>) -> Option<T> {
        let local = self.local(journal);
        if done.is_loaded {
            self.court.reloaded(journal);
        }
        if let Some(fact) = fact.filter(|_| done.is_stored) {
            self.court.learn(journal, fact, local);
        }
        for seen in done.seen {
            self.tell(|_| format!("journal {journal}  {}", seen.in_short()));
            self.judge(journal, seen, local);
        }
        if done.is_loaded
            && let Some(loaded) = self.places[journal].object.journal()
        {
            self.court.check_standings(journal, loaded, &self.ledger);
        }
        self.await_ring(journal);
        done.reply
    }

    /// Has the platform wake the journal when its alarm is due.
    pub(super) fn await_ring(&mut self, journal: usize) {
        let place = &mut self.places[journal];
        if place.ring_at == place.object.alarm {
            return;
        }
        place.ring_at = place.object.alarm;
        place.ring += 1;
        let (ring, skew) = (place.ring, place.skew_ms);
        if let Some(at) = place.ring_at {
            self.schedule(at.get().saturating_add_signed(-skew), Event::Rings { journal, ring });
        }
    }

    /// The alarm rings.
    pub(super) fn ring(&mut self, journal: usize, ring: u32) {
        if self.places[journal].ring != ring {
            return;
        }
        self.wake(journal);
        let local = self.local(journal);
        self.places[journal].ring_at = None;
        let done = self.places[journal].object.rings(local);
        let life = self.places[journal].object.life;
        match self.took(journal, None, done) {
            None => self.alarm_failed(journal),
            Some(questions) if questions.is_empty() => self.alarm_done(journal),
            Some(questions) => self.ask(journal, life, questions),
        }
    }

    fn alarm_failed(&mut self, journal: usize) {
        let local = self.local(journal);
        let place = &mut self.places[journal];
        place.failures += 1;
        place.asking = 0;
        if place.failures <= ALARM_RETRIES_MAX {
            let wait = ALARM_RETRY_MS << place.failures;
            place.object.alarm = Some(local.plus_ms(wait));
        }
        self.await_ring(journal);
    }

    fn alarm_done(&mut self, journal: usize) {
        let place = &mut self.places[journal];
        place.failures = 0;
        place.asking = 0;
        place.object.set_alarm();
        self.await_ring(journal);
    }

    /// Upstream is asked; the answers are taken in when the last of them is there.
    fn ask(&mut self, journal: usize, life: u32, questions: Vec<Question>) {
        self.places[journal].asking = questions.len();
        let mut dice = Dice::of(self.plan.seed ^ self.order, 4);
        let mut ms = dice.ms(20, 2_000);
        let last = questions.len() - 1;
        let mut answers = Vec::with_capacity(questions.len());
        let local = self.local(journal);
        for question in questions {
            if let Some(call) = self.call_number(question.call.as_str()) {
                self.court.is_asked(call, life, local);
            }
            let report = match self.strikes(Link::Question) {
                Some(Form::LostBefore | Form::LostAfter) => None,
                Some(Form::Late | Form::Twice) => {
                    ms += dice.ms(1_000, 60_000);
                    Some(self.answer(&question))
                }
                None => Some(self.answer(&question)),
            };
            answers.push((question, report));
        }
        for (at, (question, report)) in answers.into_iter().enumerate() {
            let nothing = Report { status: None, observed: Observed::nothing() };
            let mut report = report.unwrap_or(nothing);
            let has_failed = report.status.is_none_or(|status| status >= 400);
            if has_failed && self.mutant == Some(Mutant::TakesFailedQuestionsForFailedWork) {
                report.status = Some(200);
                report.observed.stage = Stage::Failed;
            }
            let (question, report) = (Box::new(question), Box::new(report));
            let is_last = at == last;
            self.after(ms, Event::Asked { journal, life, question, report, is_last });
        }
    }

    fn answer(&mut self, question: &Question) -> Report {
        if self.now < self.upstream_down_until {
            return Report { status: Some(500), observed: Observed::nothing() };
        }
        let ids = &question.ids;
        let of_run = ids.execution.as_ref().and_then(|id| self.by_execution.get(id));
        let work = of_run.or_else(|| ids.chat.as_ref().and_then(|id| self.by_chat.get(id)));
        let observed = match work {
            Some(work) => self.works[*work].asked(self.now),
            None => Observed::nothing(),
        };
        Report { status: Some(200), observed }
    }

    /// An answer is taken in.
    pub(super) fn take_answer(
        &mut self,
        journal: usize,
        life: u32,
        question: &Question,
        report: Report,
        is_last: bool,
    ) {
        if self.places[journal].object.life != life {
            return;
        }
        let local = self.local(journal);
        self.tell(|_| {
            let Observed { stage, usage, .. } = &report.observed;
            let tokens = usage.map(|usage| usage.total);
            format!("upstream   of {}: {stage:?}, {tokens:?} tokens", question.call)
        });
        let done = self.places[journal].object.take_answer(question, report, local);
        match self.took(journal, None, done) {
            None => self.alarm_failed(journal),
            Some(()) if is_last => self.alarm_done(journal),
            Some(()) => {}
        }
    }

    /// An object's memory is lost; an alarm that was being handled rings again.
    pub(super) fn object_dies(&mut self, journal: usize) {
        self.places[journal].object.die();
        if self.places[journal].asking > 0 {
            self.alarm_failed(journal);
        }
    }

    /// It dies with its next command.
    pub(super) fn object_dies_with_next(&mut self, journal: usize, dies: Dies) {
        self.places[journal].object.dies = Some(dies);
    }

    pub(super) fn fill_disk(&mut self, journal: usize, ms: u64, kind: Kind) {
        self.count(kind);
        self.places[journal].object.tap.is_full.set(true);
        self.after(ms, Event::DiskHeals(journal));
    }
}

impl Work {
    /// Its name in a story.
    pub(crate) fn name(&self) -> String {
        let named = self.ids.execution.as_ref().or(self.ids.chat.as_ref());
        named.map_or_else(|| "speech".to_owned(), ToString::to_string)
    }
}

/// A command in a few words.
fn in_short(command: &CommandDoc) -> String {
    match command {
        CommandDoc::Admit(asks) => {
            let of = asks.asked.resumes.as_ref().map(|event| format!(", resumes {event}"));
            format!(
                "admit {} ({} of {}{})",
                asks.call,
                asks.asked.operation,
                asks.account,
                of.unwrap_or_default()
            )
        }
        CommandDoc::GoOn { chat, .. } => format!("{chat} goes on"),
        CommandDoc::Note { call, ids } => {
            let id = ids.execute_id.as_ref().or(ids.chat_id.as_ref());
            format!("note {call}: {}", id.map_or("no name yet", |id| id))
        }
        CommandDoc::Settle { call, report, .. } => {
            format!("settle {call}: {}, {:?} tokens", report.stage, report.total_tokens)
        }
        CommandDoc::Follow { account, report } => {
            let id = report.ids.execute_id.as_ref().or(report.ids.chat_id.as_ref());
            let id = id.map_or("?", |id| id);
            format!(
                "poll of {account} about {id}: {}, {:?} tokens",
                report.stage, report.total_tokens
            )
        }
        CommandDoc::Pull(pull) => {
            let upto = pull.changes.as_ref().map(|changes| changes.upto);
            format!("pull behind {}, changes up to {upto:?}", pull.ack)
        }
        _ => "something else".to_owned(),
    }
}

/// A journal's answer in a few words.
pub(super) fn reply_in_short(reply: &ReplyDoc) -> String {
    match reply {
        ReplyDoc::Page(page) => {
            format!("page of {}, head {}", page.entries.len(), page.head.seq)
        }
        _ => "an answer".to_owned(),
    }
}
