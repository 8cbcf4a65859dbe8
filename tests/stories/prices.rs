//! What calls cost.

use std::fs;

use chrono::{DateTime, Duration, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::tester::{Tester, chat, own_stack, shared, until};

/// Waits until a call under the newest price book costs this, by making calls until one does.
async fn until_a_run_costs(tester: &Tester, workflow: &str, quota: &str) -> usize {
    let mut runs = 0;
    until("the price to reach the edge", async || {
        runs += 1;
        let body = json!({"workflow_id": workflow, "parameters": {}});
        let reply = tester.call("/v1/workflow/run", &body).await;
        (reply.headers()["weir-charge"] == quota).then_some(())
    })
    .await;
    runs
}

#[tokio::test(flavor = "multi_thread")]
async fn a_priced_workflow_costs_its_price_and_a_cleared_one_its_tokens() {
    let tester = Tester::new("priced");
    let workflow = tester.subject(1);
    {
        let stack = shared();
        let group = format!("g{}", tester.subject(9));
        stack.weir(&["price", "group", &group, "1.2"]).unwrap();
        stack.weir(&["account", "set", &tester.account, "--group", &group]).unwrap();
        stack.weir(&["price", "set", "--workflow", &workflow, "--per-call", "500000"]).unwrap();
    }
    let mut runs = until_a_run_costs(&tester, &workflow, "600000").await;
    shared().weir(&["price", "unset", "--workflow", &workflow]).unwrap();
    // `{}` is 2 characters in and 55 tokens out, times 1.2.
    runs += until_a_run_costs(&tester, &workflow, "68.4").await;
    let calls = tester.calls(runs).await;
    let cheap = calls.last().unwrap();
    assert_eq!(cheap["price"]["kind"], "per_token");
    assert_eq!(cheap["ratio"], "1.2");
    assert!(calls.iter().any(|call| call["amount_quota"] == "600000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_call_costs_nothing_and_is_listed() {
    let tester = Tester::new("failed");
    let (workflow, bot) = (tester.subject(1), tester.subject(2));
    tester
        .behave(
            &workflow,
            json!({"refuse": {"http_status": 200, "code": 4200, "msg": "Workflow not found"}}),
        )
        .await;
    tester.behave(&bot, json!({"outcome": {"fail": {"code": 4028}}})).await;
    let body = json!({"workflow_id": workflow, "parameters": {}});
    let reply = tester.call("/v1/workflow/run", &body).await;
    assert_eq!(reply.headers()["weir-charge"], "0");
    assert_eq!(reply.json::<Value>().await.unwrap()["code"], 4200);
    tester.call("/v3/chat", &chat(&bot, true, "hello")).await.text().await.unwrap();
    let calls = tester.calls(2).await;
    for (call, code) in calls.iter().zip([4200, 4028]) {
        assert_eq!(call["ending"], "released");
        assert_eq!(call["code"], code);
        assert_eq!(call["amount_nanos"], 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_account_has_a_million_tokens_and_may_go_below_zero() {
    let tester = Tester::new("arrears");
    let workflow = tester.subject(1);
    let balance = tester.origin("/api/v1/token-usage/balance").await;
    assert_eq!(balance["token_balance"], 1_000_000);
    tester.behave(&workflow, json!({"usage": {"input_count": 1_000_000, "output_count": 7}})).await;
    let body = json!({"workflow_id": workflow, "parameters": {}});
    let reply = tester.call("/v1/workflow/run", &body).await;
    assert_eq!(reply.headers()["weir-balance"], "-7");
    tester.calls(1).await;
    let balance = tester.origin("/api/v1/token-usage/balance").await;
    assert_eq!(balance["token_balance"], -7);
    assert_eq!(balance["arrears"], true);
    // A running business is not stopped by arrears unless its account says so.
    assert_eq!(tester.call("/v1/workflow/run", &body).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_prices_is_brought_in_and_charged_by() {
    let tester = Tester::new("listed");
    let (per_call, per_token) = (tester.subject(1), tester.subject(2));
    {
        let stack = shared();
        let group = format!("g{}", tester.subject(9));
        stack.weir(&["account", "set", &tester.account, "--group", &group]).unwrap();
        let file = stack.folder().join("listed.csv");
        let rows = format!(
            "\u{feff}subject,group,kind,amount_quota,input_quota_per_million,\
             output_quota_per_million,ratio,note\r\n\
             ,{group},ratio,,,,1.2,\r\n\
             {per_call},,per_call,500000,,,,海报\r\n\
             {per_token},,per_token,,2000000,4000000,,\r\n"
        );
        fs::write(&file, rows).unwrap();
        let import = ["price", "import", file.to_str().unwrap()];
        let tried: Value = stack.weir_json(&[&import[..], &["--dry-run"]].concat()).unwrap();
        assert_eq!(tried["changes"].as_array().unwrap().len(), 3, "{tried}");
        let made: Value = stack.weir_json(&import).unwrap();
        assert_eq!(made["changed"], true);
        assert_eq!(stack.weir_json::<Value>(&import).unwrap()["changed"], false);
    }
    let runs = until_a_run_costs(&tester, &per_call, "600000").await;
    // `{}` is 2 characters in and 55 tokens out: (2 × 2 + 55 × 4) × 1.2.
    assert_eq!(until_a_run_costs(&tester, &per_token, "268.8").await, 1);
    tester.calls(runs + 1).await;
}

/// What the origin knew was told; then it is away, and the edge was started anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_planned_price_comes_into_force_on_time_while_the_origin_is_away() {
    const AHEAD_S: i64 = 12;
    let mut stack = own_stack();
    let tester = Tester::on(&stack, "planned");
    let workflow = tester.subject(1);
    let from = Utc::now() + Duration::seconds(AHEAD_S);
    let from = DateTime::from_timestamp(from.timestamp(), 0).unwrap();
    let from = from.to_rfc3339_opts(SecondsFormat::Millis, true);
    let set = |price| ["price", "set", "--workflow", &workflow, "--per-call", price];
    stack.weir(&[&set("700")[..], &["--from", &from]].concat()).unwrap();
    // Once this one is in force, the other is known: both go down together.
    stack.weir(&set("500")).unwrap();
    let mut runs = until_a_run_costs(&tester, &workflow, "500").await;
    stack.origin.kill().unwrap();
    stack.edge.kill().unwrap();
    stack.edge.start().unwrap();
    runs += until_a_run_costs(&tester, &workflow, "700").await;
    stack.origin.start().unwrap();
    let calls = tester.calls(runs).await;
    for call in &calls {
        let is_later = call["admitted_at"].as_str().unwrap() >= from.as_str();
        // Before the first price was known at the edge, it was the run's tokens.
        let amounts = if is_later { &["700"][..] } else { &["500", "57"] };
        let amount = call["amount_quota"].as_str().unwrap();
        assert!(amounts.contains(&amount), "{from}: {call:#}");
    }
    assert_eq!(calls.last().unwrap()["amount_quota"], "700");
}
