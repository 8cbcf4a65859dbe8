//! Sums over some calls.

use meter::money::{Nanos, OutOfRange};
use serde::Serialize;
use utoipa::ToSchema;

/// Sums over some calls, as they are added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// How many there were.
    pub calls: i64,
    /// How many of them were charged by their reading.
    pub settled: i64,
    /// How many were not, and were free.
    pub failed: i64,
    /// Tokens in, where known.
    pub input_tokens: i64,
    /// Tokens out, where known.
    pub output_tokens: i64,
    /// Tokens in total, where known.
    pub total_tokens: i64,
    /// What they cost.
    pub amount_nanos: i64,
}

impl Counts {
    /// Both together.
    pub fn plus(self, other: &Self) -> Result<Self, OutOfRange> {
        let plus = |left: i64, right: i64| left.checked_add(right).ok_or(OutOfRange);
        Ok(Self {
            calls: plus(self.calls, other.calls)?,
            settled: plus(self.settled, other.settled)?,
            failed: plus(self.failed, other.failed)?,
            input_tokens: plus(self.input_tokens, other.input_tokens)?,
            output_tokens: plus(self.output_tokens, other.output_tokens)?,
            total_tokens: plus(self.total_tokens, other.total_tokens)?,
            amount_nanos: plus(self.amount_nanos, other.amount_nanos)?,
        })
    }

    /// All of them together.
    pub fn total<'a>(all: impl IntoIterator<Item = &'a Self>) -> Result<Self, OutOfRange> {
        all.into_iter().try_fold(Self::default(), Self::plus)
    }
}

/// Sums over some calls, in every unit people know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Sums {
    /// How many there were.
    pub calls: i64,
    /// How many of them were charged by their reading.
    pub settled: i64,
    /// How many were not, and were free.
    pub failed: i64,
    /// Tokens in, where known.
    pub input_tokens: i64,
    /// Tokens out, where known.
    pub output_tokens: i64,
    /// Tokens in total, where known.
    pub total_tokens: i64,
    /// What they cost.
    pub amount_nanos: i64,
    /// The same in quota.
    pub amount_quota: String,
    /// The same in points.
    pub amount_points: String,
    /// The same in units of the currency.
    pub amount_currency: String,
}

impl From<Counts> for Sums {
    fn from(counts: Counts) -> Self {
        let amount = Nanos::new(counts.amount_nanos);
        Self {
            calls: counts.calls,
            settled: counts.settled,
            failed: counts.failed,
            input_tokens: counts.input_tokens,
            output_tokens: counts.output_tokens,
            total_tokens: counts.total_tokens,
            amount_nanos: amount.get(),
            amount_quota: amount.in_quota().to_string(),
            amount_points: amount.in_points().to_string(),
            amount_currency: amount.in_currency().to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_that_does_not_fit_is_an_error() {
        let most = Counts { amount_nanos: i64::MAX, ..Counts::default() };
        assert_eq!(Counts::total([&most, &Counts::default()]), Ok(most));
        let one = Counts { amount_nanos: 1, ..Counts::default() };
        assert_eq!(Counts::total([&most, &one]), Err(OutOfRange));
    }
}
