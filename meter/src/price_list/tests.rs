use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::ids::{AccountId, UpstreamId};
use crate::money::{NANOS_PER_QUOTA, Nanos};
use crate::price::bound::AMOUNT_MAX;
use crate::route::Operation;

const HEADING: &str = "account,subject,operation,provider,group,kind,amount_quota,\
                       input_quota_per_million,output_quota_per_million,margin,step_quota,ratio,note";
const EXAMPLE: &str = include_str!("../../../examples/price-book.csv");

fn csv(rows: &str) -> String {
    format!("{HEADING}\n{rows}")
}

/// A file is refused for this, first of all.
#[track_caller]
fn refused(format: Format, text: &str, want: &str) {
    let refused = PriceList::read(text.as_bytes(), format).unwrap_err();
    assert_eq!(refused.problems[0].to_string(), want);
}

#[track_caller]
fn refuses_row(row: &str, field: &str, problem: &str) {
    refused(Format::Csv, &csv(row), &format!("line 2: `{field}` {problem}"));
}

#[track_caller]
fn refuses_price(price: &str, field: &str, problem: &str) {
    let text = format!("{{\n \"prices\": [\n  {price}\n ]\n}}");
    refused(Format::Json, &text, &format!("line 3: `prices[0].{field}` {problem}"));
}

/// What a list makes of the book of a new installation.
#[track_caller]
fn applied(text: &str, format: Format, mode: Mode) -> PriceBook {
    let list = PriceList::read(text.as_bytes(), format).unwrap();
    let mut book = PriceBook::initial().with_dify();
    list.apply(&mut book, mode).unwrap();
    book
}

fn subject(id: &str) -> Scope {
    Scope::Subject(id.parse().unwrap())
}

fn quota(quota: i64) -> Nanos {
    Nanos::new(quota * NANOS_PER_QUOTA)
}

#[test]
fn a_row_that_makes_no_sense_is_refused_by_line_and_column() {
    let zero = "is missing";
    refuses_row(",7480,,,,per_call,,,,,,,", "amount_quota", zero);
    refuses_row(",7480,,,,,5,,,,,,", "kind", zero);
    refuses_row(",7480,,,,per_token,,5,,,,,", "output_quota_per_million", zero);
    refuses_row(",7480,,,,cost_plus,,,,,,,", "margin", zero);
    refuses_row(",,,,,ratio,,,,,,1.2,", "group", zero);
    refuses_row(",,,,vip,ratio,,,,,,,", "ratio", zero);
    refuses_row(",7480,,,,per_call,-1,,,,,,", "amount_quota", "is negative");
    refuses_row(",7480,,,,per_call,1e6,,,,,,", "amount_quota", "is \"1e6\", not a decimal number");
    refuses_row(
        ",7480,,,,per_call,\"1,000\",,,,,,",
        "amount_quota",
        "is \"1,000\", not a decimal number",
    );
    refuses_row(",7480,,,,per_call,0.0001,,,,,,", "amount_quota", "is finer than one nano");
    let beyond = "is more than 5000000000000";
    refuses_row(",7480,,,,per_call,5000000000000.0005,,,,,,", "amount_quota", beyond);
    refuses_row(",7480,,,,per_call,9223372036854775807,,,,,,", "amount_quota", beyond);
    refuses_row(",7480,,,,cost_plus,,,,1.2,0,,", "step_quota", "is zero");
    refuses_row(",7480,,,,cost_plus,,,,5000,,,", "margin", "is not from 0 to 4294");
    refuses_row(",,,,vip,ratio,,,,,,-0.5,", "ratio", "is not from 0 to 4294");
    refuses_row(",,,,vip,ratio,,,,,,1.0000001,", "ratio", "is finer than a millionth");
    refuses_row(",7480,,,,free,5,,,,,,", "amount_quota", "does not belong to the kind free");
    refuses_row(",7480,,,,per_call,5,,,,,1.2,", "ratio", "does not belong to the kind per_call");
    refuses_row(",7480,,,vip,per_call,5,,,,,,", "group", "belongs to rows of the kind ratio alone");
    refuses_row(",7480,,,vip,ratio,,,,,,1.2,", "subject", "does not belong to the kind ratio");
    refuses_row(
        ",7480,,,,deny_unpriced,,,,,,,",
        "subject",
        "does not belong to the kind deny_unpriced",
    );
    refuses_row(",7480,chat,,,free,,,,,,,", "operation", "excludes what else is named");
    refuses_row("acc_1,,,dify,,free,,,,,,,", "provider", "excludes what else is named");
    refuses_row(",,fly,,,free,,,,,,,", "operation", "\"fly\" is not an operation");
    refuses_row(",,,moon,,free,,,,,,,", "provider", "\"moon\" is neither coze nor dify");
    refuses_row("a b,,,,,free,,,,,,,", "account", "holds a character that an id cannot have");
    refuses_row(
        ",7.48112E+18,,,,free,,,,,,,",
        "subject",
        "was rounded by a spreadsheet: make its column text and paste the id again",
    );
    refuses_row(
        ",,,,,free,,,,,,,",
        "subject",
        "is empty, and so are account, operation and provider: name what the price is for",
    );
    refuses_row(",7480,,,,free", "row", "has 6 cells, 13 are in the heading");
    let long = "x".repeat(CELL_BYTES_MAX + 1);
    refuses_row(&format!(",{long},,,,free,,,,,,,"), "row", "has a cell of more than 1000 bytes");
    let long = "x".repeat(129);
    refuses_row(&format!(",{long},,,,free,,,,,,,"), "subject", "is longer than 128 bytes");
    let kinds = "is \"gift\", not per_call, per_unit, per_token, cost_plus, free, ratio, \
                 deny_unpriced or allow_unpriced";
    refuses_row(",7480,,,,gift,,,,,,,", "kind", kinds);
}

