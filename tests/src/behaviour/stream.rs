//! How the events of a stream are spelt and cut into chunks.

use serde::{Deserialize, Serialize};

/// The longest data line that can be asked for, 16 MiB.
pub const LONG_LINE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How a stream looks. Unset, each path keeps its own dialect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamShape {
    /// One space behind `event:` and `data:`, or none.
    pub space: Option<bool>,
    /// How lines end.
    pub line_end: LineEnd,
    /// The stream ends right behind the last event's data, without any newline.
    pub without_last_newline: bool,
    /// A `PING` event behind the first event and every third one after it.
    pub ping: Ping,
    /// A comment line before every event.
    pub comments: bool,
    /// The keys of every object come in an order drawn from this seed, another in each event.
    pub key_order_seed: Option<u64>,
    /// The body leaves in chunks of this many bytes; 1 also splits characters.
    pub chunk_bytes: Option<u32>,
    /// One more event before the answer is complete, whose data line is at least this long: an audio
    /// delta in chats, a message in workflows.
    pub long_line_bytes: Option<u64>,
    /// How many audio deltas follow `conversation.chat.completed`.
    pub audio_after_completed: u32,
    /// The content type carries `; charset=utf-8`.
    pub charset: bool,
}

/// How lines end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineEnd {
    /// `\n`.
    #[default]
    Lf,
    /// `\r\n`.
    Crlf,
}

/// What a heartbeat event carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ping {
    /// No heartbeat.
    #[default]
    None,
    /// `{}`.
    Braces,
    /// A `data:` line with nothing in it. Dify's heartbeat is the same in both: a lone `event: ping`
    /// line.
    Empty,
}
