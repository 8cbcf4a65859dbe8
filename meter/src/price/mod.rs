//! What a call costs.
//!
//! Path: outcome → **price** → journal. A [`PriceBook`] is an immutable, numbered document; the version
//! in force is chosen at admission and frozen on the call, so that any charge can be computed again to
//! the same nano by [`Terms::charge`], here and at the origin.
//!
//! # Rules
//! - Look-up goes from the most specific to the least: account and subject, account, subject, provider
//!   and operation, provider. The account group's ratio multiplies whatever was found.
//! - Rounding happens once per charge: half up to a whole nano, except cost plus, which rounds up to
//!   its step.
//! - Missing usage is never turned into money: a per-call price does not need it, a per-token price
//!   charges nothing for it, nor does cost plus when upstream states no cost, or one in a currency that
//!   is not the book's.

#![deny(clippy::arithmetic_side_effects)]

pub mod bound;
pub mod plan;

use std::collections::BTreeMap;

use crate::ids::{AccountId, Group, UpstreamId};
use crate::money::{NANOS_PER_POINT, NANOS_PER_QUOTA, Nanos, OutOfRange, PPM, Ratio};
use crate::outcome::Reading;
use crate::request::Asked;
use crate::route::{Operation, Provider};
use crate::usage::cost::{Cost, Currency};

/// Most prices one book may hold.
pub const PRICES_MAX: usize = 10_000;
/// Most groups one book may give a ratio.
pub const GROUPS_MAX: usize = 1_000;
/// What a per-token rate counts in: a rate is the nanos that this many tokens cost.
pub const RATE_TOKENS: i64 = 1_000_000;
/// Tokens a call on a per-token price is taken to need until its usage is known.
///
/// Only accounts with a bounded overdraft feel it: it is what their balance must cover to begin.
pub const HOLD_TOKENS: u64 = 1_000;
/// What a call on a cost-plus price is taken to cost upstream until that is known: as much as
/// [`HOLD_TOKENS`] cost on the per-token price of a new installation.
pub const HOLD_COST: Nanos = Nanos::new(NANOS_PER_QUOTA.saturating_mul(1_000));

/// How much, for one provider's subject or operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Price {
    /// The same amount for every call that succeeds.
    PerCall {
        /// The amount, before the ratio.
        amount: Nanos,
    },
    /// By tokens.
    PerToken {
        /// Nanos for a million tokens in, before the ratio.
        input_per_million: Nanos,
        /// Nanos for a million tokens out, before the ratio.
        output_per_million: Nanos,
    },
    /// By the operation's own unit: characters to speak.
    PerUnit {
        /// The amount for one unit, before the ratio.
        amount: Nanos,
    },
    /// Upstream's own cost with a margin, rounded up to a step. Upstream's cost is in US dollars, as
    /// balances are; a cost in another currency is not converted and charges nothing.
    CostPlus {
        /// What the cost is multiplied by.
        margin: Ratio,
        /// What the charge is a whole multiple of; at least one nano.
        step: Nanos,
    },
    /// Nothing.
    Free,
}

impl Price {
    /// 1 token = 1 quota: what a new installation charges for Coze.
    pub const TOKEN_IS_QUOTA: Self = Self::PerToken {
        input_per_million: Nanos::new(NANOS_PER_QUOTA.saturating_mul(RATE_TOKENS)),
        output_per_million: Nanos::new(NANOS_PER_QUOTA.saturating_mul(RATE_TOKENS)),
    };

    /// Upstream's cost rounded up to a whole point: what a new installation charges for Dify.
    pub const COST_IN_POINTS: Self =
        Self::CostPlus { margin: Ratio::ONE, step: Nanos::new(NANOS_PER_POINT) };

    /// Whether a charge needs to know what was used.
    pub const fn needs_usage(&self) -> bool {
        match self {
            Self::PerToken { .. } | Self::CostPlus { .. } => true,
            Self::PerCall { .. } | Self::PerUnit { .. } | Self::Free => false,
        }
    }
}

/// What a price applies to, from the most specific to the least.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// One account's calls to one bot or workflow.
    AccountSubject(AccountId, UpstreamId),
    /// All of one account's calls.
    Account(AccountId),
    /// One bot or workflow.
    Subject(UpstreamId),
    /// One operation.
    Operation(Operation),
    /// Everything else at Coze.
    Coze,
    /// Everything else at Dify.
    Dify,
}

impl Scope {
    /// Everything else at this provider.
    pub const fn rest_of(provider: Provider) -> Self {
        match provider {
            Provider::Coze => Self::Coze,
            Provider::Dify => Self::Dify,
        }
    }
}

