//! Prices, what they apply to and ratios, in words.

use meter::money::{Nanos, Ratio};
use meter::price::{Price, Scope};

/// Nanos of the currency in one part per million, for printing a ratio as a decimal.
const NANOS_PER_PPM: i64 = 1_000;

/// What a price applies to.
pub fn scope(scope: &Scope) -> String {
    match scope {
        Scope::AccountSubject(account, subject) => format!("{subject} for {account}"),
        Scope::Account(account) => format!("everything for {account}"),
        Scope::Subject(subject) => subject.to_string(),
        Scope::Operation(operation) => operation.to_string(),
        Scope::Coze => "everything else".to_owned(),
        Scope::Dify => "everything else at Dify".to_owned(),
    }
}

/// A price.
pub fn price(price: &Price) -> String {
    match price {
        Price::PerCall { amount } => format!("{} quota a call", amount.in_quota()),
        Price::PerUnit { amount } => format!("{} quota a unit", amount.in_quota()),
        Price::PerToken { input_per_million, output_per_million } => format!(
            "{} quota a million tokens in, {} out",
            input_per_million.in_quota(),
            output_per_million.in_quota()
        ),
        Price::CostPlus { margin, step } => format!(
            "upstream's cost times {}, rounded up to a multiple of {} quota",
            ratio(*margin),
            step.in_quota()
        ),
        Price::Free => "free".to_owned(),
    }
}

/// A ratio, as a decimal.
pub fn ratio(ratio: Ratio) -> String {
    let nanos = i64::from(ratio.ppm()).saturating_mul(NANOS_PER_PPM);
    Nanos::new(nanos).in_currency().to_string()
}