#[test]
fn a_heading_that_makes_no_sense_is_refused_by_column() {
    let check = |text: &str, want: &str| refused(Format::Csv, text, want);
    check("", "line 1: `file` is empty: its first line names the columns");
    check("# nothing\n\n", "line 1: `file` is empty: its first line names the columns");
    check(HEADING, "line 1: `file` holds no row");
    check("subject,kind,subject\n", "line 1: `subject` is there twice");
    check("subject,amount_quota\n", "line 1: `kind` is missing among the columns");
    check("subject;kind\n", "line 1: `file` is not separated by commas");
    let columns = HEADING.replace(',', ", ");
    check("subject,kind,Amount\n", &format!("line 1: `Amount` is no column: they are {columns}"));
    let column = "drop table price_book;\u{7}";
    check(
        &format!("subject,kind,{column}\n"),
        &format!("line 1: `drop table price_book;\\u{{7}}` is no column: they are {columns}"),
    );
}

#[test]
fn only_utf_8_is_read_and_the_others_are_told_what_to_do() {
    let check = |bytes: &[u8], want: &str| {
        let refused = PriceList::read(bytes, Format::Csv).unwrap_err();
        assert_eq!(refused.problems[0].to_string(), want);
    };
    let rows = csv(",7480,,,,free,,,,,,,问候\n");
    let utf_16 = |mark: &[u8]| {
        let units = rows.encode_utf16().flat_map(u16::to_le_bytes);
        mark.iter().copied().chain(units).collect::<Vec<u8>>()
    };
    check(&utf_16(&[0xff, 0xfe]), "line 1: `file` is UTF-16: save it as UTF-8");
    let unmarked = "line 1: `file` holds a zero byte, as UTF-16 does: save it as UTF-8";
    check(&utf_16(&[]), unmarked);
    // 问候 in GB18030.
    let (before, after) = rows.split_once("问候").unwrap();
    let gb18030 = [before.as_bytes(), &[0xce, 0xca, 0xba, 0xf2], after.as_bytes()].concat();
    let perhaps = "line 2: `file` is not UTF-8, but perhaps GB18030: save it as UTF-8";
    check(&gb18030, perhaps);
    let large = vec![b'\n'; LIST_BYTES_MAX + 1];
    check(&large, "line 1: `file` is larger than 8388608 bytes");
    let fits = PriceList::read(&large[1..], Format::Csv).unwrap_err().to_string();
    assert!(!fits.contains("larger"), "{fits}");
    for text in [rows.clone(), format!("\u{feff}{rows}"), rows.replace('\n', "\r\n")] {
        let list = PriceList::read(text.as_bytes(), Format::Csv).unwrap();
        assert_eq!(list.prices(), 1, "{text:?}");
    }
}

