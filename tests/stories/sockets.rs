//! Websockets: carried frame by frame, and metered from what upstream's frames say.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::agreement::agree;
use crate::clients::Library;
use crate::tester::{Tester, own_stack, shared, until};

/// How many chats of one connection may run at once.
const CHATS_MAX: usize = 16;

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(tester: &Tester, path: &str) -> Socket {
    let url = format!("{}{path}", tester.edge.replacen("http", "ws", 1));
    let mut request = url.into_client_request().unwrap();
    let key = format!("Bearer {}", tester.key).parse().unwrap();
    request.headers_mut().insert("authorization", key);
    tokio_tungstenite::connect_async(request).await.unwrap().0
}

async fn send(socket: &mut Socket, frame: Value) {
    socket.send(Message::text(frame.to_string())).await.unwrap();
}

async fn say(socket: &mut Socket, text: &str) {
    let data = json!({"role": "user", "content_type": "text", "content": text});
    send(socket, json!({"id": "m", "event_type": "conversation.message.create", "data": data}))
        .await;
}

/// The names of the frames up to and with the first one of this name.
async fn names_until(socket: &mut Socket, last: &str) -> Vec<String> {
    let mut names = Vec::new();
    while let Some(Ok(Message::Text(text))) = socket.next().await {
        let frame: Value = serde_json::from_str(&text).unwrap();
        names.push(frame["event_type"].as_str().unwrap().to_owned());
        if names.last().is_some_and(|name| name == last) {
            return names;
        }
    }
    panic!("the socket closed after {names:?}");
}

/// Row 14: the official library, with its key in the query as browsers send it.
#[tokio::test(flavor = "multi_thread")]
async fn coze_api_chats_over_a_websocket() {
    let tester = Tester::new("socket, library");
    let bot = tester.subject(1);
    let said = Library::JavaScript
        .does(&tester, &["--do", "ws-chat", "--bot-id", &bot, "--text", "hello"])
        .await;
    assert_eq!(said["text"], "You said: hello");
    settled(&tester, &bot, 1).await;
}

/// Waits until this many chats are billed; the call that was admitted ahead is let go.
async fn settled(tester: &Tester, bot: &str, chats: usize) {
    let calls = tester.calls(chats + 1).await;
    let billed: Vec<&Value> = calls.iter().filter(|call| call["ending"] == "settled").collect();
    assert_eq!(billed.len(), chats, "{calls:#?}");
    assert!(billed.iter().all(|call| call["operation"] == "chat_socket"));
    agree(tester, &[bot.to_owned()]).await;
}

/// Row 14: many chats on one connection are a charge each.
#[tokio::test(flavor = "multi_thread")]
async fn each_chat_of_a_connection_is_a_charge() {
    let tester = Tester::new("socket, many");
    let bot = tester.subject(1);
    let mut socket = connect(&tester, &format!("/v1/chat?bot_id={bot}")).await;
    for text in ["one", "two", "three"] {
        say(&mut socket, text).await;
        names_until(&mut socket, "conversation.chat.completed").await;
    }
    socket.close(None).await.unwrap();
    settled(&tester, &bot, 3).await;
}

/// Pitfall 38: a caller restricts the events it is sent, and is metered and sees no others all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_restricted_subscription_is_metered_and_stays_restricted() {
    let tester = Tester::new("socket, filter");
    let bot = tester.subject(1);
    let mut socket = connect(&tester, &format!("/v1/chat?bot_id={bot}")).await;
    let only = json!({"event_subscriptions": ["conversation.message.completed"]});
    send(&mut socket, json!({"id": "u", "event_type": "chat.update", "data": only})).await;
    names_until(&mut socket, "chat.updated").await;
    say(&mut socket, "hello").await;
    let names = names_until(&mut socket, "conversation.message.completed").await;
    assert!(names.iter().all(|name| name == "conversation.message.completed"), "{names:?}");
    until("the chat to be billed", async || (tester.every_call().await.len() == 1).then_some(()))
        .await;
    socket.close(None).await.unwrap();
    settled(&tester, &bot, 1).await;
}

/// Row 14: a caller who leaves while a chat runs is billed what upstream reports of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_breaks_off_is_settled_by_asking() {
    let tester = Tester::new("socket, gone");
    let bot = tester.subject(1);
    tester.behave(&bot, json!({"pace": {"hold_after_events": [2]}})).await;
    let mut socket = connect(&tester, &format!("/v1/chat?bot_id={bot}")).await;
    say(&mut socket, "hello").await;
    names_until(&mut socket, "conversation.chat.in_progress").await;
    drop(socket);
    tester.release(&bot).await;
    settled(&tester, &bot, 1).await;
}

