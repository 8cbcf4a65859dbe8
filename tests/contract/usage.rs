//! How much is used, and the forms in which the wire tells it.

use serde_json::{Value, json};

use crate::bench::Bench;

#[tokio::test]
async fn usage_counts_characters_unless_told_otherwise() {
    let bench = Bench::start().await;
    let message = |text: &str| json!({ "role": "user", "content": text, "content_type": "text" });
    let body = json!({
        "bot_id": "bot", "user_id": "u", "stream": true,
        "additional_messages": [message("你好"), message("Hello")],
    });
    let completed = bench.post("/v3/chat", body).await.data("conversation.chat.completed");
    let usage = json!({ "input_count": 7, "output_count": 15, "token_count": 22 });
    assert_eq!(completed["usage"], usage);

    let run = bench.run("wf").await.json();
    let usage = json!({ "input_count": 17, "output_count": 55, "token_count": 72 });
    assert_eq!(run["usage"], usage);

    let nothing = json!({ "workflow_id": "wf" });
    let run = bench.post("/v1/workflow/run", nothing).await.json();
    assert_eq!(run["usage"]["input_count"], 1);
}

/// A run whose usage takes this form, with the members that tell it.
async fn told(form: &str) -> Vec<(String, Value)> {
    let bench = Bench::start().await;
    let usage = json!({ "input_count": 310, "output_count": 55, "form": form });
    bench.tell("wf", json!({ "usage": usage })).await;
    let run = bench.run("wf").await.json();
    let works = bench.works().await;
    assert_eq!(
        (works[0].token_count, works[0].billable),
        (365, true),
        "the record keeps the truth"
    );
    let members = run.as_object().unwrap().clone();
    members
        .into_iter()
        .filter(|(key, _)| matches!(key.as_str(), "usage" | "token" | "cost"))
        .collect()
}

#[tokio::test]
async fn every_form_of_usage_can_be_told() {
    let one = |key: &str, value: Value| vec![(key.to_owned(), value)];
    assert_eq!(told("absent").await, []);
    let zero = json!({ "input_count": 0, "output_count": 0, "token_count": 0 });
    assert_eq!(told("zero").await, one("usage", zero));
    let strings = json!({ "input_count": "310", "output_count": "55", "token_count": "365" });
    assert_eq!(told("strings").await, one("usage", strings));
    let aliases = json!({ "input_tokens": 310, "output_tokens": 55, "token_count": 365 });
    assert_eq!(told("aliases").await, one("usage", aliases));
    let openai = json!({ "prompt_tokens": 310, "completion_tokens": 55, "total_tokens": 365 });
    assert_eq!(told("openai_aliases").await, one("usage", openai));
    let legacy = vec![("cost".to_owned(), json!("0")), ("token".to_owned(), json!(365))];
    assert_eq!(told("token").await, legacy);
}

#[tokio::test]
async fn absurd_counts_are_told_as_they_are() {
    let bench = Bench::start().await;
    let usage =
        json!({ "input_count": -5, "output_count": 9_007_199_254_740_993_i64, "token_count": 3 });
    bench.tell("bot", json!({ "usage": usage })).await;
    let completed = bench.chat("bot").await.data("conversation.chat.completed");
    assert_eq!(completed["usage"], usage);
}

#[tokio::test]
async fn a_chat_and_a_history_can_be_silent_about_usage() {
    let bench = Bench::start().await;
    bench.tell("s", json!({ "usage": { "form": "absent" } })).await;
    let reply = bench.chat("s").await;
    assert!(!reply.text().contains("usage"));
    let body = json!({ "workflow_id": "s", "is_async": true });
    let started = bench.post("/v1/workflow/run", body).await.json();
    let history = bench.history("s", started["execute_id"].as_str().unwrap()).await.json();
    assert!(history["data"][0].get("usage").is_none());
    assert_eq!(history["data"][0]["token"], "0");
}

#[tokio::test]
async fn early_messages_of_a_workflow_can_carry_smaller_usages() {
    let bench = Bench::start().await;
    bench.tell("wf", json!({ "usage": { "early": true } })).await;
    let reply = bench.stream_run("wf").await;
    let totals: Vec<i64> = reply
        .events()
        .iter()
        .filter(|(name, _)| name == "Message")
        .map(|(_, data)| serde_json::from_str::<Value>(data).unwrap())
        .map(|data| data["usage"]["token_count"].as_i64().unwrap())
        .collect();
    assert_eq!(totals, [17, 18, 19, 72]);
}
