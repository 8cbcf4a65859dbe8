//! Charging a month again: nothing differs by the terms that were frozen, and by another book exactly
//! what that book would have made of it.

use chrono::{DateTime, Duration, Utc};
use meter::entry::Facts;
use meter::ids::Group;
use meter::money::{Nanos, Ratio};
use meter::price::{Price, PriceBook, Scope};
use origin::clock;
use origin::ledger::rerate::trial::{Trial, TrialTold, days};
use origin::ledger::rerate::{ByAccount, Question, Run, post};
use origin::price::act::{self, Named};
use origin::price::{Changed, When, change};
use origin::read::balance;

use crate::commands::{answer, weir};
use crate::facts::{BEGAN_MS, WORKFLOW, run, to_workflow};
use crate::tester::{J0, Tester, actor};

const OTHER: &str = "7480000000000000002";
/// Calls of the month: more than one page of the re-rating.
const CALLS: u32 = 2_300;

/// A price of [`WORKFLOW`] and the ratios of three groups, one version after the other.
async fn books(tester: &Tester) -> Vec<PriceBook> {
    let mut books = vec![PriceBook::initial()];
    for (amount, vip) in [(1_000_000_001, 1_200_000), (1_500_000_007, 850_001)] {
        let actor = actor();
        let made = change(&tester.pool, &actor, "a test", |book| {
            let price = Price::PerCall { amount: Nanos::new(amount) };
            book.prices.insert(Scope::Subject(WORKFLOW.parse().unwrap()), price);
            book.groups.insert("vip".parse().unwrap(), Ratio::from_ppm(vip));
            book.groups.insert("shop".parse().unwrap(), Ratio::from_ppm(333_333));
        });
        let Changed::To(book) = made.await.unwrap() else { panic!("nothing changed") };
        books.push(book);
    }
    books
}

/// A call as the journal would have charged it by this book.
fn charged(facts: Facts, book: &PriceBook, group: &str) -> Facts {
    let group: Group = group.parse().unwrap();
    let terms = book.terms(&facts.account, &group, &facts.asked).unwrap();
    let amount = terms.charge(facts.asked.units, &facts.reading).unwrap();
    Facts { group, terms, amount, ..facts }
}

fn at(ms: u64) -> DateTime<Utc> {
    clock::timestamp(meter::time::UnixMs::new(ms)).unwrap()
}

fn month(book: Option<i32>) -> Question {
    let from = at(BEGAN_MS);
    Question { from, to: from + Duration::days(30), account: None, book }
}

fn by(book: &PriceBook) -> Question {
    month(Some(i32::try_from(book.version).unwrap()))
}

async fn find(tester: &Tester, question: &Question) -> ByAccount {
    let run = Run::begin(&tester.pool, question).await.unwrap();
    loop {
        let progress = run.step(&tester.pool).await.unwrap();
        if progress.ended {
            assert_eq!(progress.entries, progress.total);
            return progress.found;
        }
    }
}

/// A month across two price changes and three groups, and what each account was charged in it.
async fn a_month(tester: &Tester) -> (Vec<PriceBook>, Vec<Facts>) {
    let books = books(tester).await;
    let (one, two) = (tester.account("one").await, tester.account("two").await);
    let mut month = Vec::new();
    for number in 0..CALLS {
        let account = if number % 3 == 0 { &one } else { &two };
        let facts = run(number, &account.account_id, u64::from(number) * 7 + 1);
        let facts = if number % 2 == 0 { facts } else { to_workflow(facts, OTHER) };
        let book = &books[(number * 3 / CALLS) as usize];
        let group = ["default", "vip", "shop"][(number % 5 % 3) as usize];
        month.push(charged(facts, book, group));
    }
    tester
        .edge
        .journal(J0, |journal| month.iter().cloned().for_each(|facts| journal.finish(facts)));
    tester.pull_all().await;
    assert_eq!(tester.findings().await, []);
    (books, month)
}

