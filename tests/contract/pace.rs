//! Silence, delays, holds and cuts, and the work of callers who leave.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::json;
use stand_in::Status;

use crate::bench::{Bench, chat_body, run_body};

#[tokio::test]
async fn a_reply_can_be_silent_and_its_events_slow() {
    let bench = Bench::start().await;
    bench.tell("s", json!({ "pace": { "silence_ms": 120 } })).await;
    let began = Instant::now();
    let response =
        bench.request(Method::POST, "/v1/workflow/run").json(&run_body("s")).send().await;
    assert!(response.unwrap().status().is_success());
    assert!(began.elapsed() >= Duration::from_millis(120), "the headers were silent too");

    bench.tell("s", json!({ "pace": { "delay_ms": 30 }, "deltas": 1 })).await;
    let began = Instant::now();
    assert_eq!(bench.stream_run("s").await.names(), ["Message", "Message", "Done"]);
    assert!(began.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn a_connection_is_cut_after_so_many_bytes_and_the_work_is_charged() {
    let bench = Bench::start().await;
    bench.tell("s", json!({ "pace": { "cut_after_bytes": 100 } })).await;
    for reply in [bench.chat("s").await, bench.run("s").await, bench.stream_run("s").await] {
        assert!(reply.cut);
        assert_eq!(reply.chunks.concat().len(), 100);
    }
    let works = bench.works_ended(3).await;
    assert!(works.iter().all(|work| work.status == Status::Completed && work.billable));
}

#[tokio::test]
async fn a_stream_is_held_until_it_is_released_gate_by_gate() {
    let bench = Bench::start().await;
    bench.tell("bot", json!({ "pace": { "hold_after_events": [0, 2] }, "deltas": 1 })).await;
    let response = bench.request(Method::POST, "/v3/chat").json(&chat_body("bot", true)).send();
    let mut body = response.await.unwrap().bytes_stream();
    bench.held("bot").await;
    bench.release("bot").await;
    let mut seen = String::new();
    while !seen.contains("in_progress") {
        seen.push_str(std::str::from_utf8(&body.next().await.unwrap().unwrap()).unwrap());
    }
    bench.held("bot").await;
    assert_eq!(bench.works().await[0].status, Status::Running);
    bench.release("bot").await;
    while let Some(chunk) = body.next().await {
        seen.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
    }
    assert!(seen.ends_with("data:\"[DONE]\"\n\n"));
}

#[tokio::test]
async fn a_whole_reply_is_held_until_it_is_released() {
    let bench = Bench::start().await;
    bench.tell("wf", json!({ "pace": { "hold_before_reply": true } })).await;
    let release = async {
        bench.held("wf").await;
        assert_eq!(bench.works().await[0].status, Status::Running);
        bench.release("wf").await;
    };
    let (run, ()) = tokio::join!(bench.run("wf"), release);
    assert_eq!(run.code(), Some(0));
}

#[tokio::test]
async fn work_goes_to_its_end_when_its_caller_leaves() {
    let bench = Bench::start().await;
    bench.tell("bot", json!({ "pace": { "hold_after_events": [2] } })).await;
    bench.tell("wf", json!({ "pace": { "hold_before_reply": true } })).await;
    let chat = bench.request(Method::POST, "/v3/chat").json(&chat_body("bot", true));
    let response = chat.send().await.unwrap();
    bench.held("bot").await;
    drop(response);

    let run = bench.request(Method::POST, "/v1/workflow/run").json(&run_body("wf")).send();
    let run = tokio::spawn(run);
    bench.held("wf").await;
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled());

    bench.release("bot").await;
    bench.release("wf").await;
    let works = bench.works_ended(2).await;
    assert!(works.iter().all(|work| work.status == Status::Completed && work.billable));
}

#[tokio::test]
async fn a_new_behaviour_lets_go_what_the_old_one_held() {
    let bench = Bench::start().await;
    bench.tell("wf", json!({ "pace": { "hold_before_reply": true } })).await;
    let change = async {
        bench.held("wf").await;
        bench.tell("wf", json!({})).await;
    };
    let (run, ()) = tokio::join!(bench.run("wf"), change);
    assert_eq!(run.code(), Some(0));
}

#[tokio::test]
async fn several_hundred_calls_are_held_at_once_and_each_is_one_unit_of_work() {
    const CALLS: usize = 400;
    let bench = Bench::start().await;
    bench.tell("bot", json!({ "pace": { "hold_after_events": [1] } })).await;
    let calls = futures_util::future::join_all((0..CALLS).map(|_| bench.chat("bot")));
    let release = async {
        let path = format!("/_standin/subjects/bot/held?at_least={CALLS}&within_ms=30000");
        assert_eq!(bench.get(&path).await.status, 200);
        bench.release("bot").await;
    };
    let (replies, ()) = tokio::join!(calls, release);
    assert!(replies.iter().all(|reply| reply.names().last().unwrap() == "done"));
    let works = bench.works().await;
    let mut ids: Vec<_> = works.iter().filter_map(|work| work.chat_id.clone()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((works.len(), ids.len()), (CALLS, CALLS));
}
