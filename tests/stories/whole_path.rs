//! One call of each kind, made by the official libraries, until it stands in the books of both sides.

use serde_json::{Value, json};

use crate::clients::Library;
use crate::tester::{Tester, chat, until};

#[track_caller]
fn check(call: &Value, operation: &str, usage: [u64; 3], quota: &str) {
    assert_eq!(call["operation"], operation, "{call:#}");
    assert_eq!(call["ending"], "settled", "{call:#}");
    let [input, output, total] = usage;
    assert_eq!(call["usage"], json!({"input": input, "output": output, "total": total}));
    assert_eq!(call["amount_quota"], quota);
    assert_eq!(call["price"]["kind"], "per_token");
}

/// A chat of 5 characters, answered by "You said: …" with 15; a run of `{"text":"hello"}`.
async fn one_of_each(library: Library) {
    let tester = Tester::new(&format!("one of each, {library:?}"));
    let (bot, workflow) = (tester.subject(1), tester.subject(2));
    let streamed =
        library.does(&tester, &["--do", "chat-stream", "--bot-id", &bot, "--text", "hello"]).await;
    assert_eq!(streamed["text"], "You said: hello");
    let polled =
        library.does(&tester, &["--do", "chat-poll", "--bot-id", &bot, "--text", "hello"]).await;
    assert_eq!(polled["status"], "completed");
    let run = library
        .does(&tester, &["--do", "run", "--workflow-id", &workflow, "--text", "hello"])
        .await;
    let stream_run = library
        .does(&tester, &["--do", "run-stream", "--workflow-id", &workflow, "--text", "hello"])
        .await;

    let calls = tester.calls(4).await;
    let [streamed_call, polled_call, run_call, stream_run_call] = calls.as_slice() else {
        panic!()
    };
    check(streamed_call, "chat", [5, 15, 20], "20");
    assert_eq!(streamed_call["chat_id"], streamed["chat_id"]);
    assert_eq!(streamed_call["conversation_id"], streamed["conversation_id"]);
    assert_eq!(streamed_call["source"], "reported");
    check(polled_call, "chat", [5, 15, 20], "20");
    assert_eq!(polled_call["chat_id"], polled["chat_id"]);
    assert_eq!(polled_call["source"], "retrieved");
    let works = tester.works(&workflow).await;
    for (call, work, said, operation) in [
        (run_call, &works[0], &run, "workflow_run"),
        (stream_run_call, &works[1], &stream_run, "workflow_stream_run"),
    ] {
        let input = work["input_count"].as_u64().unwrap();
        check(call, operation, [input, 55, input + 55], &(input + 55).to_string());
        assert_eq!(call["execute_id"], work["execute_id"]);
        assert_eq!(said["usage"]["token_count"], input + 55, "{said:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cozepy_runs_unchanged_and_every_call_is_listed_once() {
    one_of_each(Library::Python).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn coze_api_runs_unchanged_and_every_call_is_listed_once() {
    one_of_each(Library::JavaScript).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_passes_unchanged_and_at_once() {
    let tester = Tester::new("at once");
    let bot = tester.subject(1);
    tester.behave(&bot, json!({"pace": {"hold_after_events": [3]}})).await;
    let mut reply = tester.call("/v3/chat", &chat(&bot, true, "hello")).await;
    assert_eq!(
        reply.headers()["content-type"].to_str().unwrap().split(';').next(),
        Some("text/event-stream")
    );
    let mut seen = Vec::new();
    // Upstream is held back after its third event, and yet the first three are here.
    while seen.windows(2).filter(|pair| pair == b"\n\n").count() < 3 {
        seen.extend_from_slice(&reply.chunk().await.unwrap().expect("three events"));
    }
    tester.release(&bot).await;
    while let Some(chunk) = reply.chunk().await.unwrap() {
        seen.extend_from_slice(&chunk);
    }
    let text = String::from_utf8(seen).unwrap();
    assert!(text.starts_with("event:conversation.chat.created\ndata:{"), "{text}");
    assert!(text.ends_with("event:done\ndata:\"[DONE]\"\n\n"), "{text}");
    tester.calls(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_that_nobody_polls_is_settled_all_the_same() {
    let tester = Tester::new("never polled");
    let bot = tester.subject(1);
    tester.behave(&bot, json!({"polls": {"before_done": 1}})).await;
    let reply = tester.call("/v3/chat", &chat(&bot, false, "hello")).await;
    assert_eq!(reply.status(), 200);
    let calls = tester.calls(1).await;
    check(&calls[0], "chat", [5, 15, 20], "20");
    assert_eq!(calls[0]["source"], "retrieved");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_agree_and_say_so() {
    let tester = Tester::new("agree");
    let workflow = tester.subject(1);
    let body = json!({"workflow_id": workflow, "parameters": {}});
    let reply = tester.call("/v1/workflow/run", &body).await;
    let charge = reply.headers()["weir-charge"].to_str().unwrap().to_owned();
    let call_id = reply.headers()["weir-call-id"].to_str().unwrap().to_owned();
    assert_eq!(
        reply.headers()["weir-balance"].to_str().unwrap(),
        (1_000_000 - charge.parse::<i64>().unwrap()).to_string()
    );
    let calls = tester.calls(1).await;
    assert_eq!(calls[0]["call_id"], call_id);
    assert_eq!(calls[0]["amount_quota"], charge);
    let health = until("health to be whole", async || {
        let health = tester.origin_as_admin("/health").await;
        (health["status"] == "ok" && health["database"] == "connected").then_some(health)
    })
    .await;
    assert!(health["uptime"].is_u64(), "{health:#}");
}
