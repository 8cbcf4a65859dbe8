//! When the bytes come, and when they stop.

use serde::{Deserialize, Serialize};

/// The longest silence before a reply, 10 minutes: the upstream's own hard stop for sync runs.
pub const SILENCE_MS_MAX: u64 = 10 * 60 * 1000;

/// The longest pause between two events.
pub const DELAY_MS_MAX: u64 = 60 * 1000;

/// A hold that nobody releases opens by itself after this time, so that nothing waits forever.
pub const HOLD_SECONDS_MAX: u64 = 10 * 60;

/// When the bytes of a reply come. The work itself goes on whether or not anybody still reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pace {
    /// Silence before the reply begins, headers included.
    pub silence_ms: u64,
    /// A pause before every event but the first.
    pub delay_ms: u64,
    /// The connection is cut once this many bytes of the body have left.
    pub cut_after_bytes: Option<u64>,
    /// Hold the whole reply, headers included, until the subject is released.
    pub hold_before_reply: bool,
    /// Hold the stream once this many events have left; 0 holds it behind the headers. Pings count,
    /// comments do not. Ascending. The first hold of a call opens at the first release since the
    /// behaviour was put, the second at the second, and so on; `hold_before_reply` is the first
    /// where both are set.
    pub hold_after_events: Vec<u32>,
}
