//! Sums that are built again from the entries.

use std::process::Stdio;

use origin::audit::{Actor, Via};
use origin::ledger::backfill::Backfill;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::commands::{answer, command, weir};
use crate::facts::{cost, run};
use crate::tester::{J0, Sums, Tester};

/// Calls of two accounts in three hours, posted. Each costs another power of two.
async fn three_hours(tester: &Tester) -> [String; 2] {
    let accounts = [tester.account("a").await.account_id, tester.account("b").await.account_id];
    tester.edge.journal(J0, |journal| {
        for number in 0..12 {
            let second = number / 4 * 3_600 + number;
            let facts = run(second, &accounts[(number % 2) as usize], 1 << number);
            journal.finish(facts);
        }
    });
    tester.pull_all().await;
    assert_eq!(tester.sums().await, Sums::all(12, cost(4_095)));
    accounts
}

async fn change(tester: &Tester, sql: &str) {
    sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&tester.pool).await.unwrap();
}

fn actor() -> Actor {
    Actor::new("test", Via::Cli)
}

#[tokio::test]
async fn sums_that_are_right_are_proved_and_stay() {
    let tester = Tester::new().await;
    assert_eq!(answer(&tester, &["backfill", "--check"]).await["entries"], 0);
    three_hours(&tester).await;
    for arguments in [&["backfill", "--check"][..], &["backfill"], &["backfill"]] {
        let told = answer(&tester, arguments).await;
        let want = json!({"entries": 12, "differing": 0, "corrected": false, "differences": []});
        assert_eq!(told, want);
    }
    let (_, text, _) = weir(&tester, &["backfill"]).await;
    assert_eq!(text, "Rollups and balances are the sums of 12 entries.\n");
    assert_eq!(tester.sums().await, Sums::all(12, cost(4_095)));
}

