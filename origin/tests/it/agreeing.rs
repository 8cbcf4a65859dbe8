//! However calls, prices, credits and corrections come, everything that is told of them is one number.
//!
//! Each case has a database of its own and some dozen questions, so there are few cases; what they are
//! made of is drawn anew with each run, and a case that fails is printed.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, TimeZone as _, Timelike as _, Utc};
use chrono_tz::Tz;
use meter::entry::Facts;
use meter::money::Nanos;
use meter::statement::read as read_statement;
use origin::clock;
use origin::ledger::credit::{CreditKind, NewCredit, give};
use origin::pull::{Attempt, attempt};
use origin::read::days::Days;
use origin::read::{daily, drift};
use origin::statement;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::drawn::{ACCOUNTS, CALLS_MAX, Drawn, Given, Sum, any_call, any_given};
use crate::tester::{Served, Tester, actor, journal};

/// Databases that are made.
const CASES: u32 = 6;
/// Whole hours away from UTC, half ones, three quarters; with clocks that are put back while calls come.
const ZONES: [&str; 5] =
    ["UTC", "Asia/Shanghai", "Asia/Kolkata", "Asia/Kathmandu", "America/New_York"];
/// Days that hold every call in every zone.
const SPAN: &str = "from=2025-10-30&to=2025-11-08";

/// The day and the hour that clocks showed.
fn shown(facts: &Facts, zone: Tz) -> (String, String) {
    let time = clock::timestamp(facts.finished_at).unwrap();
    let local = zone.from_utc_datetime(&time.naive_utc());
    // The hour began so long ago, on the same clock; no zone here changed its offset within one.
    let began = local - Duration::minutes(i64::from(local.minute()));
    let began = began - Duration::milliseconds(began.timestamp_millis() % 60_000);
    (local.date_naive().to_string(), began.to_rfc3339_opts(chrono::SecondsFormat::Secs, false))
}

