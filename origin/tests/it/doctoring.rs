//! `weir doctor`: each thing that can be wrong is named, with what to do.

use std::sync::Arc;

use meter::entry::Facts;
use meter::money::Nanos;
use origin::database::MIGRATOR;
use origin::signing::Signer;
use serde_json::{Value, json};

use crate::commands::weir_with;
use crate::database::Database;
use crate::edge::FakeJournal;
use crate::facts::{cost, run};
use crate::tester::{J0, Tester};

/// Pulls every journal once.
async fn pull_everything(tester: &Tester) {
    for number in 0..8 {
        let name = format!("j{number}").parse().unwrap();
        origin::pull::attempt(&tester.pool, &tester.pulls, &name).await.unwrap();
    }
}

/// Exit code, and each check by what it is of.
async fn doctor(tester: &Tester, settings: &[(&str, &str)]) -> (i32, Value) {
    let (code, out, err) = weir_with(tester, &["--json", "doctor"], settings).await;
    let checks: Vec<Value> = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
    let by_name = checks.into_iter().map(|check| (check["of"].as_str().unwrap().to_owned(), check));
    (code, Value::Object(by_name.collect()))
}

#[track_caller]
fn wrong(checks: &Value, of: &str, words: &str) {
    let check = &checks[of];
    assert_eq!(check["state"], "wrong", "{of}: {checks:#}");
    let said = format!("{} {}", check["found"], check["todo"]);
    assert!(said.contains(words), "{of}: {said}");
    assert!(check["todo"].is_string(), "{of}: nothing to do");
}

#[tokio::test]
async fn where_all_is_well_each_thing_is_said_in_a_line() {
    let tester = Tester::new().await;
    pull_everything(&tester).await;
    let hook = r#"[{"url":"http://hooks.example/t","format":"feishu"}]"#;
    let (code, out, err) = weir_with(&tester, &["doctor"], &[("WEIR_WEBHOOKS", hook)]).await;
    assert_eq!(code, 0, "{out}{err}");
    assert!(!out.contains("WRONG"), "{out}");
    for of in [
        "signing key",
        "webhooks",
        "database",
        "database clock",
        "schema",
        "edge clock",
        "edge",
        "last pull",
        "posting",
        "findings",
        "self-test",
        "alarms",
    ] {
        assert_eq!(out.lines().filter(|line| line.contains(of)).count().min(1), 1, "{of}: {out}");
    }
    assert_eq!(out.lines().count(), 12, "{out}");
    assert!(out.contains("it knows our key; journal j0 is in epoch e1 at entry 0"), "{out}");
    // Nothing was told, acknowledged or written.
    let request = tester.edge.journal(J0, |journal| journal.requests.last().cloned().unwrap());
    assert_eq!((request.epoch, request.changes, request.ack), (None, None, 0));
}

#[tokio::test]
async fn a_setting_that_is_missing_or_broken_is_named() {
    let tester = Tester::new().await;
    let empty = [("DATABASE_URL", ""), ("WEIR_EDGE_URL", ""), ("WEIR_SIGNING_KEY", "")];
    let (code, checks) = doctor(&tester, &empty).await;
    assert_eq!(code, 1);
    wrong(&checks, "signing key", "weir signing-key");
    wrong(&checks, "database", "DATABASE_URL is not set");
    assert_eq!(checks["edge"]["state"], "skipped");
    let broken =
        [("DATABASE_URL", "nonsense"), ("WEIR_EDGE_URL", "nowhere"), ("WEIR_WEBHOOKS", "{}")];
    let (_, checks) = doctor(&tester, &broken).await;
    wrong(&checks, "database", "postgres://user");
    wrong(&checks, "edge", "WEIR_EDGE_URL");
    wrong(&checks, "webhooks", "docs/webhooks.md");
    let (_, checks) = doctor(&tester, &[("WEIR_SIGNING_KEY", "{}")]).await;
    wrong(&checks, "signing key", "what `weir signing-key` printed");
}

