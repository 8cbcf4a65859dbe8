//! How work ends, on the wire and in the record.

use serde_json::{Value, json};
use stand_in::Status;

use crate::bench::{Bench, chat_query};

#[tokio::test]
async fn an_error_event_can_come_first_or_in_the_middle_with_or_without_done() {
    let bench = Bench::start().await;
    bench.tell("bot", json!({ "outcome": { "error": { "code": 4009, "msg": "busy" } } })).await;
    let reply = bench.chat("bot").await;
    assert_eq!(reply.text(), "event:error\ndata:{\"code\":4009,\"msg\":\"busy\"}\n\n");

    let error = json!({ "after_events": 3, "done": true });
    bench.tell("bot", json!({ "outcome": { "error": error } })).await;
    let names = bench.chat("bot").await.names();
    assert_eq!(names[2..], ["conversation.message.delta", "error", "done"]);

    let error = json!({ "after_events": 1, "charged": true });
    bench.tell("wf", json!({ "outcome": { "error": error } })).await;
    assert_eq!(bench.stream_run("wf").await.names(), ["Message", "Error"]);

    let works = bench.works().await;
    assert!(works.iter().all(|work| work.status == Status::Failed));
    assert_eq!(works.iter().map(|work| work.billable).collect::<Vec<_>>(), [false, false, true]);
}

#[tokio::test]
async fn a_failure_can_be_free_or_charged_and_is_told_on_every_path() {
    let bench = Bench::start().await;
    bench.tell("s", json!({ "outcome": { "fail": { "code": 4028, "charged": true } } })).await;
    let failed = bench.chat("s").await.data("conversation.chat.failed");
    assert_eq!(failed["usage"]["token_count"], 20);
    let run = bench.run("s").await;
    assert_eq!((run.status.as_u16(), run.code()), (200, Some(4028)));
    assert_eq!(run.json()["usage"]["output_count"], 55);
    let stream = bench.stream_run("s").await;
    assert_eq!(stream.names(), ["Message", "Message", "Error"]);
    let created = bench.chat_polled("s").await.json();
    let polled = bench.retrieve(&created["data"]).await.json();
    assert_eq!(polled["code"], 0);
    assert_eq!(polled["data"]["status"], "failed");
    assert_eq!(polled["data"]["last_error"]["code"], 4028);
    assert!(bench.works().await.iter().all(|work| work.billable));
}

#[tokio::test]
async fn a_chat_that_asks_for_a_tool_goes_on_to_its_answer_as_one_unit_of_work() {
    let bench = Bench::start().await;
    bench.tell("bot", json!({ "outcome": { "requires_action": {} } })).await;
    let reply = bench.chat("bot").await;
    let names = reply.names();
    assert_eq!(names[2..], ["conversation.chat.requires_action", "done"]);
    let paused = reply.data("conversation.chat.requires_action");
    assert_eq!(paused["usage"]["token_count"], 0);
    let works = bench.works().await;
    assert_eq!((works[0].status, works[0].billable), (Status::RequiresAction, false));

    let call = &paused["required_action"]["submit_tool_outputs"]["tool_calls"][0];
    let path = format!("/v3/chat/submit_tool_outputs?{}", chat_query(&paused));
    let outputs = |id: &Value| json!({ "stream": true, "tool_outputs": [{ "tool_call_id": id, "output": "sunny" }] });
    assert_eq!(bench.post(&path, outputs(&json!("unknown"))).await.code(), Some(4000));
    let reply = bench.post(&path, outputs(&call["id"])).await;
    let completed = reply.data("conversation.chat.completed");
    assert_eq!(completed["id"], paused["id"]);
    assert_eq!(completed["usage"]["token_count"], 20);

    let works = bench.works().await;
    assert_eq!(works.len(), 1);
    assert_eq!((works[0].status, works[0].token_count), (Status::Completed, 20));
}

#[tokio::test]
async fn tool_outputs_can_be_submitted_without_a_stream() {
    let bench = Bench::start().await;
    let polls = json!({ "before_done": 1 });
    bench.tell("bot", json!({ "outcome": { "requires_action": {} }, "polls": polls })).await;
    let created = bench.chat_polled("bot").await.json();
    let chat = &created["data"];
    assert_eq!(bench.retrieve(chat).await.json()["data"]["status"], "in_progress");
    let paused = bench.retrieve(chat).await.json();
    assert_eq!(paused["data"]["status"], "requires_action");
    let call = &paused["data"]["required_action"]["submit_tool_outputs"]["tool_calls"][0];
    let path = format!("/v3/chat/submit_tool_outputs?{}", chat_query(chat));
    let outputs = json!({ "tool_outputs": [{ "tool_call_id": call["id"], "output": "sunny" }] });
    assert_eq!(bench.post(&path, outputs).await.json()["data"]["status"], "in_progress");
    assert_eq!(bench.retrieve(chat).await.json()["data"]["status"], "in_progress");
    assert_eq!(bench.retrieve(chat).await.json()["data"]["status"], "completed");
    assert_eq!(bench.works().await.len(), 1);
}

#[tokio::test]
async fn a_cancelled_chat_streams_on_and_is_charged_in_full() {
    let bench = Bench::start().await;
    bench.tell("bot", json!({ "pace": { "hold_after_events": [2] } })).await;
    let stream = bench.chat("bot");
    let cancel = async {
        bench.held("bot").await;
        let work = bench.works().await.remove(0);
        let body = json!({ "chat_id": work.chat_id, "conversation_id": work.conversation_id });
        let canceled = bench.post("/v3/chat/cancel", body.clone()).await.json();
        assert_eq!(canceled["data"]["status"], "canceled");
        assert_eq!(bench.post("/v3/chat/cancel", body).await.code(), Some(4104));
        bench.release("bot").await;
        canceled
    };
    let (stream, canceled) = tokio::join!(stream, cancel);
    assert_eq!(stream.names().last().unwrap(), "done");
    let retrieved = bench.retrieve(&canceled["data"]).await.json();
    assert_eq!(retrieved["data"]["status"], "canceled");
    assert_eq!(retrieved["data"]["usage"]["token_count"], 20);
    let works = bench.works().await;
    assert_eq!((works[0].status, works[0].token_count), (Status::Canceled, 20));
}
