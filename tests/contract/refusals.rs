//! Refusals of every kind: ordered ones, credentials, parameters, unknown paths, sizes.

use reqwest::Method;
use serde_json::{Value, json};

use crate::bench::{Bench, chat_body, read, run_body};

#[tokio::test]
async fn business_errors_come_with_http_200_on_json_and_stream_requests_alike() {
    let bench = Bench::start().await;
    for code in [4200, 4011, 4028] {
        bench.tell("s", json!({ "refuse": { "code": code, "msg": "no" } })).await;
        for reply in [bench.run("s").await, bench.stream_run("s").await, bench.chat("s").await] {
            assert_eq!((reply.status.as_u16(), reply.code()), (200, Some(code)));
            assert_eq!(reply.content_type, "application/json");
        }
    }
    assert_eq!(bench.works().await, []);
}

#[tokio::test]
async fn http_errors_come_with_json_empty_and_html_bodies() {
    let bench = Bench::start().await;
    for status in [401, 403, 429, 500, 502] {
        for (body, content_type) in
            [("json", "application/json"), ("empty", ""), ("html", "text/html; charset=utf-8")]
        {
            bench.tell("s", json!({ "refuse": { "http_status": status, "body": body } })).await;
            let reply = bench.run("s").await;
            assert_eq!(
                (reply.status.as_u16(), reply.content_type.as_str()),
                (status, content_type)
            );
            assert_eq!(reply.text().is_empty(), body == "empty");
        }
    }
}

#[tokio::test]
async fn a_limited_refusal_lets_the_next_call_through() {
    let bench = Bench::start().await;
    bench.tell("wf", json!({ "refuse": { "http_status": 429, "times": 2 } })).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(bench.run("wf").await.status.as_u16());
    }
    assert_eq!(statuses, [429, 429, 200]);
    assert_eq!(bench.works().await.len(), 1);
}

#[tokio::test]
async fn only_the_right_credential_is_let_in() {
    let bench = Bench::start().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = |token: Option<&str>| {
        let request = client.post(bench.url("/v1/workflow/run")).json(&run_body("wf"));
        match token {
            Some(token) => read(request.header("authorization", token)),
            None => read(request),
        }
    };
    for (token, code) in [
        (None, 4100),
        (Some("Bearer pat_other"), 4100),
        (Some("pat_standin"), 4100),
        (Some("Bearer czs_unknown"), 700_012_006),
    ] {
        let reply = ask(token).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (401, Some(code)), "{token:?}");
    }
    assert_eq!(ask(Some("bearer pat_standin")).await.code(), Some(0));
    assert_eq!(bench.works().await.len(), 1);
}

#[tokio::test]
async fn wrong_parameters_are_told_apart() {
    let bench = Bench::start().await;
    let chat = |change: fn(&mut Value)| {
        let mut body = chat_body("bot", false);
        change(&mut body);
        body
    };
    let cases = [
        ("/v3/chat", chat(|body| body["bot_id"] = Value::Null), 4000),
        ("/v3/chat", chat(|body| body["user_id"] = json!("")), 4000),
        ("/v3/chat", chat(|body| body["stream"] = json!("yes")), 4000),
        ("/v3/chat", chat(|body| body["auto_save_history"] = json!(false)), 4007),
        ("/v3/chat", chat(|body| body["additional_messages"] = json!(vec![json!({}); 101])), 4004),
        ("/v1/workflow/run", json!({}), 4000),
        ("/v1/workflow/run", json!({ "workflow_id": "w", "bot_id": "b", "app_id": "a" }), 4000),
        ("/v1/workflow/stream_resume", json!({ "workflow_id": "w" }), 4000),
        ("/v1/audio/speech", json!({ "input": "x" }), 4000),
    ];
    for (path, body, code) in cases {
        let reply = bench.post(path, body.clone()).await;
        assert_eq!(reply.code(), Some(code), "{path} {body}");
    }
    let lone = "/v3/chat/retrieve?conversation_id=1&chat_id=2";
    assert_eq!(bench.get(lone).await.code(), Some(4001));
    assert_eq!(bench.works().await, []);
}

#[tokio::test]
async fn parameters_are_taken_as_an_object_and_as_a_string() {
    let bench = Bench::start().await;
    let run = |parameters: Value| json!({ "workflow_id": "w", "parameters": parameters });
    let object = bench.post("/v1/workflow/run", run(json!({ "a": 1 }))).await.json();
    let string = bench.post("/v1/workflow/run", run(json!(r#"{"a":1}"#))).await.json();
    assert_eq!(object["data"], string["data"]);
}

#[tokio::test]
async fn unknown_paths_and_methods_get_the_upstreams_404_with_a_log_id() {
    let bench = Bench::start().await;
    for (method, path) in
        [(Method::GET, "/v3/nothing"), (Method::GET, "/v3/chat"), (Method::POST, "/")]
    {
        let reply = read(bench.request(method, path)).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (404, Some(4200)), "{path}");
        assert_eq!(reply.json()["detail"]["logid"], reply.logid.as_str());
    }
}

#[tokio::test]
async fn a_body_beyond_20_mb_is_refused_and_one_below_is_not() {
    let bench = Bench::start().await;
    let body = |bytes: usize| json!({ "workflow_id": "wf", "parameters": "x".repeat(bytes) });
    let reply = bench.post("/v1/workflow/run", body(21 << 20)).await;
    assert_eq!(reply.status, 413);
    let reply = bench.post("/v1/workflow/run", body(19 << 20)).await;
    assert_eq!(reply.code(), Some(0));
}

#[tokio::test]
async fn a_run_can_leave_its_code_out_and_return_plain_text() {
    let bench = Bench::start().await;
    bench.tell("wf", json!({ "run_without_code": true, "run_data": "not { JSON" })).await;
    let run = bench.run("wf").await.json();
    assert!(run.get("code").is_none());
    assert_eq!(run["data"], "not { JSON");
}
