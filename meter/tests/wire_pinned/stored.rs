use std::collections::BTreeMap;

use meter::credential::Sender;
use meter::journal::{Hold, IdempotencyKey, SpentToday, Today};
use meter::money::{Nanos, Ratio};
use meter::price::{Price, Terms};
use meter::request::{Asked, SubjectKind};
use meter::route::Operation;
use meter::time::UnixMs;
use meter::usage::{Usage, WorkIds};
use meter::wire::stored::{HoldDoc, SpentTodayDoc};

use super::{pinned, read, unreadable};

const NEW: &str = r#"{"v":1,"call":"c1","account":"acc_1","key":"key_1","operation":"workflow_run","subject_kind":"workflow","subject":"7480","group":"vip","book":3,"price":{"kind":"per_call","amount_nanos":1000000000},"ratio_ppm":1200000,"amount_nanos":1200000000,"admitted_at_ms":1764100000000}"#;
const NOTED: &str = r#"{"v":1,"call":"c1","account":"acc_1","key":"key_1","operation":"workflow_run","subject_kind":"workflow","subject":"7480","group":"vip","book":3,"price":{"kind":"per_call","amount_nanos":1000000000},"ratio_ppm":1200000,"amount_nanos":1200000000,"admitted_at_ms":1764100000000,"seen_at_ms":1764100300000,"status":200,"execute_id":"7563","log_id":"2025112601","used":{"input_tokens":90,"output_tokens":10,"total_tokens":100},"billed":{"total_tokens":7},"is_billed_whole":true,"idempotency":"acc_1/order 66","credential":"second","session":"5e"}"#;

pub(crate) fn new() -> Hold {
    Hold {
        call_no: 42,
        call: "c1".parse().unwrap(),
        account: "acc_1".parse().unwrap(),
        key: "key_1".parse().unwrap(),
        asked: Asked::new(Operation::WorkflowRun, SubjectKind::Workflow, "7480".parse().unwrap()),
        group: "vip".parse().unwrap(),
        terms: Terms {
            book: 3,
            price: Price::PerCall { amount: Nanos::new(1_000_000_000) },
            ratio: Ratio::from_ppm(1_200_000),
        },
        amount: Nanos::new(1_200_000_000),
        admitted_at: UnixMs::new(1_764_100_000_000),
        seen_at: UnixMs::new(1_764_100_000_000),
        status: None,
        ids: WorkIds::default(),
        used: None,
        billed: None,
        is_billed_whole: false,
        idempotency: None,
        sender: Sender::default(),
    }
}

fn noted() -> Hold {
    let execution = Some("7563".parse().unwrap());
    let log = Some("2025112601".parse().unwrap());
    Hold {
        seen_at: UnixMs::new(1_764_100_300_000),
        status: Some(200),
        ids: WorkIds { execution, log, ..WorkIds::default() },
        used: Some(Usage { input: Some(90), output: Some(10), total: 100, cost: None }),
        billed: Some(Usage { total: 7, ..Usage::default() }),
        is_billed_whole: true,
        idempotency: Some(IdempotencyKey::new(&new().account, "order 66").unwrap()),
        sender: Sender {
            credential: Some("second".parse().unwrap()),
            session: Some("5e".parse().unwrap()),
        },
        ..new()
    }
}

#[test]
fn a_hold_is_what_it_was_and_takes_its_number_from_its_row() {
    for (hold, json) in [(new(), NEW), (noted(), NOTED)] {
        pinned(&HoldDoc::from(&hold), json);
        assert_eq!(read::<HoldDoc>(json).hold(42), Ok(hold));
    }
    assert_eq!(read::<HoldDoc>(NEW).hold(7).unwrap().call_no, 7);
}

#[test]
fn a_hold_of_no_version_or_another_is_refused() {
    unreadable::<HoldDoc>(&NEW.replace(r#""v":1,"#, ""), "missing field `v`");
    let doc: HoldDoc = read(&NEW.replace(r#""v":1"#, r#""v":2"#));
    assert_eq!(doc.hold(42).unwrap_err().field, "v");
}

#[test]
fn what_was_spent_today_is_stored_as_it_was() {
    let today = |spent| Today { day: 20_413, spent: Nanos::new(spent) };
    let account_alone = SpentToday { account: today(7), keys: BTreeMap::new() };
    pinned(&SpentTodayDoc::from(&account_alone), r#"{"day":20413,"spent_nanos":7}"#);
    let keys = BTreeMap::from([("key_1".parse().unwrap(), today(4))]);
    let with_a_key = SpentToday { account: today(7), keys };
    let json = r#"{"day":20413,"spent_nanos":7,"keys":{"key_1":{"day":20413,"spent_nanos":4}}}"#;
    pinned(&SpentTodayDoc::from(&with_a_key), json);
    assert_eq!(SpentToday::try_from(&read::<SpentTodayDoc>(json)), Ok(with_a_key));
    let odd: SpentTodayDoc = read(&json.replace("key_1", "key 1"));
    assert_eq!(SpentToday::try_from(&odd).unwrap_err().field, "keys");
}
