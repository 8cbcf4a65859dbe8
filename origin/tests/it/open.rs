//! Calls that are still open, as their journals tell them.

use meter::money::Nanos;
use meter::wire::pull::OPEN_LISTED_MAX;
use origin::clock;
use serde_json::{Value, json};

use crate::commands::{answer, weir};
use crate::facts::{BEGAN_MS, WORKFLOW, cost, run, still_open};
use crate::tester::{J0, Tester};

fn calls(answer: &Value) -> Vec<&str> {
    answer["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| call["call_id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn open_calls_are_listed_to_whom_they_belong_until_their_journal_lists_them_no_more() {
    let tester = Tester::new().await;
    let one = tester.account("one").await;
    let two = tester.account("two").await;
    let (first, second) = (run(1, &one.account_id, 1), run(2, &two.account_id, 1));
    let (of_one, of_two) = (first.call.to_string(), second.call.to_string());
    tester.edge.journal(J0, |journal| {
        journal.open = vec![still_open(first), still_open(second)];
    });
    tester.pull().await.unwrap();
    let key = tester.key(&one, None).await.key;
    let origin = tester.serve().await;
    let (status, own) = origin.as_caller("/api/v1/calls/open", &key).await;
    assert_eq!((status, calls(&own), &own["complete"]), (200, vec![of_one.as_str()], &json!(true)));
    let call = &own["calls"][0];
    assert!(call["age_ms"].as_u64().is_some() && call["told_at"].is_string(), "{call}");
    for (name, want) in [
        ("account", json!(one.account_id)),
        ("operation", json!("workflow_run")),
        ("subject", json!(WORKFLOW)),
        ("admitted_at", json!("2025-11-21T04:40:00.500Z")),
        ("hold_quota", json!("1000")),
        ("waits_for", json!("upstream's answer")),
        ("asked", json!(3)),
        ("due_at", json!("2025-11-21T04:41:00.000Z")),
        ("execute_id", json!("7500000000000000001")),
        ("journal", json!(J0)),
    ] {
        assert_eq!(call[name], want, "{name}");
    }
    let (_, all) = origin.as_admin("/api/v1/calls/open").await;
    assert_eq!(calls(&all), [of_one.as_str(), of_two.as_str()]);
    let (_, other) = origin.as_admin("/api/v1/calls/open?account=two").await;
    assert_eq!(calls(&other), [of_two.as_str()]);
    assert_eq!(origin.as_caller("/api/v1/calls/open?account=two", &key).await.0, 403);

    // One ends, the other is asked about once more.
    tester.edge.journal(J0, |journal| {
        journal.open.remove(0);
        journal.open[0].asked = 4;
        journal.finish(run(1, &one.account_id, 1));
        journal.open_holds = 1;
    });
    tester.pull().await.unwrap();
    let (_, all) = origin.as_admin("/api/v1/calls/open").await;
    assert_eq!((calls(&all), &all["calls"][0]["asked"]), (vec![of_two.as_str()], &json!(4)));
    tester.edge.journal(J0, |journal| journal.open.clear());
    tester.pull().await.unwrap();
    assert_eq!(calls(&origin.as_admin("/api/v1/calls/open").await.1), Vec::<&str>::new());
}

#[tokio::test]
async fn a_list_says_when_it_is_not_all_and_takes_no_more_than_a_journal_may_list() {
    let tester = Tester::new().await;
    let account = tester.account("a").await.account_id;
    let most = u32::try_from(OPEN_LISTED_MAX).unwrap();
    tester.edge.journal(J0, |journal| {
        journal.open = (1..=most + 1).map(|n| still_open(run(n, &account, 1))).collect();
        journal.open_holds = u64::from(most) + 1;
    });
    tester.pull().await.unwrap();
    let origin = tester.serve().await;
    let (_, open) = origin.as_admin("/api/v1/calls/open").await;
    assert_eq!((calls(&open).len(), &open["complete"]), (OPEN_LISTED_MAX, &json!(false)));
    let (_, out, _) = weir(&tester, &["report", "open"]).await;
    assert!(out.contains("More calls are open"), "{out}");
}

#[tokio::test]
async fn an_open_call_that_cannot_be_read_keeps_no_entry_from_being_posted() {
    let tester = Tester::new().await;
    let account = tester.account("a").await.account_id;
    tester.edge.journal(J0, |journal| {
        let mut strange = still_open(run(2, &account, 1));
        strange.hold.asked.operation = "levitate".to_owned();
        let twice = still_open(run(3, &account, 1));
        journal.open = vec![strange, twice.clone(), twice];
        journal.finish(run(1, &account, 1));
    });
    tester.pull().await.unwrap();
    assert_eq!(tester.sums().await.entries, (1, cost(1).get()));
    let open = answer(&tester, &["report", "open"]).await;
    assert_eq!(calls(&open).len(), 1);
}

#[tokio::test]
async fn health_and_report_tell_how_many_are_open_and_for_how_long() {
    let tester = Tester::new().await;
    let (code, out, _) = weir(&tester, &["report", "open"]).await;
    assert_eq!((code, out.as_str()), (0, "No call is open.\n"));
    let account = tester.account_in(J0, "acme", Nanos::ZERO).await.account_id;
    tester.edge.journal(J0, |journal| {
        journal.open = vec![still_open(run(1, &account, 1))];
        journal.open_holds = 1;
    });
    tester.pull().await.unwrap();
    let (_, health) = tester.serve().await.as_nobody("/health").await;
    assert_eq!(health["open_calls"], 1);
    let age = health["oldest_open_call_age_ms"].as_u64().unwrap();
    assert!(age <= clock::now().get() - BEGAN_MS, "{age}");
    let (code, out, _) = weir(&tester, &["report", "open", "--account", "acme"]).await;
    assert_eq!(code, 0);
    for word in [account.as_str(), "workflow_run", WORKFLOW, "1000", "upstream's answer", " h "] {
        assert!(out.contains(word), "{word} is not in {out}");
    }
    assert_eq!(weir(&tester, &["report", "open", "--account", "nobody"]).await.0, 1);
}
