//! When all is quiet: what is left over comes to its end, and the books are looked at.

use std::collections::BTreeMap;

use meter::entry::Ending;
use meter::ledger::{Rollup, RollupKey};
use meter::money::Nanos;
use meter::reconcile::Code;

use crate::court::charge;
use crate::shelf::Shelf;
use crate::upstream::{Leg, Work};

use super::{START, World};

const HOUR: u64 = 60 * 60 * 1_000;
/// After how long everything is at rest: no call lives longer than 25 hours, clocks are off by some
/// hours, and the bill is waited for.
const REST_MS_MAX: u64 = 320 * HOUR;
const LOOK_EVERY_MS: u64 = HOUR;
/// A week, less what clocks may jump.
const KEPT_AT_LEAST_MS: u64 = 6 * 24 * HOUR;
/// Within this time every origin has pulled every journal at least once, whatever it waited for.
const PULLED_WITHIN_MS: u64 = 9 * HOUR;

impl<S: Shelf> World<S> {
    /// Faults stop, time passes, and everything drains.
    pub(super) fn come_to_rest(&mut self, events_max: u64) {
        self.faults_stop();
        self.is_quiet = true;
        let began = self.now;
        // Whoever was stopped by a failing alarm is woken by the next command, and pulls never stop.
        while self.court.broken().is_none() && self.now < began + REST_MS_MAX {
            self.run_until(self.now + LOOK_EVERY_MS, events_max * 2);
            let has_disaster = (0..self.places.len()).any(|it| self.court.excepted(it).is_some())
                || self.court.restored.is_some();
            let is_pulled = !has_disaster || self.now >= began + PULLED_WITHIN_MS;
            if is_pulled && self.is_at_rest() {
                return;
            }
        }
        if self.court.broken().is_none() {
            let why = self.unrest();
            self.court.break_law("everything comes to rest", why);
        }
    }

    fn is_at_rest(&self) -> bool {
        self.unrest().is_empty()
    }

    /// What is not at rest, in words.
    fn unrest(&self) -> String {
        let mut left = Vec::new();
        if !self.flights.is_empty() {
            left.push(format!("{} requests are in hand", self.flights.len()));
        }
        for journal in 0..self.places.len() {
            if self.court.excepted(journal).is_some() || self.is_cut_off(journal) {
                continue;
            }
            let open = self.places[journal].object.journal().map(|it| it.holds().len());
            if open != Some(0) {
                left.push(format!("journal {journal} holds {open:?} calls"));
            }
            let row = &self.ledger.journals[journal];
            let (posted, made) = (row.cursor.tail.seq, self.court.tail(journal).seq);
            if posted != made {
                left.push(format!("{posted} of {made} entries of journal {journal} are posted"));
            }
            if self.ledger.has_news(journal) {
                left.push(format!("journal {journal} was not told everything"));
            }
        }
        let waiting = self.ledger.waiting.len();
        if waiting > 0 {
            left.push(format!("{waiting} calls of the bill are waiting"));
        }
        left.join(", ")
    }

    /// The ledger was set back so far that the journal has not everything behind it any more.
    fn is_cut_off(&self, journal: usize) -> bool {
        self.court.restored.is_some()
            && self.ledger.has_found(journal, Code::Gap)
            && self.ledger.journals[journal].stopped_by == Some(Code::Gap)
    }

    /// Everything is at rest: the books have to be right.
    pub(super) fn close_the_books(&mut self) {
        self.check_findings();
        self.check_calls();
        self.check_works();
        self.check_sums();
        self.check_told();
    }

    /// What was noticed is what there was to notice.
    fn check_findings(&mut self) {
        for journal in 0..self.places.len() {
            let excepted = self.court.excepted(journal);
            let found: Vec<Code> = self
                .ledger
                .findings
                .keys()
                .filter(|(of, _)| *of == journal)
                .map(|(_, code)| *code)
                .collect();
            if let Some(excepted) = excepted {
                self.tally.excepted += 1;
                let stops = if excepted.is_lost {
                    found.contains(&Code::EpochChanged)
                } else {
                    found.iter().any(|code| {
                        matches!(code, Code::JournalBehind | Code::HashBroken | Code::TotalMismatch)
                    })
                };
                if excepted.must_be_noticed && !stops {
                    let detail = format!("journal {journal}: {found:?}");
                    self.court.break_law("a journal that was set back is noticed", detail);
                }
                continue;
            }
            if self.is_cut_off(journal) {
                self.tally.excepted += 1;
                // The journal keeps an entry for a week after it was posted, by its own clock.
                let missing = self.ledger.journals[journal].cursor.tail.seq + 1;
                let age = self.court.made_at(journal, missing).map_or(0, |at| self.now - at);
                if age < KEPT_AT_LEAST_MS {
                    let detail =
                        format!("entry {missing} of journal {journal} is gone after {age} ms");
                    self.court.break_law("what was posted is kept for a week", detail);
                }
                continue;
            }
            if let Some(restored) = &self.court.restored
                && restored[journal].applied > restored[journal].revision
                && !found.contains(&Code::LedgerBehind)
            {
                let detail = format!("journal {journal}: {:?}", restored[journal]);
                self.court.break_law("a ledger that was set back is noticed", detail);
            }
            let is_set_back = self.court.restored.is_some();
            let is_garbled = self.court.was_garbled(journal);
            let strange = found.iter().find(|code| match code {
                Code::UsageMissing => false,
                Code::LedgerBehind | Code::UnknownBook => !is_set_back,
                Code::Gap | Code::OutOfOrder | Code::TotalMismatch => !is_garbled,
                _ => true,
            });
            if let Some(code) = strange {
                let findings = &self.ledger.findings[&(journal, *code)];
                let detail = format!("journal {journal}: {}", findings[0]);
                self.court.break_law("nothing is found where nothing was wrong", detail);
            }
        }
    }

