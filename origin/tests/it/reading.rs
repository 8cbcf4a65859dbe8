//! Balances, summaries, calls and health over HTTP.

use std::collections::BTreeSet;
use std::time::Duration;

use meter::entry::{Ending, Facts};
use meter::money::Nanos;
use meter::request::Asked;
use meter::time::UnixMs;
use serde_json::{Value, json};
use sqlx::postgres::PgPoolOptions;

use crate::facts::{BEGAN_MS, WORKFLOW, cost, run, to_workflow};
use crate::tester::{J0, Tester, serve};

async fn key_of(tester: &Tester, account: &origin::account::AccountRow) -> String {
    tester.key(account, None).await.key
}

#[tokio::test]
async fn a_balance_is_credits_less_calls_in_every_unit() {
    let tester = Tester::new().await;
    let account = tester.account_in(J0, "a", cost(1_000_000)).await;
    let key = key_of(&tester, &account).await;
    tester.edge.journal(J0, |journal| journal.finish(run(1, &account.account_id, 365)));
    tester.pull().await.unwrap();
    let origin = tester.serve().await;
    let (status, balance) = origin.as_caller("/api/v1/token-usage/balance", &key).await;
    assert_eq!(status, 200);
    let want = json!({
        "account": account.account_id,
        "credits_nanos": 2_000_000_000, "spent_nanos": 730_000, "balance_nanos": 1_999_270_000,
        "credits_quota": "1000000", "spent_quota": "365", "balance_quota": "999635",
        "balance_points": "19992.7", "balance_currency": "1.99927",
        "token_balance": 999_635, "arrears": false, "calls": 1,
    });
    assert_eq!(balance, want);
}

#[tokio::test]
async fn a_caller_sees_its_own_account_and_the_administrator_sees_all() {
    let tester = Tester::new().await;
    let (one, two) = (tester.account("one").await, tester.account("two").await);
    tester.edge.journal(J0, |journal| {
        journal.finish(run(1, &one.account_id, 1));
        journal.finish(run(1, &two.account_id, 2));
    });
    tester.pull().await.unwrap();
    let origin = tester.serve().await;
    let calls = |answer: Value| answer["calls"].as_array().unwrap().len();
    let (_, own) = origin.as_caller("/api/v1/calls", &key_of(&tester, &one).await).await;
    assert_eq!(own["calls"][0]["account"], one.account_id);
    assert_eq!(calls(own), 1);
    assert_eq!(calls(origin.as_admin("/api/v1/calls").await.1), 2);
    assert_eq!(calls(origin.as_admin("/api/v1/calls?account=two").await.1), 1);
    let (_, all) = origin.as_admin("/api/v1/token-usage/balance").await;
    assert_eq!((&all["account"], &all["spent_quota"]), (&Value::Null, &json!("3")));
}

#[tokio::test]
async fn a_call_is_listed_with_all_that_is_known_of_it() {
    let tester = Tester::new().await;
    let account = tester.account("a").await;
    let failed = Facts {
        ending: Ending::Released,
        status: Some(200),
        code: Some(4200),
        amount: Nanos::ZERO,
        asked: Asked {
            units: 7,
            resumes: Some("7500000000000000001/2".parse().unwrap()),
            ..run(2, &account.account_id, 0).asked
        },
        ..run(2, &account.account_id, 0)
    };
    tester.edge.journal(J0, |journal| {
        journal.finish(run(1, &account.account_id, 365));
        journal.finish(failed);
    });
    tester.pull().await.unwrap();
    let origin = tester.serve().await;
    let (_, answer) = origin.as_admin("/api/v1/calls").await;
    let want = json!({
        "call_id": format!("c{}-1", account.account_id),
        "account": account.account_id,
        "key": "key_1",
        "operation": "workflow_run",
        "subject_kind": "workflow",
        "subject": WORKFLOW,
        "units": 1,
        "admitted_at": "2025-11-21T04:40:00.500Z",
        "finished_at": "2025-11-21T04:40:01.000Z",
        "ending": "settled",
        "status": 200,
        "code": 0,
        "usage": { "input": 182, "output": 183, "total": 365 },
        "source": "reported",
        "price": {
            "kind": "per_token",
            "input_nanos_per_million": 2_000_000_000_i64,
            "output_nanos_per_million": 2_000_000_000_i64,
        },
        "group": "default",
        "ratio": "1",
        "book": 0,
        "amount_nanos": 730_000,
        "amount_quota": "365",
        "chat_id": null,
        "conversation_id": null,
        "execute_id": "7500000000000000001",
        "log_id": null,
        "journal": "j0",
        "seq": 1,
    });
    assert_eq!(answer["calls"][1], want);
    let one = format!("/api/v1/calls/c{}-1", account.account_id);
    assert_eq!(origin.as_admin(&one).await, (200, want));
    let failed = &answer["calls"][0];
    assert_eq!((&failed["ending"], &failed["code"]), (&json!("released"), &json!(4200)));
    assert_eq!(failed["amount_nanos"], 0);
    assert_eq!(failed["units"], 7);
    assert_eq!(failed["resumes"], "7500000000000000001/2");
    assert_eq!(answer["next_cursor"], Value::Null);
}

