//! Dify's grammar and its switches (contract §7, §10).

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::bench::{Bench, Reply, read};

/// A call to an app in this mode.
async fn call(bench: &Bench, path: &str, app: &str, mode: &str) -> Reply {
    let body = json!({ "inputs": {}, "query": "Hi", "user": "u-1", "response_mode": mode });
    ask(bench, Method::POST, path, app, Some(&body)).await
}

async fn ask(bench: &Bench, method: Method, path: &str, app: &str, body: Option<&Value>) -> Reply {
    let request = bench.request_as(&format!("app-{app}"), method, &format!("/dify/v1{path}"));
    let request = match body {
        Some(body) => request.json(body),
        None => request,
    };
    read(request).await
}

async fn chat(behaviour: Value) -> Vec<Value> {
    let bench = Bench::start().await;
    bench.tell("app", behaviour).await;
    told(&call(&bench, "/chat-messages", "app", "streaming").await)
}

/// The JSON of each event; a heartbeat is null.
fn told(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.content_type, "text/event-stream");
    let data = reply.events().into_iter().map(|(_, data)| data);
    data.map(|data| serde_json::from_str(&data).unwrap_or_default()).collect()
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event"].as_str().unwrap_or("-")).collect()
}

#[tokio::test]
async fn each_kind_of_app_ends_in_its_own_event() {
    assert_eq!(names(&chat(json!({ "deltas": 1 })).await), ["message", "message_end"]);
    assert_eq!(
        names(&chat(json!({ "deltas": 1, "dify": { "app": "agent" } })).await),
        ["agent_thought", "agent_message", "message_end"]
    );
    let bench = Bench::start().await;
    let run = told(&call(&bench, "/workflows/run", "wf", "streaming").await);
    assert_eq!(names(&run).first(), Some(&"workflow_started"));
    assert_eq!(names(&run).last(), Some(&"workflow_finished"));
    let completion = told(&call(&bench, "/completion-messages", "text", "streaming").await);
    assert_eq!(names(&completion).last(), Some(&"message_end"));
}

#[tokio::test]
async fn a_chatflow_ends_in_either_order() {
    let new = chat(json!({ "deltas": 1, "dify": { "app": "chatflow" } })).await;
    assert_eq!(
        names(&new),
        [
            "workflow_started",
            "node_finished",
            "message",
            "node_finished",
            "message_end",
            "workflow_finished"
        ]
    );
    let dify = json!({ "app": "chatflow", "workflow_finished_first": true });
    let old = chat(json!({ "dify": dify })).await;
    assert_eq!(names(&old)[names(&old).len() - 2..], ["workflow_finished", "message_end"]);
    let tokens = |events: &[Value], name: &str, field: &str| {
        let event = events.iter().find(|event| event["event"] == name).unwrap();
        event.pointer(field).cloned()
    };
    let by_message = tokens(&new, "message_end", "/metadata/usage/total_tokens");
    assert_eq!(by_message, tokens(&new, "workflow_finished", "/data/total_tokens"));
}

#[tokio::test]
async fn heartbeats_are_a_bare_name() {
    let bench = Bench::start().await;
    bench.tell("app", json!({ "deltas": 1, "stream": { "ping": "empty" } })).await;
    let reply = call(&bench, "/chat-messages", "app", "streaming").await;
    assert!(reply.text().contains("\n\nevent: ping\n\ndata: {"), "{}", reply.text());
    assert!(!reply.text().contains("\nid:") && !reply.text().contains("[DONE]"));
    assert_eq!(reply.logid, "");
}

#[tokio::test]
async fn a_failed_chatflow_has_no_message_end() {
    let outcome = json!({ "fail": { "msg": "no", "charged": true } });
    let events = chat(json!({ "dify": { "app": "chatflow" }, "outcome": outcome })).await;
    assert_eq!(names(&events)[2..], ["node_finished", "workflow_finished", "error"]);
    assert_eq!(events[3]["data"]["status"], "failed");
    assert_eq!(events[3]["data"]["total_tokens"], 14);
    assert_eq!(events[4]["status"], 400);
    assert!(events[4].get("task_id").is_none());
}

#[tokio::test]
async fn what_was_stopped_says_so_and_what_it_used() {
    let stopped = json!({ "app": "chatflow", "stopped": true });
    let events = chat(json!({ "dify": stopped })).await;
    assert_eq!(names(&events)[names(&events).len() - 2..], ["workflow_finished", "message_end"]);
    assert_eq!(events[events.len() - 2]["data"]["status"], "stopped");
    assert_eq!(events[events.len() - 1]["metadata"]["usage"]["total_tokens"], 14);
}