/// A numbered, immutable set of prices and group ratios.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceBook {
    /// Its number. Higher is newer.
    pub version: u32,
    /// Whether a call that only its provider's default would price is refused.
    pub deny_unpriced: bool,
    /// Ratios by group; a group that is not named has ratio 1.
    pub groups: BTreeMap<Group, Ratio>,
    /// Prices by what they apply to.
    pub prices: BTreeMap<Scope, Price>,
}

/// No price applies, and the book refuses calls without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no price applies")]
pub struct Unpriced;

/// A price as it was frozen on a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The version of the book.
    pub book: u32,
    /// The price found.
    pub price: Price,
    /// The account group's ratio.
    pub ratio: Ratio,
}

impl PriceBook {
    /// The book that a journal knows from birth, version 0: Coze by tokens, one quota each. Dify is
    /// priced by the origin's first book after it ([`PriceBook::with_dify`]).
    pub fn initial() -> Self {
        Self {
            version: 0,
            deny_unpriced: false,
            groups: BTreeMap::new(),
            prices: BTreeMap::from([(Scope::Coze, Price::TOKEN_IS_QUOTA)]),
        }
    }

    /// This book with the prices of Dify that a new installation begins with: cost plus, and questions
    /// that a model suggests for nothing. Audio stays refused until it is priced.
    #[must_use]
    pub fn with_dify(mut self) -> Self {
        self.prices.insert(Scope::Dify, Price::COST_IN_POINTS);
        self.prices.insert(Scope::Operation(Operation::DifySuggested), Price::Free);
        self
    }

    /// The terms for this account's call.
    pub fn terms(
        &self,
        account: &AccountId,
        group: &Group,
        asked: &Asked,
    ) -> Result<Terms, Unpriced> {
        let subject = &asked.subject.id;
        let specific = [
            Scope::AccountSubject(account.clone(), subject.clone()),
            Scope::Account(account.clone()),
            Scope::Subject(subject.clone()),
            Scope::Operation(asked.operation),
        ];
        let specific = specific.iter().find_map(|scope| self.prices.get(scope));
        let price = match specific {
            Some(price) => price,
            None if self.deny_unpriced => return Err(Unpriced),
            None => {
                let rest = Scope::rest_of(asked.operation.provider());
                self.prices.get(&rest).ok_or(Unpriced)?
            }
        };
        // Without usage on the wire such a price would charge nothing, and nobody meant that.
        if price.needs_usage() && !asked.operation.counts_tokens() {
            return Err(Unpriced);
        }
        let ratio = self.groups.get(group).copied().unwrap_or(Ratio::ONE);
        Ok(Terms { book: self.version, price: *price, ratio })
    }
}

impl Terms {
    /// What a billed call for this many units costs.
    pub fn charge(&self, units: u64, reading: &Reading) -> Result<Nanos, OutOfRange> {
        let usage = reading.usage;
        match self.price {
            Price::Free => Ok(Nanos::ZERO),
            Price::PerCall { amount } => self.scaled(i128::from(amount.get()), 1),
            Price::PerUnit { amount } => self.scaled(product(units, amount)?, 1),
            Price::PerToken { input_per_million, output_per_million } => {
                let Some(usage) = usage else { return Ok(Nanos::ZERO) };
                let cost = match (usage.input, usage.output) {
                    (Some(input), Some(output)) => product(input, input_per_million)?
                        .checked_add(product(output, output_per_million)?)
                        .ok_or(OutOfRange)?,
                    // Only the total is known for sure. The lower rate never charges too much.
                    _ => product(usage.total, input_per_million.min(output_per_million))?,
                };
                self.scaled(cost, i128::from(RATE_TOKENS))
            }
            Price::CostPlus { margin, step } => match usage.and_then(|usage| usage.cost) {
                Some(Cost { amount, currency: Currency::USD }) => {
                    self.marked_up(amount, margin, step)
                }
                Some(_) | None => Ok(Nanos::ZERO),
            },
        }
    }

    /// What is set aside while a call for this many units runs.
    pub fn hold(&self, units: u64) -> Result<Nanos, OutOfRange> {
        match self.price {
            Price::Free => Ok(Nanos::ZERO),
            Price::PerCall { amount } => self.scaled(i128::from(amount.get()), 1),
            Price::PerUnit { amount } => self.scaled(product(units, amount)?, 1),
            Price::PerToken { input_per_million, output_per_million } => {
                let cost = product(HOLD_TOKENS, input_per_million.max(output_per_million))?;
                self.scaled(cost, i128::from(RATE_TOKENS))
            }
            Price::CostPlus { margin, step } => self.marked_up(HOLD_COST, margin, step),
        }
    }