#[tokio::test]
async fn pages_list_every_call_once_also_while_others_are_posted() {
    let tester = Tester::new().await;
    let account = tester.account("a").await.account_id;
    let finish = |numbers: std::ops::Range<u32>| {
        tester.edge.journal(J0, |journal| {
            for number in numbers {
                // Three at a time finish in the same millisecond.
                let finished_at = UnixMs::new(BEGAN_MS + u64::from(number / 3));
                journal.finish(Facts { finished_at, ..run(number, &account, 1) });
            }
        });
    };
    finish(1..26);
    tester.pull().await.unwrap();
    let origin = tester.serve().await;
    let (mut seen, mut order) = (BTreeSet::new(), Vec::new());
    let mut path = "/api/v1/calls?limit=4".to_owned();
    for round in 0..7 {
        let (_, page) = origin.as_admin(&path).await;
        for call in page["calls"].as_array().unwrap() {
            assert!(seen.insert(call["call_id"].to_string()), "listed twice: {call}");
            order.push(call["seq"].as_i64().unwrap());
        }
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/v1/calls?limit=4&cursor={cursor}"),
            None => assert_eq!(round, 6),
        }
        if round == 2 {
            finish(26..40);
            tester.pull().await.unwrap();
        }
    }
    assert_eq!(order, (1..=25).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn calls_are_narrowed_by_what_was_called() {
    let tester = Tester::new().await;
    let account = tester.account("a").await.account_id;
    tester.edge.journal(J0, |journal| {
        journal.finish(run(1, &account, 1));
        journal.finish(to_workflow(run(2, &account, 2), "7480000000000000002"));
    });
    tester.pull().await.unwrap();
    let origin = tester.serve().await;
    for (query, want) in [
        (format!("workflow={WORKFLOW}"), vec![1]),
        ("workflow=7480000000000000002&operation=workflow_run".to_owned(), vec![2]),
        ("operation=chat".to_owned(), vec![]),
        (format!("bot={WORKFLOW}"), vec![]),
        ("key=key_1&ending=settled".to_owned(), vec![2, 1]),
        ("key=key_2".to_owned(), vec![]),
        ("ending=released".to_owned(), vec![]),
    ] {
        let (_, page) = origin.as_admin(&format!("/api/v1/calls?{query}")).await;
        let seqs = page["calls"].as_array().unwrap().iter().map(|call| call["seq"].clone());
        assert_eq!(seqs.collect::<Vec<_>>(), want, "{query}");
    }
}

#[tokio::test]
async fn a_summary_says_the_same_in_every_time_zone() {
    let tester = Tester::new().await;
    let account = tester.account_in(J0, "a", cost(10)).await.account_id;
    tester.edge.journal(J0, |journal| {
        // 04:40, 16:10 and 18:40 on 2025-11-21, UTC.
        for (number, minutes) in [(0, 0), (1, 690), (2, 840)] {
            let finished_at = UnixMs::new(BEGAN_MS + minutes * 60_000);
            let facts = Facts { finished_at, ..run(number, &account, 1 << number) };
            journal.finish(facts);
        }
        let other = to_workflow(run(3, &account, 8), "7480000000000000002");
        journal.finish(other);
    });
    tester.pull().await.unwrap();
    let origin = tester.serve().await;
    for (zone, first, second) in
        [("UTC", "15", "0"), ("Asia/Shanghai", "9", "6"), ("Asia/Kolkata", "11", "4")]
    {
        let path = format!("/api/v1/token-usage/summary?from=2025-11-21&to=2025-11-22&tz={zone}");
        let (status, summary) = origin.as_admin(&path).await;
        assert_eq!(status, 200, "{summary}");
        let days = &summary["days"];
        assert_eq!(
            (&days[0]["day"], &days[0]["amount_quota"]),
            (&json!("2025-11-21"), &json!(first))
        );
        assert_eq!(
            (&days[1]["day"], &days[1]["amount_quota"]),
            (&json!("2025-11-22"), &json!(second))
        );
        let total = &summary["total"];
        assert_eq!((&total["calls"], &total["total_tokens"]), (&json!(4), &json!(15)), "{zone}");
        assert_eq!((&total["amount_quota"], &total["settled"]), (&json!("15"), &json!(4)));
        let subjects = summary["subjects"].as_array().unwrap();
        let dearest = (&subjects[0]["subject"], &subjects[0]["amount_quota"]);
        assert_eq!(dearest, (&json!("7480000000000000002"), &json!("8")));
        assert_eq!((&summary["token_balance"], &summary["arrears"]), (&json!(-5), &json!(true)));
    }
}

#[tokio::test]
async fn health_tells_of_the_database_the_journals_and_the_findings() {
    let tester = Tester::new().await;
    let account = tester.account("a").await.account_id;
    let off = Facts { amount: Nanos::ZERO, ..run(1, &account, 1) };
    tester.edge.journal(J0, |journal| journal.finish(off));
    tester.pull().await.unwrap();
    let origin = tester.serve().await;
    let (status, health) = origin.as_nobody("/health").await;
    assert_eq!(status, 200);
    assert_eq!((&health["status"], &health["database"]), (&json!("ok"), &json!("connected")));
    assert!(health["uptime"].is_u64());
    assert_eq!(health["findings_open"], 1);
    assert_eq!(health["last_pull_age_ms"], Value::Null, "seven journals were never pulled");
    let j0 = &health["journals"][0];
    assert!(j0["last_pull_age_ms"].as_u64().unwrap() < 60_000);
    assert_eq!((&j0["name"], &j0["cursor_seq"]), (&json!("j0"), &json!(1)));
    assert_eq!((&j0["head_seq"], &j0["behind"]), (&json!(1), &json!(0)));
    assert_eq!((&j0["open_holds"], &j0["last_error"]), (&json!(2), &Value::Null));
}

#[tokio::test]
async fn a_journal_that_is_stopped_degrades_health() {
    let tester = Tester::new().await;
    let account = tester.account("a").await.account_id;
    tester.edge.journal(J0, |journal| {
        journal.finish(run(1, &account, 1));
        journal.entries[0].facts.usage_fell = true;
    });
    tester.pull().await.unwrap();
    let (status, health) = tester.serve().await.as_nobody("/health").await;
    assert_eq!((status, &health["status"]), (200, &json!("degraded")));
    assert_eq!(health["journals"][0]["stopped_by"], "hash_broken");
    assert_eq!(health["journals"][0]["behind"], 1);
}

#[tokio::test]
async fn without_its_database_it_answers_that_it_is_down() {
    let tester = Tester::new().await;
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let nowhere = format!("postgres://weir@127.0.0.1:{port}/weir");
    let pool = PgPoolOptions::new().acquire_timeout(Duration::from_millis(100));
    let pool = pool.connect_lazy(&nowhere).unwrap();
    let origin = serve(pool, &tester).await;
    let (status, health) = origin.as_nobody("/health").await;
    assert_eq!(status, 503);
    assert_eq!((&health["status"], &health["database"]), (&json!("down"), &json!("disconnected")));
    assert!(health["uptime"].is_u64());
    let (status, refusal) = origin.as_admin("/api/v1/calls").await;
    assert_eq!((status, &refusal["error"]["code"]), (503, &json!("database_unavailable")));
}
