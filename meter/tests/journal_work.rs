//! One piece of work, one charge: stories of calls that name the same run.
//!
//! `journal_model` keeps each run under one open call at a time; here several are open at once.

#![cfg(test)]

use std::collections::BTreeMap;

use meter::account::{Account, Limits, Overdraft, Settings, Status};
use meter::entry::{Ending, Facts};
use meter::ids::{CallId, Group};
use meter::journal::{
    Admission, Change, Decision, Effect, Entrance, Journal, Report, Settled, Stored,
};
use meter::money::Nanos;
use meter::price::{Price, PriceBook, Scope};
use meter::request::{Asked, SubjectKind};
use meter::route::Operation;
use meter::time::UnixMs;
use meter::usage::{Observed, Stage, Usage, WorkIds};

const NOW: UnixMs = UnixMs::new(1_764_000_000_000);

/// A journal of two accounts that may always call, at one nano a token.
fn journal() -> Journal {
    let mut journal = Journal::load(Stored::nothing(), 1, NOW);
    let _ = journal.apply(change());
    journal
}

fn change() -> Change {
    let account = |id: &str| Account {
        id: id.parse().unwrap(),
        status: Status::Active,
        group: Group::standard(),
        overdraft: Overdraft::Unlimited,
        credits: Nanos::ZERO,
        settings: Settings::default(),
    };
    let nano = Nanos::new(1_000_000);
    let price = Price::PerToken { input_per_million: nano, output_per_million: nano };
    let prices = BTreeMap::from([(Scope::Coze, price)]);
    let book = Some(PriceBook { version: 1, prices, ..PriceBook::initial() });
    Change { upto: 1, accounts: vec![account("a"), account("b")], book, ..Change::default() }
}

fn call(id: &str) -> CallId {
    id.parse().unwrap()
}

fn asks(id: &str, account: &str, resumes: Option<&str>) -> Admission {
    let workflow = "7480".parse().unwrap();
    let asked = Asked::new(Operation::WorkflowStreamRun, SubjectKind::Workflow, workflow);
    let resumes = resumes.map(|event| event.parse().unwrap());
    Admission {
        call: id.parse().unwrap(),
        account: account.parse().unwrap(),
        key: "k".parse().unwrap(),
        limits: Limits::default(),
        asked: Asked { resumes, ..asked },
        attempt: None,
        session: None,
    }
}

#[track_caller]
fn admit(journal: &mut Journal, asks: Admission) -> Vec<Effect> {
    let Decision { reply, effects } = journal.admit(asks, None, NOW);
    assert!(matches!(reply, Entrance::Admitted(_)), "{reply:?}");
    effects
}

fn of_run(stage: Stage, tokens: u64) -> Report {
    let usage = Some(Usage { total: tokens, ..Usage::default() });
    let ids = WorkIds { execution: Some("x".parse().unwrap()), ..WorkIds::default() };
    let observed = Observed { stage, usage, ids, ..Observed::nothing() };
    Report { status: Some(200), observed }
}

fn entry(effects: &[Effect]) -> &Facts {
    let finish = effects.iter().find_map(|effect| match effect {
        Effect::Finish(_, entry) => Some(&entry.facts),
        _ => None,
    });
    finish.expect("the call is finished")
}

#[test]
fn of_two_open_calls_that_name_one_run_the_second_costs_nothing() {
    let mut journal = journal();
    for id in ["first", "second"] {
        admit(&mut journal, asks(id, "a", None));
    }
    let _ = journal.note(&call("first"), of_run(Stage::Running, 0).observed.ids, NOW);
    let second = journal.settle(&call("second"), of_run(Stage::Completed, 9), None, NOW);
    assert_eq!(entry(&second.effects).ending, Ending::Released);
    let first = journal.settle(&call("first"), of_run(Stage::Completed, 9), None, NOW);
    assert_eq!(entry(&first.effects).amount, Nanos::new(9));
}

