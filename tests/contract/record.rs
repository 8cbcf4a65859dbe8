//! The record of works and of requests, the journal file, and the control paths.

use std::path::PathBuf;

use reqwest::Method;
use serde_json::{Value, json};
use stand_in::{Clock, Config, Kind, Status};

use crate::bench::{Bench, NOW, chat_body, read, run_body};

#[tokio::test]
async fn a_work_says_who_asked_for_what_and_what_it_cost() {
    let bench = Bench::start().await;
    let info = r#"{"device_id":"d1","custom_consumer":"account-7"}"#;
    let request = bench.request(Method::POST, "/v3/chat").header("x-coze-deviceinfo", info);
    let reply = read(request.json(&chat_body("bot", true))).await;
    let chat = reply.data("conversation.chat.completed");
    let work = bench.works().await.remove(0);
    assert_eq!((work.kind, work.subject.as_str()), (Kind::Chat, "bot"));
    assert_eq!(work.chat_id.as_deref(), chat["id"].as_str());
    assert_eq!(work.conversation_id.as_deref(), chat["conversation_id"].as_str());
    assert_eq!(work.user_id.as_deref(), Some("u1"));
    assert_eq!(work.account_hint.as_deref(), Some("account-7"));
    assert_eq!((work.input_count, work.output_count, work.token_count), (5, 15, 20));
    assert_eq!((work.status, work.billable, work.request_no), (Status::Completed, true, 1));
    for id in [Some(work.work_id), work.chat_id, work.conversation_id] {
        assert!(id.unwrap().parse::<u64>().unwrap() > 1 << 53);
    }
}

#[tokio::test]
async fn a_request_is_seen_whole_but_its_credential_only_by_kind() {
    let bench = Bench::start().await;
    let request = bench.request(Method::POST, "/v3/chat?conversation_id=").body("{}");
    read(request.header("x-twice", "a").header("x-twice", "b")).await;
    read(bench.request(Method::GET, "/v1/chat?authorization=Bearer%20pat_secret&bot_id=b")).await;
    let seen = bench.requests().await.requests;
    assert_eq!(seen.len(), 2, "control requests are not recorded");
    assert_eq!((seen[0].method.as_str(), seen[0].path.as_str()), ("POST", "/v3/chat"));
    assert_eq!(seen[0].query.as_deref(), Some("conversation_id="));
    assert_eq!(seen[0].headers["authorization"], "Bearer pat");
    assert_eq!(seen[0].headers["x-twice"], "a, b");
    assert_eq!(seen[0].body_bytes, Some(2));
    let empty_object = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    assert_eq!(seen[0].body_sha256.as_deref(), Some(empty_object));
    assert_eq!(seen[1].query.as_deref(), Some("authorization=Bearer pat&bot_id=b"));
    let later = bench.get("/_standin/requests?after=1&at_least=1").await.json();
    assert_eq!(later["requests"][0]["no"], 2);
}

#[tokio::test]
async fn waiting_for_what_does_not_come_ends_with_408() {
    let bench = Bench::start().await;
    let paths = ["works?final_at_least=1", "requests?at_least=1", "subjects/s/held?at_least=1"];
    bench.tell("s", json!({})).await;
    for path in paths {
        let reply = bench.get(&format!("/_standin/{path}&within_ms=20")).await;
        assert_eq!(reply.status, 408, "{path}");
    }
    assert_eq!(bench.get("/_standin/subjects/nobody/held").await.status, 404);
}

#[tokio::test]
async fn a_misspelt_or_oversized_behaviour_is_refused() {
    let bench = Bench::start().await;
    for behaviour in [
        json!({ "anser": "x" }),
        json!({ "stream": { "chunk": 1 } }),
        json!({ "outcome": { "fail": { "cod": 1 } } }),
        json!({ "deltas": 1_000_000 }),
        json!({ "stream": { "long_line_bytes": 1_u64 << 40 } }),
        json!({ "pace": { "silence_ms": 3_600_000 } }),
    ] {
        let request = bench.request(Method::PUT, "/_standin/subjects/s").json(&behaviour);
        assert!(read(request).await.status.is_client_error(), "{behaviour}");
    }
}

#[tokio::test]
async fn a_behaviour_can_be_read_back_and_taken_away() {
    let bench = Bench::start().await;
    bench.tell("s", json!({ "answer": "x" })).await;
    assert_eq!(bench.get("/_standin/subjects/s").await.json()["answer"], "x");
    read(bench.request(Method::DELETE, "/_standin/subjects/s")).await;
    assert_eq!(bench.get("/_standin/subjects/s").await.json()["answer"], Value::Null);
}

#[tokio::test]
async fn a_reset_forgets_everything_but_gives_no_id_twice() {
    let bench = Bench::start().await;
    bench.tell("bot", json!({ "answer": "x" })).await;
    let before = bench.chat("bot").await.data("conversation.chat.created");
    assert_eq!(bench.post("/_standin/reset", json!({})).await.status, 204);
    let page = bench.get("/_standin/works").await.json();
    assert_eq!(page["works"], json!([]));
    assert!(bench.requests().await.requests.is_empty());
    assert_eq!(bench.retrieve(&before).await.code(), Some(4001));
    let after = bench.chat("bot").await;
    assert!(after.text().contains("You said"));
    let id = |chat: &Value| chat["id"].as_str().unwrap().parse::<u64>().unwrap();
    assert!(id(&after.data("conversation.chat.created")) > id(&before));
}

/// A file of its own, removed with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("stand-in-{name}-{}.jsonl", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _was_not_there = std::fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn works_survive_in_the_journal_file_even_behind_a_torn_line() {
    let scratch = Scratch::new("journal");
    let config = || Config {
        clock: Clock::Fixed(NOW),
        journal_file: Some(scratch.0.clone()),
        ..Config::default()
    };
    let first = Bench::start_with(config()).await;
    first.tell("waits", json!({ "polls": { "before_done": 9 } })).await;
    let done = first.chat_polled("bot").await.json();
    let mut body = run_body("waits");
    body["is_async"] = json!(true);
    let waiting = first.post("/v1/workflow/run", body).await.json();
    first.stop().await;
    let torn = std::fs::OpenOptions::new().append(true).open(&scratch.0);
    std::io::Write::write_all(&mut torn.unwrap(), b"{\"work_id\":\"7").unwrap();

    let second = Bench::start_with(config()).await;
    let works = second.works().await;
    assert_eq!((works[0].status, works[0].token_count), (Status::Completed, 20));
    assert_eq!((works[1].status, works[1].billable), (Status::Failed, false));
    let chat = second.retrieve(&done["data"]).await.json();
    assert_eq!(chat["data"]["usage"]["token_count"], 20);
    let id = waiting["execute_id"].as_str().unwrap();
    let history = second.history("waits", id).await.json();
    assert_eq!(history["data"][0]["execute_status"], "Fail");
    let fresh = second.chat_polled("bot").await.json();
    assert_ne!(fresh["data"]["id"], done["data"]["id"]);
    second.stop().await;

    let third = Bench::start_with(config()).await;
    assert_eq!(third.works().await.len(), 3);
}
