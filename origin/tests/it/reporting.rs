//! Summaries in detail, and the reports: a day, what cost most, what is worth a look, whether all agrees.

use meter::entry::{Ending, Facts};
use meter::money::Nanos;
use meter::outcome::{Reading, Source};
use meter::price::Price;
use meter::time::UnixMs;
use meter::usage::Usage;
use serde_json::{Value, json};

use crate::commands::{answer, weir};
use crate::facts::{BEGAN_MS, cost, run, to_workflow};
use crate::tester::{J0, Served, Tester};

/// The day in Shanghai on which calls finish, and the day in UTC, too.
const DAY: &str = "2025-11-21";

async fn refused(origin: &Served, path: &str, param: &str, says: &str) {
    let (status, answer) = origin.as_admin(path).await;
    assert_eq!((status, &answer["error"]["param"]), (400, &json!(param)), "{path}: {answer}");
    let message = answer["msg"].as_str().unwrap();
    assert!(message.contains(says), "{path}: {message}");
}

#[tokio::test]
async fn a_stretch_of_time_that_cannot_be_is_refused_by_its_field() {
    let tester = Tester::new().await;
    let origin = tester.serve().await;
    let summary = "/api/v1/token-usage/summary";
    for (query, param, says) in [
        ("from=2026-02-30&to=2026-03-01", "from", "is not a day such as"),
        ("from=2026-03-02&to=2026-03-01", "from", "is after `to`, which is 2026-03-01"),
        ("from=2024-01-01&to=2026-03-01", "from", "is more than 366 days before `to`"),
        ("from=2026-01-01&to=2026-02-01&by=hour", "by", "at most 31 days by hour"),
        ("tz=Mars/Olympus", "tz", "is not a time zone"),
        ("by=week", "by", "is not made of day, hour"),
        ("order=name", "order", "is none of"),
        ("top=0", "top", "from 1 to 1000"),
        ("operation=nothing", "operation", "is none that there is"),
        ("workflow=1&bot=2", "workflow", "another is named"),
    ] {
        refused(&origin, &format!("{summary}?{query}"), param, says).await;
    }
    for (query, param, says) in [
        ("from=2026-03-02&to=2026-03-01", "from", "is not before `to`"),
        ("from=yesterday", "from", "is not a day such as"),
        ("ending=gone", "ending", "is none that there is"),
        ("amount_min_nanos=1.5", "amount_min_nanos", "is not a whole number"),
        // A cursor far before the first call that can be.
        ("cursor=LTk5OTk5OTk5OTk5OTk5OS4x", "cursor", "is not one that was handed out"),
    ] {
        refused(&origin, &format!("/api/v1/calls?{query}"), param, says).await;
    }
    refused(&origin, "/api/v1/reports/daily?date=2026-02-30", "date", "is not a day").await;
    let long = "/api/v1/reports/anomalies?from=2026-01-01&to=2026-03-01";
    refused(&origin, long, "from", "more than 31 days").await;
}

/// Three calls of one account with one key, and one of another that failed.
async fn some(tester: &Tester) -> (String, String) {
    let (one, two) = (tester.account("one").await, tester.account("two").await);
    let (one, two) = (one.account_id, two.account_id);
    tester.edge.journal(J0, |journal| {
        journal.finish(run(1, &one, 1));
        journal.finish(to_workflow(run(2, &one, 2), "7480000000000000002"));
        journal.finish(to_workflow(run(3, &one, 4), "7480000000000000003"));
        journal.finish(Facts {
            ending: Ending::Released,
            amount: Nanos::ZERO,
            key: "key_2".parse().unwrap(),
            ..run(4, &two, 0)
        });
    });
    tester.pull_all().await;
    (one, two)
}

