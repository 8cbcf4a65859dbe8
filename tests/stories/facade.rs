//! The chat facade: a shop's widget, its users, and guests.

use reqwest::{Method, Response};
use serde_json::{Value, json};
use xtask::stack::{Plan, Stack};

use crate::agreement::agree;
use crate::tester::Tester;

const CHAT: &str = "/api/coze/chat";
const STREAM: &str = "/api/coze/chat/stream";

fn says(user: &str, bot: &str, message: &str) -> Value {
    json!({"userId": user, "shopId": "shop-1", "botId": bot, "message": message})
}

async fn chats(tester: &Tester, body: &Value) -> Value {
    let reply = tester.call(CHAT, body).await;
    assert_eq!(reply.status(), 200, "{body}");
    reply.json().await.unwrap()
}

/// The named events of a stream.
async fn events(reply: Response) -> Vec<(String, Value)> {
    let text = reply.text().await.unwrap();
    let events = text.split_terminator("\n\n").filter(|event| !event.starts_with(':'));
    let read = |event: &str| {
        let (name, data) = event.split_once('\n').unwrap();
        let data = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        (name.strip_prefix("event: ").unwrap().to_owned(), data)
    };
    events.map(read).collect()
}

async fn history(tester: &Tester, user: &str, bot: &str) -> Value {
    let path = format!("/api/chat-history?userId={user}&shopId=shop-1&botId={bot}");
    let reply = tester.ask(Method::GET, &path).send().await.unwrap();
    assert_eq!(reply.status(), 200);
    reply.json().await.unwrap()
}

