//! The origins: they pull, post and tell, each for itself, over one ledger.
//!
//! Nothing keeps two of them from pulling the same journal at once: the advisory lock saves work, and
//! nothing may rest on it.

use meter::bill;
use meter::bill::complete::{QUIET_MS_DEFAULT, Waiting, correction};
use meter::ids::CallId;
use meter::journal::HOLD_LIFE_MAX_MS;
use meter::money::Nanos;
use meter::time::{DAY_MS, UnixMs};
use meter::usage::WorkIds;
use meter::wire::command::{CommandDoc, ReplyDoc};
use meter::wire::entry::EntryDoc;
use meter::wire::pull::{ActionDoc, OrderDoc, PullReply};

use crate::dice::Dice;
use crate::fault::{Form, Garble, Kind, Link};
use crate::ledger::{BillCall, Posted};
use crate::mutant::Mutant;
use crate::shelf::Shelf;
use crate::upstream::{Kind as Wanted, Work};

use super::journal::reply_in_short;
use super::{Back, Event, Pull, World};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
/// How long the bill is waited for: as the origin has it.
const WAIT_MS_MAX: u64 = HOLD_LIFE_MAX_MS + 7 * DAY_MS;

impl<S: Shelf> World<S> {
    /// An origin begins to pull every journal.
    pub(super) fn begin_pulling(&mut self, origin: usize) {
        let life = self.origins[origin].0;
        for journal in 0..self.plan.shape.journals {
            let mut dice = Dice::of(self.plan.seed ^ self.order, 5);
            let ms = dice.ms(SECOND, MINUTE);
            self.after(ms, Event::Pulls { origin, life, journal, is_regular: true });
        }
    }

    /// A change wakes the origins.
    pub(super) fn wake_origins(&mut self, journal: usize) {
        for origin in 0..self.origins.len() {
            let life = self.origins[origin].0;
            let mut dice = Dice::of(self.plan.seed ^ self.order, 6);
            let ms = dice.ms(10, 5 * SECOND);
            self.after(ms, Event::Pulls { origin, life, journal, is_regular: false });
        }
    }

    /// An origin asks a journal for a page, and tells it what changed.
    pub(super) fn pull(&mut self, origin: usize, life: u32, journal: usize, is_regular: bool) {
        if self.origins[origin].0 != life {
            return;
        }
        let mut dice = Dice::of(self.plan.seed ^ self.order, 7);
        if is_regular {
            let most = if self.is_quiet { HOUR } else { 8 * HOUR };
            let ms = dice.ms(10 * SECOND, most);
            self.after(ms, Event::Pulls { origin, life, journal, is_regular: true });
        }
        let (mut asked, mut request) = self.ledger.prepare(journal);
        if self.mutant == Some(Mutant::AcknowledgesBeforePosting) {
            asked = self.believed[journal].clone();
            request.ack = asked.tail.seq;
        }
        let upto = request.changes.as_ref().map(|changes| changes.upto);
        let command = CommandDoc::Pull(request);
        let back = Back::Pull(Pull { origin, life, journal, asked, upto });
        let (ms, late) = (dice.ms(20, 300), dice.ms(SECOND, 25 * SECOND));
        let arrives = |command, back| Event::Arrives { journal, command: Box::new(command), back };
        match self.strikes(Link::Pull) {
            None => self.after(ms, arrives(command, back)),
            Some(Form::LostBefore) => {}
            Some(Form::LostAfter) => self.after(ms, arrives(command, Back::Nobody)),
            Some(Form::Twice) => {
                self.after(ms, arrives(command.clone(), back));
                self.after(ms + late, arrives(command, Back::Nobody));
            }
            Some(Form::Late) => self.after(ms + late, arrives(command, back)),
        }
    }

    /// A page, or none, reaches the origin that asked for it.
    pub(super) fn pulled(&mut self, pull: Pull, reply: Option<ReplyDoc>) {
        let Some(ReplyDoc::Page(mut page)) = reply else { return };
        if self.origins[pull.origin].0 != pull.life {
            return;
        }
        if self.mutant == Some(Mutant::AcknowledgesBeforePosting)
            && let Some(last) = page.entries.last()
            && let Ok(entry) = meter::entry::Entry::try_from(last)
        {
            self.believed[pull.journal].tail = entry.tail;
            self.believed[pull.journal].epoch = page.epoch.parse().ok();
        }
        if page.entries.len() > 1
            && let Some(garble) = self.garbles.pop_front()
        {
            self.count(Kind::PageGarbled(garble));
            let mut dice = Dice::of(self.plan.seed ^ self.order, 8);
            spoil(&mut page, garble, &mut dice);
            self.court.garbled(pull.journal);
        }
        let form = if page.entries.is_empty() { None } else { self.strikes(Link::Commit) };
        let mut dice = Dice::of(self.plan.seed ^ self.order, 9);
        let ms = dice.ms(5, 500);
        let late = if form == Some(Form::Late) { dice.ms(SECOND, 10 * MINUTE) } else { 0 };
        self.after(ms + late, Event::Posts { pull, reply: Box::new(page), form });
    }

