//! The bill's callbacks: what each charge is told as, to whom, and how often.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};
use tokio::net::TcpListener;

use crate::bench::{Bench, NOW, read, run_body};

type Heard = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// Somebody who takes callbacks, answering the first ones with 503.
async fn listener(refusals: usize) -> (String, Heard) {
    let heard: Heard = Arc::default();
    let taking = Arc::clone(&heard);
    let take = move |headers: HeaderMap, body: Bytes| async move {
        let mut heard = taking.lock().unwrap();
        heard.push((headers, body));
        if heard.len() <= refusals { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
    };
    let routes = Router::new().route("/taken", post(take));
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/taken", socket.local_addr().unwrap());
    tokio::spawn(axum::serve(socket, routes).into_future());
    (url, heard)
}

async fn subscribe(bench: &Bench, subscription: Value) {
    let reply = read(bench.request(Method::PUT, "/_standin/callbacks").json(&subscription)).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT, "{}", reply.text());
}

/// What was heard, once everything was told.
async fn told(bench: &Bench, heard: &Heard) -> Vec<Value> {
    let reply = bench.get("/_standin/callbacks").await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    let heard = heard.lock().unwrap();
    heard.iter().map(|(_, body)| serde_json::from_slice(body).unwrap()).collect()
}

const DEVICE: &str = r#"{"device_id":"acc","custom_consumer":"acc.c1"}"#;

#[tokio::test]
async fn a_charge_names_the_consumer_of_its_request_and_neither_chat_nor_execution() {
    let bench = Bench::start().await;
    let (url, heard) = listener(0).await;
    subscribe(&bench, json!({ "url": url, "token": "cbt" })).await;
    let run = bench.request(Method::POST, "/v1/workflow/run").json(&run_body("wf"));
    let run = read(run.header("x-coze-deviceinfo", DEVICE)).await.json();
    let bodies = told(&bench, &heard).await;
    assert_eq!(bodies.len(), 1);
    assert_eq!(bodies[0]["header"]["event_type"], "benefit.usage");
    let event = &bodies[0]["event"];
    for (field, value) in [
        ("consume_time", json!(NOW)),
        ("device_id", json!("acc")),
        ("custom_consumer", json!("acc.c1")),
        ("root_entity_type", json!(2)),
        ("root_entity_id", json!("wf")),
        ("resource_type", json!(1)),
        ("balance_type", json!(2)),
        ("model_input_token", run["usage"]["input_count"].clone()),
        ("model_output_token", run["usage"]["output_count"].clone()),
        ("change_balance", json!("0.072")),
    ] {
        assert_eq!(event[field], value, "{field}");
    }
    let execution = run["debug_url"].as_str().unwrap().split(['=', '&']).nth(1).unwrap();
    assert!(!bodies[0].to_string().contains(execution));

    let (headers, body) = heard.lock().unwrap()[0].clone();
    let part = |name: &str| headers[name].to_str().unwrap().to_owned();
    let signed = Sha1::new()
        .chain_update(part("x-coze-timestamp"))
        .chain_update(part("x-coze-nonce"))
        .chain_update("cbt")
        .chain_update(body)
        .finalize();
    assert_eq!(part("x-coze-signature"), format!("{signed:x}"));
}

#[tokio::test]
async fn a_charge_is_told_when_its_caller_has_left() {
    let bench = Bench::start().await;
    let (url, heard) = listener(0).await;
    subscribe(&bench, json!({ "url": url })).await;
    bench.tell("wf", json!({ "pace": { "hold_after_events": [1] } })).await;
    let stream = bench.request(Method::POST, "/v1/workflow/stream_run").json(&run_body("wf"));
    let reply = stream.header("x-coze-deviceinfo", DEVICE).send().await.unwrap();
    let mut body = reply.bytes_stream();
    body.next().await.unwrap().unwrap();
    drop(body);
    bench.release("wf").await;
    bench.works_ended(1).await;
    assert_eq!(told(&bench, &heard).await[0]["event"]["custom_consumer"], "acc.c1");
}

#[tokio::test]
async fn records_can_be_several_come_twice_and_be_tried_again() {
    let bench = Bench::start().await;
    let (url, heard) = listener(2).await;
    let unseen = json!({ "url": url, "times": 2, "records": 3, "unseen_output": 5 });
    subscribe(&bench, unseen).await;
    bench.tell("wf", json!({ "usage": { "input_count": 100, "output_count": 41 } })).await;
    bench.run("wf").await;
    let bodies = told(&bench, &heard).await;
    let count = bench.get("/_standin/callbacks").await.json();
    assert_eq!((&count["taken"], &count["failed"]), (&json!(6), &json!(0)));
    let mut once = std::collections::BTreeMap::new();
    for body in &bodies {
        once.insert(body["event"]["id"].to_string(), body["event"].clone());
    }
    let sum = |field: &str| once.values().map(|event| event[field].as_i64().unwrap()).sum::<i64>();
    assert_eq!((bodies.len(), once.len()), (8, 3), "each twice, and the first ones tried again");
    assert_eq!((sum("model_input_token"), sum("model_output_token")), (100, 46));
}

#[tokio::test]
async fn what_is_not_charged_is_not_told_and_other_units_are_theirs() {
    let bench = Bench::start().await;
    let (url, heard) = listener(0).await;
    subscribe(&bench, json!({ "url": url })).await;
    bench.tell("bad", json!({ "outcome": { "fail": { "code": 4028 } } })).await;
    bench.run("bad").await;
    bench.post("/v1/audio/speech", json!({ "voice_id": "v", "input": "four" })).await;
    bench.post("/v1/audio/rooms", json!({ "bot_id": "bot" })).await;
    let bodies = told(&bench, &heard).await;
    let mut types: Vec<i64> =
        bodies.iter().map(|body| body["event"]["resource_type"].as_i64().unwrap()).collect();
    types.sort_unstable();
    assert_eq!(types, [1, 3, 4]);
    let of = |kind: i64| bodies.iter().find(|body| body["event"]["resource_type"] == kind).unwrap();
    assert_eq!(of(3)["event"]["tts_char_num"], 4);
    assert_eq!(of(3)["event"]["root_entity_id"], "");
    assert_eq!(of(4)["event"]["rtc_duration"], 180_000);
    assert_eq!(of(4)["event"]["root_entity_id"], "bot");
}

#[tokio::test]
async fn a_subscription_out_of_bounds_is_refused() {
    let bench = Bench::start().await;
    for bad in [json!({ "times": 0 }), json!({ "records": 101 }), json!({ "unseen_output": -1 })] {
        let mut subscription = json!({ "url": "http://127.0.0.1:1/" });
        subscription.as_object_mut().unwrap().extend(bad.as_object().unwrap().clone());
        let put = bench.request(Method::PUT, "/_standin/callbacks").json(&subscription);
        assert_eq!(read(put).await.status, StatusCode::BAD_REQUEST, "{subscription}");
    }
}
