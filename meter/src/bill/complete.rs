//! What the bill means for a call that the wire told nothing about.
//!
//! An open call is ended by an order, once bill and edge have both been quiet about it for long enough
//! that neither has more to say. A call that had to be given up before its records came stands in the
//! books as a call of nothing, and entries never change; its charge is then taken from the account by a
//! correction, derived from the call's own frozen terms.

use crate::entry::Facts;
use crate::money::{Nanos, OutOfRange};
use crate::outcome::{Reading, Source};
use crate::time::UnixMs;
use crate::usage::{Usage, WorkIds};

/// How long bill and edge must have been quiet about a call unless configured: a synchronous run is
/// stopped by upstream after 10 minutes (contract §3), so nobody still has it in hand after 11.
pub const QUIET_MS_DEFAULT: u64 = 11 * 60 * 1_000;

/// An open call, as its journal told of it last.
#[derive(Debug, Clone, Copy)]
pub struct Waiting<'a> {
    /// Upstream's ids of its work.
    pub ids: &'a WorkIds,
    /// When it was last in somebody's hands; `None` when its journal does not say.
    pub seen_at: Option<UnixMs>,
    /// When the bill's last record about it came.
    pub billed_at: UnixMs,
}

impl Waiting<'_> {
    /// Whether the bill has the last word about the call. One that upstream can be asked about is left
    /// to the journal, whose answer is the call's own.
    pub fn is_for_the_bill(&self, now: UnixMs, quiet_ms: u64) -> bool {
        let quiet = |since: UnixMs| now.since(since) >= quiet_ms;
        !self.ids.can_be_asked() && self.seen_at.is_some_and(quiet) && quiet(self.billed_at)
    }
}

/// What a finished call should have cost by the bill, beyond what it was charged; `None` when the call
/// stands by a word of its own, which the bill does not overrule.
pub fn correction(facts: &Facts, billed: Usage) -> Result<Option<Nanos>, OutOfRange> {
    if !facts.lacks_usage() {
        return Ok(None);
    }
    let usage = facts.asked.operation.counts_tokens().then_some(billed);
    let reading = Reading { usage, source: Source::Bill };
    let charge = facts.terms.charge(facts.asked.units, &reading)?;
    charge.minus(facts.amount).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bill;
    use crate::entry::Ending;
    use crate::ids::Group;
    use crate::price::{Price, PriceBook, Terms};
    use crate::request::{Asked, SubjectKind};
    use crate::route::Operation;

    fn waiting(ids: &WorkIds, seen_at: Option<u64>, billed_at: u64) -> Waiting<'_> {
        let billed_at = UnixMs::new(billed_at);
        Waiting { ids, seen_at: seen_at.map(UnixMs::new), billed_at }
    }

    #[test]
    fn an_order_waits_until_bill_and_edge_are_quiet() {
        let unnamed = WorkIds::default();
        let decide = |waiting: Waiting<'_>| waiting.is_for_the_bill(UnixMs::new(1_000), 100);
        assert!(decide(waiting(&unnamed, Some(900), 900)));
        assert!(!decide(waiting(&unnamed, Some(901), 900)), "the edge has it in hand");
        assert!(!decide(waiting(&unnamed, Some(900), 901)), "records still come");
        assert!(!decide(waiting(&unnamed, None, 900)), "nobody knows whether it is in hand");
        let execution = Some("7502".parse().unwrap());
        let named = WorkIds { execution, ..WorkIds::default() };
        assert!(!decide(waiting(&named, Some(0), 0)), "upstream can be asked");
    }

    fn facts(price: Price, ending: Ending, source: Source) -> Facts {
        let id = |text: &str| text.parse().unwrap();
        let asked = Asked::new(Operation::WorkflowRun, SubjectKind::Workflow, id("7480"));
        let account = "acc_1".parse().unwrap();
        let terms = PriceBook::initial().terms(&account, &Group::standard(), &asked).unwrap();
        Facts {
            call: "c1".parse().unwrap(),
            account,
            key: "key_1".parse().unwrap(),
            asked,
            group: Group::standard(),
            terms: Terms { price, ..terms },
            admitted_at: UnixMs::new(1),
            finished_at: UnixMs::new(2),
            ending,
            status: None,
            code: None,
            reading: Reading { usage: None, source },
            usage_fell: false,
            ids: WorkIds::default(),
            amount: Nanos::ZERO,
        }
    }

    #[track_caller]
    fn check(price: Price, ending: Ending, source: Source, want: Option<i64>) {
        let facts = facts(price, ending, source);
        let billed = bill::usage(300, 50).unwrap();
        assert_eq!(correction(&facts, billed), Ok(want.map(Nanos::new)));
    }

    #[test]
    fn only_what_lacks_a_word_of_its_own_is_corrected() {
        let rate = |nanos: i64| Nanos::new(nanos * 1_000_000);
        let tokens = Price::PerToken { input_per_million: rate(2), output_per_million: rate(10) };
        let call = Price::PerCall { amount: Nanos::new(7) };
        check(tokens, Ending::Expired, Source::Missing, Some(300 * 2 + 50 * 10));
        check(tokens, Ending::Settled, Source::Missing, Some(300 * 2 + 50 * 10));
        check(call, Ending::Expired, Source::Missing, Some(7));
        check(Price::Free, Ending::Expired, Source::Missing, Some(0));
        // A price by the call needs no usage, so nothing is missing.
        check(call, Ending::Settled, Source::Missing, None);
        for source in [Source::Reported, Source::Retrieved, Source::Operator, Source::Bill] {
            check(tokens, Ending::Settled, source, None);
        }
        check(tokens, Ending::Released, Source::Reported, None);
    }
}
