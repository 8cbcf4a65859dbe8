//! Calls, prices and credits, drawn at random; and what they sum up to, added up the plain way.

use meter::entry::{Ending, Facts};
use meter::money::{Nanos, Ratio};
use meter::outcome::{Reading, Source};
use meter::price::{Price, Terms};
use meter::request::{Asked, SubjectKind};
use meter::route::Operation;
use meter::time::UnixMs;
use meter::usage::Usage;
use proptest::prelude::*;
use serde_json::Value;

use crate::facts::{BEGAN_MS, run};

/// Most calls in one.
pub(crate) const CALLS_MAX: usize = 60;
/// Accounts, the last of which lives in another journal.
pub(crate) const ACCOUNTS: usize = 3;
/// 2025-10-31T18:00:00Z: two days before New York's clocks went back.
const FIRST_MS: u64 = BEGAN_MS - 1_766_400_000;

/// A call, drawn.
#[derive(Debug, Clone)]
pub(crate) struct Drawn {
    pub(crate) account: usize,
    subject: usize,
    key: usize,
    price: Price,
    ratio_ppm: u32,
    tokens: Option<(u64, u64)>,
    ending: Ending,
    after_ms: u64,
}

/// Money given or taken, drawn; and before which of the calls.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) account: usize,
    pub(crate) amount: i64,
    pub(crate) before: usize,
}

fn any_price() -> impl Strategy<Value = Price> {
    let amount = || (0..3_000_000_000_i64).prop_map(Nanos::new);
    prop_oneof![
        Just(Price::TOKEN_IS_QUOTA),
        Just(Price::Free),
        amount().prop_map(|amount| Price::PerCall { amount }),
        (amount(), amount()).prop_map(|(input_per_million, output_per_million)| {
            Price::PerToken { input_per_million, output_per_million }
        }),
    ]
}

pub(crate) fn any_call() -> impl Strategy<Value = Drawn> {
    let ending = prop_oneof![
        8 => Just(Ending::Settled), 1 => Just(Ending::Released), 1 => Just(Ending::Expired)];
    let tokens = proptest::option::weighted(0.9, (0..5_000_u64, 0..5_000_u64));
    let hours = 0..72_u64;
    // Now and then on the very edge of an hour.
    let ms = prop_oneof![1 => Just(0), 1 => Just(3_599_999), 1 => Just(1_800_000), 5 => 0..3_600_000_u64];
    let after = (hours, ms).prop_map(|(hours, ms)| hours * 3_600_000 + ms);
    let ratio = prop_oneof![Just(1_000_000), Just(1_200_000), 1..3_000_000_u32];
    (0..ACCOUNTS, 0..4_usize, 0..2_usize, any_price(), ratio, tokens, ending, after).prop_map(
        |(account, subject, key, price, ratio_ppm, tokens, ending, after_ms)| Drawn {
            account,
            subject,
            key,
            price,
            ratio_ppm,
            tokens,
            ending,
            after_ms,
        },
    )
}

pub(crate) fn any_given() -> impl Strategy<Value = Given> {
    let amount = (-5_000_000_000..5_000_000_000_i64).prop_filter("is zero", |amount| *amount != 0);
    (0..ACCOUNTS, amount, 0..CALLS_MAX).prop_map(|(account, amount, before)| Given {
        account,
        amount,
        before,
    })
}

impl Drawn {
    pub(crate) fn facts(&self, number: usize, account: &str) -> Facts {
        let number = u32::try_from(number).unwrap();
        let (operation, kind, id) = [
            (Operation::WorkflowRun, SubjectKind::Workflow, "7480000000000000001"),
            (Operation::WorkflowStreamRun, SubjectKind::Workflow, "7480000000000000001"),
            (Operation::WorkflowRun, SubjectKind::Workflow, "7480000000000000002"),
            (Operation::Chat, SubjectKind::Bot, "7490000000000000001"),
        ][self.subject];
        let finished_at = UnixMs::new(FIRST_MS + self.after_ms);
        let usage = self.tokens.and_then(|(input, output)| {
            Usage::from_counts(Some(input), Some(output), Some(input + output))
        });
        let source = if usage.is_some() { Source::Reported } else { Source::Missing };
        let mut facts = Facts {
            asked: Asked::new(operation, kind, id.parse().unwrap()),
            key: format!("key_{}", self.key).parse().unwrap(),
            terms: Terms { book: 0, price: self.price, ratio: Ratio::from_ppm(self.ratio_ppm) },
            ending: self.ending,
            reading: Reading { usage, source },
            admitted_at: UnixMs::new(finished_at.get() - 900),
            finished_at,
            ..run(number, account, 0)
        };
        facts.amount = facts.derived_amount().unwrap();
        facts
    }
}

/// What the books should say, added up the plain way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) calls: i64,
    pub(crate) tokens: i64,
    pub(crate) nanos: i64,
}

impl Sum {
    pub(crate) fn add(&mut self, more: Self) {
        self.calls += more.calls;
        self.tokens += more.tokens;
        self.nanos += more.nanos;
    }

    pub(crate) fn of(facts: &Facts) -> Self {
        let tokens = facts.reading.usage.map_or(0, |usage| i64::try_from(usage.total).unwrap());
        Self { calls: 1, tokens, nanos: facts.amount.get() }
    }

    pub(crate) fn over(facts: &[&Facts]) -> Self {
        let mut sum = Self::default();
        for facts in facts {
            sum.add(Self::of(facts));
        }
        sum
    }

    /// As a summary tells it.
    pub(crate) fn told(sums: &Value) -> Self {
        let number = |name: &str| sums[name].as_i64().unwrap();
        let nanos = number("amount_nanos");
        assert_eq!(sums["amount_quota"], Nanos::new(nanos).in_quota().to_string());
        Self { calls: number("calls"), tokens: number("total_tokens"), nanos }
    }
}
