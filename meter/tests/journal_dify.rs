//! Dify's runs in the journal: what their detail tells, and what only their own reply does.

#![cfg(test)]

use meter::account::{Account, Limits, Overdraft, Settings, Status};
use meter::entry::{Ending, Facts};
use meter::ids::{AccountId, CallId, Group};
use meter::journal::{
    ASK_PAUSE_MAX_MS, Admission, Change, Effect, Entrance, Journal, Report, Settled, Stored,
};
use meter::money::{NANOS_PER_POINT, Nanos};
use meter::outcome::Source;
use meter::price::PriceBook;
use meter::request::{Asked, SubjectKind};
use meter::route::Operation;
use meter::time::UnixMs;
use meter::usage::cost::Cost;
use meter::usage::{Observed, Stage, Usage, WorkIds};

const NOW: UnixMs = UnixMs::new(1_764_000_000_000);

/// A journal with one call that runs, at Dify's first price: cost plus, a whole point.
fn journal() -> Journal {
    let mut journal = Journal::load(Stored::nothing(), 1, NOW);
    let account = Account {
        id: account(),
        status: Status::Active,
        group: Group::standard(),
        overdraft: Overdraft::Unlimited,
        credits: Nanos::ZERO,
        settings: Settings::default(),
    };
    let book = Some(PriceBook { version: 1, ..PriceBook::initial().with_dify() });
    let _ = journal.apply(Change { upto: 1, accounts: vec![account], book, ..Change::default() });
    let app = "help".parse().unwrap();
    let admission = Admission {
        call: call(),
        account: self::account(),
        key: "k".parse().unwrap(),
        limits: Limits::default(),
        asked: Asked::new(Operation::DifyWorkflow, SubjectKind::App, app),
        attempt: None,
        session: None,
    };
    let admitted = journal.admit(admission, None, NOW);
    assert!(matches!(admitted.reply, Entrance::Admitted(_)), "{admitted:?}");
    journal
}

fn account() -> AccountId {
    "a".parse().unwrap()
}

fn call() -> CallId {
    "c".parse().unwrap()
}

fn ids() -> WorkIds {
    WorkIds { execution: Some("r-1".parse().unwrap()), ..WorkIds::default() }
}

/// What a stream tells, which knows a cost, or the detail of a run, which knows none.
fn told(stage: Stage, tokens: u64, cost: Option<&str>) -> Report {
    let cost = cost.and_then(|cost| Cost::read(cost, "USD"));
    let usage = Some(Usage { total: tokens, cost, ..Usage::default() });
    Report {
        status: Some(200),
        observed: Observed { stage, usage, ids: ids(), ..Observed::nothing() },
    }
}

fn entry(effects: &[Effect]) -> &Facts {
    let finish = effects.iter().find_map(|effect| match effect {
        Effect::Finish(_, entry) => Some(&entry.facts),
        _ => None,
    });
    finish.expect("the call is finished")
}

fn points(points: i64) -> Nanos {
    Nanos::new(points * NANOS_PER_POINT)
}

#[test]
fn a_detail_does_not_settle_a_call_whose_stream_is_still_read() {
    let mut journal = journal();
    let _ = journal.note(&call(), ids(), NOW);
    let asked = journal.follow(&account(), told(Stage::Completed, 140, None), NOW);
    assert_eq!((asked.reply, asked.effects.len()), (Settled::Open, 0));
    let settled = journal.settle(&call(), told(Stage::Completed, 140, Some("0.014704")), None, NOW);
    assert_eq!(entry(&settled.effects).amount, points(148));
    let again = journal.follow(&account(), told(Stage::Completed, 140, None), NOW);
    assert_eq!((again.reply, again.effects.len()), (Settled::Unknown, 0));
}

#[test]
fn a_detail_settles_a_call_whose_stream_was_cut() {
    let mut journal = journal();
    assert_eq!(journal.settle(&call(), told(Stage::Cut, 0, None), None, NOW).reply, Settled::Open);
    let asked = journal.follow(&account(), told(Stage::Completed, 140, None), NOW);
    let facts = entry(&asked.effects);
    assert_eq!((facts.ending, facts.reading.source), (Ending::Settled, Source::Retrieved));
    // Its cost is told by nobody any more: nothing is charged, and that is a finding.
    assert_eq!(facts.amount, Nanos::ZERO);
    assert!(facts.lacks_usage());
}

#[test]
fn a_run_that_is_asked_about_is_settled_once() {
    let mut journal = journal();
    let _ = journal.note(&call(), ids(), NOW);
    let later = NOW.plus_ms(60 * 60 * 1_000);
    let questions = journal.look_after(later, 9);
    assert_eq!(questions.reply.len(), 1);
    let answered = journal.answer(&call(), told(Stage::Completed, 140, None), later);
    assert_eq!(entry(&answered.effects).ending, Ending::Settled);
    let settled =
        journal.settle(&call(), told(Stage::Completed, 140, Some("0.014704")), None, later);
    assert!(settled.effects.is_empty(), "{settled:?}");
    assert_eq!(journal.holds().len(), 0);
}

/// A run that was paused goes on by itself once its form is filled in.
#[test]
fn a_paused_run_is_billed_at_its_end_and_keeps_the_cost_that_was_told() {
    let mut journal = journal();
    let paused = told(Stage::AwaitsTools, 140, Some("0.014704"));
    assert_eq!(journal.settle(&call(), paused, None, NOW).reply, Settled::Open);
    let paused = journal.answer(&call(), told(Stage::AwaitsTools, 140, None), NOW);
    assert_eq!(paused.reply, Settled::Open);
    let later = NOW.plus_ms(ASK_PAUSE_MAX_MS);
    let ended = journal.answer(&call(), told(Stage::Completed, 140, None), later);
    assert_eq!(entry(&ended.effects).amount, points(148));
}
