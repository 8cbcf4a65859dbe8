//! The edge: admit, forward, tap, settle, as `edge/src/call` does it.

use meter::apart::Named;
use meter::ids::UpstreamId;
use meter::journal::{Admission, Attempt, KeptReply, Report, Settled};
use meter::refusal::Reason;
use meter::route::Kind;
use meter::usage::{Observed, Stage, WorkIds};
use meter::wire::command::{AdmitDoc, CommandDoc, KeptReplyDoc, NamedDoc, ReplyDoc};

use crate::fault::{Form, Kind as Fault, Link};
use crate::mutant::Mutant;
use crate::shelf::Shelf;
use crate::upstream::{Kind as Wanted, Piece, When, Work};

use super::{Back, Event, Flight, World};

/// How often a settlement is tried before it is left to the alarm: as the edge has it.
const TRIES_MAX: u32 = 4;
/// After how long a call's ids are noted, and how often it gives a sign of life: as the edge has it.
const NOTE_AFTER_MS: u64 = 5_000;
const NOTE_EVERY_MS: u64 = 60_000;
/// How long it is waited between two questions about something that may be under way: as the edge has it.
const NOT_YET_WAITS_MS: [u64; 5] = [20, 50, 100, 200, 400];

impl<S: Shelf> World<S> {
    /// A request reaches an isolate.
    pub(super) fn begin_flight(&mut self, call: usize, is_continuation: bool) {
        let edges = self.plan.shape.edges;
        let edge = self.calls[call].dice.index(edges);
        let number = self.next_flight;
        self.next_flight += 1;
        self.flights.insert(
            number,
            Flight {
                call,
                edge,
                observed: Observed::nothing(),
                is_continuation,
                is_read: false,
                report: None,
                not_yet: 0,
                tries: 0,
            },
        );
        self.knock(number);
    }

    /// The journal is asked whether a request may pass.
    pub(super) fn knock(&mut self, number: usize) {
        let Some(flight) = self.flights.get(&number) else { return };
        let (call, is_continuation) = (flight.call, flight.is_continuation);
        let account = self.ledger.accounts[self.calls[call].account].account.id.clone();
        let it = &self.calls[call];
        let continued = if is_continuation { it.work } else { it.resumes };
        let names = continued.map_or_else(Vec::new, |work| names(&self.works[work].ids));
        let (command, back) = if is_continuation {
            let chat = it.work.and_then(|work| self.works[work].ids.chat.clone());
            let chat = chat.map(|chat| chat.to_string()).unwrap_or_default();
            let (account, key) = (account.to_string(), it.key.to_string());
            (CommandDoc::GoOn { account, key, chat, names }, Back::GoOn(number))
        } else {
            let attempt = it.attempt.clone();
            let admission = Admission {
                call: it.id.clone(),
                account,
                key: it.key.clone(),
                limits: meter::account::Limits::default(),
                asked: it.asked.clone(),
                attempt: attempt.map(|(key, request)| Attempt { key, request }),
                session: None,
            };
            let asks = AdmitDoc { names, ..(&admission).into() };
            (CommandDoc::Admit(asks), Back::Admit(number))
        };
        self.send(call, command, back);
    }

    /// Sends a command to the journal of a call.
    pub(super) fn send(&mut self, call: usize, command: CommandDoc, back: Back) {
        let journal = self.journal_of(self.calls[call].account);
        let dice = &mut self.calls[call].dice;
        let ms = dice.ms(1, 40);
        let late_ms = dice.ms(100, 20_000);
        let arrives = |command, back| Event::Arrives { journal, command, back };
        match self.strikes(Link::Command) {
            None => self.after(ms, arrives(Box::new(command), back)),
            Some(Form::LostBefore) => self.after(ms, Event::Answered { back, reply: None }),
            Some(Form::LostAfter) => {
                self.after(ms, arrives(Box::new(command), Back::Nobody));
                self.after(ms * 2, Event::Answered { back, reply: None });
            }
            Some(Form::Twice) => {
                self.after(ms, arrives(Box::new(command.clone()), back));
                self.after(ms + late_ms / 10, arrives(Box::new(command), Back::Nobody));
            }
            Some(Form::Late) => self.after(ms + late_ms, arrives(Box::new(command), back)),
        }
    }

    /// An answer, or none, reaches whoever waits for it.
    pub(super) fn answered(&mut self, back: Back, reply: Option<ReplyDoc>) {
        match back {
            Back::Nobody => {}
            Back::Admit(flight) => self.admitted(flight, reply.as_ref()),
            Back::GoOn(flight) => self.gone_on(flight, reply),
            Back::Settle(flight) => self.settled(flight, reply),
            Back::Stranger(call) => self.let_in(call, reply.as_ref()),
            Back::Pull(pull) => self.pulled(pull, reply),
        }
    }

