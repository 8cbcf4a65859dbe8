//! How often somebody may try to sign in.
//!
//! Attempts are counted by name, in a window of time; one that succeeds clears the name. They are
//! counted when they begin, so that many at once are no way around. The count is this process's own:
//! writing a row for everybody who guesses would be a gift to them.
//!
//! # Bounds
//! [`ATTEMPTS_MAX`] per name in [`WINDOW_MS`], and [`NAMES_MAX`] names; while all of those are taken,
//! new names have to wait.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use meter::time::UnixMs;

use crate::error::Error;

/// Most attempts in a window.
pub const ATTEMPTS_MAX: u32 = 10;
/// How long a window is: five minutes.
pub const WINDOW_MS: u64 = 300_000;
/// Most names that are counted at once.
pub const NAMES_MAX: usize = 10_000;
/// Milliseconds in a second.
const SECOND_MS: u64 = 1_000;

/// The attempts that were made lately.
#[derive(Default)]
pub struct Attempts(Mutex<BTreeMap<String, Window>>);

struct Window {
    began: UnixMs,
    count: u32,
}

impl Attempts {
    /// Counts an attempt, unless there were too many.
    pub fn begin(&self, name: &str, now: UnixMs) -> Result<(), Error> {
        // A panic while it was held left at worst a count behind.
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= NAMES_MAX {
            names.retain(|_, window| now.since(window.began) < WINDOW_MS);
        }
        if names.len() >= NAMES_MAX && !names.contains_key(name) {
            return Err(wait(WINDOW_MS));
        }
        let window = names.entry(name.to_owned()).or_insert(Window { began: now, count: 0 });
        if now.since(window.began) >= WINDOW_MS {
            *window = Window { began: now, count: 0 };
        }
        if window.count >= ATTEMPTS_MAX {
            return Err(wait(WINDOW_MS.saturating_sub(now.since(window.began))));
        }
        window.count = window.count.saturating_add(1);
        Ok(())
    }

    /// Forgets the attempts of somebody who has signed in.
    pub fn clear(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

fn wait(ms: u64) -> Error {
    Error::TooManyAttempts { retry_after_s: ms.div_ceil(SECOND_MS).max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: UnixMs = UnixMs::new(1_000_000);

    #[test]
    fn the_eleventh_attempt_waits_for_the_next_window() {
        let attempts = Attempts::default();
        for _ in 0..ATTEMPTS_MAX {
            attempts.begin("li", START).unwrap();
        }
        let later = START.plus_ms(WINDOW_MS - 1_500);
        let refused = attempts.begin("li", later);
        assert!(matches!(refused, Err(Error::TooManyAttempts { retry_after_s: 2 })), "{refused:?}");
        assert!(attempts.begin("wu", later).is_ok(), "others go on");
        assert!(attempts.begin("li", START.plus_ms(WINDOW_MS)).is_ok());
    }

    #[test]
    fn success_clears_the_name() {
        let attempts = Attempts::default();
        for _ in 0..ATTEMPTS_MAX * 2 {
            attempts.begin("li", START).unwrap();
            attempts.clear("li");
        }
    }

    #[test]
    fn names_that_nobody_has_do_not_fill_the_memory() {
        let attempts = Attempts::default();
        for number in 0..NAMES_MAX {
            attempts.begin(&number.to_string(), START).unwrap();
        }
        assert!(attempts.begin("one more", START).is_err());
        assert!(attempts.begin("7", START).is_ok(), "who is counted already goes on");
        assert!(attempts.begin("one more", START.plus_ms(WINDOW_MS)).is_ok());
    }
}
