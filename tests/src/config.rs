//! What the stand-in is started with, and the one clock it reads.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// The credential the stand-in accepts unless told otherwise.
pub const TOKEN_DEFAULT: &str = "pat_standin";

/// The first id given out: nineteen digits, beyond what a JavaScript number can hold (2^53), as the
/// upstream's are.
pub const FIRST_ID_DEFAULT: u64 = 7_500_000_000_000_000_001;

/// Everything the stand-in is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The only bearer token accepted, beside those its own OAuth endpoint gave out.
    pub token: String,
    /// Where works are appended as JSON lines, and read back from at the next start.
    pub journal_file: Option<PathBuf>,
    /// Where `created_at` and the like come from.
    pub clock: Clock,
    /// The first id given out. A second life that must not repeat the ids of the first starts higher.
    pub first_id: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            token: TOKEN_DEFAULT.to_owned(),
            journal_file: None,
            clock: Clock::System,
            first_id: FIRST_ID_DEFAULT,
        }
    }
}

/// The time the stand-in puts into its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The machine's time.
    System,
    /// Always this unix second, so that answers can be compared byte for byte.
    Fixed(i64),
}

impl Clock {
    /// Unix seconds.
    pub(crate) fn now_seconds(self) -> i64 {
        match self {
            Self::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .ok()
                .and_then(|age| i64::try_from(age.as_secs()).ok())
                .unwrap_or_default(),
            Self::Fixed(seconds) => seconds,
        }
    }
}
