//! How large prices may be.
//!
//! A charge that does not fit into an amount is an error when it is made, and then it is too late: the
//! work is done. So a book is looked at before it is stored, as if the largest call there can be were
//! charged by each of its prices in the group with the highest ratio.
//!
//! # Bounds
//! An amount is at most [`AMOUNT_MAX`]; the largest call uses [`TOKENS_MAX`] tokens in and as many out, costs [`COST_MAX`] upstream and counts
//! [`UNITS_MAX`] units.

use crate::ids::Group;
use crate::money::{NANOS_PER_UNIT, Nanos, OutOfRange, Ratio};
use crate::outcome::{Reading, Source};
use crate::request::BODY_BYTES_MAX;
use crate::usage::cost::{COST_MAX, Cost, Currency};
use crate::usage::{TOKENS_MAX, Usage};

use super::{GROUPS_MAX, PRICES_MAX, Price, PriceBook, Scope, Terms};

/// Largest amount in a price: ten million units of currency, as much as can be credited at once.
pub const AMOUNT_MAX: Nanos = Nanos::new(NANOS_PER_UNIT.saturating_mul(10_000_000));
/// Most units that one call can count: a unit is a character, and a body has no more bytes than this.
pub const UNITS_MAX: u64 = BODY_BYTES_MAX as u64;

/// Why a book cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TooLarge {
    /// More prices than [`PRICES_MAX`].
    #[error("a book has at most {PRICES_MAX} prices")]
    Prices,
    /// More groups than [`GROUPS_MAX`].
    #[error("a book has at most {GROUPS_MAX} groups")]
    Groups,
    /// An amount is larger than [`AMOUNT_MAX`].
    #[error("an amount is at most {} quota", AMOUNT_MAX.in_quota())]
    Amount(Scope),
    /// The largest call would be charged more than an amount can hold.
    #[error(
        "the largest call there can be would cost more than can be counted{}",
        .1.as_ref().map_or_else(String::new, |group| format!(" in group {group}"))
    )]
    Charge(Scope, Option<Group>),
}

/// Looks at every price of a book, in every group.
pub fn check(book: &PriceBook) -> Result<(), TooLarge> {
    if book.prices.len() > PRICES_MAX {
        return Err(TooLarge::Prices);
    }
    if book.groups.len() > GROUPS_MAX {
        return Err(TooLarge::Groups);
    }
    // A charge never falls when its ratio rises, so the highest one speaks for all.
    let highest = book.groups.iter().max_by_key(|(_, ratio)| **ratio);
    let highest = highest.filter(|(_, ratio)| **ratio > Ratio::ONE);
    for (scope, price) in &book.prices {
        if largest_amount(price) > AMOUNT_MAX {
            return Err(TooLarge::Amount(scope.clone()));
        }
        if largest_charge(*price, Ratio::ONE).is_err() {
            return Err(TooLarge::Charge(scope.clone(), None));
        }
        if let Some((group, ratio)) = highest
            && largest_charge(*price, *ratio).is_err()
        {
            return Err(TooLarge::Charge(scope.clone(), Some(group.clone())));
        }
    }
    Ok(())
}

fn largest_amount(price: &Price) -> Nanos {
    match *price {
        Price::PerCall { amount } | Price::PerUnit { amount } => amount,
        Price::PerToken { input_per_million, output_per_million } => {
            input_per_million.max(output_per_million)
        }
        Price::CostPlus { margin: _, step } => step,
        Price::Free => Nanos::ZERO,
    }
}

