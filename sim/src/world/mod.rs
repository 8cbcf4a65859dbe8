//! One world: every part of Weir and everybody around it, on one clock and in one thread.
//!
//! What happens is an event at a time. An event is handled to its end before the next one is looked at,
//! and whatever crosses from one part to another is an event of its own; so anything may come in between
//! any two steps of a call, and everything happens again in the same order from the same plan.

mod caller;
mod edge;
mod event;
mod journal;
mod origin;
mod people;
mod quiet;
mod tally;
mod trouble;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};

use meter::account::{Account, Overdraft, Settings, Status};
use meter::entry::Hash;
use meter::ids::{CallId, Group, KeyId, UpstreamId};
use meter::journal::{IdempotencyKey, Report};
use meter::money::{Nanos, Ratio};
use meter::price::{Price, PriceBook, Scope};
use meter::reconcile::Cursor;
use meter::request::Asked;
use meter::time::UnixMs;
use meter::usage::Observed;

use crate::court::Court;
use crate::dice::Dice;
use crate::fault::{Form, Garble, Kind, Link};
use crate::ledger::{AccountRow, Ledger};
use crate::mutant::Mutant;
use crate::object::Object;
use crate::plan::{Plan, Shape};
use crate::shelf::Shelf;
use crate::upstream::{Kind as Wanted, Work};

pub use crate::court::Broken;
use event::{Back, Event, Pull, Scheduled};
pub use tally::{Tally, Tokens};

/// When the world begins: 2025-11-24T16:00:00Z.
pub const START: u64 = 1_764_000_000_000;
/// Most events of one call; a world that needs more does not come to rest.
const EVENTS_PER_CALL_MAX: u64 = 4_000;

/// A call, from everybody's point of view.
pub struct Call {
    /// Its id.
    pub id: CallId,
    /// Who pays.
    pub account: usize,
    /// With which key.
    pub key: KeyId,
    /// What is called.
    pub asked: Asked,
    /// What that is to upstream.
    pub wanted: Wanted,
    /// The caller's idempotency key.
    pub attempt: Option<(IdempotencyKey, Hash)>,
    /// What happens by chance to it.
    pub dice: Dice,
    /// How many tokens its own leg uses.
    pub tokens: u64,
    /// Which work it began, or goes on with.
    pub work: Option<usize>,
    /// The work that a resume goes on with, before upstream has taken it on.
    pub resumes: Option<usize>,
    /// How often the caller tried before.
    pub tries: u32,
}

/// A request in the hands of an isolate.
struct Flight {
    call: usize,
    edge: usize,
    /// What was read of the reply.
    observed: Observed,
    /// It hands in what a chat's tools gave.
    is_continuation: bool,
    /// Its reply is over.
    is_read: bool,
    /// What is being settled, and how often that was tried.
    report: Option<Report>,
    tries: u32,
    /// How often the journal said: not yet.
    not_yet: usize,
}

/// An origin: what it had in hand is gone when its life is another one.
#[derive(Debug, Clone, Copy, Default)]
struct Life(u32);

/// A journal and what surrounds it.
struct Place<S: Shelf> {
    object: Object<S>,
    /// How far its clock is from the true one.
    skew_ms: i64,
    /// Which ring of the alarm is awaited, and when by the journal's own clock.
    ring: u32,
    ring_at: Option<UnixMs>,
    /// How often the alarm failed in a row.
    failures: u32,
    /// Questions that are still out; the alarm is set when the last is answered.
    asking: usize,
    /// Answers take so much longer until then.
    slow_until: u64,
    /// When it did something last.
    used_at: u64,
    /// A copy of its storage, and the last entry in it.
    copy: Option<(S::Copy, u64)>,
}

/// The world.
pub struct World<S: Shelf> {
    pub(crate) plan: Plan,
    pub(crate) now: u64,
    order: u64,
    queue: BinaryHeap<Reverse<Scheduled>>,
    pub(crate) calls: Vec<Call>,
    pub(crate) works: Vec<Work>,
    by_execution: HashMap<UpstreamId, usize>,
    by_chat: HashMap<UpstreamId, usize>,
    flights: BTreeMap<usize, Flight>,
    next_flight: usize,
    origins: Vec<Life>,
    places: Vec<Place<S>>,
    pub(crate) ledger: Ledger,
    /// Which key each account uses now.
    keys: Vec<u32>,
    backup: Option<Ledger>,
    /// The ledger was restored, and these journals were not pulled since: until they are, nobody changes
    /// anything in it.
    unseen: Vec<usize>,
    armed: BTreeMap<Link, VecDeque<Form>>,
    cuts: u32,
    breaks: u32,
    garbles: VecDeque<Garble>,
    upstream_down_until: u64,
    is_quiet: bool,
    mutant: Option<Mutant>,
    /// What an origin that acknowledges too soon believes is posted.
    believed: Vec<Cursor>,
    pub(crate) court: Court,
    pub(crate) tally: Tally,
    story: Option<Vec<String>>,
    records: u64,
    /// Every record of the bill that was ever told.
    told_records: Vec<(usize, u64, (u64, u64))>,
}

