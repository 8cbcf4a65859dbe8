//! Upstream's own bill: it names the calls that the wire cannot name, and is held against the books.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use xtask::stack::{Plan, Stack};

use crate::tester::{Tester, chat, until};

/// What upstream's callbacks have in their URL.
const SECRET: &str = "a-secret-of-the-stories";
/// How long bill and edge are quiet here before the bill ends a call.
const QUIET_MS: u64 = 1_500;

/// The stack of the stories that kill nothing.
static SHARED: LazyLock<Mutex<Stack>> = LazyLock::new(|| Mutex::new(billed_stack()));

/// A stack whose calls are stamped, and whose origin takes upstream's callbacks.
pub(crate) fn billed_stack() -> Stack {
    Stack::start(billed_plan(QUIET_MS)).expect("a running stack")
}

/// What the parts of such a stack are told.
pub(crate) fn billed_plan(quiet_ms: u64) -> Plan {
    let mut plan = Plan::for_test().expect("a free port");
    plan.edge_variables.push(("COZE_DEVICE_INFO", "on".to_owned()));
    plan.origin_variables = vec![
        ("WEIR_CALLBACK_SECRET", SECRET.to_owned()),
        ("WEIR_BILL_QUIET_MS", quiet_ms.to_string()),
    ];
    plan
}

fn shared() -> MutexGuard<'static, Stack> {
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has upstream tell its charges to the origin, in this way.
pub(crate) async fn subscribe(tester: &Tester, how: Value) {
    let url = format!("{}/callbacks/coze/{SECRET}", tester.origin);
    let mut subscription = json!({ "url": url });
    subscription.as_object_mut().unwrap().extend(how.as_object().unwrap().clone());
    let url = format!("{}/_standin/callbacks", tester.upstream);
    let reply = reqwest::Client::new().put(url).json(&subscription).send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::NO_CONTENT, "{}", reply.text().await.unwrap());
}

/// Waits until upstream has told every charge so far.
pub(crate) async fn all_told(tester: &Tester) {
    let url = format!("{}/_standin/callbacks?within_ms=60000", tester.upstream);
    let reply = reqwest::Client::new().get(url).send().await.unwrap();
    let (status, count) = (reply.status(), reply.json::<Value>().await.unwrap());
    assert_eq!((status, &count["failed"]), (StatusCode::OK, &json!(0)), "{count}");
}

fn run(workflow: &str) -> Value {
    json!({"workflow_id": workflow, "parameters": {"text": "hello"}})
}

/// The stamp of a call, as its request carried it up.
async fn stamp_of(tester: &Tester, workflow: &str) -> Value {
    let work = tester.works(workflow).await.pop().unwrap();
    let requests = tester.requests_after(0).await;
    let request = requests.iter().find(|request| request["no"] == work["request_no"]).unwrap();
    let header = request["headers"]["x-coze-deviceinfo"].as_str().unwrap();
    serde_json::from_str(header).unwrap()
}

/// Pitfall 16: a synchronous run whose connection breaks before any answer is charged upstream, and its
/// execution is known to nobody. Upstream's bill names the call, in three records that each come twice,
/// and the call is charged once by their sum.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_cut_off_before_it_has_a_name_is_charged_by_upstreams_bill() {
    let tester = Tester::on(&shared(), "billed run");
    subscribe(&tester, json!({"times": 2, "records": 3})).await;
    let workflow = tester.subject(1);
    tester.behave(&workflow, json!({"pace": {"cut_after_bytes": 0}})).await;
    let theirs = r#"{"device_id":"mine","custom_consumer":"mine"}"#;
    let request = tester.ask(Method::POST, "/v1/workflow/run").json(&run(&workflow));
    let reply = request.header("x-coze-deviceinfo", theirs).send().await.unwrap();
    assert_eq!(reply.status(), 502);
    let call = reply.headers()["weir-call-id"].to_str().unwrap().to_owned();
    assert_eq!(
        stamp_of(&tester, &workflow).await,
        json!({"device_id": tester.account, "custom_consumer": format!("{}.{call}", tester.account)})
    );
    let calls = tester.calls(1).await;
    assert_eq!((&calls[0]["ending"], &calls[0]["source"]), (&json!("settled"), &json!("bill")));
    let work = tester.works(&workflow).await.pop().unwrap();
    assert_eq!(calls[0]["usage"]["total"], work["token_count"]);
    assert_eq!(calls[0]["call_id"], json!(call));
    let told: Value = shared().weir_json(&["explain", &call]).unwrap();
    assert_eq!(told["order"]["actor"], "coze bill");
    assert_eq!(told["charge"]["equals"], true);
    let text = "its reply never told how it went, so it is charged by what upstream billed for it";
    assert_eq!(told["outcome"]["text"], text);
}