/// What the largest call there can be costs at this price, or is held for it while it runs.
fn largest_charge(price: Price, ratio: Ratio) -> Result<Nanos, OutOfRange> {
    let terms = Terms { book: 0, price, ratio };
    let usage = Usage {
        input: Some(TOKENS_MAX),
        output: Some(TOKENS_MAX),
        total: TOKENS_MAX,
        cost: Some(Cost { amount: COST_MAX, currency: Currency::USD }),
    };
    let charge = terms.charge(UNITS_MAX, &Reading { usage: Some(usage), source: Source::Reported });
    Ok(charge?.max(terms.hold(UNITS_MAX)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::NANOS_PER_QUOTA;

    fn priced(price: Price, ratio_ppm: u32) -> PriceBook {
        let mut book = PriceBook::initial();
        book.prices.insert(Scope::Coze, price);
        book.groups.insert("vip".parse().unwrap(), Ratio::from_ppm(ratio_ppm));
        book
    }

    const PER_CALL: fn(Nanos) -> Price = |amount| Price::PerCall { amount };
    const PER_UNIT: fn(Nanos) -> Price = |amount| Price::PerUnit { amount };
    const PER_TOKEN: fn(Nanos) -> Price =
        |rate| Price::PerToken { input_per_million: rate, output_per_million: rate };

    #[test]
    fn an_amount_beyond_its_bound_is_refused_whatever_the_ratio() {
        let beyond = AMOUNT_MAX.plus(Nanos::new(1)).unwrap();
        for price in [PER_CALL(beyond), PER_UNIT(Nanos::MAX), PER_TOKEN(beyond)] {
            assert_eq!(check(&priced(price, 1)), Err(TooLarge::Amount(Scope::Coze)), "{price:?}");
        }
        let step = Price::CostPlus { margin: Ratio::ONE, step: Nanos::MAX };
        assert_eq!(check(&priced(step, 1)), Err(TooLarge::Amount(Scope::Coze)));
    }

    #[test]
    fn a_product_that_does_not_fit_is_refused_with_the_group_it_is_for() {
        let vip = || Some("vip".parse().unwrap());
        let margin = |ppm| Price::CostPlus { margin: Ratio::from_ppm(ppm), step: Nanos::new(1) };
        let charge = |price, ratio_ppm| check(&priced(price, ratio_ppm)).unwrap_err();
        for (price, ratio_ppm, group) in [
            (PER_CALL(AMOUNT_MAX), 1_000_000_000, vip()),
            (PER_UNIT(AMOUNT_MAX), 1_000_000, None),
            (PER_TOKEN(AMOUNT_MAX), 1_000_000, None),
            (margin(u32::MAX), u32::MAX, vip()),
        ] {
            assert_eq!(charge(price, ratio_ppm), TooLarge::Charge(Scope::Coze, group), "{price:?}");
        }
    }

    #[test]
    fn what_people_charge_is_let_pass() {
        let quota = |amount: i64| Nanos::new(amount * NANOS_PER_QUOTA);
        for price in [
            PER_CALL(quota(500_000)),
            PER_UNIT(quota(100)),
            PER_TOKEN(quota(60_000_000)),
            Price::COST_IN_POINTS,
            Price::Free,
        ] {
            assert_eq!(check(&priced(price, 10_000_000)), Ok(()), "{price:?}");
        }
        assert_eq!(check(&PriceBook::initial().with_dify()), Ok(()));
    }

    #[test]
    fn a_book_has_no_more_prices_and_groups_than_its_bounds() {
        let mut book = PriceBook::initial();
        for number in 0..=GROUPS_MAX {
            book.groups.insert(format!("g{number}").parse().unwrap(), Ratio::ONE);
        }
        assert_eq!(check(&book), Err(TooLarge::Groups));
        for number in 0..PRICES_MAX {
            book.prices.insert(Scope::Subject(number.to_string().parse().unwrap()), Price::Free);
        }
        assert_eq!(check(&book), Err(TooLarge::Prices));
    }

    proptest! {
        #[test]
        fn what_is_let_pass_can_always_be_charged(
            amount in 0..=AMOUNT_MAX.get(), margin in any::<u32>(), ratio in any::<u32>(),
            tokens in 0..=TOKENS_MAX, units in 0..=UNITS_MAX, cost in 0..=COST_MAX.get(), kind in 0..4,
        ) {
            let amount = Nanos::new(amount);
            let price = match kind {
                0 => PER_CALL(amount),
                1 => PER_UNIT(amount),
                2 => PER_TOKEN(amount),
                _ => Price::CostPlus {
                    margin: Ratio::from_ppm(margin),
                    step: amount.max(Nanos::new(1)),
                },
            };
            if check(&priced(price, ratio)).is_ok() {
                let terms = Terms { book: 1, price, ratio: Ratio::from_ppm(ratio) };
                let cost = Cost { amount: Nanos::new(cost), currency: Currency::USD };
                let usage = Usage { cost: Some(cost), ..Usage::from_counts(None, None, Some(tokens)).unwrap() };
                let reading = Reading { usage: Some(usage), source: Source::Reported };
                prop_assert!(terms.charge(units, &reading).is_ok());
                prop_assert!(terms.hold(units).is_ok());
            }
        }
    }
}
