//! A caller's own key for a request, so that sending it twice does it once.
//!
//! Keys belong to an account and are kept for [`IDEMPOTENCY_KEEP_MS`]. They are looked up by the shell, in
//! storage and only for requests that have one; what follows is decided here.

use std::fmt;

use crate::entry::Hash;
use crate::ids::{AccountId, CallId};
use crate::refusal::Reason;
use crate::time::UnixMs;

/// How long a key is kept: 30 days.
pub const IDEMPOTENCY_KEEP_MS: u64 = 30 * 24 * 60 * 60 * 1_000;
/// Longest key of a caller, in bytes.
const KEY_BYTES_MAX: usize = 255;
/// Largest reply that is kept for replaying, in bytes. A larger one is answered by the call's id.
pub const IDEMPOTENT_REPLY_BYTES_MAX: usize = 256 << 10;

/// A caller's key, within its account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdempotencyKey(Box<str>);

impl IdempotencyKey {
    /// The key of this account, or a refusal when it is empty, too long or not printable.
    pub fn new(account: &AccountId, key: &str) -> Result<Self, Reason> {
        let plain = key.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        if key.is_empty() || key.len() > KEY_BYTES_MAX || !plain {
            return Err(Reason::IdempotencyInvalid);
        }
        // No account id holds a slash, so two accounts never share a key.
        Ok(Self(format!("{account}/{key}").into()))
    }

    /// The key as the caller spells it.
    pub fn of_caller(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, key)| key)
    }

    /// The key as it was stored.
    pub fn from_stored(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A request that carries a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The key.
    pub key: IdempotencyKey,
    /// A hash over everything that makes the request what it is: method, path, query and body.
    pub request: Hash,
}

/// A key that was used before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The key.
    pub key: IdempotencyKey,
    /// The hash of the request it was first used with.
    pub request: Hash,
    /// The call that this request became.
    pub call: CallId,
    /// When.
    pub used_at: UnixMs,
    /// The reply, once there was one that can be replayed.
    pub reply: Option<KeptReply>,
}

/// A JSON reply, kept for replaying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptReply {
    /// Its HTTP status.
    pub status: u16,
    /// Its body.
    pub body: String,
}
