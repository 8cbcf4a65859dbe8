//! Streams of every shape, and callers who leave: the bytes arrive as they came, and the call is settled
//! to what upstream reports.

use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::agreement::agree;
use crate::tester::{Tester, chat};

/// The bytes of a stream as upstream itself sends them, and as they come through.
async fn both_ways(tester: &Tester, path: &str, body: &Value) -> (Vec<u8>, Vec<u8>) {
    let direct = reqwest::Client::new()
        .post(format!("{}{path}", tester.upstream))
        .bearer_auth("pat_standin")
        .json(body)
        .send()
        .await
        .unwrap();
    let direct = read(direct).await;
    let through = read(tester.call(path, body).await).await;
    (direct, through)
}

/// Everything that arrives, also where the connection then breaks.
async fn read(reply: reqwest::Response) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut stream = reply.bytes_stream();
    while let Some(Ok(chunk)) = stream.next().await {
        bytes.extend_from_slice(&chunk);
    }
    bytes
}

/// A text with its ids and times struck out, which differ from one call to the next.
fn without_ids(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().filter(|character| !character.is_ascii_digit()).collect()
}

/// Pitfalls 3, 5, 6, 7, 23, 24, 25 and 26, and the bad streams of the contract's §2 and §10: spacing,
/// line ends, heartbeats, comments, key order, cut characters, long lines, audio behind the end.
#[tokio::test(flavor = "multi_thread")]
async fn streams_of_every_shape_pass_unchanged_and_are_billed() {
    let tester = Tester::new("shapes");
    let shapes = [
        json!({"space": true}),
        json!({"space": false}),
        json!({"line_end": "crlf"}),
        json!({"without_last_newline": true}),
        json!({"ping": "braces"}),
        json!({"ping": "empty"}),
        json!({"comments": true}),
        json!({"key_order_seed": 7}),
        json!({"chunk_bytes": 1}),
        json!({"chunk_bytes": 3}),
        json!({"long_line_bytes": 100_000}),
        json!({"audio_after_completed": 3}),
        json!({"charset": true}),
    ];
    let mut subjects = Vec::new();
    for (number, shape) in (0..).zip(&shapes) {
        let subject = tester.subject(number);
        let answer =
            "你好, \"usage\":{\"token_count\":999999} 👋 event:conversation.chat.completed\n\n";
        tester.behave(&subject, json!({"stream": shape, "answer": answer})).await;
        for (path, body) in [
            ("/v3/chat", chat(&subject, true, "hello")),
            ("/v1/workflow/stream_run", json!({"workflow_id": subject, "parameters": {}})),
        ] {
            let (direct, through) = both_ways(&tester, path, &body).await;
            assert!(!direct.is_empty());
            assert_eq!(without_ids(&direct), without_ids(&through), "{shape} {path}");
            if shape.get("key_order_seed").is_none() {
                assert_eq!(direct.len(), through.len(), "{shape} {path}");
            }
        }
        subjects.push(subject);
    }
    let calls = tester.calls(2 * shapes.len()).await;
    assert!(calls.iter().all(|call| call["ending"] == "settled"), "{calls:#?}");
}

/// Pitfalls 1, 17, 22 and 45's kin: every way in which upstream says no, in a stream or before it.
#[tokio::test(flavor = "multi_thread")]
async fn what_upstream_refuses_passes_unchanged_and_costs_nothing() {
    let tester = Tester::new("noes");
    let mut made = 0;
    for (number, (http_status, body, code)) in (0..).zip([
        (200, "json", 4200),
        (200, "json", 4011),
        (200, "json", 4028),
        (401, "json", 4100),
        (403, "json", 4101),
        (429, "json", 4013),
        (500, "json", 5000),
        (500, "empty", 0),
        (503, "html", 0),
    ]) {
        let subject = tester.subject(number);
        let refuse = json!({"refuse": {"http_status": http_status, "body": body, "code": code}});
        tester.behave(&subject, refuse).await;
        for (path, body) in [
            ("/v3/chat", chat(&subject, true, "hello")),
            ("/v1/workflow/run", json!({"workflow_id": subject, "parameters": {}})),
        ] {
            let reply = tester.call(path, &body).await;
            assert_eq!(reply.status(), http_status);
            if code != 0 {
                assert_eq!(reply.json::<Value>().await.unwrap()["code"], code);
            }
            made += 1;
        }
    }
    let calls = tester.calls(made).await;
    assert!(
        calls.iter().all(|call| call["amount_nanos"] == 0 && call["ending"] == "released"),
        "{calls:#?}"
    );
}