#[tokio::test]
async fn an_error_may_come_at_any_place_and_the_status_stays_200() {
    let bench = Bench::start().await;
    bench.tell("app", json!({ "outcome": { "error": { "after_events": 1 } } })).await;
    let reply = call(&bench, "/chat-messages", "app", "streaming").await;
    assert_eq!((reply.status, names(&told(&reply))), (StatusCode::OK, vec!["message", "error"]));
    let blocking = call(&bench, "/chat-messages", "app", "blocking").await;
    assert_eq!(blocking.status, StatusCode::BAD_REQUEST);
    assert_eq!(blocking.json()["status"], 400);
}

#[tokio::test]
async fn prices_are_decimal_strings_unless_told_otherwise() {
    let usage = async |dify: Value| {
        let usage = json!({ "input_count": 100, "output_count": 40 });
        let events = chat(json!({ "usage": usage, "dify": dify })).await;
        events.last().unwrap()["metadata"]["usage"].clone()
    };
    let full = usage(json!({})).await;
    assert_eq!((&full["total_price"], &full["currency"]), (&json!("0.0001800"), &json!("USD")));
    assert_eq!(full["prompt_price"], "0.0001000");
    let number = usage(json!({ "total_price": "0.014704", "price_as_number": true })).await;
    assert_eq!(number["total_price"], json!(0.014_704));
    let partial = usage(json!({ "usage": "partial" })).await;
    assert_eq!(partial, json!({ "total_tokens": 140, "latency": 1.42 }));
    assert_eq!(usage(json!({ "usage": "absent" })).await, Value::Null);
}

#[tokio::test]
async fn a_paused_run_goes_on_when_its_form_is_filled_in() {
    let bench = Bench::start().await;
    bench.tell("wf", json!({ "outcome": { "interrupt": {} } })).await;
    let events = told(&call(&bench, "/workflows/run", "wf", "streaming").await);
    assert_eq!(names(&events)[3..], ["human_input_required", "workflow_paused"]);
    let run = events[0]["workflow_run_id"].as_str().unwrap();
    let detail = async || {
        ask(&bench, Method::GET, &format!("/workflows/run/{run}"), "wf", None).await.json()
    };
    assert_eq!(detail().await["status"], "paused");
    let form = format!("/form/human_input/{}", events[3]["data"]["form_token"].as_str().unwrap());
    let sent = ask(&bench, Method::POST, &form, "wf", Some(&json!({ "user": "u-1" }))).await;
    assert_eq!(sent.status, StatusCode::OK);
    assert_eq!(detail().await["status"], "succeeded");
    let again = ask(&bench, Method::GET, &format!("/workflow/{run}/events"), "wf", None).await;
    assert_eq!(names(&told(&again)), ["workflow_finished"]);
    assert_eq!(bench.works().await.len(), 1);
}

#[tokio::test]
async fn a_conversation_is_found_by_its_own_user_of_its_own_app_only() {
    let bench = Bench::start().await;
    let reply = call(&bench, "/chat-messages", "app", "blocking").await.json();
    let conversation = reply["conversation_id"].as_str().unwrap();
    let go_on = async |app: &str, user: &str| {
        let body = json!({
            "inputs": {}, "query": "Hi", "user": user, "conversation_id": conversation,
        });
        ask(&bench, Method::POST, "/chat-messages", app, Some(&body)).await.status
    };
    assert_eq!(go_on("app", "u-1").await, StatusCode::OK);
    assert_eq!(go_on("app", "u-2").await, StatusCode::NOT_FOUND);
    assert_eq!(go_on("other", "u-1").await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_key_that_is_no_apps_and_a_body_without_a_user_are_refused() {
    let bench = Bench::start().await;
    let reply = bench.post("/dify/v1/chat-messages", json!({})).await;
    assert_eq!(
        (reply.status, &reply.json()["code"]),
        (StatusCode::UNAUTHORIZED, &json!("unauthorized"))
    );
    let body = json!({ "inputs": {}, "query": "Hi" });
    let reply = ask(&bench, Method::POST, "/chat-messages", "app", Some(&body)).await;
    assert_eq!(
        (reply.status, &reply.json()["code"]),
        (StatusCode::BAD_REQUEST, &json!("invalid_param"))
    );
    let reply = ask(&bench, Method::GET, "/nothing", "app", None).await;
    assert_eq!((reply.status, &reply.json()["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));
    assert_eq!(bench.works().await.len(), 0);
}