#[test]
fn a_run_that_was_billed_is_not_billed_under_another_call() {
    let mut journal = journal();
    admit(&mut journal, asks("first", "a", None));
    let _ = journal.settle(&call("first"), of_run(Stage::Completed, 9), None, NOW);
    admit(&mut journal, asks("second", "a", None));
    let second = journal.settle(&call("second"), of_run(Stage::Completed, 9), None, NOW);
    assert_eq!(entry(&second.effects).ending, Ending::Released);
}

#[test]
fn a_resume_is_billed_its_own_leg_and_of_a_whole_what_is_left() {
    let mut journal = journal();
    admit(&mut journal, asks("first", "a", None));
    let _ = journal.settle(&call("first"), of_run(Stage::Interrupted, 50), None, NOW);
    admit(&mut journal, asks("by_reply", "a", Some("x/1")));
    let leg = journal.settle(&call("by_reply"), of_run(Stage::Interrupted, 20), None, NOW);
    assert_eq!(entry(&leg.effects).amount, Nanos::new(20));
    admit(&mut journal, asks("by_asking", "a", Some("x/2")));
    let whole = journal.answer(&call("by_asking"), of_run(Stage::Completed, 120), NOW);
    assert_eq!(entry(&whole.effects).amount, Nanos::new(50));
}

/// Design §5: what a call created belongs to its account. The event id of a resume is the caller's word.
#[test]
fn what_one_account_is_billed_for_never_lowers_the_bill_of_another() {
    let mut journal = journal();
    admit(&mut journal, asks("mine", "a", None));
    let _ = journal.note(&call("mine"), of_run(Stage::Running, 0).observed.ids, NOW);
    admit(&mut journal, asks("theirs", "b", Some("x/1")));
    let _ = journal.settle(&call("theirs"), of_run(Stage::Completed, 70), None, NOW);
    let settled = journal.answer(&call("mine"), of_run(Stage::Completed, 120), NOW);
    assert_eq!(entry(&settled.effects).amount, Nanos::new(120));
}

/// The same by way of what is remembered: a resume of another account's execution. How much of the whole is
/// its own is not known to this account, and is a finding.
#[test]
fn a_resume_of_another_accounts_execution_gets_nothing_off_and_is_a_finding() {
    let mut journal = journal();
    admit(&mut journal, asks("mine", "a", None));
    let _ = journal.settle(&call("mine"), of_run(Stage::Completed, 50), None, NOW);
    admit(&mut journal, asks("theirs", "b", Some("x/1")));
    let settled = journal.answer(&call("theirs"), of_run(Stage::Completed, 120), NOW);
    assert!(entry(&settled.effects).lacks_usage());
    admit(&mut journal, asks("again", "b", Some("x/2")));
    let settled = journal.settle(&call("again"), of_run(Stage::Completed, 70), None, NOW);
    assert_eq!(entry(&settled.effects).amount, Nanos::new(70));
}

/// The client polls the run's history and is told the whole while the resume's own reply is on its way.
#[test]
fn a_leg_that_was_billed_with_the_whole_is_not_billed_by_its_own_reply() {
    let mut journal = journal();
    admit(&mut journal, asks("first", "a", None));
    let silent = Report {
        observed: Observed { usage: None, ..of_run(Stage::Interrupted, 0).observed },
        ..of_run(Stage::Interrupted, 0)
    };
    let _ = journal.settle(&call("first"), silent, None, NOW);
    admit(&mut journal, asks("resume", "a", Some("x/1")));
    let whole = journal.follow(&"a".parse().unwrap(), of_run(Stage::Completed, 120), NOW);
    assert_eq!(entry(&whole.effects).amount, Nanos::new(120));
    let leg = journal.settle(&call("resume"), of_run(Stage::Completed, 70), None, NOW);
    assert_eq!(entry(&leg.effects).amount, Nanos::ZERO);
}

