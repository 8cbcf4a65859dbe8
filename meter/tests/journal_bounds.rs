//! What a journal does at each of its bounds, and one beyond.
//!
//! That no more than [`HOLDS_MAX`](meter::journal::HOLDS_MAX) calls are open is told in `journal_model`.

#![cfg(test)]

use std::collections::BTreeMap;

use meter::account::{Account, Limits, Overdraft, Settings, Status};
use meter::entry::Ending;
use meter::ids::{AccountId, CallId, Group, UpstreamId};
use meter::journal::{
    ASK_PAUSE_MAX_MS, ASK_PAUSE_MIN_MS, Admission, Change, Effect, Entrance, Explained,
    HOLD_LIFE_MAX_MS, IdempotencyKey, Journal, KEYS_TODAY_MAX, MARK_EVERY, QUIET_MAX_MS,
    RECENT_MAX, REFUSED_MAX, Report, Settled, Stored, UNNAMED_LIFE_MAX_MS,
};
use meter::money::Nanos;
use meter::price::{Price, PriceBook, Scope};
use meter::refusal::Reason;
use meter::request::{Asked, SubjectKind};
use meter::route::Operation;
use meter::time::UnixMs;
use meter::usage::{Observed, Stage, Usage, WorkIds};

/// What `meter::journal::idempotency` takes, which is its own business.
const KEY_BYTES_MAX: usize = 255;

/// More questions than there is time for in the life of a call, at one a minute and a few more at first.
const QUESTIONS_MAX: usize = 25 * 60 + 10;

const NOW: UnixMs = UnixMs::new(1_764_000_000_000);

fn account() -> AccountId {
    "a".parse().unwrap()
}

fn call(number: usize) -> CallId {
    format!("c{number}").parse().unwrap()
}

/// A journal of one account that may always call, at a nano a call.
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
    let prices = BTreeMap::from([(Scope::Coze, Price::PerCall { amount: Nanos::new(1) })]);
    let book = Some(PriceBook { version: 1, prices, ..PriceBook::initial() });
    let _ = journal.apply(Change { upto: 1, accounts: vec![account], book, ..Change::default() });
    journal
}

fn admit(journal: &mut Journal, number: usize, key: usize) -> Entrance {
    let asks = Admission {
        call: call(number),
        account: account(),
        key: format!("k{key}").parse().unwrap(),
        limits: Limits { daily_budget: Some(Nanos::MAX), ..Limits::default() },
        asked: Asked::new(Operation::Chat, SubjectKind::Bot, "7490".parse().unwrap()),
        attempt: None,
        session: None,
    };
    journal.admit(asks, None, NOW).reply
}

fn well() -> Report {
    let usage = Some(Usage { total: 7, ..Usage::default() });
    let observed = Observed { stage: Stage::Completed, usage, ..Observed::nothing() };
    Report { status: Some(200), observed }
}

/// Lets a call in and settles it.
fn serve(journal: &mut Journal, number: usize, key: usize) -> Vec<Effect> {
    assert!(matches!(admit(journal, number, key), Entrance::Admitted(_)));
    journal.settle(&call(number), well(), None, NOW).effects
}

fn ids() -> WorkIds {
    let id = |text: &str| -> Option<UpstreamId> { Some(text.parse().unwrap()) };
    WorkIds { conversation: id("75"), chat: id("76"), ..WorkIds::default() }
}

#[test]
fn so_many_finished_calls_are_remembered_and_the_oldest_is_forgotten() {
    let mut journal = journal();
    let again = |journal: &mut Journal, number| {
        let decision = journal.settle(&call(number), well(), None, NOW);
        assert!(decision.effects.is_empty(), "a call that comes twice changes nothing");
        decision.reply
    };
    for number in 1..=RECENT_MAX {
        serve(&mut journal, number, 1);
    }
    assert!(matches!(again(&mut journal, 1), Settled::Finished { ending: Ending::Settled, .. }));
    serve(&mut journal, RECENT_MAX + 1, 1);
    assert_eq!(again(&mut journal, 1), Settled::Unknown);
    assert!(matches!(again(&mut journal, 2), Settled::Finished { .. }));
}

