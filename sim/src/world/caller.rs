//! Those who call: they poll, hand in what tools gave, answer questions, cancel, and try again.

use meter::entry::Hash;
use meter::journal::{IdempotencyKey, Report};
use meter::request::Asked;
use meter::usage::{Observed, Stage};
use meter::wire::command::{CommandDoc, ReplyDoc};

use crate::dice::Dice;
use crate::mutant::Mutant;
use crate::shelf::Shelf;
use crate::upstream::{End, Kind as Wanted, Leg, duration, end};

use super::edge::names;
use super::{Back, Call, Event, World};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
/// Most polls of one caller about one call.
const POLLS_MAX: u32 = 6;
/// Most times that a caller tries the same again.
const TRIES_MAX: u32 = 2;
/// Most legs of one piece of work: a third answer that does not satisfy fails the run (contract §3).
const LEGS_MAX: usize = 4;
/// The largest power of two that a call uses.
const POWER_MAX: usize = 40;

impl Call {
    /// Whether the reply to it is a stream.
    pub(super) fn is_streamed(&self, is_continuation: bool) -> bool {
        match self.wanted {
            Wanted::StreamedChat | Wanted::StreamedRun | Wanted::Chatflow => true,
            Wanted::PolledChat => is_continuation,
            Wanted::Resume => self.asked.operation == meter::route::Operation::WorkflowStreamResume,
            Wanted::SyncRun | Wanted::AsyncRun | Wanted::Speech => false,
        }
    }
}

impl<S: Shelf> World<S> {
    /// Somebody makes a call.
    pub(super) fn call(&mut self, lane: u64) {
        let mut dice = Dice::of(self.plan.seed, 16 + lane);
        let account = dice.index(self.plan.shape.accounts);
        let wanted = Wanted::draw(&mut dice);
        let asked = wanted.asked(&mut dice, None);
        let attempt = dice.percent(6).then(|| {
            let account = &self.ledger.accounts[account].account.id;
            let key = IdempotencyKey::new(account, &format!("key-{lane}")).expect("a key");
            (key, Hash::of(&lane.to_be_bytes()))
        });
        let call = self.new_call(account, wanted, asked, dice);
        self.calls[call].attempt = attempt;
        if matches!(wanted, Wanted::StreamedChat | Wanted::PolledChat)
            && self.calls[call].dice.percent(3)
        {
            let ms = self.calls[call].dice.ms(100, MINUTE);
            self.after(ms, Event::Cancel { call });
        }
        self.begin_flight(call, false);
    }

    fn new_call(&mut self, account: usize, wanted: Wanted, asked: Asked, dice: Dice) -> usize {
        let number = self.calls.len();
        let tokens = if self.plan.shape.powers_of_two {
            1 << number.min(POWER_MAX)
        } else {
            1_000 + number as u64
        };
        let units = if wanted == Wanted::Speech { tokens } else { 1 };
        let key = format!("key_{account}_{}", self.keys[account]).parse().expect("a key");
        self.calls.push(Call {
            id: format!("c{number}").parse().expect("an id"),
            account,
            key,
            asked: Asked { units, ..asked },
            wanted,
            attempt: None,
            dice,
            tokens,
            work: None,
            resumes: None,
            tries: 0,
        });
        self.court.expect_call();
        number
    }

    /// What the next leg of a call's work will be.
    pub(super) fn draw_leg(&mut self, call: usize, is_continuation: bool) -> Leg {
        let legs = self.calls[call].resumes.or(self.calls[call].work);
        let legs = legs.map_or(0, |work| self.works[work].legs.len());
        let now = self.now;
        let it = &mut self.calls[call];
        let kind = it.wanted;
        let mut ends =
            if kind == Wanted::Speech { End::Completed } else { end(kind, &mut it.dice) };
        if legs + 1 >= LEGS_MAX && matches!(ends, End::Interrupted | End::AwaitsTools) {
            ends = End::Completed;
        }
        // A chat that goes on is polled or streamed like any other.
        let lasts = duration(kind, &mut it.dice);
        let tokens = match kind {
            Wanted::Speech => 0,
            // The second leg of a chat is told apart from the first by half a token count.
            _ if is_continuation => it.tokens / 2 + legs as u64,
            _ => it.tokens,
        };
        // A chatflow that asks a question tells no usage, which makes it free (contract §2.2).
        let asks = kind == Wanted::Chatflow && ends == End::AwaitsTools;
        let tokens = if asks { 0 } else { tokens };
        let tells = kind != Wanted::Speech && it.dice.percent(85);
        Leg { call, tokens, ends_at: now + lasts, end: ends, tells }
    }

    /// A caller has read its reply.
    pub(super) fn react(&mut self, call: usize, told: &Observed) {
        match told.stage {
            Stage::Running if self.calls[call].dice.percent(70) => {
                let ms = self.calls[call].dice.ms(100, 20 * SECOND);
                self.after(ms, Event::Poll { call, polls: 0 });
            }
            Stage::Cut | Stage::Unknown => self.broke_for_caller(call),
            stage => self.react_to_stage(call, stage),
        }
    }

