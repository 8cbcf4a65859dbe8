//! Prices, what they apply to and ratios, in words.

use meter::money::Ratio;
use meter::price::{Price, Scope};
use meter::price_list::difference::Difference;

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
            margin,
            step.in_quota()
        ),
        Price::Free => "free".to_owned(),
    }
}

/// What differs between two books, as a line: of what, what it was, what it is.
pub fn difference(difference: &Difference) -> [String; 3] {
    let none = || "—".to_owned();
    let price_or = |of: &Option<Price>| of.as_ref().map_or_else(none, price);
    let ratio_or = |of: &Option<Ratio>| of.map_or_else(none, |ratio| format!("times {ratio}"));
    let denial = |deny: bool| if deny { "refused" } else { "billed" }.to_owned();
    match difference {
        Difference::Price(of, was, is) => [scope(of), price_or(was), price_or(is)],
        Difference::Ratio(group, was, is) => {
            [format!("group {group}"), ratio_or(was), ratio_or(is)]
        }
        Difference::DenyUnpriced(was, is) => {
            ["calls without a price".to_owned(), denial(*was), denial(*is)]
        }
    }
}
