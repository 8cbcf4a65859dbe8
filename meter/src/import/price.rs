//! Prices and ratios, out of `abilities` and the documents in `options` (contract §8.2, §8.3).
//!
//! new-api prices a workflow by its id in place of a model: `ModelPrice`, in units of currency, comes
//! first, then `workflow_price` of any channel that serves it, in quota; either is multiplied by the
//! channel's ratio. We know no channels, so one workflow must come to one price on all of them.
//!
//! # Bounds
//! At most [`PRICES_MAX`] prices.

#![deny(clippy::arithmetic_side_effects)]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use super::exact::{Exact, NotExact};
use super::row::Ability;
use super::{ColumnError, Worth, error};
use crate::ids::UpstreamId;
use crate::money::{Nanos, PPM, Ratio};

pub use crate::price::PRICES_MAX;

/// What was made of the prices there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prices {
    /// What a call of each workflow or bot costs.
    pub per_call: BTreeMap<UpstreamId, Nanos>,
    /// Models that are priced there and are no id of a workflow or bot: they are nothing here.
    pub other_models: BTreeSet<String>,
    /// What could not be made one price, each with why.
    pub problems: Vec<String>,
}

/// Makes one price of what is said about each workflow; `decided` is what somebody decided by hand.
pub fn prices(
    abilities: &[Ability],
    model_prices: &BTreeMap<String, Exact>,
    decided: &BTreeMap<UpstreamId, Nanos>,
    their_quota_per_unit: u32,
    worth: Worth,
) -> Prices {
    let mut prices = Prices::default();
    let mut said: BTreeMap<&str, BTreeSet<Result<i64, NotExact>>> = BTreeMap::new();
    let unit = Exact::whole(their_quota_per_unit.into());
    let quota_of = |model: &str| model_prices.get(model).map(|price| price.times(unit));
    for ability in abilities.iter().filter(|ability| ability.is_enabled) {
        let model = ability.model.as_str();
        let Some(quota) = quota_of(model).or_else(|| ability.workflow_price.map(Ok)) else {
            continue;
        };
        let nanos = quota
            .and_then(|quota| quota.times(ability.channel_ratio))
            .and_then(|quota| quota.in_parts(worth.nanos_per_quota()));
        said.entry(model).or_default().insert(nanos);
    }
    for model in model_prices.keys() {
        let alone = || quota_of(model).map(|quota| quota?.in_parts(worth.nanos_per_quota()));
        if !said.contains_key(model.as_str())
            && let Some(nanos) = alone()
        {
            said.entry(model).or_default().insert(nanos);
        }
    }
    for (model, amounts) in said {
        let Some(id) = workflow(model) else {
            prices.other_models.insert(model.to_owned());
            continue;
        };
        let amount = match decided.get(&id) {
            Some(amount) => Ok(*amount),
            None => one(&amounts),
        };
        match amount {
            Ok(amount) => {
                prices.per_call.insert(id, amount);
            }
            Err(problem) => prices.problems.push(format!("the price of {id} {problem}")),
        }
    }
    prices
}

/// The id of a workflow or bot; Coze writes them as decimal numbers (contract §1).
fn workflow(model: &str) -> Option<UpstreamId> {
    let is_number = !model.is_empty() && model.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| model.parse().ok()).flatten()
}

fn one(amounts: &BTreeSet<Result<i64, NotExact>>) -> Result<Nanos, String> {
    let mut amounts = amounts.iter();
    match (amounts.next(), amounts.next()) {
        (Some(Ok(amount)), None) => Ok(Nanos::new(*amount)),
        (Some(Err(problem)), _) | (_, Some(Err(problem))) => Err(problem.to_string()),
        (Some(Ok(one)), Some(Ok(other))) => {
            let quota = |nanos: &i64| Nanos::new(*nanos).in_quota().to_string();
            Err(format!(
                "is {} quota on one channel and {} on another: say which it is to be",
                quota(one),
                quota(other)
            ))
        }
        (None, _) => Err("is not said".to_owned()),
    }
}

