//! The websockets: chats with every kind of uplink frame, and the audio talks.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use stand_in::{Kind, Status};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::bench::Bench;

/// One connection, its credential in the query as the JavaScript library has it.
struct Talk(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Talk {
    async fn open(bench: &Bench, path: &str) -> Result<Self, Error> {
        let url = bench.url(path).replacen("http", "ws", 1);
        let mark = if url.contains('?') { '&' } else { '?' };
        let url = format!("{url}{mark}authorization=Bearer%20pat_standin");
        Ok(Self(connect_async(url).await?.0))
    }

    async fn say(&mut self, event_type: &str, data: Value) {
        let frame = json!({ "id": "1", "event_type": event_type, "data": data });
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    async fn hear(&mut self) -> Value {
        let message = self.0.next().await.unwrap().unwrap();
        let frame: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
        assert!(frame["detail"]["logid"].is_string() && frame["id"].is_string());
        frame
    }

    /// The frames up to one of this type.
    async fn hear_until(&mut self, event_type: &str) -> Vec<Value> {
        let mut frames = Vec::new();
        loop {
            frames.push(self.hear().await);
            if frames.last().unwrap()["event_type"] == event_type {
                return frames;
            }
        }
    }
}

fn types(frames: &[Value]) -> Vec<&str> {
    frames.iter().map(|frame| frame["event_type"].as_str().unwrap()).collect()
}

fn hello() -> Value {
    json!({ "role": "user", "content_type": "text", "content": "Hello" })
}

const COMPLETED: &str = "conversation.chat.completed";

#[tokio::test]
async fn chats_follow_each_other_on_one_connection() {
    let bench = Bench::start().await;
    let mut talk = Talk::open(&bench, "/v1/chat?bot_id=bot").await.unwrap();
    assert_eq!(talk.hear().await["event_type"], "chat.created");
    talk.say("chat.update", json!({ "chat_config": { "user_id": "u9" } })).await;
    assert_eq!(talk.hear().await["event_type"], "chat.updated");
    let mut conversations = Vec::new();
    for _ in 0..2 {
        talk.say("conversation.message.create", hello()).await;
        let frames = talk.hear_until(COMPLETED).await;
        assert_eq!(
            types(&frames)[..2],
            ["conversation.chat.created", "conversation.chat.in_progress"]
        );
        let completed = &frames.last().unwrap()["data"];
        assert_eq!(completed["usage"]["token_count"], 20);
        conversations.push(completed["conversation_id"].clone());
    }
    assert_eq!(conversations[0], conversations[1]);
    let works = bench.works().await;
    assert!(works.iter().all(|work| (work.kind, work.token_count) == (Kind::WsChat, 20)));
    assert_eq!((works.len(), works[0].user_id.as_deref()), (2, Some("u9")));
    assert_eq!(bench.requests().await.requests[0].headers["upgrade"], "websocket");
}

#[tokio::test]
async fn only_subscribed_events_are_heard_and_the_work_ends_all_the_same() {
    let bench = Bench::start().await;
    let mut talk = Talk::open(&bench, "/v1/chat?bot_id=bot").await.unwrap();
    let only = json!({ "event_subscriptions": ["conversation.message.delta"] });
    talk.say("chat.update", only).await;
    talk.hear_until("chat.updated").await;
    talk.say("conversation.message.create", hello()).await;
    for _ in 0..3 {
        assert_eq!(talk.hear().await["event_type"], "conversation.message.delta");
    }
    bench.works_ended(1).await;
    talk.say("input_audio_buffer.complete", json!({})).await;
    assert_eq!(talk.hear().await["event_type"], "conversation.message.delta");
}

#[tokio::test]
async fn a_spoken_question_is_transcribed_and_answered() {
    let bench = Bench::start().await;
    let mut talk = Talk::open(&bench, "/v1/chat?bot_id=bot").await.unwrap();
    talk.hear().await;
    talk.say("input_audio_buffer.append", json!({ "delta": "AAAA" })).await;
    talk.say("input_audio_buffer.clear", json!({})).await;
    talk.say("input_audio_buffer.complete", json!({})).await;
    let frames = talk.hear_until(COMPLETED).await;
    let expected = [
        "input_audio_buffer.cleared",
        "input_audio_buffer.completed",
        "conversation.audio_transcript.completed",
        "conversation.chat.created",
    ];
    assert_eq!(types(&frames)[..4], expected);
    talk.say("input_text.generate_audio", json!({ "mode": "text", "text": "Hi" })).await;
    let frames = talk.hear_until("conversation.audio.completed").await;
    assert_eq!(types(&frames)[0], "conversation.audio.delta");
    let works = bench.works().await;
    assert_eq!((works[1].kind, works[1].input_count), (Kind::WsSpeech, 2));
}

#[tokio::test]
async fn a_cancelled_chat_falls_silent_and_is_charged_in_full() {
    let bench = Bench::start().await;
    bench.tell("bot", json!({ "pace": { "hold_after_events": [2] } })).await;
    let mut talk = Talk::open(&bench, "/v1/chat?bot_id=bot").await.unwrap();
    talk.say("conversation.message.create", hello()).await;
    talk.hear_until("conversation.chat.in_progress").await;
    bench.held("bot").await;
    talk.say("conversation.chat.cancel", json!({})).await;
    let canceled = talk.hear().await;
    assert_eq!(canceled["event_type"], "conversation.chat.canceled");
    bench.release("bot").await;
    talk.say("conversation.clear", json!({})).await;
    assert_eq!(talk.hear().await["event_type"], "conversation.cleared");
    let works = bench.works().await;
    assert_eq!((works[0].status, works[0].token_count), (Status::Canceled, 20));
}

#[tokio::test]
async fn a_chat_goes_on_after_its_tool_and_to_its_end_when_the_caller_leaves() {
    let bench = Bench::start().await;
    bench.tell("bot", json!({ "outcome": { "requires_action": {} } })).await;
    let mut talk = Talk::open(&bench, "/v1/chat?bot_id=bot").await.unwrap();
    talk.say("conversation.message.create", hello()).await;
    let frames = talk.hear_until("conversation.chat.requires_action").await;
    let paused = &frames.last().unwrap()["data"];
    bench.tell("bot", json!({ "pace": { "hold_after_events": [1] } })).await;
    let call = &paused["required_action"]["submit_tool_outputs"]["tool_calls"][0];
    let outputs = json!([{ "tool_call_id": call["id"], "output": "sunny" }]);
    let data = json!({ "chat_id": paused["id"], "tool_outputs": outputs });
    talk.say("conversation.chat.submit_tool_outputs", data).await;
    bench.held("bot").await;
    drop(talk);
    bench.release("bot").await;
    let works = bench.works_ended(1).await;
    assert_eq!((works.len(), works[0].status), (1, Status::Completed));
    assert_eq!(works[0].token_count, 20);
}

#[tokio::test]
async fn failures_refusals_and_nonsense_are_told_as_frames() {
    let bench = Bench::start().await;
    let mut talk = Talk::open(&bench, "/v1/chat?bot_id=bot").await.unwrap();
    talk.hear().await;
    bench.tell("bot", json!({ "refuse": { "code": 4028, "msg": "no" } })).await;
    talk.say("conversation.message.create", hello()).await;
    assert_eq!(talk.hear().await["data"], json!({ "code": 4028, "msg": "no" }));
    bench.tell("bot", json!({ "outcome": { "fail": {} } })).await;
    talk.say("conversation.message.create", hello()).await;
    let frames = talk.hear_until("conversation.chat.failed").await;
    assert_eq!(frames.last().unwrap()["data"]["last_error"]["code"], 4028);
    talk.say("conversation.nonsense", json!({})).await;
    assert_eq!(talk.hear().await["data"]["code"], 4000);
}

#[tokio::test]
async fn a_connection_needs_a_credential_and_a_bot() {
    let bench = Bench::start().await;
    let refused = async |path: &str| {
        let url = bench.url(path).replacen("http", "ws", 1);
        match connect_async(url).await {
            Err(Error::Http(response)) => response.status().as_u16(),
            _ => 0,
        }
    };
    assert_eq!(refused("/v1/chat?bot_id=bot").await, 401);
    assert_eq!(refused("/v1/chat?bot_id=bot&authorization=Bearer%20other").await, 401);
    let nameless = Talk::open(&bench, "/v1/chat").await;
    assert!(matches!(nameless, Err(Error::Http(response)) if response.status() == 200));
}

#[tokio::test]
async fn speech_transcriptions_and_interpretation_are_answered_once_complete() {
    let bench = Bench::start().await;
    let cases = [
        ("speech", "speech", "input_text_buffer", "speech.audio.completed"),
        (
            "transcriptions",
            "transcriptions",
            "input_audio_buffer",
            "transcriptions.message.completed",
        ),
        (
            "simult_interpretation",
            "simult_interpretation",
            "input_audio_buffer",
            "simult_interpretation.message.completed",
        ),
    ];
    for (path, name, buffer, end) in cases {
        let mut talk = Talk::open(&bench, &format!("/v1/audio/{path}")).await.unwrap();
        assert_eq!(talk.hear().await["event_type"], format!("{name}.created"));
        talk.say(&format!("{name}.update"), json!({ "output_audio": {} })).await;
        assert_eq!(talk.hear().await["event_type"], format!("{name}.updated"));
        talk.say(&format!("{buffer}.append"), json!({ "delta": "lost" })).await;
        talk.say(&format!("{buffer}.clear"), json!({})).await;
        talk.hear_until(&format!("{buffer}.cleared")).await;
        talk.say(&format!("{buffer}.append"), json!({ "delta": "Hello" })).await;
        talk.say(&format!("{buffer}.complete"), json!({})).await;
        let frames = talk.hear_until(end).await;
        assert_eq!(types(&frames)[0], format!("{buffer}.completed"));
        assert!(frames.len() > 2);
    }
    let works = bench.works().await;
    let kinds: Vec<_> = works.iter().map(|work| work.kind).collect();
    assert_eq!(kinds, [Kind::WsSpeech, Kind::WsTranscription, Kind::WsInterpretation]);
    assert!(works.iter().all(|work| work.input_count == 5 && work.billable));
}
