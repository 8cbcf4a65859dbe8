//! Money, in one integer unit.
//!
//! A [`Nanos`] is 10⁻⁹ of the account's currency. Arithmetic is checked, products are widened to
//! `i128`, and rounding happens once per charge in [`Nanos::from_ratio`]. There is no float near it.
//!
//! Users know other units, all exact in nanos: 1 USD = 500,000 quota = 10,000 points.

#![deny(clippy::arithmetic_side_effects)]

use std::fmt;

/// Nanos in one unit of currency.
pub const NANOS_PER_UNIT: i64 = 1_000_000_000;
/// Nanos in one quota: 1 USD / 500,000.
pub const NANOS_PER_QUOTA: i64 = 2_000;
/// Nanos in one point: 1 USD / 10,000.
pub const NANOS_PER_POINT: i64 = 100_000;
/// What stands for 1 in a ratio.
pub const PPM: i64 = 1_000_000;

/// An amount that does not fit in 64 bits: more than nine billion units of currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("amount out of range")]
pub struct OutOfRange;

/// An amount of money in nanos. Negative where a balance is in arrears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Nanos(i64);

impl Nanos {
    /// No money.
    pub const ZERO: Self = Self(0);
    /// The largest amount.
    pub const MAX: Self = Self(i64::MAX);

    /// This many nanos.
    pub const fn new(nanos: i64) -> Self {
        Self(nanos)
    }

    /// As an integer, for storing and sending.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// This many quota; 1 token costs 1 quota at ratio 1.
    pub fn from_quota(quota: i64) -> Result<Self, OutOfRange> {
        quota.checked_mul(NANOS_PER_QUOTA).map(Self).ok_or(OutOfRange)
    }

    /// The sum.
    pub fn plus(self, other: Self) -> Result<Self, OutOfRange> {
        self.0.checked_add(other.0).map(Self).ok_or(OutOfRange)
    }

    /// The difference.
    pub fn minus(self, other: Self) -> Result<Self, OutOfRange> {
        self.0.checked_sub(other.0).map(Self).ok_or(OutOfRange)
    }

    /// The sum, or the nearest end of the range. Only for comparing against a limit, never for
    /// an amount that is kept.
    #[must_use]
    pub fn saturating_plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// `numerator / denominator`, rounded half up to a whole nano: the one rounding of a charge.
    ///
    /// Charges are never negative, and neither is the numerator.
    pub fn from_ratio(numerator: i128, denominator: i128) -> Result<Self, OutOfRange> {
        if numerator < 0 || denominator <= 0 {
            return Err(OutOfRange);
        }
        let half = denominator.checked_div(2).ok_or(OutOfRange)?;
        let rounded = numerator
            .checked_add(half)
            .and_then(|sum| sum.checked_div(denominator))
            .ok_or(OutOfRange)?;
        i64::try_from(rounded).map(Self).map_err(|_| OutOfRange)
    }

    /// `numerator / denominator`, rounded up to a whole multiple of `step`: how cost plus is charged.
    pub fn from_ratio_up_to_step(
        numerator: i128,
        denominator: i128,
        step: Nanos,
    ) -> Result<Self, OutOfRange> {
        if numerator < 0 || denominator <= 0 || step.0 <= 0 {
            return Err(OutOfRange);
        }
        let step = i128::from(step.0);
        let whole = denominator.checked_mul(step).ok_or(OutOfRange)?;
        let steps = numerator
            .checked_add(whole.checked_sub(1).ok_or(OutOfRange)?)
            .and_then(|sum| sum.checked_div(whole))
            .ok_or(OutOfRange)?;
        let amount = steps.checked_mul(step).ok_or(OutOfRange)?;
        i64::try_from(amount).map(Self).map_err(|_| OutOfRange)
    }

    /// The amount counted in `unit` nanos each, as an exact decimal without trailing zeros.
    fn in_units(self, unit: i64) -> Decimal {
        Decimal { nanos: self.0, unit }
    }

    /// In currency units: `1.2`.
    pub fn in_currency(self) -> impl fmt::Display {
        self.in_units(NANOS_PER_UNIT)
    }

    /// In quota: `600000`.
    pub fn in_quota(self) -> impl fmt::Display {
        self.in_units(NANOS_PER_QUOTA)
    }

    /// In points: `148`.
    pub fn in_points(self) -> impl fmt::Display {
        self.in_units(NANOS_PER_POINT)
    }
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A quotient whose divisor has no prime factors but 2 and 5, so that its decimal form ends.
struct Decimal {
    nanos: i64,
    unit: i64,
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (nanos, unit) = (self.nanos.unsigned_abs(), self.unit.unsigned_abs());
        if self.nanos < 0 {
            f.write_str("-")?;
        }
        let whole = nanos.checked_div(unit).ok_or(fmt::Error)?;
        let mut rest = nanos.checked_rem(unit).ok_or(fmt::Error)?;
        fmt::Display::fmt(&whole, f)?;
        if rest > 0 {
            f.write_str(".")?;
        }
        while rest > 0 {
            let tenfold = rest.checked_mul(10).ok_or(fmt::Error)?;
            let digit = tenfold.checked_div(unit).ok_or(fmt::Error)?;
            rest = tenfold.checked_rem(unit).ok_or(fmt::Error)?;
            fmt::Display::fmt(&digit, f)?;
        }
        Ok(())
    }
}

/// Why a text is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not digits with at most one point.
    #[error("is not a decimal number")]
    NotDecimal,
    /// Finer than one nano.
    #[error("is finer than one nano")]
    TooFine,
    /// Larger than fits.
    #[error("is out of range")]
    OutOfRange,
}

