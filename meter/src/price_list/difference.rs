//! What differs between two books.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::Group;
use crate::money::Ratio;
use crate::price::{Price, PriceBook, Scope};

/// One thing that differs: what it was in the first book and is in the second, `None` where that one says
/// nothing about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// A price.
    Price(Scope, Option<Price>, Option<Price>),
    /// A group's ratio.
    Ratio(Group, Option<Ratio>, Option<Ratio>),
    /// Whether calls without a specific price are refused.
    DenyUnpriced(bool, bool),
}

/// Everything that differs: prices, then ratios, then the rest.
pub fn between(before: &PriceBook, after: &PriceBook) -> Vec<Difference> {
    let PriceBook { version: _, deny_unpriced, groups, prices } = before;
    let prices = of_maps(prices, &after.prices);
    let prices = prices.map(|(scope, was, is)| Difference::Price(scope, was, is));
    let groups = of_maps(groups, &after.groups);
    let groups = groups.map(|(group, was, is)| Difference::Ratio(group, was, is));
    let denial = (*deny_unpriced != after.deny_unpriced)
        .then_some(Difference::DenyUnpriced(*deny_unpriced, after.deny_unpriced));
    prices.chain(groups).chain(denial).collect()
}

fn of_maps<'a, K: Ord + Clone, V: PartialEq + Copy>(
    before: &'a BTreeMap<K, V>,
    after: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = (K, Option<V>, Option<V>)> {
    let keys: BTreeSet<&K> = before.keys().chain(after.keys()).collect();
    let both = keys.into_iter().map(|key| (key, before.get(key).copied(), after.get(key).copied()));
    both.filter(|(_, was, is)| was != is).map(|(key, was, is)| (key.clone(), was, is))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Nanos;

    #[test]
    fn what_was_set_cleared_and_changed_is_told_and_nothing_else() {
        let scope = |id: &str| Scope::Subject(id.parse().unwrap());
        let price = |nanos| Price::PerCall { amount: Nanos::new(nanos) };
        let mut before = PriceBook::initial();
        before.prices.extend([
            (scope("1"), price(1)),
            (scope("2"), price(2)),
            (scope("3"), price(3)),
        ]);
        let mut after = before.clone();
        assert_eq!(between(&before, &PriceBook { version: 9, ..before.clone() }), []);
        after.prices.remove(&scope("1"));
        after.prices.insert(scope("2"), price(7));
        after.prices.insert(scope("4"), price(4));
        after.groups.insert("vip".parse().unwrap(), Ratio::from_ppm(2));
        after.deny_unpriced = true;
        let want = [
            Difference::Price(scope("1"), Some(price(1)), None),
            Difference::Price(scope("2"), Some(price(2)), Some(price(7))),
            Difference::Price(scope("4"), None, Some(price(4))),
            Difference::Ratio("vip".parse().unwrap(), None, Some(Ratio::from_ppm(2))),
            Difference::DenyUnpriced(false, true),
        ];
        assert_eq!(between(&before, &after), want);
    }
}
