//! How a charge comes about, as a line of arithmetic that can be checked by hand.

use std::fmt::Write as _;

use meter::entry::{Ending, Facts};
use meter::money::{NANOS_PER_QUOTA, Nanos, PPM, Ratio};
use meter::price::{Price, RATE_TOKENS};
use meter::usage::Usage;
use serde::Serialize;
use utoipa::ToSchema;

use super::ratio_text;

/// Nanos of a rate for a million tokens that make one nano a token, as money prints it: what is printed
/// as currency is divided by a thousand millions.
const CURRENCY_PER_RATE: i64 = 1_000;

/// What a call cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Charge {
    /// The amount, as the journal charged it.
    pub amount_nanos: i64,
    /// The same in quota.
    pub amount_quota: String,
    /// How it comes about.
    pub arithmetic: String,
    /// The amount, derived again here; `None` when that does not fit.
    pub derived_nanos: Option<i64>,
    /// Whether the two are equal.
    pub equals: bool,
}

impl Charge {
    pub(super) fn of(facts: &Facts) -> Self {
        let derived = facts.derived_amount().ok();
        Self {
            amount_nanos: facts.amount.get(),
            amount_quota: facts.amount.in_quota().to_string(),
            arithmetic: arithmetic(facts, derived),
            derived_nanos: derived.map(Nanos::get),
            equals: derived == Some(facts.amount),
        }
    }
}

fn arithmetic(facts: &Facts, derived: Option<Nanos>) -> String {
    let nothing = |why: &str| format!("nothing: {why}");
    match facts.ending {
        Ending::Settled => {}
        Ending::Released => return nothing("it was released"),
        Ending::Expired => return nothing("it expired"),
    }
    let terms = &facts.terms;
    let units = facts.asked.units;
    let cost = match terms.price {
        Price::Free => return nothing("it is free"),
        Price::PerCall { amount } => Cost {
            text: format!("1 call × {amount} nano"),
            millionths: product(amount.get(), RATE_TOKENS),
        },
        Price::PerUnit { amount } => Cost {
            text: format!("{units} units × {amount} nano"),
            millionths: product(amount.get(), RATE_TOKENS)
                .and_then(|each| each.checked_mul(i128::from(units))),
        },
        Price::CostPlus { margin, step } => return marked_up(facts, margin, step, derived),
        Price::PerToken { input_per_million, output_per_million } => {
            let Some(usage) = facts.reading.usage else {
                return nothing("the usage is unknown, and nothing is guessed");
            };
            token_cost(usage, input_per_million, output_per_million)
        }
    };
    line(&cost, terms.ratio, derived)
}

/// Cost plus, which is rounded up to its step.
fn marked_up(facts: &Facts, margin: Ratio, step: Nanos, derived: Option<Nanos>) -> String {
    let Some(cost) = facts.upstream_cost() else {
        return "nothing: upstream did not state its cost, and nothing is guessed".to_owned();
    };
    if let Some(currency) = facts.foreign_currency() {
        return format!("nothing: upstream's cost is in {currency}, and nothing is converted");
    }
    let mut line = format!("upstream's {} {}", cost.amount.in_currency(), cost.currency);
    for (factor, what) in [(margin, "margin"), (facts.terms.ratio, "group")] {
        if factor != Ratio::ONE {
            // Writing to a String cannot fail.
            let _ = write!(line, " × {} ({what})", ratio_text(factor));
        }
    }
    let _ = match derived {
        Some(amount) => write!(
            line,
            ", rounded up to a multiple of {step} nano = {amount} nano = {} points",
            amount.in_points()
        ),
        None => write!(line, " = more than an amount can be"),
    };
    line
}

/// A cost before the ratio, in words and in millionths of a nano.
struct Cost {
    text: String,
    millionths: Option<i128>,
}

