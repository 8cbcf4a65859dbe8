use std::collections::BTreeMap;

use meter::money::{Nanos, Ratio};
use meter::price::plan::Dated;
use meter::price::{PRICES_MAX, Price, PriceBook, Scope};
use meter::route::Operation;
use meter::time::UnixMs;
use meter::wire::book::{BookDoc, DatedDoc, PriceDoc, PricedDoc};
use meter::wire::pull::Changes;

use super::{pinned, read, unreadable};

const BOOK: &str = r#"{"version":3,"deny_unpriced":true,"groups_ppm":{"team":500000,"vip":1200000},"prices":[{"account":"acc_1","subject":"7480","price":{"kind":"free"}},{"account":"acc_1","price":{"kind":"per_call","amount_nanos":5}},{"subject":"7480","price":{"kind":"per_call","amount_nanos":1000000000}},{"operation":"chat","price":{"kind":"per_token","input_nanos_per_million":1,"output_nanos_per_million":2}},{"operation":"audio_speech","price":{"kind":"per_unit","amount_nanos":30}},{"price":{"kind":"per_token","input_nanos_per_million":2000000000,"output_nanos_per_million":2000000000}},{"provider":"dify","price":{"kind":"cost_plus","margin_ppm":1000000,"step_nanos":100000}}]}"#;
const INITIAL: &str = r#"{"version":0,"deny_unpriced":false,"groups_ppm":{},"prices":[{"price":{"kind":"per_token","input_nanos_per_million":2000000000,"output_nanos_per_million":2000000000}}]}"#;

fn book() -> PriceBook {
    let account = || "acc_1".parse().unwrap();
    let subject = || "7480".parse().unwrap();
    let per_call = |nanos| Price::PerCall { amount: Nanos::new(nanos) };
    let per_token =
        Price::PerToken { input_per_million: Nanos::new(1), output_per_million: Nanos::new(2) };
    PriceBook {
        version: 3,
        deny_unpriced: true,
        groups: BTreeMap::from([
            ("vip".parse().unwrap(), Ratio::from_ppm(1_200_000)),
            ("team".parse().unwrap(), Ratio::from_ppm(500_000)),
        ]),
        prices: BTreeMap::from([
            (Scope::AccountSubject(account(), subject()), Price::Free),
            (Scope::Account(account()), per_call(5)),
            (Scope::Subject(subject()), per_call(1_000_000_000)),
            (Scope::Operation(Operation::Chat), per_token),
            (Scope::Operation(Operation::AudioSpeech), Price::PerUnit { amount: Nanos::new(30) }),
            (Scope::Coze, Price::TOKEN_IS_QUOTA),
            (Scope::Dify, Price::COST_IN_POINTS),
        ]),
    }
}

#[test]
fn a_book_is_what_it_was() {
    for (book, json) in [(book(), BOOK), (PriceBook::initial(), INITIAL)] {
        pinned(&BookDoc::from(&book), json);
        assert_eq!(PriceBook::try_from(&read::<BookDoc>(json)), Ok(book));
    }
}

#[test]
fn a_book_written_by_hand_may_leave_out_what_has_a_default() {
    let doc: BookDoc = read(r#"{"version":1,"prices":[]}"#);
    let empty = PriceBook {
        version: 1,
        deny_unpriced: false,
        groups: BTreeMap::new(),
        prices: BTreeMap::new(),
    };
    assert_eq!(PriceBook::try_from(&doc), Ok(empty));
}

#[test]
fn a_book_without_a_version_or_with_a_field_that_is_not_known_is_refused() {
    unreadable::<BookDoc>(r#"{"prices":[]}"#, "missing field `version`");
    unreadable::<BookDoc>(r#"{"version":-1,"prices":[]}"#, "invalid value");
    unreadable::<BookDoc>(r#"{"version":1,"prices":[],"currency":"CNY"}"#, "unknown field");
    unreadable::<PricedDoc>(r#"{"bot":"1","price":{"kind":"free"}}"#, "unknown field `bot`");
    unreadable::<PricedDoc>(r#"{"price":{"kind":"per_call"}}"#, "missing field `amount_nanos`");
    unreadable::<PriceDoc>(r#"{"kind":"per_call","amount_nanos":1.5}"#, "invalid type");
    unreadable::<PriceDoc>(r#"{"kind":"per_call","amount_nanos":1,"usd":1}"#, "unknown field");
}

/// A book of these prices is refused because of this field.
#[track_caller]
fn refused(prices: &str, field: &str) {
    let doc: BookDoc = read(&format!(r#"{{"version":1,"prices":[{prices}]}}"#));
    assert_eq!(PriceBook::try_from(&doc).unwrap_err().field, field, "{prices}");
}

#[test]
fn prices_that_contradict_each_other_or_the_caller_are_refused() {
    let free = r#"{"price":{"kind":"free"}}"#;
    refused(&format!("{free},{free}"), "prices");
    refused(r#"{"price":{"kind":"per_call","amount_nanos":-1}}"#, "price");
    let negative =
        r#"{"kind":"per_token","input_nanos_per_million":0,"output_nanos_per_million":-1}"#;
    refused(&format!(r#"{{"price":{negative}}}"#), "price");
    refused(r#"{"price":{"kind":"cost_plus","margin_ppm":1,"step_nanos":0}}"#, "price");
    refused(r#"{"provider":"moon","price":{"kind":"free"}}"#, "provider");
    refused(r#"{"provider":"dify","subject":"1","price":{"kind":"free"}}"#, "provider");
    let coze = r#"{"provider":"coze","price":{"kind":"free"}}"#;
    refused(&format!("{free},{coze}"), "prices");
    refused(r#"{"operation":"fly","price":{"kind":"free"}}"#, "operation");
    refused(r#"{"operation":"chat","subject":"1","price":{"kind":"free"}}"#, "operation");
    refused(r#"{"account":"a b","price":{"kind":"free"}}"#, "account");
    refused(r#"{"subject":"","price":{"kind":"free"}}"#, "subject");
    let one_too_many: Vec<String> = (0..=PRICES_MAX)
        .map(|number| format!(r#"{{"subject":"{number}","price":{{"kind":"free"}}}}"#))
        .collect();
    refused(&one_too_many.join(","), "prices");
    let doc: BookDoc = read(r#"{"version":1,"groups_ppm":{"a b":1},"prices":[]}"#);
    assert_eq!(PriceBook::try_from(&doc).unwrap_err().field, "groups_ppm");
}

#[test]
fn a_book_that_is_to_come_is_what_it_was() {
    let dated = Dated { starts_at: UnixMs::new(1_796_054_400_000), book: PriceBook::initial() };
    let json = format!(r#"{{"starts_at_ms":1796054400000,"book":{INITIAL}}}"#);
    pinned(&DatedDoc::from(&dated), &json);
    assert_eq!(Dated::try_from(&read::<DatedDoc>(&json)), Ok(dated.clone()));
    unreadable::<DatedDoc>(&format!(r#"{{"book":{INITIAL}}}"#), "missing field `starts_at_ms`");
    let changes = Changes {
        upto: 7,
        book: Some((&book()).into()),
        next_book: Some((&dated).into()),
        ..Changes::default()
    };
    let whole =
        format!(r#"{{"upto":7,"accounts":[],"revoked_keys":[],"book":{BOOK},"next_book":{json}}}"#);
    pinned(&changes, &whole);
}
