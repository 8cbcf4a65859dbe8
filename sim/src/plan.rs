//! What is to happen in one world: drawn from a seed, in the order of time.
//!
//! A plan is data. What fails can be made smaller by leaving steps and faults out; each has dice of its
//! own, so that the others stay what they are.

use crate::dice::Dice;
use crate::fault::{Form, Garble, Kind, Link};

/// How many parts there are, and what they are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Journals.
    pub journals: usize,
    /// Isolates of the edge.
    pub edges: usize,
    /// Origins that pull for the same ledger.
    pub origins: usize,
    /// Accounts.
    pub accounts: usize,
    /// Whether requests are stamped, so that upstream's bill names their calls.
    pub stamped: bool,
    /// Whether calls come so thick that thousands end while a single one goes on.
    pub busy: bool,
    /// Whether each call uses a power of two of tokens, so that a wrong sum spells out the call. In a
    /// world of more calls than bits each uses an amount of its own.
    pub powers_of_two: bool,
}

/// Most calls in a world of powers of two.
const POWERS_MAX: usize = 30;

/// Something that people do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Somebody calls.
    Call,
    /// An account is given money.
    TopUp,
    /// Another price book comes into force.
    Price,
    /// A key is revoked, and its account goes on with the next one.
    Revoke,
    /// An account is suspended, or let in again.
    Suspend,
    /// A journal's storage is copied.
    Copy(usize),
    /// The ledger is backed up.
    Backup,
}

/// An act, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Milliseconds from the beginning.
    pub at: u64,
    /// Its own number, which its dice are drawn by.
    pub number: u64,
    /// What is done.
    pub act: Act,
}

/// A fault, and from when on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Milliseconds from the beginning.
    pub at: u64,
    /// What goes wrong.
    pub kind: Kind,
}

/// All that is to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Where it was drawn from.
    pub seed: u64,
    /// Who takes part.
    pub shape: Shape,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// What goes wrong, in order.
    pub faults: Vec<Fault>,
}

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// One fault for so many calls.
const CALLS_PER_FAULT: u64 = 7;

impl Plan {
    /// The plan of a world with so many calls.
    pub fn draw(seed: u64, calls: usize) -> Self {
        let mut dice = Dice::of(seed, 0);
        let shape = Shape {
            journals: 1 + dice.index(4),
            edges: 1 + dice.index(4),
            origins: 1 + dice.index(2),
            accounts: 2 + dice.index(9),
            stamped: dice.percent(35),
            busy: dice.percent(30),
            powers_of_two: calls <= POWERS_MAX,
        };
        let mut steps = Vec::with_capacity(calls + calls / 16);
        let mut faults = Vec::with_capacity(calls / 4);
        let mut at = 0;
        let disasters = Disasters::draw(&mut dice, shape, calls);
        for number in 0..calls {
            at += pause(&mut dice, shape.busy);
            let number = number as u64;
            let mut push = |act| {
                let number = number * 8 + steps.len() as u64 % 8;
                steps.push(Step { at, number, act });
            };
            push(Act::Call);
            if dice.one_in(20) {
                push(act(&mut dice));
            }
            disasters.prepare(number, push);
            if dice.one_in(CALLS_PER_FAULT) {
                let at = at + dice.ms(1, 10 * SECOND);
                faults.push(Fault { at, kind: fault(&mut dice, shape) });
            }
            faults.extend(disasters.strike(number).map(|kind| Fault { at, kind }));
        }
        faults.sort_by_key(|fault| fault.at);
        Self { seed, shape, steps, faults }
    }

    /// When the last of it happens.
    pub fn end(&self) -> u64 {
        let step = self.steps.last().map_or(0, |step| step.at);
        step.max(self.faults.last().map_or(0, |fault| fault.at))
    }

    /// How many calls are made, those not counted that follow from others.
    pub fn calls(&self) -> usize {
        self.steps.iter().filter(|step| step.act == Act::Call).count()
    }
}