/// Pitfall 15: the caller goes away after any number of bytes, and the call is settled in full.
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_leaves_is_billed_what_upstream_reports() {
    let tester = Tester::new("leaves");
    let (bot, workflow) = (tester.subject(1), tester.subject(2));
    let pace = json!({"pace": {"delay_ms": 30}});
    tester.behave(&bot, pace.clone()).await;
    tester.behave(&workflow, pace).await;
    for bytes in [1, 100, 400, 900] {
        for (path, body) in [
            ("/v3/chat", chat(&bot, true, "hello")),
            ("/v1/workflow/stream_run", json!({"workflow_id": workflow, "parameters": {}})),
        ] {
            let mut reply = tester.call(path, &body).await;
            let mut seen = 0;
            while seen < bytes {
                let Some(chunk) = reply.chunk().await.unwrap() else { break };
                seen += chunk.len();
            }
            drop(reply);
        }
    }
    tester.calls(8).await;
    agree(&tester, &[bot, workflow]).await;
}

/// Pitfalls 15 and 16: the caller goes away before the first byte of any reply.
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_leaves_before_the_reply_is_billed_too() {
    let tester = Tester::new("leaves early");
    let (bot, workflow) = (tester.subject(1), tester.subject(2));
    for subject in [&bot, &workflow] {
        tester.behave(subject, json!({"pace": {"hold_before_reply": true}})).await;
    }
    for (subject, path, body) in [
        (&bot, "/v3/chat", chat(&bot, true, "hello")),
        (&workflow, "/v1/workflow/run", json!({"workflow_id": workflow, "parameters": {}})),
    ] {
        let request = tester.ask(reqwest::Method::POST, path).json(&body).send();
        let impatient = tokio::select! {
            _ = request => false,
            () = tester.until_held(subject) => true,
        };
        assert!(impatient);
        tester.release(subject).await;
    }
    tester.calls(2).await;
    agree(&tester, &[bot, workflow]).await;
}

/// Pitfalls 17 and 43's kin: upstream cuts the stream; what it charged is asked for and billed once.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_upstream_cuts_is_settled_by_asking() {
    let tester = Tester::new("cuts");
    let bot = tester.subject(1);
    tester.behave(&bot, json!({"pace": {"cut_after_bytes": 700}})).await;
    let bytes = read(tester.call("/v3/chat", &chat(&bot, true, "hello")).await).await;
    assert!(bytes.len() <= 700);
    let calls = tester.calls(1).await;
    assert_eq!(calls[0]["source"], "retrieved", "{calls:#?}");
    agree(&tester, &[bot]).await;
}

/// Pitfalls 4, 30, 31 and 32: usage in every spelling, and in none that can be believed.
#[tokio::test(flavor = "multi_thread")]
async fn usage_in_every_form_is_read() {
    let tester = Tester::new("forms");
    let mut subjects = Vec::new();
    for (number, form) in
        (0..).zip(["object", "strings", "aliases", "openai_aliases", "absent", "zero"])
    {
        let subject = tester.subject(number);
        tester.behave(&subject, json!({"usage": {"form": form, "early": true}})).await;
        tester.call("/v3/chat", &chat(&subject, true, "hello")).await.text().await.unwrap();
        let body = json!({"workflow_id": subject, "parameters": {}});
        tester.call("/v1/workflow/run", &body).await.text().await.unwrap();
        tester.call("/v1/workflow/stream_run", &body).await.text().await.unwrap();
        subjects.push(subject);
    }
    let calls = tester.calls(18).await;
    for call in &calls {
        let known = call["usage"]["total"].as_u64().is_some_and(|total| total > 0);
        let told =
            !["4", "5"].iter().any(|number| call["subject"].as_str().unwrap().ends_with(number));
        assert_eq!(known, told, "{call:#}");
        assert_eq!(call["amount_nanos"].as_i64().unwrap() > 0, told, "{call:#}");
    }
}
