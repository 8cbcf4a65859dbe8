//! How much an account and a key may do.

use std::sync::Arc;

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::tester::{Tester, chat, own_stack, shared, until};

/// How many callers come at once.
const CALLERS: usize = 1_000;
/// How many of them the balance covers.
const COVERED: usize = 10;

fn run(workflow: &str) -> Value {
    json!({"workflow_id": workflow, "parameters": {}})
}

/// What a refusal says: status, code, `Retry-After`, `x-should-retry`.
async fn refusal(reply: Response) -> (u16, String, Option<u64>, Option<String>) {
    let header = |name: &str| Some(reply.headers().get(name)?.to_str().unwrap().to_owned());
    let (retry_after, should_retry) = (header("retry-after"), header("x-should-retry"));
    let status = reply.status().as_u16();
    let body: Value = reply.json().await.unwrap();
    assert_eq!(body["msg"], body["error"]["message"], "{body:#}");
    let code = body["error"]["code"].as_str().unwrap().to_owned();
    (status, code, retry_after.map(|seconds| seconds.parse().unwrap()), should_retry)
}

fn rate(reply: &Response) -> [u64; 3] {
    ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"]
        .map(|name| reply.headers()[name].to_str().unwrap().parse().unwrap())
}

/// Sets something for the account, and waits until the edge has been told.
fn set(tester: &Tester, options: &[&str]) {
    let set = [&["account", "set", &tester.account, "--wait", "30"], options].concat();
    shared().weir(&set).unwrap();
}

/// A thousand at once on a balance for ten: ten reach upstream, and the others are told why not.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_calls_at_once_as_many_pass_as_the_balance_covers() {
    let tester = Arc::new(Tester::new("a thousand at once"));
    let workflow = tester.subject(1);
    // A new account has a million, which is ten times this.
    let price = ["price", "set", "--workflow", &workflow, "--per-call", "100000"];
    shared().weir(&price).unwrap();
    set(&tester, &["--overdraft", "0"]);
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (tester, workflow) = (tester.clone(), workflow.clone());
            tokio::spawn(async move {
                let reply = tester.call("/v1/workflow/run", &run(&workflow)).await;
                let status = reply.status().as_u16();
                let body: Value = reply.json().await.unwrap();
                (status, body["error"]["code"].as_str().map(str::to_owned))
            })
        })
        .collect();
    let (mut passed, mut refused) = (0, 0);
    for caller in callers {
        match caller.await.unwrap() {
            (200, _) => passed += 1,
            (402, Some(code)) if code == "balance_exhausted" => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    let works = tester.works(&workflow).await.len();
    println!(
        "{CALLERS} at once on a balance for {COVERED}: {passed} passed, {refused} refused, {works} upstream"
    );
    assert_eq!((passed, refused, works), (COVERED, CALLERS - COVERED, COVERED));
    let calls = tester.calls(COVERED).await;
    assert!(calls.iter().all(|call| call["amount_quota"] == "100000"));
    assert_eq!(tester.balance_at_edge().await["balance_nanos"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_calls_begin_in_a_minute_than_may() {
    let tester = Tester::new("requests a minute");
    let workflow = tester.subject(1);
    set(&tester, &["--requests-per-minute", "3"]);
    for remaining in [2, 1, 0] {
        let reply = tester.call("/v1/workflow/run", &run(&workflow)).await;
        assert_eq!(reply.status(), 200);
        let [limit, left, reset] = rate(&reply);
        assert_eq!((limit, left), (3, remaining));
        assert!((1..=61).contains(&reset), "{reset}");
    }
    let reply = tester.call("/v1/workflow/run", &run(&workflow)).await;
    assert_eq!(rate(&reply)[..2], [3, 0]);
    let (status, code, retry_after, should_retry) = refusal(reply).await;
    assert_eq!((status, code.as_str(), should_retry), (429, "rate_limited", None));
    assert!(retry_after.is_some_and(|seconds| (1..=61).contains(&seconds)), "{retry_after:?}");
    // What is not billable is not counted.
    assert_eq!(tester.ask(Method::GET, "/v1/users/me").send().await.unwrap().status(), 200);
    set(&tester, &["--requests-per-minute", "none"]);
    let reply = tester.call("/v1/workflow/run", &run(&workflow)).await;
    assert!(reply.status() == 200 && !reply.headers().contains_key("ratelimit-limit"));
    tester.calls(4).await;
    assert_eq!(tester.works(&workflow).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_calls_run_at_once_than_may_and_one_that_ends_makes_room() {
    let tester = Tester::new("calls at once");
    let (held, free) = (tester.subject(1), tester.subject(2));
    tester.behave(&held, json!({"pace": {"hold_after_events": [2]}})).await;
    set(&tester, &["--concurrent-calls", "1"]);
    let running = tester.call("/v3/chat", &chat(&held, true, "hello")).await;
    tester.until_held(&held).await;
    let reply = tester.call("/v3/chat", &chat(&free, true, "hello")).await;
    let refused = refusal(reply).await;
    assert_eq!(refused, (429, "too_many_calls".to_owned(), Some(1), None));
    tester.release(&held).await;
    running.text().await.unwrap();
    until("the call to make room", async || {
        let reply = tester.call("/v3/chat", &chat(&free, true, "hello")).await;
        let status = reply.status();
        reply.text().await.unwrap();
        (status == 200).then_some(())
    })
    .await;
    tester.calls(2).await;
}

/// The budget counts what was spent today, over all that may happen to the edge.
#[tokio::test(flavor = "multi_thread")]
async fn a_days_budget_is_not_new_after_a_crash() {
    let mut stack = own_stack();
    let tester = Tester::on(&stack, "a day's budget");
    let workflow = tester.subject(1);
    stack.weir(&["price", "set", "--workflow", &workflow, "--per-call", "1000"]).unwrap();
    let budget = ["account", "set", &tester.account, "--daily-budget", "2500", "--wait", "30"];
    stack.weir(&budget).unwrap();
    for _ in 0..2 {
        let reply = tester.call("/v1/workflow/run", &run(&workflow)).await;
        assert_eq!(reply.status(), 200, "{}", reply.text().await.unwrap());
    }
    for crashes in 0..3 {
        let reply = tester.call("/v1/workflow/run", &run(&workflow)).await;
        let (status, code, retry_after, should_retry) = refusal(reply).await;
        let told = (status, code.as_str(), should_retry.as_deref());
        assert_eq!(told, (429, "budget_exhausted", Some("false")), "after {crashes} crashes");
        assert!(retry_after.is_some_and(|seconds| (1..=86_400).contains(&seconds)));
        stack.edge.kill().unwrap();
        stack.edge.start().unwrap();
    }
    tester.calls(2).await;
    assert_eq!(tester.works(&workflow).await.len(), 2);
}
