//! Amounts as they are typed: decimal text in quota, read exactly.

use meter::account::Overdraft;
use meter::money::{AmountError, NANOS_PER_QUOTA, Nanos, PPM, Ratio, parse_decimal};

use crate::account::settings::To;

/// An amount in quota, of either sign.
pub(super) fn quota(text: &str) -> Result<Nanos, AmountError> {
    parse_decimal(text, NANOS_PER_QUOTA)
}

/// An amount in quota that is not negative.
pub(super) fn price(text: &str) -> Result<Nanos, String> {
    match quota(text) {
        Ok(amount) if amount < Nanos::ZERO => Err("is negative".to_owned()),
        Ok(amount) => Ok(amount),
        Err(error) => Err(error.to_string()),
    }
}

/// An amount in quota that is more than nothing.
pub(super) fn step(text: &str) -> Result<Nanos, String> {
    match price(text)? {
        Nanos::ZERO => Err("is zero".to_owned()),
        amount => Ok(amount),
    }
}

/// `unlimited`, or an amount in quota that is not negative.
pub(super) fn overdraft(text: &str) -> Result<Overdraft, String> {
    match text {
        "unlimited" => Ok(Overdraft::Unlimited),
        _ => price(text).map(Overdraft::Limit),
    }
}

/// `none`, or an amount in quota that is not negative.
pub(super) fn budget(text: &str) -> Result<To<Nanos>, String> {
    or_none(text, price)
}

/// `none`, or a count.
pub(super) fn count(text: &str) -> Result<To<u32>, String> {
    or_none(text, |text| text.parse().map_err(|_| "is neither `none` nor a count".to_owned()))
}

fn or_none<T>(text: &str, read: fn(&str) -> Result<T, String>) -> Result<To<T>, String> {
    if text == "none" { Ok(To(None)) } else { Ok(To(Some(read(text)?))) }
}

/// A ratio such as `1.2`.
pub(super) fn ratio(text: &str) -> Result<Ratio, String> {
    // A ratio counts in millionths as an amount counts in nanos; the same reader is exact for both.
    let ppm = parse_decimal(text, PPM).map_err(|error| match error {
        AmountError::TooFine => "is finer than a millionth".to_owned(),
        error => error.to_string(),
    })?;
    let ppm = u32::try_from(ppm.get()).map_err(|_| "is not between 0 and 4294".to_owned())?;
    Ok(Ratio::from_ppm(ppm))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_or_refused() {
        assert_eq!(quota("-1.5"), Ok(Nanos::new(-3_000)));
        assert_eq!(price("-1"), Err("is negative".to_owned()));
        assert!(price("1e6").is_err());
        assert!(price("0.00001").is_err());
        assert_eq!(price("500000"), Ok(Nanos::new(1_000_000_000)));
        assert_eq!(step("50"), Ok(Nanos::new(100_000)));
        assert_eq!(step("0"), Err("is zero".to_owned()));
        assert_eq!(overdraft("unlimited"), Ok(Overdraft::Unlimited));
        assert_eq!(overdraft("0"), Ok(Overdraft::Limit(Nanos::ZERO)));
        assert_eq!(budget("none"), Ok(To(None)));
        assert_eq!(budget("0.5"), Ok(To(Some(Nanos::new(1_000)))));
        assert!(budget("-1").is_err());
        assert_eq!(count("none"), Ok(To(None)));
        assert_eq!(count("60"), Ok(To(Some(60))));
        assert!(count("-1").is_err());
        assert_eq!(ratio("1.2"), Ok(Ratio::from_ppm(1_200_000)));
        assert!(ratio("-1").is_err());
        assert!(ratio("1.0000001").is_err());
        assert!(ratio("5000").is_err());
    }
}
