//! Decimal numbers as their digits say them.
//!
//! new-api keeps prices as 64-bit floats and writes them as the shortest decimal that reads back; `SQLite`
//! prints what it has. Either is read from its digits, so that 0.1 is a tenth and not what a float makes
//! of it. What is finer than the unit that is asked for is an error, and not rounded away.
//!
//! # Bounds
//! At most [`CHARS_MAX`] characters, an exponent within ±`EXPONENT_MAX`.

#![deny(clippy::arithmetic_side_effects)]

use std::fmt;

/// Longest number that is looked at.
pub const CHARS_MAX: usize = 48;
/// Powers of ten that fit in 128 bits.
const EXPONENT_MAX: i32 = 38;

/// An exact decimal: some digits and where their point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exact {
    digits: i128,
    /// Never above zero, and zero for whole numbers: `1500` is (1500, 0) and `0.5` is (5, -1).
    exponent: i32,
}

/// Why a text is no amount, or an amount not this many of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum NotExact {
    /// Not a decimal number: `NaN`, `Inf`, hexadecimal, blanks, letters.
    #[error("is not a decimal number")]
    NotDecimal,
    /// Finer than the unit.
    #[error("is finer than can be counted")]
    TooFine,
    /// Larger than fits.
    #[error("is out of range")]
    OutOfRange,
}

impl Exact {
    /// Nothing.
    pub const ZERO: Self = Self { digits: 0, exponent: 0 };
    /// One.
    pub const ONE: Self = Self { digits: 1, exponent: 0 };

    /// A whole number.
    pub fn whole(number: i64) -> Self {
        Self { digits: number.into(), exponent: 0 }
    }

    /// Whether it is below nothing.
    pub const fn is_negative(self) -> bool {
        self.digits < 0
    }

    /// The product.
    pub fn times(self, other: Self) -> Result<Self, NotExact> {
        let digits = self.digits.checked_mul(other.digits).ok_or(NotExact::OutOfRange)?;
        let exponent = self.exponent.checked_add(other.exponent).ok_or(NotExact::OutOfRange)?;
        normal(digits, exponent)
    }

    /// How many whole units of one `unit`-th it is: in units of a thousandth, `1.5` is 1500.
    pub fn in_parts(self, unit: i64) -> Result<i64, NotExact> {
        let parts = self.times(Self::whole(unit))?;
        if parts.exponent < 0 {
            return Err(NotExact::TooFine);
        }
        i64::try_from(parts.digits).map_err(|_| NotExact::OutOfRange)
    }
}

/// The same number with as few digits behind the point as it has.
fn normal(mut digits: i128, mut exponent: i32) -> Result<Exact, NotExact> {
    if digits == 0 {
        return Ok(Exact::ZERO);
    }
    while exponent < 0 && digits.checked_rem(10) == Some(0) {
        digits = digits.checked_div(10).ok_or(NotExact::OutOfRange)?;
        exponent = exponent.checked_add(1).ok_or(NotExact::OutOfRange)?;
    }
    while exponent > 0 {
        digits = digits.checked_mul(10).ok_or(NotExact::OutOfRange)?;
        exponent = exponent.checked_sub(1).ok_or(NotExact::OutOfRange)?;
    }
    if exponent < EXPONENT_MAX.wrapping_neg() {
        return Err(NotExact::TooFine);
    }
    Ok(Exact { digits, exponent })
}

impl std::str::FromStr for Exact {
    type Err = NotExact;

    /// Reads `-12`, `0.5`, `1.`, `5e-07`, `+1E+3`.
    fn from_str(text: &str) -> Result<Self, NotExact> {
        if text.len() > CHARS_MAX {
            return Err(NotExact::NotDecimal);
        }
        let (number, power) = match text.split_once(['e', 'E']) {
            None => (text, 0),
            Some((number, power)) => (number, exponent(power)?),
        };
        let (is_negative, number) = match number.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, number.strip_prefix('+').unwrap_or(number)),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let are_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !are_digits(whole) || !are_digits(fraction) {
            return Err(NotExact::NotDecimal);
        }
        let digits: i128 =
            format!("{whole}{fraction}").parse().map_err(|_| NotExact::OutOfRange)?;
        let digits = if is_negative { digits.checked_neg() } else { Some(digits) };
        let behind = i32::try_from(fraction.len()).map_err(|_| NotExact::NotDecimal)?;
        let exponent = power.checked_sub(behind).ok_or(NotExact::OutOfRange)?;
        normal(digits.ok_or(NotExact::OutOfRange)?, exponent)
    }
}

