//! Calls as a sheet: all of them, in pieces, and harmless to whoever opens it.

use meter::entry::Facts;
use meter::money::Nanos;
use meter::time::UnixMs;
use meter::usage::WorkIds;
use origin::read::calls::sheet::{PAGE_CALLS, Sheet};
use origin::read::calls::{Filter, Words};

use crate::facts::{BEGAN_MS, cost, run, to_workflow};
use crate::tester::{J0, PASSWORD, Served, Tester};

async fn sheet(origin: &Served, query: &str) -> (u16, String) {
    let request = origin.client.get(format!("{}/api/v1/calls.csv{query}", origin.url));
    let reply = request.basic_auth("admin", Some(PASSWORD)).send().await.unwrap();
    (reply.status().as_u16(), reply.text().await.unwrap())
}

#[tokio::test]
async fn a_sheet_has_a_heading_and_one_line_for_each_call_oldest_first() {
    let tester = Tester::new().await;
    let account = tester.account("a").await;
    let key = tester.key(&account, None).await.key;
    let other = tester.account("b").await.account_id;
    let account = account.account_id;
    tester.edge.journal(J0, |journal| {
        journal.finish(run(1, &account, 365));
        journal.finish(run(2, &other, 7));
        journal.finish(run(3, &account, 1));
    });
    tester.pull_all().await;
    let origin = tester.serve().await;
    let request = origin.client.get(format!("{}/api/v1/calls.csv", origin.url));
    let reply = request.bearer_auth(key).send().await.unwrap();
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.headers()["content-type"], "text/csv; charset=utf-8; header=present");
    let disposition = reply.headers()["content-disposition"].to_str().unwrap();
    assert_eq!(disposition, "attachment; filename=\"weir-calls.csv\"");
    let text = reply.text().await.unwrap();
    let lines: Vec<_> = text.split("\r\n").collect();
    assert_eq!(lines.len(), 4, "a caller sees its own calls: {text}");
    assert!(lines[0].starts_with("call_id,account,key,operation,subject_kind,subject,"), "{text}");
    let want = format!(
        "c{account}-1,{account},key_1,workflow_run,workflow,7480000000000000001,1,,\
         2025-11-21T04:40:00.500Z,2025-11-21T04:40:01.000Z,settled,200,0,reported,182,183,365,,,\
         \"1000000 quota a million tokens in, 1000000 out\",default,1,0,730000,365,\
         ,,7500000000000000001,,j0,1"
    );
    assert_eq!(lines[1], want);
    assert!(lines[2].starts_with(&format!("c{account}-3,")));
    assert_eq!(lines[3], "", "the last line ends, too");
    let (status, refusal) = sheet(&origin, "?account=nobody").await;
    assert_eq!(status, 404, "{refusal}");
    let (status, refusal) = sheet(&origin, "?from=2026-02-30").await;
    assert!(status == 400 && refusal.contains("\"param\":\"from\""), "{refusal}");
}

#[tokio::test]
async fn what_a_caller_named_is_not_run_by_whoever_opens_the_sheet() {
    let tester = Tester::new().await;
    let account = tester.account("a").await.account_id;
    let hostile = "=HYPERLINK(\"http://x\",\"y\")";
    tester.edge.journal(J0, |journal| {
        let facts = to_workflow(run(1, &account, 1), hostile);
        let ids = WorkIds { log: Some("-2+3".parse().unwrap()), ..WorkIds::default() };
        journal.finish(Facts { ids, amount: Nanos::new(-2_000), ..facts });
    });
    tester.pull_all().await;
    let (_, text) = sheet(&tester.serve().await, "").await;
    assert!(text.contains(",\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\","), "{text}");
    assert!(text.contains(",'-2+3,"), "{text}");
    assert!(text.contains(",-2000,-1,"), "an amount below zero stays a number: {text}");
}

/// More calls than three pieces have, without a pull for each thousand.
async fn many(tester: &Tester, account: &str) -> u32 {
    let count = u32::try_from(PAGE_CALLS).unwrap() * 3 + 1;
    tester.edge.journal(J0, |journal| {
        for number in 0..count {
            // Several finish in the same millisecond, also where a piece ends.
            let finished_at = UnixMs::new(BEGAN_MS + u64::from(number / 7));
            journal.finish(Facts { finished_at, ..run(number, account, 1) });
        }
    });
    tester.pull_all().await;
    count
}

#[tokio::test]
async fn a_sheet_of_many_pieces_has_each_call_once_and_none_that_came_later() {
    let tester = Tester::new().await;
    let account = tester.account("a").await.account_id;
    let count = many(&tester, &account).await;
    let filter = Filter::read(None, Words::default()).unwrap();
    let mut sheet = Sheet::begin(tester.pool.clone(), filter).await.unwrap();
    let mut text = sheet.piece().await.unwrap().unwrap();
    tester.edge.journal(J0, |journal| journal.finish(run(count, &account, 1)));
    tester.pull_all().await;
    let mut pieces = 1;
    while let Some(piece) = sheet.piece().await.unwrap() {
        text.extend(piece);
        pieces += 1;
    }
    assert_eq!(pieces, 4);
    let mut reader = csv::Reader::from_reader(text.as_slice());
    let mut seqs: Vec<u32> =
        reader.records().map(|row| row.unwrap()[30].parse().unwrap()).collect();
    assert!(seqs.is_sorted(), "oldest first");
    seqs.dedup();
    assert_eq!(seqs.len(), usize::try_from(count).unwrap());
    let balance = origin::read::balance::read(&tester.pool, Some(&account)).await.unwrap();
    assert_eq!(balance.spent_nanos, cost(u64::from(count) + 1).get());
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_holds_nothing_back() {
    let tester = Tester::new().await;
    let account = tester.account("a").await.account_id;
    many(&tester, &account).await;
    let origin = tester.serve().await;
    // More of them than there are connections to the database.
    for _ in 0..30 {
        let request = origin.client.get(format!("{}/api/v1/calls.csv", origin.url));
        let mut reply = request.basic_auth("admin", Some(PASSWORD)).send().await.unwrap();
        assert!(reply.chunk().await.unwrap().is_some());
    }
    let (status, text) = sheet(&origin, "?amount_min_nanos=2001").await;
    assert_eq!((status, text.lines().count()), (200, 1), "a heading and no call");
    assert_eq!(origin.as_admin("/api/v1/calls?limit=1").await.0, 200);
}