    /// A page is posted in one transaction.
    pub(super) fn post(&mut self, pull: &Pull, reply: &PullReply, form: Option<Form>) {
        if self.origins[pull.origin].0 != pull.life {
            return;
        }
        if form == Some(Form::LostBefore) {
            // Rolled back. The next pull asks for the same page.
            return;
        }
        let Pull { origin, life, journal, ref asked, upto } = *pull;
        let was_stopped = self.ledger.journals[journal].stopped_by;
        let posted = self.ledger.post(journal, asked, reply, self.mutant);
        if !matches!(posted, Ok(Posted::Entries(0, false))) {
            self.tell(|_| {
                let page = reply_in_short(&ReplyDoc::Page(reply.clone()));
                format!("origin {origin}   {page} of journal {journal}: {posted:?}")
            });
        }
        let posted = match posted {
            Ok(posted) => posted,
            Err(error) => return self.court.break_law("a page can be read", error.to_string()),
        };
        self.unseen.retain(|unseen| *unseen != journal || posted == Posted::Overtaken);
        if let Posted::Entries(count, _) = posted {
            self.tally.posted += count as u64;
            if count > 0 && was_stopped.is_some() {
                self.court.went_on(journal);
            }
        }
        if form == Some(Form::LostAfter) {
            return self.origin_dies(origin);
        }
        if form == Some(Form::Twice) {
            let again = self.ledger.post(journal, asked, reply, self.mutant);
            let is_nothing_new = matches!(again, Ok(Posted::Overtaken | Posted::Stopped(_)))
                || matches!(again, Ok(Posted::Entries(0, _)));
            if !is_nothing_new {
                self.court.break_law("a page posted twice is posted once", format!("{again:?}"));
            }
        }
        let is_told_in_part = upto.is_some() && self.ledger.has_news(journal);
        let has_more = matches!(posted, Posted::Entries(count, true) if count > 0);
        if has_more || posted == Posted::Overtaken || is_told_in_part {
            self.after(50, Event::Pulls { origin, life, journal, is_regular: false });
        }
    }

    /// An origin's process dies and is started again.
    pub(super) fn origin_dies(&mut self, origin: usize) {
        self.origins[origin].0 += 1;
        self.begin_pulling(origin);
        for journal in 0..self.believed.len() {
            self.believed[journal] = self.ledger.journals[journal].cursor.clone();
        }
    }

    // --- upstream's bill -------------------------------------------------------------------------

    /// Upstream will bill the leg that was just begun, by the stamp of its request.
    pub(super) fn schedule_record(&mut self, call: usize, work: usize, is_continuation: bool) {
        let is_stamped = self.plan.shape.stamped && !is_continuation;
        if !is_stamped || !self.calls[call].asked.operation.takes_stamp() {
            return;
        }
        let Some(leg) = self.works[work].legs.last() else { return };
        let tokens = Work::charged(leg);
        if tokens == 0 && self.calls[call].wanted != Wanted::Speech {
            return;
        }
        let ends_at = leg.ends_at;
        let id = self.records;
        self.records += 1;
        let usage = self.works[work].usage(tokens);
        // The bill always knows both parts.
        let input = usage.input.unwrap_or(tokens / 3);
        let told_ms = self.calls[call].dice.ms(SECOND, 30 * MINUTE);
        let late_ms = self.calls[call].dice.ms(MINUTE, 6 * HOUR);
        let record = || Event::Record { call, id, tokens: (input, tokens - input) };
        match self.strikes(Link::Record) {
            None => self.schedule(ends_at + told_ms, record()),
            // What a callback did not tell comes with the bill's file.
            Some(_) if self.records.is_multiple_of(2) => {
                self.schedule(ends_at + told_ms, record());
                self.schedule(ends_at + told_ms + late_ms, record());
            }
            Some(_) => self.schedule(ends_at + told_ms + late_ms, record()),
        }
    }

