use meter::entry::Ending;
use meter::journal::Explained;
use meter::money::Nanos;
use meter::refusal::Reason;
use meter::time::UnixMs;
use meter::wire::explained::{ExplainedDoc, OpenDoc};

use super::{pinned, read, stored, unreadable};

pub(crate) const OPEN: &str = r#"{"hold":{"v":1,"call":"c1","account":"acc_1","key":"key_1","operation":"workflow_run","subject_kind":"workflow","subject":"7480","group":"vip","book":3,"price":{"kind":"per_call","amount_nanos":1000000000},"ratio_ppm":1200000,"amount_nanos":1200000000,"admitted_at_ms":1764100000000},"waits_for":"the reply","asked":3,"due_at_ms":1764100090000,"seen_at_ms":1764100000000}"#;

fn explained() -> Explained {
    Explained::Open {
        hold: Box::new(stored::new()),
        waits_for: "the reply",
        asked: 3,
        due_at: UnixMs::new(1_764_100_090_000),
        seen_at: UnixMs::new(1_764_100_000_000),
    }
}

pub(crate) fn open() -> OpenDoc {
    match ExplainedDoc::from(&explained()) {
        ExplainedDoc::Open(open) => *open,
        other => panic!("{other:?}"),
    }
}

#[test]
fn why_a_call_stands_as_it_does_is_told_as_it_was() {
    pinned(&open(), OPEN);
    let earlier = OPEN.replace(r#","seen_at_ms":1764100000000"#, "");
    assert_eq!(read::<OpenDoc>(&earlier).seen_at_ms, None, "an edge of before");
    let open = format!(r#"{{"state":"open",{}"#, &OPEN[1..]);
    pinned(&ExplainedDoc::from(&explained()), &open);
    let finished = Explained::Finished { ending: Ending::Released, amount: Nanos::ZERO };
    pinned(
        &ExplainedDoc::from(&finished),
        r#"{"state":"finished","ending":"released","amount_nanos":0}"#,
    );
    let refused = Explained::Refused { reason: Reason::Unpriced, at: UnixMs::new(7) };
    pinned(&ExplainedDoc::from(&refused), r#"{"state":"refused","reason":"unpriced","at_ms":7}"#);
    unreadable::<ExplainedDoc>(r#"{"state":"lost"}"#, "unknown variant `lost`");
}
