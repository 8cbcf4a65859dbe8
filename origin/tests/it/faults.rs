//! What does not add up: it stops the page or stands beside the entry, and is never hidden.

use meter::entry::Facts;
use meter::money::Nanos;
use meter::outcome::{Reading, Source};
use meter::price::Price;
use meter::usage::Usage;
use meter::usage::cost::Cost;
use origin::pull::Attempt;

use crate::edge::Fault;
use crate::facts::{cost, run};
use crate::tester::{J0, Sums, Tester, journal};

/// Finishes calls of 1, 2, 4 and 8 tokens.
async fn four_calls(tester: &Tester) -> String {
    let account = tester.account("a").await.account_id;
    tester.edge.journal(J0, |journal| {
        (0..4).for_each(|number| journal.finish(run(number, &account, 1 << number)));
    });
    account
}

async fn stopped_by(tester: &Tester) -> Option<String> {
    let row = sqlx::query_scalar("SELECT stopped_by FROM journal WHERE journal_id = 'j0'");
    row.fetch_one(&tester.pool).await.unwrap()
}

#[track_caller]
fn stops(attempt: &Attempt, want: &str) {
    match attempt {
        Attempt::Stopped(finding) => assert_eq!(finding.code.name(), want),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_gap_stops_posting_until_the_entry_is_there() {
    let tester = Tester::new().await;
    four_calls(&tester).await;
    tester.edge.journal(J0, |journal| journal.fault = Some(Fault::LeavesOut(3)));
    stops(&tester.pull().await.unwrap(), "gap");
    stops(&tester.pull().await.unwrap(), "gap");
    assert_eq!(tester.sums().await, Sums::all(0, Nanos::ZERO));
    assert_eq!(stopped_by(&tester).await.as_deref(), Some("gap"));
    // Met at every pull, written down once.
    assert_eq!(tester.findings().await, [("gap".to_owned(), 4, 2)]);

    tester.edge.journal(J0, |journal| journal.fault = None);
    assert!(matches!(tester.pull().await.unwrap(), Attempt::UpToDate));
    assert_eq!(tester.sums().await, Sums::all(4, cost(15)));
    assert_eq!(stopped_by(&tester).await, None);
    // It stays open until somebody has looked.
    assert_eq!(tester.findings().await.len(), 1);
}

#[tokio::test]
async fn another_epoch_stops_posting_and_is_told_nothing() {
    let tester = Tester::new().await;
    let account = four_calls(&tester).await;
    tester.pull().await.unwrap();
    tester.edge.journal(J0, |journal| {
        *journal = crate::edge::FakeJournal { epoch: "e2".to_owned(), ..Default::default() };
        journal.finish(run(9, &account, 512));
    });
    stops(&tester.pull().await.unwrap(), "epoch_changed");
    stops(&tester.pull().await.unwrap(), "epoch_changed");
    assert_eq!(tester.sums().await, Sums::all(4, cost(15)));
    tester.edge.journal(J0, |journal| {
        assert!(journal.accounts.is_empty(), "a new store was told whom to let in");
        assert_eq!(journal.requests[0].epoch.as_deref(), Some("e1"));
    });
}

#[tokio::test]
async fn a_journal_from_an_old_copy_stops_posting() {
    let tester = Tester::new().await;
    four_calls(&tester).await;
    tester.pull().await.unwrap();
    tester.edge.journal(J0, |journal| journal.entries.truncate(2));
    stops(&tester.pull().await.unwrap(), "journal_behind");
    assert_eq!(tester.sums().await, Sums::all(4, cost(15)));
}

#[tokio::test]
async fn an_altered_entry_stops_posting() {
    let tester = Tester::new().await;
    four_calls(&tester).await;
    tester.edge.journal(J0, |journal| journal.entries[1].facts.amount = Nanos::ZERO);
    stops(&tester.pull().await.unwrap(), "total_mismatch");
    tester.edge.journal(J0, |journal| {
        journal.entries[1].facts.amount = cost(2);
        journal.entries[1].facts.usage_fell = true;
    });
    stops(&tester.pull().await.unwrap(), "hash_broken");
    assert_eq!(tester.sums().await, Sums::all(0, Nanos::ZERO));
}

#[tokio::test]
async fn a_call_that_another_journal_charged_already_stops_posting() {
    let tester = Tester::new().await;
    let account = four_calls(&tester).await;
    tester.pull().await.unwrap();
    tester.edge.journal("j1", |journal| journal.finish(run(2, &account, 4)));
    let other = origin::pull::attempt(&tester.pool, &tester.pulls, &journal("j1")).await.unwrap();
    stops(&other, "call_doubled");
    assert_eq!(tester.sums().await, Sums::all(4, cost(15)));
}

#[tokio::test]
async fn a_call_that_is_in_a_page_twice_stops_posting() {
    let tester = Tester::new().await;
    let account = four_calls(&tester).await;
    tester.edge.journal(J0, |journal| journal.finish(run(2, &account, 4)));
    stops(&tester.pull().await.unwrap(), "call_doubled");
    assert_eq!(tester.findings().await, [("call_doubled".to_owned(), 5, 1)]);
    assert_eq!(tester.sums().await, Sums::all(0, Nanos::ZERO));
}

#[tokio::test]
async fn a_page_in_the_wrong_order_stops_posting() {
    let tester = Tester::new().await;
    four_calls(&tester).await;
    tester.edge.journal(J0, |journal| journal.fault = Some(Fault::Reverses));
    // Its first entry is the fourth, so three are missing before it.
    stops(&tester.pull().await.unwrap(), "gap");
    tester.edge.journal(J0, |journal| journal.fault = None);
    tester.pull().await.unwrap();
    // Behind the cursor the order is looked at all the same.
    tester.edge.journal(J0, |journal| journal.fault = Some(Fault::GoesBackReversed));
    stops(&tester.pull().await.unwrap(), "out_of_order");
    assert_eq!(stopped_by(&tester).await.as_deref(), Some("out_of_order"));
    assert_eq!(tester.sums().await, Sums::all(4, cost(15)));
}

#[tokio::test]
async fn a_strange_usage_is_posted_as_it_is_and_found() {
    let tester = Tester::new().await;
    let account = tester.account("a").await.account_id;
    let usage = |usage| Reading { usage: Some(usage), source: Source::Reported };
    let tokens = Usage { input: Some(1), output: Some(1), total: 2, cost: None };
    let mismatched = Facts {
        reading: usage(Usage { total: 100, ..tokens }),
        amount: cost(2),
        ..run(1, &account, 2)
    };
    let fell = Facts { usage_fell: true, ..run(2, &account, 2) };
    let foreign = {
        let yuan = Cost::read("0.01", "CNY");
        let mut facts = run(3, &account, 2);
        facts.terms.price = Price::COST_IN_POINTS;
        Facts { reading: usage(Usage { cost: yuan, ..tokens }), amount: Nanos::ZERO, ..facts }
    };
    tester.edge.journal(J0, |journal| {
        for facts in [mismatched, fell, foreign] {
            journal.finish(facts);
        }
    });
    assert!(matches!(tester.pull().await.unwrap(), Attempt::UpToDate));
    let found = |code: &str, seq| (code.to_owned(), seq, 1);
    // The third is not priced as the book says, either.
    let want = [
        found("usage_mismatched", 1),
        found("usage_fell", 2),
        found("charge_differs", 3),
        found("cost_currency", 3),
    ];
    assert_eq!(tester.findings().await, want);
    assert_eq!(tester.sums().await, Sums::all(3, cost(4)));
}

#[tokio::test]
async fn a_wrong_charge_is_posted_as_it_is_and_found() {
    let tester = Tester::new().await;
    let account = tester.account("a").await.account_id;
    let off_by_one = Facts { amount: Nanos::new(cost(1).get() + 1), ..run(1, &account, 1) };
    let from_another_book = {
        let mut facts = run(2, &account, 2);
        facts.terms.book = 9;
        facts
    };
    let unknown_usage = Facts {
        reading: Reading { usage: None, source: Source::Missing },
        amount: Nanos::ZERO,
        ..run(3, &account, 0)
    };
    let of_nobody = run(4, "acc_nobody", 4);
    tester.edge.journal(J0, |journal| {
        for facts in [off_by_one, from_another_book, unknown_usage, of_nobody] {
            journal.finish(facts);
        }
    });
    assert!(matches!(tester.pull().await.unwrap(), Attempt::UpToDate));
    assert_eq!(tester.sums().await, Sums::all(4, Nanos::new(cost(7).get() + 1)));
    let found = |code: &str, seq| (code.to_owned(), seq, 1);
    let want = [
        found("charge_differs", 1),
        found("unknown_book", 2),
        found("usage_missing", 3),
        found("unknown_account", 4),
    ];
    assert_eq!(tester.findings().await, want);
}

#[tokio::test]
async fn a_ledger_from_an_old_copy_is_found_and_goes_on_counting_where_the_edge_is() {
    let tester = Tester::new().await;
    let account = tester.account("a").await;
    tester.pull().await.unwrap();
    tester.edge.journal(J0, |journal| journal.applied = 50);
    tester.pull().await.unwrap();
    assert_eq!(tester.findings().await, [("ledger_behind".to_owned(), 0, 1)]);
    // A change made now is newer than all that the edge has, and reaches it.
    let later = tester.account("b").await;
    tester.pull().await.unwrap();
    tester.edge.journal(J0, |journal| {
        assert!(journal.accounts.contains_key(&later.account_id));
        assert!(journal.accounts.contains_key(&account.account_id));
        assert_eq!(journal.applied, 51);
    });
}
