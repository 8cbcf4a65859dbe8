//! Points in time, given by the shell.

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

    /// How long ago `earlier` was; zero when it was not.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