#[tokio::test]
async fn each_drift_is_named_by_account_and_hour_and_only_a_backfill_mends_it() {
    let tester = Tester::new().await;
    let [a, b] = three_hours(&tester).await;
    let dump = async || -> Vec<Value> {
        let rows = "SELECT to_jsonb(r) FROM rollup_hour r
                    UNION ALL SELECT to_jsonb(d) FROM rollup_day d
                    UNION ALL SELECT to_jsonb(j) FROM rollup_journal j
                    UNION ALL SELECT to_jsonb(b) FROM balance b ORDER BY 1";
        sqlx::query_scalar(rows).fetch_all(&tester.pool).await.unwrap()
    };
    let right = dump().await;
    // One nano here, a row that is gone, one that never should have been, and sums that drift together.
    let first = "(SELECT min(hour_at) FROM rollup_hour)";
    let drift = format!(
        "UPDATE rollup_hour SET amount_nanos = amount_nanos + 1
         WHERE account_id = '{a}' AND hour_at = {first}"
    );
    change(&tester, &drift).await;
    change(
        &tester,
        &format!("UPDATE balance SET spent_nanos = spent_nanos + 1 WHERE account_id = '{a}'"),
    )
    .await;
    let gone = format!(
        "DELETE FROM rollup_hour WHERE account_id = '{b}'
         AND hour_at = (SELECT max(hour_at) FROM rollup_hour)"
    );
    change(&tester, &gone).await;
    change(
        &tester,
        "INSERT INTO rollup_hour SELECT account_id, '2020-02-02T02:00Z', operation, subject_kind, subject_id,
         'key_x', 1, 1, 0, 0, 0, 0, 7 FROM rollup_hour LIMIT 1",
    )
    .await;
    change(
        &tester,
        &format!("UPDATE balance SET credits_nanos = 5, entries = 0 WHERE account_id = '{b}'"),
    )
    .await;
    // And what is summed more coarsely.
    change(&tester, "UPDATE rollup_day SET total_tokens = total_tokens - 1").await;
    change(
        &tester,
        "INSERT INTO rollup_day SELECT account_id, '2019-01-01T00:00Z', operation, subject_kind, subject_id,
         api_key_id, 1, 1, 0, 0, 0, 0, 7 FROM rollup_day LIMIT 1",
    )
    .await;
    let coarse =
        "DELETE FROM rollup_journal WHERE hour_at = (SELECT min(hour_at) FROM rollup_journal)";
    change(&tester, coarse).await;
    let wrong = dump().await;

    let (code, out, _) = weir(&tester, &["--json", "backfill", "--check"]).await;
    assert_eq!(code, 3, "{out}");
    assert_eq!(dump().await, wrong, "a check changes nothing");
    let told: Value = serde_json::from_str(&out).unwrap();
    let named = |account: &str, hour: Value, field: &str, stands: i64, should: i64| {
        told["differences"].as_array().unwrap().iter().any(|it| {
            it["account"] == account
                && it["hour"] == hour
                && it["field"] == field
                && (&it["stands"], &it["should"]) == (&json!(stands), &json!(should))
        })
    };
    let hour = json!("2025-11-21T04:00:00.000Z");
    assert!(named(&a, hour, "amount_nanos", cost(5).get() + 1, cost(5).get()), "{out}");
    assert!(named(&b, json!("2025-11-21T06:00:00.000Z"), "calls", 0, 2), "{out}");
    assert!(out.contains("2020-02-02T02:00:00.000Z"), "{out}");
    let day = json!("2025-11-21T00:00:00.000Z");
    let tokens = 1 + 4 + 16 + 64 + 256 + 1_024;
    assert!(named(&a, day, "total_tokens", tokens - 1, tokens), "{out}");
    assert!(out.contains("2019-01-01T00:00:00.000Z") && out.contains("hour: journal j0"), "{out}");
    let spent = cost(1 + 4 + 16 + 64 + 256 + 1_024).get();
    assert!(named(&a, Value::Null, "spent_nanos", spent + 1, spent), "drifts that agree: {out}");
    assert!(named(&b, Value::Null, "credits_nanos", 5, 0), "{out}");
    assert!(named(&b, Value::Null, "entries", 0, 6), "{out}");

    let (code, out, _) = weir(&tester, &["backfill"]).await;
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("numbers differed and were put right"), "{out}");
    assert_eq!(dump().await, right);
    assert_eq!(answer(&tester, &["backfill", "--check"]).await["differing"], 0);
    let audit = answer(&tester, &["audit", "--act", "backfill.run"]).await;
    assert_eq!(audit["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn stopped_in_between_it_goes_on_from_there() {
    let tester = Tester::new().await;
    three_hours(&tester).await;
    change(&tester, "UPDATE rollup_hour SET calls = calls + 1, failed = failed + 1").await;
    {
        let begun = Backfill::begin(&tester.pool, false).await.unwrap();
        // The day begins before its first call.
        let progress = begun.step(&tester.pool, &actor()).await.unwrap();
        assert_eq!((progress.entries, progress.total, progress.ended), (0, 12, false));
        assert_eq!(begun.step(&tester.pool, &actor()).await.unwrap().entries, 4);
        // Meanwhile nobody else begins, not even by another process.
        let (code, _, err) = weir(&tester, &["backfill"]).await;
        assert_eq!(code, 1);
        assert!(err.contains("under way in another process"), "{err}");
    }
    // The first hour is not gone through again: what is wrong there now stays.
    change(
        &tester,
        "UPDATE rollup_hour SET calls = calls + 5, settled = settled + 5
         WHERE hour_at = (SELECT min(hour_at) FROM rollup_hour)",
    )
    .await;
    let told = answer(&tester, &["backfill"]).await;
    assert_eq!(told["entries"], 12);
    let hours: Vec<_> =
        told["differences"].as_array().unwrap().iter().map(|it| it["hour"].clone()).collect();
    assert!(hours.contains(&json!("2025-11-21T04:00:00.000Z")), "{told}");
    let left: i64 = sqlx::query_scalar("SELECT sum(calls)::bigint FROM rollup_hour")
        .fetch_one(&tester.pool)
        .await
        .unwrap();
    assert_eq!(left, 12 + 10);
    // The next one begins anew.
    answer(&tester, &["backfill"]).await;
    assert_eq!(tester.sums().await, Sums::all(12, cost(4_095)));
}

#[tokio::test]
async fn killed_or_with_pulls_going_on_it_loses_and_doubles_nothing() {
    let tester = Tester::new().await;
    let [a, _] = three_hours(&tester).await;
    change(&tester, "UPDATE rollup_hour SET amount_nanos = amount_nanos + 3").await;
    let mut killed = command(&tester);
    let mut killed = killed.arg("backfill").stdout(Stdio::null()).spawn().unwrap();
    let pulls = async {
        for number in 0..40 {
            // Into hours that are being built, and the current one.
            let second = number % 3 * 3_600 + 100 + number;
            tester.edge.journal(J0, |journal| journal.finish(run(second, &a, 1)));
            tester.pull_all().await;
        }
    };
    let builds = async {
        killed.start_kill().unwrap();
        killed.wait().await.unwrap();
        for _ in 0..5 {
            let (code, out, err) = weir(&tester, &["backfill"]).await;
            // The lock of the one that was killed goes with its connection.
            assert!(code == 0 || err.contains("another process"), "{out}{err}");
        }
    };
    tokio::join!(pulls, builds);
    answer(&tester, &["backfill"]).await;
    assert_eq!(tester.sums().await, Sums::all(52, cost(4_095 + 40)));
    assert_eq!(answer(&tester, &["backfill", "--check"]).await["differing"], 0);
}
