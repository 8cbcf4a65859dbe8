//! Upstream's own bill: what Coze says it charged, and what follows for our books.
//!
//! Path: journal → ledger → **bill**. Coze tells each charge as a `benefit.usage` callback, and gives the
//! same rows as files (contract §1.7). A record names the account and call that its request was stamped
//! with, or nobody; it never names chat or execution. [`read`] takes records in, [`compare`] says which
//! charge is which call, [`complete`] what a bill means for a call that the wire told nothing about.
//! Knows nothing of HTTP, files or SQL.
//!
//! # Bounds
//! A text in a record has at most [`TEXT_BYTES_MAX`] bytes.

pub mod read;
pub mod compare;
pub mod complete;

use crate::stamp::Stamp;
use crate::time::UnixMs;
use crate::usage::Usage;

/// Longest text in a record, in bytes.
pub const TEXT_BYTES_MAX: usize = 256;

/// One charge, as upstream tells it. No prompt and no answer is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its own id; the same charge told twice has the same.
    pub id: String,
    /// When it was consumed, to the second.
    pub consumed_at: UnixMs,
    /// What links the records of one conversation turn.
    pub root: Option<String>,
    /// The channel: 1024 is the API.
    pub connector: Option<String>,
    /// The end user in that channel.
    pub connector_user: Option<String>,
    /// The device that the request named.
    pub device: Option<String>,
    /// The consumer that the request named: our stamp, or somebody else's word.
    pub consumer: Option<String>,
    /// The space of the entity.
    pub space: Option<String>,
    /// Which of the operator's accounts is charged.
    pub cost_account: Option<String>,
    /// What kind of thing it is booked on: 1 bot, 2 workflow, 3 plugin, 4 app, 5 model, 6 voice.
    pub entity_kind: Option<u64>,
    /// Which one.
    pub entity: Option<String>,
    /// What it cost the operator, as a decimal number of `balance_kind`.
    pub change: Option<String>,
    /// In which currency: 2 resource points, 3 and 4 seconds of voice.
    pub balance_kind: Option<u64>,
    /// What was consumed: 1 model, 2 plugin, 3 voice, 4 audio or video call.
    pub resource_kind: u64,
    /// Which one.
    pub resource: Option<String>,
    /// Which model.
    pub model: Option<String>,
    /// Tokens in.
    pub input_tokens: u64,
    /// Tokens out.
    pub output_tokens: u64,
    /// Characters spoken.
    pub tts_characters: u64,
    /// How often something was spoken.
    pub tts_count: u64,
    /// Milliseconds listened to.
    pub asr_ms: u64,
    /// Milliseconds of a call.
    pub rtc_ms: u64,
}

/// [`Record::resource_kind`] of models.
pub const RESOURCE_MODEL: u64 = 1;

impl Record {
    /// The call it is for, when its request was stamped by us.
    pub fn stamp(&self) -> Option<Stamp> {
        self.consumer.as_deref()?.parse().ok()
    }

    /// The tokens it charges.
    pub fn tokens(&self) -> (u64, u64) {
        (self.input_tokens, self.output_tokens)
    }
}

/// Tokens that were summed over records, as a usage; `None` for sums that nobody believes.
pub fn usage(input_tokens: u64, output_tokens: u64) -> Option<Usage> {
    Usage::from_counts(Some(input_tokens), Some(output_tokens), None)
}
