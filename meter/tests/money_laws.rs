//! What holds for every amount, price and reading.

use meter::ids::Group;
use meter::money::{
    DECIMAL_CHARS_MAX, NANOS_PER_POINT, NANOS_PER_QUOTA, NANOS_PER_UNIT, Nanos, OutOfRange, Ratio,
    parse_decimal,
};
use meter::outcome::{Reading, Source};
use meter::price::{Price, PriceBook, RATE_TOKENS, Terms};
use meter::request::{Asked, SubjectKind};
use meter::route::Operation;
use meter::usage::cost::{COST_MAX, Cost, Currency};
use meter::usage::{TOKENS_MAX, Usage};
use proptest::prelude::*;

/// The highest rate in these tests, in nanos for a million tokens: a thousand units of currency.
const RATE_MAX: i64 = 1_000 * NANOS_PER_UNIT;
/// The highest ratio in these tests: ×10.
const RATIO_PPM_MAX: u32 = 10_000_000;

fn per_token(input: i64, output: i64) -> Price {
    Price::PerToken { input_per_million: Nanos::new(input), output_per_million: Nanos::new(output) }
}

fn cost_plus(margin_ppm: u32, step: i64) -> Price {
    Price::CostPlus { margin: Ratio::from_ppm(margin_ppm), step: Nanos::new(step) }
}

/// A reading of work that cost this much upstream.
fn costing(nanos: i64) -> Reading {
    let cost = Cost { amount: Nanos::new(nanos), currency: Currency::USD };
    reported(Usage { total: 1, cost: Some(cost), ..Usage::default() })
}

fn terms(price: Price, ratio_ppm: u32) -> Terms {
    Terms { book: 1, price, ratio: Ratio::from_ppm(ratio_ppm) }
}

fn reported(usage: Usage) -> Reading {
    Reading { usage: Some(usage), source: Source::Reported }
}

fn parts(input: u64, output: u64) -> Reading {
    reported(Usage { input: Some(input), output: Some(output), total: input + output, cost: None })
}

fn total(total: u64) -> Reading {
    reported(Usage { total, ..Usage::default() })
}

/// Terms as an operator may set them.
fn any_terms() -> impl Strategy<Value = Terms> {
    let price = prop_oneof![
        (0..=RATE_MAX).prop_map(|amount| Price::PerCall { amount: Nanos::new(amount) }),
        (0..=RATE_MAX, 0..=RATE_MAX).prop_map(|(input, output)| per_token(input, output)),
        (0..=NANOS_PER_UNIT).prop_map(|amount| Price::PerUnit { amount: Nanos::new(amount) }),
        (0..=RATIO_PPM_MAX, 1..=NANOS_PER_UNIT).prop_map(|(margin, step)| cost_plus(margin, step)),
        Just(Price::Free),
    ];
    (price, 0..=RATIO_PPM_MAX).prop_map(|(price, ratio)| terms(price, ratio))
}

/// Terms of any numbers at all.
fn wild_terms() -> impl Strategy<Value = Terms> {
    let price = prop_oneof![
        any::<i64>().prop_map(|amount| Price::PerCall { amount: Nanos::new(amount) }),
        any::<(i64, i64)>().prop_map(|(input, output)| per_token(input, output)),
        any::<i64>().prop_map(|amount| Price::PerUnit { amount: Nanos::new(amount) }),
        any::<(u32, i64)>().prop_map(|(margin, step)| cost_plus(margin, step)),
        Just(Price::Free),
    ];
    (price, any::<u32>()).prop_map(|(price, ratio)| terms(price, ratio))
}

fn wild_reading() -> impl Strategy<Value = Reading> {
    let currency = prop_oneof![
        Just(Currency::USD),
        "[A-Z]{3}".prop_filter_map("three letters", |code| code.parse().ok()),
    ];
    let cost = (any::<i64>(), currency)
        .prop_map(|(nanos, currency)| Cost { amount: Nanos::new(nanos), currency });
    let counts = any::<(Option<u64>, Option<u64>, u64)>();
    let usage = (counts, prop::option::of(cost)).prop_map(|((input, output, total), cost)| Usage {
        input,
        output,
        total,
        cost,
    });
    let source = prop::sample::select(vec![Source::Reported, Source::Retrieved, Source::Missing]);
    (prop::option::of(usage), source).prop_map(|(usage, source)| Reading { usage, source })
}

fn tokens() -> impl Strategy<Value = u64> {
    0..=TOKENS_MAX
}