async fn refused(reply: Response, status: u16, code: &str, detail: &str) {
    assert_eq!(reply.status(), status, "{code} {detail}");
    assert!(reply.headers().contains_key("weir-call-id"));
    let said: Value = reply.json().await.unwrap();
    assert_eq!(said["error"]["code"], code, "{said:#}");
    assert!(said["error"]["message"].as_str().unwrap().contains(detail), "{said:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_goes_on_where_the_conversation_was() {
    let tester = Tester::new("facade chat");
    let bot = tester.subject(1);
    let none = json!({"conversationId": null, "messages": [], "hasMore": false});
    assert_eq!(history(&tester, "u1", &bot).await, none);

    let reply = tester.call(CHAT, &says("u1", &bot, "hello")).await;
    assert_eq!(reply.headers()["weir-charge"], "20");
    assert_eq!(reply.headers()["x-content-type-options"], "nosniff");
    let first: Value = reply.json().await.unwrap();
    assert_eq!(first["reply"], "You said: hello");
    let usage = json!({"inputTokens": 5, "outputTokens": 15, "totalTokens": 20});
    assert_eq!(first["usage"], usage);
    let conversation = &first["conversationId"];
    assert!(conversation.is_string(), "{first:#}");

    let streamed = tester.call(STREAM, &says("u1", &bot, "again")).await;
    assert_eq!(streamed.headers()["content-type"], "text/event-stream; charset=utf-8");
    let events = events(streamed).await;
    let (last, bits) = events.split_last().unwrap();
    assert!(bits.len() > 1 && bits.iter().all(|(name, _)| name == "message"), "{events:#?}");
    let text: String = bits.iter().map(|(_, bit)| bit["text"].as_str().unwrap()).collect();
    assert_eq!(text, "You said: again");
    assert_eq!((last.0.as_str(), &last.1["conversationId"]), ("done", conversation));

    // Another user, another shop and another bot are other conversations.
    let other = chats(&tester, &says("u2", &bot, "x")).await;
    let mut body = says("u1", &bot, "x");
    body["shopId"] = json!("shop-2");
    let shop = chats(&tester, &body).await;
    let bot_2 = tester.subject(2);
    let another = chats(&tester, &says("u1", &bot_2, "x")).await;
    for said in [&other, &shop, &another] {
        assert_ne!(&said["conversationId"], conversation);
    }

    let page = history(&tester, "u1", &bot).await;
    assert_eq!(&page["conversationId"], conversation);
    let messages = page["messages"].as_array().unwrap();
    let said: Vec<_> = messages
        .iter()
        .map(|one| (one["role"].as_str().unwrap(), one["content"].as_str().unwrap()))
        .collect();
    let wanted = [
        ("user", "hello"),
        ("assistant", "You said: hello"),
        ("user", "again"),
        ("assistant", "You said: again"),
    ];
    assert_eq!(said, wanted);
    // The same names at another account are somebody else.
    let stranger = Tester::new("facade chat, another account");
    assert_eq!(history(&stranger, "u1", &bot).await, none);

    let mut body = says("u1", &bot, "anew");
    body["newConversation"] = json!(true);
    let anew = chats(&tester, &body).await;
    assert_ne!(&anew["conversationId"], conversation);
    assert_eq!(history(&tester, "u1", &bot).await["conversationId"], anew["conversationId"]);
    tester.calls(6).await;
    agree(&tester, &[bot, bot_2]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_stream_is_remembered_when_it_ends() {
    let tester = Tester::new("facade stream");
    let bot = tester.subject(1);
    let first = events(tester.call(STREAM, &says("u1", &bot, "hello")).await).await;
    let second = chats(&tester, &says("u1", &bot, "hello")).await;
    assert_eq!(first.last().unwrap().1["conversationId"], second["conversationId"]);
    tester.calls(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_by_its_field_and_never_goes_up() {
    let tester = Tester::new("facade bad input");
    let bot = tester.subject(1);
    let good = says("u1", &bot, "hello");
    let long = |bytes: usize| json!("x".repeat(bytes));
    let cases = [
        ("userId", Value::Null, "`userId` is missing"),
        ("userId", json!(7), "`userId` is not a string"),
        ("userId", json!(" "), "`userId` is empty"),
        ("userId", json!("a\u{0}b"), "`userId` holds a control character"),
        ("userId", long(257), "`userId` is longer than 256 bytes"),
        ("shopId", Value::Null, "`shopId` is missing"),
        ("shopId", json!("a/b"), "`shopId` holds more than"),
        ("shopId", long(129), "`shopId` is longer than 128 bytes"),
        ("botId", Value::Null, "`botId` is missing"),
        ("botId", json!(["7"]), "`botId` is not a string"),
        ("botId", json!("7?x=1"), "`botId` holds a character"),
        ("message", Value::Null, "`message` is missing"),
        ("message", json!(""), "`message` is empty"),
        ("message", json!({"text": "x"}), "`message` is not a string"),
        ("message", long(32 * 1_024 + 1), "`message` is longer than 32768 bytes"),
        ("newConversation", json!("yes"), "`newConversation` is not true or false"),
    ];
    for (field, value, detail) in cases {
        let mut body = good.clone();
        body[field] = value;
        for path in [CHAT, STREAM] {
            refused(tester.call(path, &body).await, 400, "body_invalid", detail).await;
        }
    }
    for text in ["", "hello", "[]", "{\"userId\":", "{\"userId\":\"a\",\"userId\":\"b\"}"] {
        let reply = tester.ask(Method::POST, CHAT).body(text).send().await.unwrap();
        refused(reply, 400, "body_invalid", "").await;
    }
    for (query, detail) in [
        ("", "`userId` is missing"),
        ("?userId=u", "`shopId` is missing"),
        ("?userId=u&shopId=s", "`botId` is missing"),
        ("?userId=u&shopId=s&botId=7%2F8", "`botId` holds a character"),
        ("?userId=%00&shopId=s&botId=7", "`userId` holds a control character"),
    ] {
        let path = format!("/api/chat-history{query}");
        let reply = tester.ask(Method::GET, &path).send().await.unwrap();
        refused(reply, 400, "body_invalid", detail).await;
    }
    for (method, path) in [
        (Method::POST, CHAT),
        (Method::POST, STREAM),
        (Method::GET, "/api/coze/bots"),
        (Method::GET, "/api/chat-history?userId=u1&shopId=s&botId=7"),
    ] {
        let reply = tester.ask_without_key(method, path).json(&good).send().await.unwrap();
        refused(reply, 401, "key_missing", "").await;
    }
    let reply = tester.ask(Method::GET, CHAT).send().await.unwrap();
    refused(reply, 404, "route_unknown", "").await;
    assert!(tester.works(&bot).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_upstream_is_told_and_leaves_the_conversation() {
    let tester = Tester::new("facade upstream");
    let (bot, cut) = (tester.subject(1), tester.subject(2));
    let first = chats(&tester, &says("u1", &bot, "hello")).await;
    tester.behave(&bot, json!({"refuse": {"code": 4016}})).await;
    for path in [CHAT, STREAM] {
        let reply = tester.call(path, &says("u1", &bot, "x")).await;
        refused(reply, 409, "upstream_4016", "").await;
    }
    tester.behave(&bot, json!({})).await;
    let later = chats(&tester, &says("u1", &bot, "hello")).await;
    assert_eq!(later["conversationId"], first["conversationId"]);

    tester.behave(&cut, json!({"pace": {"cut_after_bytes": 700}})).await;
    refused(tester.call(CHAT, &says("u1", &cut, "x")).await, 502, "upstream_cut", "").await;
    let events = events(tester.call(STREAM, &says("u1", &cut, "x")).await).await;
    let (name, data) = events.last().unwrap();
    assert_eq!((name.as_str(), &data["error"]["code"]), ("error", &json!("upstream_cut")));
    tester.calls(6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_with_an_idempotency_key_is_said_once() {
    let tester = Tester::new("facade idempotency");
    let bot = tester.subject(1);
    let send = async |path: &str| {
        let ask = tester.ask(Method::POST, path).header("idempotency-key", "f-1");
        ask.json(&says("u1", &bot, "hello")).send().await.unwrap()
    };
    let first: Value = send(CHAT).await.json().await.unwrap();
    let again = send(CHAT).await;
    assert_eq!(again.headers()["weir-replayed"], "true");
    assert_eq!(again.json::<Value>().await.unwrap(), first);
    assert_eq!(send(STREAM).await.status(), 409);
    tester.calls(1).await;
    assert_eq!(tester.works(&bot).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_chat_on_the_guest_account_and_each_address_has_its_minute() {
    let mut plan = Plan::for_test().unwrap();
    plan.edge_variables.push(("CORS_ORIGINS", "https://shop.example".to_owned()));
    plan.edge_variables.push(("GUEST_CALLS_PER_MINUTE", "3".to_owned()));
    let mut stack = Stack::start(plan).unwrap();
    let guests = Tester::on(&stack, "guests");
    let key = guests.key.clone();
    stack.change_secrets(|secrets| drop(secrets.insert("GUEST_KEY", key))).unwrap();
    let bot = guests.subject(1);
    let visit = async |address: &str, origin: &str| {
        let ask = guests.ask_without_key(Method::POST, CHAT).header("cf-connecting-ip", address);
        let ask = ask.header("origin", origin).json(&says("visitor", &bot, "hello"));
        ask.send().await.unwrap()
    };
    for _ in 0..3 {
        let reply = visit("192.0.2.1", "https://shop.example").await;
        assert_eq!(reply.status(), 200);
        assert!(!reply.headers().contains_key("weir-balance"));
        assert_eq!(reply.headers()["access-control-allow-origin"], "https://shop.example");
    }
    let reply = visit("192.0.2.1", "https://shop.example").await;
    assert!(reply.headers().contains_key("retry-after"));
    refused(reply, 429, "rate_limited", "from this address").await;
    assert_eq!(visit("192.0.2.2", "https://shop.example").await.status(), 200);
    let elsewhere = visit("192.0.2.3", "https://evil.example").await;
    refused(elsewhere, 403, "origin_not_allowed", "").await;
    // What was said is not for guests to read, and no other path takes them in.
    for path in ["/api/chat-history?userId=visitor&shopId=shop-1&botId=7", "/v1/models"] {
        let reply = guests.ask_without_key(Method::GET, path).send().await.unwrap();
        refused(reply, 401, "key_missing", "").await;
    }
    let reply = guests.ask_without_key(Method::GET, "/api/coze/bots").send().await.unwrap();
    assert_eq!(reply.json::<Value>().await.unwrap(), json!({"bots": [], "anyBot": true}));
    // A key that is sent is used, whatever it is worth.
    let reply = guests.ask_without_key(Method::POST, CHAT).bearer_auth("no-key");
    let reply = reply.json(&says("visitor", &bot, "hello")).send().await.unwrap();
    refused(reply, 401, "key_invalid", "").await;
    guests.calls(4).await;
    stack.stop().unwrap();
}