    /// A record of the bill comes in.
    pub(super) fn take_record(&mut self, call: usize, id: u64, tokens: (u64, u64)) {
        self.told_records.push((call, id, tokens));
        if !self.ledger.references.insert(format!("record-{id}")) {
            return;
        }
        let now = self.now;
        let billed = self.ledger.bill.entry(self.calls[call].id.clone()).or_insert(BillCall {
            account: self.calls[call].account,
            input: 0,
            output: 0,
            billed_at: now,
            look_at: now,
        });
        billed.input += tokens.0;
        billed.output += tokens.1;
        billed.billed_at = now;
        billed.look_at = now;
        self.ledger.waiting.insert(self.calls[call].id.clone());
    }

    /// Looks at the calls of the bill that are due, as `origin/src/bill/complete.rs` does.
    pub(super) fn look_at_bill(&mut self) {
        self.after(QUIET_MS_DEFAULT / 2, Event::Looks);
        let now = self.now;
        if !self.unseen.is_empty() {
            return;
        }
        let due: Vec<(CallId, BillCall)> = self
            .ledger
            .waiting
            .iter()
            .filter_map(|call| Some((call.clone(), self.ledger.bill.get(call)?.clone())))
            .filter(|(_, billed)| billed.look_at <= now)
            .collect();
        for (call, billed) in due {
            if self.complete(&call, &billed) || now - billed.billed_at >= WAIT_MS_MAX {
                self.ledger.waiting.remove(&call);
            } else if let Some(row) = self.ledger.bill.get_mut(&call) {
                row.look_at = now + QUIET_MS_DEFAULT;
            }
        }
    }

    /// Says whether nothing more follows for this call.
    fn complete(&mut self, call: &CallId, billed: &BillCall) -> bool {
        let now = UnixMs::new(self.now);
        let billed_at = UnixMs::new(billed.billed_at);
        let Some(usage) = bill::usage(billed.input, billed.output) else { return true };
        if self.ledger.postings.contains_key(call) {
            let Some(facts) = self.ledger.lacking.get(call) else { return true };
            let amount = correction(facts, usage).ok().flatten().unwrap_or(Nanos::ZERO);
            if amount == Nanos::ZERO {
                return true;
            }
            if now.since(billed_at) < QUIET_MS_DEFAULT {
                return false;
            }
            return self.correct(call, amount);
        }
        let mut listed = self.ledger.open.iter().enumerate();
        let listed = listed.find_map(|(journal, open)| Some((journal, open.get(call)?)));
        let Some((journal, open)) = listed else { return false };
        let Ok(ids) = WorkIds::try_from(&open.hold.ids) else { return true };
        let seen_at = open.seen_at_ms.map(UnixMs::new);
        let waiting = Waiting { ids: &ids, seen_at, billed_at };
        let is_ordered = self.ledger.ordered.contains(call);
        if waiting.is_for_the_bill(now, QUIET_MS_DEFAULT) && !is_ordered {
            let counts = matches!(open.hold.price, meter::wire::book::PriceDoc::PerToken { .. });
            let usage = counts.then(|| usage.into());
            let action = ActionDoc::Settle { usage };
            let order = OrderDoc { call: call.to_string(), action, billed: true };
            let revision = self.ledger.bump(journal);
            self.ledger.orders.push((order, journal, revision));
            self.ledger.ordered.insert(call.clone());
            self.wake_origins(journal);
        }
        false
    }

    /// Takes from the account what a call that was given up should have cost; once.
    fn correct(&mut self, call: &CallId, amount: Nanos) -> bool {
        let reference = format!("coze-bill:{call}");
        let Some(number) = self.call_number(call.as_str()) else { return true };
        let account = self.calls[number].account;
        let Ok(taken) = Nanos::ZERO.minus(amount) else { return true };
        if self.ledger.credit(account, taken, &reference) {
            self.ledger.corrected.insert(call.clone(), amount);
            self.wake_origins(self.journal_of(account));
        }
        true
    }

    /// The number of a call by its id.
    pub(super) fn call_number(&self, call: &str) -> Option<usize> {
        let number = call.strip_prefix('c')?.parse().ok()?;
        (number < self.calls.len()).then_some(number)
    }
}

/// Makes a page something else than what the journal sent.
fn spoil(page: &mut PullReply, garble: Garble, dice: &mut Dice) {
    // The last entry may be left out: then the head shows that more is to come.
    let at = dice.index(page.entries.len() - 1);
    match garble {
        Garble::Dropped => drop(page.entries.remove(at)),
        Garble::Doubled => {
            let entry: EntryDoc = page.entries[at].clone();
            page.entries.insert(at, entry);
        }
        Garble::Swapped => page.entries.swap(at, at + 1),
        Garble::Altered => page.entries[at].amount_nanos += 1,
    }
}
