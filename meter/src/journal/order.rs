//! What is decided about a call that is still open: by an operator, or by upstream's bill.

use crate::entry::Ending;
use crate::ids::CallId;
use crate::outcome::{Reading, Source};
use crate::time::UnixMs;
use crate::usage::{Observed, Usage};

use super::{Decision, Journal, Settled};

/// What is to become of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Charge it by this usage.
    Settle(Option<Usage>),
    /// Let it go for nothing.
    Release,
    /// Charge it as upstream's bill names it: by these tokens, where the price counts them.
    Bill(Option<Usage>),
}

impl Journal {
    /// Ends an open call as ordered. One that is not open any more stays as it ended.
    ///
    /// What the bill decides was decided by what the origin was told last. A call that has got a name
    /// meanwhile is asked about, and its own answer counts.
    pub fn obey(&mut self, call: &CallId, order: Order, now: UnixMs) -> Decision<Settled> {
        let found = self.by_call.get(call).and_then(|call_no| self.open.get(call_no));
        let Some(open) = found else { return self.remembered(call) };
        if matches!(order, Order::Bill(_)) && open.hold.ids.can_be_asked() {
            return Decision::unchanged(Settled::Open);
        }
        let (no, status) = (open.hold.call_no, open.hold.status);
        let (ending, usage, source) = match order {
            Order::Settle(usage) => (Ending::Settled, usage, Source::Operator),
            Order::Release => (Ending::Released, None, Source::Operator),
            Order::Bill(usage) => (Ending::Settled, usage, Source::Bill),
        };
        let reading = Reading { usage, source };
        self.finish(no, (ending, reading), status, &Observed::nothing(), now)
    }
}