/// Reads `ModelPrice`: units of currency for each call, by model.
pub fn model_prices(document: &str) -> Result<BTreeMap<String, Exact>, ColumnError> {
    let prices = numbers("ModelPrice", document)?;
    match prices.iter().find(|(_, price)| price.is_negative()) {
        Some((model, price)) => {
            Err(error("ModelPrice", format!("{price} of {model:?} is negative")))
        }
        None => Ok(prices),
    }
}

/// Reads `GroupRatio`: what multiplies all prices, by group.
pub fn group_ratios(document: &str) -> Result<BTreeMap<String, Ratio>, ColumnError> {
    let ratios = numbers("GroupRatio", document)?;
    ratios
        .into_iter()
        .map(|(group, ratio)| {
            let problem =
                |problem: &str| error("GroupRatio", format!("{ratio} of {group:?} {problem}"));
            let ppm = ratio.in_parts(PPM).map_err(|not_exact| match not_exact {
                NotExact::TooFine => problem("is finer than a millionth"),
                other => problem(&other.to_string()),
            })?;
            let ppm = u32::try_from(ppm).map_err(|_| problem("is not between 0 and 4294"))?;
            Ok((group, Ratio::from_ppm(ppm)))
        })
        .collect()
}

/// Reads `QuotaPerUnit`.
pub fn quota_per_unit(document: &str) -> Result<u32, ColumnError> {
    let number: Result<Exact, NotExact> = document.trim().parse();
    let quota = number.and_then(|number| number.in_parts(1)).ok();
    quota
        .and_then(|quota| u32::try_from(quota).ok())
        .filter(|quota| *quota > 0)
        .ok_or_else(|| error("QuotaPerUnit", "is not a number from 1 to 4294967295"))
}