    /// Upstream's cost times margin and ratio, rounded up here and nowhere else.
    fn marked_up(&self, cost: Nanos, margin: Ratio, step: Nanos) -> Result<Nanos, OutOfRange> {
        let parts = [i128::from(margin.ppm()), i128::from(self.ratio.ppm())];
        let numerator = parts.into_iter().try_fold(i128::from(cost.get()), i128::checked_mul);
        let denominator = i128::from(PPM).checked_mul(i128::from(PPM)).ok_or(OutOfRange)?;
        Nanos::from_ratio_up_to_step(numerator.ok_or(OutOfRange)?, denominator, step)
    }

    /// `numerator / denominator` times the ratio, rounded here and nowhere else.
    fn scaled(&self, numerator: i128, denominator: i128) -> Result<Nanos, OutOfRange> {
        let numerator = numerator.checked_mul(i128::from(self.ratio.ppm())).ok_or(OutOfRange)?;
        let denominator = denominator.checked_mul(i128::from(PPM)).ok_or(OutOfRange)?;
        Nanos::from_ratio(numerator, denominator)
    }
}

fn product(tokens: u64, rate: Nanos) -> Result<i128, OutOfRange> {
    i128::from(tokens).checked_mul(i128::from(rate.get())).ok_or(OutOfRange)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Source;
    use crate::request::SubjectKind;
    use crate::usage::Usage;

    fn asked(workflow: &str) -> Asked {
        let id = workflow.parse().unwrap();
        Asked::new(Operation::WorkflowRun, SubjectKind::Workflow, id)
    }

    fn reading(input: Option<u64>, output: Option<u64>, total: Option<u64>) -> Reading {
        Reading { usage: Usage::from_counts(input, output, total), source: Source::Reported }
    }

    fn quota(amount: i64) -> Nanos {
        Nanos::from_quota(amount).unwrap()
    }

    /// The book of the classic case: a workflow at 500,000 quota, a group at ×1.2.
    fn book() -> PriceBook {
        let mut book = PriceBook::initial();
        book.groups.insert("vip".parse().unwrap(), Ratio::from_ppm(1_200_000));
        let priced = Scope::Subject("7480".parse().unwrap());
        book.prices.insert(priced, Price::PerCall { amount: quota(500_000) });
        book
    }

    #[track_caller]
    fn check(book: &PriceBook, group: &str, workflow: &str, reading: &Reading, want: Nanos) {
        let account = "acc_1".parse().unwrap();
        let terms = book.terms(&account, &group.parse().unwrap(), &asked(workflow)).unwrap();
        assert_eq!(terms.charge(1, reading), Ok(want));
    }

    #[test]
    fn a_priced_workflow_costs_its_price_times_the_ratio() {
        let any = reading(Some(310), Some(55), Some(365));
        check(&book(), "vip", "7480", &any, quota(600_000));
        check(&book(), "default", "7480", &any, quota(500_000));
        check(&book(), "vip", "7480", &reading(None, None, None), quota(600_000));
    }

    #[test]
    fn a_workflow_without_a_price_bills_its_tokens() {
        check(&book(), "default", "7481", &reading(Some(310), Some(55), Some(365)), quota(365));
        check(&book(), "vip", "7481", &reading(Some(310), Some(55), Some(365)), quota(438));
        check(&book(), "default", "7481", &reading(None, None, Some(365)), quota(365));
        check(&book(), "default", "7481", &reading(None, None, None), Nanos::ZERO);
    }

    #[test]
    fn the_most_specific_price_wins() {
        let mut book = book();
        let account: AccountId = "acc_1".parse().unwrap();
        let mut prices = [
            (Scope::Coze, 1),
            (Scope::Operation(Operation::WorkflowRun), 2),
            (Scope::Subject("7480".parse().unwrap()), 3),
            (Scope::Account(account.clone()), 4),
            (Scope::AccountSubject(account, "7480".parse().unwrap()), 5),
        ];
        book.prices.clear();
        for (scope, amount) in &mut prices {
            book.prices.insert(scope.clone(), Price::PerCall { amount: Nanos::new(*amount) });
            check(&book, "default", "7480", &reading(None, None, None), Nanos::new(*amount));
        }
    }

    #[test]
    fn a_book_can_refuse_what_it_does_not_price() {
        let book = PriceBook { deny_unpriced: true, ..book() };
        let terms =
            |workflow| book.terms(&"acc_1".parse().unwrap(), &Group::standard(), &asked(workflow));
        assert_eq!(terms("7481"), Err(Unpriced));
        assert!(terms("7480").is_ok());
    }

    #[test]
    fn what_counts_no_tokens_is_never_free_by_accident() {
        let speech = |characters| Asked {
            units: characters,
            ..Asked::new(Operation::AudioSpeech, SubjectKind::Voice, "7".parse().unwrap())
        };
        let mut book = book();
        let account = "acc_1".parse().unwrap();
        assert_eq!(book.terms(&account, &Group::standard(), &speech(9)), Err(Unpriced));
        let each = Price::PerUnit { amount: Nanos::new(30) };
        book.prices.insert(Scope::Operation(Operation::AudioSpeech), each);
        let terms = book.terms(&account, &"vip".parse().unwrap(), &speech(9)).unwrap();
        assert_eq!(terms.hold(9), Ok(Nanos::new(324)));
        assert_eq!(terms.charge(9, &reading(None, None, None)), Ok(Nanos::new(324)));
    }

    #[test]
    fn half_a_nano_is_charged_as_one_and_less_as_none() {
        let rate = |nanos| Price::PerToken {
            input_per_million: Nanos::new(nanos),
            output_per_million: Nanos::new(nanos),
        };
        let terms = |price| Terms { book: 1, price, ratio: Ratio::ONE };
        let one = reading(None, None, Some(1));
        assert_eq!(terms(rate(500_000)).charge(1, &one), Ok(Nanos::new(1)));
        assert_eq!(terms(rate(499_999)).charge(1, &one), Ok(Nanos::ZERO));
    }

    /// A reading that states what upstream charged.
    fn costing(decimal: &str, currency: &str) -> Reading {
        let usage = Usage::from_counts(None, None, Some(140));
        let usage = usage.map(|usage| Usage { cost: Cost::read(decimal, currency), ..usage });
        Reading { usage, source: Source::Reported }
    }

    fn app(operation: Operation) -> Asked {
        Asked::new(operation, SubjectKind::App, "support".parse().unwrap())
    }

    #[test]
    fn cost_plus_is_the_cost_with_a_margin_rounded_up_once() {
        let book = PriceBook::initial().with_dify();
        let account = "acc_1".parse().unwrap();
        let asked = app(Operation::DifyChat);
        let terms = book.terms(&account, &Group::standard(), &asked).unwrap();
        let points = |points: i64| Ok(Nanos::new(points * NANOS_PER_POINT));
        assert_eq!(terms.charge(1, &costing("0.014704", "USD")), points(148));
        assert_eq!(terms.charge(1, &costing("0.0148", "USD")), points(148));
        assert_eq!(terms.charge(1, &costing("0", "USD")), points(0));
        assert_eq!(terms.charge(1, &costing("0.0000001", "USD")), points(1));
        assert_eq!(terms.hold(1), points(20));
        // 0.014704 × 1.5 × 1.2 = 0.0264672: the two factors are applied before the one rounding.
        let margin = Ratio::from_ppm(1_500_000);
        let price = Price::CostPlus { margin, step: Nanos::new(NANOS_PER_POINT) };
        let terms = Terms { book: 1, price, ratio: Ratio::from_ppm(1_200_000) };
        assert_eq!(terms.charge(1, &costing("0.014704", "USD")), points(265));
        let price = Price::CostPlus { margin, step: Nanos::new(1) };
        let terms = Terms { price, ..terms };
        assert_eq!(terms.charge(1, &costing("0.014704", "USD")), Ok(Nanos::new(26_467_200)));
    }

    #[test]
    fn a_cost_that_is_not_known_in_our_currency_charges_nothing() {
        let terms = Terms { book: 1, price: Price::COST_IN_POINTS, ratio: Ratio::ONE };
        assert_eq!(terms.charge(1, &costing("1", "RMB")), Ok(Nanos::ZERO));
        assert_eq!(terms.charge(1, &reading(None, None, Some(140))), Ok(Nanos::ZERO));
        assert_eq!(terms.charge(1, &reading(None, None, None)), Ok(Nanos::ZERO));
    }

    #[test]
    fn each_provider_has_its_own_default_and_audio_has_none() {
        let terms = |book: &PriceBook, operation| {
            book.terms(&"acc_1".parse().unwrap(), &Group::standard(), &app(operation))
                .map(|terms| terms.price)
        };
        let born = PriceBook::initial();
        assert_eq!(terms(&born, Operation::DifyWorkflow), Err(Unpriced));
        let book = born.with_dify();
        assert_eq!(terms(&book, Operation::DifyWorkflow), Ok(Price::COST_IN_POINTS));
        assert_eq!(terms(&book, Operation::Chat), Ok(Price::TOKEN_IS_QUOTA));
        assert_eq!(terms(&book, Operation::DifySuggested), Ok(Price::Free));
        assert_eq!(terms(&book, Operation::DifyTextToAudio), Err(Unpriced));
        assert_eq!(terms(&book, Operation::DifyAudioToText), Err(Unpriced));
    }

    #[test]
    fn an_amount_that_does_not_fit_is_an_error_and_not_a_smaller_amount() {
        let price = Price::PerCall { amount: Nanos::MAX };
        let terms = Terms { book: 1, price, ratio: Ratio::from_ppm(u32::MAX) };
        assert_eq!(terms.charge(1, &reading(None, None, None)), Err(OutOfRange));
    }
}