/// How long nothing is done: mostly not at all, sometimes for days.
fn pause(dice: &mut Dice, busy: bool) -> u64 {
    if busy {
        return match dice.below(2_000) {
            0..1_999 => dice.below(1_500),
            _ => dice.ms(SECOND, HOUR),
        };
    }
    match dice.below(1_000) {
        0..700 => dice.below(200),
        700..940 => dice.ms(1, 10 * SECOND),
        940..990 => dice.ms(SECOND, 20 * MINUTE),
        990..999 => dice.ms(MINUTE, 6 * HOUR),
        _ => dice.ms(HOUR, 3 * DAY),
    }
}

fn act(dice: &mut Dice) -> Act {
    dice.weighed(&[(12, Act::TopUp), (3, Act::Price), (2, Act::Revoke), (3, Act::Suspend)])
}

fn fault(dice: &mut Dice, shape: Shape) -> Kind {
    let journal = dice.index(shape.journals);
    let form = Form::ALL[dice.index(Form::ALL.len())];
    match dice.below(100) {
        0..26 => Kind::Message(Link::Command, form),
        26..34 => Kind::Message(Link::Request, form),
        34..43 => Kind::Message(Link::Question, form),
        43..53 => Kind::Message(Link::Pull, form),
        53..60 => Kind::Message(Link::Commit, form),
        60..63 => Kind::Message(Link::Record, form),
        63..69 => Kind::StreamCut,
        69..72 => Kind::ReplyBroken,
        72..79 => Kind::EdgeDies(dice.index(shape.edges)),
        79..82 => Kind::JournalDies(journal),
        82..85 => Kind::JournalDiesBefore(journal),
        85..88 => Kind::JournalDiesAfter(journal),
        88..89 => Kind::DiskFull(journal, dice.ms(SECOND, MINUTE)),
        89..90 => Kind::DiskFullHalfway(journal),
        90..92 => Kind::DiskSlow(journal, dice.ms(SECOND, HOUR)),
        92..94 => Kind::ClockJumps(journal, jump(dice)),
        94..97 => Kind::OriginDies(dice.index(shape.origins)),
        97..99 => Kind::PageGarbled(Garble::ALL[dice.index(Garble::ALL.len())]),
        _ => Kind::UpstreamDown(dice.ms(SECOND, HOUR)),
    }
}

/// How far a clock jumps: mostly a little, now and then by hours.
fn jump(dice: &mut Dice) -> i64 {
    let most = if dice.percent(80) { MINUTE } else { 4 * HOUR };
    let ms = i64::try_from(dice.ms(1, most)).unwrap_or(i64::MAX);
    if dice.percent(50) { ms } else { -ms }
}

/// What happens to a few worlds, once.
#[derive(Debug, Default)]
struct Disasters {
    /// Behind which call something is copied, and what.
    copies: Vec<(u64, Act)>,
    /// Behind which call it comes back, and how.
    strikes: Vec<(u64, Kind)>,
}

impl Disasters {
    fn draw(dice: &mut Dice, shape: Shape, calls: usize) -> Self {
        let mut all = Self::default();
        let calls = calls as u64;
        let copied_at = dice.below(calls * 3 / 4 + 1);
        let later = dice.ms(1, (calls / 2).max(1));
        let struck_at = (copied_at + later).min(calls.saturating_sub(1));
        let journal = dice.index(shape.journals);
        match dice.below(20) {
            0 => {
                all.copies.push((copied_at, Act::Copy(journal)));
                all.strikes.push((struck_at, Kind::JournalRestored(journal)));
            }
            1 => all.strikes.push((struck_at, Kind::JournalLost(journal))),
            2..6 => {
                all.copies.push((copied_at, Act::Backup));
                all.strikes.push((struck_at, Kind::LedgerRestored));
            }
            _ => {}
        }
        all
    }

    fn prepare(&self, call: u64, mut push: impl FnMut(Act)) {
        self.copies.iter().filter(|(at, _)| *at == call).for_each(|(_, act)| push(*act));
    }

    fn strike(&self, call: u64) -> impl Iterator<Item = Kind> {
        let struck = self.strikes.iter().filter(move |(at, _)| *at == call);
        struck.map(|(_, kind)| *kind).collect::<Vec<_>>().into_iter()
    }
}
