//! The calls that finished last and the ones refused last, for commands that come twice and for
//! whoever asks why.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

use crate::entry::{Ending, Facts};
use crate::ids::{AccountId, CallId, UpstreamId};
use crate::money::Nanos;
use crate::outcome::Source;
use crate::refusal::Reason;
use crate::time::UnixMs;
use crate::usage::Usage;

use super::{RECENT_MAX, REFUSED_MAX};

/// What is worth knowing of a finished call.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) account: AccountId,
    pub(super) ending: Ending,
    pub(super) amount: Nanos,
    work: Vec<UpstreamId>,
}

/// What was billed for a piece of work.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Billed {
    pub(super) usage: Option<Usage>,
    /// It was the whole of a run that is over, also what its earlier legs had not been billed for yet.
    pub(super) is_whole: bool,
    /// The call that began the work is among those that were billed.
    is_claimed: bool,
    /// What one of its calls used could not be learned: that is left to upstream's bill.
    pub(super) lacks_usage: bool,
    /// How many of the calls that ended with it are remembered.
    calls: usize,
}

/// The last [`RECENT_MAX`] finished calls.
#[derive(Debug, Default)]
pub(super) struct Recent {
    by_call: BTreeMap<CallId, Known>,
    /// What was billed for a piece of work, to each account by itself: its name may be a caller's word.
    by_work: BTreeMap<(AccountId, UpstreamId), Billed>,
    order: VecDeque<CallId>,
}

impl Recent {
    pub(super) fn get(&self, call: &CallId) -> Option<&Known> {
        self.by_call.get(call)
    }

    /// Whether this work was billed to this account under the call that began it. Its resumes do not
    /// count: they are work beside it.
    pub(super) fn was_claimed(&self, account: &AccountId, work: &UpstreamId) -> bool {
        self.by_work.get(&(account.clone(), work.clone())).is_some_and(|billed| billed.is_claimed)
    }

    /// What was billed to this account for this work, over all its calls; `None` where that is not known
    /// from its beginning on.
    pub(super) fn billed_from_the_beginning(
        &self,
        account: &AccountId,
        work: &UpstreamId,
    ) -> Option<Usage> {
        let billed = self.billed(account, work);
        billed.is_claimed.then(|| billed.usage.unwrap_or_default())
    }

    /// What was billed to this account for this work, over all its calls that are known.
    pub(super) fn billed(&self, account: &AccountId, work: &UpstreamId) -> Billed {
        self.by_work.get(&(account.clone(), work.clone())).copied().unwrap_or_default()
    }

    pub(super) fn remember(&mut self, facts: &Facts) {
        let Facts { call, account, ending, amount, ids, reading, .. } = facts;
        let settled = *ending == Ending::Settled;
        let lacks_usage = facts.lacks_usage();
        let is_kept = settled || lacks_usage;
        let work = [&ids.chat, &ids.execution].into_iter().flatten().filter(|_| is_kept);
        let work: Vec<UpstreamId> = work.cloned().collect();
        for id in &work {
            let billed = self.by_work.entry((account.clone(), id.clone())).or_default();
            billed.calls = billed.calls.saturating_add(1);
            billed.lacks_usage |= lacks_usage;
            if !settled {
                continue;
            }
            billed.is_claimed |= facts.asked.resumes.is_none();
            // An answer ends a resume only when the run is over.
            let was_asked = reading.source == Source::Retrieved;
            billed.is_whole |= was_asked && facts.asked.resumes.is_some();
            billed.usage = match (billed.usage, reading.usage) {
                (Some(before), Some(now)) => Some(before.plus(now)),
                (before, now) => before.or(now),
            };
        }
        let known = Known { account: account.clone(), ending: *ending, amount: *amount, work };
        if self.by_call.insert(call.clone(), known).is_none() {
            self.order.push_back(call.clone());
        }
        if self.order.len() > RECENT_MAX {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let oldest = self.order.pop_front().and_then(|oldest| self.by_call.remove(&oldest));
        let Some(Known { account, work, .. }) = oldest else { return };
        for id in work {
            // What was billed for a run is known as long as one of its legs is.
            if let Entry::Occupied(mut billed) = self.by_work.entry((account.clone(), id)) {
                billed.get_mut().calls = billed.get().calls.saturating_sub(1);
                if billed.get().calls == 0 {
                    billed.remove();
                }
            }
        }
    }
}

/// The last [`REFUSED_MAX`] calls that were not let in.
#[derive(Debug, Default)]
pub(super) struct Refused {
    calls: VecDeque<(CallId, AccountId, Reason, UnixMs)>,
}

impl Refused {
    pub(super) fn remember(&mut self, call: CallId, account: AccountId, why: Reason, at: UnixMs) {
        if self.calls.len() >= REFUSED_MAX {
            self.calls.pop_front();
        }
        self.calls.push_back((call, account, why, at));
    }

    pub(super) fn get(&self, call: &CallId) -> Option<(&AccountId, Reason, UnixMs)> {
        let found = self.calls.iter().find(|(refused, ..)| refused == call);
        found.map(|(_, account, why, at)| (account, *why, *at))
    }
}