/// What was billed while the run was interrupted does not hold what its resume will use.
#[test]
fn a_leg_that_follows_what_was_billed_is_billed_by_its_own_reply() {
    let mut journal = journal();
    admit(&mut journal, asks("first", "a", None));
    let _ = journal.note(&call("first"), of_run(Stage::Running, 0).observed.ids, NOW);
    let first = journal.answer(&call("first"), of_run(Stage::Interrupted, 50), NOW);
    assert_eq!(entry(&first.effects).amount, Nanos::new(50));
    admit(&mut journal, asks("resume", "a", Some("x/1")));
    let leg = journal.settle(&call("resume"), of_run(Stage::Completed, 20), None, NOW);
    assert_eq!(entry(&leg.effects).amount, Nanos::new(20));
}

/// The journal began anew while the resume was on its way to upstream, and asks about it too early.
#[test]
fn a_resume_is_not_ended_by_the_interrupt_that_it_answers() {
    let mut journal = journal();
    admit(&mut journal, asks("first", "a", None));
    admit(&mut journal, asks("resume", "a", Some("x/1")));
    let early = journal.answer(&call("resume"), of_run(Stage::Interrupted, 50), NOW);
    assert_eq!(early.effects, []);
    let first = journal.settle(&call("first"), of_run(Stage::Interrupted, 50), None, NOW);
    assert_eq!(entry(&first.effects).amount, Nanos::new(50));
    let leg = journal.settle(&call("resume"), of_run(Stage::Completed, 20), None, NOW);
    assert_eq!(entry(&leg.effects).amount, Nanos::new(20));
}

/// The first reply's settlement is late; meanwhile the resume was asked about, and told the whole. It waits
/// for the call that may have begun the run.
#[test]
fn a_whole_that_comes_before_the_first_legs_settlement_waits_for_it() {
    let mut journal = journal();
    admit(&mut journal, asks("first", "a", None));
    admit(&mut journal, asks("resume", "a", Some("x/1")));
    let whole = journal.answer(&call("resume"), of_run(Stage::Completed, 70), NOW);
    assert_eq!(whole.reply, Settled::Open);
    let first = journal.settle(&call("first"), of_run(Stage::Interrupted, 50), None, NOW);
    assert_eq!(entry(&first.effects).amount, Nanos::new(50));
    let whole = journal.answer(&call("resume"), of_run(Stage::Completed, 70), NOW);
    assert_eq!(entry(&whole.effects).amount, Nanos::new(20));
}

/// The first call has a name and is open still when its resume is told the whole.
#[test]
fn a_reply_that_comes_behind_the_whole_is_billed_nothing_more() {
    let mut journal = journal();
    admit(&mut journal, asks("first", "a", None));
    let _ = journal.note(&call("first"), of_run(Stage::Running, 0).observed.ids, NOW);
    admit(&mut journal, asks("resume", "a", Some("x/1")));
    let whole = journal.answer(&call("resume"), of_run(Stage::Completed, 70), NOW);
    assert_eq!(entry(&whole.effects).amount, Nanos::new(70));
    let first = journal.settle(&call("first"), of_run(Stage::Interrupted, 50), None, NOW);
    assert_eq!(first.reply, Settled::Open, "nothing is left of it, and the run may go on");
    let first = journal.answer(&call("first"), of_run(Stage::Completed, 70), NOW);
    assert_eq!(entry(&first.effects).amount, Nanos::ZERO);
}

/// The first reply's settlement is late, and the call gets its name when the resume was billed.
#[test]
fn a_run_that_gets_its_name_late_is_billed_less_what_was_billed_for_it() {
    let mut journal = journal();
    admit(&mut journal, asks("first", "a", None));
    admit(&mut journal, asks("resume", "a", Some("x/1")));
    let leg = journal.settle(&call("resume"), of_run(Stage::Completed, 20), None, NOW);
    assert_eq!(entry(&leg.effects).amount, Nanos::new(20));
    let _ = journal.note(&call("first"), of_run(Stage::Running, 0).observed.ids, NOW);
    let whole = journal.answer(&call("first"), of_run(Stage::Completed, 70), NOW);
    assert_eq!(entry(&whole.effects).amount, Nanos::new(50));
}
