//! What is counted in a world.

use std::collections::BTreeMap;

use crate::fault::Name;

/// How a world went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls that were made, those included that follow from others.
    pub calls: u64,
    /// Calls that were let in.
    pub admitted: u64,
    /// Faults that took effect, by name.
    pub faults: BTreeMap<Name, u64>,
    /// Calls whose usage nobody could learn: each of them is a finding.
    pub unknown: u64,
    /// Of these, calls that upstream's bill completed.
    pub corrected: u64,
    /// Entries that were posted.
    pub posted: u64,
    /// Journals left out of the sums, since their storage was put back or lost and that was noticed.
    pub excepted: u64,
    /// Events that were handled.
    pub events: u64,
    /// What became of the tokens that upstream charged.
    pub tokens: Tokens,
}

/// What became of the tokens that upstream charged, where the storage was not put back or lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tokens {
    /// All of them.
    pub used: u64,
    /// Those that calls were charged for.
    pub billed: u64,
    /// Those of calls at a price for the call.
    pub by_call: u64,
    /// Those of calls whose usage nobody could learn: a finding each, which the bill completes.
    pub unknown: u64,
}

impl Tokens {
    /// Used, and nowhere.
    pub fn lost(&self) -> u64 {
        self.used.saturating_sub(self.billed + self.by_call + self.unknown)
    }

    /// Charged, and not used.
    pub fn doubled(&self) -> u64 {
        (self.billed + self.by_call + self.unknown).saturating_sub(self.used)
    }

    fn add(&mut self, other: &Self) {
        let Self { used, billed, by_call, unknown } = other;
        self.used += used;
        self.billed += billed;
        self.by_call += by_call;
        self.unknown += unknown;
    }
}

impl Tally {
    /// Adds what was counted in another world.
    pub fn add(&mut self, other: &Self) {
        let Self { calls, admitted, faults, unknown, corrected, posted, excepted, events, tokens } =
            other;
        self.calls += calls;
        self.admitted += admitted;
        for (name, times) in faults {
            *self.faults.entry(name).or_default() += times;
        }
        self.unknown += unknown;
        self.corrected += corrected;
        self.posted += posted;
        self.excepted += excepted;
        self.events += events;
        self.tokens.add(tokens);
    }
}