/// Most characters of a decimal amount that are looked at.
pub const DECIMAL_CHARS_MAX: usize = 40;

/// Reads a decimal such as `0.014704` counted in `unit` nanos each, exactly.
///
/// Zeros behind the last digit that matters are fine (Dify sends them); anything finer than a nano
/// is refused and not rounded away.
pub fn parse_decimal(text: &str, unit: i64) -> Result<Nanos, AmountError> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty()
        || text.len() > DECIMAL_CHARS_MAX
        || !all_digits(whole)
        || !all_digits(fraction)
    {
        return Err(AmountError::NotDecimal);
    }
    let unit = i128::from(unit);
    let whole: i128 = whole.parse().map_err(|_| AmountError::OutOfRange)?;
    let mut nanos = whole.checked_mul(unit).ok_or(AmountError::OutOfRange)?;
    // Each digit is worth a tenth of the one before it, so `scale` counts up while the digits go by.
    let mut scale: i128 = 1;
    let mut numerator: i128 = 0;
    for digit in fraction.trim_end_matches('0').bytes() {
        scale = scale.checked_mul(10).ok_or(AmountError::TooFine)?;
        numerator = numerator
            .checked_mul(10)
            .and_then(|n| n.checked_add(i128::from(digit.wrapping_sub(b'0'))))
            .ok_or(AmountError::TooFine)?;
    }
    let part = numerator.checked_mul(unit).ok_or(AmountError::TooFine)?;
    if part.checked_rem(scale) != Some(0) {
        return Err(AmountError::TooFine);
    }
    nanos = part
        .checked_div(scale)
        .and_then(|part| nanos.checked_add(part))
        .ok_or(AmountError::OutOfRange)?;
    // The sign comes first: the lowest amount has no positive counterpart.
    let signed = if negative { nanos.checked_neg() } else { Some(nanos) };
    let signed = signed.ok_or(AmountError::OutOfRange)?;
    i64::try_from(signed).map(Nanos).map_err(|_| AmountError::OutOfRange)
}

/// A factor in parts per million: `1_200_000` is ×1.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ratio(u32);

impl Ratio {
    /// ×1.
    pub const ONE: Self = Self(1_000_000);

    /// This many parts per million.
    pub const fn from_ppm(ppm: u32) -> Self {
        Self(ppm)
    }

    /// In parts per million.
    pub const fn ppm(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Ratio {
    /// As an exact decimal: `1.2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Nanos(self.0.into()).in_units(PPM).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_units_people_know_are_exact() {
        let usd = Nanos::new(NANOS_PER_UNIT);
        assert_eq!(usd.in_quota().to_string(), "500000");
        assert_eq!(usd.in_points().to_string(), "10000");
        assert_eq!(usd.in_currency().to_string(), "1");
        assert_eq!(Nanos::new(1).in_currency().to_string(), "0.000000001");
        assert_eq!(Nanos::new(-1).in_quota().to_string(), "-0.0005");
        assert_eq!(Nanos::new(-2_500).in_quota().to_string(), "-1.25");
    }

    #[test]
    fn a_ratio_is_an_exact_decimal() {
        let text = |ppm| Ratio::from_ppm(ppm).to_string();
        assert_eq!([text(1_200_000), text(1), text(u32::MAX)], ["1.2", "0.000001", "4294.967295"]);
    }

    #[test]
    fn a_charge_is_rounded_half_up_once() {
        assert_eq!(Nanos::from_ratio(1, 2), Ok(Nanos(1)));
        assert_eq!(Nanos::from_ratio(1, 3), Ok(Nanos(0)));
        assert_eq!(Nanos::from_ratio(5, 3), Ok(Nanos(2)));
        assert_eq!(Nanos::from_ratio(0, 1), Ok(Nanos(0)));
        assert_eq!(Nanos::from_ratio(-1, 2), Err(OutOfRange));
        assert_eq!(Nanos::from_ratio(1, 0), Err(OutOfRange));
        assert_eq!(Nanos::from_ratio(i128::MAX, 1), Err(OutOfRange));
    }

    #[test]
    fn cost_plus_rounds_up_to_its_step() {
        let point = Nanos(NANOS_PER_POINT);
        let up = |numerator| Nanos::from_ratio_up_to_step(numerator, 1, point);
        assert_eq!(up(14_704_000), Ok(Nanos(14_800_000)));
        assert_eq!(up(0), Ok(Nanos::ZERO));
        assert_eq!(up(1), Ok(point));
        assert_eq!(up(100_000), Ok(point));
        assert_eq!(up(-1), Err(OutOfRange));
    }

    #[test]
    fn decimals_are_read_exactly_or_refused() {
        let usd = |text| parse_decimal(text, NANOS_PER_UNIT);
        assert_eq!(usd("0.014704"), Ok(Nanos(14_704_000)));
        assert_eq!(usd("0.0001800000000000"), Ok(Nanos(180_000)));
        assert_eq!(usd("-1.5"), Ok(Nanos(-1_500_000_000)));
        assert_eq!(usd("7."), Ok(Nanos(7_000_000_000)));
        assert_eq!(usd("0.0000000001"), Err(AmountError::TooFine));
        assert_eq!(usd("1e5"), Err(AmountError::NotDecimal));
        assert_eq!(usd("+1"), Err(AmountError::NotDecimal));
        assert_eq!(usd(""), Err(AmountError::NotDecimal));
        assert_eq!(usd("."), Err(AmountError::NotDecimal));
        assert_eq!(usd("99999999999"), Err(AmountError::OutOfRange));
        assert_eq!(parse_decimal("500000", NANOS_PER_QUOTA), Ok(Nanos(NANOS_PER_UNIT)));
    }
}
