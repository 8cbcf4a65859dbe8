//! The pull: what the origin sends down, and what the edge sends up.
//!
//! One request, `POST /_weir/journals/{name}/pull`. Down go an acknowledgement and what changed; up come
//! the entries behind the acknowledgement. Doing it twice is doing it once: changes carry whole states
//! and a revision, entries carry their numbers.

use serde::{Deserialize, Serialize};

use crate::account::{Account, Overdraft, Status};
use crate::entry::Tail;
use crate::journal::Order;
use crate::money::Nanos;

use super::book::{BookDoc, DatedDoc};
use super::entry::EntryDoc;
use super::explained::OpenDoc;
use super::registered::RegisteredKeyDoc;
use super::settings::SettingsDoc;
use super::stored::UsageDoc;
use super::{WireError, named, parse};

/// The version of the exchange.
pub const PULL_VERSION: u8 = 1;
/// Most entries in one page; about a megabyte.
pub const PAGE_ENTRIES_MAX: u32 = 1_000;
/// Most accounts, and most revoked keys, in one request. More go in further requests.
pub const CHANGES_MAX: usize = 1_000;
/// Most open calls that are listed one by one.
pub const OPEN_CALLS_MAX: usize = 100;
/// Most further open calls that are listed because their work has no name yet, and so most calls that
/// the origin may ask about.
pub const OPEN_UNNAMED_MAX: usize = 400;
/// Most open calls that are listed at all.
pub const OPEN_LISTED_MAX: usize = OPEN_CALLS_MAX + OPEN_UNNAMED_MAX;
/// Most orders in one request.
pub const ORDERS_MAX: usize = 100;
/// Largest body of a pull request, in bytes: two full price books and a full list of accounts.
pub const PULL_BYTES_MAX: usize = 8 << 20;

/// What the origin sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequest {
    /// [`PULL_VERSION`].
    pub v: u8,
    /// The epoch the origin knows; nothing is acknowledged to another. Absent on the first pull.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// The last entry that is safely posted.
    pub ack: u64,
    /// Most entries to send, up to [`PAGE_ENTRIES_MAX`].
    pub limit: u32,
    /// What changed since the revision that the edge last reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<Changes>,
    /// Calls that upstream's bill names and the books do not know, at most [`OPEN_UNNAMED_MAX`]: where they
    /// are open without a name, they are listed before others. What is no call's id is passed over. An edge
    /// that does not know this yet lists the oldest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub billed: Vec<String>,
}

/// Whole states of what changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Changes {
    /// The journal's revision once these are applied. Older ones are ignored.
    pub upto: u64,
    /// Accounts, in full.
    #[serde(default)]
    pub accounts: Vec<AccountDoc>,
    /// Keys that are no longer good.
    #[serde(default)]
    pub revoked_keys: Vec<String>,
    /// The price book now in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub book: Option<BookDoc>,
    /// The one that follows it, told ahead so that it comes into force on time. It comes with `book` and
    /// only then; an edge that does not know it yet gets each book when it has started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_book: Option<DatedDoc>,
    /// Public keys that were registered or taken back, for the journal that lists them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub registered_keys: Vec<RegisteredKeyDoc>,
    /// What was decided about calls that are still open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<OrderDoc>,
}

/// A decision about one open call. Given twice, it is carried out once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderDoc {
    /// The call.
    pub call: String,
    /// What is to become of it.
    #[serde(flatten)]
    pub action: ActionDoc,
    /// It was not a person who decided, but upstream's bill. An edge that does not know this yet carries
    /// the order out all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub billed: bool,
}

/// What is to become of an open call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum ActionDoc {
    /// Charge it, by this usage where the price needs one.
    Settle {
        /// Tokens.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usage: Option<UsageDoc>,
    },
    /// Let it go for nothing.
    Release,
}

impl TryFrom<&OrderDoc> for Order {
    type Error = WireError;

    fn try_from(doc: &OrderDoc) -> Result<Self, WireError> {
        let OrderDoc { call: _, action, billed } = doc;
        Ok(match action {
            ActionDoc::Settle { usage } => {
                let usage = usage.as_ref().map(TryInto::try_into).transpose()?;
                if *billed { Self::Bill(usage) } else { Self::Settle(usage) }
            }
            ActionDoc::Release => Self::Release,
        })
    }
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountDoc {
    /// Its id.
    pub id: String,
    /// `active` or `suspended`.
    pub status: String,
    /// Its group.
    pub group: String,
    /// How far below zero it may go; absent for as far as it happens to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overdraft_nanos: Option<i64>,
    /// The sum of its credits.
    pub credits_nanos: i64,
    /// What else was set for it.
    #[serde(default, skip_serializing_if = "SettingsDoc::is_at_rest")]
    pub settings: SettingsDoc,
}

/// What the edge answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullReply {
    /// [`PULL_VERSION`].
    pub v: u8,
    /// The journal's name.
    pub journal: String,
    /// The journal's epoch. Another one than before means that its store was lost.
    pub epoch: String,
    /// The revision of the last changes applied.
    pub applied: u64,
    /// The entries behind `ack`, in order.
    pub entries: Vec<EntryDoc>,
    /// The journal's newest entry, which may be far ahead of this page.
    pub head: TailDoc,
    /// Calls admitted and not finished.
    pub open_holds: u64,
    /// The oldest of them, at most [`OPEN_CALLS_MAX`], and of those whose work has no name yet at most
    /// [`OPEN_UNNAMED_MAX`]: the ones that were asked about, then the oldest.
    #[serde(default)]
    pub open: Vec<OpenDoc>,
    /// When the oldest of them was admitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_hold_at_ms: Option<u64>,
}

/// A place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TailDoc {
    /// The entry's number.
    pub seq: u64,
    /// The sum of all amounts so far.
    pub total_nanos: i64,
    /// The entry's hash, in hexadecimal.
    pub hash: String,
}

impl From<&Tail> for TailDoc {
    fn from(tail: &Tail) -> Self {
        let Tail { seq, total, hash } = tail;
        Self { seq: *seq, total_nanos: total.get(), hash: hash.to_string() }
    }
}

impl TryFrom<&TailDoc> for Tail {
    type Error = WireError;

    fn try_from(doc: &TailDoc) -> Result<Self, WireError> {
        let TailDoc { seq, total_nanos, hash } = doc;
        Ok(Self { seq: *seq, total: Nanos::new(*total_nanos), hash: parse("hash", hash)? })
    }
}

impl From<&Account> for AccountDoc {
    fn from(account: &Account) -> Self {
        let Account { id, status, group, overdraft, credits, settings } = account;
        Self {
            id: id.to_string(),
            status: status.name().to_owned(),
            group: group.to_string(),
            overdraft_nanos: match overdraft {
                Overdraft::Unlimited => None,
                Overdraft::Limit(limit) => Some(limit.get()),
            },
            credits_nanos: credits.get(),
            settings: settings.into(),
        }
    }
}

impl TryFrom<&AccountDoc> for Account {
    type Error = WireError;

    fn try_from(doc: &AccountDoc) -> Result<Self, WireError> {
        let AccountDoc { id, status, group, overdraft_nanos, credits_nanos, settings } = doc;
        Ok(Self {
            id: parse("id", id)?,
            status: named("status", status, Status::from_name)?,
            group: parse("group", group)?,
            overdraft: overdraft_nanos
                .map_or(Overdraft::Unlimited, |limit| Overdraft::Limit(Nanos::new(limit))),
            credits: Nanos::new(*credits_nanos),
            settings: settings.try_into()?,
        })
    }
}