#[tokio::test]
async fn a_month_across_price_changes_and_groups_is_rerated_with_no_difference() {
    let tester = Tester::new().await;
    let (books, calls) = a_month(&tester).await;
    let found = find(&tester, &month(None)).await;
    assert_eq!(found.values().map(|sums| sums.calls).sum::<i64>(), i64::from(CALLS));
    let charged: i64 = calls.iter().map(|facts| facts.amount.get()).sum();
    assert_eq!(found.values().map(|sums| sums.charged_nanos).sum::<i64>(), charged);
    for sums in found.values() {
        assert_eq!((sums.difference().unwrap(), sums.unpriced), (Nanos::ZERO, 0));
    }
    // By the last book, to the nano what that book makes of each call.
    let last = &books[2];
    let found = find(&tester, &by(last)).await;
    for (account, sums) in &found {
        let of_account = calls.iter().filter(|facts| facts.account.as_str() == account);
        let again = of_account.map(|facts| {
            let group = facts.group.to_string();
            self::charged(facts.clone(), last, &group).amount.get()
        });
        assert_eq!(sums.rerated_nanos, again.sum::<i64>());
        assert_ne!(sums.difference().unwrap(), Nanos::ZERO);
    }
}

#[tokio::test]
async fn only_the_difference_is_posted_and_only_once() {
    let tester = Tester::new().await;
    let (books, _) = a_month(&tester).await;
    let question = by(&books[2]);
    let found = find(&tester, &question).await;
    let before = balance::read(&tester.pool, None).await.unwrap().balance_nanos;
    let posted = post(&tester.pool, &question, &found, &actor()).await.unwrap();
    assert_eq!((posted.len(), posted.iter().any(|credit| credit.was_there)), (2, false));
    let difference: i64 = found.values().map(|sums| sums.difference().unwrap().get()).sum();
    let after = balance::read(&tester.pool, None).await.unwrap().balance_nanos;
    assert_eq!(after, before - difference);
    let again = find(&tester, &question).await;
    let posted = post(&tester.pool, &question, &again, &actor()).await.unwrap();
    assert!(posted.iter().all(|credit| credit.was_there));
    assert_eq!(balance::read(&tester.pool, None).await.unwrap().balance_nanos, after);
}

