//! Interrupted executions: each leg is a unit of work of its own.

use serde_json::{Value, json};
use stand_in::{Kind, Status};

use crate::bench::Bench;

fn resume(event_id: &Value) -> Value {
    json!({ "workflow_id": "wf", "event_id": event_id, "resume_data": "Hangzhou", "interrupt_type": 2 })
}

#[tokio::test]
async fn an_interrupted_stream_is_resumed_and_only_its_last_leg_is_charged() {
    let bench = Bench::start().await;
    bench.tell("wf", json!({ "outcome": { "interrupt": {} } })).await;
    let first = bench.stream_run("wf").await;
    assert_eq!(first.names(), ["Message", "Interrupt"]);
    let event_id = &first.data("Interrupt")["interrupt_data"]["event_id"];
    let second = bench.post("/v1/workflow/stream_resume", resume(event_id)).await;
    assert!(second.text().starts_with("id: 0\n"), "ids start again");
    assert_eq!(second.names().last().unwrap(), "Done");
    let works = bench.works().await;
    assert_eq!(works[0].execute_id, works[1].execute_id);
    assert_eq!((works[0].kind, works[1].kind), (Kind::RunStream, Kind::ResumeStream));
    assert_eq!((works[0].status, works[0].token_count), (Status::Interrupted, 0));
    assert_eq!((works[1].status, works[1].token_count), (Status::Completed, 72));
    let again = bench.post("/v1/workflow/stream_resume", resume(event_id)).await;
    assert_eq!(again.code(), Some(4315));
    let unknown = bench.post("/v1/workflow/stream_resume", resume(&json!("1/2"))).await;
    assert_eq!(unknown.code(), Some(4314));
}

#[tokio::test]
async fn an_interrupt_can_be_charged_and_be_followed_by_done() {
    let bench = Bench::start().await;
    let interrupt = json!({ "done": true, "charged": true });
    bench.tell("wf", json!({ "outcome": { "interrupt": interrupt } })).await;
    let reply = bench.stream_run("wf").await;
    assert_eq!(reply.names(), ["Message", "Message", "Interrupt", "Done"]);
    assert_eq!(bench.works().await[0].token_count, 72);
}

#[tokio::test]
async fn a_sync_run_asks_twice_and_is_resumed_twice() {
    let bench = Bench::start().await;
    bench.tell("wf", json!({ "outcome": { "interrupt": { "times": 2 } } })).await;
    let asked = bench.run("wf").await.json();
    assert_eq!((&asked["code"], &asked["data"]), (&json!(0), &json!("")));
    let first = &asked["interrupt_data"]["event_id"];
    let asked = bench.post("/v1/workflows/resume", resume(first)).await.json();
    let second = &asked["interrupt_data"]["event_id"];
    assert_ne!(first, second);
    let done = bench.post("/v1/workflows/resume", resume(second)).await.json();
    assert_eq!(done["usage"]["token_count"], 72);
    assert_eq!(bench.works().await.len(), 3);
}

#[tokio::test]
async fn an_interrupted_async_run_is_running_with_a_question_and_resumes_async() {
    let bench = Bench::start().await;
    bench.tell("wf", json!({ "outcome": { "interrupt": {} } })).await;
    let body = json!({ "workflow_id": "wf", "is_async": true });
    let started = bench.post("/v1/workflow/run", body).await.json();
    let id = started["execute_id"].as_str().unwrap();
    let paused = bench.history("wf", id).await.json()["data"][0].clone();
    assert_eq!(paused["execute_status"], "Running");
    let event_id = &paused["interrupt_data"]["event_id"];
    let resumed = bench.post("/v1/workflows/resume", resume(event_id)).await.json();
    assert_eq!(resumed["execute_id"], started["execute_id"]);
    let done = bench.history("wf", id).await.json()["data"][0].clone();
    assert_eq!(done["execute_status"], "Success");
}

#[tokio::test]
async fn a_chatflow_that_asks_is_continued_by_a_new_chat_on_its_conversation() {
    let bench = Bench::start().await;
    bench.tell("wf", json!({ "outcome": { "interrupt": {} } })).await;
    let body = json!({ "workflow_id": "wf", "parameters": {}, "additional_messages": [] });
    let reply = bench.post("/v1/workflows/chat", body).await;
    let paused = reply.data("conversation.chat.requires_action");
    bench.tell("wf", json!({})).await;
    let body = json!({
        "workflow_id": "wf", "parameters": {}, "additional_messages": [],
        "conversation_id": paused["conversation_id"],
    });
    let completed =
        bench.post("/v1/workflows/chat", body).await.data("conversation.chat.completed");
    assert_eq!(completed["conversation_id"], paused["conversation_id"]);
    assert_ne!(completed["id"], paused["id"]);
}
