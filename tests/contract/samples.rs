//! The contract's composed samples, byte for byte. Ids, which differ from one run to the next, are
//! put in from the reply itself.

use serde_json::{Value, json};

use crate::bench::{Bench, chat_body, run_body};

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

/// The sample with its ids replaced by those of this run.
fn with_ids(sample: &str, ids: &[(&str, &str)]) -> String {
    ids.iter().fold(sample.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// The execution a debug URL names.
fn execute_id(url: &str) -> &str {
    url.split("execute_id=").nth(1).unwrap().split('&').next().unwrap()
}

const CHAT_STREAM: &str = r#"event:conversation.chat.created
data:{"id":"7501","conversation_id":"7509","bot_id":"7490","created_at":1764000000,"last_error":{"code":0,"msg":""},"status":"created","usage":{"token_count":0,"output_count":0,"input_count":0},"section_id":"7509"}

event:conversation.chat.in_progress
data:{"id":"7501","conversation_id":"7509","bot_id":"7490","created_at":1764000000,"last_error":{"code":0,"msg":""},"status":"in_progress","usage":{"token_count":0,"output_count":0,"input_count":0},"section_id":"7509"}

event:conversation.message.delta
data:{"id":"7511","conversation_id":"7509","bot_id":"7490","role":"assistant","type":"answer","content":"Hel","content_type":"text","chat_id":"7501","section_id":"7509"}

event:conversation.message.delta
data:{"id":"7511","conversation_id":"7509","bot_id":"7490","role":"assistant","type":"answer","content":"lo","content_type":"text","chat_id":"7501","section_id":"7509"}

event:conversation.message.completed
data:{"id":"7511","conversation_id":"7509","bot_id":"7490","role":"assistant","type":"answer","content":"Hello","content_type":"text","chat_id":"7501","section_id":"7509","created_at":1764000002}

event:conversation.message.completed
data:{"id":"7512","conversation_id":"7509","bot_id":"7490","role":"assistant","type":"verbose","content":"{\"msg_type\":\"generate_answer_finish\",\"data\":\"{\\\"finish_reason\\\":0}\",\"from_module\":null,\"from_unit\":null}","content_type":"text","chat_id":"7501","section_id":"7509"}

event:conversation.chat.completed
data:{"id":"7501","conversation_id":"7509","bot_id":"7490","created_at":1764000000,"completed_at":1764000003,"last_error":{"code":0,"msg":""},"status":"completed","usage":{"token_count":140,"output_count":40,"input_count":100},"section_id":"7509"}

event:done
data:"[DONE]"

"#;

#[tokio::test]
async fn a_chat_streams_the_contracts_sample() {
    let bench = Bench::start().await;
    let usage = json!({ "input_count": 100, "output_count": 40 });
    bench.tell("bot-1", json!({ "answer": "Hello", "deltas": 2, "usage": usage })).await;
    let reply = bench.chat("bot-1").await;
    let chat = reply.data("conversation.chat.created");
    let messages: Vec<Value> = reply
        .events()
        .iter()
        .filter(|(name, _)| name == "conversation.message.completed")
        .map(|(_, data)| serde_json::from_str(data).unwrap())
        .collect();
    let ids = [
        ("7501", text(&chat, "id")),
        ("7509", text(&chat, "conversation_id")),
        ("7490", "bot-1"),
        ("7511", text(&messages[0], "id")),
        ("7512", text(&messages[1], "id")),
    ];
    assert_eq!(reply.text(), with_ids(CHAT_STREAM, &ids));
    assert_eq!(reply.content_type, "text/event-stream");
}

const CHATFLOW_TAIL: &str = r#"event: conversation.chat.completed
data: {"usage":{"input_count":21,"token_count":32,"output_count":11},"status":"completed","id":"7601","conversation_id":"7609","section_id":"7609","created_at":1764000000,"completed_at":1764000004,"last_error":{"msg":"","code":0}}

event: done
data: {"debug_url":"https://www.coze.cn/work_flow?execute_id=7602\u0026space_id=1\u0026workflow_id=7480\u0026execute_mode=2"}

"#;

#[tokio::test]
async fn a_chatflow_ends_as_the_contracts_sample() {
    let bench = Bench::start().await;
    bench.tell("wf-1", json!({ "usage": { "input_count": 21, "output_count": 11 } })).await;
    let body = json!({ "workflow_id": "wf-1", "parameters": {}, "additional_messages": [] });
    let reply = bench.post("/v1/workflows/chat", body).await;
    let chat = reply.data("conversation.chat.created");
    let done = reply.data("done");
    let ids = [
        ("7601", text(&chat, "id")),
        ("7609", text(&chat, "conversation_id")),
        ("7602", execute_id(text(&done, "debug_url"))),
        ("7480", "wf-1"),
    ];
    let tail = with_ids(CHATFLOW_TAIL, &ids);
    assert!(reply.text().ends_with(&tail), "{}", reply.text());
    assert!(chat.get("bot_id").is_none());
}

const CHAT_FAILED_TAIL: &str = r#"event:conversation.chat.failed
data:{"id":"7501","conversation_id":"7509","bot_id":"7490","created_at":1764000000,"failed_at":1764000001,"last_error":{"code":4028,"msg":"credits exhausted"},"status":"failed","usage":{"token_count":0,"output_count":0,"input_count":0}}

event:done
data:"[DONE]"

"#;

#[tokio::test]
async fn a_failed_chat_ends_as_the_contracts_sample() {
    let bench = Bench::start().await;
    bench.tell("bot-1", json!({ "outcome": { "fail": {} } })).await;
    let reply = bench.chat("bot-1").await;
    let chat = reply.data("conversation.chat.created");
    let ids =
        [("7501", text(&chat, "id")), ("7509", text(&chat, "conversation_id")), ("7490", "bot-1")];
    assert!(reply.text().ends_with(&with_ids(CHAT_FAILED_TAIL, &ids)), "{}", reply.text());
}

const WORKFLOW_STREAM: &str = r#"id: 0
event: Message
data: {"content":"Once","node_is_finish":false,"node_seq_id":"0","node_title":"Output","node_id":"1001","content_type":"text"}

id: 1
event: PING
data: {}

id: 2
event: Message
data: {"content":"{\"output\":\"Once upon a time\"}","node_is_finish":true,"node_seq_id":"0","node_title":"End","node_id":"900001","usage":{"input_count":310,"output_count":55,"token_count":365}}

id: 3
event: Done
data: {"debug_url":"https://www.coze.cn/work_flow?execute_id=7502000000000000003\u0026space_id=1\u0026workflow_id=7480"}

"#;

#[tokio::test]
async fn a_workflow_streams_the_contracts_sample() {
    let bench = Bench::start().await;
    let behaviour = json!({
        "answer": "Once", "deltas": 1, "run_data": r#"{"output":"Once upon a time"}"#,
        "usage": { "input_count": 310 }, "stream": { "ping": "braces" },
    });
    bench.tell("wf-1", behaviour).await;
    let reply = bench.stream_run("wf-1").await;
    let done = reply.data("Done");
    let execute_id = execute_id(text(&done, "debug_url"));
    let ids = [("7502000000000000003", execute_id), ("=7480", "=wf-1")];
    assert_eq!(reply.text(), with_ids(WORKFLOW_STREAM, &ids));
}

const WORKFLOW_ERROR: &str = r#"id: 1
event: Error
data: {"error_code":4000,"error_message":"Request parameter error","debug_url":"https://www.coze.cn/work_flow?execute_id=7502\u0026space_id=1\u0026workflow_id=wf-1"}

"#;

const WORKFLOW_INTERRUPT: &str = r#"id: 1
event: Interrupt
data: {"interrupt_data":{"event_id":"7502000000000000003/2769808280134765896","type":2,"data":"{\"content_type\":\"text\",\"content\":\"Which city?\"}"},"node_title":"Question"}

"#;

#[tokio::test]
async fn a_workflow_stream_ends_with_an_error_or_a_question_as_the_contracts_samples() {
    let bench = Bench::start().await;
    let fail = json!({ "code": 4000, "msg": "Request parameter error" });
    bench.tell("wf-1", json!({ "deltas": 2, "outcome": { "fail": fail } })).await;
    let reply = bench.stream_run("wf-1").await;
    let error = reply.data("Error");
    let ids = [("7502", execute_id(text(&error, "debug_url")))];
    assert!(reply.text().ends_with(&with_ids(WORKFLOW_ERROR, &ids)), "{}", reply.text());

    bench.tell("wf-2", json!({ "deltas": 2, "outcome": { "interrupt": {} } })).await;
    let reply = bench.stream_run("wf-2").await;
    let interrupt = reply.data("Interrupt");
    let event_id = text(&interrupt["interrupt_data"], "event_id");
    let ids = [("7502000000000000003/2769808280134765896", event_id)];
    assert!(reply.text().ends_with(&with_ids(WORKFLOW_INTERRUPT, &ids)), "{}", reply.text());
}

const CHAT_OBJECT: &str = concat!(
    r#"{"code":0,"msg":"","data":{"id":"7501000000000000001","conversation_id":"7501000000000000009","bot_id":"7490000000000000007","#,
    r#""created_at":1764000000,"completed_at":1764000003,"last_error":{"code":0,"msg":""},"meta_data":{},"status":"completed","#,
    r#""usage":{"token_count":140,"output_count":40,"input_count":100},"section_id":"7501000000000000009"},"#,
    r#""detail":{"logid":"20251124120000AAAABBBBCCCCDDDD01"}}"#,
);

#[tokio::test]
async fn a_retrieved_chat_is_the_contracts_sample() {
    let bench = Bench::start().await;
    bench.tell("bot-1", json!({ "usage": { "input_count": 100, "output_count": 40 } })).await;
    let created = bench.post("/v3/chat", chat_body("bot-1", false)).await.json();
    let chat = &created["data"];
    let reply = bench.retrieve(chat).await;
    let ids = [
        ("7501000000000000001", text(chat, "id")),
        ("7501000000000000009", text(chat, "conversation_id")),
        ("7490000000000000007", "bot-1"),
        ("20251124120000AAAABBBBCCCCDDDD01", &reply.logid),
    ];
    assert_eq!(reply.text(), with_ids(CHAT_OBJECT, &ids));
    assert_eq!(reply.content_type, "application/json");
}

const RUN_SYNC: &str = concat!(
    r#"{"code":0,"msg":"","data":"{\"output\":\"42 words\"}","debug_url":"https://www.coze.cn/work_flow?execute_id=7502000000000000001&space_id=1&workflow_id=7480000000000000003","#,
    r#""usage":{"input_count":310,"output_count":55,"token_count":365},"detail":{"logid":"20251124120100AAAABBBBCCCCDDDD02"}}"#,
);

#[tokio::test]
async fn a_sync_run_is_the_contracts_sample() {
    let bench = Bench::start().await;
    let behaviour = json!({ "answer": "42 words", "usage": { "input_count": 310 } });
    bench.tell("wf-1", behaviour).await;
    let reply = bench.run("wf-1").await;
    let body = reply.json();
    let ids = [
        ("7502000000000000001", execute_id(text(&body, "debug_url"))),
        ("7480000000000000003", "wf-1"),
        ("20251124120100AAAABBBBCCCCDDDD02", &reply.logid),
    ];
    assert_eq!(reply.text(), with_ids(RUN_SYNC, &ids));
}

const RUN_ASYNC: &str = r#"{"debug_url":"https://www.coze.cn/work_flow?execute_id=7502000000000000002&space_id=1&workflow_id=7480000000000000003","execute_id":"7502000000000000002","msg":""}"#;

const RUN_HISTORY: &str = concat!(
    r#"{"code":0,"msg":"","detail":{"logid":"…"},"data":[{"execute_id":"7502000000000000002","execute_status":"Success","bot_id":"0","connector_id":"1024","#,
    r#""connector_uid":"223000000000","run_mode":2,"logid":"…","create_time":1764000000,"update_time":1764000003,"#,
    r#""output":"{\"Output\":\"{\\\"result\\\":\\\"ok\\\"}\"}","token":"365","cost":"0.00000","usage":{"input_count":310,"output_count":55,"token_count":365},"#,
    r#""error_code":"","error_message":"","debug_url":"https://www.coze.cn/work_flow?execute_id=7502000000000000002&space_id=1&workflow_id=7480000000000000003","#,
    r#""is_output_trimmed":false,"node_execute_status":{}}]}"#,
);

#[tokio::test]
async fn an_async_run_and_its_history_are_the_contracts_samples() {
    let bench = Bench::start().await;
    let behaviour = json!({ "run_data": r#"{"result":"ok"}"#, "usage": { "input_count": 310 } });
    bench.tell("wf-1", behaviour).await;
    let mut body = run_body("wf-1");
    body["is_async"] = json!(true);
    let reply = bench.post("/v1/workflow/run", body).await;
    let started = reply.json();
    let execute_id = text(&started, "execute_id");
    let ids = [("7502000000000000002", execute_id), ("7480000000000000003", "wf-1")];
    assert_eq!(reply.text(), with_ids(RUN_ASYNC, &ids));

    let reply = bench.history("wf-1", execute_id).await;
    let ids = [ids[0], ids[1], ("…", &reply.logid)];
    assert_eq!(reply.text(), with_ids(RUN_HISTORY, &ids));
}

#[tokio::test]
async fn an_error_is_the_contracts_envelope() {
    let bench = Bench::start().await;
    bench.tell("wf-1", json!({ "refuse": {} })).await;
    let reply = bench.run("wf-1").await;
    let sample = r#"{"code":4200,"msg":"Workflow not found","detail":{"logid":"…"}}"#;
    assert_eq!(reply.text(), with_ids(sample, &[("…", &reply.logid)]));
}