#[test]
fn lines_are_counted_as_an_editor_counts_them() {
    let rows = "\n# a remark, with a comma\n\n\"\",7480,,,,free,,,,,,,\"two\nlines\"\n,,,,,,,,,,,,\n\
                # another\n,7481,,,,per_call,x,,,,,,\n";
    for text in [csv(rows), csv(rows).replace('\n', "\r\n"), format!("\u{feff}{}", csv(rows))] {
        let want = "line 9: `amount_quota` is \"x\", not a decimal number";
        refused(Format::Csv, &text, want);
    }
    let json = "{\n \"groups_ppm\": {},\n \"prices\": [\n  {\"price\": {\"kind\": \"free\"},\n   \
                \"subject\": \"7480\"},\n  {\"subject\": \"7481\",\n   \"price\": {\n    \"kind\": \
                \"per_call\",\n    \"amount_nanos\": \"7\"}}]}";
    let field = "prices[1].price.amount_nanos";
    let want =
        format!("line 7: `{field}` is \"\\\"7\\\"\", not a whole number that fits in 64 bits");
    refused(Format::Json, json, &want);
}

#[test]
fn a_thing_that_is_said_twice_is_refused_with_both_lines() {
    let twice = csv(",7480,,,,free,,,,,,,\n,,,,vip,ratio,,,,,,1,\n,7480,,,,per_call,1,,,,,,\n");
    refused(Format::Csv, &twice, "line 4: `row` says what line 2 says already");
    let twice = csv(",,,,vip,ratio,,,,,,1,\n,,,,vip,ratio,,,,,,1,\n");
    refused(Format::Csv, &twice, "line 3: `row` says what line 2 says already");
    let twice = csv(",,,,,deny_unpriced,,,,,,,\n,,,,,allow_unpriced,,,,,,,\n");
    refused(Format::Csv, &twice, "line 3: `row` says what line 2 says already");
    let free = r#"{"price":{"kind":"free"}}"#;
    let coze = r#"{"provider":"coze","price":{"kind":"free"}}"#;
    let twice = format!("{{\"prices\":[{free},\n{coze}]}}");
    refused(Format::Json, &twice, "line 2: `row` says what line 1 says already");
    let twice = "{\"groups_ppm\":{\"vip\":1,\n\"vip\":2}}";
    let want = "line 2: `groups_ppm` cannot be read: `vip` is there twice";
    refused(Format::Json, twice, want);
}