#[test]
fn everything_that_is_told_of_the_books_is_one_number() {
    let mut runner = TestRunner::new(Config {
        cases: CASES,
        max_shrink_iters: 16,
        failure_persistence: None,
        ..Config::default()
    });
    let mix = (
        proptest::collection::vec(any_call(), 0..CALLS_MAX),
        proptest::collection::vec(any_given(), 0..10),
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let outcome = runner.run(&mix, |(calls, given)| {
        // A failed assertion is a failed case, so that the case is printed.
        let case = std::panic::AssertUnwindSafe(|| runtime.block_on(check(&calls, &given)));
        std::panic::catch_unwind(case).map_err(|_| TestCaseError::fail("see above"))
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

async fn check(calls: &[Drawn], given: &[Given]) {
    let tester = Tester::new().await;
    let mut accounts = Vec::new();
    for number in 0..ACCOUNTS {
        let home = if number + 1 == ACCOUNTS { "j1" } else { "j0" };
        let name = format!("a{number}");
        let id = tester.account_in(home, &name, Nanos::new(7)).await.account_id;
        // Its statements begin before its calls.
        sqlx::query("UPDATE account SET created_at = '2025-10-02T00:00:00Z' WHERE account_id = $1")
            .bind(&id)
            .execute(&tester.pool)
            .await
            .unwrap();
        accounts.push((id, home));
    }
    let mut credited = [7_i64; ACCOUNTS];
    let mut all = Vec::new();
    for (number, call) in calls.iter().enumerate() {
        for each in given.iter().filter(|each| each.before == number) {
            credited[each.account] +=
                hand_over(&tester, &accounts[each.account].0, each.amount).await;
        }
        let (account, home) = &accounts[call.account];
        let facts = call.facts(number, account);
        all.push(facts.clone());
        tester.edge.journal(home, |journal| journal.finish(facts));
        // Pages of whatever has come meanwhile.
        if number % 13 == 0 {
            pull(&tester).await;
        }
    }
    pull(&tester).await;

    let origin = tester.serve().await;
    for (number, (account, _)) in accounts.iter().enumerate() {
        let of = |facts: &&Facts| facts.account.as_str() == account;
        let facts: Vec<_> = all.iter().filter(of).collect();
        agree(&tester, &origin, Some(account), &facts, credited[number]).await;
        statements_agree(&tester, account, &facts, credited[number]).await;
    }
    let facts: Vec<_> = all.iter().collect();
    agree(&tester, &origin, None, &facts, credited.iter().sum()).await;
    let drift = drift::read(&tester.pool, &mut |_| {}).await.unwrap();
    assert_eq!(drift.differences, []);
    let total = facts.iter().map(|facts| facts.amount.get()).sum::<i64>();
    assert_eq!((drift.spent_nanos, drift.credits_nanos), (total, credited.iter().sum()));
}

async fn hand_over(tester: &Tester, account: &str, amount: i64) -> i64 {
    let credit = NewCredit {
        account: account.to_owned(),
        kind: if amount > 0 { CreditKind::TopUp } else { CreditKind::Adjustment },
        amount: Nanos::new(amount),
        reason: "drawn".to_owned(),
        actor: actor(),
        reference: None,
    };
    give(&tester.pool, &credit).await.unwrap();
    amount
}

async fn pull(tester: &Tester) {
    for name in ["j0", "j1"] {
        while let Attempt::More =
            attempt(&tester.pool, &tester.pulls, &journal(name)).await.unwrap()
        {}
    }
}

/// Balance, summary, list and sheet of an account, or of all.
async fn agree(
    tester: &Tester,
    origin: &Served,
    account: Option<&str>,
    facts: &[&Facts],
    credited: i64,
) {
    let want = Sum::over(facts);
    let whose = account.map_or_else(String::new, |account| format!("&account={account}"));
    let ask = async |path: String| {
        let (status, answer) = origin.as_admin(&path).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    };
    let whose_alone = whose.trim_start_matches('&');
    let balance = ask(format!("/api/v1/token-usage/balance?{whose_alone}")).await;
    assert_eq!(
        (&balance["spent_nanos"], &balance["calls"]),
        (&want.nanos.into(), &want.calls.into())
    );
    assert_eq!(balance["credits_nanos"], credited);
    assert_eq!(balance["balance_nanos"], credited - want.nanos);

    for name in ZONES {
        let zone: Tz = name.parse().unwrap();
        let (mut days, mut hours) = (BTreeMap::new(), BTreeMap::new());
        for facts in facts {
            let (day, hour) = shown(facts, zone);
            days.entry(day).or_insert_with(Sum::default).add(Sum::of(facts));
            hours.entry(hour).or_insert_with(Sum::default).add(Sum::of(facts));
        }
        let path = format!("/api/v1/token-usage/summary?{SPAN}&tz={name}{whose}");
        let by = "day,hour,subject,key,operation,account";
        let summary = ask(format!("{path}&by={by}&top=1")).await;
        assert_eq!(Sum::told(&summary["total"]), want, "{name}");
        assert_eq!(summary["token_balance"], (credited - want.nanos).div_euclid(2_000));
        assert_eq!(summary["arrears"], credited < want.nanos);
        for (list, by) in [
            ("days", "day"),
            ("hours", "hour"),
            ("subjects", "subject"),
            ("keys", "key"),
            ("operations", "operation"),
            ("accounts", "account"),
        ] {
            let mut sum = Sum::default();
            let listed = summary[list].as_array().unwrap().iter();
            listed.chain(summary["others"].get(by)).for_each(|sums| sum.add(Sum::told(sums)));
            assert_eq!(sum, want, "{name} by {by}");
        }
        for (list, field, want) in [("days", "day", &days), ("hours", "hour", &hours)] {
            let told = summary[list].as_array().unwrap().iter();
            let told: BTreeMap<_, _> = told
                .map(|each| (each[field].as_str().unwrap().to_owned(), Sum::told(each)))
                .filter(|(_, sum)| sum.calls > 0)
                .collect();
            assert_eq!(told, *want, "{name} by {field}");
        }
        // One day as a sheet is that day.
        if let Some((day, sum)) = days.first_key_value() {
            let path = format!("/api/v1/calls.csv?from={day}&to={day}&tz={name}{whose}");
            assert_eq!(sheet(origin, &path).await, *sum, "{name} on {day}");
        }
    }
    assert_eq!(sheet(origin, &format!("/api/v1/calls.csv?tz=UTC{whose}")).await, want);
    assert_eq!(pages(origin, &whose).await, want);
    closes_with_the_balance(tester, account, credited - want.nanos).await;
}

/// The report of a day that is not over ends with the balance.
async fn closes_with_the_balance(tester: &Tester, account: Option<&str>, balance: i64) {
    let today = Utc::now().date_naive().to_string();
    let days = Days::one(Some(&today), Some("Asia/Kolkata"), Utc::now()).unwrap();
    let report = daily::read(&tester.pool, account, &days, 10).await.unwrap();
    let tomorrow = Utc::now() + Duration::days(1);
    let days = Days::one(Some(&tomorrow.date_naive().to_string()), None, Utc::now()).unwrap();
    let next = daily::read(&tester.pool, account, &days, 10).await.unwrap();
    assert_eq!((next.opening_nanos, next.closing_nanos), (balance, balance));
    assert_eq!(
        report.opening_nanos + report.credits_nanos - report.spent_nanos,
        report.closing_nanos
    );
}

async fn sheet(origin: &Served, path: &str) -> Sum {
    let request = origin.client.get(format!("{}{path}", origin.url));
    let reply = request.basic_auth("admin", Some(crate::tester::PASSWORD)).send().await.unwrap();
    assert_eq!(reply.status(), 200, "{path}");
    let text = reply.text().await.unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let mut sum = Sum::default();
    for row in reader.deserialize() {
        let row: BTreeMap<String, String> = row.unwrap();
        let nanos: i64 = row["amount_nanos"].parse().unwrap();
        assert_eq!(row["amount_quota"], Nanos::new(nanos).in_quota().to_string());
        sum.add(Sum { calls: 1, tokens: row["total_tokens"].parse().unwrap_or(0), nanos });
    }
    sum
}

async fn pages(origin: &Served, whose: &str) -> Sum {
    let mut sum = Sum::default();
    let mut cursor = String::new();
    // One page more than there can be.
    for _ in 0..=CALLS_MAX / 7 {
        let (_, page) = origin.as_admin(&format!("/api/v1/calls?limit=7{whose}{cursor}")).await;
        for call in page["calls"].as_array().unwrap() {
            let tokens = call["usage"]["total"].as_i64().unwrap_or(0);
            sum.add(Sum { calls: 1, tokens, nanos: call["amount_nanos"].as_i64().unwrap() });
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    sum
}

/// All months closed, the last one ends with the balance, and together they have every call.
async fn statements_agree(tester: &Tester, account: &str, facts: &[&Facts], credited: i64) {
    let later: DateTime<Utc> = Utc::now() + Duration::days(62);
    sqlx::query("UPDATE journal SET last_pull_at = $1")
        .bind(later)
        .execute(&tester.pool)
        .await
        .unwrap();
    let closed = statement::close(&tester.pool, account, None, later).await.unwrap();
    let mut sum = Sum::default();
    let mut closing = 0;
    for month in &closed.months {
        let text = statement::text(&tester.pool, account, month).await.unwrap();
        let (statement, _) = read_statement(&text).unwrap();
        let charges = statement.charges().unwrap();
        let (calls, tokens) =
            (charges.calls.try_into().unwrap(), charges.tokens.try_into().unwrap());
        sum.add(Sum { calls, tokens, nanos: charges.amount.get() });
        closing = statement.closing.get();
    }
    let want = Sum::over(facts);
    assert_eq!((sum, closing), (want, credited - want.nanos));
}