/// A power of ten as it is written.
fn exponent(text: &str) -> Result<i32, NotExact> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotExact::NotDecimal);
    }
    let power: i32 = text.parse().map_err(|_| NotExact::OutOfRange)?;
    if power.unsigned_abs() > EXPONENT_MAX.unsigned_abs() {
        return Err(NotExact::OutOfRange);
    }
    Ok(power)
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.digits < 0 { "-" } else { "" };
        let behind = usize::try_from(self.exponent.unsigned_abs()).map_err(|_| fmt::Error)?;
        let width = behind.saturating_add(1);
        let digits = format!("{:0>width$}", self.digits.unsigned_abs());
        let (whole, fraction) = digits.split_at(digits.len().saturating_sub(behind));
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{whole}{point}{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::{NANOS_PER_UNIT, Nanos};

    proptest! {
        #[test]
        fn every_amount_reads_back_from_its_decimal_wherever_its_point_is(
            nanos: i64,
            shift in 0_u8..=9,
        ) {
            let decimal = Nanos::new(nanos).in_currency().to_string();
            let exact: Exact = decimal.parse().unwrap();
            prop_assert_eq!(exact.to_string(), decimal);
            prop_assert_eq!(exact.in_parts(NANOS_PER_UNIT), Ok(nanos));
            let shifted: Exact = format!("{nanos}e-{shift}").parse().unwrap();
            prop_assert_eq!(shifted.in_parts(10_i64.pow(shift.into())), Ok(nanos));
        }

        #[test]
        fn no_text_is_read_as_something_it_does_not_say(text in "[-+.eE0-9]{0,12}") {
            if let Ok(exact) = text.parse::<Exact>() {
                prop_assert_eq!(exact.to_string().parse(), Ok(exact));
            }
        }
    }

    #[track_caller]
    fn check(text: &str, unit: i64, want: Result<i64, NotExact>) {
        assert_eq!(text.parse::<Exact>().and_then(|exact| exact.in_parts(unit)), want, "{text}");
    }

    #[test]
    fn what_is_no_decimal_number_is_refused() {
        for text in [
            "",
            " ",
            "NaN",
            "nan",
            "Inf",
            "-Infinity",
            "0x10",
            "1,5",
            "1 000",
            "½",
            "--1",
            ".5",
            "1e",
            "e5",
            "1e+",
            "1.2.3",
            "1e1.5",
            "NULL",
            "'; DROP TABLE account; --",
            "１",
        ] {
            check(text, 1, Err(NotExact::NotDecimal));
        }
        check(&"1".repeat(CHARS_MAX + 1), 1, Err(NotExact::NotDecimal));
        check(&format!("{:0>CHARS_MAX$}", 1), 1, Ok(1));
    }

    #[test]
    fn numbers_are_what_their_digits_say() {
        check("0", 1, Ok(0));
        check("-0.0", 1, Ok(0));
        check("100.0", 1, Ok(100));
        check("1.", 1, Ok(1));
        check("1e3", 1, Ok(1_000));
        check("+1.5E+2", 1, Ok(150));
        check("5e-07", 1_000_000_000, Ok(500));
        check("0.1", 1_000_000_000, Ok(100_000_000));
        check("-2147483648", 2_000, Ok(-4_294_967_296_000));
        check("0.000000001", 1_000_000_000, Ok(1));
        check("9223372036854775807", 1, Ok(i64::MAX));
    }

    #[test]
    fn what_is_too_fine_or_too_large_is_refused_and_not_rounded() {
        check("0.30000000000000004", 1_000_000_000, Err(NotExact::TooFine));
        check("0.5", 1, Err(NotExact::TooFine));
        check("9223372036854775808", 1, Err(NotExact::OutOfRange));
        check("1e38", 1_000, Err(NotExact::OutOfRange));
        check(&format!("1e{}", EXPONENT_MAX + 1), 1, Err(NotExact::OutOfRange));
        check(&format!("1e-{}", EXPONENT_MAX + 1), 1, Err(NotExact::OutOfRange));
        assert!(format!("1e{EXPONENT_MAX}").parse::<Exact>().is_ok());
        assert!(format!("1e-{EXPONENT_MAX}").parse::<Exact>().is_ok());
        check("1e999999999999", 1, Err(NotExact::OutOfRange));
        check("0.00000000000000000000000000000000000001e-9", 1, Err(NotExact::TooFine));
        check("1e+20", 1, Err(NotExact::OutOfRange));
    }

    #[test]
    fn a_product_is_exact() {
        let product = |one: &str, other: &str| {
            one.parse::<Exact>().unwrap().times(other.parse().unwrap()).unwrap().to_string()
        };
        assert_eq!(product("0.1", "0.1"), "0.01");
        assert_eq!(product("2.5", "0.4"), "1");
        assert_eq!(product("-1.5", "500000"), "-750000");
        assert_eq!(product("0", "1e-30"), "0");
    }
}