#[test]
fn a_document_that_makes_no_sense_is_refused_by_line_and_field() {
    let free = |named: &str| format!(r#"{{{named}"price":{{"kind":"free"}}}}"#);
    refuses_price(&free(r#""subject":"","#), "subject", "is empty");
    refuses_price(
        &free(r#""subject":null,"#),
        "subject",
        "cannot be read: invalid type: null, expected a string",
    );
    refuses_price(&free(r#""bot":"1","#), "bot", "is no field of a price");
    refuses_price(
        &free(r#""provider":"dify","subject":"1","#),
        "provider",
        "excludes what else is named",
    );
    refuses_price(r#"{"subject":"1"}"#, "price", "is missing");
    refuses_price("[]", "row", "cannot be read: invalid type: sequence, expected an object");
    let price = |fields: &str, field: &str, problem: &str| {
        let text = format!(r#"{{"subject":"1","price":{{{fields}}}}}"#);
        refuses_price(&text, &format!("price.{field}"), problem);
    };
    price("", "kind", "is missing");
    let kinds = "is \"ratio\", not per_call, per_unit, per_token, cost_plus or free";
    price(r#""kind":"ratio""#, "kind", kinds);
    price(r#""kind":"per_call""#, "amount_nanos", "is missing");
    price(r#""kind":"per_call","amount_nanos":-1"#, "amount_nanos", "is negative");
    price(
        r#""kind":"per_call","amount_nanos":1.5"#,
        "amount_nanos",
        "is \"1.5\", not a whole number that fits in 64 bits",
    );
    price(
        r#""kind":"per_call","amount_nanos":9223372036854775808"#,
        "amount_nanos",
        "is \"9223372036854775808\", not a whole number that fits in 64 bits",
    );
    price(
        r#""kind":"per_call","amount_nanos":9223372036854775807"#,
        "amount_nanos",
        "is more than 10000000000000000",
    );
    price(r#""kind":"per_call","amount_nanos":1,"usd":1"#, "usd", "is no field of a price");
    price(r#""kind":"cost_plus","margin_ppm":1"#, "step_nanos", "is missing");
    price(
        r#""kind":"cost_plus","margin_ppm":4294967296,"step_nanos":1"#,
        "margin_ppm",
        "is not from 0 to 4294967295",
    );
    let whole = |text: &str, want: &str| refused(Format::Json, text, want);
    whole("[]", "line 1: `file` cannot be read: invalid type: sequence, expected an object");
    whole("{}", "line 1: `file` holds no row");
    whole("{\n\"prices\":[}", "line 2: `file` cannot be read: expected value");
    whole(
        "{\n\"pirces\":[]}",
        "line 2: `pirces` is no field: they are deny_unpriced, groups_ppm and prices",
    );
    whole(
        "{\"deny_unpriced\":1}",
        "line 1: `deny_unpriced` cannot be read: invalid type: integer `1`, expected a boolean",
    );
    whole(
        "{\"version\":-1}",
        "line 1: `version` cannot be read: invalid value: integer `-1`, expected u32",
    );
    whole(
        "{\"groups_ppm\":{\n\"a b\":1}}",
        "line 2: `groups_ppm.a b` holds a character that an id cannot have",
    );
    whole("{\"groups_ppm\":{\"vip\":-1}}", "line 1: `groups_ppm.vip` is not from 0 to 4294967295");
}

#[test]
fn several_problems_are_told_at_once_and_not_without_end() {
    let rows = ",7480,,,,per_call,x,,,,,,\n".repeat(3);
    let refused = PriceList::read(csv(&rows).as_bytes(), Format::Csv).unwrap_err();
    assert_eq!((refused.problems.len(), refused.is_cut), (3, false));
    assert_eq!(refused.field(), "amount_quota");
    let rows = ",7480,,,,per_call,x,,,,,,\n".repeat(PROBLEMS_MAX + 5);
    let refused = PriceList::read(csv(&rows).as_bytes(), Format::Csv).unwrap_err();
    assert_eq!((refused.problems.len(), refused.is_cut), (PROBLEMS_MAX, true));
    assert!(refused.to_string().ends_with("… and there may be more"), "{refused}");
}

#[test]
fn a_million_rows_are_refused_at_the_first_one_too_many() {
    let mut text = "subject,kind\n".to_owned();
    for number in 0..1_000_000_u32 {
        let _ = writeln!(text, "{number:x}");
    }
    // Each of them is wrong, and still no more problems are kept than the bound.
    let refused = PriceList::read(text.as_bytes(), Format::Csv).unwrap_err();
    assert_eq!(refused.problems.len(), PROBLEMS_MAX);
    let mut text = "subject,kind\n".to_owned();
    for number in 0..=ROWS_MAX {
        let _ = writeln!(text, "{number},free");
    }
    let want = format!("line {}: `file` has more than {ROWS_MAX} rows", ROWS_MAX + 2);
    self::refused(Format::Csv, &text, &want);
    let rows = vec!["0"; ROWS_MAX + 1].join(",");
    let want = format!("line 1: `prices` cannot be read: more than {ROWS_MAX} rows");
    self::refused(Format::Json, &format!("{{\"prices\":[{rows}]}}"), &want);
}

#[test]
fn what_no_amount_can_hold_is_refused_by_the_field_that_makes_it_so() {
    let apply = |rows: &str| {
        let list = PriceList::read(csv(rows).as_bytes(), Format::Csv).unwrap();
        let mut book = PriceBook::initial().with_dify();
        book.prices.insert(subject("1"), Price::PerCall { amount: AMOUNT_MAX });
        let before = book.clone();
        let refused = list.apply(&mut book, Mode::Merge).unwrap_err();
        assert_eq!(book, before, "all or nothing");
        refused.problems[0].to_string()
    };
    let problem = "the largest call there can be would cost more than can be counted";
    let line = apply(",2,,,,free,,,,,,,\n,3,,,,per_unit,5000000000000,,,,,,\n");
    assert_eq!(line, format!("line 3: `amount_quota` {problem}"));
    let line = apply(",3,,,,per_token,,1,5000000000000,,,,\n");
    assert_eq!(line, format!("line 2: `output_quota_per_million` {problem}"));
    let line = apply(",3,,,,cost_plus,,,,4000,,,\n,,,,vip,ratio,,,,,,4000,\n");
    assert_eq!(
        line,
        format!("line 3: `ratio` is too high for a price of the book: {problem} in group vip")
    );
    let line =
        apply(",3,,,,per_call,4000000000000,,,,,,\n,1,,,,free,,,,,,,\n,,,,vip,ratio,,,,,,4000,\n");
    assert_eq!(line, format!("line 2: `amount_quota` {problem} in group vip"));
}

#[test]
fn a_list_adds_to_a_book_or_takes_its_place() {
    let rows = csv(",7480,,,,per_call,500000,,,,,,\n,,,,vip,ratio,,,,,,1.2,\n");
    let book = applied(&rows, Format::Csv, Mode::Merge);
    assert_eq!(book.prices.get(&subject("7480")), Some(&Price::PerCall { amount: quota(500_000) }));
    assert_eq!(book.prices.get(&Scope::Dify), Some(&Price::COST_IN_POINTS));
    assert_eq!(book.groups.len(), 1);
    let list = PriceList::read(rows.as_bytes(), Format::Csv).unwrap();
    let mut other = book.clone();
    let refused = list.apply(&mut other, Mode::Replace).unwrap_err().to_string();
    assert!(refused.contains("`provider` has no row for everything else at `coze`"), "{refused}");
    assert_eq!(other, book);
    let all = format!(
        "{rows},,,coze,,free,,,,,,,\n,,,dify,,cost_plus,,,,1.5,,,\n,,,,,deny_unpriced,,,,,,,\n"
    );
    let mut book = book;
    book.prices.insert(subject("9"), Price::Free);
    book.groups.insert("old".parse().unwrap(), Ratio::ONE);
    PriceList::read(all.as_bytes(), Format::Csv).unwrap().apply(&mut book, Mode::Replace).unwrap();
    assert_eq!((book.prices.len(), book.groups.len(), book.deny_unpriced), (3, 1, true));
    let point = Price::CostPlus { margin: Ratio::from_ppm(1_500_000), step: quota(50) };
    assert_eq!(book.prices.get(&Scope::Dify), Some(&point), "a step that is not named is a point");
}

#[test]
fn the_accounts_that_are_named_are_told_with_their_lines() {
    let rows = csv("acc_2,,,,,free,,,,,,,\nacc_1,7480,,,,free,,,,,,,\nacc_1,,,,,free,,,,,,,\n");
    let list = PriceList::read(rows.as_bytes(), Format::Csv).unwrap();
    assert_eq!(list.accounts(), BTreeMap::from([("acc_1", 3), ("acc_2", 2)]));
}

#[test]
fn the_example_is_a_list_of_24_workflows_with_every_kind_and_three_groups() {
    let book = applied(EXAMPLE, Format::Csv, Mode::Merge);
    let workflow = |scope: &&Scope| match scope {
        Scope::Subject(id) => {
            id.as_str().len() == 19 && id.as_str().bytes().all(|it| it.is_ascii_digit())
        }
        _ => false,
    };
    assert_eq!(book.prices.keys().filter(workflow).count(), 24);
    for kind in ["per_call", "per_token", "cost_plus", "free"] {
        assert!(book.prices.values().any(|price| row::kind(price) == kind), "{kind}");
    }
    let ratios: Vec<u32> = book.groups.values().map(|ratio| ratio.ppm()).collect();
    assert_eq!(ratios, [1_200_000, 800_000, 1_000_000]);
    assert_eq!(applied(EXAMPLE, Format::Csv, Mode::Replace).prices.len(), 24 + 3 + 2);
}

fn any_scope() -> impl Strategy<Value = Scope> {
    let account = || "[A-Za-z0-9_-]{1,64}".prop_map(|id| id.parse::<AccountId>().unwrap());
    let printable = proptest::string::string_regex("[!-~]{1,128}").unwrap();
    // What looks like a rounded number is refused on purpose.
    let subject = printable.prop_filter("rounded", |id| !id.contains(['E', 'e']));
    let subject = subject.prop_map(|id| id.parse::<UpstreamId>().unwrap()).boxed();
    prop_oneof![
        (account(), subject.clone())
            .prop_map(|(account, subject)| Scope::AccountSubject(account, subject)),
        account().prop_map(Scope::Account),
        subject.prop_map(Scope::Subject),
        proptest::sample::select(Operation::ALL.to_vec()).prop_map(Scope::Operation),
        Just(Scope::Coze),
        Just(Scope::Dify),
    ]
}

fn any_price() -> impl Strategy<Value = Price> {
    // Rates that fit in the highest of the ratios below.
    let amount = || (0..=1_000_000_000_000_i64).prop_map(Nanos::new);
    prop_oneof![
        amount().prop_map(|amount| Price::PerCall { amount }),
        (0..=1_000_000_i64).prop_map(|nanos| Price::PerUnit { amount: Nanos::new(nanos) }),
        (amount(), amount()).prop_map(|(input_per_million, output_per_million)| Price::PerToken {
            input_per_million,
            output_per_million
        }),
        (0..=2_000_000_u32, 1..=1_000_000_i64).prop_map(|(margin, step)| Price::CostPlus {
            margin: Ratio::from_ppm(margin),
            step: Nanos::new(step)
        }),
        Just(Price::Free),
    ]
}

fn any_book() -> impl Strategy<Value = PriceBook> {
    let groups = prop::collection::btree_map(
        "[A-Za-z0-9_-]{1,64}".prop_map(|id| id.parse::<Group>().unwrap()),
        (0..=1_000_000_000_u32).prop_map(Ratio::from_ppm),
        0..5,
    );
    let prices = prop::collection::btree_map(any_scope(), any_price(), 0..20);
    (any::<bool>(), groups, prices).prop_map(|(deny_unpriced, groups, prices)| {
        let mut book = PriceBook { version: 7, deny_unpriced, groups, prices };
        book.prices.entry(Scope::Coze).or_insert(Price::Free);
        book.prices.entry(Scope::Dify).or_insert(Price::Free);
        book
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_the_same_book(book in any_book(), other in any_book()) {
        for format in [Format::Csv, Format::Json] {
            let text = write(&book, format);
            let list = PriceList::read(text.as_bytes(), format).unwrap();
            let mut same = book.clone();
            list.apply(&mut same, Mode::Merge).unwrap();
            prop_assert_eq!(&same, &book);
            let mut replaced = other.clone();
            list.apply(&mut replaced, Mode::Replace).unwrap();
            prop_assert_eq!(&replaced, &book);
            prop_assert_eq!(write(&replaced, format), text);
        }
    }

    #[test]
    fn whatever_a_file_holds_reading_it_ends_and_tells_a_line_of_it(text in "\\PC{0,40}(\n[ -~]{0,30}){0,5}") {
        for format in [Format::Csv, Format::Json] {
            for text in [text.clone(), csv(&text)] {
                if let Err(refused) = PriceList::read(text.as_bytes(), format) {
                    let lines = text.split('\n').count();
                    prop_assert!(!refused.problems.is_empty());
                    for problem in refused.problems {
                        prop_assert!((1..=lines).contains(&problem.line), "{} of {}", problem, lines);
                    }
                }
            }
        }
    }
}
