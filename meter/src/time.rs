//! Points in time, given by the shell.

/// Milliseconds of a day.
pub const DAY_MS: u64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;

/// Milliseconds since 1970-01-01 UTC. Good for 285,000 years in a JavaScript number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct UnixMs(u64);

impl UnixMs {
    /// This many milliseconds since 1970.
    pub const fn new(ms: u64) -> Self {
        Self(ms)
    }

    /// As an integer, for storing and sending.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// This much later.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// The day that it falls into where clocks are this many minutes ahead of UTC, counted from 1970.
    pub const fn day(self, offset_minutes: i16) -> u64 {
        self.local_ms(offset_minutes) / DAY_MS
    }

    /// Milliseconds until that day ends: at least one, at most a day.
    pub const fn until_day_ends(self, offset_minutes: i16) -> u64 {
        DAY_MS - self.local_ms(offset_minutes) % DAY_MS
    }

    const fn local_ms(self, offset_minutes: i16) -> u64 {
        // Widening, which `From` cannot do in a constant function.
        self.0.saturating_add_signed(offset_minutes as i64 * MINUTE_MS)
    }

    /// How long ago `earlier` was; zero when it was not.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_where_the_clock_says() {
        let midnight_utc = UnixMs::new(20_413 * DAY_MS);
        let check = |time: UnixMs, offset, day, left| {
            assert_eq!((time.day(offset), time.until_day_ends(offset)), (day, left));
        };
        check(midnight_utc, 0, 20_413, DAY_MS);
        check(UnixMs::new(midnight_utc.get() - 1), 0, 20_412, 1);
        check(midnight_utc, 480, 20_413, 16 * 3_600_000);
        check(midnight_utc.plus_ms(16 * 3_600_000), 480, 20_414, DAY_MS);
        check(midnight_utc, -300, 20_412, 5 * 3_600_000);
        check(UnixMs::new(0), -300, 0, DAY_MS);
    }
}