fn token_cost(usage: Usage, input_rate: Nanos, output_rate: Nanos) -> Cost {
    if let (Some(input), Some(output)) = (usage.input, usage.output) {
        let (left, right) = (tokens(input, input_rate), tokens(output, output_rate));
        let (input_rate, output_rate) = (rate_text(input_rate), rate_text(output_rate));
        return Cost {
            text: format!(
                "{input} tokens in × {input_rate} nano + {output} tokens out × {output_rate} nano"
            ),
            millionths: left.zip(right).and_then(|(left, right)| left.checked_add(right)),
        };
    }
    let rate = input_rate.min(output_rate);
    let why = if input_rate == output_rate {
        ""
    } else {
        " (the lower rate, since only the total is known)"
    };
    Cost {
        text: format!("{} tokens × {} nano{why}", usage.total, rate_text(rate)),
        millionths: tokens(usage.total, rate),
    }
}

fn product(one: i64, other: i64) -> Option<i128> {
    i128::from(one).checked_mul(i128::from(other))
}

fn tokens(count: u64, rate_per_million: Nanos) -> Option<i128> {
    i128::from(count).checked_mul(i128::from(rate_per_million.get()))
}

/// A rate for one token.
fn rate_text(rate_per_million: Nanos) -> String {
    match rate_per_million.get().checked_mul(CURRENCY_PER_RATE) {
        Some(nanos) => Nanos::new(nanos).in_currency().to_string(),
        None => format!("{rate_per_million}/{RATE_TOKENS}"),
    }
}

/// The whole line: the cost, the ratio where it is not one, and the amount in nanos and quota.
fn line(cost: &Cost, ratio: Ratio, derived: Option<Nanos>) -> String {
    let Cost { text, millionths } = cost;
    let mut line = if ratio == Ratio::ONE {
        text.clone()
    } else if text.contains(" + ") {
        format!("({text}) × {}", ratio_text(ratio))
    } else {
        format!("{text} × {}", ratio_text(ratio))
    };
    let Some(derived) = derived else {
        line.push_str(" = more than an amount can be");
        return line;
    };
    let whole = product(RATE_TOKENS, PPM);
    let scaled = millionths.and_then(|cost| cost.checked_mul(i128::from(ratio.ppm())));
    let rest = scaled.zip(whole).and_then(|(scaled, whole)| scaled.checked_rem(whole));
    let rounded = if rest == Some(0) { "" } else { ", rounded half up" };
    // Writing to a String cannot fail.
    let _ = write!(line, " = {derived} nano{rounded}");
    if derived.get().checked_rem(NANOS_PER_QUOTA) == Some(0) {
        let _ = write!(line, " = {} quota", derived.in_quota());
    }
    line
}

#[cfg(test)]
pub(super) mod tests {
    use meter::ids::Group;
    use meter::outcome::{Reading, Source};
    use meter::price::{PriceBook, Terms};
    use meter::request::{Asked, SubjectKind};
    use meter::route::Operation;
    use meter::time::UnixMs;
    use meter::usage::WorkIds;
    use meter::usage::cost::Cost;

    use super::*;