#[tokio::test]
async fn a_summary_is_grouped_by_what_is_asked_and_the_rest_of_a_long_list_is_one_sum() {
    let tester = Tester::new().await;
    let (one, two) = some(&tester).await;
    let origin = tester.serve().await;
    let ask = async |query: &str| {
        let path = format!("/api/v1/token-usage/summary?from={DAY}&to={DAY}&{query}");
        origin.as_admin(&path).await.1
    };
    let told = ask("by=subject,key,operation,account&top=1").await;
    assert_eq!((&told["days"], &told["hours"]), (&Value::Null, &Value::Null));
    assert_eq!(told["subjects"][0]["subject"], "7480000000000000003");
    assert_eq!(told["others"]["subject"]["calls"], 3);
    assert_eq!((&told["keys"][0]["key"], &told["keys"][0]["calls"]), (&json!("key_1"), &json!(3)));
    assert_eq!(told["others"]["key"]["failed"], 1);
    assert_eq!(told["operations"][0]["calls"], 4);
    assert_eq!(told["others"]["operation"], Value::Null, "there is no other one");
    let account = &told["accounts"][0];
    assert_eq!((&account["account"], &account["name"]), (&json!(one), &json!("one")));
    let told = ask("by=account&order=failed&top=1").await;
    assert_eq!(told["accounts"][0]["account"], two);
    let told = ask(&format!(
        "by=hour&tz=Asia/Kolkata&account={one}&key=key_1&workflow=7480000000000000002"
    ))
    .await;
    let hours = told["hours"].as_array().unwrap();
    assert_eq!(hours.len(), 24);
    // 04:40 in UTC.
    assert_eq!(hours[10]["hour"], "2025-11-21T10:00:00+05:30");
    assert_eq!((&hours[10]["calls"], &told["total"]["amount_quota"]), (&json!(1), &json!("2")));
}

#[tokio::test]
async fn calls_are_narrowed_by_source_time_and_amount() {
    let tester = Tester::new().await;
    some(&tester).await;
    let origin = tester.serve().await;
    let count = async |query: &str| {
        let (status, answer) = origin.as_admin(&format!("/api/v1/calls?{query}")).await;
        assert_eq!(status, 200, "{query}: {answer}");
        answer["calls"].as_array().unwrap().len()
    };
    for (query, want) in [
        ("source=reported", 4),
        ("source=retrieved", 0),
        ("amount_min_nanos=4000", 2),
        ("from=2025-11-21&to=2025-11-21&tz=Asia/Shanghai", 4),
        ("to=2025-11-20", 0),
        ("from=2025-11-21T04:40:02Z", 3),
        ("to=2025-11-21T04:40:02Z", 1),
        ("subject=7480000000000000002", 1),
        ("bot=7480000000000000002", 0),
        ("ending=released&key=key_2", 1),
    ] {
        assert_eq!(count(query).await, want, "{query}");
    }
}