/// What became of a world.
#[derive(Debug)]
pub struct Outcome {
    /// What was counted.
    pub tally: Tally,
    /// The law that was broken, if one was.
    pub broken: Option<Broken>,
    /// What happened, where that was asked for.
    pub story: Vec<String>,
}

impl<S: Shelf> World<S> {
    /// A world in which nothing has happened yet. `shelf` gives each journal its storage.
    pub fn new(plan: Plan, mutant: Option<Mutant>, mut shelf: impl FnMut(usize) -> S) -> Self {
        let Shape { journals, origins, .. } = plan.shape;
        let places = (0..journals).map(|name| Place {
            object: Object::new(name, shelf(name), mutant),
            skew_ms: 0,
            ring: 0,
            ring_at: None,
            failures: 0,
            asking: 0,
            slow_until: 0,
            used_at: 0,
            copy: None,
        });
        let ledger = Ledger::new(journals, book(1));
        let mut world = Self {
            now: START,
            order: 0,
            queue: BinaryHeap::new(),
            calls: Vec::new(),
            works: Vec::new(),
            by_execution: HashMap::new(),
            by_chat: HashMap::new(),
            flights: BTreeMap::new(),
            next_flight: 0,
            origins: vec![Life::default(); origins],
            places: places.collect(),
            ledger,
            keys: vec![0; plan.shape.accounts],
            backup: None,
            unseen: Vec::new(),
            armed: BTreeMap::new(),
            cuts: 0,
            breaks: 0,
            garbles: VecDeque::new(),
            upstream_down_until: 0,
            is_quiet: false,
            mutant,
            believed: Vec::new(),
            court: Court::new(journals, plan.shape.accounts),
            tally: Tally::default(),
            story: None,
            records: 0,
            told_records: Vec::new(),
            plan,
        };
        world.believed = world.ledger.journals.iter().map(|row| row.cursor.clone()).collect();
        world.open_accounts();
        world.schedule_plan();
        world
    }

    /// The same world, and it tells what happens.
    #[must_use]
    pub fn telling(mut self) -> Self {
        self.story = Some(Vec::new());
        self
    }

    /// Lets everything happen, then lets everything come to rest, and looks at the books.
    pub fn run(mut self) -> Outcome {
        let events_max = EVENTS_PER_CALL_MAX * (self.plan.calls() as u64 + 50);
        self.run_until(START + self.plan.end() + 1, events_max);
        if self.court.broken().is_none() {
            self.come_to_rest(events_max);
        }
        if self.court.broken().is_none() {
            self.close_the_books();
        }
        self.tally.calls = self.calls.len() as u64;
        Outcome {
            broken: self.court.take_broken(),
            tally: self.tally,
            story: self.story.unwrap_or_default(),
        }
    }

    fn run_until(&mut self, end: u64, events_max: u64) {
        while self.court.broken().is_none() {
            if self.queue.peek().is_none_or(|Reverse(next)| next.at >= end) {
                self.now = self.now.max(end);
                return;
            }
            let Some(Reverse(next)) = self.queue.pop() else { return };
            self.now = self.now.max(next.at);
            self.tally.events += 1;
            if self.tally.events > events_max {
                return self.court.break_law("it comes to rest", "too many events".to_owned());
            }
            self.court.date(self.now);
            self.handle(next.event);
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Step(at) => self.step(at),
            Event::Fault(at) => self.go_wrong(at),
            Event::Arrives { journal, command, back } => self.deliver(journal, *command, back),
            Event::Answered { back, reply } => self.answered(back, reply.map(|reply| *reply)),
            Event::Request { flight, call, is_continuation, is_replied, late_ms } => {
                self.take_on(flight, call, is_continuation, is_replied, late_ms);
            }
            Event::Piece { flight, piece } => self.read_piece(flight, piece),
            Event::Knock { flight } => self.knock(flight),
            Event::NoteDue { flight } => self.note_when_due(flight),
            Event::SettleAgain { flight } => self.settle(flight),
            Event::Rings { journal, ring } => self.ring(journal, ring),
            Event::Asked { journal, life, question, report, is_last } => {
                self.take_answer(journal, life, &question, *report, is_last);
            }
            Event::Poll { call, polls } => self.poll(call, polls),
            Event::Tools { call } => self.hand_in_tools(call),
            Event::Resume { call } => self.resume(call),
            Event::Cancel { call } => self.cancel(call),
            Event::Retry { call } => self.retry(call),
            Event::Pulls { origin, life, journal, is_regular } => {
                self.pull(origin, life, journal, is_regular);
            }
            Event::Posts { pull, reply, form } => self.post(&pull, &reply, form),
            Event::Record { call, id, tokens } => self.take_record(call, id, tokens),
            Event::Looks => self.look_at_bill(),
            Event::DiskHeals(journal) => self.places[journal].object.tap.is_full.set(false),
        }
    }