/// A bad key opens no socket.
#[tokio::test(flavor = "multi_thread")]
async fn a_socket_without_a_key_is_refused() {
    let tester = Tester::new("socket, no key");
    let url = format!("{}/v1/chat?bot_id=1", tester.edge.replacen("http", "ws", 1));
    let refused = tokio_tungstenite::connect_async(url).await.unwrap_err();
    assert!(refused.to_string().contains("401"), "{refused}");
    tester.calls(0).await;
}

/// Row 15: an audio socket is one call, priced by the call, and refused while nothing prices it.
#[tokio::test(flavor = "multi_thread")]
async fn an_audio_socket_is_one_call() {
    let tester = Tester::new("socket, audio");
    let sockets = [
        ("/v1/audio/speech", "speech_socket"),
        ("/v1/audio/transcriptions", "transcription_socket"),
        ("/v1/audio/simult_interpretation", "interpretation_socket"),
    ];
    let open = async |path: &str| {
        let request = tester.ask(reqwest::Method::GET, path).header("upgrade", "websocket");
        let request = request.header("connection", "Upgrade").header("sec-websocket-version", "13");
        let request = request.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        request.send().await.unwrap().status().as_u16()
    };
    for (path, subject) in sockets {
        assert_eq!(open(path).await, 403, "{path}");
        let priced = ["--account", &tester.account, "--subject", subject, "--per-call", "50"];
        shared().weir(&[&["price", "set"], priced.as_slice()].concat()).unwrap();
    }
    let mut made = 0;
    for (path, _) in sockets {
        until("the price to reach the edge", async || (open(path).await == 101).then_some(()))
            .await;
        let mut socket = connect(&tester, path).await;
        socket.next().await.unwrap().unwrap();
        socket.close(None).await.unwrap();
        made += 2;
    }
    let calls = tester.calls(made).await;
    assert!(calls.iter().all(|call| call["amount_quota"] == "50"), "{calls:#?}");
}

/// While nothing is held for another chat none begins; what runs is billed.
#[tokio::test(flavor = "multi_thread")]
async fn a_chat_begins_only_when_something_is_held_for_it() {
    let tester = Tester::new("socket, held ahead");
    let bot = tester.subject(1);
    tester.behave(&bot, json!({"pace": {"hold_after_events": [2]}})).await;
    let one = ["account", "set", &tester.account, "--concurrent-calls", "1", "--wait", "30"];
    shared().weir(&one).unwrap();
    let mut socket = connect(&tester, &format!("/v1/chat?bot_id={bot}")).await;
    say(&mut socket, "one").await;
    names_until(&mut socket, "conversation.chat.in_progress").await;
    say(&mut socket, "two").await;
    let names = names_until(&mut socket, "error").await;
    assert_eq!(names, ["error"]);
    tester.release(&bot).await;
    let calls = tester.calls(1).await;
    assert_eq!((calls.len(), &calls[0]["ending"]), (1, &json!("settled")), "{calls:#?}");
    assert_eq!(tester.works(&bot).await.len(), 1);
    agree(&tester, &[bot]).await;
}

/// Chats that wait for their tools run on. When there are too many of them the connection ends.
#[tokio::test(flavor = "multi_thread")]
async fn so_many_chats_of_a_connection_run_at_once_and_no_more() {
    // These chats never end, which is nothing to look at for other stories.
    let stack = own_stack();
    let tester = Tester::on(&stack, "socket, full");
    let bot = tester.subject(1);
    tester.behave(&bot, json!({"outcome": {"requires_action": {}}})).await;
    let mut socket = connect(&tester, &format!("/v1/chat?bot_id={bot}")).await;
    for _ in 1..CHATS_MAX {
        say(&mut socket, "hello").await;
        names_until(&mut socket, "conversation.chat.requires_action").await;
    }
    say(&mut socket, "one too many to go on").await;
    let close = loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Close(frame) => break frame.unwrap(),
            Message::Text(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(u16::from(close.code), 1_008, "{}", close.reason);
    assert_eq!(tester.works(&bot).await.len(), CHATS_MAX);
}
