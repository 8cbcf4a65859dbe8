//! Months are closed once, in order, and with everything in them.

use chrono::{DateTime, Duration, TimeZone as _, Utc};
use meter::money::Nanos;
use meter::statement::{Statement, read};
use origin::ledger::credit::{CreditKind, NewCredit, give};
use origin::statement::html::Language;
use origin::statement::{self, html, verify};

use crate::edge::FakeEdge;
use crate::facts::{cost, run};
use crate::tester::{J0, Tester};

/// After the months that the calls of a test finish in.
fn spring() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 5, 0, 0, 0).unwrap()
}

/// An account that was made before its calls.
async fn old_account(tester: &Tester, name: &str) -> String {
    let account = tester.account(name).await.account_id;
    sqlx::query("UPDATE account SET created_at = '2025-11-02T00:00:00Z' WHERE account_id = $1")
        .bind(&account)
        .execute(&tester.pool)
        .await
        .unwrap();
    account
}

fn finish(edge: &FakeEdge, account: &str, number: u32, tokens: u64, after: Duration) {
    let mut facts = run(number, account, tokens);
    let ms = u64::try_from(after.num_milliseconds()).unwrap();
    facts.admitted_at = facts.admitted_at.plus_ms(ms);
    facts.finished_at = facts.finished_at.plus_ms(ms);
    edge.journal(J0, |journal| journal.finish(facts.clone()));
}

async fn month(tester: &Tester, account: &str, month: &str) -> Statement {
    let text = statement::text(&tester.pool, account, month).await.unwrap();
    read(&text).unwrap().0
}

async fn close(tester: &Tester, account: &str, upto: &str) -> Vec<String> {
    statement::close(&tester.pool, account, Some(upto), spring()).await.unwrap().months
}

#[tokio::test]
async fn a_month_is_closed_once_and_what_is_late_belongs_to_the_next() {
    let tester = Tester::new().await;
    let account = old_account(&tester, "a").await;
    let other = old_account(&tester, "b").await;
    finish(&tester.edge, &account, 0, 1, Duration::zero());
    finish(&tester.edge, &other, 1, 2, Duration::zero());
    // The last of November in Shanghai, and the first of December.
    finish(&tester.edge, &account, 2, 4, Duration::days(9) + Duration::hours(11));
    finish(&tester.edge, &account, 3, 8, Duration::days(9) + Duration::hours(12));
    tester.pull_all().await;
    assert_eq!(close(&tester, &account, "2025-11").await, ["2025-11"]);
    let november = month(&tester, &account, "2025-11").await;
    assert_eq!(november.charges().unwrap().amount, cost(5));
    assert_eq!(november.closing, Nanos::ZERO.minus(cost(5)).unwrap());
    let days: Vec<_> = november.days.iter().map(|line| line.day.as_str()).collect();
    assert_eq!(days, ["2025-11-21", "2025-11-30"]);

    finish(&tester.edge, &account, 4, 16, Duration::days(1));
    tester.pull_all().await;
    assert_eq!(close(&tester, &account, "2025-11").await, [""; 0]);
    assert_eq!(month(&tester, &account, "2025-11").await, november);
    assert_eq!(close(&tester, &account, "2026-01").await, ["2025-12", "2026-01"]);
    let december = month(&tester, &account, "2025-12").await;
    assert_eq!(december.charges().unwrap().amount, cost(24));
    let days: Vec<_> = december.days.iter().map(|line| line.day.as_str()).collect();
    assert_eq!(days, ["2025-11-22", "2025-12-01"]);
    let january = month(&tester, &account, "2026-01").await;
    assert_eq!((january.opening, january.closing), (december.closing, december.closing));
    assert_eq!(january.charges().unwrap().calls, 0);

    let mut chain = Vec::new();
    for name in ["2025-11", "2025-12", "2026-01"] {
        let text = statement::text(&tester.pool, &account, name).await.unwrap();
        let page = html::page(&text, Language::Zh).unwrap();
        chain.push(verify::statement(page.as_bytes()).unwrap());
    }
    assert_eq!(verify::chain(&chain), Ok(()));
    chain.swap(0, 2);
    assert_eq!(verify::chain(&chain), Ok(()), "in any order");
}

#[tokio::test]
async fn the_sum_of_all_statements_is_the_balance() {
    let tester = Tester::new().await;
    let account = old_account(&tester, "a").await;
    for number in 0..40 {
        let hours = Duration::hours(i64::from(number) * 53);
        finish(&tester.edge, &account, number, 1 << (number % 9), hours);
        if number % 7 == 0 {
            tester.pull_all().await;
            statement::close(&tester.pool, &account, Some("2025-11"), spring()).await.unwrap();
        }
    }
    tester.pull_all().await;
    let credit = NewCredit {
        account: account.clone(),
        kind: CreditKind::TopUp,
        amount: cost(1_000),
        reason: "invoice 7, \"quoted\"".to_owned(),
        actor: crate::tester::actor(),
        reference: Some("pay_7".to_owned()),
    };
    give(&tester.pool, &credit).await.unwrap();
    // The credit is given today; let the month of today be over, and pulled since.
    let later = Utc::now() + Duration::days(62);
    sqlx::query("UPDATE journal SET last_pull_at = $1")
        .bind(later)
        .execute(&tester.pool)
        .await
        .unwrap();
    let closed = statement::close(&tester.pool, &account, None, later).await.unwrap();
    assert!(closed.months.len() > 1, "{closed:?}");
    let last = closed.months.last().unwrap();
    let balance = origin::read::balance::read(&tester.pool, Some(&account)).await.unwrap();
    assert_eq!(month(&tester, &account, last).await.closing.get(), balance.balance_nanos);
    let mut calls = 0;
    for row in statement::list(&tester.pool, Some(&account)).await.unwrap() {
        calls += month(&tester, &account, &row.month).await.charges().unwrap().calls;
    }
    assert_eq!(calls, 40);
}

#[tokio::test]
async fn a_month_that_cannot_be_closed_says_why() {
    let tester = Tester::new().await;
    let account = old_account(&tester, "a").await;
    let refuse = async |upto: &str, now| {
        let refused = statement::close(&tester.pool, &account, Some(upto), now).await;
        refused.unwrap_err().to_string()
    };
    let not_pulled = refuse("2025-11", spring()).await;
    assert!(not_pulled.contains("journal j0 was not pulled since it ended"), "{not_pulled}");
    let running = refuse("2026-03", spring()).await;
    assert_eq!(running, "`month` 2026-03 is not over yet in Asia/Shanghai");
    assert_eq!(refuse("2026-3", spring()).await, "`month` is not a month such as 2026-10");
    let unknown = statement::close(&tester.pool, "acc_none", None, spring()).await.unwrap_err();
    assert_eq!(unknown.to_string(), "there is no account \"acc_none\"");
    assert!(statement::text(&tester.pool, &account, "2025-11").await.is_err());
    for change in
        ["UPDATE statement SET document = ''", "DELETE FROM statement", "TRUNCATE statement"]
    {
        let refused = sqlx::query(change).execute(&tester.pool).await.unwrap_err().to_string();
        assert!(refused.contains("its rows are never changed"), "{refused}");
    }
}