    /// A call of 310 tokens in and 55 out, at one quota each.
    pub(in crate::read::explain) fn facts() -> Facts {
        let asked = Asked::new(Operation::Chat, SubjectKind::Bot, "7490".parse().unwrap());
        let account = "acc_1".parse().unwrap();
        let terms = PriceBook::initial().terms(&account, &Group::standard(), &asked).unwrap();
        let usage = Usage::from_counts(Some(310), Some(55), None);
        Facts {
            call: "c1".parse().unwrap(),
            account,
            key: "key_1".parse().unwrap(),
            asked,
            group: Group::standard(),
            terms,
            admitted_at: UnixMs::new(1),
            finished_at: UnixMs::new(2),
            ending: Ending::Settled,
            status: Some(200),
            code: None,
            reading: Reading { usage, source: Source::Reported },
            usage_fell: false,
            ids: WorkIds::default(),
            amount: Nanos::from_quota(365).unwrap(),
        }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Facts), want: &str) {
        let mut facts = facts();
        change(&mut facts);
        assert_eq!(Charge::of(&facts).arithmetic, want);
    }

    fn price(price: Price, ppm: u32) -> Terms {
        Terms { book: 0, price, ratio: Ratio::from_ppm(ppm) }
    }

    #[test]
    fn each_price_is_told_as_arithmetic() {
        let each = |amount| Price::PerCall { amount: Nanos::new(amount) };
        let unit = |amount| Price::PerUnit { amount: Nanos::new(amount) };
        let rates = |input, output| Price::PerToken {
            input_per_million: Nanos::new(input),
            output_per_million: Nanos::new(output),
        };
        check(
            |_| (),
            "310 tokens in × 2000 nano + 55 tokens out × 2000 nano = 730000 nano = 365 quota",
        );
        check(
            |facts| facts.terms.ratio = Ratio::from_ppm(1_200_000),
            "(310 tokens in × 2000 nano + 55 tokens out × 2000 nano) × 1.2 = 876000 nano = 438 quota",
        );
        check(
            |facts| facts.terms = price(rates(500_000, 1_000), 1_000_000),
            "310 tokens in × 0.5 nano + 55 tokens out × 0.001 nano = 155 nano, rounded half up",
        );
        let total = Usage::from_counts(None, None, Some(365));
        check(
            |facts| facts.reading.usage = total,
            "365 tokens × 2000 nano = 730000 nano = 365 quota",
        );
        check(
            |facts| {
                facts.reading.usage = total;
                facts.terms = price(rates(2_000_000, 1_000_000), 1_000_000);
            },
            "365 tokens × 1 nano (the lower rate, since only the total is known) = 365 nano",
        );
        check(
            |facts| facts.terms = price(each(600_000), 1_200_000),
            "1 call × 600000 nano × 1.2 = 720000 nano = 360 quota",
        );
        check(
            |facts| facts.terms = price(each(1), 500_000),
            "1 call × 1 nano × 0.5 = 1 nano, rounded half up",
        );
        check(
            |facts| {
                facts.asked.units = 7;
                facts.terms = price(unit(6_000), 1_000_000);
            },
            "7 units × 6000 nano = 42000 nano = 21 quota",
        );
        check(
            |facts| facts.terms = price(each(i64::MAX), 2_000_000),
            "1 call × 9223372036854775807 nano × 2 = more than an amount can be",
        );
    }

    #[test]
    fn cost_plus_is_told_with_its_step() {
        let cost = |facts: &mut Facts, price, decimal, currency| {
            facts.terms = price;
            let usage = facts.reading.usage.unwrap();
            facts.reading.usage = Some(Usage { cost: Cost::read(decimal, currency), ..usage });
        };
        let margin =
            Price::CostPlus { margin: Ratio::from_ppm(1_500_000), step: Nanos::new(100_000) };
        check(
            |facts| cost(facts, price(Price::COST_IN_POINTS, 1_000_000), "0.014704", "USD"),
            "upstream's 0.014704 USD, rounded up to a multiple of 100000 nano = 14800000 nano = 148 points",
        );
        check(
            |facts| cost(facts, price(margin, 1_200_000), "0.014704", "USD"),
            "upstream's 0.014704 USD × 1.5 (margin) × 1.2 (group), rounded up to a multiple of 100000 nano = 26500000 nano = 265 points",
        );
        check(
            |facts| cost(facts, price(margin, 1_000_000), "0.1", "RMB"),
            "nothing: upstream's cost is in RMB, and nothing is converted",
        );
        check(
            |facts| facts.terms.price = margin,
            "nothing: upstream did not state its cost, and nothing is guessed",
        );
    }

    #[test]
    fn what_costs_nothing_says_why() {
        check(|facts| facts.ending = Ending::Released, "nothing: it was released");
        check(|facts| facts.ending = Ending::Expired, "nothing: it expired");
        check(|facts| facts.terms.price = Price::Free, "nothing: it is free");
        check(
            |facts| facts.reading.usage = None,
            "nothing: the usage is unknown, and nothing is guessed",
        );
    }

    #[test]
    fn an_amount_that_was_not_derived_like_this_is_seen() {
        let good = Charge::of(&facts());
        assert_eq!((good.derived_nanos, good.equals), (Some(730_000), true));
        let wrong = Charge::of(&Facts { amount: Nanos::new(1), ..facts() });
        assert_eq!(
            (wrong.amount_nanos, wrong.derived_nanos, wrong.equals),
            (1, Some(730_000), false)
        );
    }
}
