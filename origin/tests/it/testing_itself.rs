//! The proof of the proof: a drift of one nano raises the alarm, or that is the alarm.

use std::time::Duration;

use meter::money::Nanos;
use origin::clock;
use origin::ledger::self_test::{self, AGAIN_MS, EVERY_MS, test, test_if_due};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::commands::weir;
use crate::tester::{Sums, Tester};

/// Every number that a report could show.
async fn traces(tester: &Tester) -> Vec<i64> {
    let mut counts = Vec::new();
    for table in ["account", "posting", "entry", "balance", "rollup_hour", "finding", "open_call"] {
        let sql = format!("SELECT count(*) FROM {table}");
        let count = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&tester.pool);
        counts.push(count.await.unwrap());
    }
    counts
}

/// Has the database do something whenever a finding of this code is written.
async fn sabotage(tester: &Tester, what: &str) {
    let function = format!(
        "CREATE OR REPLACE FUNCTION sabotage() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN {what} RETURN NEW; END $$"
    );
    sqlx::query(sqlx::AssertSqlSafe(function)).execute(&tester.pool).await.unwrap();
    let trigger = "CREATE OR REPLACE TRIGGER sabotage BEFORE INSERT ON finding
                   FOR EACH ROW WHEN (NEW.code <> 'self_test') EXECUTE FUNCTION sabotage()";
    sqlx::query(trigger).execute(&tester.pool).await.unwrap();
}

#[tokio::test]
async fn a_drift_of_one_nano_is_noticed_and_leaves_no_trace() {
    let tester = Tester::new().await;
    let before = traces(&tester).await;
    let came_to = test(&tester.pool, clock::now()).await.unwrap();
    assert!(came_to.passed, "{}", came_to.detail);
    assert_eq!(traces(&tester).await, before);
    assert_eq!(tester.sums().await, Sums::all(0, Nanos::ZERO));
    assert_eq!(tester.findings().await, []);
    let (code, out, err) = weir(&tester, &["reconcile", "--once", "--self-test"]).await;
    assert_eq!(code, 0, "{out}{err}");
    assert!(
        out.contains("The self-test passed: a charge and a total, each wrong by one nano"),
        "{out}"
    );
    assert!(!out.contains("self-test  "), "its journal is listed: {out}");
    assert!(!err.contains("a finding"), "what is made on purpose is logged: {err}");
    // Nobody may be put where nothing is pulled.
    let create = ["account", "create", "x", "--journal", "self-test"];
    assert_eq!(weir(&tester, &create).await.0, 2);
}

#[tokio::test]
async fn a_drift_that_is_not_counted_is_the_alarm() {
    let tester = Tester::new().await;
    let served = tester.serve().await;
    for (what, words) in [
        ("NEW.state := 'explained';", "the findings are []"),
        ("NEW.code := 'usage_fell';", "the findings are [\"usage_fell\"]"),
        ("RETURN NULL;", "an insert wrote no row"),
    ] {
        sabotage(&tester, what).await;
        let (code, out, _) = weir(&tester, &["--json", "reconcile", "--self-test"]).await;
        let told: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, &told["self_test"]["passed"]), (3, &json!(false)), "{out}");
        let detail = told["self_test"]["detail"].as_str().unwrap();
        assert!(detail.contains(words), "{detail}");
        let codes: Vec<_> = tester.findings().await.into_iter().map(|(code, ..)| code).collect();
        assert_eq!(codes, ["self_test"]);
    }
    let (_, health) = served.as_nobody("/health").await;
    assert_eq!(health["status"], "degraded");
    assert_eq!(health["self_test"], json!({"failing": true, "last_passed_age_ms": null}));
    assert_eq!(health["findings_open"], 1);

    sqlx::query("DROP TRIGGER sabotage ON finding").execute(&tester.pool).await.unwrap();
    assert!(test(&tester.pool, clock::now()).await.unwrap().passed);
    assert_eq!(tester.findings().await, [], "the next one that passes resolves it");
    let state: String = sqlx::query_scalar("SELECT state FROM finding WHERE code = 'self_test'")
        .fetch_one(&tester.pool)
        .await
        .unwrap();
    assert_eq!(state, "resolved");
    let (_, health) = served.as_nobody("/health").await;
    assert_eq!(health["self_test"]["failing"], false);
    assert!(health["self_test"]["last_passed_age_ms"].is_u64());
}

#[tokio::test]
async fn it_is_tested_once_a_day_by_one_of_them_and_each_hour_while_it_fails() {
    let tester = Tester::new().await;
    let now = clock::now();
    let due = async |ms: u64| test_if_due(&tester.pool, now.plus_ms(ms)).await.unwrap();
    let (one, other) = tokio::join!(due(0), due(0));
    assert_eq!(one.iter().chain(&other).count(), 1, "{one:?} {other:?}");
    assert_eq!(due(EVERY_MS - 1).await, None);
    sabotage(&tester, "NEW.state := 'explained';").await;
    assert!(!due(EVERY_MS).await.unwrap().passed);
    assert_eq!(due(EVERY_MS + AGAIN_MS - 1).await, None);
    assert!(!due(EVERY_MS + AGAIN_MS).await.unwrap().passed);

    let lock = sqlx::postgres::PgAdvisoryLock::new("weir self-test");
    let held = lock.acquire(tester.pool.acquire().await.unwrap()).await.unwrap();
    assert_eq!(due(9 * EVERY_MS).await, None, "somebody else does");
    held.release_now().await.unwrap();
}

#[tokio::test]
async fn whoever_serves_tests_and_says_so_in_its_numbers() {
    let tester = Tester::new().await;
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(self_test::run(tester.pool.clone(), stopped));
    let served = tester.serve().await;
    let passed = async {
        loop {
            let (_, health) = served.as_nobody("/health").await;
            if health["self_test"]["last_passed_age_ms"].is_u64() {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), passed).await.unwrap();
    stop.send(true).unwrap();
    running.await.unwrap();
    let metrics = served.client.get(format!("{}/metrics", served.url));
    let metrics = metrics.basic_auth("admin", Some(crate::tester::PASSWORD));
    let text = metrics.send().await.unwrap().text().await.unwrap();
    let line = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse::<i64>().unwrap()
    };
    assert!(line("weir_self_test_last_success_timestamp_seconds") > 1_763_700_000);
    assert_eq!(line("weir_self_test_failing"), 0);
    for name in
        ["alarms_waiting", "alarms_given_up", "backfill_differing", "calls_lost", "calls_again"]
    {
        assert_eq!(line(&format!("weir_{name}")), 0, "{name}");
    }
    let (_, health) = served.as_nobody("/health").await;
    assert_eq!((&health["alarms_waiting"], &health["alarms_given_up"]), (&json!(0), &json!(0)));
}
