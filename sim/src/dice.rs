//! Chances, drawn from a seed.
//!
//! Everything that happens by chance to one step is drawn from dice of its own, so that leaving another
//! step out of a plan changes nothing about this one.

use fastrand::Rng;

/// A stream of chances.
#[derive(Debug, Clone)]
pub struct Dice(Rng);

impl Dice {
    /// The dice of one lane of a seed's world.
    pub fn of(seed: u64, lane: u64) -> Self {
        // Two odd constants of splitmix keep neighbouring seeds and lanes apart.
        let mixed =
            seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ lane.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mut rng = Rng::with_seed(mixed);
        // The first number of neighbouring seeds is still alike.
        rng.u64(..);
        Self(rng)
    }

    /// A number below this bound, which is not zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0.u64(..bound.max(1))
    }

    /// The same as an index.
    pub fn index(&mut self, length: usize) -> usize {
        self.0.usize(..length.max(1))
    }

    /// Whether this happens, which it does so many times in a hundred.
    pub fn percent(&mut self, times: u64) -> bool {
        self.below(100) < times
    }

    /// Whether something happens that does once in so many times.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// A time between these two, each order of magnitude as likely as the next.
    pub fn ms(&mut self, least: u64, most: u64) -> u64 {
        let doublings = u64::from((most / least.max(1)).max(1).ilog2());
        let low = least.max(1) << self.below(doublings.saturating_add(1));
        low.saturating_add(self.below(low)).min(most)
    }

    /// One of these by its weight.
    pub fn weighed<T: Copy>(&mut self, choices: &[(u64, T)]) -> T {
        let all: u64 = choices.iter().map(|(weight, _)| weight).sum();
        let mut left = self.below(all);
        for (weight, choice) in choices {
            if left < *weight {
                return *choice;
            }
            left -= weight;
        }
        choices[0].1
    }
}