    fn admitted(&mut self, number: usize, reply: Option<&ReplyDoc>) {
        let Some(flight) = self.flights.get(&number) else { return };
        let call = flight.call;
        match reply {
            Some(ReplyDoc::Admitted { .. }) => self.forward(number),
            None if self.mutant == Some(Mutant::LetsInWithoutAJournal) => self.forward(number),
            None => {
                self.flights.remove(&number);
                self.broke_for_caller(call);
            }
            Some(reply) => self.turned_away(number, reply),
        }
    }

    fn gone_on(&mut self, number: usize, reply: Option<ReplyDoc>) {
        let Some(flight) = self.flights.get(&number) else { return };
        let call = flight.call;
        match reply {
            Some(ReplyDoc::GoesOn { call: known, .. }) => {
                if known != self.calls[call].id.to_string() {
                    self.court.break_law("a chat goes on under its own call", known);
                }
                self.forward(number);
            }
            None => {
                self.flights.remove(&number);
                // The caller tries again.
                let ms = self.calls[call].dice.ms(500, 30_000);
                if self.calls[call].dice.percent(70) {
                    self.after(ms, Event::Tools { call });
                }
            }
            Some(reply) => self.turned_away(number, &reply),
        }
    }

    /// The journal says no, or not yet: then it is asked again.
    fn turned_away(&mut self, number: usize, reply: &ReplyDoc) {
        let Some(flight) = self.flights.get_mut(&number) else { return };
        if let ReplyDoc::NotYet(_) = reply
            && let Some(ms) = NOT_YET_WAITS_MS.get(flight.not_yet)
        {
            flight.not_yet += 1;
            return self.after(*ms, Event::Knock { flight: number });
        }
        let call = flight.call;
        self.flights.remove(&number);
        if let ReplyDoc::Refused(refusal) = reply
            && refusal.reason == Reason::IdUnknown.code()
        {
            let it = &self.calls[call];
            let work = it.resumes.or(it.work);
            let first = work.and_then(|work| self.works[work].legs.first());
            let Some(first) = first.map(|leg| leg.call) else { return };
            self.court.not_theirs(first, &self.calls[first].id, self.journal_of(it.account));
        }
    }

    fn forward(&mut self, number: usize) {
        let Some(flight) = self.flights.get(&number) else { return };
        let (call, is_continuation) = (flight.call, flight.is_continuation);
        let dice = &mut self.calls[call].dice;
        let (ms, late) = (dice.ms(5, 200), dice.ms(100, 60_000));
        let request = |is_replied, late_ms| Event::Request {
            flight: number,
            call,
            is_continuation,
            is_replied,
            late_ms,
        };
        match self.strikes(Link::Request) {
            None => self.after(ms, request(true, 0)),
            Some(Form::LostBefore) => self.after(ms, nothing(number)),
            Some(Form::LostAfter) => {
                self.after(ms, request(false, 0));
                self.after(ms + late, nothing(number));
            }
            Some(Form::Twice | Form::Late) => self.after(ms, request(true, late)),
        }
    }

    /// Upstream takes a request on, or turns it down.
    pub(super) fn take_on(
        &mut self,
        flight: usize,
        call: usize,
        is_continuation: bool,
        is_replied: bool,
        late_ms: u64,
    ) {
        self.court.check_held(call, &self.calls[call].id);
        let is_down = self.now < self.upstream_down_until;
        let refuses = is_down || self.calls[call].dice.percent(3);
        let script = if refuses {
            let status = [429, 500, 400][self.calls[call].dice.index(3)];
            let observed = Observed { stage: Stage::Failed, ..Observed::nothing() };
            vec![(self.now + 20, When::Now(Piece::Whole(status, observed)))]
        } else {
            self.begin_work(call, is_continuation)
        };
        if !is_replied {
            return;
        }
        let is_streamed = script.iter().any(|(_, piece)| matches!(piece, When::StreamEnds));
        if is_streamed {
            self.after(NOTE_AFTER_MS + late_ms, Event::NoteDue { flight });
        }
        for (at, piece) in script {
            self.schedule(at + late_ms, Event::Piece { flight, piece });
        }
    }