#[tokio::test]
async fn one_that_is_stopped_goes_on_where_it_was_and_takes_in_nothing_new() {
    let tester = Tester::new().await;
    let (_, calls) = a_month(&tester).await;
    let question = month(None);
    let first = Run::begin(&tester.pool, &question).await.unwrap();
    let stopped = first.step(&tester.pool).await.unwrap();
    assert!(!stopped.ended && stopped.entries < stopped.total);
    tester.edge.journal(J0, |journal| {
        journal.finish(run(CALLS, calls[0].account.as_str(), 9));
    });
    tester.pull_all().await;
    let second = Run::begin(&tester.pool, &question).await.unwrap();
    let went_on = second.step(&tester.pool).await.unwrap();
    assert_eq!(went_on.entries, i64::from(CALLS));
    assert!(second.step(&tester.pool).await.unwrap().ended);
    // The next one is a new question to the ledger as it is now.
    let found = find(&tester, &question).await;
    assert_eq!(found.values().map(|sums| sums.calls).sum::<i64>(), i64::from(CALLS) + 1);
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused() {
    let tester = Tester::new().await;
    let unknown = Run::begin(&tester.pool, &month(Some(99))).await.err().unwrap().to_string();
    assert_eq!(unknown, "there is no price book \"99\"");
    let backwards = Question { to: at(BEGAN_MS), ..month(None) };
    let refused = Run::begin(&tester.pool, &backwards).await.err().unwrap().to_string();
    assert_eq!(refused, "`from` is not before `to`");
    assert_eq!(find(&tester, &month(None)).await, ByAccount::new());
}

/// How many rows there are in what a trial must not touch.
async fn rows(tester: &Tester) -> (i64, i64, i64, i64, i64) {
    let count = "SELECT (SELECT count(*) FROM price_book), (SELECT count(*) FROM rerate),
                        (SELECT count(*) FROM credit), (SELECT count(*) FROM audit),
                        (SELECT sum(revision)::bigint FROM journal)";
    sqlx::query_as(count).fetch_one(&tester.pool).await.unwrap()
}

async fn try_out(tester: &Tester, price: Price) -> TrialTold {
    let named = Named { subject: Some(WORKFLOW.parse().unwrap()), ..Named::default() };
    let proposed = act::propose_set(&tester.pool, named, price, &When::default()).await.unwrap();
    let days = days(Some("2025-11-21"), Some("2025-12-20"), chrono_tz::UTC, Utc::now()).unwrap();
    let mut trial = Trial::begin(&tester.pool, days, proposed).await.unwrap();
    while trial.step(&tester.pool).await.unwrap() {}
    trial.told().unwrap()
}

#[tokio::test]
async fn a_trial_finds_what_a_re_rating_by_that_book_finds_and_writes_nothing() {
    let tester = Tester::new().await;
    a_month(&tester).await;
    let before = rows(&tester).await;
    let price = Price::PerCall { amount: Nanos::new(777_777_777) };
    let told = try_out(&tester, price).await;
    assert_eq!(rows(&tester).await, before);
    assert_eq!((told.calls, told.changes.len()), (i64::from(CALLS), 1));
    // Then the book is made, and what it finds is the same, account by account.
    let named = Named { subject: Some(WORKFLOW.parse().unwrap()), ..Named::default() };
    let made = act::set(&tester.pool, named, price, &When::default(), &actor()).await.unwrap();
    let Changed::To(book) = made.changed else { panic!("nothing changed") };
    let found = find(&tester, &by(&book)).await;
    let difference: i64 = found.values().map(|sums| sums.difference().unwrap().get()).sum();
    assert_eq!(told.difference_nanos, difference);
    let told = serde_json::to_value(&told).unwrap();
    for line in told["accounts"].as_array().unwrap() {
        let sums = &found[line["account"].as_str().unwrap()];
        assert_eq!(line["rerated_nanos"], sums.rerated_nanos);
        assert_eq!(line["charged_nanos"], sums.charged_nanos);
    }
    let by_subject = told["subjects"].as_array().unwrap();
    assert_eq!(by_subject.len(), 2);
    let sum =
        |field: &str| by_subject.iter().map(|line| line[field].as_i64().unwrap()).sum::<i64>();
    assert_eq!((sum("calls"), sum("difference_nanos")), (i64::from(CALLS), difference));
}

#[tokio::test]
async fn a_dry_run_is_told_at_the_command_line_and_over_http() {
    let tester = Tester::new().await;
    let account = tester.account("one").await.account_id;
    tester.edge.journal(J0, |journal| journal.finish(run(1, &account, 7)));
    tester.pull_all().await;
    let set = ["price", "set", "--workflow", WORKFLOW, "--per-call", "10", "--dry-run"];
    let days = ["--from", "2025-11-21", "--to", "2025-11-21"];
    let told = answer(&tester, &[&set[..], &days].concat()).await;
    assert_eq!((&told["calls"], &told["difference_nanos"]), (&1.into(), &6_000.into()));
    let (code, text, _) = weir(&tester, &[&set[..], &days].concat()).await;
    assert_eq!(code, 0);
    for line in ["10 quota a call", "workflow 7480000000000000001", "Nothing was changed."] {
        assert!(text.contains(line), "{text}");
    }
    let (_, none, _) = weir(&tester, &set).await;
    assert!(none.contains("No call finished from"), "{none}");
    let origin = tester.serve().await;
    let price = serde_json::json!({ "kind": "per_call", "amount_nanos": 20_000 });
    let body = serde_json::json!({ "subject": WORKFLOW, "price": price,
                                   "from": "2025-11-21", "to": "2025-11-21" });
    let (status, over_http) = origin.admin_acts("POST", "/api/v1/prices/trial", &body).await;
    assert_eq!((status, &over_http["accounts"]), (200, &told["accounts"]), "{over_http}");
    assert_eq!(answer(&tester, &["price", "list"]).await["version"], 1);
}
