//! What a bot or a workflow is told to do, as the JSON of `PUT /_standin/subjects/{id}`.
//!
//! Every field may be left out; what is left out behaves as the upstream usually does. An unknown
//! field is an error, so that a misspelt switch cannot make a test pass.
//!
//! # Bounds
//! [`Behaviour::check`] refuses numbers beyond the maxima named in these files.

mod dify;
mod outcome;
mod pace;
mod stream;
mod usage;

use serde::{Deserialize, Serialize};

pub use self::dify::{Dify, DifyApp, DifyUsage};
pub use self::outcome::{
    Failure, FirstStatus, Interruption, Outcome, Polls, Refusal, RefusalBody, StreamError, ToolCall,
};
pub use self::pace::{DELAY_MS_MAX, HOLD_SECONDS_MAX, Pace, SILENCE_MS_MAX};
pub use self::stream::{LONG_LINE_BYTES_MAX, LineEnd, Ping, StreamShape};
pub use self::usage::{Usage, UsageForm};

/// A stream has at most this many deltas, and as many audio deltas.
pub const DELTAS_MAX: u32 = 10_000;

/// An async unit of work is done after at most this many polls.
pub const POLLS_MAX: u32 = 100_000;

/// How one subject (bot id or workflow id) behaves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// The text of the answer. Unset: a chat answers `You said: <last user message>`, a workflow
    /// `Ran with <its parameters>`.
    pub answer: Option<String>,
    /// In how many pieces a stream brings the answer. Unset: 3, fewer for a shorter answer.
    pub deltas: Option<u32>,
    /// What a workflow run returns as its `data` string, verbatim; it need not be JSON.
    /// Unset: `{"output":"<answer>"}`.
    pub run_data: Option<String>,
    /// Leave `code` out of a successful run reply, as the documented async sample does.
    pub run_without_code: bool,
    /// How much is used and how the wire tells it.
    pub usage: Usage,
    /// How the work ends.
    pub outcome: Outcome,
    /// Refuse the call instead of working; nothing is recorded as work then.
    pub refuse: Option<Refusal>,
    /// Refuse follow-ups (chat retrieve, run history) in this way.
    pub refuse_polls: Option<Refusal>,
    /// What polling an unfinished unit of work gives.
    pub polls: Polls,
    /// In whose words replies are.
    pub server: Server,
    /// Ids are numbers in replies, as in simulators that forgot that they are strings.
    pub numeric_ids: bool,
    /// How the events of a stream are spelt and cut.
    pub stream: StreamShape,
    /// When the bytes come.
    pub pace: Pace,
    /// What only a Dify app can be told.
    pub dify: Dify,
}

/// Which server a subject runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Server {
    /// The hosted service.
    #[default]
    Hosted,
    /// The open-source server: other names for ends and statuses, a total that is wrong, failures as
    /// plain text or with a code that is text.
    OpenSource,
}

impl Behaviour {
    /// Says which number is beyond its maximum, if one is.
    pub fn check(&self) -> Result<(), OutOfBounds> {
        let within = |field: &'static str, value: u64, max: u64| {
            if value <= max { Ok(()) } else { Err(OutOfBounds { field, max }) }
        };
        let long_line = self.stream.long_line_bytes.unwrap_or_default();
        within("deltas", self.deltas.unwrap_or_default().into(), DELTAS_MAX.into())?;
        within(
            "stream.audio_after_completed",
            self.stream.audio_after_completed.into(),
            DELTAS_MAX.into(),
        )?;
        within("stream.long_line_bytes", long_line, LONG_LINE_BYTES_MAX)?;
        within("pace.silence_ms", self.pace.silence_ms, SILENCE_MS_MAX)?;
        within("pace.delay_ms", self.pace.delay_ms, DELAY_MS_MAX)?;
        within("polls.done_after_ms", self.polls.done_after_ms, SILENCE_MS_MAX)?;
        within("polls.before_done", self.polls.before_done.into(), POLLS_MAX.into())
    }
}

/// A number of a [`Behaviour`] is larger than the stand-in is willing to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} may be at most {max}")]
pub struct OutOfBounds {
    /// The field, in dotted form.
    pub field: &'static str,
    /// Its largest value.
    pub max: u64,
}
