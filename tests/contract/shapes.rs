//! How streams are spelt and cut: each switch of the stream's shape.

use serde_json::{Value, json};

use crate::bench::{Bench, Reply, run_body};

async fn shaped(stream: Value) -> (Reply, Reply) {
    let bench = Bench::start().await;
    bench.tell("subject", json!({ "answer": "水とHello", "stream": stream })).await;
    let chat = bench.chat("subject").await;
    let run = bench.stream_run("subject").await;
    assert!(!chat.cut && !run.cut);
    (chat, run)
}

#[tokio::test]
async fn spacing_can_be_turned_round() {
    let (chat, _) = shaped(json!({ "space": true })).await;
    assert!(chat.text().starts_with("event: conversation.chat.created\ndata: {"));
    let (_, run) = shaped(json!({ "space": false })).await;
    assert!(run.text().starts_with("id:0\nevent:Message\ndata:{"));
}

#[tokio::test]
async fn the_last_newline_can_be_missing() {
    let (chat, run) = shaped(json!({ "without_last_newline": true })).await;
    assert!(chat.text().ends_with("data:\"[DONE]\""));
    assert!(run.text().ends_with("\"}"));
}

#[tokio::test]
async fn lines_can_end_with_carriage_returns() {
    let (chat, run) = shaped(json!({ "line_end": "crlf" })).await;
    for text in [chat.text(), run.text()] {
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
        assert!(text.ends_with("\r\n\r\n"));
    }
}

#[tokio::test]
async fn heartbeats_carry_braces_or_nothing() {
    let (_, run) = shaped(json!({ "ping": "braces" })).await;
    assert!(run.text().contains("id: 1\nevent: PING\ndata: {}\n\n"));
    let (_, run) = shaped(json!({ "ping": "empty" })).await;
    assert!(run.text().contains("id: 1\nevent: PING\ndata: \n\n"));
    let ids: Vec<usize> =
        run.text().lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect();
    assert_eq!(ids, (0..run.events().len()).collect::<Vec<_>>());
}

#[tokio::test]
async fn comments_can_stand_before_events() {
    let (chat, run) = shaped(json!({ "comments": true })).await;
    for reply in [chat, run] {
        assert_eq!(reply.text().matches(": keep-alive\n").count(), reply.events().len());
    }
}

#[tokio::test]
async fn key_order_can_be_drawn_from_a_seed() {
    let order = |reply: &Reply| -> Vec<Vec<String>> {
        let keys = |data: String| {
            let pieces =
                data.split("\",\"").map(|piece| piece.split('"').next().unwrap_or("").to_owned());
            pieces.collect()
        };
        reply.events().into_iter().map(|(_, data)| keys(data)).collect()
    };
    let (plain, _) = shaped(json!({})).await;
    let (first, _) = shaped(json!({ "key_order_seed": 1 })).await;
    let (again, _) = shaped(json!({ "key_order_seed": 1 })).await;
    let (other, _) = shaped(json!({ "key_order_seed": 2 })).await;
    assert_eq!(order(&first), order(&again));
    assert_ne!(order(&first), order(&plain));
    assert_ne!(order(&first), order(&other));
    let data = |reply: &Reply| reply.data("conversation.chat.completed");
    assert_eq!(data(&first), data(&plain));
}

#[tokio::test]
async fn chunks_of_one_byte_split_characters_and_keep_every_byte() {
    let (plain, _) = shaped(json!({})).await;
    let (chat, _) = shaped(json!({ "chunk_bytes": 1 })).await;
    assert_eq!(chat.text(), plain.text());
    let first_byte = "水".as_bytes()[0];
    assert!(
        chat.chunks.iter().any(|chunk| chunk.last() == Some(&first_byte)),
        "no chunk ended inside a character"
    );
}

#[tokio::test]
async fn a_line_can_be_longer_than_64_kib() {
    let (chat, run) = shaped(json!({ "long_line_bytes": 100_000 })).await;
    let longest = |reply: &Reply| reply.text().lines().map(str::len).max().unwrap();
    assert!(longest(&chat) > 100_000 && longest(&run) > 100_000);
    let audio = chat.data("conversation.audio.delta");
    assert_eq!(audio["content_type"], "audio");
}

#[tokio::test]
async fn audio_can_follow_the_completed_event() {
    let (chat, _) = shaped(json!({ "audio_after_completed": 2 })).await;
    let names = chat.names();
    let tail = [
        "conversation.chat.completed",
        "conversation.audio.delta",
        "conversation.audio.delta",
        "done",
    ];
    assert_eq!(names[names.len() - 4..], tail);
}

#[tokio::test]
async fn the_content_type_can_name_its_charset() {
    let (chat, _) = shaped(json!({ "charset": true })).await;
    assert_eq!(chat.content_type, "text/event-stream; charset=utf-8");
}

#[tokio::test]
async fn json_replies_can_come_in_small_chunks_too() {
    let bench = Bench::start().await;
    bench.tell("wf", json!({ "stream": { "chunk_bytes": 7 } })).await;
    let reply = bench.post("/v1/workflow/run", run_body("wf")).await;
    assert!(reply.chunks.iter().all(|chunk| chunk.len() <= 7));
    assert_eq!(reply.code(), Some(0));
}