    /// A piece of the reply is read on its way to the caller.
    pub(super) fn read_piece(&mut self, number: usize, piece: When) {
        let Some(flight) = self.flights.get(&number).filter(|flight| !flight.is_read) else {
            return;
        };
        let call = flight.call;
        let piece = match piece {
            When::Now(piece) => piece,
            When::StreamEnds if self.cuts > 0 => {
                self.cuts -= 1;
                self.count(Fault::StreamCut);
                Piece::Broken
            }
            When::StreamEnds => match self.calls[call].work {
                // A stream that was cancelled early is over by now.
                Some(work) => {
                    let names =
                        !self.calls[call].wanted.is_run() || self.calls[call].dice.percent(90);
                    Piece::Last(self.works[work].told(self.now, names))
                }
                None => Piece::Broken,
            },
            When::ReplyEnds => match self.calls[call].work {
                Some(work) => {
                    let names = self.calls[call].dice.percent(70);
                    Piece::Whole(200, self.works[work].told(self.now, names))
                }
                None => Piece::Nothing,
            },
        };
        match piece {
            Piece::Named(ids) => self.reading(number, |observed| {
                observed.ids = ids;
                observed.stage = Stage::Running;
            }),
            Piece::Used(usage) => self.reading(number, |observed| observed.usage = Some(usage)),
            Piece::Whole(..) if self.breaks > 0 => {
                self.breaks -= 1;
                self.count(Fault::ReplyBroken);
                self.read(number, Report { status: Some(200), observed: Observed::nothing() });
            }
            Piece::Whole(status, observed) => {
                self.read(number, Report { status: Some(status), observed });
            }
            Piece::Last(last) => {
                let sums = self.mutant == Some(Mutant::SumsUsages);
                self.reading(number, |observed| {
                    observed.stage = last.stage;
                    observed.ids = observed.ids.clone().or(last.ids);
                    observed.usage = match (observed.usage, last.usage) {
                        (Some(before), Some(last)) if sums => Some(before.plus(last)),
                        (before, last) => last.or(before),
                    };
                });
                self.read_stream(number);
            }
            Piece::Broken => {
                self.reading(number, |observed| observed.stage = Stage::Cut);
                self.read_stream(number);
            }
            Piece::Nothing => {
                self.read(number, Report { status: None, observed: Observed::nothing() });
            }
        }
    }

    fn reading(&mut self, number: usize, change: impl FnOnce(&mut Observed)) {
        if let Some(flight) = self.flights.get_mut(&number) {
            change(&mut flight.observed);
        }
    }

    fn read_stream(&mut self, number: usize) {
        let Some(flight) = self.flights.get(&number) else { return };
        let observed = flight.observed.clone();
        self.read(number, Report { status: Some(200), observed });
    }

    /// The reply is over: the caller has it, and the journal is to learn of it.
    fn read(&mut self, number: usize, mut report: Report) {
        let Some(flight) = self.flights.get_mut(&number) else { return };
        let call = flight.call;
        flight.is_read = true;
        let told = report.observed.clone();
        if self.mutant == Some(Mutant::ReleasesInsteadOfAsking)
            && matches!(told.stage, Stage::Cut | Stage::Running)
        {
            report.observed.stage = Stage::Failed;
            report.observed.usage = None;
        }
        flight.report = Some(report);
        if told.stage == Stage::Completed
            && told.usage.is_none()
            && let Some(work) = self.calls[call].work
            && !told.ids.can_be_asked()
        {
            self.works[work].told_no_usage = true;
        }
        self.settle(number);
        self.react(call, &told);
    }

    /// The journal is told how the call went.
    pub(super) fn settle(&mut self, number: usize) {
        let Some(flight) = self.flights.get(&number) else { return };
        let Some(report) = flight.report.clone() else { return };
        let (call, is_continuation, tries) = (flight.call, flight.is_continuation, flight.tries);
        if tries > 0 && self.mutant == Some(Mutant::DoublesARetry) {
            return self.double(number, call, &report);
        }
        let it = &self.calls[call];
        let keeps = it.attempt.is_some() && !is_continuation && report.status == Some(200);
        let reply = keeps.then(|| KeptReply { status: 200, body: it.id.to_string() });
        let stamped =
            self.plan.shape.stamped && it.asked.operation.takes_stamp() && !is_continuation;
        let command = CommandDoc::Settle {
            call: it.id.to_string(),
            report: (&report).into(),
            reply: reply.as_ref().map(KeptReplyDoc::from),
            stamped,
        };
        self.send(call, command, Back::Settle(number));
    }