#[tokio::test]
async fn a_day_begins_with_what_was_there_and_ends_with_what_is_left() {
    let tester = Tester::new().await;
    let (one, _) = some(&tester).await;
    let late = Facts { finished_at: UnixMs::new(BEGAN_MS + 86_400_000), ..run(9, &one, 16) };
    tester.edge.journal(J0, |journal| journal.finish(late));
    tester.pull_all().await;
    for (sql, when) in
        [("created_at", "2025-11-20T01:00:00Z"), ("created_at", "2025-11-21T01:00:00Z")]
    {
        let insert = format!(
            "INSERT INTO credit (account_id, kind, amount_nanos, reason, actor, {sql})
             VALUES ($1, 'top_up', 20000, 'r', 'a', '{when}')"
        );
        sqlx::query(sqlx::AssertSqlSafe(insert)).bind(&one).execute(&tester.pool).await.unwrap();
    }
    let args = ["report", "daily", "--date", DAY, "--account", "one"];
    let told = answer(&tester, &args).await;
    let number = |name: &str| told[name].as_i64().unwrap();
    assert_eq!((number("opening_nanos"), number("credits_nanos")), (20_000, 20_000));
    assert_eq!(number("spent_nanos"), cost(7).get());
    assert_eq!(number("closing_nanos"), 40_000 - cost(7).get());
    assert_eq!(
        told["credits"][0],
        json!({ "kind": "top_up", "credits": 1, "amount_nanos": 20_000 })
    );
    assert_eq!(told["summary"]["subjects"].as_array().unwrap().len(), 3);
    assert_eq!(told["complete"], true, "its journal was pulled since");
    let (_, text, _) = weir(&tester, &args).await;
    assert!(text.contains("opening  10\n") && text.contains("closing  13\n"), "{text}");
    let next = answer(&tester, &["report", "daily", "--date", "2025-11-22"]).await;
    assert_eq!(next["opening_nanos"], told["closing_nanos"], "the other account has nothing");
    assert_eq!(next["complete"], false, "seven journals were never pulled");
    let origin = tester.serve().await;
    let (status, same) = origin
        .as_admin(&format!("/api/v1/reports/daily?date={DAY}&account=one&top=20&tz=Asia/Shanghai"))
        .await;
    assert_eq!((status, &same), (200, &told));
    let (status, refusal) = origin
        .as_caller("/api/v1/reports/daily", &tester.key(&tester.account("c").await, None).await.key)
        .await;
    assert_eq!((status, &refusal["error"]["code"]), (403, &json!("role_missing")));
}

#[tokio::test]
async fn what_cost_most_comes_first() {
    let tester = Tester::new().await;
    some(&tester).await;
    let args = ["report", "top", "--from", DAY, "--to", DAY, "--limit", "2"];
    let told = answer(&tester, &args).await;
    let subjects: Vec<_> =
        told["subjects"].as_array().unwrap().iter().map(|it| it["subject"].clone()).collect();
    assert_eq!(subjects, ["7480000000000000003", "7480000000000000002"]);
    let (_, text, _) = weir(&tester, &args).await;
    assert!(text.contains("all others") && text.contains("total"), "{text}");
    let (_, text, _) = weir(&tester, &["report", "top", "--to", "2025-01-01"]).await;
    assert!(text.starts_with("No call finished from 2024-12-03 to 2025-01-01"), "{text}");
    let (code, _, err) = weir(&tester, &["report", "top", "--limit", "0"]).await;
    assert_eq!((code, err.contains("from 1 to 1000")), (2, true), "{err}");
}

