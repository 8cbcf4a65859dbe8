//! Calls as an edge would have metered them.

use meter::credential::Sender;
use meter::entry::{Ending, Facts};
use meter::ids::{Group, UpstreamId};
use meter::journal::{CallNo, Hold};
use meter::money::Nanos;
use meter::outcome::{Reading, Source};
use meter::price::PriceBook;
use meter::request::{Asked, Subject, SubjectKind};
use meter::route::Operation;
use meter::time::UnixMs;
use meter::usage::{Usage, WorkIds};
use meter::wire::explained::OpenDoc;
use meter::wire::stored::HoldDoc;

/// 2025-11-21T04:40:00Z; calls finish a second apart from here on.
pub(crate) const BEGAN_MS: u64 = 1_763_700_000_000;
/// The workflow that every call is to unless a test says otherwise.
pub(crate) const WORKFLOW: &str = "7480000000000000001";

/// What so many tokens cost by the book of a new installation.
pub(crate) fn cost(tokens: u64) -> Nanos {
    Nanos::from_quota(i64::try_from(tokens).unwrap()).unwrap()
}

/// A run of a workflow by this account, charged by its tokens. Amounts that are powers of two make a
/// wrong sum spell out which call was dropped or doubled.
pub(crate) fn run(number: u32, account: &str, tokens: u64) -> Facts {
    let workflow = WORKFLOW.parse().unwrap();
    let asked = Asked::new(Operation::WorkflowRun, SubjectKind::Workflow, workflow);
    let account = account.parse().unwrap();
    let terms = PriceBook::initial().terms(&account, &Group::standard(), &asked).unwrap();
    let second = u64::from(number) * 1_000;
    let usage = Usage::from_counts(Some(tokens / 2), Some(tokens - tokens / 2), Some(tokens));
    Facts {
        call: format!("c{account}-{number}").parse().unwrap(),
        account,
        key: "key_1".parse().unwrap(),
        asked,
        group: Group::standard(),
        terms,
        admitted_at: UnixMs::new(BEGAN_MS + second - 500),
        finished_at: UnixMs::new(BEGAN_MS + second),
        ending: Ending::Settled,
        status: Some(200),
        code: Some(0),
        reading: Reading { usage, source: Source::Reported },
        usage_fell: false,
        ids: WorkIds {
            execution: Some("7500000000000000001".parse().unwrap()),
            ..WorkIds::default()
        },
        amount: cost(tokens),
    }
}

/// The same call to another workflow.
pub(crate) fn to_workflow(facts: Facts, workflow: &str) -> Facts {
    let id: UpstreamId = workflow.parse().unwrap();
    let subject = Subject { kind: SubjectKind::Workflow, id };
    Facts { asked: Asked { subject, ..facts.asked }, ..facts }
}

/// The same call while it was still open.
pub(crate) fn still_open(facts: Facts) -> OpenDoc {
    let amount = facts.terms.hold(facts.asked.units).unwrap();
    let hold = Hold {
        call_no: CallNo::MIN,
        call: facts.call,
        account: facts.account,
        key: facts.key,
        asked: facts.asked,
        group: facts.group,
        terms: facts.terms,
        amount,
        admitted_at: facts.admitted_at,
        seen_at: facts.admitted_at,
        status: None,
        ids: facts.ids,
        used: None,
        billed: None,
        is_billed_whole: false,
        sender: Sender::default(),
        idempotency: None,
    };
    OpenDoc {
        hold: HoldDoc::from(&hold),
        waits_for: "upstream's answer".to_owned(),
        asked: 3,
        due_at_ms: BEGAN_MS + 60_000,
        seen_at_ms: Some(BEGAN_MS),
    }
}