    fn schedule(&mut self, at: u64, event: Event) {
        self.order += 1;
        let at = at.max(self.now);
        self.queue.push(Reverse(Scheduled { at, order: self.order, event }));
    }

    fn after(&mut self, ms: u64, event: Event) {
        self.schedule(self.now.saturating_add(ms), event);
    }

    /// Tells the story, where somebody listens.
    fn tell(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.story.is_none() {
            return;
        }
        let since = self.now - START;
        let line = format!("{:>12}.{:03} s  {}", since / 1_000, since % 1_000, line(self));
        if let Some(story) = &mut self.story {
            story.push(line);
        }
    }

    /// What a journal's clock shows.
    fn local(&self, journal: usize) -> UnixMs {
        UnixMs::new(self.now.saturating_add_signed(self.places[journal].skew_ms))
    }

    fn journal_of(&self, account: usize) -> usize {
        account % self.plan.shape.journals
    }

    /// What happens to the next message of a link, if anything does.
    fn strikes(&mut self, link: Link) -> Option<Form> {
        let form = self.armed.get_mut(&link)?.pop_front()?;
        self.count(Kind::Message(link, form));
        Some(form)
    }

    fn count(&mut self, kind: Kind) {
        *self.tally.faults.entry(kind.name()).or_default() += 1;
        self.tell(|_| format!("FAULT  {kind}"));
    }

    fn open_accounts(&mut self) {
        let mut dice = Dice::of(self.plan.seed, 2);
        for number in 0..self.plan.shape.accounts {
            let is_bounded = dice.percent(50);
            let account = Account {
                id: format!("acc_{number}").parse().expect("an id"),
                status: Status::Active,
                group: if dice.percent(30) { vip() } else { Group::standard() },
                overdraft: if is_bounded {
                    Overdraft::Limit(Nanos::new(i64::from(dice.percent(50)) * 50_000))
                } else {
                    Overdraft::Unlimited
                },
                credits: Nanos::new(if is_bounded { 5_000_000 } else { 0 }),
                settings: Settings::default(),
            };
            self.ledger.accounts.push(AccountRow {
                account,
                journal: self.journal_of(number),
                revision: 1,
                spent: meter::ledger::Spending::default(),
            });
        }
    }

    fn schedule_plan(&mut self) {
        for at in 0..self.plan.steps.len() {
            self.schedule(START + 1_000 + self.plan.steps[at].at, Event::Step(at));
        }
        for at in 0..self.plan.faults.len() {
            self.schedule(START + 1_000 + self.plan.faults[at].at, Event::Fault(at));
        }
        for origin in 0..self.plan.shape.origins {
            self.begin_pulling(origin);
        }
        if self.plan.shape.stamped {
            self.after(1_000, Event::Looks);
        }
    }
}

/// The group that pays double.
fn vip() -> Group {
    "vip".parse().expect("a group")
}

/// A price book: tokens at so many nanos, one workflow and a voice at prices of their own.
pub(crate) fn book(version: u32) -> PriceBook {
    let nanos = i64::from(version % 5 + 1);
    let rate = Nanos::new(nanos * 1_000_000);
    let scope = |subject: &str| Scope::Subject(subject.parse().expect("an id"));
    let per_token = Price::PerToken { input_per_million: rate, output_per_million: rate };
    let per_call = Price::PerCall { amount: Nanos::new(40_000 + nanos) };
    let per_unit = Price::PerUnit { amount: Nanos::new(nanos) };
    PriceBook {
        version,
        deny_unpriced: false,
        groups: BTreeMap::from([(vip(), Ratio::from_ppm(2_000_000))]),
        prices: BTreeMap::from([
            (Scope::Coze, per_token),
            (scope("flow2"), per_call),
            (Scope::Operation(meter::route::Operation::AudioSpeech), per_unit),
        ]),
    }
}