    /// Every call that was let in has ended, stands in the ledger once, and is owed nothing.
    fn check_calls(&mut self) {
        for number in 0..self.calls.len() {
            let journal = self.journal_of(self.calls[number].account);
            if self.court.excepted(journal).is_some() || self.is_cut_off(journal) {
                continue;
            }
            let call = &self.calls[number];
            let docket = &self.court.dockets[number];
            let posted = self.ledger.postings.get(&call.id).copied();
            let Some(ended) = docket.ended else {
                if docket.hold.is_some() || posted.is_some() {
                    let detail = call.id.to_string();
                    return self.court.break_law("every call ends", detail);
                }
                continue;
            };
            let Some(posted) = posted else {
                let detail = format!("{}, {} nanos", call.id, ended.amount);
                return self.court.break_law("every entry is posted", detail);
            };
            if posted.amount != ended.amount {
                let detail = format!("{}: {:?}, posted as {:?}", call.id, ended, posted);
                return self.court.break_law("a posting is its entry", detail);
            }
            if ended.is_unknown {
                self.tally.unknown += 1;
                if !self.ledger.lacking.contains_key(&call.id)
                    || !self.ledger.has_found(journal, Code::UsageMissing)
                {
                    let detail = call.id.to_string();
                    return self.court.break_law("what nobody knows is a finding", detail);
                }
                self.check_bill(number);
            }
        }
    }

    /// What the bill names and nobody else knew is charged by it.
    fn check_bill(&mut self, number: usize) {
        let call = &self.calls[number];
        let corrected = self.ledger.corrected.get(&call.id).copied().unwrap_or(Nanos::ZERO);
        let billed = self.ledger.bill.get(&call.id).map(|billed| billed.input + billed.output);
        let Some(billed) = billed else {
            if corrected != Nanos::ZERO {
                let detail = format!("{}: {corrected} nanos", call.id);
                self.court.break_law("only what is billed is corrected", detail);
            }
            return;
        };
        self.tally.corrected += 1;
        let docket = &self.court.dockets[number];
        let owed = charge(docket.terms(), call, Ending::Settled, Some(billed));
        let charged = docket.ended.map_or(0, |ended| i128::from(ended.amount.get()));
        if charged + i128::from(corrected.get()) != owed {
            let detail = format!("{}: {charged} and {corrected} nanos, {owed} are owed", call.id);
            self.court.break_law("what the bill names is charged", detail);
        }
    }

    /// Of each piece of work all is charged that was used, but for what nobody could learn.
    fn check_works(&mut self) {
        let now = self.now;
        for at in 0..self.works.len() {
            let work = &self.works[at];
            let Some(first) = work.legs.first() else { continue };
            let journal = self.journal_of(self.calls[first.call].account);
            if self.court.excepted(journal).is_some() {
                continue;
            }
            let used = work.used(now);
            let billed = self.court.billed.get(&at).copied().unwrap_or_default();
            let missing = used.saturating_sub(billed);
            let ended = |leg: &Leg| self.court.dockets[leg.call].ended;
            let excused = work.legs.iter().filter(|leg| {
                ended(leg).is_none_or(|it| it.is_unknown || it.is_old || it.is_by_call)
            });
            let unknown: Vec<u64> = excused.map(Work::charged).collect();
            let is_by_call = work.legs.iter().any(|leg| ended(leg).is_some_and(|it| it.is_by_call));
            let corrected: u64 = work
                .legs
                .iter()
                .filter_map(|leg| {
                    let call = &self.calls[leg.call];
                    self.ledger.corrected.get(&call.id)?;
                    Some(Work::charged(leg))
                })
                .sum();
            let is_lost = !is_sum_of_some(missing, &unknown);
            if is_lost || billed > used {
                let calls: Vec<String> = work.legs.iter().map(|leg| self.in_words(leg)).collect();
                let detail = format!(
                    "{}: {billed} of {used} tokens are billed; {}",
                    work.name(),
                    calls.join("; ")
                );
                return self.court.break_law("nothing that was used is lost", detail);
            }
            if billed + corrected > used {
                let calls: Vec<String> = work.legs.iter().map(|leg| self.in_words(leg)).collect();
                let detail = format!(
                    "{}: {billed} tokens are billed and {corrected} corrected, {used} were used; {}",
                    work.name(),
                    calls.join("; ")
                );
                return self.court.break_law("nothing is charged twice", detail);
            }
            let tokens = &mut self.tally.tokens;
            tokens.used += used;
            tokens.billed += billed;
            let rest = if is_by_call { &mut tokens.by_call } else { &mut tokens.unknown };
            *rest += unknown_sum(missing, &unknown);
        }
    }