proptest! {
    #[test]
    fn more_tokens_never_cost_less(
        terms in any_terms(),
        (input, output) in (tokens(), tokens()),
        (more_input, more_output) in (tokens(), tokens()),
    ) {
        let few = terms.charge(1, &parts(input, output)).unwrap();
        let many = terms.charge(1, &parts(input + more_input, output + more_output)).unwrap();
        prop_assert!(few <= many);
        let few = terms.charge(1, &total(input)).unwrap();
        let many = terms.charge(1, &total(input + more_input)).unwrap();
        prop_assert!(few <= many);
    }

    #[test]
    fn a_higher_ratio_never_costs_less(
        terms in any_terms(),
        more in 0..=RATIO_PPM_MAX,
        (input, output) in (tokens(), tokens()),
    ) {
        let dearer = Terms { ratio: Ratio::from_ppm(terms.ratio.ppm() + more), ..terms };
        let reading = parts(input, output);
        prop_assert!(terms.charge(1, &reading).unwrap() <= dearer.charge(1, &reading).unwrap());
        prop_assert!(terms.hold(1).unwrap() <= dearer.hold(1).unwrap());
    }

    #[test]
    fn in_the_first_book_one_token_is_one_quota(input in tokens(), output in tokens()) {
        let asked = Asked::new(Operation::Chat, SubjectKind::Bot, "7490".parse().unwrap());
        let account = "acc_1".parse().unwrap();
        let terms = PriceBook::initial().terms(&account, &Group::standard(), &asked).unwrap();
        let quota = i64::try_from(input + output).unwrap();
        for reading in [parts(input, output), total(input + output)] {
            let charge = terms.charge(1, &reading).unwrap();
            prop_assert_eq!(charge, Nanos::from_quota(quota).unwrap());
            prop_assert_eq!(charge.in_quota().to_string(), quota.to_string());
        }
    }

    #[test]
    fn how_a_total_is_split_does_not_matter_at_one_rate(
        rate in 0..=RATE_MAX,
        ratio in 0..=RATIO_PPM_MAX,
        (one, other) in (tokens(), tokens()),
    ) {
        let terms = terms(per_token(rate, rate), ratio);
        let whole = terms.charge(1, &total(one + other));
        prop_assert_eq!(terms.charge(1, &parts(one, other)), whole);
        prop_assert_eq!(terms.charge(1, &parts(one + other, 0)), whole);
        prop_assert_eq!(terms.charge(1, &parts(0, one + other)), whole);
    }

    #[test]
    fn a_charge_by_tokens_is_the_exact_sum_rounded_once(
        (input_rate, output_rate) in (0..=RATE_MAX, 0..=RATE_MAX),
        ratio in 0..=RATIO_PPM_MAX,
        (input, output) in (tokens(), tokens()),
    ) {
        let charge = terms(per_token(input_rate, output_rate), ratio).charge(1, &parts(input, output));
        let exact = i128::from(input) * i128::from(input_rate)
            + i128::from(output) * i128::from(output_rate);
        let one_nano = i128::from(RATE_TOKENS) * 1_000_000;
        prop_assert!(is_nearest(charge.unwrap(), exact * i128::from(ratio), one_nano));
    }

    #[test]
    fn a_total_alone_never_costs_more_than_its_parts(
        terms in any_terms(),
        (input, output) in (tokens(), tokens()),
    ) {
        let by_total = terms.charge(1, &total(input + output)).unwrap();
        prop_assert!(by_total <= terms.charge(1, &parts(input, output)).unwrap());
    }

    #[test]
    fn unknown_usage_is_never_turned_into_money(terms in any_terms()) {
        let charge = terms.charge(1, &Reading { usage: None, source: Source::Missing }).unwrap();
        match terms.price {
            // Here the call itself is what is paid for.
            Price::PerCall { .. } | Price::PerUnit { .. } => {
                prop_assert_eq!(Ok(charge), terms.hold(1));
            }
            Price::PerToken { .. } | Price::CostPlus { .. } | Price::Free => {
                prop_assert_eq!(charge, Nanos::ZERO);
            }
        }
    }

    #[test]
    fn whatever_the_numbers_a_charge_and_a_hold_are_not_negative(
        terms in wild_terms(),
        units in any::<u64>(),
        reading in wild_reading(),
    ) {
        for amount in [terms.charge(units, &reading), terms.hold(units)] {
            prop_assert!(amount.is_err() || amount.is_ok_and(|amount| amount >= Nanos::ZERO));
        }
    }

    #[test]
    fn units_cost_their_price_each_times_the_ratio(
        amount in 0..=NANOS_PER_UNIT,
        ratio in 0..=RATIO_PPM_MAX,
        units in 0..1_000_000u64,
    ) {
        let terms = terms(Price::PerUnit { amount: Nanos::new(amount) }, ratio);
        let exact = i128::from(amount) * i128::from(units) * i128::from(ratio);
        let charge = terms.charge(units, &total(0)).unwrap();
        prop_assert!(is_nearest(charge, exact, 1_000_000));
        prop_assert_eq!(terms.hold(units), Ok(charge));
    }

    #[test]
    fn cost_plus_never_charges_below_the_marked_up_cost_nor_a_step_above(
        cost in 0..=COST_MAX.get() / 1_000,
        (margin, ratio) in (0..=RATIO_PPM_MAX, 0..=RATIO_PPM_MAX),
        step in 1..=NANOS_PER_UNIT,
    ) {
        let charge = terms(cost_plus(margin, step), ratio).charge(1, &costing(cost)).unwrap();
        let exact = i128::from(cost) * i128::from(margin) * i128::from(ratio);
        let charged = i128::from(charge.get()) * 1_000_000_000_000;
        prop_assert_eq!(charge.get() % step, 0);
        prop_assert!(charged >= exact);
        prop_assert!(charged - exact < i128::from(step) * 1_000_000_000_000);
    }

    #[test]
    fn a_cost_reads_back_from_any_spelling_of_it(
        nanos in 0..=COST_MAX.get(),
        zeros in 0..9usize,
        shift in -9..9i32,
    ) {
        let read = |text: &str| Cost::read(text, "USD").map(|cost| cost.amount.get());
        let plain = Nanos::new(nanos).in_currency().to_string();
        prop_assert_eq!(read(&plain), Some(nanos));
        let padded = if plain.contains('.') { plain + &"0".repeat(zeros) } else { plain };
        prop_assert_eq!(read(&padded), Some(nanos));
        let fraction = usize::try_from(9 + shift).unwrap();
        let digits = format!("{nanos:0>40}");
        let (whole, behind) = digits.split_at(digits.len() - fraction);
        prop_assert_eq!(read(&format!("{whole}.{behind}e{shift}")), Some(nanos));
    }

    #[test]
    fn no_text_of_a_cost_panics_or_is_negative(text in prop_oneof!["[-+0-9.eE ]{0,70}", any::<String>()]) {
        if let Some(cost) = Cost::read(&text, "USD") {
            prop_assert!(cost.amount >= Nanos::ZERO && cost.amount <= COST_MAX, "{}", text);
        }
    }

    #[test]
    fn what_was_billed_before_and_what_is_left_make_the_whole(
        (input, output) in (tokens(), tokens()),
        (more_input, more_output) in (tokens(), tokens()),
    ) {
        let usage = |input, output| {
            Usage { input: Some(input), output: Some(output), total: input + output, cost: None }
        };
        let (billed, left) = (usage(input, output), usage(more_input, more_output));
        let whole = billed.plus(left);
        prop_assert_eq!(whole.less(billed), left);
        prop_assert_eq!(whole.larger(billed).total, whole.total);
        prop_assert_eq!(billed.larger(whole).total, whole.total);
        prop_assert_eq!(billed.less(whole), usage(0, 0));
    }

    #[test]
    fn of_a_whole_in_parts_what_was_billed_by_its_total_is_not_billed_again(
        (input, output) in (tokens(), tokens()),
        (more_input, more_output) in (tokens(), tokens()),
    ) {
        let usage = |input, output| {
            Usage { input: Some(input), output: Some(output), total: input + output, cost: None }
        };
        let total = |total| Usage { total, ..Usage::default() };
        let (billed, left) = (input + output, more_input + more_output);
        let whole = usage(input, output).plus(usage(more_input, more_output));
        prop_assert_eq!(total(0).plus(whole).less(total(0)), whole);
        let rest = whole.less(total(billed));
        prop_assert_eq!(rest.total, left);
        prop_assert_eq!(rest.input.is_some(), billed == 0);
        // Whatever is charged for parts is charged for no more tokens than there are.
        let parts = rest.input.zip(rest.output).map_or(0, |(input, output)| input + output);
        prop_assert!(parts <= rest.total);
    }

    #[test]
    fn a_ratio_is_the_nearest_nano_or_out_of_range(
        numerator in 0..i128::MAX / 4,
        denominator in prop_oneof![1..1_000i128, 1..i128::MAX / 4],
    ) {
        match Nanos::from_ratio(numerator, denominator) {
            Ok(nanos) => prop_assert!(is_nearest(nanos, numerator, denominator)),
            Err(OutOfRange) => {
                // Half a nano below the largest amount and more rounds up past it.
                prop_assert!(numerator / denominator >= i128::from(i64::MAX));
            }
        }
    }

    #[test]
    fn a_ratio_of_small_numbers_is_what_school_says(numerator in 0..1_000i64, denominator in 1..50i64) {
        let (whole, rest) = (numerator / denominator, numerator % denominator);
        let rounded = if rest * 2 >= denominator { whole + 1 } else { whole };
        let nanos = Nanos::from_ratio(numerator.into(), denominator.into());
        prop_assert_eq!(nanos, Ok(Nanos::new(rounded)));
    }

    #[test]
    fn rounding_up_gives_the_next_whole_step(
        numerator in 0..i128::from(u64::MAX),
        denominator in 1..1_000_000_000i128,
        step in 1..=NANOS_PER_UNIT,
    ) {
        let Ok(up) = Nanos::from_ratio_up_to_step(numerator, denominator, Nanos::new(step)) else {
            let at_most = numerator / denominator + i128::from(step);
            prop_assert!(at_most > i128::from(i64::MAX));
            return Ok(());
        };
        let charged = i128::from(up.get()) * denominator;
        prop_assert_eq!(up.get() % step, 0);
        prop_assert!(charged >= numerator);
        prop_assert!(charged - numerator < i128::from(step) * denominator);
    }

    #[test]
    fn no_ratio_panics(numerator in any::<i128>(), denominator in any::<i128>(), step in any::<i64>()) {
        let plain = Nanos::from_ratio(numerator, denominator);
        let stepped = Nanos::from_ratio_up_to_step(numerator, denominator, Nanos::new(step));
        for amount in [plain, stepped].into_iter().flatten() {
            prop_assert!(amount >= Nanos::ZERO && numerator >= 0 && denominator > 0);
        }
    }

    #[test]
    fn sums_and_differences_are_exact_or_out_of_range(one in any::<i64>(), other in any::<i64>()) {
        let (a, b) = (Nanos::new(one), Nanos::new(other));
        let exact = |wide: i128| i64::try_from(wide).map(Nanos::new).map_err(|_| OutOfRange);
        prop_assert_eq!(a.plus(b), exact(i128::from(one) + i128::from(other)));
        prop_assert_eq!(a.minus(b), exact(i128::from(one) - i128::from(other)));
        let quota = exact(i128::from(one) * i128::from(NANOS_PER_QUOTA));
        prop_assert_eq!(Nanos::from_quota(one), quota);
    }

    #[test]
    fn an_amount_reads_back_from_every_unit_it_is_shown_in(nanos in any_nanos()) {
        let amount = Nanos::new(nanos);
        let read = |text: String, unit| parse_decimal(&text, unit);
        prop_assert_eq!(read(amount.in_currency().to_string(), NANOS_PER_UNIT), Ok(amount));
        prop_assert_eq!(read(amount.in_quota().to_string(), NANOS_PER_QUOTA), Ok(amount));
        prop_assert_eq!(read(amount.in_points().to_string(), NANOS_PER_POINT), Ok(amount));
        prop_assert_eq!(read(amount.to_string(), 1), Ok(amount));
    }

    #[test]
    fn a_decimal_is_read_as_its_digits_say(
        negative in any::<bool>(),
        whole in 0..9_000_000_000i64,
        fraction in 0..NANOS_PER_UNIT,
        zeros in 0..9usize,
    ) {
        let sign = if negative { "-" } else { "" };
        let text = format!("{sign}{whole}.{fraction:09}{}", "0".repeat(zeros));
        let nanos = whole * NANOS_PER_UNIT + fraction;
        let want = Nanos::new(if negative { -nanos } else { nanos });
        prop_assert_eq!(parse_decimal(&text, NANOS_PER_UNIT), Ok(want), "{}", text);
    }

    #[test]
    fn no_text_panics_and_only_decimals_are_read(
        text in prop_oneof!["[-+0-9.eE ]{0,45}", any::<String>()],
        unit in any::<i64>(),
    ) {
        if parse_decimal(&text, unit).is_ok() {
            let digits = text.strip_prefix('-').unwrap_or(&text);
            prop_assert!(digits.starts_with(|first: char| first.is_ascii_digit()));
            prop_assert!(digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'));
            prop_assert!(text.len() <= DECIMAL_CHARS_MAX);
        }
    }
}

#[test]
fn a_decimal_is_looked_at_up_to_its_bound() {
    let one = |chars: usize| parse_decimal(&format!("{:0>chars$}", 1), 1);
    assert!(one(DECIMAL_CHARS_MAX).is_ok());
    assert!(one(DECIMAL_CHARS_MAX + 1).is_err());
}

/// Whether no other whole amount is nearer to the quotient, and of two as near it is the larger.
fn is_nearest(nanos: Nanos, numerator: i128, denominator: i128) -> bool {
    let over = numerator - i128::from(nanos.get()) * denominator;
    -denominator <= 2 * over && 2 * over < denominator
}

fn any_nanos() -> impl Strategy<Value = i64> {
    prop_oneof![any::<i64>(), -1_000_000..1_000_000i64, Just(i64::MAX), Just(i64::MIN)]
}
