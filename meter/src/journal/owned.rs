//! Whose a thing is, that a request names.
//!
//! Default-deny: it is an account's only where this journal knows that the account made it. A conversation and
//! a file have a row of their own in storage, kept for [`OWNED_KEEP_MS`]; a chat and a run are known by the
//! calls that made them.

use std::fmt;

use crate::apart::Named;
use crate::ids::{AccountId, CallId, UpstreamId};
use crate::route::{Dialect, Kind, Operation};
use crate::time::{DAY_MS, UnixMs};
use crate::usage::WorkIds;

use super::{Journal, Rows};

/// How long it is known whose a conversation is, from when it was used last: 180 days, for as long as Coze
/// keeps its messages (contract §3).
pub const OWNED_KEEP_MS: u64 = 180 * DAY_MS;
/// How old a row gets before using the conversation writes it again.
pub const OWNED_REFRESH_MS: u64 = DAY_MS;

/// The name under which a thing of an account's is stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnedName(Box<str>);

impl OwnedName {
    /// The name of this account's thing. Neither an account's id nor a kind's name holds a slash, so that no
    /// two things share one.
    pub fn new(account: &AccountId, named: &Named) -> Self {
        let Named { kind, id } = named;
        Self(format!("{account}/{}/{id}", kind.name()).into())
    }
}

impl fmt::Display for OwnedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What memory knows of a thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// The account made it.
    Theirs,
    /// If the account made it, it has a row of this name, or it was made by a call that still runs.
    Kept(OwnedName),
    /// If the account made it, its call is in one of these rows.
    In(Vec<Rows>),
}

impl Journal {
    /// What is known of a thing, as far as memory goes.
    pub fn whose(&self, account: &AccountId, named: &Named) -> Whose {
        let Named { kind, id } = named;
        match kind {
            Kind::Chat | Kind::Execution => {
                if self.call_of(account, id).is_some() || self.works.is_fresh(account, id) {
                    return Whose::Theirs;
                }
                Whose::In(self.works.rows(account, id))
            }
            Kind::Conversation | Kind::File => Whose::Kept(OwnedName::new(account, named)),
        }
    }

    /// Whether a call of this account runs in this conversation.
    pub fn runs_in(&self, account: &AccountId, conversation: &UpstreamId) -> bool {
        let is_its = |ids: &WorkIds| ids.conversation.as_ref() == Some(conversation);
        let mut open = self.open.values().filter(|open| open.hold.account == *account);
        open.any(|open| is_its(&open.hold.ids) || is_its(&open.sighted))
    }

    /// Whether a call of this account runs that may have made such a thing, and has not said so yet: a
    /// caller reads what upstream made before this journal hears of it.
    pub fn may_make(&self, account: &AccountId, kind: Kind) -> bool {
        let may = |operation: Operation| match kind {
            Kind::Conversation | Kind::Chat => operation.dialect() == Dialect::Chat,
            Kind::Execution => {
                operation.dialect() == Dialect::Workflow || operation == Operation::Chatflow
            }
            Kind::File => false,
        };
        self.open.values().any(|open| {
            let (hold, sighted) = (&open.hold, &open.sighted);
            let has = |one: fn(&WorkIds) -> bool| one(&hold.ids) || one(sighted);
            let is_named = match kind {
                Kind::Execution => has(|ids| ids.execution.is_some()),
                Kind::Conversation | Kind::Chat | Kind::File => has(|ids| ids.chat.is_some()),
            };
            hold.account == *account && !is_named && may(hold.asked.operation)
        })
    }

    /// Takes in the ids of a running call's work as soon as its caller has seen them. Nothing is stored:
    /// what outlives this instance is noted by [`Journal::note`].
    pub fn sight(&mut self, call: &CallId, ids: &WorkIds, now: UnixMs) {
        let Some(&call_no) = self.by_call.get(call) else { return };
        let Some(open) = self.open.get_mut(&call_no) else { return };
        open.seen_at = now;
        open.sighted = std::mem::take(&mut open.sighted).or(ids.clone());
        let sighted = open.sighted.clone();
        self.index_work(call_no, &sighted);
    }

    /// Forgets what was made by calls that are not kept any more: those before the mark of this entry.
    pub fn forget_works(&mut self, seq: u64) {
        self.works.forget_before(seq);
    }
}