    fn react_to_stage(&mut self, call: usize, stage: Stage) {
        let dice = &mut self.calls[call].dice;
        match stage {
            Stage::AwaitsTools if dice.percent(97) => {
                let ms = dice.ms(50, 10 * MINUTE);
                self.after(ms, Event::Tools { call });
            }
            Stage::Interrupted if dice.percent(80) => {
                let most = if dice.one_in(20) { 20 * HOUR } else { HOUR };
                let ms = dice.ms(5, most);
                self.after(ms, Event::Resume { call });
            }
            _ => {}
        }
    }

    /// A caller's connection broke off, or it was told that the journal cannot be reached.
    pub(super) fn broke_for_caller(&mut self, call: usize) {
        let it = &mut self.calls[call];
        let tries_again = it.wanted != Wanted::Resume && it.tries < TRIES_MAX;
        let often = if it.attempt.is_some() { 90 } else { 20 };
        if tries_again && it.dice.percent(often) {
            let ms = it.dice.ms(200, 5 * MINUTE);
            self.after(ms, Event::Retry { call });
        }
    }

    /// The same request again: a call of its own, unless its key says otherwise.
    pub(super) fn retry(&mut self, before: usize) {
        let it = &mut self.calls[before];
        let lane = (1 << 40) + before as u64;
        let dice = Dice::of(self.plan.seed, 16 + lane);
        let (account, wanted, asked) = (it.account, it.wanted, it.asked.clone());
        let (attempt, tries) = (it.attempt.clone(), it.tries);
        let call = self.new_call(account, wanted, asked, dice);
        self.calls[call].attempt = attempt;
        self.calls[call].tries = tries + 1;
        self.begin_flight(call, false);
    }

    /// A caller asks upstream, through the edge, how its work went.
    pub(super) fn poll(&mut self, call: usize, polls: u32) {
        let Some(work) = self.calls[call].work else { return };
        if self.now < self.upstream_down_until {
            return;
        }
        if self.calls[call].dice.percent(10) {
            self.pry(call);
        }
        let observed = self.works[work].asked(self.now);
        let stage = observed.stage;
        if stage == Stage::Running {
            if polls < POLLS_MAX {
                let ms = self.calls[call].dice.ms(SECOND, 10 * MINUTE);
                self.after(ms, Event::Poll { call, polls: polls + 1 });
            }
            return;
        }
        let account = self.ledger.accounts[self.calls[call].account].account.id.to_string();
        let report = Report { status: Some(200), observed };
        self.send(call, CommandDoc::Follow { account, report: (&report).into() }, Back::Nobody);
        self.react_to_stage(call, stage);
    }

    /// A caller hands in what its tools gave.
    pub(super) fn hand_in_tools(&mut self, call: usize) {
        let is_chat = matches!(self.calls[call].wanted, Wanted::StreamedChat | Wanted::PolledChat);
        let waits = self.calls[call]
            .work
            .is_some_and(|work| self.works[work].stage(self.now) == Stage::AwaitsTools);
        if is_chat && waits {
            self.begin_flight(call, true);
        }
    }

    /// A caller answers the question that a run was interrupted by.
    pub(super) fn resume(&mut self, before: usize) {
        let Some(work) = self.calls[before].work else { return };
        if self.works[work].stage(self.now) != Stage::Interrupted {
            return;
        }
        let Some(execution) = self.works[work].ids.execution.clone() else { return };
        let lane = (1 << 41) + before as u64;
        let mut dice = Dice::of(self.plan.seed, 16 + lane);
        let legs = self.works[work].legs.len();
        let event = format!("{execution}/{legs}").parse().expect("an id");
        let asked = Wanted::Resume.asked(&mut dice, Some(event));
        // It is the same workflow that goes on.
        let subject = self.calls[before].asked.subject.clone();
        let asked = Asked { subject, ..asked };
        let account = self.calls[before].account;
        let call = self.new_call(account, Wanted::Resume, asked, dice);
        self.calls[call].resumes = Some(work);
        self.begin_flight(call, false);
    }

    /// Somebody else names what a call made.
    fn pry(&mut self, call: usize) {
        let dice = &mut self.calls[call].dice;
        let stranger = dice.index(self.plan.shape.accounts);
        let ms = dice.ms(1, SECOND);
        let it = &self.calls[call];
        let Some(work) = it.work.filter(|_| stranger != it.account) else { return };
        let names = match self.mutant {
            Some(Mutant::NamesNothing) => Vec::new(),
            _ => names(&self.works[work].ids),
        };
        let account = self.ledger.accounts[stranger].account.id.to_string();
        let key = format!("key_{stranger}_{}", self.keys[stranger]);
        let (journal, back) = (self.journal_of(stranger), Back::Stranger(call));
        let command = Box::new(CommandDoc::Enter { account, key, names });
        self.after(ms, Event::Arrives { journal, command, back });
    }

    /// Somebody else was answered about what this call made.
    pub(super) fn let_in(&mut self, call: usize, reply: Option<&ReplyDoc>) {
        if let Some(ReplyDoc::Ok { .. }) = reply {
            let detail = self.calls[call].id.to_string();
            self.court.break_law("nobody is let in to what another account made", detail);
        }
    }

    /// A caller cancels its chat.
    pub(super) fn cancel(&mut self, call: usize) {
        let Some(work) = self.calls[call].work else { return };
        let now = self.now;
        let work = &mut self.works[work];
        if work.is_running(now) && work.canceled_at.is_none() {
            work.canceled_at = Some(now);
        }
    }
}
