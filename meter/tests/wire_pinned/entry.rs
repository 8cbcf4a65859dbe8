use meter::entry::{Ending, Entry, Facts, Hash, Tail};
use meter::ids::Group;
use meter::money::{Nanos, Ratio};
use meter::outcome::{Reading, Source};
use meter::price::{Price, Terms};
use meter::request::{Asked, Subject, SubjectKind};
use meter::route::Operation;
use meter::time::UnixMs;
use meter::usage::cost::Cost;
use meter::usage::{Usage, WorkIds};
use meter::wire::entry::{EntryDoc, WorkIdsDoc};

use super::{pinned, read, unreadable};

const FULL: &str = r#"{"v":1,"seq":8,"call":"c0196a1b2c3d4","account":"acc_1","key":"key_1","operation":"workflow_stream_resume","subject_kind":"workflow","subject":"7480","units":12,"resumes":"7563/9","group":"vip","book":3,"price":{"kind":"per_token","input_nanos_per_million":2000000000,"output_nanos_per_million":8000000000},"ratio_ppm":1200000,"admitted_at_ms":1764100000000,"finished_at_ms":1764100004321,"ending":"settled","status":200,"code":0,"source":"retrieved","input_tokens":310,"output_tokens":55,"total_tokens":365,"usage_fell":true,"chat_id":"7561","conversation_id":"7562","execute_id":"7563","log_id":"2025112601","amount_nanos":1272000,"total_nanos":9007199256012993,"hash":"9e8694e6f38168d4bca393668c4f723c22f3374a3090121a24c393301898126d"}"#;
const BARE: &str = r#"{"v":1,"seq":1,"call":"c1","account":"acc_1","key":"key_1","operation":"chat","subject_kind":"bot","subject":"7490","group":"default","book":0,"price":{"kind":"free"},"ratio_ppm":1000000,"admitted_at_ms":1,"finished_at_ms":2,"ending":"expired","source":"missing","amount_nanos":0,"total_nanos":0,"hash":"1d2652b9be5021922530743e8d2f5702d51f4663658b7a207d015fec1a9a21db"}"#;

/// The hashes of [`BARE`] at the other prices.
const PER_CALL_HASH: &str = "f3252a3b85915fbda0d3809100ef154d0164351cd1a4f3fa6c0f603c19e1abd0";
const COST_PLUS_HASH: &str = "08fb06a6ad0a54a413c1de673c108bfaf42c1c64b63d3310f0fa0bc2b4d98fa6";
const PER_UNIT_HASH: &str = "9720b012706edb28cc2c48f3bd18b73d45b4a2ebf24edd64227ed3dfe1736b7d";

/// Every field has a value, and no two have the same. The total is more than a float can hold exactly.
pub(crate) fn full() -> Entry {
    let facts = Facts {
        call: "c0196a1b2c3d4".parse().unwrap(),
        account: "acc_1".parse().unwrap(),
        key: "key_1".parse().unwrap(),
        asked: Asked {
            operation: Operation::WorkflowStreamResume,
            subject: Subject { kind: SubjectKind::Workflow, id: "7480".parse().unwrap() },
            units: 12,
            resumes: Some("7563/9".parse().unwrap()),
        },
        group: "vip".parse().unwrap(),
        terms: Terms {
            book: 3,
            price: Price::PerToken {
                input_per_million: Nanos::new(2_000_000_000),
                output_per_million: Nanos::new(8_000_000_000),
            },
            ratio: Ratio::from_ppm(1_200_000),
        },
        admitted_at: UnixMs::new(1_764_100_000_000),
        finished_at: UnixMs::new(1_764_100_004_321),
        ending: Ending::Settled,
        status: Some(200),
        code: Some(0),
        reading: Reading {
            usage: Some(Usage { input: Some(310), output: Some(55), total: 365, cost: None }),
            source: Source::Retrieved,
        },
        usage_fell: true,
        ids: WorkIds {
            chat: Some("7561".parse().unwrap()),
            conversation: Some("7562".parse().unwrap()),
            execution: Some("7563".parse().unwrap()),
            log: Some("2025112601".parse().unwrap()),
        },
        amount: Nanos::new(1_272_000),
    };
    Entry::chain(facts, &seventh()).unwrap()
}

/// Nothing that may be absent is there.
fn bare() -> Entry {
    let facts = Facts {
        call: "c1".parse().unwrap(),
        account: "acc_1".parse().unwrap(),
        key: "key_1".parse().unwrap(),
        asked: Asked::new(Operation::Chat, SubjectKind::Bot, "7490".parse().unwrap()),
        group: Group::standard(),
        terms: Terms { book: 0, price: Price::Free, ratio: Ratio::ONE },
        admitted_at: UnixMs::new(1),
        finished_at: UnixMs::new(2),
        ending: Ending::Expired,
        status: None,
        code: None,
        reading: Reading { usage: None, source: Source::Missing },
        usage_fell: false,
        ids: WorkIds::default(),
        amount: Nanos::ZERO,
    };
    Entry::chain(facts, &Tail::START).unwrap()
}

/// The place before [`full`].
fn seventh() -> Tail {
    Tail { seq: 7, total: Nanos::new(9_007_199_254_740_993), hash: Hash([7; 32]) }
}

#[test]
fn an_entry_is_what_it_was_and_so_is_its_hash() {
    // The hashes in these texts were worked out apart from this code.
    pinned(&EntryDoc::from(&full()), FULL);
    pinned(&EntryDoc::from(&bare()), BARE);
}