fn numbers(key: &'static str, document: &str) -> Result<BTreeMap<String, Exact>, ColumnError> {
    if document.trim().is_empty() {
        return Ok(BTreeMap::new());
    }
    // As raw text, so that no number becomes a float on its way.
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(document)
        .map_err(|problem| error(key, format!("is not a JSON object: {problem}")))?;
    if fields.len() > PRICES_MAX {
        return Err(error(key, format!("has more than {PRICES_MAX} fields")));
    }
    fields
        .into_iter()
        .map(|(name, raw)| {
            let number = raw.get().parse().map_err(|problem: NotExact| {
                let shown: String = raw.get().chars().take(40).collect();
                error(key, format!("{shown} of {name:?} {problem}"))
            })?;
            Ok((name, number))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::QUOTA_PER_UNIT;

    fn ability(model: &str, price: Option<&str>, ratio: &str) -> Ability {
        Ability {
            model: model.to_owned(),
            is_enabled: true,
            workflow_price: price.map(|price| price.parse().unwrap()),
            channel_ratio: ratio.parse().unwrap(),
        }
    }

    fn made(abilities: &[Ability], document: &str) -> Prices {
        let worth = Worth::new(QUOTA_PER_UNIT).unwrap();
        let model_prices = model_prices(document).unwrap();
        prices(abilities, &model_prices, &BTreeMap::new(), QUOTA_PER_UNIT, worth)
    }

    fn quota(prices: &Prices) -> Vec<(String, String)> {
        let text =
            |(id, nanos): (&UpstreamId, &Nanos)| (id.to_string(), nanos.in_quota().to_string());
        prices.per_call.iter().map(text).collect()
    }

    fn pairs(wanted: &[(&str, &str)]) -> Vec<(String, String)> {
        wanted.iter().map(|(id, quota)| ((*id).to_owned(), (*quota).to_owned())).collect()
    }

    #[test]
    fn documents_that_make_no_sense_are_refused_by_what_is_wrong_in_them() {
        for document in [
            "[]",
            "1",
            "{",
            r#"{"7480": "0.1"}"#,
            r#"{"7480": null}"#,
            r#"{"7480": NaN}"#,
            r#"{"7480": -1}"#,
            r#"{"7480": {"x": 1}}"#,
        ] {
            assert_eq!(model_prices(document).unwrap_err().column, "ModelPrice", "{document}");
        }
        for document in [r#"{"vip": -1}"#, r#"{"vip": 0.0000001}"#, r#"{"vip": 5000}"#, "x"] {
            assert_eq!(group_ratios(document).unwrap_err().column, "GroupRatio", "{document}");
        }
        for document in ["", "0", "-1", "NaN", "0.5", "4294967296"] {
            assert!(quota_per_unit(document).is_err(), "{document}");
        }
        assert_eq!(model_prices("").unwrap(), BTreeMap::new());
    }

    #[test]
    fn a_model_price_is_units_and_comes_before_a_channels_own() {
        let both = [ability("7480", Some("9"), "1"), ability("7481", Some("5000"), "1")];
        let made = made(&both, r#"{"7480": 1, "7482": 0.1, "7483": 5e-06, "dall-e-3": 0.04}"#);
        let want = [("7480", "500000"), ("7481", "5000"), ("7482", "50000"), ("7483", "2.5")];
        assert_eq!(quota(&made), pairs(&want));
        assert_eq!(made.other_models.iter().collect::<Vec<_>>(), ["dall-e-3"]);
        assert_eq!(made.problems, [""; 0]);
    }

    #[test]
    fn a_channels_ratio_multiplies_and_channels_must_agree() {
        let agree = [ability("7480", Some("100"), "1.2"), ability("7480", Some("120"), "1")];
        assert_eq!(quota(&made(&agree, "")), pairs(&[("7480", "120")]));
        let differ = [ability("7480", None, "1.2"), ability("7480", None, "1")];
        let made_of = made(&differ, r#"{"7480": 1}"#);
        assert_eq!(made_of.per_call, BTreeMap::new());
        let [problem] = &made_of.problems[..] else { panic!("{made_of:?}") };
        assert!(problem.contains("7480 is 500000 quota on one channel and 600000"), "{problem}");
        let worth = Worth::new(QUOTA_PER_UNIT).unwrap();
        let decided = BTreeMap::from([("7480".parse().unwrap(), Nanos::new(7))]);
        let by_hand = prices(&differ, &BTreeMap::new(), &decided, QUOTA_PER_UNIT, worth);
        assert_eq!(by_hand.per_call, BTreeMap::new(), "nothing is said about it there");
        let one = [ability("7480", Some("1"), "1"), ability("7480", Some("2"), "1")];
        let by_hand = prices(&one, &BTreeMap::new(), &decided, QUOTA_PER_UNIT, worth);
        assert_eq!((by_hand.per_call, by_hand.problems.len()), (decided, 0));
    }

    #[test]
    fn what_is_out_of_use_prices_nothing() {
        let off = Ability { is_enabled: false, ..ability("7480", Some("9"), "3") };
        assert_eq!(made(std::slice::from_ref(&off), ""), Prices::default());
        assert_eq!(quota(&made(&[off], r#"{"7480": 0}"#)), pairs(&[("7480", "0")]));
    }

    #[test]
    fn a_price_that_is_finer_than_a_nano_is_a_problem_and_not_rounded() {
        let made = made(&[ability("7480", Some("0.00001"), "1")], "");
        assert_eq!((made.per_call.len(), made.problems.len()), (0, 1));
    }

    #[test]
    fn ratios_are_exact() {
        let ratios = group_ratios(r#"{"default": 1, "vip": 0.8, "free": 0, "svip": 1.000001}"#);
        let ppm: Vec<_> = ratios.unwrap().into_values().map(Ratio::ppm).collect();
        assert_eq!(ppm, [1_000_000, 0, 1_000_001, 800_000]);
        assert_eq!(quota_per_unit("500000"), Ok(500_000));
        assert_eq!(quota_per_unit("5e5"), Ok(500_000));
    }
}