#[test]
fn so_many_refused_calls_are_remembered_and_the_oldest_is_forgotten() {
    let mut journal = journal();
    let revoked_keys = vec!["k1".parse().unwrap()];
    let _ = journal.apply(Change { upto: 2, revoked_keys, ..Change::default() });
    let known = |journal: &Journal, number| journal.explain(&account(), &call(number)).is_some();
    for number in 1..=REFUSED_MAX {
        assert!(matches!(admit(&mut journal, number, 1), Entrance::Refused(_)));
    }
    assert!(known(&journal, 1));
    admit(&mut journal, REFUSED_MAX + 1, 1);
    assert!(!known(&journal, 1) && known(&journal, 2) && known(&journal, REFUSED_MAX + 1));
}

#[test]
fn a_mark_keeps_what_so_many_keys_spent_today_and_those_that_spent_most() {
    let mut journal = journal();
    let mut kept = BTreeMap::new();
    // One key more than the bound, of which the first spends twice.
    let keys = (1..=KEYS_TODAY_MAX + 1).chain([1]).cycle();
    let calls = usize::try_from(2 * MARK_EVERY).unwrap();
    for (number, key) in (1..=calls).zip(keys) {
        for effect in serve(&mut journal, number, key) {
            if let Effect::Mark(_, spent, _) = effect {
                let spent = spent.into_iter().find(|(whose, _)| *whose == account());
                kept = spent.unwrap().1.today.keys;
            }
        }
    }
    assert_eq!(kept.len(), KEYS_TODAY_MAX);
    assert!(kept.contains_key(&"k1".parse().unwrap()));
}

#[test]
fn a_call_is_asked_about_and_given_up_at_its_bounds_and_not_before() {
    let just_before = |ms: u64| NOW.plus_ms(ms - 1);
    let mut journal = journal();
    admit(&mut journal, 1, 1);
    assert_eq!(journal.wake_at(), Some(NOW.plus_ms(UNNAMED_LIFE_MAX_MS)));
    assert!(journal.look_after(just_before(UNNAMED_LIFE_MAX_MS), 9).effects.is_empty());
    assert_eq!(journal.holds().len(), 1);
    let _ = journal.look_after(NOW.plus_ms(UNNAMED_LIFE_MAX_MS), 9);
    assert_eq!(journal.holds().len(), 0, "a call without a name is given up");

    admit(&mut journal, 2, 1);
    let _ = journal.note(&call(2), ids(), NOW);
    assert!(journal.look_after(just_before(QUIET_MAX_MS), 9).reply.is_empty());
    let mut asked_at = NOW.plus_ms(QUIET_MAX_MS);
    let end = NOW.plus_ms(HOLD_LIFE_MAX_MS);
    let mut longest = 0;
    for _ in 0..QUESTIONS_MAX {
        assert_eq!(journal.look_after(asked_at, 9).reply.len(), 1);
        let next = journal.wake_at().unwrap();
        let pause = next.since(asked_at);
        assert!(pause >= ASK_PAUSE_MIN_MS || next == end, "a pause of {pause} ms");
        longest = longest.max(pause);
        asked_at = next;
        if asked_at == end {
            break;
        }
    }
    assert_eq!((longest, asked_at), (ASK_PAUSE_MAX_MS, end));
    assert!(journal.look_after(just_before(HOLD_LIFE_MAX_MS), 9).effects.is_empty());
    assert_eq!(journal.holds().len(), 1);
    let _ = journal.look_after(end, 9);
    assert_eq!(journal.holds().len(), 0, "a call that never ends is given up");
    assert!(matches!(
        journal.explain(&account(), &call(2)),
        Some(Explained::Finished { ending: Ending::Expired, amount: Nanos::ZERO })
    ));
}

#[test]
fn a_key_of_a_callers_has_its_bound() {
    let key = |bytes: usize| IdempotencyKey::new(&account(), &"k".repeat(bytes));
    assert!(key(KEY_BYTES_MAX).is_ok());
    assert_eq!(key(KEY_BYTES_MAX + 1), Err(Reason::IdempotencyInvalid));
}