/// The edge dies while a run, a streamed run and a streamed chat are under way and none has a name yet.
/// Upstream goes on and charges them; its bill ends each, once.
#[tokio::test(flavor = "multi_thread")]
async fn calls_whose_edge_died_before_they_had_a_name_are_charged_by_upstreams_bill() {
    let mut stack = billed_stack();
    let tester = Tester::on(&stack, "billed orphans");
    subscribe(&tester, json!({})).await;
    let subjects = [tester.subject(1), tester.subject(2), tester.subject(3)];
    for subject in &subjects {
        tester.behave(subject, json!({"pace": {"hold_before_reply": true}})).await;
    }
    let asked = [
        ("/v1/workflow/run", run(&subjects[0])),
        ("/v1/workflow/stream_run", run(&subjects[1])),
        ("/v3/chat", chat(&subjects[2], true, "hello")),
    ];
    let calls = asked.map(|(path, body)| {
        let request = tester.ask(Method::POST, path).json(&body);
        tokio::spawn(async move { request.send().await.map(|reply| reply.status()) })
    });
    for subject in &subjects {
        tester.until_held(subject).await;
    }
    stack.edge.kill().unwrap();
    for call in calls {
        assert!(call.await.unwrap().is_err(), "nobody was answered");
    }
    stack.edge.start().unwrap();
    for subject in &subjects {
        tester.release(subject).await;
    }
    let calls = tester.calls(3).await;
    for call in &calls {
        assert_eq!((&call["ending"], &call["source"]), (&json!("settled"), &json!("bill")));
        let subject = call["subject"].as_str().unwrap();
        let works = tester.works(subject).await;
        assert_eq!(works.len(), 1);
        assert_eq!(call["usage"]["total"], works[0]["token_count"]);
    }
    let health = tester.origin_as_admin("/health").await;
    assert_eq!(health["findings_open"], 0, "{health:#}");
}

/// Without the bill: with ids noted at once, a streamed chat whose edge dies behind its first event is
/// asked about, and settled by the answer.
#[tokio::test(flavor = "multi_thread")]
async fn with_ids_noted_at_once_a_chat_is_never_without_a_name() {
    let mut plan = Plan::for_test().expect("a free port");
    plan.edge_variables = vec![("NOTE_IDS_AFTER_MS", "0".to_owned())];
    let mut stack = Stack::start(plan).expect("a running stack");
    let tester = Tester::on(&stack, "noted at once");
    let bot = tester.subject(1);
    tester.behave(&bot, json!({"pace": {"hold_after_events": [1]}})).await;
    let reply = tester.call("/v3/chat", &chat(&bot, true, "hello")).await;
    let call = reply.headers()["weir-call-id"].to_str().unwrap().to_owned();
    tester.until_held(&bot).await;
    until("the ids to be noted", async || {
        let explained = tester.explain_at_edge(&call).await;
        explained["hold"]["chat_id"].is_string().then_some(())
    })
    .await;
    stack.edge.kill().unwrap();
    stack.edge.start().unwrap();
    tester.release(&bot).await;
    let calls = tester.calls(1).await;
    assert_eq!(
        (&calls[0]["ending"], &calls[0]["source"]),
        (&json!("settled"), &json!("retrieved"))
    );
    assert_eq!(calls[0]["usage"]["total"], 20);
}

/// Each call that the documentation lists carries its stamp, and so do calls that told their own usage:
/// the bill changes nothing about those.
#[tokio::test(flavor = "multi_thread")]
async fn every_call_that_takes_a_stamp_carries_it_and_a_known_one_stays_as_it_is() {
    let tester = Tester::on(&shared(), "stamped");
    subscribe(&tester, json!({})).await;
    let (bot, workflow) = (tester.subject(1), tester.subject(2));
    tester.call("/v3/chat", &chat(&bot, true, "hello")).await.text().await.unwrap();
    tester.call("/v1/workflow/run", &run(&workflow)).await.text().await.unwrap();
    tester.call("/v1/workflow/stream_run", &run(&workflow)).await.text().await.unwrap();
    let calls = tester.calls(3).await;
    all_told(&tester).await;
    for call in &calls {
        assert_eq!(call["source"], "reported", "{call:#}");
    }
    let works = [tester.works(&bot).await, tester.works(&workflow).await].concat();
    for call in &calls {
        let stamp = format!("{}.{}", tester.account, call["call_id"].as_str().unwrap());
        let work = works.iter().find(|work| work["account_hint"] == stamp);
        assert_eq!(work.unwrap()["token_count"], call["usage"]["total"]);
    }
    tester.check_balance().await;
}