#[tokio::test]
async fn calls_worth_a_look_are_counted_by_kind() {
    let tester = Tester::new().await;
    let account = tester.account("a").await.account_id;
    let usage = |input, output, total| Reading {
        usage: Usage::from_counts(Some(input), Some(output), Some(total)),
        source: Source::Reported,
    };
    let priced = |facts: Facts, price| {
        let terms = meter::price::Terms { price, ..facts.terms };
        Facts { terms, ..facts }
    };
    tester.edge.journal(J0, |journal| {
        // The usual.
        for number in 0..20 {
            journal.finish(run(number, &account, 10));
        }
        journal.finish(run(20, &account, 100));
        journal.finish(run(21, &account, 101));
        journal.finish(Facts { amount: Nanos::ZERO, ..run(22, &account, 10) });
        journal.finish(priced(Facts { amount: Nanos::ZERO, ..run(23, &account, 10) }, Price::Free));
        journal.finish(Facts { reading: usage(4, 4, 10), ..run(24, &account, 10) });
        journal.finish(Facts { usage_fell: true, ..run(25, &account, 10) });
        let missing = Reading { usage: None, source: Source::Missing };
        journal.finish(Facts { reading: missing, amount: Nanos::ZERO, ..run(26, &account, 0) });
        // Too few to tell what is usual.
        journal.finish(to_workflow(run(27, &account, 1), "7480000000000000002"));
        journal.finish(to_workflow(run(28, &account, 999), "7480000000000000002"));
    });
    tester.pull_all().await;
    let told = answer(&tester, &["report", "anomalies", "--from", DAY]).await;
    let listed = |kind: &str| -> (i64, Vec<String>) {
        let kinds = told["kinds"].as_array().unwrap();
        let found = kinds.iter().find(|it| it["kind"] == kind).unwrap();
        let calls = found["listed"].as_array().unwrap().iter();
        let number =
            |call: &Value| call["call_id"].as_str().unwrap().rsplit('-').next().unwrap().to_owned();
        (found["calls"].as_i64().unwrap(), calls.map(number).collect())
    };
    for (kind, want) in [
        ("unusually_large", "21"),
        ("charged_nothing", "22"),
        ("usage_mismatched", "24"),
        ("usage_fell", "25"),
        ("usage_missing", "26"),
    ] {
        assert_eq!(listed(kind), (1, vec![want.to_owned()]), "{kind}");
    }
    assert_eq!(told["default_priced"].as_array().unwrap().len(), 2);
    assert_eq!(told["default_priced"][0]["subject"], "7480000000000000002");
    let dearer = answer(&tester, &["report", "anomalies", "--from", DAY, "--times", "9"]).await;
    assert_eq!(dearer["kinds"][4]["calls"], 2, "the hundred, too");
    let (_, text, _) = weir(&tester, &["report", "anomalies", "--from", DAY]).await;
    assert!(
        text.contains("101 quota, usually 10") && text.contains("4 in and 4 out are not 10"),
        "{text}"
    );
    let (_, none) =
        tester.serve().await.as_admin("/api/v1/reports/anomalies?from=2025-01-01").await;
    assert!(none["kinds"].as_array().unwrap().iter().all(|kind| kind["calls"] == 0), "{none}");
}

#[tokio::test]
async fn books_that_differ_anywhere_are_told_and_end_with_three() {
    let tester = Tester::new().await;
    let (one, _) = some(&tester).await;
    let (code, text, _) = weir(&tester, &["report", "drift"]).await;
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("4 calls of 2 accounts cost 7 of 0 quota credited; -7 are left."),
        "{text}"
    );
    for (table, column, of) in [
        ("balance", "spent_nanos", "account"),
        ("balance", "credits_nanos", "account"),
        ("rollup_hour", "total_tokens", "account"),
        ("rollup_day", "amount_nanos", "account"),
        ("rollup_journal", "input_tokens", "journal"),
        ("journal", "cursor_total_nanos", "journal"),
    ] {
        let add = async |by: i64| {
            let name =
                if of == "account" { ("account_id", one.as_str()) } else { ("journal_id", J0) };
            // One row of it.
            let sql = format!(
                "UPDATE {table} SET {column} = {column} + {by}
                 WHERE ctid = (SELECT ctid FROM {table} WHERE {} = '{}' LIMIT 1)",
                name.0, name.1
            );
            let done = sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&tester.pool).await.unwrap();
            assert_eq!(done.rows_affected(), 1);
        };
        add(1).await;
        let (code, out, _) = weir(&tester, &["--json", "report", "drift"]).await;
        let told: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, &told["agrees"]), (3, &json!(false)), "{table}.{column}");
        assert_eq!(told["differences_found"], 1, "{told}");
        assert_eq!(told["differences"][0]["of"], of, "{told}");
        add(-1).await;
    }
    let finding = "INSERT INTO finding (journal_id, code, epoch, seq, detail)
                   VALUES ('j0', 'gap', 'e', 9, 'd')";
    sqlx::query(finding).execute(&tester.pool).await.unwrap();
    let (code, text, _) = weir(&tester, &["report", "drift"]).await;
    assert_eq!((code, text.contains("1 findings are open")), (3, true), "{text}");
    let (status, told) = tester.serve().await.as_admin("/api/v1/reports/drift").await;
    assert_eq!((status, &told["agrees"], &told["findings_open"]), (200, &json!(false), &json!(1)));
}
