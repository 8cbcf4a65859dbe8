//! What polling an unfinished unit of work gives.

use reqwest::Method;
use serde_json::{Value, json};
use stand_in::Status;

use crate::bench::{Bench, chat_query, read};

async fn start_async(bench: &Bench, workflow_id: &str) -> String {
    let body = json!({ "workflow_id": workflow_id, "is_async": true, "parameters": {} });
    let started = bench.post("/v1/workflow/run", body).await.json();
    assert!(started.get("code").is_none(), "the documented sample has no code");
    started["execute_id"].as_str().unwrap().to_owned()
}

async fn execution(bench: &Bench, workflow_id: &str, execute_id: &str) -> Value {
    bench.history(workflow_id, execute_id).await.json()["data"][0].clone()
}

#[tokio::test]
async fn an_async_run_is_running_for_so_many_polls_and_then_succeeds() {
    let bench = Bench::start().await;
    bench.tell("wf", json!({ "polls": { "before_done": 2 } })).await;
    let id = start_async(&bench, "wf").await;
    for _ in 0..2 {
        assert_eq!(bench.works().await[0].status, Status::Running);
        let running = execution(&bench, "wf", &id).await;
        assert_eq!(
            (&running["execute_status"], &running["output"]),
            (&json!("Running"), &json!(""))
        );
        assert_eq!(running["usage"]["token_count"], 0);
    }
    let done = execution(&bench, "wf", &id).await;
    assert_eq!((&done["execute_status"], &done["run_mode"]), (&json!("Success"), &json!(2)));
    assert_eq!(done["usage"]["token_count"], 57);
}

#[tokio::test]
async fn an_async_run_can_fail() {
    let bench = Bench::start().await;
    let behaviour =
        json!({ "polls": { "before_done": 1 }, "outcome": { "fail": { "code": 5000 } } });
    bench.tell("wf", behaviour).await;
    let id = start_async(&bench, "wf").await;
    assert_eq!(execution(&bench, "wf", &id).await["execute_status"], "Running");
    let failed = execution(&bench, "wf", &id).await;
    assert_eq!(
        (&failed["execute_status"], &failed["error_code"]),
        (&json!("Fail"), &json!("5000"))
    );
    assert!(!bench.works().await[0].billable);
}

#[tokio::test]
async fn an_execution_can_be_unknown_or_forgotten() {
    let bench = Bench::start().await;
    assert_eq!(bench.history("wf", "1").await.code(), Some(4314));
    bench.tell("wf", json!({ "polls": { "history_forgotten": true } })).await;
    let id = start_async(&bench, "wf").await;
    assert_eq!(bench.history("wf", &id).await.code(), Some(4314));
}

#[tokio::test]
async fn an_async_run_can_wait_for_its_release() {
    let bench = Bench::start().await;
    bench.tell("wf", json!({ "polls": { "until_released": true } })).await;
    let id = start_async(&bench, "wf").await;
    for _ in 0..3 {
        assert_eq!(execution(&bench, "wf", &id).await["execute_status"], "Running");
    }
    bench.release("wf").await;
    bench.works_ended(1).await;
    assert_eq!(execution(&bench, "wf", &id).await["execute_status"], "Success");
}

#[tokio::test]
async fn a_chat_can_be_created_in_each_first_status() {
    let bench = Bench::start().await;
    for status in ["in_progress", "created", "completed"] {
        bench.tell("bot", json!({ "polls": { "first_status": status } })).await;
        let created = bench.chat_polled("bot").await.json();
        assert_eq!(created["data"]["status"], status);
        let expected = if status == "completed" { 20 } else { 0 };
        assert_eq!(created["data"]["usage"]["token_count"], expected);
    }
}

#[tokio::test]
async fn a_chat_is_retrieved_by_get_and_by_post() {
    let bench = Bench::start().await;
    bench.tell("bot", json!({ "polls": { "before_done": 1 } })).await;
    let created = bench.chat_polled("bot").await.json();
    let path = format!("/v3/chat/retrieve?{}", chat_query(&created["data"]));
    let first = bench.get(&path).await.json();
    assert_eq!(first["data"]["status"], "in_progress");
    let second = read(bench.request(Method::POST, &path)).await.json();
    assert_eq!(second["data"]["status"], "completed");
    let list = bench.get(&format!("/v3/chat/message/list?{}", chat_query(&created["data"]))).await;
    let list = list.json();
    let kinds: Vec<_> = list["data"].as_array().unwrap().iter().map(|said| &said["type"]).collect();
    assert_eq!(kinds, ["answer", "verbose"]);
}

#[tokio::test]
async fn polls_can_be_refused_for_a_while() {
    let bench = Bench::start().await;
    let refuse = json!({ "http_status": 500, "body": "html", "times": 1 });
    bench.tell("bot", json!({ "refuse_polls": refuse })).await;
    let created = bench.chat_polled("bot").await.json();
    assert_eq!(bench.retrieve(&created["data"]).await.status, 500);
    assert_eq!(bench.retrieve(&created["data"]).await.json()["data"]["status"], "completed");
}

#[tokio::test]
async fn a_conversation_has_one_running_chat_at_a_time() {
    let bench = Bench::start().await;
    bench.tell("bot", json!({ "polls": { "before_done": 1 } })).await;
    let created = bench.chat_polled("bot").await.json();
    let conversation_id = created["data"]["conversation_id"].as_str().unwrap();
    let path = format!("/v3/chat?conversation_id={conversation_id}");
    let body = json!({ "bot_id": "bot", "user_id": "u" });
    assert_eq!(bench.post(&path, body.clone()).await.code(), Some(4016));
    bench.retrieve(&created["data"]).await;
    assert_eq!(bench.post(&path, body).await.code(), Some(0));
    assert_eq!(bench.works().await.len(), 2);
}
