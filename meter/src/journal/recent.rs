//! The calls that finished last, for commands that come twice.

use std::collections::{BTreeMap, VecDeque};

use crate::entry::{Ending, Facts};
use crate::ids::{AccountId, CallId};
use crate::money::Nanos;

use super::RECENT_MAX;

/// What is worth knowing of a finished call.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) account: AccountId,
    pub(super) ending: Ending,
    pub(super) amount: Nanos,
}

/// The last [`RECENT_MAX`] finished calls.
#[derive(Debug, Default)]
pub(super) struct Recent {
    by_call: BTreeMap<CallId, Known>,
    order: VecDeque<CallId>,
}

impl Recent {
    pub(super) fn get(&self, call: &CallId) -> Option<&Known> {
        self.by_call.get(call)
    }

    pub(super) fn remember(&mut self, facts: &Facts) {
        let Facts { call, account, ending, amount, .. } = facts;
        let known = Known { account: account.clone(), ending: *ending, amount: *amount };
        if self.by_call.insert(call.clone(), known).is_none() {
            self.order.push_back(call.clone());
        }
        if self.order.len() > RECENT_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_call.remove(&oldest);
        }
    }
}