#[tokio::test]
async fn a_database_that_is_away_or_not_ours_is_named() {
    let tester = Tester::new().await;
    let (code, checks) =
        doctor(&tester, &[("DATABASE_URL", "postgres://weir:weir@127.0.0.1:1/weir")]).await;
    assert_eq!(code, 1);
    wrong(&checks, "database", "see that Postgres runs");
    // The edge is looked at all the same.
    assert_eq!(checks["edge"]["state"], "ok", "{checks:#}");

    let empty = Database::create(None).await;
    let (_, checks) = doctor(&tester, &[("DATABASE_URL", &empty.url)]).await;
    wrong(&checks, "schema", "weir migrate");
    assert_eq!(checks["books"]["state"], "skipped");
    let first = MIGRATOR.iter().next().unwrap().version;
    MIGRATOR.run_to(first, &empty.pool).await.unwrap();
    let (_, checks) = doctor(&tester, &[("DATABASE_URL", &empty.url)]).await;
    wrong(&checks, "schema", "migrations are not done");
    let change = "UPDATE _sqlx_migrations SET checksum = '\\x00'";
    sqlx::query(change).execute(&tester.pool).await.unwrap();
    let (_, checks) = doctor(&tester, &[]).await;
    wrong(&checks, "schema", "is another one there");
}

#[tokio::test]
async fn an_edge_that_is_away_or_has_another_key_is_named() {
    let tester = Tester::new().await;
    pull_everything(&tester).await;
    let (code, checks) = doctor(&tester, &[("WEIR_EDGE_URL", "http://127.0.0.1:1")]).await;
    assert_eq!(code, 1);
    wrong(&checks, "edge", "could not be reached");
    let stranger = Arc::new(Signer::generate().unwrap());
    let key = serde_json::to_string(&stranger.doc()).unwrap();
    let (code, checks) = doctor(&tester, &[("WEIR_SIGNING_KEY", &key)]).await;
    assert_eq!(code, 1);
    wrong(&checks, "edge", "WEIR_PUBLIC_KEYS at the edge");
}

#[tokio::test]
async fn what_is_wrong_with_the_books_is_named() {
    let tester = Tester::new().await;
    let (code, checks) = doctor(&tester, &[]).await;
    assert_eq!(code, 1);
    wrong(&checks, "last pull", "8 journals were never pulled");
    let account = tester.account("a").await.account_id;
    tester.edge.journal(J0, |journal| {
        journal.finish(Facts { amount: Nanos::new(cost(1).get() + 1), ..run(1, &account, 1) });
    });
    pull_everything(&tester).await;
    let (code, checks) = doctor(&tester, &[]).await;
    assert_eq!(code, 1);
    wrong(&checks, "findings", "1 are open");
    assert_eq!(checks["last pull"]["state"], "ok");
    tester.edge.journal(J0, |journal| {
        *journal = FakeJournal { epoch: "e2".to_owned(), ..FakeJournal::default() };
    });
    pull_everything(&tester).await;
    let insert = "INSERT INTO self_test (ran_at, passed, detail) VALUES (now(), false, 'x')";
    sqlx::query(insert).execute(&tester.pool).await.unwrap();
    sqlx::query("UPDATE journal SET last_pull_at = now() - interval '1 hour'")
        .execute(&tester.pool)
        .await
        .unwrap();
    let given_up =
        "INSERT INTO alarm_delivery SELECT alarm_id, 'w', 'given_up', 9, now() FROM alarm";
    sqlx::query(given_up).execute(&tester.pool).await.unwrap();
    let (_, checks) = doctor(&tester, &[]).await;
    wrong(&checks, "posting", "j0 by epoch_changed");
    wrong(&checks, "last pull", "within the last 36");
    wrong(&checks, "self-test", "--self-test");
    wrong(&checks, "alarms", "2 were never taken");
    let longer = [("WEIR_PULL_INTERVAL_MS", "3600000")];
    let (_, checks) = doctor(&tester, &longer).await;
    assert_eq!(checks["last pull"]["state"], json!("ok"));
}
