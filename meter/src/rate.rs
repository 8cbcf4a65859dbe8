//! How many calls begin in a minute.
//!
//! Path: key → **rate** → admission. The window slides: whichever minute one looks at, no more calls
//! began in it than the limit says. There is no beginning of a minute at which twice as many fit.
//!
//! # Shape
//! Starts are counted by whole seconds, and a start is forgotten once the second it fell into lies
//! [`WINDOW_S`] whole seconds back. So the window is between 60 and 61 seconds long, never shorter.
//!
//! # Bounds
//! One number for each of the last 61 seconds in which something began.

use std::collections::BTreeMap;

use crate::time::UnixMs;

/// The seconds of a minute, and of the window behind the second that has begun.
pub const WINDOW_S: u64 = 60;
/// Milliseconds of a second.
const SECOND_MS: u64 = 1_000;

/// How a caller stands with its limit, for the `RateLimit` headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Calls that may begin in any one minute.
    pub limit: u32,
    /// Calls that may begin now.
    pub remaining: u32,
    /// Seconds until all of them may begin again, if none begins meanwhile.
    pub reset_s: u64,
}

/// The calls that began in the last minute.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Starts {
    by_second: BTreeMap<u64, u32>,
}

impl Starts {
    /// Counts a call that began at this time. It may be told out of order.
    pub fn count(&mut self, at: UnixMs) {
        let second = at.get() / SECOND_MS;
        let count = self.by_second.entry(second).or_default();
        *count = count.saturating_add(1);
        let newest = self.by_second.last_key_value().map_or(second, |(newest, _)| *newest);
        self.by_second = self.by_second.split_off(&newest.saturating_sub(WINDOW_S));
    }

    /// Whether nothing counts any more.
    pub fn is_empty(&self, now: UnixMs) -> bool {
        self.counted(now).next().is_none()
    }

    /// How this stands with a limit.
    pub fn rate(&self, limit: u32, now: UnixMs) -> Rate {
        let began = self.counted(now).fold(0_u32, |sum, (_, count)| sum.saturating_add(count));
        let newest = self.counted(now).last();
        Rate {
            limit,
            remaining: limit.saturating_sub(began),
            reset_s: newest.map_or(0, |(second, _)| seconds_left(second, now)),
        }
    }

    /// Seconds until one more call may begin; `None` when it may now.
    pub fn wait_s(&self, limit: u32, now: UnixMs) -> Option<u64> {
        let mut began = self.counted(now).fold(0_u32, |sum, (_, count)| sum.saturating_add(count));
        if began < limit {
            return None;
        }
        for (second, count) in self.counted(now) {
            began = began.saturating_sub(count);
            if began < limit {
                return Some(seconds_left(second, now));
            }
        }
        // A limit of zero lets nothing begin; a minute is as good an answer as any.
        Some(WINDOW_S)
    }

    /// The seconds that count, oldest first. One that lies ahead, since a clock went back, does.
    fn counted(&self, now: UnixMs) -> impl Iterator<Item = (u64, u32)> {
        let oldest = (now.get() / SECOND_MS).saturating_sub(WINDOW_S);
        self.by_second.range(oldest..).map(|(second, count)| (*second, *count))
    }
}

/// Seconds until what began in this second is forgotten; at least one.
fn seconds_left(second: u64, now: UnixMs) -> u64 {
    let forgotten_at = UnixMs::new((second + WINDOW_S + 1).saturating_mul(SECOND_MS));
    forgotten_at.since(now).div_ceil(SECOND_MS).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: u64 = 1_764_000_000_000;

    #[test]
    fn a_minute_is_over_after_a_minute_and_not_before() {
        let at = |ms| UnixMs::new(NOON + ms);
        let mut starts = Starts::default();
        assert_eq!(starts.rate(2, at(0)), Rate { limit: 2, remaining: 2, reset_s: 0 });
        starts.count(at(900));
        assert_eq!(starts.wait_s(2, at(900)), None);
        starts.count(at(2_000));
        assert_eq!(starts.rate(2, at(2_000)), Rate { limit: 2, remaining: 0, reset_s: 61 });
        assert_eq!(starts.wait_s(2, at(2_000)), Some(59));
        assert_eq!(starts.wait_s(2, at(60_999)), Some(1));
        assert_eq!(starts.wait_s(2, at(61_000)), None);
        assert_eq!(starts.rate(2, at(61_000)), Rate { limit: 2, remaining: 1, reset_s: 2 });
        assert!(!starts.is_empty(at(62_999)));
        assert!(starts.is_empty(at(63_000)));
    }

    #[test]
    fn a_lower_limit_waits_until_enough_is_forgotten() {
        let mut starts = Starts::default();
        for second in 0..5 {
            starts.count(UnixMs::new(NOON + second * SECOND_MS));
        }
        let now = UnixMs::new(NOON + 4_000);
        assert_eq!(starts.wait_s(5, now), Some(57));
        assert_eq!(starts.wait_s(1, now), Some(61));
        assert_eq!(starts.wait_s(0, now), Some(WINDOW_S));
    }

    proptest! {
        /// Whoever comes whenever: in no minute begin more than the limit, who waits as long as told is
        /// let in, and memory stays within its bound.
        #[test]
        fn never_more_than_the_limit_in_any_minute(
            limit in 1..8_u32,
            pauses in prop::collection::vec(prop_oneof![0..40_u64, 900..1_100_u64, 0..70_000_u64], 1..200),
        ) {
            let mut starts = Starts::default();
            let mut let_in: Vec<u64> = Vec::new();
            let mut now = NOON;
            for pause in pauses {
                now += pause;
                let at = UnixMs::new(now);
                let began = let_in.iter().filter(|began| **began + 60_000 > now).count();
                if let Some(wait_s) = starts.wait_s(limit, at) {
                    let later = UnixMs::new(now + wait_s * SECOND_MS);
                    prop_assert_eq!(starts.wait_s(limit, later), None);
                    prop_assert_eq!(starts.rate(limit, at).remaining, 0);
                } else {
                    prop_assert!(began < limit as usize, "{began} began in the minute to {now}");
                    starts.count(at);
                    let_in.push(now);
                }
                prop_assert!(starts.by_second.len() <= 61);
            }
        }
    }
}
