//! Why a call stands as it does.

use std::collections::BTreeMap;

use crate::entry::Ending;
use crate::ids::{AccountId, CallId};
use crate::money::Nanos;
use crate::refusal::Reason;
use crate::time::UnixMs;

use super::{CallNo, Hold, Journal, Open};

/// What the journal remembers of a call. Finished calls are told in full by their entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Explained {
    /// It runs.
    Open {
        /// Everything that was decided when it was let in, and learned since.
        hold: Box<Hold>,
        /// What is being waited for.
        waits_for: &'static str,
        /// Questions asked of upstream so far.
        asked: u32,
        /// When something is done about it next.
        due_at: UnixMs,
        /// When it was last known to be in somebody's hands.
        seen_at: UnixMs,
    },
    /// It ended.
    Finished {
        /// How.
        ending: Ending,
        /// At what cost.
        amount: Nanos,
    },
    /// It was not let in.
    Refused {
        /// Why.
        reason: Reason,
        /// When.
        at: UnixMs,
    },
}

impl Open {
    /// What the call is waiting for, in a word or two.
    pub(super) fn waits_for(&self) -> &'static str {
        match (self.ask_at, self.hold.ids.can_be_asked()) {
            (Some(_), true) => "upstream's answer",
            (None, true) => "the reply's end",
            (_, false) if self.hold.status.is_some() => "upstream's bill",
            (_, false) => "the reply",
        }
    }

    fn explain(&self) -> Explained {
        Explained::Open {
            hold: Box::new(self.hold.clone()),
            waits_for: self.waits_for(),
            asked: self.asked,
            due_at: self.due_at(),
            seen_at: self.seen_at,
        }
    }
}

impl Journal {
    /// What is known of one of this account's calls.
    pub fn explain(&self, account: &AccountId, call: &CallId) -> Option<Explained> {
        if let Some(open) = self.by_call.get(call).and_then(|call_no| self.open.get(call_no)) {
            return (open.hold.account == *account).then(|| open.explain());
        }
        if let Some(known) = self.recent.get(call).filter(|known| known.account == *account) {
            return Some(Explained::Finished { ending: known.ending, amount: known.amount });
        }
        let (owner, reason, at) = self.refused.get(call)?;
        (owner == account).then_some(Explained::Refused { reason, at })
    }

    /// The oldest open calls, at most `calls_max`, and of those whose work has no name at most
    /// `unnamed_max`: the ones that are `billed`, then the oldest. The bill has to end these, however many
    /// others are open.
    pub fn open_calls(
        &self,
        calls_max: usize,
        billed: &[CallId],
        unnamed_max: usize,
    ) -> Vec<Explained> {
        let billed = billed.iter().filter_map(|call| self.by_call.get(call));
        let billed = billed.filter_map(|call_no| self.open.get(call_no));
        let unnamed = billed.chain(self.open.values()).filter(|open| !open.hold.ids.can_be_asked());
        let mut listed: BTreeMap<CallNo, &Open> = BTreeMap::new();
        for open in unnamed {
            if listed.len() >= unnamed_max {
                break;
            }
            listed.insert(open.hold.call_no, open);
        }
        listed.extend(self.open.iter().take(calls_max).map(|(call_no, open)| (*call_no, open)));
        listed.into_values().map(Open::explain).collect()
    }
}
