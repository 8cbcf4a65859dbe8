//! What calls cost.

use serde_json::json;

use crate::tester::{Tester, chat, shared, until};

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
    assert_eq!(reply.json::<serde_json::Value>().await.unwrap()["code"], 4200);
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