    fn in_words(&self, leg: &Leg) -> String {
        let call = &self.calls[leg.call];
        let ended = self.court.dockets[leg.call].ended;
        format!("{} used {} ({:?}), ended {ended:?}", call.id, Work::charged(leg), leg.end)
    }

    /// Postings, balances and rollups are the same number, and it is that of the entries.
    fn check_sums(&mut self) {
        let mut posted = vec![0_i128; self.ledger.accounts.len()];
        for (id, place) in &self.ledger.postings {
            if let Some(number) = self.call_number(id.as_str()) {
                posted[self.calls[number].account] += i128::from(place.amount.get());
            }
        }
        let (by_hour, by_day) = (self.rolled(&self.ledger.hours), self.rolled(&self.ledger.days));
        let course = self.ledger.course.values().map(|it| i128::from(it.amount.get()));
        let (course, all) = (course.sum::<i128>(), posted.iter().sum::<i128>());
        if course != all {
            let detail = format!("postings {all}, the course of hours {course}");
            return self.court.break_law("all sums are the same number", detail);
        }
        for number in 0..posted.len() {
            let row = &self.ledger.accounts[number];
            let balance = i128::from(row.spent.spent.get());
            if [balance, by_hour[number], by_day[number]] != [posted[number]; 3] {
                let detail = format!(
                    "account {number}: postings {}, balance {balance}, hours {}, days {}",
                    posted[number], by_hour[number], by_day[number]
                );
                return self.court.break_law("all sums are the same number", detail);
            }
            let journal = row.journal;
            if self.court.excepted(journal).is_some() || self.is_cut_off(journal) {
                continue;
            }
            if posted[number] != self.court.spent[number] {
                let detail = format!(
                    "account {number}: postings {}, entries {}",
                    posted[number], self.court.spent[number]
                );
                return self.court.break_law("postings are the entries", detail);
            }
        }
    }

    fn rolled(&self, rollups: &BTreeMap<RollupKey, Rollup>) -> Vec<i128> {
        let mut sums = vec![0; self.ledger.accounts.len()];
        for (key, rollup) in rollups {
            let number = self.ledger.accounts.iter().position(|it| it.account.id == key.account);
            if let Some(number) = number {
                sums[number] += i128::from(rollup.amount.get());
            }
        }
        sums
    }

    /// Each journal has been told what the ledger says, and both sides agree on every account.
    fn check_told(&mut self) {
        for journal in 0..self.places.len() {
            if self.court.excepted(journal).is_some() || self.is_cut_off(journal) {
                continue;
            }
            let Some(known) = self.places[journal].object.journal() else { continue };
            for row in self.ledger.accounts.iter().filter(|row| row.journal == journal) {
                let standing = known.standing(&row.account.id);
                let before = self.court.restored.as_ref().map_or(0, |it| it[journal].revision);
                if before >= row.revision && self.ledger.has_found(journal, Code::LedgerBehind) {
                    // The edge keeps what it was told by the ledger that is gone, until somebody decides.
                    continue;
                }
                if standing.map(|standing| &standing.account) != Some(&row.account) {
                    let detail = format!("{:?}, the ledger says {:?}", standing, row.account);
                    return self.court.break_law("both sides agree on an account", detail);
                }
            }
            let untold = self.ledger.revoked.iter().find(|(key, of, _)| {
                *of == journal && {
                    let account = key.as_str().split('_').nth(1);
                    let number = account.and_then(|number| number.parse::<usize>().ok());
                    let id = number.map(|number| &self.ledger.accounts[number].account.id);
                    id.is_none_or(|id| known.enter(id, key).is_ok())
                }
            });
            if let Some((key, ..)) = untold {
                let detail = format!("{key} is good at journal {journal}");
                return self.court.break_law("a revoked key is told", detail);
            }
        }
        debug_assert!(self.now >= START);
    }
}

/// What of a number is the sum of some of these: all of it, or nothing.
fn unknown_sum(number: u64, parts: &[u64]) -> u64 {
    if is_sum_of_some(number, parts) { number } else { 0 }
}

/// Whether a number is the sum of some of these.
fn is_sum_of_some(number: u64, parts: &[u64]) -> bool {
    match parts.split_first() {
        _ if number == 0 => true,
        None => false,
        Some((first, rest)) => {
            is_sum_of_some(number, rest)
                || (*first <= number && is_sum_of_some(number - first, rest))
        }
    }
}
