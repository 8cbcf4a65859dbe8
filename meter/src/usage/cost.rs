//! What upstream says a piece of work cost upstream.
//!
//! Dify states it as a decimal text, other encoders as a JSON number (contract §7.3). Either is read from
//! its digits and never through a float. Digits finer than a nano, which only an encoder's floats leave
//! behind, are rounded to the nearest nano here; from then on the cost is an exact integer, and the
//! charge made of it is rounded once.
//!
//! # Bounds
//! A text has at most [`COST_CHARS_MAX`] characters and means at most [`COST_MAX`].

#![deny(clippy::arithmetic_side_effects)]

use std::fmt;

use crate::money::{NANOS_PER_UNIT, Nanos};

/// More than one call can cost upstream: a million units of currency. What claims more is not believed.
pub const COST_MAX: Nanos = Nanos::new(NANOS_PER_UNIT.saturating_mul(1_000_000));
/// Longest text that is looked at. Dify writes about 20 characters.
pub const COST_CHARS_MAX: usize = 64;
/// Powers of ten that fit in 128 bits.
const EXPONENT_MAX: i32 = 38;
/// A nano is the ninth digit behind the point.
const NANO_DIGITS: i32 = 9;

/// A currency by its code: three capital letters. Dify writes `USD` and `RMB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The currency that prices and balances are in.
    pub const USD: Self = Self(*b"USD");

    /// The code.
    pub fn as_str(&self) -> &str {
        // Three ASCII letters are always text.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is not three capital letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not the three letters of a currency")]
pub struct NotACurrency;

impl std::str::FromStr for Currency {
    type Err = NotACurrency;

    fn from_str(text: &str) -> Result<Self, NotACurrency> {
        let letters: [u8; 3] = text.as_bytes().try_into().map_err(|_| NotACurrency)?;
        if letters.iter().all(u8::is_ascii_uppercase) {
            Ok(Self(letters))
        } else {
            Err(NotACurrency)
        }
    }
}

/// What a piece of work cost upstream, as upstream states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// How much, in nanos of the currency.
    pub amount: Nanos,
    /// In which currency. Weir does not convert.
    pub currency: Currency,
}

impl Cost {
    /// A cost out of the decimal and the currency that upstream wrote; `None` for what is none.
    pub fn read(decimal: &str, currency: &str) -> Option<Self> {
        let amount = nearest_nano(decimal).filter(|amount| *amount <= COST_MAX)?;
        Some(Self { amount, currency: currency.parse().ok()? })
    }

    /// Both together, where they are in one currency.
    pub fn plus(self, other: Self) -> Option<Self> {
        let amount = self.amount.plus(other.amount).ok()?;
        (self.currency == other.currency).then_some(Self { amount, ..self })
    }

    /// What is left when this much was billed before, never below zero; `None` across currencies.
    pub fn less(self, billed: Self) -> Option<Self> {
        let amount = self.amount.minus(billed.amount).ok()?.max(Nanos::ZERO);
        (self.currency == billed.currency).then_some(Self { amount, ..self })
    }
}

/// A decimal such as `0.014704` or `1.4704e-2` in nanos, to the nearest. Never negative.
fn nearest_nano(text: &str) -> Option<Nanos> {
    let text = text.trim();
    if text.len() > COST_CHARS_MAX {
        return None;
    }
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let both = [whole, fraction].concat();
    if whole.is_empty() || !both.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Zeros in front would fill the integer for nothing.
    let significant = both.trim_start_matches('0');
    let mantissa: i128 = if significant.is_empty() { 0 } else { significant.parse().ok()? };
    let behind_point = i32::try_from(fraction.len()).ok()?;
    let shift = exponent.checked_sub(behind_point)?.checked_add(NANO_DIGITS)?;
    if mantissa == 0 || shift < EXPONENT_MAX.checked_neg()? {
        return Some(Nanos::ZERO);
    }
    let power = 10_i128.checked_pow(shift.unsigned_abs())?;
    if shift >= 0 {
        return Nanos::from_ratio(mantissa.checked_mul(power)?, 1).ok();
    }
    Nanos::from_ratio(mantissa, power).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(decimal: &str, want: Option<i64>) {
        let got = Cost::read(decimal, "USD").map(|cost| cost.amount.get());
        assert_eq!(got, want, "{decimal:?}");
    }

    #[test]
    fn what_is_no_cost_is_none() {
        for decimal in ["", ".", ".5", "-1", "+1", "1,5", "NaN", "1e", "1e5000000000", "0x1", "1 2"]
        {
            check(decimal, None);
        }
        check(&"9".repeat(COST_CHARS_MAX + 1), None);
        check(&"9".repeat(COST_CHARS_MAX), None);
        check("1000000.000000001", None);
        check("1e38", None);
        for currency in ["", "usd", "US", "USDT", "ÜS"] {
            assert_eq!(Cost::read("1", currency), None, "{currency:?}");
        }
    }

    #[test]
    fn a_decimal_is_exact_to_the_nano_in_every_spelling() {
        check("0.014704", Some(14_704_000));
        check("0.0147040000000000000000000", Some(14_704_000));
        check("1.4704e-2", Some(14_704_000));
        check("1.4704E-05", Some(14_704));
        check("147040e-7", Some(14_704_000));
        check("7.", Some(7_000_000_000));
        check("0", Some(0));
        check("0.0E+3", Some(0));
        check("1000000", Some(COST_MAX.get()));
        check("00000000000000000000000000000000000000000000000000.5", Some(500_000_000));
    }

    #[test]
    fn what_a_float_left_behind_is_rounded_to_the_nearest_nano() {
        check("0.014700000000000001", Some(14_700_000));
        check("0.014699999999999999", Some(14_700_000));
        check("0.0000000005", Some(1));
        check("0.00000000049", Some(0));
        check("1e-60", Some(0));
        // From here on the power is not worked out, and what is left of the number would be nothing anyway.
        check(&format!("1e-{}", EXPONENT_MAX + NANO_DIGITS), Some(0));
        check(&format!("1e-{}", EXPONENT_MAX + NANO_DIGITS + 1), Some(0));
        check(&format!("1e{}", EXPONENT_MAX - NANO_DIGITS + 1), None);
    }

    #[test]
    fn costs_in_two_currencies_have_no_sum() {
        let (usd, rmb) = (Cost::read("2", "USD").unwrap(), Cost::read("1", "RMB").unwrap());
        assert_eq!((usd.plus(rmb), usd.less(rmb)), (None, None));
        assert_eq!(usd.plus(usd).map(|cost| cost.amount.get()), Some(4_000_000_000));
        assert_eq!(usd.less(usd).map(|cost| cost.amount), Some(Nanos::ZERO));
    }
}