    /// What an edge does that takes a settlement for one of its own.
    fn double(&mut self, number: usize, call: usize, report: &Report) {
        self.flights.remove(&number);
        let it = &self.calls[call];
        let account = self.ledger.accounts[it.account].account.id.clone();
        let admission = Admission {
            call: format!("{}-again", it.id).parse().expect("an id"),
            account,
            key: it.key.clone(),
            limits: meter::account::Limits::default(),
            asked: it.asked.clone(),
            attempt: None,
            session: None,
        };
        let settle = CommandDoc::Settle {
            call: admission.call.to_string(),
            report: report.into(),
            reply: None,
            stamped: false,
        };
        let journal = self.journal_of(it.account);
        self.deliver(journal, CommandDoc::Admit((&admission).into()), Back::Nobody);
        self.deliver(journal, settle, Back::Nobody);
    }

    fn settled(&mut self, number: usize, reply: Option<ReplyDoc>) {
        let Some(flight) = self.flights.get_mut(&number) else { return };
        let call = flight.call;
        if let Some(reply) = reply {
            self.flights.remove(&number);
            if let Ok(Settled::Unknown) = reply.settled() {
                let journal = self.journal_of(self.calls[call].account);
                self.court.is_unknown(call, &self.calls[call].id, journal);
            }
            return;
        }
        flight.tries += 1;
        if flight.tries < TRIES_MAX {
            let ms = self.calls[call].dice.ms(1, 50);
            self.after(ms, Event::SettleAgain { flight: number });
        } else {
            self.flights.remove(&number);
        }
    }

    /// A stream goes on: its ids are noted, and it gives a sign of life.
    pub(super) fn note_when_due(&mut self, number: usize) {
        let Some(flight) = self.flights.get(&number).filter(|flight| !flight.is_read) else {
            return;
        };
        let call = flight.call;
        let ids = (&flight.observed.ids).into();
        let command = CommandDoc::Note { call: self.calls[call].id.to_string(), ids };
        self.send(call, command, Back::Nobody);
        self.after(NOTE_EVERY_MS, Event::NoteDue { flight: number });
    }

    /// An isolate dies: what it had in hand is in nobody's.
    pub(super) fn edge_dies(&mut self, edge: usize) {
        let lost: Vec<usize> = self
            .flights
            .iter()
            .filter(|(_, flight)| flight.edge == edge)
            .map(|(number, _)| *number)
            .collect();
        for number in lost {
            let Some(flight) = self.flights.remove(&number) else { continue };
            if !flight.is_read && !flight.is_continuation {
                self.broke_for_caller(flight.call);
            }
        }
    }

    /// Work begins at upstream, or goes on; and how its reply comes.
    fn begin_work(&mut self, call: usize, is_continuation: bool) -> Vec<(u64, When)> {
        let turned_down = |now| {
            let observed = Observed { stage: Stage::Failed, ..Observed::nothing() };
            vec![(now + 20, When::Now(Piece::Whole(200, observed)))]
        };
        let now = self.now;
        let wanted = self.calls[call].wanted;
        let continued =
            if is_continuation { self.calls[call].work } else { self.calls[call].resumes };
        let leg = self.draw_leg(call, is_continuation);
        let work = if let Some(work) = continued {
            let waits_for = if is_continuation { Stage::AwaitsTools } else { Stage::Interrupted };
            if self.works[work].stage(now) != waits_for {
                return turned_down(now);
            }
            self.works[work].legs.push(leg);
            work
        } else if wanted == Wanted::Resume {
            return turned_down(now);
        } else {
            let name = self.works.len();
            let it = &mut self.calls[call];
            let begun = Work::begin(wanted, &name.to_string(), leg, &mut it.dice);
            if let Some(chat) = &begun.ids.chat {
                self.by_chat.insert(chat.clone(), name);
            }
            if let Some(execution) = &begun.ids.execution {
                self.by_execution.insert(execution.clone(), name);
            }
            self.works.push(begun);
            name
        };
        self.calls[call].work = Some(work);
        if let Some((key, _)) = &self.calls[call].attempt
            && !is_continuation
        {
            let journal = self.journal_of(self.calls[call].account);
            self.court.key_did_work(key, journal);
        }
        self.schedule_record(call, work, is_continuation);
        let is_streamed = self.calls[call].is_streamed(is_continuation);
        let it = &mut self.calls[call];
        self.works[work].script(now, is_streamed, &mut it.dice)
    }
}

/// What a request that goes on with this work names.
pub(super) fn names(ids: &WorkIds) -> Vec<NamedDoc> {
    let named = |kind, id: &Option<UpstreamId>| Some(Named { kind, id: id.clone()? });
    let named = [
        named(Kind::Conversation, &ids.conversation),
        named(Kind::Chat, &ids.chat),
        named(Kind::Execution, &ids.execution),
    ];
    named.iter().flatten().map(Into::into).collect()
}

fn nothing(flight: usize) -> Event {
    Event::Piece { flight, piece: When::Now(Piece::Nothing) }
}