#[test]
fn an_entry_that_was_read_back_still_follows_its_predecessor() {
    for (entry, json, before) in [(full(), FULL, seventh()), (bare(), BARE, Tail::START)] {
        let read_back = Entry::try_from(&read::<EntryDoc>(json)).unwrap();
        assert_eq!(read_back, entry);
        assert!(read_back.follows(&before));
    }
}

#[test]
fn each_price_has_its_form_in_an_entry_and_in_its_hash() {
    let per_call = Price::PerCall { amount: Nanos::new(1_000_000_000) };
    let per_unit = Price::PerUnit { amount: Nanos::new(30) };
    let cost_plus =
        Price::CostPlus { margin: Ratio::from_ppm(1_500_000), step: Nanos::new(100_000) };
    for (price, json, hash) in [
        (per_call, r#"{"kind":"per_call","amount_nanos":1000000000}"#, PER_CALL_HASH),
        (per_unit, r#"{"kind":"per_unit","amount_nanos":30}"#, PER_UNIT_HASH),
        (
            cost_plus,
            r#"{"kind":"cost_plus","margin_ppm":1500000,"step_nanos":100000}"#,
            COST_PLUS_HASH,
        ),
    ] {
        let mut facts = bare().facts;
        facts.terms.price = price;
        let entry = Entry::chain(facts, &Tail::START).unwrap();
        let text = serde_json::to_string(&EntryDoc::from(&entry)).unwrap();
        assert!(text.contains(&format!(r#""price":{json},"#)), "{text}");
        assert_eq!(entry.tail.hash.to_string(), hash);
        assert_eq!(Entry::try_from(&read::<EntryDoc>(&text)), Ok(entry));
    }
}

/// What stands in [`BARE`] once upstream stated its cost, and the hash it then has.
const COST: &str =
    r#""source":"reported","total_tokens":140,"cost":{"nanos":1260000,"currency":"RMB"},"#;
const COST_HASH: &str = "65179578a65af74a09819934f0f549a55cd939051aa93bb6c8dc0df346f6c777";

#[test]
fn what_upstream_charged_is_part_of_an_entry_and_of_its_hash() {
    let cost = Cost::read("0.0012600", "RMB");
    let mut facts = bare().facts;
    let usage = Usage { total: 140, cost, ..Usage::default() };
    facts.reading = Reading { usage: Some(usage), source: Source::Reported };
    let entry = Entry::chain(facts, &Tail::START).unwrap();
    let text = serde_json::to_string(&EntryDoc::from(&entry)).unwrap();
    assert!(text.contains(COST), "{text}");
    assert_eq!(entry.tail.hash.to_string(), COST_HASH);
    assert_eq!(Entry::try_from(&read::<EntryDoc>(&text)).as_ref(), Ok(&entry));
    for (was, becomes, field) in
        [("\"RMB\"", "\"yuan\"", "currency"), ("1260000", "-1260000", "cost")]
    {
        let altered: EntryDoc = read(&text.replace(was, becomes));
        assert_eq!(Entry::try_from(&altered).unwrap_err().field, field);
    }
}

#[test]
fn an_entry_of_no_version_or_another_is_refused() {
    unreadable::<EntryDoc>(&BARE.replace(r#""v":1,"#, ""), "missing field `v`");
    for version in ["0", "2", "255"] {
        let doc: EntryDoc = read(&BARE.replace(r#""v":1"#, &format!(r#""v":{version}"#)));
        assert_eq!(Entry::try_from(&doc).unwrap_err().field, "v");
    }
    unreadable::<EntryDoc>(&BARE.replace(r#""v":1"#, r#""v":256"#), "invalid value");
}

#[test]
fn a_word_that_has_no_meaning_is_refused_by_its_field() {
    for (was, becomes, field) in [
        (r#""call":"c0196a1b2c3d4""#, r#""call":"c/1""#, "call"),
        (r#""account":"acc_1""#, r#""account":"""#, "account"),
        (r#""operation":"workflow_stream_resume""#, r#""operation":"fly""#, "operation"),
        (r#""subject_kind":"workflow""#, r#""subject_kind":"toy""#, "subject_kind"),
        (r#""ending":"settled""#, r#""ending":"Settled""#, "ending"),
        (r#""source":"retrieved""#, r#""source":"guessed""#, "source"),
        (r#""chat_id":"7561""#, r#""chat_id":"75 61""#, "chat_id"),
        (r#""resumes":"7563/9""#, r#""resumes":"7563 9""#, "resumes"),
        (r#""hash":"9e"#, r#""hash":"x"#, "hash"),
    ] {
        let altered = FULL.replace(was, becomes);
        assert_ne!(altered, FULL, "{was}");
        assert_eq!(Entry::try_from(&read::<EntryDoc>(&altered)).unwrap_err().field, field);
    }
    unreadable::<EntryDoc>(&FULL.replace("per_token", "per_word"), "unknown variant `per_word`");
}

#[test]
fn ids_of_work_are_written_only_where_they_are_known() {
    pinned(&WorkIdsDoc::default(), "{}");
    let ids = WorkIds { execution: Some("7563/1".parse().unwrap()), ..WorkIds::default() };
    pinned(&WorkIdsDoc::from(&ids), r#"{"execute_id":"7563/1"}"#);
    assert_eq!(WorkIds::try_from(&WorkIdsDoc::from(&ids)), Ok(ids));
}
